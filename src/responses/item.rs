//! What an item of an answer says. Items stay JSON, since they are sent again as they came.

use serde_json::Value;

use crate::decode::answer;

/// What stands between two pieces of reasoning: they are paragraphs.
pub(super) const PARAGRAPH: &str = "\n\n";

/// An item, whatever it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a>(pub(super) &'a Value);

impl<'a> Item<'a> {
    /// A field's text; empty where there is none.
    pub(super) fn text(self, field: &str) -> &'a str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    fn parts(self, field: &str) -> impl Iterator<Item = Item<'a>> {
        self.0.get(field).and_then(Value::as_array).into_iter().flatten().map(Item)
    }

    pub(super) fn is_call(self) -> bool {
        matches!(self.text("type"), "function_call" | "custom_tool_call")
    }

    /// The arguments of a call, of either kind.
    pub(super) fn arguments(self) -> String {
        answer::arguments(self.0.get("arguments").or_else(|| self.0.get("input")).cloned())
    }
}

/// The calls among items.
pub(super) fn calls(items: &[Value]) -> impl Iterator<Item = Item<'_>> {
    items.iter().map(Item).filter(|item| item.is_call())
}

/// What items say beside their calls.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) refusal: String,
    pub(super) reasoning: String,
}

impl Said {
    /// Items and parts of other kinds say nothing.
    pub(super) fn of(items: &[Value]) -> Self {
        let mut said = Self::default();
        for item in items.iter().map(Item) {
            match item.text("type") {
                "message" => {
                    for part in item.parts("content") {
                        said.text.push_str(part.text("text"));
                        said.refusal.push_str(part.text("refusal"));
                    }
                    if let Some(text) = item.0.get("content").and_then(Value::as_str) {
                        said.text.push_str(text);
                    }
                }
                "reasoning" => {
                    for part in item.parts("summary").chain(item.parts("content")) {
                        said.think(part.text("text"));
                    }
                }
                _ => {}
            }
        }
        said
    }

    fn think(&mut self, text: &str) {
        if !self.reasoning.is_empty() && !text.is_empty() {
            self.reasoning.push_str(PARAGRAPH);
        }
        self.reasoning.push_str(text);
    }
}
