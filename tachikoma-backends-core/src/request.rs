//! Requests to a model.

mod named_values;
mod tool_choice;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::named_values::{PromptCacheMode, ReasoningEffort, ReasoningSummary, Truncation, Verbosity};
pub use self::tool_choice::{AllowedTool, ToolChoice};
use crate::setters::{optional_setters, setters};
use crate::{Message, MessageContent, ToolSpec};

/// A request for one response. The provider decides what is not set.
///
/// ```
/// use tachikoma_backends_core::{CompletionRequest, Message, ReasoningEffort};
///
/// let request = CompletionRequest::new(vec![Message::system("Be brief."), Message::user("Name three fjords.")])
///     .with_model("gpt-5.6-terra")
///     .with_max_tokens(500)
///     .with_reasoning_effort(ReasoningEffort::Low)
///     .with_extra("top_k", 40);
///
/// // In a log or a file it is JSON, without what is not set.
/// let json = serde_json::to_value(&request)?;
/// assert_eq!(json["reasoning_effort"], "low");
/// assert!(json.get("temperature").is_none());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CompletionRequest {
    /// The conversation, oldest turn first.
    pub messages: Vec<Message>,
    /// The model; the backend's own default where this is `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Limit on the response, in tokens, reasoning included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Sampling temperature; 0 is the most predictable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling: the share of probability mass that is considered, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Texts that end the response before they appear in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// Tools that the model may call: functions, custom tools and the provider's own, side by side.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolSpec>,
    /// Whether and which tool it must call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may make several calls in one response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    /// The form of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat>,
    /// How long it may reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<ReasoningEffort>,
    /// Whether and how the model sums up its reasoning for the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_summary: Option<ReasoningSummary>,
    /// How long the answer should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verbosity: Option<Verbosity>,
    /// Asks for repeatable sampling, as far as the provider can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Lowers the chance of tokens by how often they occurred, -2 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// Lowers the chance of tokens that occurred at all, -2 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// Raises or lowers the chance of tokens, by token id, -100 to 100.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub logit_bias: BTreeMap<String, i32>,
    /// Whether the response should hold the log probabilities of its tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    /// How many of the likeliest tokens to report at each place, beside the one that was sampled: 0 to 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<u32>,
    /// Text that the answer is expected to repeat for the most part, such as a file that is being edited: it makes the
    /// response faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prediction: Option<String>,
    /// What the provider does with a conversation that is longer than the context window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncation: Option<Truncation>,
    /// From how many tokens of context on the provider compacts the conversation while it responds; OpenAI takes 1,000 at least.
    /// The response then holds a [compaction item](crate::Compaction).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compaction_threshold: Option<u32>,
    /// Further data that the response should hold, by the provider's names, such as `web_search_call.action.sources`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// A key that requests with the same beginning share, so that they reach the same cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_cache_key: Option<String>,
    /// How the provider caches the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_cache: Option<PromptCache>,
    /// Has the provider check input and output with a moderation model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moderation: Option<Moderation>,
    /// The provider's class of service, by the provider's name of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
    /// Whether the provider may keep the response for later retrieval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<bool>,
    /// Labels that the provider keeps with a stored response.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// A stable id of the end user, for the provider's abuse detection; newer models take
    /// [`safety_identifier`](Self::safety_identifier) in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// A stable id of the end user without personal data, such as a hash, for the provider's abuse detection: 64 characters
    /// at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safety_identifier: Option<String>,
    /// Further fields of the request body, which are sent unchanged. A field that the request sets elsewhere must not be
    /// here as well.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
    /// How often the backend may try again; its own setting where this is `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
}

impl CompletionRequest {
    /// A request for the response to this conversation.
    pub fn new(messages: Vec<Message>) -> Self {
        Self { messages, ..Self::default() }
    }

    /// A request with this one message of the user.
    pub fn user(content: impl Into<MessageContent>) -> Self {
        Self::new(vec![Message::user(content)])
    }

