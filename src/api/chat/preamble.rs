//! The preamble: the fields that every event of a stream repeats before its choices (the response's id, the model, the time).
//! Parsing it is a good part of the work on an event, and is done only when its bytes change.

use memchr::memmem;
use serde::de::IgnoredAny;

use crate::openai::types::CreateChatCompletionStreamResponse;

/// The start of the part that differs.
const CHOICES: &str = ",\"choices\":";

/// Excluded from a preamble: the other fields that are read, and escapes, which could hide one.
const EXCLUDED: [&str; 6] =
    ["\"base_resp\"", "\"citations\"", "\"error\"", "\"search_results\"", "\"usage\"", "\\"];

/// Longer events, in bytes, are rare, and parsed as a whole.
const MAX_BYTES: usize = 4 << 10;

/// Parses events, each as if it were parsed alone.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The preamble of the last event that was parsed as a whole, up to the comma; empty if it has none.
    preamble: String,
    /// The rest of an event, as an object.
    rest: String,
}

impl Reader {
    /// Parses an event.
    ///
    /// # Errors
    /// It is not JSON of the documented form.
    pub(super) fn read(&mut self, data: &str) -> serde_json::Result<CreateChatCompletionStreamResponse> {
        if let Some(rest) = self.rest_of(data) {
            set_object(&mut self.rest, rest);
            if let Ok(event) = serde_json::from_str(&self.rest) {
                return Ok(event);
            }
        }
        let event = serde_json::from_str(data)?;
        // Any further field that is read belongs into `EXCLUDED`.
        let CreateChatCompletionStreamResponse {
            base_resp: _,
            choices: _,
            citations: _,
            error: _,
            search_results: _,
            usage: _,
        } = &event;
        self.preamble.clear();
        // An unescaped quote begins or ends a string. None can end here in valid JSON, so this one begins a key.
        if data.len() <= MAX_BYTES
            && let Some(comma) = memmem::find(data.as_bytes(), CHOICES.as_bytes())
            && let Some((preamble, rest)) = data.split_at_checked(comma + 1)
            && !EXCLUDED.iter().any(|excluded| preamble.contains(excluded))
        {
            set_object(&mut self.rest, rest);
            // In a complete event, this is an object only if the preamble ends within the outermost one.
            if serde_json::from_str::<IgnoredAny>(&self.rest).is_ok() {
                self.preamble.push_str(preamble);
            }
        }
        Ok(event)
    }

    /// The rest of an event after the preamble.
    fn rest_of<'a>(&self, data: &'a str) -> Option<&'a str> {
        let has_preamble = !self.preamble.is_empty() && data.len() <= MAX_BYTES;
        data.strip_prefix(&self.preamble).filter(|_| has_preamble)
    }
}

/// Sets an object from its members and its end.
fn set_object(object: &mut String, members: &str) {
    object.clear();
    object.push('{');
    object.push_str(members);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Parses the events in order, with the same results as if each were parsed alone. Returns how many were parsed in part.
    #[track_caller]
    fn check(events: &[impl AsRef<str>]) -> usize {
        let mut reader = Reader::default();
        let mut in_part = 0;
        for event in events {
            let event = event.as_ref();
            let expected = serde_json::from_str::<CreateChatCompletionStreamResponse>(event);
            let rest = reader.rest_of(event).map(|rest| format!("{{{rest}"));
            in_part += usize::from(rest.is_some_and(|rest| {
                serde_json::from_str::<CreateChatCompletionStreamResponse>(&rest).is_ok()
            }));
            let found = reader.read(event);
            assert_eq!(found.as_ref().ok(), expected.as_ref().ok(), "{event}");
            let text = |error: &serde_json::Error| error.to_string();
            assert_eq!(found.as_ref().err().map(text), expected.as_ref().err().map(text), "{event}");
        }
        in_part
    }

    const CHOICES: &str = r#""choices":[{"delta":{"content":"a"}}]"#;

    #[test]
    fn a_preamble_is_parsed_once() {
        let event = format!(r#"{{"id":"x,choices:[","m":{{"a":[1]}},{CHOICES},"usage":null}}"#);
        assert_eq!(check(&[&event, &event, &event]), 2);
        let other = event.replace("\"id\":\"x", "\"id\":\"y");
        assert_eq!(check(&[&event, &event, &other, &other]), 2);
    }

    #[test]
    fn events_without_a_preamble() {
        let events = [
            format!("{{{CHOICES}}}"),
            format!(r#"{{"m":{{"a":1,{CHOICES}}},{CHOICES}}}"#),
            format!(r#"{{"usage":{{"prompt_tokens":1}},{CHOICES}}}"#),
            format!(r#"{{"error":{{"message":"x"}},{CHOICES}}}"#),
            format!(r#"{{"id":"x,\"choices\":[",{CHOICES}}}"#),
            format!(r#"{{"id":"x",{CHOICES},{CHOICES}}}"#),
            format!(r#"[{{"id":"x",{CHOICES}}}]"#),
            format!(r#"{{"id":"{}",{CHOICES}}}"#, "x".repeat(MAX_BYTES)),
            r#"{"id":"x"}"#.to_owned(),
        ];
        for event in events {
            assert_eq!(check(&[&event, &event, &event]), 0, "{event}");
        }
        // The same field twice is an error, whether it is read or null.
        check(&[r#"{"usage":null,"choices":[]}"#, r#"{"usage":null,"usage":null}"#]);
        // The same beginning, of an event that was cut: its inner object alone would pass for a complete one.
        check(&[r#"{"m":{"a":1,"choices":[]}}"#, r#"{"m":{"a":1,"choices":[]}"#]);
    }

    #[test]
    fn anything_may_follow_a_preamble() {
        let start = r#"{"id":"x","choices":"#;
        let ends = [
            "[]}",
            "null,\"usage\":{\"total_tokens\":2}}",
            "1}",
            "[",
            "",
            "[]}}",
            "[],\"choices\":[]}",
            "[]} x",
        ];
        for end in ends {
            let in_part = check(&[format!("{start}[]}}"), format!("{start}{end}"), format!("{start}[]}}")]);
            assert!(in_part >= 1, "{end}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn any_events(picks in proptest::collection::vec(proptest::collection::vec(0..PIECES.len(), 0..9), 0..6)) {
            let events: Vec<String> = picks
                .iter()
                .map(|picks| format!("{{{}}}", picks.iter().map(|pick| PIECES[*pick]).collect::<Vec<_>>().join(",")))
                .collect();
            check(&events.iter().flat_map(|event| [event, event]).collect::<Vec<_>>());
            let text = picks.concat().iter().map(|pick| PIECES[*pick]).collect::<Vec<_>>().join(",");
            check(&[format!("{{{text}}}"), text.clone(), format!("{{{text}"), format!("{{{text}}}")]);
        }
    }

    const PIECES: &[&str] = &[
        r#""id":"x""#,
        r#""object":"a,b""#,
        r#""usage":null"#,
        r#""usage":{"total_tokens":3}"#,
        r#""error":null"#,
        r#""m":{"a":1,"choices":[]}"#,
        r#""m":[{"choices":1}]"#,
        r#""choices":[]"#,
        r#""choices":[{"index":0,"delta":{"content":"b"},"finish_reason":null}]"#,
        r#""choices":null"#,
        r#""choices" :[]"#,
        r#""\u0075sage":null"#,
        r#""id":",\"choices\":""#,
        r#""a":{"#,
        "}",
        "[",
        r#"""#,
    ];
}
