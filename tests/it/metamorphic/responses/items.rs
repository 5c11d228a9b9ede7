//! Items, parts and events beside those that are read, and messages of several phases.

use std::path::Path;

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::super::wire::Event;
use super::super::{Demand, Input, Transformed};
use super::{completed, each_item, each_response, has_phases, has_whole_output, is_message, last};

pub(in super::super) fn unknown_events_added(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.stream()?;
    input.success()?;
    let unknown = [
        json!({"type": "response.hologram.delta", "delta": "no text", "item_id": "x_1", "output_index": 0}),
        json!({"type": "response.hologram.delta", "delta": {"x": 1}, "item": 7, "response": 7}),
        json!({"type": "response.hologram.done", "text": "no text", "item": {"type": "hologram"}}),
        json!({"type": "response.hologram", "response": {"id": "x", "output": []}}),
        json!({"type": "keepalive", "sequence_number": 2}),
        json!({"type": "ping"}),
        json!({"type": "codex.rate_limits", "primary": {"used_percent": 12}}),
        json!({}),
        json!(null),
        json!([]),
    ];
    let end = last(&events)?;
    for _ in 0..random.usize(1..5) {
        let value = random.choice(unknown.iter())?.clone();
        let name = value["type"].as_str().filter(|_| random.bool()).map(str::to_owned);
        events.insert(random.usize(..=end), Event::Json(name, value));
    }
    Some(Transformed::same(events))
}

/// The kinds of events that OpenAI documents.
fn documented_kinds() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/closure.json");
    let document: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let schema = |reference: &Value| {
        document.pointer(reference["$ref"].as_str().unwrap().trim_start_matches('#')).unwrap().clone()
    };
    let event = &document["components"]["schemas"]["ResponseStreamEvent"];
    let kinds =
        ["anyOf", "oneOf"].into_iter().filter_map(|union| event[union].as_array()).flatten().map(|event| {
            let kind = &schema(event)["properties"]["type"];
            kind["enum"][0].as_str().or(kind["const"].as_str()).unwrap().to_owned()
        });
    kinds.collect()
}

/// Events without content for the response: none ends it, and none fails it.
pub(in super::super) fn documented_events_added(input: &Input, random: &mut Rng) -> Option<Transformed> {
    thread_local!(static KINDS: Vec<String> = documented_kinds());
    let mut events = input.stream()?;
    input.success()?;
    let end = last(&events)?;
    let is_read = |kind: &str| {
        let read = [
            "output_text.de", "output_text.do", "refusal", "reasoning", "function_call", "custom_tool",
            "output_item",
        ];
        read.iter().any(|read| kind.starts_with(&format!("response.{read}")))
            || matches!(kind, "error" | "response.completed" | "response.failed" | "response.incomplete")
    };
    let kinds: Vec<String> =
        KINDS.with(|kinds| kinds.iter().filter(|kind| !is_read(kind)).cloned().collect());
    assert!(kinds.len() > 20, "the documented events are no longer found");
    for _ in 0..4 {
        let kind = random.choice(kinds.iter())?.clone();
        let mut value = json!({
            "type": kind, "item_id": "x_1", "output_index": 90, "content_index": 0, "sequence_number": 3,
            "delta": "x", "code": "x", "arguments": "{}", "part": {"type": "output_text", "text": ""},
        });
        if matches!(kind.as_str(), "response.created" | "response.in_progress" | "response.queued") {
            value = json!({"type": kind, "response": {"status": "in_progress", "output": []}, "sequence_number": 3});
        }
        events.insert(random.usize(..=end), Event::Json(Some(kind), value));
    }
    Some(Transformed::same(events))
}

