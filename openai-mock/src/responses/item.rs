//! The items of an output: reasoning, a message and calls, in this order.

use serde::Serialize;

use super::reasoning;
use crate::answer::{Answer, Call};
use crate::hash;

#[derive(Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Item<'a> {
    Reasoning {
        id: String,
        summary: Vec<Part<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<String>,
    },
    Message {
        id: String,
        status: &'static str,
        content: Vec<Part<'a>>,
        role: &'static str,
    },
    FunctionCall {
        id: String,
        status: &'static str,
        arguments: &'a str,
        call_id: String,
        name: &'a str,
    },
}

#[derive(Clone, Copy, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Part<'a> {
    SummaryText { text: &'a str },
    OutputText { annotations: [(); 0], logprobs: [(); 0], text: &'a str },
    Refusal { refusal: &'a str },
}

impl<'a> Part<'a> {
    fn output_text(text: &'a str) -> Self {
        Self::OutputText { annotations: [], logprobs: [], text }
    }

    pub(super) fn text(self) -> &'a str {
        match self {
            Self::SummaryText { text } | Self::OutputText { text, .. } | Self::Refusal { refusal: text } => {
                text
            }
        }
    }

    /// The part before its first delta.
    pub(super) fn empty(self) -> Self {
        match self {
            Self::SummaryText { .. } => Self::SummaryText { text: "" },
            Self::OutputText { .. } => Self::output_text(""),
            Self::Refusal { .. } => Self::Refusal { refusal: "" },
        }
    }
}

impl Item<'_> {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Reasoning { id, .. } | Self::Message { id, .. } | Self::FunctionCall { id, .. } => id,
        }
    }

    /// The item before its first delta.
    pub(super) fn in_progress(&self) -> Self {
        let mut item = self.clone();
        match &mut item {
            Self::Reasoning { summary, encrypted_content, .. } => {
                summary.clear();
                *encrypted_content = None;
            }
            Self::Message { status, content, .. } => {
                *status = "in_progress";
                content.clear();
            }
            Self::FunctionCall { status, arguments, .. } => {
                *status = "in_progress";
                *arguments = "";
            }
        }
        item
    }
}

/// Builds the items of a response: it decides their ids, and whether the last one is incomplete.
pub(super) struct ItemBuilder<'a> {
    pub(super) response: &'a str,
    pub(super) stored: bool,
    pub(super) encrypted: bool,
    /// A limit has cut the last item.
    pub(super) cut: bool,
}

impl ItemBuilder<'_> {
    pub(super) fn items<'a>(&self, answer: &'a Answer) -> Vec<Item<'a>> {
        let reasoning = answer.reasoning.as_deref().filter(|text| self.has_item(text));
        let mut items: Vec<Item<'a>> = reasoning.map(|text| self.reasoning(text)).into_iter().collect();
        let content = answer.content.as_deref().filter(|text| self.has_item(text)).map(Part::output_text);
        let refusal = answer.refusal.as_deref().map(|refusal| Part::Refusal { refusal });
        let content: Vec<Part<'a>> = content.into_iter().chain(refusal).collect();
        if !content.is_empty() {
            let id = hash::id("msg_", &[self.response.as_bytes()]);
            items.push(Item::Message { id, status: "completed", content, role: "assistant" });
        }
        items.extend(answer.calls.iter().enumerate().map(|(number, call)| self.call(number, call)));
        if let (true, Some(Item::Message { status, .. } | Item::FunctionCall { status, .. })) =
            (self.cut, items.last_mut())
        {
            *status = "incomplete";
        }
        items
    }

    /// A limit may leave a text empty; then it has no item.
    fn has_item(&self, text: &str) -> bool {
        !(self.cut && text.is_empty())
    }

    fn reasoning<'a>(&self, text: &'a str) -> Item<'a> {
        Item::Reasoning {
            id: reasoning::id(text, self.stored),
            summary: vec![Part::SummaryText { text }],
            encrypted_content: self.encrypted.then(|| reasoning::encrypted(text)),
        }
    }

    fn call<'a>(&self, number: usize, call: &'a Call) -> Item<'a> {
        let id = |prefix| hash::id(prefix, &[self.response.as_bytes(), &number.to_le_bytes()]);
        Item::FunctionCall {
            id: id("fc_"),
            status: "completed",
            arguments: &call.arguments,
            call_id: id("call_"),
            name: &call.name,
        }
    }
}
