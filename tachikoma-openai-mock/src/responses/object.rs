//! The response object, complete or in progress.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::item::ItemBuilder;
use super::request::ResponsesRequest;
use crate::answer::{Answer, TokenUsage};
use crate::chat::CREATED;
use crate::output::OutputItem;
use crate::{hash, tokens};

/// The settings of the request that a response repeats, with their defaults.
const REPEATED: [(&str, &str); 18] = [
    ("frequency_penalty", "0.0"),
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("presence_penalty", "0.0"),
    ("prompt_cache_key", "null"),
    ("reasoning", r#"{"effort": null, "summary": null}"#),
    ("safety_identifier", "null"),
    ("store", "true"),
    ("temperature", "1.0"),
    ("text", r#"{"format": {"type": "text"}, "verbosity": "medium"}"#),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_logprobs", "0"),
    ("top_p", "1.0"),
    ("truncation", r#""disabled""#),
];

#[derive(Serialize)]
pub(super) struct Object<'a> {
    id: &'a str,
    object: &'static str,
    created_at: u64,
    status: &'a str,
    background: bool,
    completed_at: Option<u64>,
    error: Option<Failure<'a>>,
    incomplete_details: Option<Incomplete<'a>>,
    model: &'a str,
    output: &'a [OutputItem],
    previous_response_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<Value>,
    service_tier: &'a str,
    usage: Option<Usage>,
    user: Option<&'a str>,
    #[serde(flatten)]
    repeated: &'a BTreeMap<&'static str, Value>,
}

#[derive(Clone, Copy, Serialize)]
struct Incomplete<'a> {
    reason: &'a str,
}

#[derive(Clone, Copy, Serialize)]
struct Failure<'a> {
    code: &'a str,
    message: &'a str,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Usage {
    input_tokens: usize,
    input_tokens_details: InputDetails,
    output_tokens: usize,
    output_tokens_details: OutputDetails,
    total_tokens: usize,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct InputDetails {
    cached_tokens: usize,
    cache_write_tokens: usize,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct OutputDetails {
    reasoning_tokens: usize,
}

impl Usage {
    fn new(input_tokens: usize, answer: &Answer) -> Self {
        let counted = TokenUsage {
            input_tokens,
            output_tokens: tokens::count(answer.bytes()),
            reasoning_tokens: tokens::count(answer.reasoning_bytes()),
            cached_tokens: 0,
        };
        let TokenUsage { input_tokens, output_tokens, cached_tokens, reasoning_tokens } =
            answer.usage.unwrap_or(counted);
        Self {
            input_tokens,
            input_tokens_details: InputDetails { cached_tokens, cache_write_tokens: 0 },
            output_tokens,
            output_tokens_details: OutputDetails { reasoning_tokens },
            total_tokens: input_tokens + output_tokens,
        }
    }
}

/// A request with its answer: everything that a response consists of.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) id: String,
    request: ResponsesRequest,
    /// Why it is incomplete.
    incomplete: Option<String>,
    /// The code and the message of the error that it ends with.
    failure: Option<(String, String)>,
    pub(super) output: Vec<OutputItem>,
    usage: Usage,
    repeated: BTreeMap<&'static str, Value>,
}

impl Exchange {
    /// `items_before` is the number of items in the turns before: the same body in a longer conversation has another id.
    pub(super) fn new(
        body: &[u8],
        request: ResponsesRequest,
        answer: &Answer,
        input_tokens: usize,
        items_before: usize,
    ) -> Self {
        let id = match items_before {
            0 => hash::id("resp_", &[body]),
            _ => hash::id("resp_", &[body, &items_before.to_le_bytes()]),
        };
        let incomplete = match answer.finish_reason.as_str() {
            "stop" | "tool_calls" => None,
            "length" => Some("max_output_tokens".to_owned()),
            reason => Some(reason.to_owned()),
        };
        let builder = ItemBuilder {
            response: &id,
            stored: request.is_stored(),
            encrypted: request.wants_encrypted_reasoning(),
            cut: incomplete.is_some(),
        };
        let output = builder.items(answer);
        Self {
            id,
            request,
            incomplete,
            failure: answer.failure.clone(),
            output,
            usage: Usage::new(input_tokens, answer),
            repeated: repeated(body),
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// The type of the last event.
    pub(super) fn end(&self) -> &'static str {
        match (&self.failure, &self.incomplete) {
            (Some(_), _) => "response.failed",
            (None, Some(_)) => "response.incomplete",
            (None, None) => "response.completed",
        }
    }

    pub(crate) fn is_stored(&self) -> bool {
        self.request.is_stored()
    }

    /// Whether its request asked for a stream.
    pub(crate) fn is_streamed(&self) -> bool {
        self.request.stream == Some(true)
    }

    pub(crate) fn is_background(&self) -> bool {
        self.request.is_background()
    }

    /// The id of the conversation that it belongs to.
    pub(crate) fn conversation(&self) -> Option<&str> {
        self.request.conversation()
    }

    /// The items of its output, as they come back in the next turn.
    pub(crate) fn output_json(&self) -> impl Iterator<Item = Value> {
        self.output.iter().map(|item| json!(item))
    }

    /// The complete response, as JSON.
    pub(crate) fn finished(&self) -> String {
        serde_json::to_string(&self.response()).unwrap_or_default()
    }

    /// The response with this status, before its first item, as JSON.
    pub(crate) fn unfinished(&self, status: &'static str) -> String {
        serde_json::to_string(&self.before_its_items(status)).unwrap_or_default()
    }

    pub(super) fn response(&self) -> Object<'_> {
        let incomplete = self.incomplete.as_deref();
        let failure = self.failure.as_ref().map(|(code, message)| Failure { code, message });
        let status = match (failure, incomplete) {
            (Some(_), _) => "failed",
            (None, Some(_)) => "incomplete",
            (None, None) => "completed",
        };
        Object {
            completed_at: (status == "completed").then_some(CREATED),
            error: failure,
            incomplete_details: incomplete.map(|reason| Incomplete { reason }),
            output: &self.output,
            usage: Some(self.usage),
            ..self.before_its_items(status)
        }
    }

    pub(super) fn before_its_items(&self, status: &'static str) -> Object<'_> {
        Object {
            id: &self.id,
            object: "response",
            created_at: CREATED,
            status,
            background: self.is_background(),
            completed_at: None,
            error: None,
            incomplete_details: None,
            model: &self.request.model,
            output: &[],
            previous_response_id: self.request.previous_response_id.as_deref(),
            conversation: self.conversation().map(|id| json!({"id": id})),
            service_tier: self
                .request
                .service_tier
                .as_deref()
                .filter(|tier| *tier != "auto")
                .unwrap_or("default"),
            usage: None,
            user: self.request.user.as_deref(),
            repeated: &self.repeated,
        }
    }
}

fn repeated(body: &[u8]) -> BTreeMap<&'static str, Value> {
    let mut request: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    let field = |(name, default): (&'static str, &str)| {
        let mut value: Value = serde_json::from_str(default).unwrap_or_default();
        match (&mut value, request.remove(name)) {
            (_, None | Some(Value::Null)) => {}
            (Value::Object(defaults), Some(Value::Object(fields))) => defaults.extend(fields),
            (value, Some(sent)) => *value = sent,
        }
        (name, value)
    };
    let mut repeated: BTreeMap<_, _> = REPEATED.into_iter().map(field).collect();
    let tools = repeated.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten();
    for tool in tools.filter_map(Value::as_object_mut) {
        if tool.get("type").is_some_and(|kind| kind == "function") {
            let defaults =
                [("description", Value::Null), ("parameters", Value::Null), ("strict", true.into())];
            for (name, default) in defaults {
                tool.entry(name).or_insert(default);
            }
        }
    }
    repeated
}
