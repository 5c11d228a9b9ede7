//! [`Api`]: the choice between OpenAI's two APIs.

use serde::{Deserialize, Serialize};

use crate::target::WireApi;

/// Which of OpenAI's two APIs requests go to. In files it is `auto`, `chat_completions` or `responses`.
///
/// Responses, chunks, tool calls, errors and retries are the same over both. A request that its API cannot express is an error
/// before anything is sent. [`Auto`](Self::Auto) chooses for each request by the first row that applies;
/// [`CodexBackend::api_for`](crate::CodexBackend::api_for) returns the choice with its reason.
///
/// | Request | API |
/// |---|---|
/// | `extra` has a field that only the Responses API has (`reasoning`, `include`, `previous_response_id`, ...), or a hosted tool | Responses |
/// | to a server other than OpenAI's and Azure's | Chat Completions |
/// | for a model without the Responses API | Chat Completions |
/// | for a model without Chat Completions | Responses |
/// | with a file that OpenAI accepts only there | Responses |
/// | with tools for a model that accepts them on Chat Completions only without reasoning, unless the effort is `none` | Responses |
/// | with the effort `max` | Responses |
/// | any other | Chat Completions |
///
/// Over the Responses API nothing is stored on the server unless the request sets `store`. The reasoning of known reasoning
/// models is returned encrypted in [`provider_state`](tachikoma_backends_core::CompletionResponse::provider_state) and is sent again
/// with the message that [`to_message`](tachikoma_backends_core::CompletionResponse::to_message) makes, only to the server, account
/// and model that it came from. `seed`, penalties and names of speakers, which that API does not have, are omitted with a warning.
///
/// ```
/// use tachikoma_backend_codex::{
///     Api, CodexBackend, CodexBackendConfig, CompletionRequest, CodexError, ToolDefinition, ToolParameters, WireApi,
/// };
///
/// let config = CodexBackendConfig::new("sk-...").with_model("gpt-5.6-terra");
/// let clock = ToolDefinition::new("now", "The time", ToolParameters::new());
/// let request = CompletionRequest::user("What time is it?");
///
/// let backend = CodexBackend::new(config.clone())?; // Api::Auto
/// assert_eq!(backend.api_for(&request).api, WireApi::ChatCompletions);
/// assert_eq!(backend.api_for(&request.clone().with_tool(clock)).api, WireApi::Responses);
///
/// let backend = CodexBackend::new(config.with_api(Api::Responses))?;
/// assert_eq!(backend.api_for(&request).reason, "it is configured");
/// # Ok::<(), CodexError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// Chosen for each request, by the table above.
    #[default]
    Auto,
    /// Chat Completions, which every compatible server has.
    ChatCompletions,
    /// The Responses API, the only one on which current models use tools while they reason.
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
    /// Its display name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::ChatCompletions => WireApi::ChatCompletions.as_str(),
            Self::Responses => WireApi::Responses.as_str(),
        }
    }
}
