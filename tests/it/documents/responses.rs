//! Documents of the Responses API: a body, and the events that stream it.

use futures::executor::block_on;
use serde_json::{Value, json};
use tachikoma_backend_codex::internals;
use tachikoma_backends_core::{CollectingStream, CompletionResponse, ToolCallKind};

use super::Kind;
use super::generator::Generator;

const NEEDED: &[&str] = &[
    "/output",
    // A call without a name cannot be made.
    "/output/*/name",
    // Events without content.
    "/events",
    "/events/*/response",
    "/events/*/item",
    // Without these the type is unknown.
    "/output/*/type",
    "/output/*/content/*/type",
    "/events/*/type",
];

const CONTENT: &[&str] = &[
    "/error",
    "/output/*/content",
    "/output/*/content/*/text",
    "/output/*/content/*/refusal",
    "/output/*/summary",
    "/output/*/summary/*/text",
    "/output/*/arguments",
    "/output/*/input",
    "/events/*/delta",
    "/events/*/text",
    "/events/*/refusal",
    "/events/*/arguments",
    "/events/*/input",
];

const LABELS: &[&str] =
    &["/status", "/output/*/type", "/output/*/content/*/type", "/output/*/summary/*/type", "/events/*/type"];

pub(super) const BODY: Kind = Kind {
    name: "Response",
    documents: 500,
    generate,
    read: |document| Ok(internals::responses_response(document.to_string().as_bytes())?),
    difference: |_, read, path, whole| difference(read, path, whole),
    path: str::to_owned,
    needed: NEEDED,
    content: CONTENT,
    labels: LABELS,
};

pub(super) const STREAM: Kind = Kind {
    name: "ResponseStreamEvent",
    documents: 300,
    generate: |generator| json!({"events": events(generate(generator))}),
    read: |document| {
        let events = document["events"].as_array().into_iter().flatten();
        let body: String = events.map(|event| format!("data: {event}\n\n")).collect();
        Ok(block_on(CollectingStream::new(internals::responses_stream([body.as_bytes()])).collect())?)
    },
    difference: |_, read, path, whole| {
        let last = whole["events"].as_array().unwrap().last().unwrap();
        difference(read, path, &last["response"])
    },
    path: |path| path.replace("/events/*/response/", "/").replace("/events/*/item/", "/output/*/"),
    needed: NEEDED,
    content: CONTENT,
    labels: LABELS,
};

/// A completed response with a message, an id for each item, and a unique name for each call.
fn generate(generator: &mut Generator<'_>) -> Value {
    let mut response = generator.generate("Response");
    response["status"] = json!("completed");
    for name in ["error", "incomplete_details"] {
        response[name] = Value::Null;
    }
    // Settings of the request are irrelevant here, and long.
    for name in ["tools", "instructions", "prompt", "text", "tool_choice", "output_text"] {
        response.as_object_mut().unwrap().remove(name);
    }
    let output = response["output"].as_array_mut().unwrap();
    output.push(json!({
        "type": "message", "id": "msg_x", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": "Hello", "annotations": []}],
    }));
    for (at, item) in output.iter_mut().enumerate() {
        item["id"] = json!(format!("item_{at}"));
        if let "function_call" | "custom_tool_call" = item["type"].as_str().unwrap() {
            item["name"] = json!(format!("tool_{at}"));
            item["call_id"] = json!(format!("call_{at}"));
            item["status"] = json!("completed");
        }
    }
    response
}

/// The events that stream a response, each text and argument in two pieces.
fn events(response: Value) -> Vec<Value> {
    let mut first = response.clone();
    first["status"] = json!("in_progress");
    first["output"] = json!([]);
    first["usage"] = Value::Null;
    let mut events = vec![json!({"type": "response.created", "response": first})];
    for (at, item) in response["output"].as_array().unwrap().iter().enumerate() {
        let mut added = item.clone();
        for (name, empty) in
            [("content", json!([])), ("summary", json!([])), ("arguments", json!("")), ("input", json!(""))]
        {
            if added.get(name).is_some() {
                added[name] = empty;
            }
        }
        events.push(json!({"type": "response.output_item.added", "output_index": at, "item": added}));
        let mut stream = |place: Option<usize>, kind: &str, field: &str, text: &str| {
            let mut event = json!({"item_id": item["id"], "output_index": at});
            if let Some(place) = place {
                event["content_index"] = json!(place);
            }
            let middle = (text.len() / 2..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap();
            for delta in [&text[..middle], &text[middle..]] {
                event["type"] = json!(format!("response.{kind}.delta"));
                event["delta"] = json!(delta);
                events.push(event.clone());
            }
            event.as_object_mut().unwrap().remove("delta");
            event["type"] = json!(format!("response.{kind}.done"));
            event[field] = json!(text);
            events.push(event);
        };
        match item["type"].as_str().unwrap() {
            "message" => {
                for (place, part) in item["content"].as_array().unwrap().iter().enumerate() {
                    if let Some(text) = part["text"].as_str() {
                        stream(Some(place), "output_text", "text", text);
                    }
                    if let Some(text) = part["refusal"].as_str() {
                        stream(Some(place), "refusal", "refusal", text);
                    }
                }
            }
            "function_call" => {
                stream(None, "function_call_arguments", "arguments", item["arguments"].as_str().unwrap());
            }
            "custom_tool_call" => {
                stream(None, "custom_tool_call_input", "input", item["input"].as_str().unwrap());
            }
            _ => {}
        }
        events.push(json!({"type": "response.output_item.done", "output_index": at, "item": item}));
    }
    events.push(json!({"type": "response.completed", "response": response}));
    for (at, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = json!(at);
    }
    events
}

/// The parsed response equals the undamaged document, apart from the damaged field.
fn difference(read: CompletionResponse, path: &str, whole: &Value) -> Option<String> {
    let is_content = LABELS.contains(&path) || NEEDED.contains(&path) || CONTENT.contains(&path);
    if is_content || path.ends_with("/phase") {
        return None;
    }
    let (mut text, mut refusal, mut calls) = (String::new(), String::new(), Vec::new());
    for item in whole["output"].as_array().unwrap() {
        let parts = item["content"].as_array().into_iter().flatten();
        let texts = |name: &str| parts.clone().filter_map(|part| part[name].as_str()).collect::<String>();
        match item["type"].as_str().unwrap() {
            "message" => {
                let paragraph = texts("text");
                if item["phase"] != "commentary" {
                    if !text.is_empty() && !paragraph.is_empty() {
                        text.push_str("\n\n");
                    }
                    text.push_str(&paragraph);
                }
                refusal.push_str(&texts("refusal"));
            }
            "function_call" | "custom_tool_call" => calls.push(item["name"].as_str().unwrap()),
            _ => {}
        }
    }
    let names: Vec<&str> = read
        .tool_calls
        .iter()
        .chain(&read.incomplete_tool_calls)
        // Calls of hosted tools are read of items that this reader does not know.
        .filter(|call| call.kind != ToolCallKind::Hosted)
        .map(|call| call.name.as_str())
        .filter(|name| name.starts_with("tool_"))
        .collect();
    let [got_text, got_refusal] = [read.content, read.refusal].map(Option::unwrap_or_default);
    [
        ("text", (text != got_text).then(|| format!("{text:?}, read as {got_text:?}"))),
        ("refusal", (refusal != got_refusal).then(|| format!("{refusal:?}, read as {got_refusal:?}"))),
        ("calls", (calls != names).then(|| format!("{calls:?}, read as {names:?}"))),
    ]
    .into_iter()
    .find_map(|(what, how)| Some(format!("the {what}: {}", how?)))
}
