//! The same completion as a stream: one chunk per word, in the order and the form in which OpenAI sends them.

use serde::Serialize;
use serde_json::Value;

use super::completion::{Called, Exchange, Head, Usage};
use super::message::{CallKind, ChatMessage, Logprobs};
use crate::output::token_deltas;
use crate::stream::pieces;

#[derive(Serialize)]
struct Chunk<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    choices: Vec<Choice<'a>>,
    /// Left out, null, or the usage: only the last chunk has it, and only if the request asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Usage>>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: usize,
    delta: Delta<'a>,
    logprobs: Option<Logprobs<'a>>,
    finish_reason: Option<&'a str>,
}

/// The fields that a delta leaves out are not the ones that it sends as null.
#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[CallDelta<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<&'a [Value]>,
}

#[derive(Serialize)]
struct CallDelta<'a> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<CallKind>,
    #[serde(flatten)]
    called: Called<'a>,
}

/// The text of the events, `[DONE]` included.
pub(super) fn events(exchange: &Exchange<'_>) -> Vec<String> {
    let messages = exchange.messages.iter().enumerate();
    let mut choices: Vec<_> =
        messages.map(|(index, message)| choices(exchange, index, message).into_iter()).collect();
    let include_usage = exchange.request.include_usage();
    let event = |choices, usage: Option<Usage>| {
        let chunk = Chunk {
            head: exchange.head("chat.completion.chunk"),
            choices,
            usage: include_usage.then_some(usage),
        };
        serde_json::to_string(&chunk).unwrap_or_default()
    };

    let mut events = Vec::new();
    // Several choices take turns, as they do when a model writes them side by side.
    loop {
        let round = events.len();
        events.extend(
            choices.iter_mut().filter_map(|rest| rest.next()).map(|choice| event(vec![choice], None)),
        );
        if events.len() == round {
            break;
        }
    }
    if include_usage {
        events.push(event(Vec::new(), Some(exchange.usage)));
    }
    events.push("[DONE]".to_owned());
    events.iter().map(|data| format!("data: {data}\n\n")).collect()
}

fn choices<'a>(exchange: &Exchange<'_>, index: usize, message: &'a ChatMessage) -> Vec<Choice<'a>> {
    let choice = |delta, logprobs, finish_reason| Choice {
        index,
        delta,
        logprobs: Logprobs::new(logprobs),
        finish_reason,
    };
    let plain = |delta| choice(delta, &[], None);
    let has_text = message.content.is_some() || message.reasoning.is_some();
    let mut choices = vec![plain(Delta {
        role: Some("assistant"),
        content: Some(has_text.then_some("")),
        refusal: Some(None),
        ..Delta::default()
    })];
    let texts = |text: &'a Option<String>| pieces(text.as_deref().unwrap_or_default(), 16);
    choices.extend(
        texts(&message.reasoning)
            .map(|piece| plain(Delta { reasoning_content: Some(piece), ..Delta::default() })),
    );
    let content = token_deltas(message.content.as_deref().unwrap_or_default(), &message.logprobs);
    choices.extend(content.into_iter().map(|(piece, logprobs)| {
        choice(Delta { content: Some(Some(piece)), ..Delta::default() }, logprobs, None)
    }));
    if !message.annotations.is_empty() {
        choices.push(plain(Delta { annotations: Some(&message.annotations), ..Delta::default() }));
    }
    choices.extend(
        texts(&message.refusal).map(|piece| plain(Delta { refusal: Some(Some(piece)), ..Delta::default() })),
    );
    for (number, call) in message.calls.iter().enumerate() {
        let delta = |id, name: Option<&'a str>, input| Delta {
            tool_calls: Some([CallDelta {
                index: number,
                kind: name.and(Some(call.kind)),
                id,
                called: Called::new(call.kind, name, input),
            }]),
            ..Delta::default()
        };
        choices.push(plain(delta(Some(exchange.call_id(index, number)), Some(call.name.as_str()), "")));
        choices.extend(pieces(&call.input, 8).map(|piece| plain(delta(None, None, piece))));
    }
    choices.push(choice(Delta::default(), &[], Some(message.finish_reason.as_str())));
    choices
}
