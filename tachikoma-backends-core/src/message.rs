//! Messages and their content.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::setters::{optional_setters, setters};
use crate::{ContentPart, ToolCall};

/// The author of a message.
///
/// ```
/// use tachikoma_backends_core::{Message, Role};
///
/// let history = [Message::system("Be brief."), Message::user("Hi"), Message::assistant("Hello")];
/// let turns = history.iter().filter(|message| message.role != Role::System);
/// let log: Vec<String> = turns.map(|turn| format!("{}: {}", turn.role.as_str(), turn.text())).collect();
/// assert_eq!(log, ["user: Hi", "assistant: Hello"]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Role {
    /// Instructions to the model.
    System,
    /// The person, or the program that asks.
    #[default]
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
}

impl Role {
    /// Its name, as in serde.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// One turn of a conversation.
///
/// ```
/// use tachikoma_backends_core::{Message, ToolCall};
///
/// let call = ToolCall::new("call_1", "get_weather", r#"{"city": "Oslo"}"#);
/// let history = vec![
///     Message::system("Answer in one sentence."),
///     Message::user("Is it raining in Oslo?"),
///     Message::assistant_with_tool_calls("", vec![call]),
///     Message::tool_result("call_1", "light rain, 7 °C"),
/// ];
///
/// // A history can be stored, and continued later.
/// let stored = serde_json::to_string(&history)?;
/// let mut history: Vec<Message> = serde_json::from_str(&stored)?;
/// history.push(Message::user("And tomorrow?"));
/// assert_eq!(history[3].tool_call_id.as_deref(), Some("call_1"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Message {
    /// Its author.
    pub role: Role,
    /// Text, or a list of parts.
    #[serde(default)]
    pub content: MessageContent,
    /// The author's name, to distinguish participants of the same role; on a tool result, the tool's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// On a tool result: the id of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// On a tool result: whether the call failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_error: bool,
    /// On an assistant turn: the calls that the model made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// On an assistant turn: the text with which the model refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// On an assistant turn: the state that the backend that made it needs in the next request. On a message of the user: the
    /// state of the conversation up to here, after [compaction](crate::Backend::compact).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_state: Option<ProviderState>,
    /// Further fields of the message, which are sent unchanged: `prefix` for Mistral and DeepSeek, `cache_control` for
    /// OpenRouter.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

impl Message {
    /// A message of this role.
    pub fn new(role: Role, content: impl Into<MessageContent>) -> Self {
        Self { role, content: content.into(), ..Self::default() }
    }

    /// Instructions to the model.
    pub fn system(content: impl Into<MessageContent>) -> Self {
        Self::new(Role::System, content)
    }

    /// A question or a request.
    pub fn user(content: impl Into<MessageContent>) -> Self {
        Self::new(Role::User, content)
    }

    /// A response of the model.
    pub fn assistant(content: impl Into<MessageContent>) -> Self {
        Self::new(Role::Assistant, content)
    }

    /// An assistant turn with tool calls. `content` is often empty: `""`.
    pub fn assistant_with_tool_calls(content: impl Into<MessageContent>, tool_calls: Vec<ToolCall>) -> Self {
        Self { tool_calls, ..Self::assistant(content) }
    }

    /// The result of the tool call with this id.
    pub fn tool_result(tool_call_id: impl Into<String>, content: impl Into<MessageContent>) -> Self {
        Self { tool_call_id: Some(tool_call_id.into()), ..Self::new(Role::Tool, content) }
    }

    /// Adds one field to [`extra`](Self::extra).
    #[must_use]
    pub fn with_extra(mut self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extra.insert(field.into(), value.into());
        self
    }

    /// All the text in it, without other kinds of content.
    pub fn text(&self) -> String {
        self.content.to_text()
    }

    setters! {
        with_is_error(is_error: bool);
        with_tool_calls(tool_calls: Vec<ToolCall>);
    }

    optional_setters! {
        with_name(name: impl Into<String>);
        with_tool_call_id(tool_call_id: impl Into<String>);
        with_refusal(refusal: impl Into<String>);
        with_provider_state(provider_state: ProviderState);
    }
}

/// Text, or a list of parts. In serde a string or an array. It has no further variants: what a message can hold besides text is a
/// [`ContentPart`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MessageContent {
    /// Plain text.
    Text(String),
    /// Text, images, files and other kinds of content in order.
    Parts(Vec<ContentPart>),
}

impl MessageContent {
    /// The text, if this is nothing but text in one piece, without [options](crate::PartOptions).
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Parts(parts) => match parts.as_slice() {
                [ContentPart::Text { text, options }] if options.is_default() => Some(text),
                _ => None,
            },
        }
    }

    /// All the text in it, the parts joined without a separator; other kinds of content are left out.
    pub fn to_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => parts.iter().filter_map(ContentPart::as_text).collect(),
        }
    }

    /// Whether there is no part, or no text.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Parts(parts) => parts.is_empty(),
        }
    }
}

impl Default for MessageContent {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl From<&str> for MessageContent {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for MessageContent {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<String> for MessageContent {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<ContentPart>> for MessageContent {
    fn from(parts: Vec<ContentPart>) -> Self {
        Self::Parts(parts)
    }
}

impl<const N: usize> From<[ContentPart; N]> for MessageContent {
    fn from(parts: [ContentPart; N]) -> Self {
        Self::Parts(parts.into())
    }
}

/// State that a backend needs in the next request, opaque to all other code: reasoning items, signatures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProviderState {
    /// The name of the backend (and its API) that made it; other backends ignore it.
    pub origin: String,
    /// Its own data, which clones share: a conversation is cloned for every request of an agent.
    #[serde(with = "shared_value")]
    pub data: Arc<Value>,
    /// The backends of [`Fallback`](crate::Fallback)s that it came through, the innermost first: a fallback sends it back to these
    /// alone. Backends ignore it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub route: Vec<String>,
}

impl ProviderState {
    /// This data of the backend that is called `origin`.
    pub fn new(origin: impl Into<String>, data: impl Into<Value>) -> Self {
        Self { origin: origin.into(), data: Arc::new(data.into()), route: Vec::new() }
    }
}

/// Shared JSON, in files as JSON.
mod shared_value {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    pub(super) fn serialize<S: Serializer>(value: &Arc<Value>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Value>, D::Error> {
        Value::deserialize(deserializer).map(Arc::new)
    }
}

#[cfg(test)]
mod tests;
