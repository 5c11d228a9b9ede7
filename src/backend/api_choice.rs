//! [`ApiChoice`]: the API for a request.

use tachikoma_backends_core::CompletionRequest;

use crate::config::Api;
use crate::models::{ModelSpec, OpenAIModel, Support};
use crate::target::WireApi;
use crate::validate::{asked_effort, chat_only, needs_responses, responses_only};

/// The API for a request, with the reason: see [`CodexBackend::api_for`](crate::CodexBackend::api_for).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiChoice {
    /// The API.
    pub api: WireApi,
    /// Why it was chosen.
    pub reason: String,
}

/// Chooses by the first rule that applies. `host` is the server's.
pub(super) fn choose(
    setting: Api,
    request: &CompletionRequest,
    model: &OpenAIModel,
    spec: &ModelSpec,
    is_official: bool,
    host: &str,
) -> ApiChoice {
    let choice = |api, reason: String| ApiChoice { api, reason };
    let chat = |reason| choice(WireApi::ChatCompletions, reason);
    let responses = |reason| choice(WireApi::Responses, reason);
    let has_tools = !request.tools.is_empty();
    let effort = asked_effort(request);
    let configured = || "it is configured".to_owned();
    match setting {
        Api::ChatCompletions => return chat(configured()),
        Api::Responses => return responses(configured()),
        Api::Auto => {}
    }
    if let Some(what) = responses_only(request, host) {
        return responses(format!("only the Responses API has {what}"));
    }
    if !is_official {
        return chat("it is the default for servers other than OpenAI's and Azure's".to_owned());
    }
    if let Some(what) = chat_only(request).filter(|_| spec.chat != Support::No) {
        return chat(format!("only Chat Completions has {what}"));
    }
    if spec.responses == Support::No {
        return chat(format!("{model} is not available on the Responses API"));
    }
    if spec.chat == Support::No {
        return responses(format!("{model} is not available on Chat Completions"));
    }
    if needs_responses(request) {
        return responses("OpenAI accepts a file of the request only on the Responses API".to_owned());
    }
    if has_tools && spec.takes_chat_tools(effort) != Support::Yes {
        return responses(format!("{model} accepts tools together with reasoning only on the Responses API"));
    }
    if let Some(effort) = effort.filter(|effort| ModelSpec::is_responses_only(*effort)) {
        return responses(format!("the effort {effort} is accepted only on the Responses API"));
    }
    chat("the request needs no feature of the Responses API".to_owned())
}

#[cfg(test)]
mod tests {
    use tachikoma_backends_core::{ContentPart, Message, ReasoningEffort, ToolDefinition, ToolParameters};

    use super::*;

    fn spec(model: &str) -> ModelSpec {
        OpenAIModel::new(model).spec()
    }

    #[test]
    fn the_first_rule_that_applies() {
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
            let choice = choose(setting, &request, &model.into(), &spec(model), official, "");
            assert_eq!(Api::from(choice.api), api, "{model}: {choice:?}");
            assert!(choice.reason.contains(words), "{words:?} is not in {choice:?}");
        }
        let nothing = (Chat, "needs no feature");
        let only = (Responses, "not available on Chat Completions");
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
        check(
            (Auto, "gpt-4o-search-preview", true),
            None,
            false,
            "",
            (Chat, "not available on the Responses"),
        );
        check(
            (Auto, "gpt-4o", true),
            None,
            false,
            "previous_response_id",
            (Responses, "\"previous_response_id\""),
        );
        check((Auto, "gpt-4o", true), None, false, "include", (Responses, "\"include\""));
        check((Auto, "m", false), None, true, "truncation", (Responses, "\"truncation\""));
        check((Chat, "m", false), None, true, "truncation", (Chat, "configured"));
        check((Auto, "gpt-4o", true), None, false, "top_k", nothing);
        check((Auto, "gpt-5.3-codex", false), None, true, "", (Chat, "the default for servers"));
        let file = |official| {
            let part = ContentPart::file_url("https://example.org/a.pdf");
            let request = CompletionRequest::new(vec![Message::user(vec![part])]);
            Api::from(choose(Auto, &request, &"gpt-4o".into(), &spec("gpt-4o"), official, "").api)
        };
        assert_eq!((file(true), file(false)), (Responses, Chat));
        check((Auto, "gpt-oss-20b", false), None, true, "", (Chat, "the default for servers"));
        check((Auto, "m", false), None, false, "conversation", (Responses, "\"conversation\""));
        check((Chat, "gpt-5.3-codex", true), None, false, "", (Chat, "configured"));
        check((Responses, "m", false), None, false, "", (Responses, "configured"));
    }
}
