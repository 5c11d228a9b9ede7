//! Which further fields of a request body only one of the two APIs has. Two tables, held against OpenAI's document by tests.

use serde_json::{Map, Value};
use tachikoma_backends_core::{
    CompletionRequest, ContentPart, HostedTool, MediaSource, MessageContent, ToolChoice, ToolSpec,
};

/// Fields that only the Responses API has.
const RESPONSES_ONLY: &[&str] = &[
    "background", "context_management", "conversation", "include", "input", "instructions",
    "max_output_tokens", "max_tool_calls", "previous_response_id", "prompt", "reasoning", "text",
    "truncation",
];

/// Fields that only Chat Completions has. Those of the core request are not here: they are converted.
const CHAT_ONLY: &[&str] = &[
    "audio", "function_call", "functions", "logprobs", "max_completion_tokens", "modalities", "prediction",
    "web_search_options",
];

/// Types of tools that only the Responses API has.
const RESPONSES_ONLY_TOOLS: &[&str] = &[
    "apply_patch",
    "code_interpreter",
    "computer",
    "computer_use_preview",
    "file_search",
    "image_generation",
    "local_shell",
    "mcp",
    "namespace",
    "programmatic_tool_calling",
    "shell",
    "tool_search",
    "web_search",
    "web_search_2025_08_26",
    "web_search_preview",
    "web_search_preview_2025_03_11",
];

/// Fields and values that other servers take on Chat Completions, by the domain. OpenRouter's reasoning is documented there.
const CHAT_ELSEWHERE: &[(&str, &str)] = &[("openrouter.ai", "reasoning")];

/// Keys of a `reasoning` object that OpenAI's document does not have: those of OpenRouter and of servers like it.
const OTHER_REASONING_KEYS: &[&str] = &["enabled", "exclude", "max_tokens"];

/// What a request holds that only the Responses API has, for messages. `host` is the server's.
pub(crate) fn responses_only(request: &CompletionRequest, host: &str) -> Option<String> {
    let extra = &request.extra;
    let is_elsewhere = |field: &str| {
        field == "reasoning" && has_other_reasoning(extra)
            || CHAT_ELSEWHERE.iter().any(|(domain, known)| *known == field && is_within(host, domain))
    };
    let is_set = |field: &&&str| extra.get(**field).is_some_and(|value| !value.is_null());
    let field = RESPONSES_ONLY.iter().filter(is_set).find(|field| !is_elsewhere(field)).copied();
    let field = field
        .or_else(|| has_responses_tool(extra).then_some("tools"))
        .or_else(|| has_responses_tool_choice(extra).then_some("tool_choice"));
    field.map(|field| format!("the extra field {field:?}")).or_else(|| typed_responses_only(request))
}

/// The same among the typed fields and the content.
pub(super) fn typed_responses_only(request: &CompletionRequest) -> Option<String> {
    let fields = [
        ("compaction_threshold", request.compaction_threshold.is_some()),
        ("include", !request.include.is_empty()),
        ("reasoning_summary", request.reasoning_summary.is_some()),
        ("truncation", request.truncation.is_some()),
    ];
    let field = fields.iter().find(|(_, is_set)| *is_set).map(|(field, _)| format!("the field {field:?}"));
    let hosted = || {
        let tools = request.tools.iter().filter_map(|tool| match tool {
            ToolSpec::Hosted(tool) => Some(tool),
            _ => None,
        });
        let choice = match &request.tool_choice {
            Some(ToolChoice::Hosted(tool)) => Some(tool),
            _ => None,
        };
        let is_of_responses =
            |tool: &&HostedTool| is_of_responses(&Value::Object((*tool).clone().into_json()));
        tools.chain(choice).find(is_of_responses).map(|tool| format!("the hosted tool {:?}", tool.kind))
    };
    let has_image = || {
        let is_by_id =
            |part: &ContentPart| matches!(part, ContentPart::Image { source: MediaSource::Id { .. }, .. });
        parts(request).any(is_by_id).then(|| "an image by its id".to_owned())
    };
    field.or_else(hosted).or_else(has_image)
}

/// What a request holds that only Chat Completions has, for messages.
pub(crate) fn chat_only(request: &CompletionRequest) -> Option<String> {
    // These switch nothing on.
    let is_set = |value: &Value| !value.is_null() && *value != false;
    let field = CHAT_ONLY.iter().find(|field| request.extra.get(**field).is_some_and(is_set));
    field.map(|field| format!("the extra field {field:?}")).or_else(|| typed_chat_only(request))
}

