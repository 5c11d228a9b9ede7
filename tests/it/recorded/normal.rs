//! One spelling for the bodies of requests, so that only differences in meaning remain.

use serde_json::{Map, Value, json};

use super::requests::numbers;

type Fields = Map<String, Value>;

/// Fields that say how the response is delivered and kept, and what it holds besides: they are the backend's own.
const FREE: [&str; 4] = ["include", "store", "stream", "stream_options"];

/// The body of a Chat Completions request in one spelling.
pub(super) fn normal_chat(body: &Value) -> Value {
    let mut body = normal(body);
    if let Some(fields) = body.as_object_mut() {
        if let Some(limit) = fields.remove("max_completion_tokens") {
            fields.entry("max_tokens").or_insert(limit);
        }
        for message in elements(fields.get_mut("messages")) {
            chat_message(message);
        }
    }
    body
}

fn chat_message(message: &mut Fields) {
    role(message);
    one_text(message, "content");
    remove_if(message, "tool_calls", is_empty);
    if message.contains_key("tool_calls") {
        remove_if(message, "content", is_empty);
    }
    for call in elements(message.get_mut("tool_calls")) {
        call.entry("type").or_insert_with(|| "function".into());
    }
}

/// The body of a request of the Responses API in one spelling.
pub(super) fn normal_responses(body: &Value) -> Value {
    let mut body = normal(body);
    if let Some(fields) = body.as_object_mut() {
        let mut input = match fields.remove("input") {
            Some(Value::Array(items)) => items,
            Some(text) => vec![json!({"role": "user", "content": text})],
            None => Vec::new(),
        };
        if let Some(text) = fields.remove("instructions") {
            input.insert(0, json!({"role": "system", "content": text}));
        }
        for item in input.iter_mut().filter_map(Value::as_object_mut) {
            input_item(item);
        }
        fields.insert("input".to_owned(), input.into());
    }
    body
}

fn input_item(item: &mut Fields) {
    role(item);
    one_text(item, "content");
    one_text(item, "output");
    if item.contains_key("role") {
        remove_if(item, "type", |kind| kind == "message");
    }
    if item.get("type").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("call_output")) {
        item.remove("status");
    }
}

/// What both APIs have in common.
fn normal(body: &Value) -> Value {
    let mut body = body.clone();
    numbers(&mut body);
    spelling(&mut body);
    let Some(fields) = body.as_object_mut() else { return body };
    fields.retain(|name, _| !FREE.contains(&name.as_str()));
    remove_if(fields, "tools", is_empty);
    if fields.get("tool_choice").is_some_and(|choice| choice == "any") {
        fields.insert("tool_choice".to_owned(), "required".into());
    }
    if let Some(text @ Value::String(_)) = fields.get("stop").cloned() {
        fields.insert("stop".to_owned(), json!([text]));
    }
    for tool in elements(fields.get_mut("tools")) {
        tool.entry("type").or_insert_with(|| "function".into());
        remove_if(tool, "description", is_empty);
        if let Some(function) = tool.get_mut("function").and_then(Value::as_object_mut) {
            remove_if(function, "description", is_empty);
        }
    }
    body
}

/// Removes nulls, and values that are the default, wherever they are.
fn spelling(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(spelling),
        Value::Object(fields) => {
            let is_default = |name: &str, value: &Value| match name {
                "detail" => value == "auto",
                "strict" => *value == json!(false),
                _ => value.is_null(),
            };
            fields.retain(|name, value| !is_default(name, value));
            fields.values_mut().for_each(spelling);
        }
        _ => {}
    }
}

fn role(message: &mut Fields) {
    // Other items than messages have a role that is not an author's.
    let is_message = message.get("type").is_none_or(|kind| kind == "message");
    if is_message && message.get("role").is_some_and(|role| role == "developer") {
        message.insert("role".to_owned(), "system".into());
    }
}

/// Writes a list of one text as that text.
fn one_text(fields: &mut Fields, name: &str) {
    let Some([Value::Object(part)]) = fields.get(name).and_then(Value::as_array).map(Vec::as_slice) else {
        return;
    };
    let is_text = |kind: &Value| ["text", "input_text", "output_text"].iter().any(|text| kind == text);
    if part.len() == 2
        && part.get("type").is_some_and(is_text)
        && let Some(text @ Value::String(_)) = part.get("text").cloned()
    {
        fields.insert(name.to_owned(), text);
    }
}

