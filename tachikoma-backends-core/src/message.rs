//! Messages and their content.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ToolCall;
use crate::setters::{optional_setters, setters};

/// The author of a message.
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
    /// On an assistant turn: the calls that the model made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// On an assistant turn: the text with which the model refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// On an assistant turn: the state that the backend that made it needs in the next request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_state: Option<ProviderState>,
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

    /// All the text in it, without images.
    pub fn text(&self) -> String {
        self.content.to_text()
    }

    setters! {
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
    /// Text, images and files in order.
    Parts(Vec<ContentPart>),
}

impl MessageContent {
    /// The text, if this is nothing but text in one piece.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Parts(parts) => match parts.as_slice() {
                [ContentPart::Text { text }] => Some(text),
                _ => None,
            },
        }
    }

    /// All the text in it, the parts joined without a separator; images and files are left out.
    pub fn to_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => parts
                .iter()
                .filter_map(|part| match part {
                    ContentPart::Text { text } => Some(text.as_str()),
                    ContentPart::Image { .. } | ContentPart::File { .. } => None,
                })
                .collect(),
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

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ContentPart {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// An image.
    Image {
        /// Where it is.
        source: ImageSource,
        /// How closely the model should look; the provider decides where this is `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<ImageDetail>,
    },
    /// A file for the model to read, for example a PDF.
    File {
        /// Where it is.
        source: FileSource,
        /// Its name, by which the model may speak of it and the provider may know its type.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
}

impl ContentPart {
    /// A part that is text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// An image that the provider fetches.
    pub fn image_url(url: impl Into<String>) -> Self {
        Self::Image { source: ImageSource::Url { url: url.into() }, detail: None }
    }

    /// An image that is part of the request. `media_type` is for example `image/png`, `data` is base64.
    pub fn image_base64(media_type: impl Into<String>, data: impl Into<String>) -> Self {
        let source = ImageSource::Base64 { media_type: media_type.into(), data: data.into() };
        Self::Image { source, detail: None }
    }

    /// A file that is part of the request. `media_type` is for example `application/pdf`, `data` is base64.
    pub fn file_base64(media_type: impl Into<String>, data: impl Into<String>) -> Self {
        let source = FileSource::Base64 { media_type: media_type.into(), data: data.into() };
        Self::File { source, name: None }
    }

    /// A file that the provider fetches.
    pub fn file_url(url: impl Into<String>) -> Self {
        Self::File { source: FileSource::Url { url: url.into() }, name: None }
    }

    /// A file that was uploaded to the provider before, by its id there.
    pub fn file_id(id: impl Into<String>) -> Self {
        Self::File { source: FileSource::Id { id: id.into() }, name: None }
    }

    /// The same part, an image with this detail. Other parts stay unchanged.
    pub fn with_detail(self, detail: ImageDetail) -> Self {
        match self {
            Self::Image { source, .. } => Self::Image { source, detail: Some(detail) },
            other => other,
        }
    }

    /// The same part, a file with this name. Other parts stay unchanged.
    pub fn with_name(self, name: impl Into<String>) -> Self {
        match self {
            Self::File { source, .. } => Self::File { source, name: Some(name.into()) },
            other => other,
        }
    }
}

/// Where an image is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ImageSource {
    /// Within the request.
    Base64 {
        /// For example `image/png`.
        media_type: String,
        /// The bytes in base64, without a `data:` prefix.
        data: String,
    },
    /// Somewhere the provider can reach.
    Url {
        /// `https:` or `data:`.
        url: String,
    },
}

/// Where a file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FileSource {
    /// Within the request.
    Base64 {
        /// For example `application/pdf`.
        media_type: String,
        /// The bytes in base64, without a `data:` prefix.
        data: String,
    },
    /// Somewhere the provider can reach.
    Url {
        /// `https:` or `data:`.
        url: String,
    },
    /// At the provider, where it was uploaded before.
    Id {
        /// The provider's id of it.
        id: String,
    },
}

/// How closely a model looks at an image: finer costs more tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ImageDetail {
    /// The provider decides.
    Auto,
    /// A small version of it.
    Low,
    /// All of it.
    High,
}

/// State that a backend needs in the next request, opaque to all other code: reasoning items, signatures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProviderState {
    /// The name of the backend (and its API) that made it; other backends ignore it.
    pub origin: String,
    /// Its own data.
    pub data: Value,
}

impl ProviderState {
    /// This data of the backend that is called `origin`.
    pub fn new(origin: impl Into<String>, data: impl Into<Value>) -> Self {
        Self { origin: origin.into(), data: data.into() }
    }
}

#[cfg(test)]
mod tests;