/// The same among the typed fields and the content.
pub(super) fn typed_chat_only(request: &CompletionRequest) -> Option<String> {
    let has_audio = || parts(request).any(|part| matches!(part, ContentPart::Audio { .. }));
    let prediction = request.prediction.as_ref().map(|_| "the field \"prediction\"".to_owned());
    prediction.or_else(|| has_audio().then(|| "a recording".to_owned()))
}

fn parts(request: &CompletionRequest) -> impl Iterator<Item = &ContentPart> {
    request.messages.iter().flat_map(|message| match &message.content {
        MessageContent::Parts(parts) => parts.as_slice(),
        MessageContent::Text(_) => &[],
    })
}

/// Finds further fields that no single API has together.
pub(super) fn contradiction(request: &CompletionRequest, found: &mut Vec<String>) {
    if let (Some(responses), Some(chat)) = (responses_only(request, ""), chat_only(request)) {
        found.push(format!(
            "only the Responses API has {responses}, and only Chat Completions has {chat}: leave one of them out"
        ));
    }
}

fn has_other_reasoning(extra: &Map<String, Value>) -> bool {
    let reasoning = extra.get("reasoning").and_then(Value::as_object);
    reasoning.is_some_and(|keys| OTHER_REASONING_KEYS.iter().any(|key| keys.contains_key(*key)))
}

fn has_responses_tool(extra: &Map<String, Value>) -> bool {
    extra.get("tools").and_then(Value::as_array).is_some_and(|tools| tools.iter().any(is_of_responses))
}

/// Chat Completions, also as other servers extend it, puts what describes a tool into an object named as its type is.
fn is_of_responses(tool: &Value) -> bool {
    let Some(kind) = tool.get("type").and_then(Value::as_str) else { return false };
    let is_flat_function = matches!(kind, "function" | "custom") && tool.get("name").is_some();
    (is_flat_function || RESPONSES_ONLY_TOOLS.contains(&kind)) && tool.get(kind).is_none()
}

fn has_responses_tool_choice(extra: &Map<String, Value>) -> bool {
    extra.get("tool_choice").is_some_and(|choice| choice.is_object() && is_of_responses(choice))
}

