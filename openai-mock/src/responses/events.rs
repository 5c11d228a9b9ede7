//! The same response as a stream, in the order and the form in which OpenAI sends its events.

use serde::Serialize;

use super::item::{Item, Part};
use super::object::{Exchange, Object};
use crate::stream::pieces;

/// An event has some of these fields, by its type.
#[derive(Default, Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<Object<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<Item<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<Part<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<[(); 0]>,
    sequence_number: usize,
}

/// The text of the events.
pub(super) fn events(exchange: &Exchange<'_>) -> Vec<String> {
    let about = |kind, response| Event { kind, response: Some(response), ..Event::default() };
    let mut events = vec![
        about("response.created", exchange.in_progress()),
        about("response.in_progress", exchange.in_progress()),
    ];
    for (index, item) in exchange.output.iter().enumerate() {
        self::item(&mut events, index, item);
    }
    let last = if exchange.is_cut() { "response.incomplete" } else { "response.completed" };
    events.push(about(last, exchange.response()));
    let numbered = events.into_iter().enumerate();
    numbered.map(|(sequence_number, event)| written(&Event { sequence_number, ..event })).collect()
}

fn written(event: &Event<'_>) -> String {
    format!("event: {}\ndata: {}\n\n", event.kind, serde_json::to_string(event).unwrap_or_default())
}

fn item<'a>(events: &mut Vec<Event<'a>>, index: usize, item: &'a Item<'a>) {
    let whole = |kind, item| Event { kind, output_index: Some(index), item: Some(item), ..Event::default() };
    let inside =
        |kind| Event { kind, output_index: Some(index), item_id: Some(item.id()), ..Event::default() };
    events.push(whole("response.output_item.added", item.in_progress()));
    match item {
        Item::Reasoning { summary: parts, .. } | Item::Message { content: parts, .. } => {
            for (number, part) in parts.iter().enumerate() {
                self::part(events, *part, |kind| {
                    let (content_index, summary_index) = match part {
                        Part::SummaryText { .. } => (None, Some(number)),
                        _ => (Some(number), None),
                    };
                    Event { content_index, summary_index, ..inside(kind) }
                });
            }
        }
        Item::FunctionCall { arguments, name, .. } => {
            let delta =
                |piece| Event { delta: Some(piece), ..inside("response.function_call_arguments.delta") };
            events.extend(pieces(arguments, 8).map(delta));
            events.push(Event {
                name: Some(name),
                arguments: Some(arguments),
                ..inside("response.function_call_arguments.done")
            });
        }
    }
    events.push(whole("response.output_item.done", item.clone()));
}

/// `at` is an event of this type at the part's place.
fn part<'a>(events: &mut Vec<Event<'a>>, part: Part<'a>, at: impl Fn(&'static str) -> Event<'a>) {
    let text = part.text();
    let (kinds, done) = match part {
        Part::SummaryText { .. } => (SUMMARY, Event { text: Some(text), ..at(SUMMARY.done) }),
        Part::OutputText { .. } => (TEXT, Event { text: Some(text), logprobs: Some([]), ..at(TEXT.done) }),
        Part::Refusal { .. } => (REFUSAL, Event { refusal: Some(text), ..at(REFUSAL.done) }),
    };
    events.push(Event { part: Some(part.empty()), ..at(kinds.part_added) });
    let logprobs = done.logprobs;
    events.extend(pieces(text, 16).map(|piece| Event { delta: Some(piece), logprobs, ..at(kinds.delta) }));
    events.push(done);
    events.push(Event { part: Some(part), ..at(kinds.part_done) });
}

/// The types of the events of one kind of part.
#[derive(Clone, Copy)]
struct Kinds {
    part_added: &'static str,
    delta: &'static str,
    done: &'static str,
    part_done: &'static str,
}

const SUMMARY: Kinds = Kinds {
    part_added: "response.reasoning_summary_part.added",
    delta: "response.reasoning_summary_text.delta",
    done: "response.reasoning_summary_text.done",
    part_done: "response.reasoning_summary_part.done",
};

const TEXT: Kinds = Kinds {
    part_added: "response.content_part.added",
    delta: "response.output_text.delta",
    done: "response.output_text.done",
    part_done: "response.content_part.done",
};

const REFUSAL: Kinds = Kinds { delta: "response.refusal.delta", done: "response.refusal.done", ..TEXT };
