//! Calls that a model makes, whole and in pieces, and their results.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::{BackendError, Message};

/// A call that a model asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The call's id, to which its result refers.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments as JSON text, exactly as the model wrote them: they may be wrong.
    pub arguments: String,
}

impl ToolCall {
    /// A call of this id, name and JSON arguments.
    pub fn new(id: impl Into<String>, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        Self { id: id.into(), name: name.into(), arguments: arguments.into() }
    }

    /// The arguments as JSON; none at all are an empty object.
    ///
    /// # Errors
    /// [`ToolArgumentsError`] where they are not JSON.
    pub fn parse_arguments(&self) -> Result<Value, ToolArgumentsError> {
        self.parse_arguments_as()
    }

    /// The arguments as a type of yours; none at all are an empty object.
    ///
    /// # Errors
    /// [`ToolArgumentsError`] where they are not JSON or do not fit. Its text can be sent back to the model.
    pub fn parse_arguments_as<T: DeserializeOwned>(&self) -> Result<T, ToolArgumentsError> {
        let text = if self.arguments.trim().is_empty() { "{}" } else { &self.arguments };
        let mut json = serde_json::Deserializer::from_str(text);
        let parsed = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            let inner = error.into_inner();
            if inner.is_data() && path != "." { format!("at {path}: {inner}") } else { inner.to_string() }
        });
        parsed.and_then(|value| json.end().map(|()| value).map_err(|error| error.to_string())).map_err(
            |reason| ToolArgumentsError {
                tool: self.name.clone(),
                arguments: self.arguments.clone(),
                reason,
            },
        )
    }
}

/// Arguments that are not JSON, or not what the tool takes. The text is fit to be sent back to the model.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the arguments of {tool} are wrong: {reason}")]
pub struct ToolArgumentsError {
    /// The tool's name.
    pub tool: String,
    /// The arguments as the model wrote them.
    pub arguments: String,
    /// What is wrong, and where.
    pub reason: String,
}

impl From<ToolArgumentsError> for BackendError {
    fn from(error: ToolArgumentsError) -> Self {
        Self::Parsing(error.to_string())
    }
}

/// What came of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The call that it answers.
    pub tool_call_id: String,
    /// The tool's name.
    pub name: String,
    /// What the tool returned, or why it failed.
    pub content: String,
    /// Whether it worked.
    pub success: bool,
}

impl ToolResult {
    /// The call worked and returned this.
    pub fn success(call: &ToolCall, content: impl Into<String>) -> Self {
        let (tool_call_id, name) = (call.id.clone(), call.name.clone());
        Self { tool_call_id, name, content: content.into(), success: true }
    }

    /// The call failed for this reason.
    pub fn failure(call: &ToolCall, reason: impl Into<String>) -> Self {
        Self { success: false, ..Self::success(call, reason) }
    }

    /// The turn that tells the model. A failure starts with `Error: `, since not every provider has a field for it.
    pub fn to_message(&self) -> Message {
        let content = if self.success { self.content.clone() } else { format!("Error: {}", self.content) };
        Message::tool_result(&self.tool_call_id, content).with_name(&self.name)
    }
}

/// A piece of a streamed call, as backends hand it out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCallDelta {
    /// Which call of this answer it belongs to, counted from 0 in the order in which they began.
    pub index: usize,
    /// The call's id, on the piece that brings it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tool's name, on the piece that brings it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The next piece of the arguments' JSON text.
    #[serde(default)]
    pub arguments_delta: String,
}

/// A piece of a streamed call, as servers send it: anything may be missing, empty or repeated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolCallFragment<'a> {
    /// The server's own number for the call.
    pub index: Option<usize>,
    /// The call's id.
    pub id: Option<&'a str>,
    /// The tool's name.
    pub name: Option<&'a str>,
    /// The next piece of the arguments' JSON text; one that is owned is handed on without a copy.
    pub arguments: Cow<'a, str>,
}

/// Puts streamed calls together.
///
/// How a fragment finds its call:
/// 1. With an index, it belongs to the latest call of that index, unless both have an id and these differ; then to
///    the call of that index and id, or it begins a new one.
/// 2. Without an index, by its id; a new id begins a new call.
/// 3. With neither, to the last call, unless it names a tool when that call already has arguments; then it begins a
///    new one.
///
/// Empty ids and names change nothing. A name equal to the one held is not appended.
#[derive(Clone, Debug, Default)]
pub struct ToolCallAccumulator {
    calls: Vec<OpenCall>,
    last: usize,
}

#[derive(Clone, Debug, Default)]
struct OpenCall {
    index: Option<usize>,
    call: ToolCall,
}

impl ToolCallAccumulator {
    /// Takes a piece that a backend handed out.
    pub fn push(&mut self, delta: &ToolCallDelta) {
        self.push_fragment(ToolCallFragment {
            index: Some(delta.index),
            id: delta.id.as_deref(),
            name: delta.name.as_deref(),
            arguments: Cow::Borrowed(&delta.arguments_delta),
        });
    }

