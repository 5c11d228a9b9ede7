//! Finds the texts in JSON and in server-sent events, to replace them. It also works on a document that is cut.

use std::ops::Range;

/// The fields whose values are kept, if they are identifiers.
const STRUCTURAL: &[&str] = &[
    "call_id", "code", "container_id", "detail", "effort", "encoding_format", "event", "file_id",
    "finish_reason", "format", "id", "include", "item_id", "modalities", "model", "name", "namespace",
    "object", "param", "phase", "previous_response_id", "reason", "reasoning_effort", "required",
    "response_id", "role", "server_label", "service_tier", "status", "stop_reason", "stream_id",
    "system_fingerprint", "tool_call_id", "tool_choice", "truncation", "type", "verbosity",
];

/// The longest value of a structural field, in bytes.
const MAX_IDENTIFIER: usize = 256;

/// A part of a text, and what replaces it.
pub(super) type Edit = (Range<usize>, String);

/// The replacements of all texts in a body: in one JSON document, in events, or in anything else.
pub(super) fn texts(body: &str) -> Vec<Edit> {
    let mut edits = Vec::new();
    if body.trim_start().starts_with(['{', '[', '"', '<']) {
        Scanner::default().scan(body, 0, &mut edits);
        return edits;
    }
    let mut scanner = Scanner::default();
    let mut start = 0;
    for line in body.split_inclusive(['\n', '\r']) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value_start = start + line.len() - value.len();
        match field {
            "data" => scanner.scan(value, value_start, &mut edits),
            "event" | "id" | "retry" => {}
            // The end of an event.
            _ if line.trim().is_empty() => {
                if line.ends_with('\n') {
                    scanner = Scanner::default();
                }
            }
            _ => Scanner::default().scan(line, start, &mut edits),
        }
        start += line.len();
    }
    edits
}

/// Reads a JSON document.
#[derive(Default)]
struct Scanner {
    /// The open objects and arrays, with the field that each belongs to.
    open: Vec<Container>,
    /// The last string that may be the name of a field.
    field: Option<Name>,
}

struct Container {
    is_object: bool,
    /// Whether the field that it is the value of is structural.
    is_structural: bool,
}

/// The name of a field, as far as it matters.
#[derive(Clone, Copy)]
struct Name {
    is_structural: bool,
    /// Whether its value follows.
    has_value: bool,
}

impl Scanner {
    /// Adds the replacements in this text, which starts at `start` in the body.
    fn scan(&mut self, text: &str, start: usize, edits: &mut Vec<Edit>) {
        let mut at = 0;
        while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
            let rest = text.get(at + c.len_utf8()..).unwrap_or_default();
            match c {
                '{' | '[' => {
                    let is_structural = c == '[' && self.is_structural_value();
                    self.field = None;
                    self.open.push(Container { is_object: c == '{', is_structural });
                }
                '}' | ']' => {
                    self.open.pop();
                    self.field = None;
                }
                ',' => self.field = None,
                ':' => {
                    if let Some(field) = &mut self.field {
                        field.has_value = true;
                    }
                }
                '"' => {
                    let content = string_content(rest);
                    self.string(content, start + at + 1, edits);
                    at += content.len() + usize::from(content.len() < rest.len());
                }
                _ if c.is_whitespace() => {}
                _ => {
                    let length = text.get(at..).map_or(0, bare_length);
                    let word = text.get(at..at + length).unwrap_or_default();
                    if word != "DONE" && serde_json::from_str::<serde_json::Value>(word).is_err() {
                        edits.push((start + at..start + at + length, "x".repeat(word.chars().count())));
                    }
                    at += length.saturating_sub(c.len_utf8());
                }
            }
            at += c.len_utf8();
        }
    }

    /// Reads the content of a string: a name is kept, and a value replaced unless it is structural.
    fn string(&mut self, content: &str, at: usize, edits: &mut Vec<Edit>) {
        let is_name = self.open.last().is_some_and(|container| container.is_object)
            && !self.field.is_some_and(|field| field.has_value);
        if is_name {
            self.field = Some(Name { is_structural: STRUCTURAL.contains(&content), has_value: false });
        } else if !(content.is_empty() || self.is_structural_value() && is_identifier(content)) {
            edits.push((at..at + content.len(), "x".repeat(characters(content))));
        }
    }

    fn is_structural_value(&self) -> bool {
        match self.field {
            Some(field) => field.is_structural,
            None => self.open.last().is_some_and(|container| container.is_structural),
        }
    }
}

