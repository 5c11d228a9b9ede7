//! [`RequestPreview`]: a request as it would be sent, and what two of them have in common.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;
use tachikoma_backends_core::{CompletionRequest, ToolSpec};

use super::CodexBackend;
use crate::CodexError;
use crate::runtime::masked_url;
use crate::target::WireApi;
use crate::validate::{PrefixBreak, prefix_break};

/// What would be sent: see [`CodexBackend::preview`](crate::CodexBackend::preview).
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct RequestPreview {
    /// Chat Completions or the Responses API.
    pub api: WireApi,
    /// The URL. `Debug` masks what looks like a key.
    pub url: String,
    /// The JSON body. `Debug` masks what may be a secret in a hosted tool.
    pub body: Value,
    /// What was omitted or added for the model, and why. When sending, these are logged.
    pub warnings: Vec<String>,
}

impl fmt::Debug for RequestPreview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestPreview")
            .field("api", &self.api)
            .field("url", &masked_url(&self.url))
            .field("body", &masked_body(&self.body))
            .field("warnings", &self.warnings)
            .finish()
    }
}

fn masked_body(body: &Value) -> Value {
    let mut body = body.clone();
    let tools = body.get_mut("tools").and_then(Value::as_array_mut);
    for value in tools.into_iter().flatten() {
        if let Ok(ToolSpec::Hosted(tool)) = ToolSpec::deserialize(&*value) {
            *value = tool.masked().into_json().into();
        }
    }
    body
}

impl CodexBackend {
    /// The first difference between two requests after which the server's cache cannot reuse the prompt of the earlier one:
    /// [`prefix_break`] of their [previews](Self::preview). `None` where the later request extends the earlier one.
    ///
    /// ```
    /// # use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig, CompletionRequest, Message};
    /// # let backend = CodexBackend::new(CodexBackendConfig::new("sk-..."))?;
    /// let request = |time: &str| {
    ///     CompletionRequest::new(vec![Message::system(format!("It is {time}.")), Message::user("Hi")])
    /// };
    /// if let Some(found) = backend.prefix_break(&request("10:03"), &request("10:04"))? {
    ///     println!("{found}");
    /// #   assert_eq!((found.matching_items, found.items), (0, 2));
    /// }
    /// # Ok::<(), tachikoma_backend_codex::CodexError>(())
    /// ```
    ///
    /// # Errors
    /// One of the requests would be refused before sending.
    pub fn prefix_break(
        &self,
        earlier: &CompletionRequest,
        later: &CompletionRequest,
    ) -> Result<Option<PrefixBreak>, CodexError> {
        Ok(prefix_break(&self.preview(earlier)?.body, &self.preview(later)?.body))
    }
}
