//! Calls that a model makes, whole and in pieces.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::BackendError;
use crate::parse::{ParseError, parse};
use crate::schema::AddedNulls;
use crate::setters::{optional_setters, setters};

/// A call that a model asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
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

    /// The arguments as JSON; empty ones and null are an empty object.
    ///
    /// # Errors
    /// [`ToolArgumentsError`] where they are not JSON, or an object in them has a key twice.
    pub fn parse_arguments(&self) -> Result<Value, ToolArgumentsError> {
        self.parse_arguments_as()
    }

    /// The arguments as a type of yours; empty ones and null are an empty object. Null for a field that does not take it means that
    /// the field is not there: [`ToolDefinition::parse_arguments`](crate::ToolDefinition::parse_arguments) knows by the tool's
    /// schema where that holds.
    ///
    /// # Errors
    /// [`ToolArgumentsError`] where they are not JSON or do not fit. Its text can be sent back to the model.
    pub fn parse_arguments_as<T: DeserializeOwned>(&self) -> Result<T, ToolArgumentsError> {
        self.parse_arguments_by(None)
    }

    /// Reads the arguments by the strict schema that they were written by, if there is one.
    pub(crate) fn parse_arguments_by<T: DeserializeOwned>(
        &self,
        strict: Option<(&Value, &AddedNulls)>,
    ) -> Result<T, ToolArgumentsError> {
        let text = self.arguments.trim();
        let is_empty = text.is_empty() || text == "null";
        let text = if is_empty { "{}" } else { text };
        let parsed = parse(text, strict).or_else(|error| match text {
            // A tool without parameters may have any type that is empty.
            "{}" => parse("null", None).map_err(|_| error),
            _ => Err(error),
        });
        parsed.map_err(|ParseError { path, reason, .. }| ToolArgumentsError {
            tool: self.name.clone(),
            arguments: self.arguments.clone(),
            reason: if path.is_empty() { reason } else { format!("at {path}: {reason}") },
        })
    }
}

/// Arguments that are not JSON, or not what the tool takes. The text is fit to be sent back to the model.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the arguments of {tool} are wrong: {reason}")]
#[non_exhaustive]
pub struct ToolArgumentsError {
    /// The tool's name.
    pub tool: String,
    /// The arguments as the model wrote them.
    pub arguments: String,
    /// What is wrong, and where.
    pub reason: String,
}

impl ToolArgumentsError {
    /// This reason why these arguments of this tool are wrong.
    pub fn new(tool: impl Into<String>, arguments: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { tool: tool.into(), arguments: arguments.into(), reason: reason.into() }
    }
}

impl From<ToolArgumentsError> for BackendError {
    fn from(error: ToolArgumentsError) -> Self {
        Self::Parsing(error.to_string().into())
    }
}

/// A piece of a streamed call, as backends hand it out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolCallDelta {
    /// Which call of this response it belongs to, counted from 0 in the order in which they began.
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
    /// Whether the provider has stated that this call is complete, so that it is whole even if the response is cut later. A
    /// response that [ended its turn](crate::FinishReason::ends_turn) needs no such statement.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_complete: bool,
}

impl ToolCallDelta {
    /// An empty piece of the call of this index.
    pub fn new(index: usize) -> Self {
        Self { index, ..Self::default() }
    }

    setters! {
        with_arguments_delta(arguments_delta: impl Into<String>);
        with_is_complete(is_complete: bool);
    }

    optional_setters! {
        with_id(id: impl Into<String>);
        with_name(name: impl Into<String>);
    }
}

/// A piece of a streamed call, as servers send it: anything may be missing, empty or repeated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolCallFragment<'a> {
    /// The server's own number for the call.
    pub index: Option<usize>,
    /// The call's id.
    pub id: Option<&'a str>,
    /// The tool's name.
    pub name: Option<&'a str>,
    /// The next piece of the arguments' JSON text; one that is owned is passed on without a copy.
    pub arguments: Cow<'a, str>,
}

