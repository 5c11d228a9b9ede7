//! Output items: what a scripted reply consists of, in the words of the Responses API.

mod message;
mod tools;

pub(crate) use message::{LONGEST_TOKEN, token_deltas};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// One output item of a scripted reply: a message, reasoning, or the call or output of a tool.
///
/// A constructor takes what a test wants to see. The server adds what the document requires besides: `id`, `status`, `call_id` (that of
/// the call before it, for an output) and empty lists. [`with_field`](Self::with_field) sets any field, these too, and
/// [`from_json`](Self::from_json) takes an item of any type, in the document or not.
///
/// A stream of the Responses API plays each item by its documented events. Chat Completions has messages, reasoning and calls of
/// functions and custom tools alone: all other items are left out there.
///
/// ```
/// # use tachikoma_openai_mock::{OutputItem, Reply};
/// Reply::items([
///     OutputItem::web_search_call("population of Oslo").with_sources(["https://example.com/oslo"]),
///     OutputItem::message("About 700,000.").with_url_citation(6, 13, "https://example.com/oslo", "Oslo"),
/// ]);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutputItem {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(flatten)]
    pub(crate) fields: Map<String, Value>,
    #[serde(skip)]
    pub(crate) partial_images: Vec<String>,
}

impl OutputItem {
    /// An item with the fields of this JSON object, `type` among them. Without a `type`, it is a message.
    ///
    /// ```
    /// # use tachikoma_openai_mock::OutputItem;
    /// # use serde_json::json;
    /// OutputItem::from_json(json!({"type": "computer_call", "action": {"type": "screenshot"}}));
    /// ```
    pub fn from_json(item: Value) -> Self {
        let mut fields = match item {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        let kind = fields.remove("type").and_then(|kind| kind.as_str().map(str::to_owned));
        Self { kind: kind.unwrap_or_else(|| "message".to_owned()), fields, partial_images: Vec::new() }
    }

    fn new<const N: usize>(kind: &str, fields: [(&str, Value); N]) -> Self {
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { kind: kind.to_owned(), fields, partial_images: Vec::new() }
    }

    /// Sets a field of the item, or replaces it.
    ///
    /// ```
    /// # use tachikoma_openai_mock::OutputItem;
    /// OutputItem::web_search_call("Oslo").with_field("status", "failed");
    /// ```
    pub fn with_field(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.fields.insert(name.into(), value.into());
        self
    }

    /// Reasoning with this summary. It comes back as reasoning of the default replies does: its `id` and its `encrypted_content`
    /// follow from the text.
    pub fn reasoning(summary: impl Into<String>) -> Self {
        Self::new("reasoning", [("summary", json!([{"type": "summary_text", "text": summary.into()}]))])
    }

    /// A compaction of the conversation so far.
    pub fn compaction(encrypted_content: impl Into<String>) -> Self {
        Self::new("compaction", [("encrypted_content", encrypted_content.into().into())])
    }

    /// A string field, empty if it is missing.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The values of a list field.
    pub(crate) fn list(&self, name: &str) -> &[Value] {
        self.fields.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// The text of the reasoning's summary.
    pub(crate) fn summary(&self) -> String {
        self.list("summary").iter().filter_map(|part| part.get("text")?.as_str()).collect()
    }

    /// Whether it has a `status` of failure or an `error`.
    pub(crate) fn has_failed(&self) -> bool {
        self.text("status") == "failed" || self.fields.get("error").is_some_and(|error| !error.is_null())
    }

    /// Whether the model waits for the output of this call, so that `finish_reason` is `tool_calls` in Chat Completions.
    pub(crate) fn is_client_call(&self) -> bool {
        ["function_call", "custom_tool_call"].contains(&self.kind.as_str())
    }

    /// The bytes of the text that a model would have written.
    pub(crate) fn bytes(&self) -> usize {
        let parts = self.list("content").iter().chain(self.list("summary"));
        let texts = parts.flat_map(|part| ["text", "refusal"].map(|name| part.get(name)));
        let fields = ["arguments", "input", "code"].map(|name| self.fields.get(name));
        texts.chain(fields).flatten().filter_map(Value::as_str).map(str::len).sum()
    }
}
