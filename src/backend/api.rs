//! Which API a request goes to.

use tachikoma_backends_core::{CompletionRequest, ReasoningEffort};

use crate::config::Api;
use crate::models::{OpenAIModel, Support};
use crate::validate::is_continued;

/// Where a request goes, and why: see [`CodexBackend::api_for`](crate::CodexBackend::api_for).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiChoice {
    /// Chat Completions or the Responses API, never [`Api::Auto`].
    pub api: Api,
    /// The reason, in words.
    pub reason: String,
}

/// The first rule that fits decides.
pub(super) fn choose(
    setting: Api,
    request: &CompletionRequest,
    model: &OpenAIModel,
    is_official: bool,
) -> ApiChoice {
    let because = |api, reason: String| ApiChoice { api, reason };
    let chat = |reason| because(Api::ChatCompletions, reason);
    let responses = |reason| because(Api::Responses, reason);
    let spec = model.spec();
    let has_tools = !request.tools.is_empty();
    let effort = request.reasoning_effort;
    match setting {
        Api::ChatCompletions | Api::Responses => because(setting, "it is the configured one".to_owned()),
        Api::Auto if is_continued(request) => {
            responses("the request continues what only the Responses API keeps".to_owned())
        }
        Api::Auto if !is_official => {
            chat("every server but OpenAI's and Azure's is asked so by default".to_owned())
        }
        Api::Auto if spec.responses == Support::No => {
            chat(format!("{model} does not answer on the Responses API"))
        }
        Api::Auto if spec.chat == Support::No => {
            responses(format!("{model} does not answer on Chat Completions"))
        }
        Api::Auto
            if has_tools
                && spec.chat_tools_need_no_reasoning
                && !(effort == Some(ReasoningEffort::None)
                    && spec.takes_effort(ReasoningEffort::None).is_possible()) =>
        {
            responses(format!("{model} takes tools together with reasoning only on the Responses API"))
        }
        Api::Auto if effort == Some(ReasoningEffort::Max) => {
            responses("the effort max is taken only on the Responses API".to_owned())
        }
        Api::Auto => chat("the request needs nothing that only the Responses API has".to_owned()),
    }
}
