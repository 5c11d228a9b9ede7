//! Converts the body of a response to the core response: a whole response is read as the only event of a stream.

use tachikoma_backends_core::CompletionResponse;

use super::coerce;
use super::stream::ChatStream;
use crate::CodexError;
use crate::api::{ResponseContext, body};
use crate::openai::types::CreateChatCompletionResponse;
use crate::runtime::{decoder, json};
use crate::server::ERRORS;

/// Decodes a whole response.
///
/// # Errors
/// The body is not JSON, is an error object, or holds no response.
pub(crate) fn decode(body: &[u8], context: ResponseContext) -> Result<CompletionResponse, CodexError> {
    let mut stream = ChatStream::new(ResponseContext { max_call_bytes: usize::MAX, ..context });
    if decoder::begins_with_events(body) {
        return decoder::whole_of_events(body, stream);
    }
    let text = body::utf8(body)?;
    let mut response: CreateChatCompletionResponse = match serde_json::from_str(text) {
        Ok(response) => response,
        // The server appends events to a whole response, or sends a chunk per line.
        Err(reason) if body::is_followed_by_more(text, &reason) => {
            return decoder::whole_of_events(&body::lines_as_events(text), stream);
        }
        Err(reason) => undocumented(text, reason)?,
    };
    // Servers count from different numbers; the choice with the lowest index is the response.
    response
        .choices
        .iter_mut()
        .for_each(|choices| choices.sort_by_key(|choice| json::index(choice.index.as_ref())));
    let piece = stream.whole(response, text)?;
    decoder::whole([piece], &mut stream)
}

/// Parses JSON that is not of the documented form.
fn undocumented(text: &str, reason: serde_json::Error) -> Result<CreateChatCompletionResponse, CodexError> {
    let mut value = body::any_form(text, reason)?;
    coerce::event(&mut value);
    // Text, a web page, an array: what is not a response may still be an error.
    let error = ERRORS.find_error(&value);
    body::read(value).map_err(|reason| error.unwrap_or(reason))
}
