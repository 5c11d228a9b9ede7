//! The same response as a stream, in the order and the form in which OpenAI sends its events.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::item::in_progress;
use super::kinds::{self, Step};
use super::object::{Exchange, Object};
use super::parts;
use crate::output::OutputItem;
use crate::stream::pieces;

/// The longest delta of arguments, input or code, in bytes.
const LONGEST_DELTA: usize = 8;

/// An event has some fields, by its type.
#[derive(Serialize)]
pub(super) struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<Object<'a>>,
    #[serde(flatten)]
    fields: Map<String, Value>,
    sequence_number: usize,
}

/// An event as text.
pub(crate) struct EventText {
    kind: &'static str,
    pub(crate) json: String,
}

/// The events, each with its number.
pub(crate) fn events(exchange: &Exchange) -> Vec<EventText> {
    let about =
        |kind, response| Event { kind, response: Some(response), fields: Map::new(), sequence_number: 0 };
    let mut events = match exchange.is_background() {
        true => {
            let queued = || exchange.before_its_items("queued");
            vec![about("response.created", queued()), about("response.queued", queued())]
        }
        false => vec![about("response.created", exchange.before_its_items("in_progress"))],
    };
    events.push(about("response.in_progress", exchange.before_its_items("in_progress")));
    for (index, item) in exchange.output.iter().enumerate() {
        ItemEvents { events: &mut events, index, item }.play();
    }
    events.push(about(exchange.end(), exchange.response()));
    let numbered = events.into_iter().enumerate();
    numbered.map(|(sequence_number, event)| written(&Event { sequence_number, ..event })).collect()
}

fn written(event: &Event<'_>) -> EventText {
    EventText { kind: event.kind, json: serde_json::to_string(event).unwrap_or_default() }
}

/// The event as one of server-sent events.
pub(crate) fn sse(event: EventText) -> String {
    format!("event: {}\ndata: {}\n\n", event.kind, event.json)
}

/// The events of one item.
pub(super) struct ItemEvents<'a, 'b> {
    events: &'b mut Vec<Event<'a>>,
    index: usize,
    pub(super) item: &'b OutputItem,
}

impl ItemEvents<'_, '_> {
    fn play(mut self) {
        let item = self.item;
        self.push("response.output_item.added", [("item", json!(in_progress(item)))]);
        for step in kinds::kind(&item.kind).steps {
            self.step(*step);
        }
        self.push("response.output_item.done", [("item", json!(item))]);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Progress(kind) => self.inside(kind, []),
            Step::End(completed, failed) => {
                let kind = if self.item.has_failed() { failed } else { Some(completed) };
                if let Some(kind) = kind {
                    self.inside(kind, []);
                }
            }
            Step::Text { delta, done, field } => {
                let text = self.item.text(field);
                for piece in pieces(text, LONGEST_DELTA) {
                    self.inside(delta, [("delta", piece.into())]);
                }
                match self.item.kind.as_str() {
                    "function_call" => {
                        let name = self.item.text("name").into();
                        self.inside(done, [(field, text.into()), ("name", name)]);
                    }
                    _ => self.inside(done, [(field, text.into())]),
                }
            }
            Step::PartialImages => {
                for (number, image) in self.item.partial_images.iter().enumerate() {
                    self.inside(
                        "response.image_generation_call.partial_image",
                        [
                            ("partial_image_index", number.into()),
                            ("partial_image_b64", image.as_str().into()),
                        ],
                    );
                }
            }
            Step::Commands => self.commands(),
            Step::CommandOutputs => self.command_outputs(),
            Step::Parts => parts::play(self),
        }
    }

    /// The events of a shell call do not name their item.
    fn commands(&mut self) {
        let commands = self.item.fields.get("action").and_then(|action| action.get("commands")?.as_array());
        for (number, command) in commands.into_iter().flatten().enumerate() {
            let command = command.as_str().unwrap_or_default();
            let mut push = |kind, name: &'static str, text: &str| {
                self.push(kind, [("command_index", number.into()), (name, text.into())]);
            };
            push("response.shell_call_command.added", "command", "");
            for piece in pieces(command, LONGEST_DELTA) {
                push("response.shell_call_command.delta", "delta", piece);
            }
            push("response.shell_call_command.done", "command", command);
        }
    }

    fn command_outputs(&mut self) {
        for (number, output) in self.item.list("output").iter().enumerate() {
            for name in ["stdout", "stderr"] {
                let text = output.get(name).and_then(Value::as_str).unwrap_or_default();
                for piece in pieces(text, parts::LONGEST_DELTA) {
                    let mut delta = Map::new();
                    delta.insert(name.to_owned(), piece.into());
                    self.inside(
                        "response.shell_call_output_content.delta",
                        [("command_index", number.into()), ("delta", delta.into())],
                    );
                }
            }
            self.inside(
                "response.shell_call_output_content.done",
                [("command_index", number.into()), ("output", json!([output]))],
            );
        }
    }

    /// An event that names the item.
    pub(super) fn inside<const N: usize>(&mut self, kind: &'static str, fields: [(&str, Value); N]) {
        let item_id = ("item_id".to_owned(), self.item.text("id").into());
        self.push(kind, fields);
        if let Some(event) = self.events.last_mut() {
            event.fields.extend([item_id]);
        }
    }

    fn push<const N: usize>(&mut self, kind: &'static str, fields: [(&str, Value); N]) {
        let mut fields: Map<String, Value> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        fields.insert("output_index".to_owned(), self.index.into());
        self.events.push(Event { kind, response: None, fields, sequence_number: 0 });
    }
}