impl<'a> ToolCallFragment<'a> {
    /// A piece with these fields.
    pub fn new(
        index: Option<usize>,
        id: Option<&'a str>,
        name: Option<&'a str>,
        arguments: impl Into<Cow<'a, str>>,
    ) -> Self {
        Self { index, id, name, arguments: arguments.into() }
    }
}

/// Puts streamed calls together.
///
/// How a fragment finds its call:
/// 1. With an index, it belongs to the latest call of that index, unless both have an id and these differ; then to
///    the call of that index and id, or it begins a new one. An index that is new belongs to the call of its id.
/// 2. Without an index, by its id; a new id begins a new call.
/// 3. With neither, to the last call, unless it names a tool when that call already has arguments; then it begins a
///    new one.
/// 4. Arguments without a name begin no call while a call that they can continue is open: a new id in each fragment of an index
///    is that of its call, and a new index after calls that share one, or have none, is that of the last call.
///
/// A fragment that names a tool begins a new call all the same where the call that it found already has arguments and another
/// name, or arguments that are a complete JSON object and further ones follow; where id, name and arguments are the same, it
/// is a repetition and changes nothing.
///
/// Empty ids and names change nothing. A name equal to the one held is not appended, one that begins with it replaces it. An
/// id that another call has is not taken over: [`finish`](Self::finish) makes up another.
#[derive(Clone, Debug, Default)]
pub struct ToolCallAccumulator {
    calls: Vec<OpenCall>,
    last: usize,
}

#[derive(Clone, Debug, Default)]
struct OpenCall {
    index: Option<usize>,
    call: ToolCall,
    is_complete: bool,
}

impl OpenCall {
    /// Whether the arguments are a complete JSON object, after which nothing of the same call can follow.
    fn has_all_arguments(&self) -> bool {
        let text = self.call.arguments.trim();
        // Nearly all fragments come while an object is still open, and need no parser to tell.
        text.starts_with('{')
            && text.ends_with('}')
            && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
    }
}

/// What a fragment is to the calls so far.
enum Place {
    Existing(usize),
    New,
    Repetition,
}

impl ToolCallAccumulator {
    /// No calls yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a piece that a backend handed out.
    pub fn push(&mut self, delta: &ToolCallDelta) {
        let position = match self.calls.iter().position(|open| open.index == Some(delta.index)) {
            Some(position) => position,
            None => self.open(Some(delta.index)),
        };
        if let Some(open) = self.calls.get_mut(position) {
            if let Some(id) = &delta.id {
                id.clone_into(&mut open.call.id);
            }
            open.call.name.push_str(delta.name.as_deref().unwrap_or_default());
            open.call.arguments.push_str(&delta.arguments_delta);
            open.is_complete |= delta.is_complete;
        }
    }

    /// Takes a piece as a server sent it, and returns it as a backend hands it out: numbered by the order in which
    /// the calls began, with nothing repeated. `None` for a piece that is empty, which begins no call.
    pub fn push_fragment(&mut self, fragment: ToolCallFragment<'_>) -> Option<ToolCallDelta> {
        let id = fragment.id.filter(|id| !id.is_empty());
        let name = fragment.name.filter(|name| !name.is_empty());
        if id.is_none() && name.is_none() && fragment.arguments.is_empty() {
            return None;
        }
        match self.place(fragment.index, id, name, &fragment.arguments) {
            Place::Existing(position) => self.add(position, fragment),
            Place::New => {
                let position = self.open(fragment.index);
                self.add(position, fragment)
            }
            Place::Repetition => None,
        }
    }