/// Adds an item at the end of the output, and its events before the last one.
fn add_item(input: &Input, item: &Value, own: &[Value], has_events: bool) -> Option<Vec<Event>> {
    let mut events = if input.is_whole { input.events.clone() } else { completed(input)? };
    has_whole_output(input)?;
    let index = super::output(input)?.len();
    if let Some(end) = last(&events).filter(|_| has_events) {
        let event = |kind: &str| {
            let data = json!({"type": kind, "output_index": index, "item": item, "sequence_number": 1});
            Event::Json(Some(kind.to_owned()), data)
        };
        let own = own.iter().map(|data| {
            let mut data = data.clone();
            data["output_index"] = json!(index);
            data["item_id"] = item["id"].clone();
            Event::Json(data["type"].as_str().map(str::to_owned), data)
        });
        let mut added = vec![event("response.output_item.added")];
        if is_message(item.as_object()?) && own.len() > 0 {
            added[0].value_mut()?["item"]["content"] = json!([]);
        }
        added.extend(own);
        added.push(event("response.output_item.done"));
        events.splice(end..end, added);
    }
    let end = if input.is_whole { 0 } else { last(&events)? };
    each_response(input, &mut events[end..=end], |response| {
        if let Some(output) = response.get_mut("output").and_then(Value::as_array_mut) {
            output.push(item.clone());
        }
    });
    Some(events)
}

