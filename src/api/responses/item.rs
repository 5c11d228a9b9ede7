//! The items of a response. They stay JSON, since they are sent back unchanged.

use std::borrow::Cow;

use serde_json::Value;
use tachikoma_backends_core::Phase;

use crate::api::calls;
use crate::runtime::json;

/// What separates two messages, or two pieces of reasoning: they are paragraphs.
pub(super) const PARAGRAPH: &str = "\n\n";

/// An item of any type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a>(pub(super) &'a Value);

/// The kinds of items that are distinguished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ItemKind {
    Message,
    Reasoning,
    Call,
    Other,
}

impl<'a> Item<'a> {
    /// A field's text; empty if it is missing.
    pub(super) fn text(self, field: &str) -> &'a str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// A field's text, or number as text.
    pub(super) fn word(self, field: &str) -> Option<Cow<'a, str>> {
        match self.0.get(field)? {
            Value::String(text) if text.is_empty() => None,
            Value::String(text) => Some(Cow::Borrowed(text)),
            other => json::text(other).map(Cow::Owned),
        }
    }

    pub(super) fn parts(self, field: &str) -> impl Iterator<Item = Item<'a>> {
        self.0.get(field).and_then(Value::as_array).into_iter().flatten().map(Item)
    }

    pub(super) fn kind(self) -> ItemKind {
        match self.text("type") {
            "message" => ItemKind::Message,
            // Messages without a type are recognized by their role, or content; some servers send a part alone.
            "" if self.text("role") == "assistant" || self.has_content() => ItemKind::Message,
            "output_text" | "text" | "refusal" => ItemKind::Message,
            "reasoning" => ItemKind::Reasoning,
            "function_call" | "custom_tool_call" => ItemKind::Call,
            _ => ItemKind::Other,
        }
    }

    /// Whether it is a text, or has the fields of a message.
    fn has_content(self) -> bool {
        self.0.is_string() || self.0.get("content").is_some() && self.0.get("name").is_none()
    }

    pub(super) fn phase(self) -> Option<Phase> {
        match self.text("phase") {
            "commentary" => Some(Phase::Commentary),
            "final_answer" => Some(Phase::FinalAnswer),
            _ => None,
        }
    }

    /// The arguments of a call, of either kind.
    pub(super) fn arguments(self) -> String {
        let field = |holder: &'a Value| {
            ["arguments", "input", "parameters"].iter().find_map(|field| holder.get(*field))
        };
        calls::arguments(field(self.0).or_else(|| field(self.0.get("function")?)).cloned())
    }

    /// The name of the tool, which some servers put in a `function`, as in Chat Completions.
    pub(super) fn call_name(self) -> &'a str {
        match self.text("name") {
            "" => self.0.get("function").map(|function| Item(function).text("name")).unwrap_or_default(),
            name => name,
        }
    }

    /// Whether the item was cut, by its status.
    pub(super) fn is_incomplete(self) -> bool {
        matches!(self.text("status"), "incomplete" | "in_progress" | "failed" | "cancelled")
    }

    /// The text of a message's parts, or of one part.
    pub(super) fn message_text(self) -> String {
        self.content().filter(|part| !part.is_reasoning()).map(|part| part.part_text("text")).collect()
    }

    /// The refusals among a message's parts.
    pub(super) fn message_refusal(self) -> String {
        self.content().map(|part| part.part_text("refusal")).collect()
    }

    /// The reasoning among a message's parts.
    pub(super) fn message_reasoning(self) -> String {
        self.content().filter(|part| part.is_reasoning()).map(|part| part.part_text("text")).collect()
    }

    /// The parts of a message. Some servers send one without the list, a text, or a part in place of the message.
    pub(super) fn content(self) -> impl Iterator<Item = Item<'a>> {
        let content = self.0.get("content");
        let one = match content {
            Some(Value::String(_) | Value::Object(_)) => content,
            None => Some(self.0),
            _ => None,
        };
        one.map(Item).into_iter().chain(self.parts("content"))
    }

    fn is_reasoning(self) -> bool {
        let kind = self.text("type");
        kind.contains("reasoning") || kind.contains("thinking")
    }

    /// The text in a field of a part. With some servers the part itself is the text, or the field an object that holds it.
    fn part_text(self, field: &str) -> &'a str {
        match (self.0, self.0.get(field)) {
            (Value::String(text), _) if field == "text" => text,
            (_, Some(Value::String(text))) => text,
            (_, Some(inner @ Value::Object(_))) => Item(inner).text("value"),
            _ => "",
        }
    }

    /// The parts of a message that hold neither text nor a refusal.
    pub(super) fn unread_parts(self) -> impl Iterator<Item = Item<'a>> {
        self.parts("content").filter(|part| {
            let is_read = matches!(part.text("type"), "output_text" | "text" | "refusal");
            part.0.is_object() && !is_read && part.0.get("text").is_none() && part.0.get("refusal").is_none()
        })
    }

    /// The paragraphs of reasoning in `summary` or `content`.
    pub(super) fn paragraphs(self, field: &str) -> String {
        let alone = self.0.get(field).filter(|value| value.is_string() || value.is_object()).map(Item);
        let parts = alone.into_iter().chain(self.parts(field));
        let texts = parts.map(|part| part.part_text("text")).filter(|text| !text.is_empty());
        texts.collect::<Vec<_>>().join(PARAGRAPH)
    }
}

/// The calls among items.
pub(super) fn calls(items: &[Value]) -> impl Iterator<Item = Item<'_>> {
    items.iter().map(Item).filter(|item| item.kind() == ItemKind::Call)
}

/// The type of a part, or the field, that holds a call within a message, where only other APIs have calls.
pub(super) fn inner_call(items: &[Value]) -> Option<&str> {
    let kinds = ["tool_use", "tool_call", "function_call"];
    let messages = || items.iter().map(Item).filter(|item| item.kind() == ItemKind::Message);
    let part = messages().flat_map(Item::content).map(|part| part.text("type"));
    let list = || messages().any(|item| item.parts("tool_calls").next().is_some()).then_some("tool_calls");
    part.into_iter().find(|kind| kinds.contains(kind)).or_else(list)
}

/// The text of items, as one turn of a conversation.
#[derive(Debug, Default, PartialEq)]
pub(super) struct TurnText {
    /// The commentary, then the answer, as paragraphs.
    pub(super) text: String,
    pub(super) refusal: String,
}

impl TurnText {
    /// Skips items and parts of other kinds.
    pub(super) fn from_items(items: &[Value]) -> Self {
        let (mut commentary, mut content, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
        for item in items.iter().map(Item).filter(|item| item.kind() == ItemKind::Message) {
            let texts = if item.phase() == Some(Phase::Commentary) { &mut commentary } else { &mut content };
            texts.push(item.message_text());
            refusals.push(item.message_refusal());
        }
        let join = |mut texts: Vec<String>| {
            texts.retain(|text| !text.is_empty());
            texts.join(PARAGRAPH)
        };
        commentary.extend(content);
        Self { text: join(commentary), refusal: join(refusals) }
    }
}