    fn add(&mut self, position: usize, fragment: ToolCallFragment<'_>) -> Option<ToolCallDelta> {
        self.last = position;
        let id = fragment.id.filter(|id| !id.is_empty());
        let name = fragment.name.filter(|name| !name.is_empty());
        let is_taken = id.is_some_and(|id| self.calls.iter().any(|open| open.call.id == id));
        let OpenCall { call, .. } = self.calls.get_mut(position)?;
        let mut delta = ToolCallDelta { index: position, ..ToolCallDelta::default() };
        if let Some(id) = id.filter(|_| call.id.is_empty() && !is_taken) {
            id.clone_into(&mut call.id);
            delta.id = Some(id.to_owned());
        }
        if let Some(name) = name {
            let rest = name.strip_prefix(call.name.as_str()).unwrap_or(name);
            if !rest.is_empty() {
                call.name.push_str(rest);
                delta.name = Some(rest.to_owned());
            }
        }
        call.arguments.push_str(&fragment.arguments);
        delta.arguments_delta = fragment.arguments.into_owned();
        Some(delta)
    }

    /// Takes a piece that holds a call as a whole, of which pieces may have come already: only what is missing is new.
    pub fn push_whole(&mut self, mut fragment: ToolCallFragment<'_>) -> Option<ToolCallDelta> {
        let id = fragment.id.filter(|id| !id.is_empty());
        let held = self.find(fragment.index, id, false).and_then(|position| self.calls.get(position));
        if let Some(OpenCall { call, .. }) = held
            && !call.arguments.is_empty()
            && let Some(rest) = fragment.arguments.strip_prefix(call.arguments.as_str())
            && fragment.name.is_none_or(|name| name.is_empty() || name == call.name)
        {
            fragment.arguments = Cow::Owned(rest.to_owned());
        }
        self.push_fragment(fragment)
            .filter(|delta| delta.id.is_some() || delta.name.is_some() || !delta.arguments_delta.is_empty())
    }

    /// Takes a piece of the call that has this index, whatever else it holds: for servers whose index tells calls apart.
    pub fn push_indexed(&mut self, index: usize, fragment: ToolCallFragment<'_>) -> Option<ToolCallDelta> {
        let position = match self.calls.iter().position(|open| open.index == Some(index)) {
            Some(position) => position,
            None => self.open(Some(index)),
        };
        self.add(position, fragment)
    }

    /// Whether a call of this id, with this name and these arguments, has come.
    pub fn contains(&self, id: &str, name: &str, arguments: &str) -> bool {
        let is_same = |call: &ToolCall| call.id == id && call.name == name && call.arguments == arguments;
        self.calls.iter().any(|open| is_same(&open.call))
    }

    /// Begins a call and returns its position.
    fn open(&mut self, index: Option<usize>) -> usize {
        self.calls.push(OpenCall { index, ..OpenCall::default() });
        self.calls.len() - 1
    }

    fn place(&self, index: Option<usize>, id: Option<&str>, name: Option<&str>, arguments: &str) -> Place {
        let is_nameless_piece = name.is_none() && !arguments.is_empty();
        let is_open = |position: &usize| {
            let open = self.calls.get(*position);
            is_nameless_piece
                && open.is_some_and(|open| !open.call.name.is_empty() && !open.has_all_arguments())
        };
        let position =
            self.find(index, id, name.is_some()).or_else(|| self.unreliable(index, id).filter(is_open));
        let Some(position) = position else { return Place::New };
        let (Some(held), Some(name)) = (self.calls.get(position), name) else {
            return Place::Existing(position);
        };
        let call = &held.call;
        let is_other_name = name != call.name && !call.name.is_empty();
        let is_continued_name = name.starts_with(call.name.as_str()) && call.arguments.is_empty();
        if is_other_name
            && !is_continued_name
            && (!call.arguments.is_empty() || id.is_some_and(|id| id == call.id))
        {
            return Place::New;
        }
        if arguments.trim_start().is_empty() || !held.has_all_arguments() {
            return Place::Existing(position);
        }
        let is_same = id.is_some_and(|id| id == call.id) && name == call.name && arguments == call.arguments;
        if is_same { Place::Repetition } else { Place::New }
    }

