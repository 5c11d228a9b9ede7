//! The reading of a response, and the demands of a transformation on it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::StreamExt;
use futures::executor::block_on;
use serde_json::Value;
use tachikoma_backend_codex::CodexError;
use tachikoma_backends_core::{
    BackendError, CollectError, CollectingStream, CompletionResponse, CompletionStream, ErrorCategory,
    FinishReason, ToolCall, Usage,
};

/// The parts of a response that are compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reading {
    pub(super) text: String,
    pub(super) commentary: String,
    pub(super) refusal: String,
    pub(super) reasoning: String,
    pub(super) calls: Vec<ToolCall>,
    pub(super) incomplete: Vec<ToolCall>,
    pub(super) finish: FinishReason,
    pub(super) usage: Option<Usage>,
}

impl From<CompletionResponse> for Reading {
    fn from(response: CompletionResponse) -> Self {
        Self {
            text: response.content.unwrap_or_default(),
            commentary: response.commentary.unwrap_or_default(),
            refusal: response.refusal.unwrap_or_default(),
            reasoning: response.reasoning.unwrap_or_default(),
            calls: response.tool_calls,
            incomplete: response.incomplete_tool_calls,
            finish: response.finish_reason,
            usage: response.usage,
        }
    }
}

/// An error, and the partial response before it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    pub(super) category: ErrorCategory,
    pub(super) is_retryable: bool,
    pub(super) message: String,
    /// The partial response; `None` for a whole body.
    pub(super) partial: Option<Reading>,
}

pub(super) type Outcome = Result<Reading, Box<Failure>>;

/// How a body is read.
#[derive(Clone, Copy)]
pub(super) enum Reader {
    Body(fn(&[u8]) -> Result<CompletionResponse, CodexError>),
    Stream(fn(&mut dyn Iterator<Item = &[u8]>) -> CompletionStream),
}

impl Reader {
    /// Reads a body that arrives in these pieces.
    ///
    /// # Errors
    /// If it panics, or the stream does not end with exactly one final chunk or error.
    pub(super) fn read(self, pieces: &[&[u8]]) -> Result<Outcome, String> {
        let read = || match self {
            Self::Body(read) => {
                Ok(read(&pieces.concat()).map(Reading::from).map_err(|error| failure(&error.into(), None)))
            }
            Self::Stream(stream) => {
                let items: Vec<_> = block_on(stream(&mut pieces.iter().copied()).collect());
                let is_end = |item: &Result<_, _>| item.as_ref().map_or(true, |chunk: &Chunk| chunk.is_final);
                let ends = items.iter().filter(|item| is_end(item)).count();
                if ends != 1 || !items.last().is_some_and(is_end) {
                    return Err(format!("the stream has {ends} ends, or continues after it"));
                }
                let stream = futures::stream::iter(items).boxed();
                Ok(block_on(CollectingStream::new(stream).collect())
                    .map(Reading::from)
                    .map_err(|CollectError { error, partial, .. }| failure(&error, Some((*partial).into()))))
            }
        };
        catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err("it panics".to_owned()))
    }
}

type Chunk = tachikoma_backends_core::CompletionChunk;

fn failure(error: &BackendError, partial: Option<Reading>) -> Box<Failure> {
    Box::new(Failure {
        category: error.category(),
        is_retryable: error.is_retryable(),
        message: error.to_string(),
        partial,
    })
}

/// The demanded reading of a transformed response.
#[derive(Clone, Debug)]
pub(super) enum Demand {
    /// The same.
    Same,
    /// The same, or an error: the transformation removed something, or only a lenient client reads the result.
    SameOrError,
    /// The same contents, but with this finish reason. If that is a cut, every call is incomplete.
    Finish(FinishReason),
    /// The same contents, and a finish reason that is not the end of a turn; no call is whole.
    Incomplete,
    /// As `Incomplete`, or an error.
    IncompleteOrError,
    /// The same contents, where no call is whole, or an error. Text without a call may be taken for whole.
    NoCallIsWhole,
    /// A retryable error, with the partial response.
    RetryableError,
    /// An error. The partial response is a prefix of the whole, and only the calls with these ids may be whole.
    ErrorWithPrefix(Vec<String>),
    /// The same contents with the finish reason of a cut; a call may be whole or incomplete.
    Cut,
    /// The same contents with a finish reason other than stop, or an error.
    NotStopped,
}

