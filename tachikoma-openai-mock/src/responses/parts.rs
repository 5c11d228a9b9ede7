//! The events of the parts of messages and of reasoning.

use serde_json::{Value, json};

use super::events::ItemEvents;
use crate::output::{LONGEST_TOKEN, token_deltas};
use crate::stream::pieces;

/// The longest delta of a text, in bytes.
pub(super) const LONGEST_DELTA: usize = LONGEST_TOKEN;

/// A kind of part, and the types of its events.
struct PartKind {
    part: &'static str,
    /// The field of its text, in the part and in the event at the text's end.
    field: &'static str,
    /// The field that numbers it.
    index: &'static str,
    part_added: &'static str,
    delta: &'static str,
    done: &'static str,
    part_done: &'static str,
}

const TEXT: PartKind = PartKind {
    part: "output_text",
    field: "text",
    index: "content_index",
    part_added: "response.content_part.added",
    delta: "response.output_text.delta",
    done: "response.output_text.done",
    part_done: "response.content_part.done",
};

const KINDS: [PartKind; 4] = [
    TEXT,
    PartKind {
        part: "refusal",
        field: "refusal",
        delta: "response.refusal.delta",
        done: "response.refusal.done",
        ..TEXT
    },
    PartKind {
        part: "reasoning_text",
        delta: "response.reasoning_text.delta",
        done: "response.reasoning_text.done",
        ..TEXT
    },
    PartKind {
        part: "summary_text",
        field: "text",
        index: "summary_index",
        part_added: "response.reasoning_summary_part.added",
        delta: "response.reasoning_summary_text.delta",
        done: "response.reasoning_summary_text.done",
        part_done: "response.reasoning_summary_part.done",
    },
];

/// Plays the summary, then the content. A part that the document lacks has no events.
pub(super) fn play(events: &mut ItemEvents<'_, '_>) {
    let item = events.item;
    for list in ["summary", "content"] {
        for (number, part) in item.list(list).iter().enumerate() {
            let name = part.get("type").and_then(Value::as_str).unwrap_or_default();
            if let Some(kind) = KINDS.iter().find(|kind| kind.part == name) {
                play_part(events, kind, number, part);
            }
        }
    }
}

fn play_part(events: &mut ItemEvents<'_, '_>, kind: &PartKind, number: usize, part: &Value) {
    let text = part.get(kind.field).and_then(Value::as_str).unwrap_or_default();
    let index = || (kind.index, number.into());
    events.inside(kind.part_added, [index(), ("part", before_its_text(kind, part))]);
    if kind.part != TEXT.part {
        for piece in pieces(text, LONGEST_DELTA) {
            events.inside(kind.delta, [index(), ("delta", piece.into())]);
        }
        events.inside(kind.done, [index(), (kind.field, text.into())]);
    } else {
        let logprobs = list(part, "logprobs");
        for (delta, logprobs) in token_deltas(text, logprobs) {
            events.inside(kind.delta, [index(), ("delta", delta.into()), ("logprobs", logprobs.into())]);
        }
        for (annotation_index, annotation) in list(part, "annotations").iter().enumerate() {
            events.inside(
                "response.output_text.annotation.added",
                [index(), ("annotation_index", annotation_index.into()), ("annotation", annotation.clone())],
            );
        }
        events.inside(kind.done, [index(), (kind.field, text.into()), ("logprobs", logprobs.into())]);
    }
    events.inside(kind.part_done, [index(), ("part", part.clone())]);
}

/// The part without its text and what belongs to it.
fn before_its_text(kind: &PartKind, part: &Value) -> Value {
    let mut part = part.clone();
    for (name, value) in [(kind.field, json!("")), ("annotations", json!([])), ("logprobs", json!([]))] {
        if let Some(field) = part.get_mut(name) {
            *field = value;
        }
    }
    part
}

fn list<'a>(part: &'a Value, name: &str) -> &'a [Value] {
    part.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