/// The content of the string that begins here, up to its quotation mark or the end of the text.
fn string_content(text: &str) -> &str {
    let mut is_escaped = false;
    let end = text.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// The number of characters in the content of a string, of which an escape is one. It is that of all deltas of a text together.
fn characters(content: &str) -> usize {
    let mut count = 0;
    let mut rest = content;
    while let Some(c) = rest.chars().next() {
        let length = match rest.as_bytes() {
            // The second half of a pair belongs to the character of the first.
            [b'\\', b'u', b'd' | b'D', b'8' | b'9' | b'a'..=b'b' | b'A'..=b'B', ..] => 12,
            [b'\\', b'u', ..] => 6,
            [b'\\', ..] => 2,
            _ => c.len_utf8(),
        };
        rest = rest.get(length.min(rest.len())..).unwrap_or_default();
        count += 1;
    }
    count
}

/// The length of a word outside of strings.
fn bare_length(text: &str) -> usize {
    text.find(|c: char| c.is_whitespace() || "{}[],:\"".contains(c)).unwrap_or(text.len())
}

fn is_identifier(text: &str) -> bool {
    text.len() <= MAX_IDENTIFIER
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:/*".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, expected: &str) {
        let mut redacted = body.to_owned();
        for (range, text) in texts(body).into_iter().rev() {
            redacted.replace_range(range, &text);
        }
        assert_eq!(redacted, expected);
    }

    #[test]
    fn texts_are_replaced_and_structure_stays() {
        check(
            r#"{"model":"gpt-4o","n":1.5e3,"messages":[{"role":"user","content":"Hi é\n\"you\" \u00e9\ud83d\ude00"}]}"#,
            r#"{"model":"gpt-4o","n":1.5e3,"messages":[{"role":"user","content":"xxxxxxxxxxxxx"}]}"#,
        );
        check(
            r#"{ "include" : ["a.b", "two words"], "name": "a b", "stop": ["x1", "y"], "null": null, "": "" }"#,
            r#"{ "include" : ["a.b", "xxxxxxxxx"], "name": "xxx", "stop": ["xx", "x"], "null": null, "": "" }"#,
        );
        check(r#"[["a"],{"id":{"text":"b"}}]"#, r#"[["x"],{"id":{"text":"x"}}]"#);
        check(
            "event: a\ndata: {\"type\":\"a\",\ndata: \"delta\":\"Hi\"}\n\n: note it\n\ndata: [DONE]\n\ndata: plain text\n",
            "event: a\ndata: {\"type\":\"a\",\ndata: \"delta\":\"xx\"}\n\n: xxxx xx\n\ndata: [DONE]\n\ndata: xxxxx xxxx\n",
        );
        check("<html>a secret page</html>", "xxxxxxx xxxxxx xxxxxxxxxxx");
    }

    #[test]
    fn a_document_that_is_cut_is_redacted_as_well() {
        let whole = r#"{"id":"a","content":"some \"text\"","b":[true,"more"]}"#;
        for end in 0..whole.len() {
            let body = &whole[..end];
            for (range, text) in texts(body) {
                assert!(body.get(range).is_some() && text.bytes().all(|byte| byte == b'x'));
            }
        }
        check(r#"{"content":"some te"#, r#"{"content":"xxxxxxx"#);
    }

    #[test]
    fn deltas_have_the_length_of_their_text() {
        let text = "a\u{e9}\n\"\u{1F600}\\";
        let escaped = serde_json::to_string(text).unwrap();
        assert_eq!(characters(escaped.trim_matches('"').trim_end_matches("\\\\")) + 1, text.chars().count());
    }
}