/// Allowed differences.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Tolerance {
    /// Calls may have other ids, if they are unique.
    pub(super) ids: bool,
    /// Arguments are compared as JSON, not as text.
    pub(super) arguments_as_json: bool,
    /// The usage may be missing.
    pub(super) usage: bool,
}

/// Compares a reading with the demand.
///
/// # Errors
/// The difference.
pub(super) fn judge(
    demand: &Demand,
    tolerance: Tolerance,
    expected: &Outcome,
    got: &Outcome,
) -> Result<(), String> {
    use Demand as D;
    match (demand, expected, got) {
        (D::Same, Err(expected), Err(got)) => {
            if expected.category != got.category || expected.is_retryable != got.is_retryable {
                let text = |failure: &Failure| {
                    let Failure { category, is_retryable, message, .. } = failure;
                    format!("{category} (retryable: {is_retryable}): {message}")
                };
                return Err(format!("the error was {}; now it is {}", text(expected), text(got)));
            }
            match (&expected.partial, &got.partial) {
                (Some(expected), Some(got)) => same(tolerance, expected, got),
                _ => Ok(()),
            }
        }
        (D::ErrorWithPrefix(whole), expected, Err(got)) => {
            let without_evidence = |call: &&ToolCall| !whole.contains(&call.id);
            if let Some(call) = got.partial.iter().flat_map(|got| &got.calls).find(without_evidence) {
                return Err(format!("a call is whole without evidence: {call:?}"));
            }
            prefix(contents(expected), got)
        }
        (D::SameOrError | D::NotStopped, expected, Err(got)) => prefix(contents(expected), got),
        (D::IncompleteOrError | D::NoCallIsWhole, expected, Err(got)) => {
            no_call(got.partial.as_ref())?;
            prefix(contents(expected), got)
        }
        (D::RetryableError, Ok(expected), Err(got)) => {
            if !got.is_retryable {
                return Err(format!("the error is not retryable: {}", got.message));
            }
            no_call(got.partial.as_ref())?;
            got.partial.as_ref().map_or(Ok(()), |got| same_texts(expected, got))
        }
        (D::Same | D::SameOrError, Ok(expected), Ok(got)) => same(tolerance, expected, got),
        (D::Finish(finish), Ok(expected), Ok(got)) => {
            let mut expected = Reading { finish: *finish, ..expected.clone() };
            if finish.is_cut() {
                expected.incomplete.splice(0..0, std::mem::take(&mut expected.calls));
            }
            same(tolerance, &expected, got)
        }
        (D::Incomplete | D::IncompleteOrError | D::NoCallIsWhole, Ok(expected), Ok(got)) => {
            let is_text = matches!(demand, D::NoCallIsWhole) && expected.calls.is_empty();
            if matches!(got.finish, FinishReason::Stop | FinishReason::ToolUse) && !is_text {
                return Err(format!("the finish reason is {:?}", got.finish));
            }
            let mut expected = Reading { finish: got.finish, ..expected.clone() };
            expected.incomplete.splice(0..0, std::mem::take(&mut expected.calls));
            same(tolerance, &expected, got)
        }
        (D::Cut, Ok(expected), Ok(got)) => {
            if !got.finish.is_cut() {
                return Err(format!("the finish reason is {:?}", got.finish));
            }
            let all = |reading: &Reading| {
                let mut all = reading.calls.clone();
                all.extend(reading.incomplete.clone());
                all.sort_by(|one, other| one.id.cmp(&other.id));
                Reading { calls: Vec::new(), incomplete: all, finish: got.finish, ..reading.clone() }
            };
            same(tolerance, &all(expected), &all(got))
        }
        (D::NotStopped, Ok(expected), Ok(got)) => {
            if got.finish == FinishReason::Stop {
                return Err("the finish reason is stop".to_owned());
            }
            same_texts(expected, got)
        }
        (_, _, Ok(got)) => Err(format!("it is a success: {got:?}")),
        (_, _, Err(got)) => Err(format!("it is an error ({}): {}", got.category, got.message)),
    }
}