pub(in super::super) fn hosted_items_added(input: &Input, random: &mut Rng) -> Option<Transformed> {
    input.success()?;
    let item = random.choice([
        json!({"type": "hologram", "id": "x_1", "x": [1, 2]}),
        json!({"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}}),
        json!({"type": "file_search_call", "id": "fs_1", "status": "completed", "queries": ["x"], "results": null}),
        json!({"type": "code_interpreter_call", "id": "ci_1", "status": "completed", "code": "1", "container_id": "c", "outputs": []}),
        json!({"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "iVBORw0KGgo="}),
        json!({"type": "mcp_call", "id": "mcp_1", "name": "f", "arguments": "{}", "server_label": "s", "output": "x"}),
        json!({"type": "mcp_list_tools", "id": "mcpl_1", "server_label": "s", "tools": []}),
        json!({"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAA"}),
    ])?;
    Some(Transformed::same(add_item(input, &item, &[], random.bool())?))
}

/// A call for the client that is not passed on never looks like a finished response.
pub(in super::super) fn client_items_added(input: &Input, random: &mut Rng) -> Option<Transformed> {
    input.success()?;
    let item = random.choice([
        json!({"type": "shell_call", "id": "sh_1", "call_id": "call_s", "status": "completed", "action": {"commands": ["ls"]}}),
        json!({"type": "local_shell_call", "id": "ls_1", "call_id": "call_s", "status": "completed", "action": {"type": "exec", "command": ["ls"], "env": {}}}),
        json!({"type": "apply_patch_call", "id": "ap_1", "call_id": "call_s", "status": "completed", "operation": {"type": "delete_file", "path": "a"}}),
        json!({"type": "computer_call", "id": "cu_1", "call_id": "call_s", "status": "completed", "action": {"type": "screenshot"}, "pending_safety_checks": []}),
        json!({"type": "mcp_approval_request", "id": "mcpr_1", "name": "f", "arguments": "{}", "server_label": "s"}),
    ])?;
    Some(Transformed::new(Demand::NotStopped, add_item(input, &item, &[], random.bool())?))
}

pub(in super::super) fn unknown_parts_added(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut events = input.events.clone();
    input.success()?;
    let mut added = false;
    let (part, is_first) = (
        random.choice([
            json!({"type": "hologram", "x": 1}),
            json!({"type": "output_audio", "data": "UklGRg==", "transcript": null}),
            json!({"type": 7}),
            json!({}),
            json!(null),
        ])?,
        random.bool(),
    );
    each_item(input, &mut events, |item| {
        let Some(content) = item.get_mut("content").and_then(Value::as_array_mut) else { return };
        if !content.is_empty() {
            let at = if is_first { 0 } else { content.len() };
            content.insert(at, part.clone());
            added = true;
        }
    });
    added.then(|| Transformed::same(events))
}

pub(in super::super) fn content_as_text(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let mut events = input.events.clone();
    let mut changed = false;
    each_item(input, &mut events, |item| {
        let Some([part]) = item.get("content").and_then(Value::as_array).map(Vec::as_slice) else { return };
        if is_message(item) && part["type"] == "output_text" {
            let text = part["text"].clone();
            item.insert("content".to_owned(), text);
            changed = true;
        }
    });
    changed.then(|| Transformed::same(events))
}

/// The convenience field of the official SDKs repeats the text.
pub(in super::super) fn output_text_added(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let mut events = input.events.clone();
    let text = &input.success()?.text;
    each_response(input, &mut events, |response| {
        if response.get("output").and_then(Value::as_array).is_some_and(|output| !output.is_empty()) {
            response.insert("output_text".to_owned(), json!(text));
        }
    });
    Some(Transformed::same(events))
}

fn with_phase(input: &Input, phase: &str) -> Option<Vec<Event>> {
    let mut events = input.events.clone();
    let mut changed = false;
    // Only an item holds the phase.
    let has_items = input.is_whole || super::has_all_items_done(input) && has_added(input);
    let mut set = |item: &mut Map<String, Value>| {
        if is_message(item) {
            item.insert("phase".to_owned(), json!(phase));
            changed = true;
        }
    };
    each_item(input, &mut events, &mut set);
    (changed && has_items && !has_phases(input)).then_some(events)
}

/// Whether every item that is done was added before.
fn has_added(input: &Input) -> bool {
    let count = |ending: &str| {
        let kind = format!("response.output_item.{ending}");
        input.events.iter().filter(|event| super::kind(event) == kind).count()
    };
    count("added") == count("done")
}

pub(in super::super) fn final_answer(input: &Input, _: &mut Rng) -> Option<Transformed> {
    input.success()?;
    Some(Transformed::same(with_phase(input, "final_answer")?))
}

/// Commentary is passed on, but not as content.
pub(in super::super) fn commentary(input: &Input, _: &mut Rng) -> Option<Transformed> {
    let mut expected = input.success()?.clone();
    expected.commentary = std::mem::take(&mut expected.text);
    Some(Transformed::same(with_phase(input, "commentary")?).expecting(expected))
}

fn added_message(input: &Input, phase: Option<&str>, random: &mut Rng) -> Option<Vec<Event>> {
    let mut item = json!({
        "id": "msg_90", "type": "message", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": "One more thing.", "annotations": []}],
    });
    if let Some(phase) = phase {
        item["phase"] = json!(phase);
    }
    let own = [
        json!({"type": "response.output_text.delta", "content_index": 0, "delta": "One more"}),
        json!({"type": "response.output_text.delta", "content_index": 0, "delta": " thing."}),
        json!({"type": "response.output_text.done", "content_index": 0, "text": "One more thing."}),
    ];
    let own = if random.bool() { &own[..] } else { &[] };
    add_item(input, &item, own, random.u8(..3) > 0)
}

/// Messages are paragraphs.
pub(in super::super) fn message_added(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut expected = input.success()?.clone();
    // Streamed content is passed on before items that occur only in the last event.
    let is_only_at_the_end =
        !input.is_whole && !input.events.iter().any(|event| super::kind(event).contains("output_"));
    if is_only_at_the_end && !expected.text.is_empty() {
        return None;
    }
    let paragraph = if expected.text.is_empty() { "" } else { "\n\n" };
    expected.text = format!("{}{paragraph}One more thing.", expected.text);
    let phase = has_phases(input).then_some("final_answer");
    Some(Transformed::same(added_message(input, phase, random)?).expecting(expected))
}

pub(in super::super) fn commentary_added(input: &Input, random: &mut Rng) -> Option<Transformed> {
    let mut expected = input.success()?.clone();
    let paragraph = if expected.commentary.is_empty() { "" } else { "\n\n" };
    expected.commentary = format!("{}{paragraph}One more thing.", expected.commentary);
    Some(Transformed::same(added_message(input, Some("commentary"), random)?).expecting(expected))
}