    setters! {
        with_messages(messages: Vec<Message>);
    }

    optional_setters! {
        with_model(model: impl Into<String>);
        with_max_tokens(max_tokens: u32);
        with_temperature(temperature: f64);
        with_top_p(top_p: f64);
        with_tool_choice(tool_choice: ToolChoice);
        with_parallel_tool_calls(parallel_tool_calls: bool);
        with_response_format(response_format: ResponseFormat);
        with_reasoning_effort(reasoning_effort: ReasoningEffort);
        with_reasoning_summary(reasoning_summary: ReasoningSummary);
        with_verbosity(verbosity: Verbosity);
        with_seed(seed: i64);
        with_frequency_penalty(frequency_penalty: f64);
        with_presence_penalty(presence_penalty: f64);
        with_logprobs(logprobs: bool);
        with_top_logprobs(top_logprobs: u32);
        with_prediction(prediction: impl Into<String>);
        with_truncation(truncation: Truncation);
        with_compaction_threshold(compaction_threshold: u32);
        with_prompt_cache_key(prompt_cache_key: impl Into<String>);
        with_prompt_cache(prompt_cache: PromptCache);
        with_moderation(moderation: Moderation);
        with_service_tier(service_tier: impl Into<String>);
        with_store(store: bool);
        with_user(user: impl Into<String>);
        with_safety_identifier(safety_identifier: impl Into<String>);
        with_max_retries(max_retries: u32);
    }

    /// Sets [`stop`](Self::stop).
    #[must_use]
    pub fn with_stop(mut self, stop: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.stop = stop.into_iter().map(Into::into).collect();
        self
    }

    /// Adds one message to the end of [`messages`](Self::messages).
    #[must_use]
    pub fn with_message(mut self, message: Message) -> Self {
        self.messages.push(message);
        self
    }

    /// Adds one tool to [`tools`](Self::tools).
    #[must_use]
    pub fn with_tool(mut self, tool: impl Into<ToolSpec>) -> Self {
        self.tools.push(tool.into());
        self
    }

    /// Sets [`tools`](Self::tools).
    #[must_use]
    pub fn with_tools(mut self, tools: impl IntoIterator<Item = impl Into<ToolSpec>>) -> Self {
        self.tools = tools.into_iter().map(Into::into).collect();
        self
    }

    /// Sets [`include`](Self::include).
    #[must_use]
    pub fn with_include(mut self, include: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.include = include.into_iter().map(Into::into).collect();
        self
    }

    /// Sets [`logit_bias`](Self::logit_bias).
    #[must_use]
    pub fn with_logit_bias(mut self, bias: impl IntoIterator<Item = (impl Into<String>, i32)>) -> Self {
        self.logit_bias = bias.into_iter().map(|(token, bias)| (token.into(), bias)).collect();
        self
    }

    /// Sets [`metadata`](Self::metadata).
    #[must_use]
    pub fn with_metadata(
        mut self,
        metadata: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Self {
        self.metadata = metadata.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        self
    }

    /// Adds one field to [`extra`](Self::extra).
    #[must_use]
    pub fn with_extra(mut self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extra.insert(field.into(), value.into());
        self
    }
}

/// How a provider caches the prompt; the provider decides what is not set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct PromptCache {
    /// Where the cached beginning of the prompt ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<PromptCacheMode>,
    /// How long it is kept at least, by the provider's names, such as `30m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
}

impl PromptCache {
    optional_setters! {
        with_mode(mode: PromptCacheMode);
        with_ttl(ttl: impl Into<String>);
    }
}

/// Has the provider check a request and its response with a moderation model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Moderation {
    /// The moderation model.
    pub model: String,
    /// What happens with what it finds, in the provider's form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Value>,
}

impl Moderation {
    /// A check by this model.
    pub fn new(model: impl Into<String>) -> Self {
        Self { model: model.into(), policy: None }
    }

    optional_setters! {
        with_policy(policy: impl Into<Value>);
    }
}

