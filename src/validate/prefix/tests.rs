//! Tests of the check by the cases that users have.

mod properties;

use PrefixBreakCause::{
    Api, CacheKey, Edit, ImageDetail, Insertion, Instructions, JsonFormat, KeyOrder, Model, Removal,
    ResponseFormat, Setting, State, Time, ToolDefinition, ToolOrder, ToolSet,
};
use serde_json::json;

use super::*;

/// The body of a request for Chat Completions.
fn chat() -> Value {
    json!({
        "model": "m",
        "messages": [
            {"role": "system", "content": "It is 2026-11-28T10:03:04Z. Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}},
            ]},
            {"role": "assistant", "content": null, "reasoning_content": "Look it up.", "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{\"a\":1,\"b\":2}"}},
            ]},
            {"role": "tool", "tool_call_id": "call_1", "content": "A cat"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "look", "description": "Looks", "parameters": {"type": "object"}}},
            {"type": "function", "function": {"name": "listen", "parameters": {"type": "object"}}},
        ],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        "temperature": 0.5,
    })
}

/// The body of a request for the Responses API.
fn responses() -> Value {
    json!({
        "model": "m",
        "reasoning": {"effort": "low", "summary": "auto"},
        "instructions": "Be brief.",
        "prompt_cache_key": "k",
        "input": [
            {"role": "user", "content": "Hi"},
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
            {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}", "status": "completed"},
            {"type": "function_call_output", "call_id": "c", "output": "Snow"},
            {"type": "message", "id": "msg_1", "role": "assistant", "content": [
                {"type": "output_text", "text": "Snow.", "annotations": [], "logprobs": []},
            ]},
            {"role": "user", "content": "Why?"},
        ],
        "tools": [{"type": "function", "name": "f", "parameters": {}}, {"type": "web_search"}],
        "text": {"format": {"type": "text"}, "verbosity": "low"},
    })
}

fn list<'a>(body: &'a mut Value, path: &str) -> &'a mut Vec<Value> {
    body.pointer_mut(path).and_then(Value::as_array_mut).unwrap()
}

fn set(body: &mut Value, path: &str, value: Value) {
    *body.pointer_mut(path).unwrap_or_else(|| panic!("{path}")) = value;
}

/// The break after this change of the later body, whose conversation then grows.
fn after(body: &Value, change: impl FnOnce(&mut Value)) -> Option<PrefixBreak> {
    let mut later = body.clone();
    change(&mut later);
    for name in CONVERSATIONS {
        if let Some(Value::Array(items)) = later.get_mut(name) {
            items.push(json!({"role": "assistant", "content": "An answer"}));
        }
    }
    prefix_break(body, &later)
}

#[test]
fn what_is_not_part_of_the_prompt_breaks_nothing() {
    type Change = fn(&mut Value);
    let chat_changes: [Change; 8] = [
        |_| {},
        |body| body["temperature"] = json!(1),
        |body| body["tool_choice"] = json!("none"),
        |body| body["stream"] = json!(true),
        |body| body["messages"][3]["content"] = json!([{"type": "text", "text": "A cat"}]),
        |body| body["messages"][1]["content"][0]["prompt_cache_breakpoint"] = json!({"mode": "explicit"}),
        |body| body["messages"][1]["content"][0]["cache_control"] = json!({"type": "ephemeral"}),
        |body| body["messages"][3]["name"] = json!(null),
    ];
    for (i, change) in chat_changes.into_iter().enumerate() {
        assert_eq!(after(&chat(), change), None, "{i}");
    }
    let responses_changes: [Change; 8] = [
        |body| body["reasoning"]["summary"] = json!("detailed"),
        |body| body["text"]["format"] = json!(null),
        |body| body["include"] = json!(["reasoning.encrypted_content"]),
        |body| {
            body["input"][2] =
                json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"})
        },
        |body| body["input"][4] = json!({"type": "message", "role": "assistant", "content": "Snow."}),
        |body| body["input"][0]["type"] = json!("message"),
        // The server adds the beginning.
        |body| {
            body["previous_response_id"] = json!("resp_1");
            body["input"] = json!([]);
        },
        |body| {
            body["conversation"] = json!("conv_1");
            body["input"] = json!([]);
        },
    ];
    for (i, change) in responses_changes.into_iter().enumerate() {
        assert_eq!(after(&responses(), change), None, "{i}");
    }
    let text = json!({"input": "Hi"});
    assert_eq!(prefix_break(&text, &json!({"input": [{"role": "user", "content": "Hi"}, {}]})), None);
    for (earlier, later) in [(json!({}), json!({})), (json!(null), json!([1])), (json!({}), chat())] {
        let found = prefix_break(&earlier, &later);
        assert!(found.is_none_or(|found| found.path == "/model"), "{earlier}");
    }
}

