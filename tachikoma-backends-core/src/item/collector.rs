//! Puts the items of a response together.

use std::collections::BTreeMap;

use super::{
    Citation, ItemContent, ItemEvent, ItemUpdate, MessageItem, OutputItem, ReasoningItem, TokenLogprob,
    ToolCallItem,
};
use crate::{CompletionChunk, CompletionResponse, Phase, ToolCall};

/// The items that have arrived, in part or as a whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct ItemCollector {
    items: BTreeMap<usize, OutputItem>,
    /// The sources of a message that is not an item of its own.
    citations: Vec<Citation>,
    /// The log probabilities of such a message.
    logprobs: Vec<TokenLogprob>,
}

impl ItemCollector {
    pub(crate) fn push(&mut self, chunk: &CompletionChunk) {
        let is_start = |event: &&ItemEvent| matches!(event.update, ItemUpdate::Started(_));
        for ItemEvent { index, update } in chunk.items.iter().filter(is_start) {
            self.update(*index, update);
        }
        self.push_text(chunk);
        // The whole item holds the text of its chunk.
        for ItemEvent { index, update } in chunk.items.iter().filter(|event| !is_start(event)) {
            self.update(*index, update);
        }
    }

    fn push_text(&mut self, chunk: &CompletionChunk) {
        let Some(index) = chunk.item else { return };
        if !chunk.delta.is_empty() {
            let message = self.message(index, chunk.phase);
            append(message.map(|message| &mut message.text), &chunk.delta);
        }
        if let Some(refusal) = &chunk.refusal {
            let message = self.message(index, chunk.phase);
            append(message.map(|message| message.refusal.get_or_insert_default()), refusal);
        }
        if let Some(reasoning) = &chunk.reasoning {
            let item = self.items.entry(index).or_insert_with(|| OutputItem::new(ReasoningItem::default()));
            if let ItemContent::Reasoning(item) = &mut item.content {
                append(Some(&mut item.text), reasoning);
            }
        }
    }

    fn update(&mut self, index: usize, update: &ItemUpdate) {
        match update {
            ItemUpdate::Started(item) => {
                self.items.entry(index).or_insert_with(|| item.clone());
            }
            ItemUpdate::Progress(_) => {}
            ItemUpdate::Citation(citation) => {
                self.citations_of(index).push(citation.clone());
            }
            ItemUpdate::Logprobs(logprobs) => {
                self.logprobs_of(index).extend_from_slice(logprobs);
            }
            ItemUpdate::Done(item) => {
                let mut item = item.clone();
                // Some servers send citations and probabilities only while the text arrives.
                if let (ItemContent::Message(new), Some(held)) =
                    (&mut item.content, self.items.remove(&index))
                    && let ItemContent::Message(held) = held.content
                {
                    if new.citations.is_empty() {
                        new.citations = held.citations;
                    }
                    if new.logprobs.is_empty() {
                        new.logprobs = held.logprobs;
                    }
                }
                self.items.insert(index, item);
            }
        }
    }

    fn citations_of(&mut self, index: usize) -> &mut Vec<Citation> {
        match self.items.get_mut(&index).map(|item| &mut item.content) {
            Some(ItemContent::Message(message)) => &mut message.citations,
            _ => &mut self.citations,
        }
    }

    fn logprobs_of(&mut self, index: usize) -> &mut Vec<TokenLogprob> {
        match self.items.get_mut(&index).map(|item| &mut item.content) {
            Some(ItemContent::Message(message)) => &mut message.logprobs,
            _ => &mut self.logprobs,
        }
    }

    fn message(&mut self, index: usize, phase: Option<Phase>) -> Option<&mut MessageItem> {
        let item = self
            .items
            .entry(index)
            .or_insert_with(|| OutputItem::new(MessageItem { phase, ..MessageItem::default() }));
        match &mut item.content {
            ItemContent::Message(message) => Some(message),
            _ => None,
        }
    }

    /// All items in order, those among them that the provider did not send as such.
    pub(crate) fn finish(self, response: &CompletionResponse) -> Vec<OutputItem> {
        let Self { items, citations, logprobs } = self;
        let mut items: Vec<_> = items.into_values().collect();
        add_text(&mut items, response);
        if !(citations.is_empty() && logprobs.is_empty()) {
            let last = items.iter_mut().rev().find_map(|item| match &mut item.content {
                ItemContent::Message(message) => Some(message),
                _ => None,
            });
            match last {
                Some(message) => {
                    message.citations.extend(citations);
                    message.logprobs.extend(logprobs);
                }
                None => {
                    let message = MessageItem::default().with_citations(citations).with_logprobs(logprobs);
                    items.push(OutputItem::new(message));
                }
            }
        }
        add_calls(&mut items, response);
        items
    }
}

/// Appends text to an item. The text of a stream separates items as paragraphs, which the first piece of an item begins with.
fn append(text: Option<&mut String>, delta: &str) {
    if let Some(text) = text {
        text.push_str(if text.is_empty() { delta.trim_start_matches("\n\n") } else { delta });
    }
}

/// Adds the text and the reasoning of a response that no item holds.
fn add_text(items: &mut Vec<OutputItem>, response: &CompletionResponse) {
    let has = |items: &[OutputItem], is: fn(&ItemContent) -> bool| items.iter().any(|item| is(&item.content));
    if let Some(reasoning) = &response.reasoning
        && !has(items, |content| matches!(content, ItemContent::Reasoning(_)))
    {
        items.insert(0, OutputItem::new(ReasoningItem::new(reasoning)));
    }
    let has_text = |content: &ItemContent| match content {
        ItemContent::Message(message) => !message.text.is_empty() || message.refusal.is_some(),
        _ => false,
    };
    if has(items, has_text) {
        return;
    }
    if let Some(commentary) = &response.commentary {
        items.push(OutputItem::new(MessageItem::new(commentary).with_phase(Phase::Commentary)));
    }
    if response.content.is_some() || response.refusal.is_some() {
        let mut message = MessageItem::new(response.content.clone().unwrap_or_default());
        message.refusal.clone_from(&response.refusal);
        items.push(OutputItem::new(message));
    }
}

/// Adds the calls of a response that no item holds, and completes those that began as items.
fn add_calls(items: &mut Vec<OutputItem>, response: &CompletionResponse) {
    let whole = response.tool_calls.iter().map(|call| (call, true));
    let incomplete = response.incomplete_tool_calls.iter().map(|call| (call, false));
    for (call, is_complete) in whole.chain(incomplete) {
        let is_search = |item: &OutputItem| matches!(&item.content, ItemContent::ToolSearch(search) if search.call_id.as_ref() == Some(&call.id));
        if items.iter().any(is_search) {
            continue;
        }
        let is_same = |held: &ToolCall| held.id == call.id;
        let held = items.iter_mut().find_map(|item| match &mut item.content {
            ItemContent::ToolCall(held) if is_same(&held.call) => Some(held),
            _ => None,
        });
        let item = ToolCallItem::new(call.clone(), is_complete);
        match held {
            Some(held) => *held = item,
            None => items.push(OutputItem::new(item)),
        }
    }
}
