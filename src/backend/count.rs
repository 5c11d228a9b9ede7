//! Counting before sending.

use tachikoma_backends_core::{CompletionRequest, ErrorCategory};

use super::CodexBackend;
use crate::CodexError;
use crate::config::InputLimit;
use crate::models::OpenAIModel;
use crate::target::Target;
use crate::tokens::{self, TokenCount};

impl CodexBackend {
    /// The number of tokens in `text` for this model;
    /// [`Backend::count_tokens`](tachikoma_backends_core::Backend::count_tokens) tells it for the configured one.
    ///
    /// With the feature `tokens` it is exactly the one that the model's encoding has, by the table of
    /// [`models`](crate::models); text that looks like a special token counts as text. For a model whose encoding is not
    /// known it is the one of `o200k_base`. Without the feature it is a quarter of the bytes, rounded up.
    ///
    /// The first count reads the tables in, which takes about 0.1 s and 35 MB of memory for each of the two encodings.
    pub fn count_tokens_for(&self, model: impl Into<OpenAIModel>, text: &str) -> u32 {
        tokens::of_text(&model.into(), text)
    }

    /// How many tokens of input this request is: turns, names, tool calls, definitions of tools, the answer's schema, images, files.
    ///
    /// It tells a likely number and [how far from it](TokenCount::error) the server's may be. With the feature `tokens` that
    /// is 2 tokens for a request of plain text, 8 more for each tool call, 8 more and a tenth of their own for the
    /// definitions of tools, 8 more and a quarter of its own for a schema, and 2 more for an image that travels within the
    /// request and whose rule is sure. An image of unknown size, behind a URL or of unknown format, counts as large as the
    /// model takes it, and reasoning that goes back encrypted as half of what it can be. Models of open weights add 20,
    /// since each server has a preamble of its own. Without the feature, texts are estimated and no image's size is known.
    ///
    /// Of a file only a coarse bound is known: one within the request counts a token for every 20 bytes (4 of a text), and has at
    /// most one for each byte; one behind a URL or an id counts for nothing, and has at most what the model reads.
    ///
    /// Not counted is what the server adds from elsewhere: the turns that `previous_response_id` or `conversation` continue,
    /// the server's own tools, and whatever else comes by `extra`.
    pub fn count_request_tokens(&self, request: &CompletionRequest) -> TokenCount {
        tokens::of_request(request, &self.target(request, false))
    }

    /// What to tell of a request that is longer than its model reads, if it is and anybody wants to know.
    ///
    /// # Errors
    /// It is, and is to be refused.
    pub(super) fn check_length(
        &self,
        request: &CompletionRequest,
        target: &Target,
    ) -> Result<Option<String>, CodexError> {
        let setting = self.config().input_limit();
        if setting == InputLimit::Ignore {
            return Ok(None);
        }
        match tokens::too_long(request, target) {
            Some(message) if setting == InputLimit::Refuse => {
                Err(CodexError::unsent(ErrorCategory::ContextLength, message)
                    .with_hint("InputLimit::Warn sends it all the same."))
            }
            found => Ok(found),
        }
    }
}
