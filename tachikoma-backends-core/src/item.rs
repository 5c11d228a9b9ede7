//! The items of a response: everything that the model did, in order.

mod collector;
mod hosted;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(crate) use self::collector::ItemCollector;
pub use self::hosted::{
    CodeExecution, CodeOutput, FileSearch, FileSearchResult, ImageGeneration, McpCall, McpTool, McpTools,
    ToolSearch, WebSearch, WebSearchAction,
};
use crate::setters::{optional_setters, setters};
use crate::{Phase, ToolCall};

/// Something that the model did in a response: a message, its reasoning, a tool call, or the work of a hosted tool.
///
/// ```
/// use tachikoma_backends_core::{CompletionResponse, ItemContent, MessageItem, OutputItem, ReasoningItem};
///
/// let response = CompletionResponse::new("It snows.").with_items(vec![
///     OutputItem::new(ReasoningItem::new("").with_summary("I look at the forecast.")).with_id("rs_1"),
///     OutputItem::new(MessageItem::new("It snows.")).with_id("msg_1"),
/// ]);
/// let summaries = response.items.iter().filter_map(|item| match &item.content {
///     ItemContent::Reasoning(reasoning) => Some(reasoning.summary.as_str()),
///     _ => None,
/// });
/// assert_eq!(summaries.collect::<Vec<_>>(), ["I look at the forecast."]);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OutputItem {
    /// The item's id at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The provider's own status of it, such as `completed`, `incomplete` or `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What it is.
    #[serde(flatten)]
    pub content: ItemContent,
}

impl OutputItem {
    /// An item with this content.
    pub fn new(content: impl Into<ItemContent>) -> Self {
        Self { id: None, status: None, content: content.into() }
    }

    optional_setters! {
        with_id(id: impl Into<String>);
        with_status(status: impl Into<String>);
    }
}

/// Defines the contents of an item with their conversions, one row a variant.
macro_rules! item_contents {
    ($($(#[$doc:meta])* $variant:ident($type:ty),)*) => {
        /// What an item is.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum ItemContent { $($(#[$doc])* $variant($type),)* }

        $(impl From<$type> for ItemContent {
            fn from(content: $type) -> Self {
                Self::$variant(content)
            }
        })*
    };
}

item_contents! {
    /// Text for the user.
    Message(MessageItem),
    /// The model's reasoning.
    Reasoning(ReasoningItem),
    /// A call of a tool that the caller runs.
    ToolCall(ToolCallItem),
    /// The output of a tool that the provider has run.
    ToolOutput(ToolOutputItem),
    /// A search of the web, or the visit of a page.
    WebSearch(WebSearch),
    /// A search in uploaded files.
    FileSearch(FileSearch),
    /// Code that the provider has run.
    CodeExecution(CodeExecution),
    /// An image that was made.
    ImageGeneration(ImageGeneration),
    /// The tools of an MCP server.
    McpTools(McpTools),
    /// A call of a tool of an MCP server.
    McpCall(McpCall),
    /// A search among tools.
    ToolSearch(ToolSearch),
    /// An earlier part of the conversation, compacted by the provider.
    Compaction(Compaction),
    /// An item of another type.
    Other(OtherItem),
}

/// A message of the model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct MessageItem {
    /// What it is to the user; without it, it belongs to the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Its text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The text with which the model declined to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// The sources of the text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub citations: Vec<Citation>,
    /// The log probabilities of its tokens, where they were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logprobs: Vec<TokenLogprob>,
}

impl MessageItem {
    /// A message of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    setters! {
        with_citations(citations: Vec<Citation>);
        with_logprobs(logprobs: Vec<TokenLogprob>);
    }

    optional_setters! {
        with_phase(phase: Phase);
        with_refusal(refusal: impl Into<String>);
    }
}

/// Reasoning of the model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ReasoningItem {
    /// Its summary, as paragraphs.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// The reasoning itself, where the provider sends it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Whether the provider has sent it encrypted as well, for the next request.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_encrypted: bool,
}

impl ReasoningItem {
    /// Reasoning of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    setters! {
        with_summary(summary: impl Into<String>);
        with_is_encrypted(is_encrypted: bool);
    }
}

/// A call of a tool that the caller runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ToolCallItem {
    /// The call.
    pub call: ToolCall,
    /// Whether it is whole. Never run one that is not.
    pub is_complete: bool,
}