    /// Takes a piece as a server sent it, and returns it as a backend hands it out: numbered by the order in which
    /// the calls began, with nothing repeated. `None` for a piece that says nothing, which begins no call.
    pub fn push_fragment(&mut self, fragment: ToolCallFragment<'_>) -> Option<ToolCallDelta> {
        let id = fragment.id.filter(|id| !id.is_empty());
        let name = fragment.name.filter(|name| !name.is_empty());
        if id.is_none() && name.is_none() && fragment.arguments.is_empty() {
            return None;
        }
        let position = self.find(fragment.index, id, name.is_some()).unwrap_or(self.calls.len());
        if position == self.calls.len() {
            self.calls.push(OpenCall { index: fragment.index, ..OpenCall::default() });
        }
        self.last = position;
        let mut delta = ToolCallDelta { index: position, ..ToolCallDelta::default() };
        if let Some(OpenCall { call, .. }) = self.calls.get_mut(position) {
            if let Some(id) = id.filter(|_| call.id.is_empty()) {
                id.clone_into(&mut call.id);
                delta.id = Some(id.to_owned());
            }
            if let Some(name) = name.filter(|name| *name != call.name) {
                call.name.push_str(name);
                delta.name = Some(name.to_owned());
            }
            call.arguments.push_str(&fragment.arguments);
        }
        delta.arguments_delta = fragment.arguments.into_owned();
        Some(delta)
    }

    fn find(&self, index: Option<usize>, id: Option<&str>, named: bool) -> Option<usize> {
        let by_id = |open: &OpenCall| id.is_some_and(|id| open.call.id == id);
        match (index, id) {
            (Some(_), id) => {
                let same_index = |open: &OpenCall| open.index == index;
                let latest = self.calls.iter().rposition(same_index)?;
                let held = self.calls.get(latest)?.call.id.as_str();
                if id.is_none_or(|id| held.is_empty() || held == id) {
                    Some(latest)
                } else {
                    self.calls.iter().position(|open| same_index(open) && by_id(open))
                }
            }
            (None, Some(_)) => self.calls.iter().position(by_id),
            (None, None) => {
                let last = self.calls.get(self.last)?;
                (!named || last.call.arguments.is_empty()).then_some(self.last)
            }
        }
    }

