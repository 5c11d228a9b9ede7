//! Responses in the shapes that servers in the field send, one row each in `tests/field/`, with the expected reading.
//!
//! A row begins with `# name`. Lines of a stream of Chat Completions: `d DELTA`, `c CHOICE` and `f WORD` make a chunk of that delta, that
//! choice and that finish reason. In any stream `j JSON` is an event of that data, `D` is `[DONE]` and `r TEXT` a line that is
//! sent unchanged. `b TEXT` is a whole body instead. `= READING` ends the row.

use futures::StreamExt;
use futures::executor::block_on;
use tachikoma_backend_codex::{CodexError, internals};
use tachikoma_backends_core::{
    BackendError, CollectingStream, CompletionResponse, CompletionStream, ToolCall,
};

/// A row: its name, the body, whether that is a whole body, and the expected reading.
struct Row<'a> {
    name: &'a str,
    body: String,
    is_whole: bool,
    expected: &'a str,
}

fn rows(table: &str) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let mut row = Row { name: "", body: String::new(), is_whole: false, expected: "" };
    for line in table.lines().filter(|line| !line.is_empty()) {
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        let chunk = |choice: String| {
            format!(
                "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{choice}]}}\n\n"
            )
        };
        match mark {
            "#" => row.name = rest,
            "d" => row.body += &chunk(format!("{{\"index\":0,\"delta\":{rest},\"finish_reason\":null}}")),
            "c" => row.body += &chunk(rest.to_owned()),
            "f" => row.body += &chunk(format!("{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"{rest}\"}}")),
            "j" => row.body += &format!("data: {rest}\n\n"),
            "D" => row.body += "data: [DONE]\n\n",
            "r" => row.body += &format!("{rest}\n"),
            "b" => {
                row.body += rest;
                row.is_whole = true;
            }
            "=" => {
                row.expected = rest;
                let next = Row { name: "", body: String::new(), is_whole: false, expected: "" };
                rows.push(std::mem::replace(&mut row, next));
            }
            _ => panic!("not a line of a row: {line}"),
        }
    }
    rows
}

/// A response as one line.
fn reading(response: CompletionResponse) -> String {
    let mut parts = Vec::new();
    for (name, text) in [
        ("commentary", response.commentary),
        ("text", response.content),
        ("reasoning", response.reasoning),
        ("refusal", response.refusal),
    ] {
        parts.extend(text.map(|text| format!("{name} {text:?}")));
    }
    let call = |kind: &str, call: &ToolCall| format!("{kind} {}:{}({})", call.id, call.name, call.arguments);
    parts.extend(response.tool_calls.iter().map(|whole| call("call", whole)));
    parts.extend(response.incomplete_tool_calls.iter().map(|half| call("half", half)));
    parts.push(response.finish_reason.as_str().to_owned());
    parts.extend(response.finish_reason_text.map(|word| format!("({word})")));
    parts.join(" ")
}

fn failure(error: &BackendError) -> String {
    let retry = if error.is_retryable() { " retry" } else { "" };
    format!("error {}{retry}: {error}", error.category().as_str())
}

fn is_expected(found: &str, expected: &str) -> bool {
    match (found.starts_with("error "), expected.split_once(": ")) {
        // An expected error holds a part of the message.
        (true, Some((kind, words))) => {
            found.split_once(": ").is_some_and(|(found, text)| found == kind && text.contains(words))
        }
        _ => found == expected,
    }
}

type ReadBody = fn(&[u8]) -> Result<CompletionResponse, CodexError>;
type ReadStream = fn(Vec<&[u8]>) -> CompletionStream;

fn check(table: &str, read_body: ReadBody, read_stream: ReadStream) {
    let whole = |body: &[u8]| read_body(body).map_or_else(|error| failure(&error.into()), reading);
    let streamed = |body: &[u8], size: usize| {
        let stream = read_stream(body.chunks(size).collect()).boxed();
        block_on(CollectingStream::new(stream).collect()).map_or_else(|error| failure(&error.error), reading)
    };
    let mut failures = Vec::new();
    for Row { name, body, is_whole, expected } in rows(table) {
        let body = body.as_bytes();
        let mut found = vec![("whole", whole(body)), ("streamed", streamed(body, body.len()))];
        if !is_whole {
            found.push(("by three bytes", streamed(body, 3)));
        }
        found.retain(|(_, found)| !is_expected(found, expected));
        let wrong: Vec<_> = found.iter().map(|(how, found)| format!("  {how}: {found}")).collect();
        if !wrong.is_empty() {
            failures.push(format!("{name}\n  expected {expected}\n{}", wrong.join("\n")));
        }
    }
    assert!(failures.is_empty(), "{} readings:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn chat_completions() {
    let table = include_str!("../field/chat.txt");
    check(table, internals::chat_response, |pieces| internals::chat_stream(pieces));
}

#[test]
fn responses() {
    let table = include_str!("../field/responses.txt");
    check(table, internals::responses_response, |pieces| internals::responses_stream(pieces));
}
