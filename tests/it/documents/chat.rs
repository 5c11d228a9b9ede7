//! Documents of Chat Completions.

use futures::executor::block_on;
use serde_json::{Value, json};
use tachikoma_backend_codex::internals;
use tachikoma_backends_core::{CollectingStream, CompletionResponse};

use super::generator::Generator;
use super::{Kind, text_difference};

const NEEDED: &[&str] = &[
    "/choices",
    "/choices/*/message",
    // A call without a name cannot be made.
    "/choices/*/message/function_call/name",
    "/choices/*/message/tool_calls/*/custom",
    "/choices/*/message/tool_calls/*/custom/name",
    "/choices/*/message/tool_calls/*/function",
    "/choices/*/message/tool_calls/*/function/name",
];

const CONTENT: &[&str] = &[
    "/choices/*/message/content",
    "/choices/*/message/refusal",
    "/choices/*/message/function_call",
    "/choices/*/message/function_call/arguments",
    "/choices/*/message/tool_calls",
    "/choices/*/message/tool_calls/*/custom/input",
    "/choices/*/message/tool_calls/*/function/arguments",
];

pub(super) const BODY: Kind = Kind {
    name: "CreateChatCompletionResponse",
    documents: 1000,
    generate: |generator| generate(generator, "CreateChatCompletionResponse", "message"),
    read: |document| Ok(internals::chat_response(document.to_string().as_bytes())?),
    difference: |document, read, _, _| difference(document, "message", read),
    path: str::to_owned,
    needed: NEEDED,
    content: CONTENT,
    labels: &[],
};

pub(super) const STREAM: Kind = Kind {
    name: "CreateChatCompletionStreamResponse",
    documents: 1000,
    generate: |generator| generate(generator, "CreateChatCompletionStreamResponse", "delta"),
    read: |document| {
        let body = format!("data: {document}\n\ndata: [DONE]\n\n");
        Ok(block_on(CollectingStream::new(internals::chat_stream([body.as_bytes()])).collect())?)
    },
    difference: |document, read, _, _| difference(document, "delta", read),
    path: |path| path.replace("/delta", "/message"),
    needed: NEEDED,
    content: CONTENT,
    labels: &[],
};

/// A document with the parts of every response: a first choice with content and a finish reason, and for each call a name
/// and a unique id.
fn generate(generator: &mut Generator<'_>, schema: &str, message: &str) -> Value {
    let mut document = generator.generate(schema);
    let choices = document["choices"].as_array_mut().unwrap();
    if choices.is_empty() {
        choices.push(json!({message: {}}));
    }
    // With several choices, it is unclear which is the response.
    choices.truncate(1);
    for choice in choices {
        choice["index"] = json!(0);
        if choice["finish_reason"].is_null() {
            choice["finish_reason"] = json!("stop");
        }
        let message = choice[message].as_object_mut().unwrap();
        if let Some(call) = message.get_mut("function_call").filter(|call| call.is_object()) {
            call["name"] = json!("now");
        }
        for (at, call) in
            message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten().enumerate()
        {
            let kind = if call.get("custom").is_some() { "custom" } else { "function" };
            call[kind]["name"] = json!("now");
            call["id"] = json!(format!("call_{at}"));
            if let Some(index) = call.get_mut("index") {
                *index = json!(at);
            }
        }
        if ["content", "refusal", "tool_calls", "function_call"]
            .iter()
            .all(|name| !message.contains_key(*name))
        {
            message.insert("content".to_owned(), json!("Hello"));
        }
    }
    // A transcript is read as content; other tests cover one beside content.
    if let Some(audio) = document["choices"][0][message]["audio"].as_object_mut() {
        audio.remove("transcript");
        audio.remove("data");
    }
    document
}

fn difference(document: &Value, message: &str, read: CompletionResponse) -> Option<String> {
    let is_streamed = message == "delta";
    let message = &document["choices"][0][message];
    if !message.is_object() && !message.is_null() {
        // A text in its place is read as its content; other types are ignored.
        return None;
    }
    let texts = [("content", &read.content), ("refusal", &read.refusal)];
    if let Some(how) =
        texts.iter().find_map(|(name, read)| text_difference(name, &message[*name], read.as_deref()))
    {
        return Some(how);
    }
    let written = message["tool_calls"].as_array().map_or(0, Vec::len);
    let count = read.tool_calls.len() + read.incomplete_tool_calls.len();
    // Fragments of a stream may belong to one call, and `function_call` is an older field for a call.
    let may_be = if is_streamed || written == 0 { count <= written + 1 } else { count == written };
    (!may_be).then(|| format!("{written} tool calls are read as {count}"))
}
