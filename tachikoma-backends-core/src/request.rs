//! Requests to a model.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::setters::{optional_setters, setters};
use crate::{BackendError, Message, MessageContent, ToolDefinition};

/// A request for one response. The provider decides what is not set.
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
    /// Tools that the model may call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolDefinition>,
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
    /// The provider's class of service, by the provider's name of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
    /// Whether the provider may keep the response for later retrieval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<bool>,
    /// Labels that the provider keeps with a stored response.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// A stable id of the end user, for the provider's abuse detection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
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
        with_verbosity(verbosity: Verbosity);
        with_seed(seed: i64);
        with_frequency_penalty(frequency_penalty: f64);
        with_presence_penalty(presence_penalty: f64);
        with_service_tier(service_tier: impl Into<String>);
        with_store(store: bool);
        with_user(user: impl Into<String>);
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
    pub fn with_tool(mut self, tool: ToolDefinition) -> Self {
        self.tools.push(tool);
        self
    }

    /// Sets [`tools`](Self::tools).
    #[must_use]
    pub fn with_tools(mut self, tools: impl IntoIterator<Item = ToolDefinition>) -> Self {
        self.tools = tools.into_iter().collect();
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

/// Whether and which tool a model must call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// Some tool.
    Required,
    /// No tool.
    None,
    /// This tool.
    Tool {
        /// Its name.
        name: String,
    },
}

impl ToolChoice {
    /// This tool.
    pub fn tool(name: impl Into<String>) -> Self {
        Self::Tool { name: name.into() }
    }
}

/// The form of a response.
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

/// Writes an enum of named values, one row a value, with the conversions to and from text.
macro_rules! named_values {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $value:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $value)] $variant,)* }

        impl $name {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name in requests.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $value,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = BackendError;

            fn from_str(value: &str) -> Result<Self, BackendError> {
                Self::ALL.iter().copied().find(|known| known.as_str() == value).ok_or_else(|| {
                    let known: Vec<_> = Self::ALL.iter().map(|known| known.as_str()).collect();
                    let name = stringify!($name);
                    let message = format!("{value:?} is not a valid {name}; use one of {}", known.join(", "));
                    BackendError::InvalidRequest(message.into())
                })
            }
        }
    };
}

named_values! {
    /// How long a model may reason before its answer. Not every model knows every effort.
    ReasoningEffort {
        /// Not at all.
        None = "none",
        /// As little as it can.
        Minimal = "minimal",
        /// A little.
        Low = "low",
        /// As usual.
        Medium = "medium",
        /// Longer.
        High = "high",
        /// Much longer.
        XHigh = "xhigh",
        /// As long as it can.
        Max = "max",
    }
}

named_values! {
    /// How long an answer should be.
    Verbosity {
        /// Short.
        Low = "low",
        /// As usual.
        Medium = "medium",
        /// Thorough.
        High = "high",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
            .with_max_retries(0);
        let value = serde_json::to_value(&request).unwrap();
        let set = value.as_object().unwrap().keys().count();
        assert_eq!(set, 22, "{value:#}");
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

    #[test]
    fn words_go_to_text_and_back() {
        for effort in ReasoningEffort::ALL {
            assert_eq!(effort.as_str().parse::<ReasoningEffort>().unwrap(), *effort);
            assert_eq!(serde_json::to_value(effort).unwrap(), json!(effort.to_string()));
        }
        let error = "loud".parse::<Verbosity>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid request: \"loud\" is not a valid Verbosity; use one of low, medium, high"
        );
    }
}