fn is_within(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;
    use tachikoma_backends_core::Message;

    use super::*;

    fn document() -> Value {
        serde_json::from_str(include_str!("../../openapi/closure.json")).unwrap()
    }

    /// The schema behind a reference, and those that it consists of.
    fn parts<'a>(document: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
        if let Some(reference) = schema["$ref"].as_str() {
            return parts(document, document.pointer(reference.trim_start_matches('#')).unwrap());
        }
        let inner = ["allOf", "oneOf", "anyOf"].into_iter().flat_map(|key| schema[key].as_array());
        let inner = inner.flatten().flat_map(|schema| parts(document, schema));
        [schema].into_iter().chain(inner).collect()
    }

    fn properties(document: &Value, name: &str) -> BTreeSet<String> {
        let schema = &document["components"]["schemas"][name];
        let properties =
            parts(document, schema).into_iter().filter_map(|part| part["properties"].as_object());
        properties.flat_map(|properties| properties.keys().cloned()).collect()
    }

    fn names(table: &[&str]) -> BTreeSet<String> {
        table.iter().map(|name| (*name).to_owned()).collect()
    }

    /// Fields of the core request, by their names in Chat Completions, which are converted for the Responses API as well, or refused.
    const CORE: &[&str] = &[
        "frequency_penalty", "logit_bias", "max_tokens", "messages", "n", "presence_penalty",
        "reasoning_effort", "response_format", "seed", "stop", "verbosity",
    ];

    #[test]
    fn the_tables_are_those_of_the_document() {
        let document = document();
        let responses = properties(&document, "CreateResponse");
        let chat = properties(&document, "CreateChatCompletionRequest");
        assert_eq!(names(RESPONSES_ONLY), &responses - &chat);
        assert_eq!(names(CHAT_ONLY), &(&chat - &responses) - &names(CORE));

        let tools = &document["components"]["schemas"]["Tool"];
        let kinds = parts(&document, tools).into_iter().flat_map(|part| {
            let kind = &part["properties"]["type"];
            let values = kind["enum"].as_array().cloned().unwrap_or_else(|| vec![kind["const"].clone()]);
            values.into_iter().filter_map(|value| value.as_str().map(str::to_owned))
        });
        let of_both = names(&["function", "custom"]);
        assert_eq!(names(RESPONSES_ONLY_TOOLS), &kinds.collect() - &of_both);

        let reasoning = properties(&document, "Reasoning");
        assert!(OTHER_REASONING_KEYS.iter().all(|key| !reasoning.contains(*key)), "{reasoning:?}");
    }

    #[track_caller]
    fn check(extra: Value, expected: Option<&str>) {
        let mut request = CompletionRequest::new(vec![Message::user("Hi")]);
        request.extra = extra.as_object().unwrap().clone();
        let expected = expected.map(|field| format!("the extra field {field:?}"));
        assert_eq!(responses_only(&request, "api.openai.com"), expected, "{extra}");
    }

    #[test]
    fn every_field_of_the_document_is_of_its_apis() {
        let document = document();
        let responses = properties(&document, "CreateResponse");
        let chat = properties(&document, "CreateChatCompletionRequest");
        for field in responses.union(&chat) {
            let expected = (!chat.contains(field)).then_some(field.as_str());
            check(json!({ field: "x" }), expected);
            check(json!({ field: null }), None);
        }
        check(json!({"top_k": 1}), None);
    }

    #[test]
    fn tools_tell_the_api_by_their_types_and_forms() {
        for kind in RESPONSES_ONLY_TOOLS {
            check(json!({"tools": [{"type": kind}]}), Some("tools"));
            check(
                json!({"tools": [{"type": "function", "function": {"name": "a"}}, {"type": kind}]}),
                Some("tools"),
            );
            check(json!({"tool_choice": {"type": kind}}), Some("tool_choice"));
        }
        check(json!({"tools": [{"type": "function", "name": "a"}]}), Some("tools"));
        check(json!({"tools": [{"type": "custom", "name": "a"}]}), Some("tools"));
        check(json!({"tool_choice": {"type": "function", "name": "a"}}), Some("tool_choice"));
        for of_chat in [
            json!({"tools": [{"type": "function", "function": {"name": "a"}}]}),
            json!({"tools": [{"type": "custom", "custom": {"name": "a"}}]}),
            // Z.ai's, and Kimi's.
            json!({"tools": [{"type": "web_search", "web_search": {"enable": true}}]}),
            json!({"tools": [{"type": "builtin_function", "function": {"name": "$web_search"}}]}),
            json!({"tool_choice": "auto"}),
            json!({"tool_choice": {"type": "function", "function": {"name": "a"}}}),
            json!({"tools": []}),
            json!({"tools": "x"}),
        ] {
            check(of_chat, None);
        }
    }

    #[test]
    fn reasoning_as_openrouter_has_it_is_of_chat_completions() {
        let check = |reasoning: Value, host: &str, expected: Option<&str>| {
            let request = CompletionRequest::default().with_extra("reasoning", reasoning.clone());
            let expected = expected.map(|field| format!("the extra field {field:?}"));
            assert_eq!(responses_only(&request, host), expected, "{reasoning} at {host}");
        };
        check(json!({"effort": "low"}), "localhost", Some("reasoning"));
        check(json!({"effort": "low", "summary": "auto"}), "api.openai.com", Some("reasoning"));
        check(json!({"effort": "low"}), "openrouter.ai", None);
        check(json!({"effort": "low"}), "eu.openrouter.ai", None);
        check(json!({"effort": "low"}), "notopenrouter.ai", Some("reasoning"));
        for key in OTHER_REASONING_KEYS {
            check(json!({"effort": "low", *key: 1}), "localhost", None);
        }
    }

    #[test]
    fn fields_of_both_apis_contradict_each_other() {
        for responses in RESPONSES_ONLY {
            for chat in CHAT_ONLY {
                let request = CompletionRequest::default().with_extra(*responses, "x").with_extra(*chat, "x");
                let mut found = Vec::new();
                contradiction(&request, &mut found);
                assert_eq!(found.len(), 1);
                assert!(
                    found[0].contains(&format!("{responses:?}")) && found[0].contains(&format!("{chat:?}"))
                );
            }
        }
        let mut found = Vec::new();
        contradiction(
            &CompletionRequest::default().with_extra("text", "x").with_extra("logprobs", false),
            &mut found,
        );
        assert_eq!(found, [""; 0]);
    }
}