#[test]
fn the_first_difference_is_named() {
    type Change = fn(&mut Value);
    let chat_cases: &[(Change, &str, usize, PrefixBreakCause)] = &[
        (|body| body["model"] = json!("n"), "/model", 0, Model),
        (|body| body["prompt_cache_key"] = json!("k"), "/prompt_cache_key", 0, CacheKey),
        (|body| body["reasoning_effort"] = json!("high"), "/reasoning_effort", 0, Setting),
        (|body| body["verbosity"] = json!("high"), "/verbosity", 0, Setting),
        (|body| list(body, "/tools").reverse(), "/tools/0", 0, ToolOrder),
        (|body| _ = list(body, "/tools").pop(), "/tools/1", 0, ToolSet),
        (|body| _ = list(body, "/tools").remove(0), "/tools/0", 0, ToolSet),
        (|body| list(body, "/tools").push(json!({"type": "function"})), "/tools/2", 0, ToolSet),
        (|body| body["tools"] = json!([]), "/tools", 0, ToolSet),
        (
            |body| set(body, "/tools/0/function/description", json!("Looks at")),
            "/tools/0/function/description",
            0,
            ToolDefinition,
        ),
        (
            |body| set(body, "/tools/1/function/parameters", json!({"type": "object", "required": []})),
            "/tools/1/function/parameters/required",
            0,
            ToolDefinition,
        ),
        (
            |body| set(body, "/response_format/json_schema/schema/type", json!("array")),
            "/response_format/json_schema/schema/type",
            0,
            ResponseFormat,
        ),
        (|body| body["response_format"] = json!({"type": "text"}), "/response_format", 0, ResponseFormat),
        (
            |body| set(body, "/messages/0/content", json!("It is 2026-11-28T10:04:00Z. Be brief.")),
            "/messages/0/content",
            0,
            Time,
        ),
        (|body| set(body, "/messages/0/content", json!("Be kind.")), "/messages/0/content", 0, Instructions),
        (
            |body| set(body, "/messages/1/content/1/image_url/detail", json!("high")),
            "/messages/1/content/1/image_url/detail",
            1,
            ImageDetail,
        ),
        (
            |body| set(body, "/messages/1/content/0/text", json!("What is that?")),
            "/messages/1/content/0/text",
            1,
            Edit,
        ),
        (
            |body| list(body, "/messages/1/content").push(json!({"type": "text", "text": "And?"})),
            "/messages/1/content/2",
            1,
            Edit,
        ),
        (
            |body| _ = body["messages"][2].as_object_mut().unwrap().remove("reasoning_content"),
            "/messages/2/reasoning_content",
            2,
            State,
        ),
        (
            |body| {
                let path = "/messages/2/tool_calls/0/function/arguments";
                set(body, path, json!("{\"b\": 2, \"a\": 1}"));
            },
            "/messages/2/tool_calls/0/function/arguments",
            2,
            JsonFormat,
        ),
        (|body| _ = list(body, "/messages").remove(1), "/messages/1", 1, Removal),
        (|body| _ = list(body, "/messages").drain(1..3), "/messages/1", 1, Removal),
        (
            |body| list(body, "/messages").insert(1, json!({"role": "user", "content": "First"})),
            "/messages/1/content",
            1,
            Insertion,
        ),
        // The first one of two.
        (
            |body| {
                set(body, "/messages/3/content", json!("A dog"));
                list(body, "/tools").reverse();
            },
            "/tools/0",
            0,
            ToolOrder,
        ),
        (
            |body| {
                set(body, "/messages/3/content", json!("A dog"));
                set(body, "/messages/1/content/0/text", json!("Well?"));
            },
            "/messages/1/content/0/text",
            1,
            Edit,
        ),
        (|body| *body = json!({"model": "m", "input": []}), "/messages", 0, Api),
    ];
    let responses_cases: &[(Change, &str, usize, PrefixBreakCause)] = &[
        (|body| _ = list(body, "/input").remove(1), "/input/1", 1, State),
        (|body| body["prompt_cache_key"] = json!(null), "/prompt_cache_key", 0, CacheKey),
        (|body| body["reasoning"] = json!(null), "/reasoning/effort", 0, Setting),
        (|body| set(body, "/text/verbosity", json!("high")), "/text/verbosity", 0, Setting),
        (|body| body["text"]["format"] = json!({"type": "json_object"}), "/text/format", 0, ResponseFormat),
        (|body| body["instructions"] = json!("Be long."), "/instructions", 0, Instructions),
        (|body| body["instructions"] = json!("Be brief. Mon Nov 30"), "/instructions", 0, Instructions),
        (|body| list(body, "/tools").swap(0, 1), "/tools/0", 0, ToolOrder),
        (|body| set(body, "/tools/1/type", json!("file_search")), "/tools/1", 0, ToolSet),
        (|body| set(body, "/input/3/output", json!("Rain")), "/input/3/output", 3, Edit),
        (|body| set(body, "/input/4/content", json!("Rain.")), "/input/4/content", 4, Edit),
        (|body| list(body, "/input").truncate(5), "/input/5", 5, Edit),
        (|body| body["input"] = json!("Hi"), "/input", 0, Edit),
    ];
    for (body, cases) in [(chat(), chat_cases), (responses(), responses_cases)] {
        for (change, path, matching, cause) in cases {
            let found = after(&body, change).unwrap_or_else(|| panic!("{path}"));
            let (matching_items, cause) = (*matching, *cause);
            assert_eq!(
                (found.path.as_str(), found.matching_items, found.cause),
                (*path, matching_items, cause)
            );
            assert!(found.items >= 4 && !found.to_string().contains("  "), "{found}");
        }
    }
    let mut shorter = responses();
    list(&mut shorter, "/input").truncate(5);
    let found = prefix_break(&responses(), &shorter).unwrap();
    assert_eq!((found.path.as_str(), found.cause, found.later), ("/input/5", Removal, None));
}