fn elements(list: Option<&mut Value>) -> impl Iterator<Item = &mut Fields> {
    list.and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

fn is_empty(value: &Value) -> bool {
    value == "" || value.as_array().is_some_and(Vec::is_empty)
}

fn remove_if(fields: &mut Fields, name: &str, condition: impl Fn(&Value) -> bool) {
    if fields.get(name).is_some_and(condition) {
        fields.remove(name);
    }
}

/// The first difference between two bodies: its path, and what is there.
pub(super) fn difference(recorded: &Value, sent: &Value) -> Option<(String, String)> {
    match (recorded, sent) {
        (Value::Object(left), Value::Object(right)) => {
            let added = right.keys().filter(|name| !left.contains_key(*name));
            left.keys().chain(added).find_map(|name| {
                let (path, what) = match (left.get(name), right.get(name)) {
                    (Some(left), Some(right)) => difference(left, right)?,
                    (Some(left), None) => (String::new(), format!("{} is not sent", short(left))),
                    (None, right) => (String::new(), format!("{} is added", short(right?))),
                };
                Some((format!(".{name}{path}"), what))
            })
        }
        (Value::Array(left), Value::Array(right)) => {
            let pairs = left.iter().zip(right).enumerate();
            let inner = pairs.filter_map(|(i, (left, right))| {
                let (path, what) = difference(left, right)?;
                Some((format!("[{i}]{path}"), what))
            });
            let (recorded, sent) = (left.len(), right.len());
            let length = || (String::new(), format!("{recorded} elements, of which {sent} are sent"));
            inner.chain((recorded != sent).then(length)).next()
        }
        (left, right) if left == right => None,
        (left, right) => Some((String::new(), format!("{} is {}", short(left), short(right)))),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    text.chars().take(200).collect()
}

#[test]
fn spellings_of_chat_completions() {
    #[track_caller]
    fn check(body: Value, expected: Value) {
        assert_eq!(normal_chat(&body), expected, "{body}");
    }
    check(json!({"stream": true, "stream_options": {}, "store": false, "include": []}), json!({}));
    check(json!({"a": null, "b": {"c": null}, "seed": 1.0}), json!({"b": {}, "seed": 1}));
    check(json!({"max_completion_tokens": 1}), json!({"max_tokens": 1}));
    check(json!({"max_completion_tokens": 1, "max_tokens": 2}), json!({"max_tokens": 2}));
    check(json!({"tools": [], "tool_choice": "any"}), json!({"tool_choice": "required"}));
    check(json!({"stop": "END"}), json!({"stop": ["END"]}));
    check(
        json!({"tools": [{"function": {"name": "f", "description": "", "strict": false}}]}),
        json!({"tools": [{"type": "function", "function": {"name": "f"}}]}),
    );
    #[track_caller]
    fn check_message(message: Value, expected: Value) {
        check(json!({"messages": [message]}), json!({"messages": [expected]}));
    }
    let text = json!({"type": "text", "text": "a"});
    check_message(json!({"role": "developer", "content": [text]}), json!({"role": "system", "content": "a"}));
    check_message(
        json!({"role": "user", "content": [text, text]}),
        json!({"role": "user", "content": [text, text]}),
    );
    let cached = json!({"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}});
    check_message(json!({"role": "user", "content": [cached]}), json!({"role": "user", "content": [cached]}));
    let image = json!({"type": "image_url", "image_url": {"url": "u"}});
    check_message(
        json!({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u", "detail": "auto"}}]}),
        json!({"role": "user", "content": [image]}),
    );
    check_message(
        json!({"role": "assistant", "content": "", "tool_calls": [{"id": "c"}]}),
        json!({"role": "assistant", "tool_calls": [{"id": "c", "type": "function"}]}),
    );
    check_message(
        json!({"role": "assistant", "content": "", "tool_calls": []}),
        json!({"role": "assistant", "content": ""}),
    );
}

#[test]
fn spellings_of_the_responses_api() {
    #[track_caller]
    fn check(body: Value, expected: Value) {
        assert_eq!(normal_responses(&body), expected, "{body}");
    }
    check(json!({"input": "a"}), json!({"input": [{"role": "user", "content": "a"}]}));
    check(
        json!({"instructions": "s", "input": [{"type": "message", "role": "user", "content": "a"}]}),
        json!({"input": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}]}),
    );
    check(
        json!({"input": [{"type": "function_call_output", "call_id": "c", "output": "1", "status": "completed"}]}),
        json!({"input": [{"type": "function_call_output", "call_id": "c", "output": "1"}]}),
    );
    // Only messages have an author.
    let tools = json!({"type": "additional_tools", "role": "developer"});
    check(json!({"input": [tools]}), json!({"input": [tools]}));
    let call = json!({"type": "function_call", "call_id": "c", "status": "completed"});
    check(json!({"input": [call]}), json!({"input": [call]}));
}

#[test]
fn the_first_difference_has_a_path() {
    #[track_caller]
    fn check(recorded: Value, sent: Value, expected: Option<(&str, &str)>) {
        let found = difference(&recorded, &sent);
        let found = found.as_ref().map(|(path, what)| (path.as_str(), what.as_str()));
        assert_eq!(found, expected);
    }
    check(json!({"a": [1, {"b": 2}]}), json!({"a": [1, {"b": 2}]}), None);
    check(json!({"a": [1, {"b": 2}]}), json!({"a": [1, {"b": 3}]}), Some((".a[1].b", "2 is 3")));
    check(json!({"a": 1}), json!({}), Some((".a", "1 is not sent")));
    check(json!({}), json!({"a": 1}), Some((".a", "1 is added")));
    check(json!([1]), json!([]), Some(("", "1 elements, of which 0 are sent")));
}
