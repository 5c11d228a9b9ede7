//! Which of OpenAI's two APIs is used.

use serde::{Deserialize, Serialize};

use crate::target::WireApi;

/// Which of OpenAI's two APIs requests go to. In files it is `auto`, `chat_completions` or `responses`.
///
/// Responses, chunks, tool calls, errors and retries are the same over both. What the API of a request cannot express is an error
/// before anything is sent. [`Auto`](Self::Auto) chooses for each request by the first row that applies;
/// [`CodexBackend::api_for`](crate::CodexBackend::api_for) returns the choice with its reason.
///
/// | Request | API |
/// |---|---|
/// | `extra` has a field that only the Responses API has (`reasoning`, `include`, `previous_response_id`, ...), or a hosted tool | Responses |
/// | to a server other than OpenAI's and Azure's | Chat Completions |
/// | for a model without the Responses API | Chat Completions |
/// | for a model without Chat Completions | Responses |
/// | with a file that OpenAI takes only there | Responses |
/// | tools for a model that takes them on Chat Completions only without reasoning, unless the effort is `none` | Responses |
/// | with the effort `max` | Responses |
/// | any other | Chat Completions |
///
/// Over the Responses API nothing is stored at the server unless the request sets `store`. The reasoning of models that are known to
/// reason comes back encrypted in [`provider_state`](tachikoma_backends_core::CompletionResponse::provider_state) and is sent again
/// with the message that [`to_message`](tachikoma_backends_core::CompletionResponse::to_message) makes, only to the server, account
/// and model that it came from. `seed`, penalties and names of speakers, which that API does not have, are left out with a warning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// For each request the one that it needs: by the fields of its `extra` that only the Responses API has, else by the model
    /// table.
    #[default]
    Auto,
    /// Chat Completions, which every compatible server speaks.
    ChatCompletions,
    /// The Responses API, on which alone today's models use tools while they reason.
    Responses,
}

/// The setting that sends every request there.
impl From<WireApi> for Api {
    fn from(api: WireApi) -> Self {
        match api {
            WireApi::ChatCompletions => Self::ChatCompletions,
            WireApi::Responses => Self::Responses,
        }
    }
}

impl Api {
    /// Its name, for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::ChatCompletions => WireApi::ChatCompletions.as_str(),
            Self::Responses => WireApi::Responses.as_str(),
        }
    }
}