/// A `Value` keeps the order of keys only with a feature of `serde_json` that another crate may enable.
#[test]
fn the_order_of_a_schemas_keys_counts_where_it_is_known() {
    let tool = |properties: &str| {
        let properties = serde_json::from_str::<Value>(properties).unwrap();
        json!({"tools": [{"type": "function", "name": "f", "parameters": {"properties": properties}}]})
    };
    let (earlier, later) = (tool(r#"{"b": {}, "a": {}}"#), tool(r#"{"a": {}, "b": {}}"#));
    let texts = [&earlier, &later].map(Value::to_string);
    let is_kept = texts[0] != texts[1];
    let found = prefix_break(&earlier, &later).map(|found| (found.path, found.cause));
    assert_eq!(found, is_kept.then(|| ("/tools/0/parameters/properties".to_owned(), KeyOrder)));
}

#[test]
fn times_are_recognized() {
    for (earlier, later, expected) in [
        ("It is 10:03.", "It is 10:04.", Some(Time)),
        ("It is 9:59:59.123 now", "It is 10:00:00.001 now", Some(Time)),
        ("2026-11-28", "2026-11-29", Some(Time)),
        ("Today: 28.11.2026.", "Today: 29.11.2026.", Some(Time)),
        ("11/28/2026 x", "12/01/2026 x", Some(Time)),
        ("2026-11-28T10:03:04+01:00", "2026-11-28T10:03:05+01:00", Some(Time)),
        ("Sat Nov 28 22:23:11 UTC", "Sat Nov 28 22:24:00 UTC", Some(Time)),
        ("Saturday, November 28", "Saturday, November 29", Some(Time)),
        ("on Saturday", "on Monday", Some(Time)),
        ("now=1795904591", "now=1795904600", Some(Time)),
        ("now=1795904591123", "now=1795904591124", Some(Time)),
        ("version 1.2.3", "version 1.2.4", None),
        ("3 files", "4 files", None),
        ("user 17959045", "user 17959046", None),
        ("a", "b", None),
        ("", "10:03", None),
        ("é10:03", "é10:04", Some(Time)),
        ("[1, 2]", "[1,2]", Some(JsonFormat)),
    ] {
        let (one, other) = (json!(earlier), json!(later));
        let found = Difference { path: Pointer::default(), earlier: Some(&one), later: Some(&other) };
        assert_eq!(cause::of_text(&found), expected, "{earlier} {later}");
    }
}

#[test]
fn excerpts_are_short_and_show_the_difference() {
    let body = |text: &str| json!({"messages": [{"role": "user", "content": "é".repeat(5_000) + text}]});
    let tail = "z".repeat(5_000);
    let found = prefix_break(&body(&format!("old{tail}")), &body("new")).unwrap();
    let (earlier, later) = (found.earlier.clone().unwrap(), found.later.clone().unwrap());
    assert!(earlier.starts_with("…é") && earlier.contains("éold") && earlier.ends_with("z…"), "{earlier}");
    assert!(later.ends_with("énew\""), "{later}");
    assert!(found.to_string().chars().count() < 400, "{found}");
    let found = after(&chat(), |body| body["model"] = json!("n")).unwrap();
    let expected = "the model changed: each model has a cache of its own (/model: \"m\" became \"n\"; \
                    0 of 4 items still match)";
    assert_eq!(found.to_string(), expected);
}