    fn find(&self, index: Option<usize>, id: Option<&str>, is_named: bool) -> Option<usize> {
        let by_id = || self.calls.iter().position(|open| id.is_some_and(|id| open.call.id == id));
        match (index, id) {
            (Some(_), id) => {
                let same_index = |open: &OpenCall| open.index == index;
                let Some(latest) = self.calls.iter().rposition(same_index) else { return by_id() };
                let held = self.calls.get(latest)?.call.id.as_str();
                if id.is_none_or(|id| held.is_empty() || held == id) { Some(latest) } else { by_id() }
            }
            (None, Some(_)) => by_id(),
            (None, None) => {
                let last = self.calls.get(self.last)?;
                (!is_named || last.call.arguments.is_empty()).then_some(self.last)
            }
        }
    }

    /// The call that arguments without a name may continue where neither their index nor their id names one.
    fn unreliable(&self, index: Option<usize>, id: Option<&str>) -> Option<usize> {
        let index = index?;
        let same_index = |index: usize| self.calls.iter().filter(move |open| open.index == Some(index));
        if let Some(latest) = self.calls.iter().rposition(|open| open.index == Some(index)) {
            return Some(latest);
        }
        let last = self.calls.get(self.last)?;
        let is_ambiguous = last.index.is_none_or(|index| same_index(index).count() > 1);
        (id.is_none() && is_ambiguous).then_some(self.last)
    }