/// The reading, or the partial one before the error.
fn contents(outcome: &Outcome) -> Option<&Reading> {
    outcome.as_ref().map_or_else(|failure| failure.partial.as_ref(), Some)
}

fn no_call(got: Option<&Reading>) -> Result<(), String> {
    match got.and_then(|got| got.calls.first()) {
        Some(call) => Err(format!("a call is whole without evidence: {call:?}")),
        None => Ok(()),
    }
}

fn differ(what: &str, expected: impl std::fmt::Debug, got: impl std::fmt::Debug) -> Result<(), String> {
    Err(format!("the {what} was {expected:?}; now it is {got:?}"))
}

fn same_texts(expected: &Reading, got: &Reading) -> Result<(), String> {
    for (what, expected, got) in [
        ("text", &expected.text, &got.text),
        ("commentary", &expected.commentary, &got.commentary),
        ("refusal", &expected.refusal, &got.refusal),
        ("reasoning", &expected.reasoning, &got.reasoning),
    ] {
        if expected != got {
            return differ(what, expected, got);
        }
    }
    Ok(())
}

fn same(tolerance: Tolerance, expected: &Reading, got: &Reading) -> Result<(), String> {
    same_texts(expected, got)?;
    for (what, expected, got) in [
        ("list of tool calls", &expected.calls, &got.calls),
        ("list of incomplete tool calls", &expected.incomplete, &got.incomplete),
    ] {
        let equal = |(expected, got): (&ToolCall, &ToolCall)| {
            (tolerance.ids || expected.id == got.id)
                && expected.name == got.name
                && same_arguments(tolerance, &expected.arguments, &got.arguments)
        };
        if expected.len() != got.len() || !expected.iter().zip(got).all(equal) {
            return differ(what, expected, got);
        }
    }
    let ids: Vec<&str> = got.calls.iter().chain(&got.incomplete).map(|call| call.id.as_str()).collect();
    if tolerance.ids && ids.iter().enumerate().any(|(at, id)| id.is_empty() || ids[..at].contains(id)) {
        return Err(format!("ids of calls are empty or not unique: {ids:?}"));
    }
    if expected.finish != got.finish {
        return differ("finish reason", expected.finish, got.finish);
    }
    if expected.usage != got.usage && !(tolerance.usage && got.usage.is_none()) {
        return differ("usage", expected.usage, got.usage);
    }
    Ok(())
}

fn same_arguments(tolerance: Tolerance, expected: &str, got: &str) -> bool {
    // A call without arguments has `{}` if it is whole, and an empty text if not.
    let filled = |text: &str| if text.trim().is_empty() { "{}".to_owned() } else { text.to_owned() };
    let json = |text: &str| serde_json::from_str::<Value>(&filled(text)).ok();
    filled(expected) == filled(got) || tolerance.arguments_as_json && json(expected) == json(got)
}

/// Checks that the partial response is a prefix of the whole. Calls, whole or not, begin as one of the expected ones.
fn prefix(expected: Option<&Reading>, got: &Failure) -> Result<(), String> {
    let (Some(expected), Some(got)) = (expected, &got.partial) else { return Ok(()) };
    for (what, expected, got) in [
        ("text", &expected.text, &got.text),
        ("commentary", &expected.commentary, &got.commentary),
        ("refusal", &expected.refusal, &got.refusal),
        ("reasoning", &expected.reasoning, &got.reasoning),
    ] {
        if !expected.starts_with(got.as_str()) {
            return Err(format!("the {what} {got:?} is not the beginning of {expected:?}"));
        }
    }
    let all = || expected.calls.iter().chain(&expected.incomplete);
    for call in &got.calls {
        let is_same = |one: &ToolCall| {
            one.name == call.name && same_arguments(Tolerance::default(), &one.arguments, &call.arguments)
        };
        if !all().any(is_same) {
            return Err(format!("{call:?} is whole, but not one of the expected calls"));
        }
    }
    for call in &got.incomplete {
        let begins = |one: &ToolCall| {
            one.name.starts_with(&call.name)
                && (one.arguments.starts_with(&call.arguments) || call.arguments == "{}")
        };
        if !all().any(begins) {
            return Err(format!("{call:?} is not the beginning of an expected call"));
        }
    }
    Ok(())
}
