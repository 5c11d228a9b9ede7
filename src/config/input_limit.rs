//! What is done about a request that is longer than its model reads.

use serde::{Deserialize, Serialize};

/// What is done about a request that has more tokens than its model reads, or more than its context window together with the
/// answer that was asked for. It is counted as [`count_request_tokens`](crate::CodexBackend::count_request_tokens) does, and
/// only where its bytes leave it open. Nothing is done where the model's limit is not known. In files
/// it is `ignore`, `warn` or `refuse`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputLimit {
    /// It is sent, for the server to judge.
    Ignore,
    /// It is sent with a warning.
    #[default]
    Warn,
    /// It is refused with an error of the category `context_length` before it costs anything, whichever server it would go to.
    Refuse,
}
