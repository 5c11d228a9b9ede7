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

#[cfg(test)]
mod tests {
    use tachikoma_backends_core::{Message, ToolDefinition, ToolParameters};

    use super::*;

    #[test]
    fn the_first_rule_that_fits() {
        use Api::{Auto, ChatCompletions as Chat, Responses};
        use ReasoningEffort::{High, Max, None as Off};
        #[track_caller]
        fn check(
            (setting, model, official): (Api, &str, bool),
            effort: Option<ReasoningEffort>,
            tools: bool,
            extra: &str,
            (api, words): (Api, &str),
        ) {
            let tool = || ToolDefinition::new("now", "The time", ToolParameters::new());
            let mut request = CompletionRequest::new(vec![Message::user("Hi")]).with_tools(tools.then(tool));
            request.reasoning_effort = effort;
            if !extra.is_empty() {
                request = request.with_extra(extra, "x");
            }
            let choice = choose(setting, &request, &model.into(), official);
            assert_eq!(choice.api, api, "{model}: {choice:?}");
            assert!(choice.reason.contains(words), "{words:?} is not in {choice:?}");
        }
        let nothing = (Chat, "needs nothing");
        let only = (Responses, "does not answer on Chat Completions");
        let tools = (Responses, "tools together with reasoning");
        check((Auto, "gpt-5.6-terra", true), None, false, "", nothing);
        check((Auto, "gpt-5.6-terra", true), None, true, "", tools);
        check((Auto, "gpt-5.6-terra", true), Some(High), true, "", tools);
        check((Auto, "gpt-5.6-terra", true), Some(Off), true, "", nothing);
        check((Auto, "gpt-5.6-terra", true), Some(Max), false, "", (Responses, "effort max"));
        check((Auto, "gpt-5.6-nova", true), None, true, "", tools);
        check((Auto, "gpt-6-astra", true), Some(Off), true, "", tools);
        check((Auto, "gpt-5.2", true), Some(High), true, "", nothing);
        check((Auto, "gpt-4o", true), None, true, "", nothing);
        check((Auto, "my-deployment", true), None, true, "", nothing);
        check((Auto, "gpt-5.3-codex", true), None, false, "", only);
        check((Auto, "o3-pro", true), None, true, "", only);
        check((Auto, "gpt-4o-search-preview", true), None, false, "", (Chat, "not answer on the Responses"));
        check((Auto, "gpt-4o", true), None, false, "previous_response_id", (Responses, "continues"));
        check((Auto, "gpt-4o", true), None, false, "top_k", nothing);
        check((Auto, "gpt-5.3-codex", false), None, true, "", (Chat, "every server but"));
        check((Auto, "gpt-oss-20b", false), None, true, "", (Chat, "every server but"));
        check((Auto, "m", false), None, false, "conversation", (Responses, "continues"));
        check((Chat, "gpt-5.3-codex", true), None, false, "", (Chat, "configured"));
        check((Responses, "m", false), None, false, "", (Responses, "configured"));
    }
}
