//! The same completion as a stream: one chunk per word, in the order and the form in which OpenAI sends them.

use serde::Serialize;

use super::completion::{Exchange, Function, Head, Usage};
use crate::answer::Answer;
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
    logprobs: Option<()>,
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
}

#[derive(Serialize)]
struct CallDelta<'a> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: Function<'a>,
}

/// The text of the events, `[DONE]` included.
pub(super) fn events(exchange: &Exchange<'_>) -> Vec<String> {
    let answers = exchange.answers.iter().enumerate();
    let mut choices: Vec<_> =
        answers.map(|(index, answer)| choices(exchange, index, answer).into_iter()).collect();
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

fn choices<'a>(exchange: &Exchange<'_>, index: usize, answer: &'a Answer) -> Vec<Choice<'a>> {
    let has_text = answer.content.is_some() || answer.reasoning.is_some();
    let mut deltas = vec![Delta {
        role: Some("assistant"),
        content: Some(has_text.then_some("")),
        refusal: Some(None),
        ..Delta::default()
    }];
    let texts = |text: &'a Option<String>| pieces(text.as_deref().unwrap_or_default(), 16);
    deltas.extend(
        texts(&answer.reasoning).map(|piece| Delta { reasoning_content: Some(piece), ..Delta::default() }),
    );
    deltas
        .extend(texts(&answer.content).map(|piece| Delta { content: Some(Some(piece)), ..Delta::default() }));
    deltas
        .extend(texts(&answer.refusal).map(|piece| Delta { refusal: Some(Some(piece)), ..Delta::default() }));
    for (number, call) in answer.calls.iter().enumerate() {
        let delta = |id, name: Option<&'a str>, arguments| Delta {
            tool_calls: Some([CallDelta {
                index: number,
                kind: name.and(Some("function")),
                id,
                function: Function { name, arguments },
            }]),
            ..Delta::default()
        };
        deltas.push(delta(Some(exchange.call_id(index, number)), Some(call.name.as_str()), ""));
        deltas.extend(pieces(&call.arguments, 8).map(|piece| delta(None, None, piece)));
    }
    let choice = |delta, finish_reason| Choice { index, delta, logprobs: None, finish_reason };
    let mut choices: Vec<_> = deltas.into_iter().map(|delta| choice(delta, None)).collect();
    choices.push(choice(Delta::default(), Some(answer.finish_reason.as_str())));
    choices
}