    /// The number of calls that have begun.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether no call has begun.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The whole calls, and apart from them those that are only half there.
    ///
    /// `cut` says that the answer ended before its time (an error, the limit on tokens): then only a call whose arguments
    /// are a complete JSON object is whole. Otherwise the model was done, and its arguments stand as it wrote them.
    /// A call without a name is never whole. Missing ids are made up, missing arguments are `{}`.
    pub fn finish(self, cut: bool) -> (Vec<ToolCall>, Vec<ToolCall>) {
        let ids: Vec<String> = self.calls.iter().map(|open| open.call.id.clone()).collect();
        let mut calls: Vec<ToolCall> = self.calls.into_iter().map(|open| open.call).collect();
        for (position, call) in calls.iter_mut().enumerate() {
            if call.id.is_empty() {
                call.id = format!("call_{position}");
                while ids.contains(&call.id) {
                    call.id.push('_');
                }
            }
        }
        let (mut whole, half): (Vec<_>, Vec<_>) = calls.into_iter().partition(|call| {
            let complete =
                || serde_json::from_str::<Value>(&call.arguments).is_ok_and(|json| json.is_object());
            !call.name.is_empty() && (!cut || complete())
        });
        for call in whole.iter_mut().filter(|call| call.arguments.trim().is_empty()) {
            call.arguments = "{}".to_owned();
        }
        (whole, half)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    type Piece = (Option<usize>, Option<&'static str>, Option<&'static str>, &'static str);

    /// Feeds raw pieces, and the deltas made of them into a second accumulator: both must end with the same calls.
    #[track_caller]
    fn check(pieces: &[Piece], expected: &[(&str, &str, &str)]) {
        let (mut raw, mut handed_out) = (ToolCallAccumulator::default(), ToolCallAccumulator::default());
        for &(index, id, name, arguments) in pieces {
            let delta = raw.push_fragment(ToolCallFragment { index, id, name, arguments: arguments.into() });
            delta.iter().for_each(|delta| handed_out.push(delta));
        }
        let expected: Vec<_> =
            expected.iter().map(|(id, name, arguments)| ToolCall::new(*id, *name, *arguments)).collect();
        assert_eq!(raw.finish(false).0, expected);
        assert_eq!(handed_out.finish(false).0, expected);
    }

    const AB: &[(&str, &str, &str)] = &[("a", "now", "{\"x\":1}"), ("b", "then", "{}")];
    const A: &[(&str, &str, &str)] = &[("a", "now", "{\"x\":1}")];

    #[test]
    fn as_the_document_says() {
        check(
            &[
                (Some(0), Some("a"), Some("now"), ""),
                (Some(0), None, None, "{\"x\""),
                (Some(0), None, None, ":1}"),
                (Some(1), Some("b"), Some("then"), "{}"),
            ],
            AB,
        );
    }

    #[test]
    fn interleaved_and_skipped_indexes() {
        check(
            &[
                (Some(3), Some("a"), Some("now"), "{\"x\""),
                (Some(7), Some("b"), Some("then"), "{"),
                (Some(3), None, None, ":1}"),
                (Some(7), None, None, "}"),
            ],
            AB,
        );
    }

    #[test]
    fn repeated_and_empty_ids_and_names() {
        check(&[(Some(0), Some("a"), Some("now"), "{\"x\""), (Some(0), Some("a"), Some("now"), ":1}")], A);
        check(&[(Some(0), Some("a"), Some("now"), "{\"x\""), (Some(0), Some(""), Some(""), ":1}")], A);
        check(&[(Some(0), Some(""), Some("now"), "{\"x\""), (Some(0), Some("a"), None, ":1}")], A);
        check(&[(Some(0), Some("a"), Some("n"), ""), (Some(0), None, Some("ow"), "{\"x\":1}")], A);
    }

    #[test]
    fn two_calls_share_an_index() {
        check(
            &[(Some(0), Some("a"), Some("now"), "{\"x\":1}"), (Some(0), Some("b"), Some("then"), "{}")],
            AB,
        );
        check(
            &[
                (Some(0), Some("a"), Some("now"), "{\"x\""),
                (Some(0), Some("b"), Some("then"), "{"),
                (Some(0), Some("a"), None, ":1}"),
                (Some(0), Some("b"), None, "}"),
            ],
            AB,
        );
    }

    #[test]
    fn no_index() {
        check(&[(None, Some("a"), Some("now"), "{\"x\":1}"), (None, Some("b"), Some("then"), "{}")], AB);
        check(&[(None, Some("a"), Some("now"), "{\"x\""), (None, None, None, ":1}")], A);
        check(
            &[(None, None, Some("now"), "{\"x\":1}"), (None, None, Some("then"), "{}")],
            &[("call_0", "now", "{\"x\":1}"), ("call_1", "then", "{}")],
        );
    }

    #[test]
    fn what_says_nothing_begins_no_call() {
        check(&[(Some(0), None, None, ""), (Some(1), Some(""), Some(""), "")], &[]);
        check(&[(None, None, None, ""), (Some(0), Some("a"), Some("now"), "{\"x\":1}")], A);
    }

    #[test]
    fn made_up_ids_are_unique_and_missing_arguments_an_empty_object() {
        check(
            &[(Some(0), None, Some("now"), ""), (Some(1), Some("call_0"), Some("then"), "")],
            &[("call_0_", "now", "{}"), ("call_0", "then", "{}")],
        );
    }

    #[test]
    fn half_calls_stay_apart() {
        #[track_caller]
        fn check(name: &str, arguments: &str, cut: bool, whole: bool) {
            let mut calls = ToolCallAccumulator::default();
            let fragment = ToolCallFragment {
                index: Some(0),
                id: Some("a"),
                name: Some(name),
                arguments: arguments.into(),
            };
            calls.push_fragment(fragment);
            assert_eq!(calls.finish(cut).0.len() == 1, whole, "{name} {arguments} {cut}");
        }
        check("now", "{\"x\":1}", true, true);
        check("now", "{\"x\":", true, false);
        check("now", "1", true, false);
        check("now", "", true, false);
        check("now", "{\"x\":", false, true);
        check("now", "", false, true);
        check("", "{}", false, false);
    }

    #[test]
    fn arguments_parse_or_say_why_not() {
        #[derive(Debug, Deserialize, PartialEq)]
        struct City {
            name: String,
        }
        #[track_caller]
        fn check(arguments: &str, expected: &str) {
            let error = ToolCall::new("a", "now", arguments).parse_arguments_as::<City>().unwrap_err();
            assert_eq!(error.to_string(), format!("the arguments of now are wrong: {expected}"));
            assert_eq!(error.arguments, arguments);
        }
        let call = ToolCall::new("a", "now", "{\"name\": \"Oslo\"}");
        assert_eq!(call.parse_arguments_as::<City>().unwrap(), City { name: "Oslo".into() });
        assert_eq!(ToolCall::new("a", "now", " ").parse_arguments().unwrap(), json!({}));
        check("{\"name\": 1}", "at name: invalid type: integer `1`, expected a string at line 1 column 10");
        check("{name: Oslo", "key must be a string at line 1 column 2");
        check("{\"name\": \"Oslo\"} {}", "trailing characters at line 1 column 18");
    }

    #[test]
    fn results_become_messages() {
        let call = ToolCall::new("a", "now", "{}");
        for (result, expected) in [
            (ToolResult::success(&call, "noon"), "noon"),
            (ToolResult::failure(&call, "no clock"), "Error: no clock"),
        ] {
            let message = result.to_message();
            assert_eq!(message.content.as_text(), Some(expected));
            assert_eq!(message.tool_call_id.as_deref(), Some("a"));
            assert_eq!(message.name.as_deref(), Some("now"));
        }
    }
}