/// The form of a response.
///
/// ```
/// use serde_json::json;
/// use tachikoma_backends_core::{CompletionRequest, ResponseFormat};
///
/// // A schema that is known only at run time; `json_schema` makes one of a type.
/// let schema = json!({
///     "type": "object",
///     "properties": {"answer": {"type": "integer"}},
///     "required": ["answer"],
///     "additionalProperties": false,
/// });
/// let format = ResponseFormat::JsonSchema { name: "sum".into(), description: None, schema, strict: Some(true) };
/// let request = CompletionRequest::user("What is 2 + 2?").with_response_format(format);
/// assert_eq!(serde_json::to_value(&request)?["response_format"]["type"], "json_schema");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResponseFormat {
    /// Text.
    #[default]
    Text,
    /// Some JSON object; the prompt has to say so as well.
    JsonObject,
    /// JSON that follows a schema.
    JsonSchema {
        /// A name for the schema: letters, digits, `_` and `-`, 64 at most.
        name: String,
        /// What the response is for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// The JSON Schema.
        schema: Value,
        /// Whether the response must follow it exactly; the provider decides where this is `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        strict: Option<bool>,
    },
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ToolDefinition;

    #[test]
    fn every_builder_sets_its_field() {
        let request = CompletionRequest::new(vec![Message::user("Hi")])
            .with_model("m")
            .with_max_tokens(1)
            .with_temperature(0.2)
            .with_top_p(0.5)
            .with_stop(["END"])
            .with_tools([ToolDefinition::new("now", "The time", Default::default())])
            .with_tool_choice(ToolChoice::tool("now"))
            .with_parallel_tool_calls(false)
            .with_response_format(ResponseFormat::JsonObject)
            .with_reasoning_effort(ReasoningEffort::Low)
            .with_verbosity(Verbosity::High)
            .with_seed(7)
            .with_frequency_penalty(0.1)
            .with_presence_penalty(0.3)
            .with_logit_bias([("50256", -100)])
            .with_service_tier("flex")
            .with_store(false)
            .with_metadata([("job", "1")])
            .with_user("u")
            .with_extra("top_k", 40)
            .with_reasoning_summary(ReasoningSummary::Auto)
            .with_logprobs(true)
            .with_top_logprobs(3)
            .with_prediction("fn main() {}")
            .with_truncation(Truncation::Disabled)
            .with_compaction_threshold(100_000)
            .with_include(["web_search_call.action.sources"])
            .with_prompt_cache_key("run-1")
            .with_prompt_cache(PromptCache::default().with_mode(PromptCacheMode::Explicit).with_ttl("30m"))
            .with_moderation(Moderation::new("omni-moderation-latest"))
            .with_safety_identifier("s")
            .with_max_retries(0);
        let value = serde_json::to_value(&request).unwrap();
        let set = value.as_object().unwrap().keys().count();
        assert_eq!(set, 33, "{value:#}");
        assert_eq!(value["tool_choice"], json!({"tool": {"name": "now"}}));
        assert_eq!(value["temperature"], json!(0.2));
        assert_eq!(serde_json::from_value::<CompletionRequest>(value).unwrap(), request);
    }

    #[test]
    fn messages_and_tools_are_added_one_by_one() {
        let tool = |name: &str| ToolDefinition::new(name, "", Default::default());
        let request = CompletionRequest::user("Hi")
            .with_message(Message::assistant("Hello"))
            .with_message(Message::user("Bye"))
            .with_tool(tool("a"))
            .with_tool(tool("b"));
        let messages = vec![Message::user("Hi"), Message::assistant("Hello"), Message::user("Bye")];
        assert_eq!(request, CompletionRequest::new(messages).with_tools([tool("a"), tool("b")]));
    }

    #[test]
    fn what_is_not_set_is_not_written() {
        let value = serde_json::to_value(CompletionRequest::new(vec![])).unwrap();
        assert_eq!(value, json!({"messages": []}));
    }
}