    /// The number of calls that have begun.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether no call has begun.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The whole calls, and apart from them those that are incomplete.
    ///
    /// `has_ended` says that the model is known to have [ended its turn](crate::FinishReason::ends_turn): then its calls stand as
    /// it wrote them. Otherwise only those are whole of which the provider has stated that they are complete, however complete
    /// the arguments of others may look. A call without a name is never whole. Missing ids are made up; missing arguments of a
    /// whole call are `{}`.
    pub fn finish(self, has_ended: bool) -> (Vec<ToolCall>, Vec<ToolCall>) {
        let ids: Vec<String> = self.calls.iter().map(|open| open.call.id.clone()).collect();
        let (mut whole, mut incomplete) = (Vec::new(), Vec::new());
        for (position, OpenCall { mut call, is_complete, .. }) in self.calls.into_iter().enumerate() {
            if call.id.is_empty() {
                call.id = format!("call_{position}");
                while ids.contains(&call.id) {
                    call.id.push('_');
                }
            }
            if call.name.is_empty() || !(has_ended || is_complete) {
                incomplete.push(call);
                continue;
            }
            if call.arguments.trim().is_empty() {
                call.arguments = "{}".to_owned();
            }
            // Some servers begin a call with an empty object in the place of the arguments that follow.
            if let Some(rest) = call.arguments.strip_prefix("{}")
                && rest.trim_start().starts_with('{')
                && serde_json::from_str::<serde::de::IgnoredAny>(rest).is_ok()
            {
                call.arguments = rest.to_owned();
            }
            whole.push(call);
        }
        (whole, incomplete)
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
        assert_eq!(raw.finish(true).0, expected);
        assert_eq!(handed_out.finish(true).0, expected);
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
    fn arguments_without_a_name_go_on_with_an_open_call() {
        check(&[(Some(0), Some("a"), Some("now"), ""), (Some(0), Some("x"), None, "{\"x\":1}")], A);
        check(
            &[
                (Some(0), Some("a"), Some("now"), "{\"x\":1}"),
                (Some(0), Some("b"), Some("then"), ""),
                (Some(1), None, None, "{}"),
            ],
            AB,
        );
        // An empty object stands in the place of the arguments that follow.
        check(&[(Some(0), Some("a"), Some("now"), "{}"), (Some(0), None, None, "{\"x\":1}")], A);
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
    fn another_name_or_another_object_begins_another_call() {
        let whole = "{\"x\":1}";
        check(&[(Some(0), None, Some("now"), whole), (Some(0), None, Some("then"), "{}")], AB_MADE_UP);
        check(
            &[(Some(0), Some("a"), Some("now"), whole), (Some(0), Some("a"), Some("then"), "{}")],
            A_AND_MADE_UP,
        );
        check(
            &[(Some(0), Some("a"), Some("now"), whole), (Some(0), Some("a"), Some("now"), "{\"x\":2}")],
            &[("a", "now", "{\"x\":1}"), ("call_1", "now", "{\"x\":2}")],
        );
        check(
            &[(None, Some("a"), Some("now"), whole), (None, Some("a"), Some("now"), "{\"x\":2}")],
            &[("a", "now", "{\"x\":1}"), ("call_1", "now", "{\"x\":2}")],
        );
        // The same once more is a repetition; a name that grows is one name.
        check(&[(Some(0), Some("a"), Some("now"), whole), (Some(0), Some("a"), Some("now"), whole)], A);
        check(&[(Some(0), Some("a"), Some("n"), ""), (Some(0), Some("a"), Some("now"), whole)], A);
        // An index that changes does not make another call of the same id.
        check(&[(Some(0), Some("a"), Some("now"), "{\"x\""), (Some(1), Some("a"), None, ":1}")], A);
    }

    const AB_MADE_UP: &[(&str, &str, &str)] = &[("call_0", "now", "{\"x\":1}"), ("call_1", "then", "{}")];
    const A_AND_MADE_UP: &[(&str, &str, &str)] = &[("a", "now", "{\"x\":1}"), ("call_1", "then", "{}")];

    #[test]
    fn a_whole_call_adds_what_its_pieces_lack() {
        let mut calls = ToolCallAccumulator::default();
        let fragment = |id: &'static str, name: &'static str, arguments: &'static str| ToolCallFragment {
            index: Some(0),
            id: Some(id),
            name: Some(name),
            arguments: arguments.into(),
        };
        calls.push_fragment(fragment("a", "now", "{\"x\""));
        assert_eq!(calls.push_whole(fragment("a", "now", "{\"x\":1}")).unwrap().arguments_delta, ":1}");
        assert_eq!(calls.push_whole(fragment("a", "now", "{\"x\":1}")), None);
        assert_eq!(calls.push_whole(fragment("b", "then", "{}")).unwrap().index, 1);
        assert_eq!(
            calls.finish(true).0,
            [ToolCall::new("a", "now", "{\"x\":1}"), ToolCall::new("b", "then", "{}")]
        );
    }

    #[test]
    fn calls_are_whole_by_evidence_only() {
        #[track_caller]
        fn check(name: &str, arguments: &str, has_ended: bool, is_complete: bool, is_whole: bool) {
            let mut calls = ToolCallAccumulator::default();
            calls.push(&ToolCallDelta {
                index: 0,
                id: Some("a".into()),
                name: Some(name.into()),
                arguments_delta: arguments.into(),
                is_complete,
            });
            let (whole, incomplete) = calls.finish(has_ended);
            assert_eq!((whole.len(), incomplete.len()), if is_whole { (1, 0) } else { (0, 1) });
        }
        // Arguments that look complete are no evidence: the rest may have been cut.
        for arguments in ["{\"x\":1}", "{\"x\":", "1", ""] {
            check("now", arguments, false, false, false);
            check("now", arguments, false, true, true);
            check("now", arguments, true, false, true);
        }
        check("", "{}", true, true, false);
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
        for empty in ["", " ", "null", "{}", " null\n"] {
            let call = ToolCall::new("a", "now", empty);
            assert_eq!(call.parse_arguments().unwrap(), json!({}), "{empty:?}");
            call.parse_arguments_as::<()>().unwrap();
            call.parse_arguments_as::<Option<City>>().unwrap();
        }
        check("{\"name\": 1}", "at name: invalid type: integer `1`, expected a string at line 1 column 10");
        check("{name: Oslo", "key must be a string at line 1 column 2");
        check("[] {}", "trailing characters at line 1 column 4");
        check("{}", "missing field `name` at line 1 column 2");
    }
}
