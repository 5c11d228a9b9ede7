//! [`InputLimit`].

use serde::{Deserialize, Serialize};

/// What to do with a request that exceeds the model's input limit, or its context window together with `max_tokens`. Tokens are
/// counted as by [`count_request_tokens`](crate::CodexBackend::count_request_tokens), and only if the size in bytes does not
/// decide. Without a known limit nothing is done. In files it is `ignore`, `warn` or `refuse`.
///
/// ```
/// use tachikoma_backend_codex::{
///     CodexBackend, CodexBackendConfig, CodexError, CompletionRequest, ErrorCategory, InputLimit,
/// };
///
/// let config = CodexBackendConfig::new("sk-...").with_model("gpt-4o").with_input_limit(InputLimit::Refuse);
/// let backend = CodexBackend::new(config)?;
/// let request = CompletionRequest::user("a few words ".repeat(100_000)); // the model reads 128,000 tokens
/// let error = backend.preview(&request).unwrap_err();
/// assert_eq!(error.category(), ErrorCategory::ContextLength);
/// assert_eq!(error.attempts(), 0); // nothing was sent
/// # Ok::<(), CodexError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputLimit {
    /// It is sent unchecked.
    Ignore,
    /// It is sent with a warning.
    #[default]
    Warn,
    /// It is refused with an error of the category `context_length` before it is sent, for any server.
    Refuse,
}