impl ToolCallItem {
    /// This call, whole or not.
    pub fn new(call: ToolCall, is_complete: bool) -> Self {
        Self { call, is_complete }
    }
}

/// The output of a tool that the provider has run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ToolOutputItem {
    /// The id of the call.
    pub call_id: String,
    /// The provider's type of the output, such as `shell_call_output`.
    pub kind: String,
    /// The output: text, or the provider's own form of it.
    pub output: Value,
}

impl ToolOutputItem {
    /// This output of the call with this id.
    pub fn new(call_id: impl Into<String>, kind: impl Into<String>, output: impl Into<Value>) -> Self {
        Self { call_id: call_id.into(), kind: kind.into(), output: output.into() }
    }
}

/// An earlier part of the conversation, compacted by the provider: its content is in the provider state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Compaction {
    /// The size of the compacted content, in bytes.
    pub bytes: usize,
}

impl Compaction {
    /// Compacted content of this size.
    pub fn new(bytes: usize) -> Self {
        Self { bytes }
    }
}

/// An item of a type that this version has no fields for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OtherItem {
    /// The item as the server sent it.
    pub item: Map<String, Value>,
}

impl OtherItem {
    /// This item.
    pub fn new(item: Map<String, Value>) -> Self {
        Self { item }
    }

    /// The server's type of it.
    pub fn kind(&self) -> &str {
        self.item.get("type").and_then(Value::as_str).unwrap_or_default()
    }
}

/// A source of a text, or a file that it speaks of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Citation {
    /// The provider's type of it, such as `url_citation`, `file_citation`, `container_file_citation` or `file_path`.
    pub kind: String,
    /// The address of a web page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The title of the page, or the name of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The id of a file at the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_id: Option<String>,
    /// The id of the container that the file is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// The words of the source, where the server sends them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// Where the cited text begins, in characters (Unicode code points) from the beginning of the message's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<usize>,
    /// Where the cited text ends, in characters: the first one after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<usize>,
}

impl Citation {
    /// A citation of this type.
    pub fn new(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), ..Self::default() }
    }

    optional_setters! {
        with_url(url: impl Into<String>);
        with_title(title: impl Into<String>);
        with_file_id(file_id: impl Into<String>);
        with_container_id(container_id: impl Into<String>);
        with_quote(quote: impl Into<String>);
        with_start(start: usize);
        with_end(end: usize);
    }
}

/// The log probability of a token that was sampled.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TokenLogprob {
    /// The token's text.
    pub token: String,
    /// The natural logarithm of its probability.
    pub logprob: f64,
    /// Its bytes in UTF-8, which may be part of a character; empty where the server does not send them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bytes: Vec<u8>,
    /// The likeliest tokens at this place, with their log probabilities.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<TokenLogprob>,
}

impl TokenLogprob {
    /// This token with this log probability.
    pub fn new(token: impl Into<String>, logprob: f64) -> Self {
        Self { token: token.into(), logprob, ..Self::default() }
    }

    setters! {
        with_bytes(bytes: Vec<u8>);
        with_top(top: Vec<TokenLogprob>);
    }
}

/// News of an item in a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ItemEvent {
    /// Which item, counted from 0 in the order in which they began.
    pub index: usize,
    /// What is new.
    pub update: ItemUpdate,
}

impl ItemEvent {
    /// This update of the item with this index.
    pub fn new(index: usize, update: ItemUpdate) -> Self {
        Self { index, update }
    }
}

/// What is new in an item. Text, reasoning and the arguments of calls come in the chunk's own fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ItemUpdate {
    /// It has begun, with what is known of it so far.
    Started(OutputItem),
    /// A hosted tool is at work.
    Progress(ItemProgress),
    /// A source of the message's text.
    Citation(Citation),
    /// The log probabilities of the tokens of the chunk's text.
    Logprobs(Vec<TokenLogprob>),
    /// It is whole.
    Done(OutputItem),
}

/// The progress of a hosted tool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ItemProgress {
    /// The provider's name of what it does now, such as `searching` or `interpreting`.
    pub status: String,
    /// The next piece of the code that will run, of the arguments of an MCP call, of a command or its output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<String>,
    /// A first version of an image, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partial_image: Option<String>,
}

impl ItemProgress {
    /// The tool does this now.
    pub fn new(status: impl Into<String>) -> Self {
        Self { status: status.into(), ..Self::default() }
    }

    optional_setters! {
        with_delta(delta: impl Into<String>);
        with_partial_image(partial_image: impl Into<String>);
    }
}
