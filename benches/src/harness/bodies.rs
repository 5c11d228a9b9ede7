//! The bodies of the server's responses: the same bytes in every run, with the fields that OpenAI's server writes.

use std::iter;

/// The body of a response. Its parts are made on demand, so that its text can be measured without memory for the whole.
pub(crate) struct Body {
    pub(crate) content_type: &'static str,
    /// The events, each with the blank line that ends it, or the one body.
    pub(crate) parts: Box<dyn Iterator<Item = String> + Send>,
    /// The length of the text and the arguments in it, in bytes: what a client must find.
    pub(crate) text_length: usize,
}

const WORDS: &[&str] = &[
    " the", " stream", " of", " tokens", ",", " as", " it", " comes", " from", " a", " model", ".", " Words",
    " are", " short", " mostly", ";", " some", " longer", " Überraschung", "\\n", " and", " 😀",
];

const MODEL: &str = "gpt-5.6-terra-2026-09-17";

fn word(index: usize) -> &'static str {
    WORDS.get(index % WORDS.len()).copied().unwrap_or_default()
}

/// The length of a word once it is read: one of them is an escaped line end.
fn length(word: &str) -> usize {
    if word == "\\n" { 1 } else { word.len() }
}

fn streamed(events: impl Iterator<Item = String> + Send + 'static, text_length: usize) -> Body {
    Body { content_type: "text/event-stream; charset=utf-8", parts: Box::new(events), text_length }
}

/// Chat Completions' chunk with this delta.
fn chunk(index: usize, delta: &str, finish_reason: &str) -> String {
    // The server pads events, so that their lengths reveal nothing.
    let padding = "a7Xk2mQ9vR4t".get(..12 - index % 7).unwrap_or_default();
    format!(
        "data: {{\"id\":\"chatcmpl-CkT2vWq8Zs5YdL0nHr3BxPfMgJ1aE\",\"object\":\"chat.completion.chunk\",\
        \"created\":1790000000,\"model\":\"{MODEL}\",\"service_tier\":\"default\",\
        \"system_fingerprint\":\"fp_51e1070cf2\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\
        \"finish_reason\":{finish_reason}}}],\"usage\":null,\"obfuscation\":\"{padding}\"}}\n\n"
    )
}

/// A chat stream of these deltas.
fn chat(
    deltas: impl Iterator<Item = String> + Send + 'static,
    finish_reason: &'static str,
    text_length: usize,
) -> Body {
    let role = "{\"role\":\"assistant\",\"content\":null,\"refusal\":null}";
    let usage = format!(
        "data: {{\"id\":\"chatcmpl-CkT2vWq8Zs5YdL0nHr3BxPfMgJ1aE\",\"object\":\"chat.completion.chunk\",\
        \"created\":1790000000,\"model\":\"{MODEL}\",\"choices\":[],\"usage\":{{\"prompt_tokens\":9,\
        \"completion_tokens\":90,\"total_tokens\":99,\"prompt_tokens_details\":{{\"cached_tokens\":0}},\
        \"completion_tokens_details\":{{\"reasoning_tokens\":0}}}}}}\n\n"
    );
    let deltas = deltas.enumerate().map(|(index, delta)| chunk(index, &delta, "null"));
    let events = iter::once(chunk(0, role, "null")).chain(deltas).chain([
        chunk(1, "{}", finish_reason),
        usage,
        "data: [DONE]\n\n".to_owned(),
    ]);
    streamed(events, text_length)
}

/// A stream of words.
pub(crate) fn text(events: usize) -> Body {
    let text_length = (0..events).map(|index| length(word(index))).sum();
    chat((0..events).map(|index| format!("{{\"content\":\"{}\"}}", word(index))), "\"stop\"", text_length)
}

/// A stream of calls of one tool, each in 5,000 pieces.
pub(crate) fn tools(events: usize) -> Body {
    const PIECES: usize = 5000;
    let piece = move |index: usize| match index % PIECES {
        0 => "",
        1 => "{\\\"pattern\\\":\\\"",
        last if last == PIECES - 1 || index == events - 1 => "\\\"}",
        _ => word(index),
    };
    let delta = move |index: usize| {
        let (call, arguments) = (index / PIECES, piece(index));
        if index.is_multiple_of(PIECES) {
            format!(
                "{{\"tool_calls\":[{{\"index\":{call},\"id\":\"call_{call:024}\",\"type\":\"function\",\
                \"function\":{{\"name\":\"search\",\"arguments\":\"\"}}}}]}}"
            )
        } else {
            format!(
                "{{\"tool_calls\":[{{\"index\":{call},\"function\":{{\"arguments\":\"{arguments}\"}}}}]}}"
            )
        }
    };
    let read = |piece: &str| piece.len() - piece.matches('\\').count();
    chat((0..events).map(delta), "\"tool_calls\"", (0..events).map(|index| read(piece(index))).sum())
}

/// A stream of words over the Responses API.
pub(crate) fn responses(events: usize) -> Body {
    let event = |kind: &str, number: usize, fields: &str| {
        format!("event: {kind}\ndata: {{\"type\":\"{kind}\",\"sequence_number\":{number},{fields}}}\n\n")
    };
    let item = "msg_68af4030592c81938ec0a5fbab4a3e9f05438e46b5f69a3b";
    let response = |status: &str, output: &str, usage: &str| {
        format!(
            "\"response\":{{\"id\":\"resp_68af4030baa48193b0b43b4c2a176a1a05438e46b5f69a3b\",\"object\":\"response\",\
            \"created_at\":1790000000,\"status\":\"{status}\",\"background\":false,\"error\":null,\
            \"incomplete_details\":null,\"instructions\":null,\"max_output_tokens\":null,\"model\":\"{MODEL}\",\
            \"output\":[{output}],\"parallel_tool_calls\":true,\"previous_response_id\":null,\"store\":false,\
            \"temperature\":1.0,\"tool_choice\":\"auto\",\"tools\":[],\"top_p\":1.0,\"truncation\":\"disabled\",\
            \"usage\":{usage},\"user\":null,\"metadata\":{{}}}}"
        )
    };
    let text: String = (0..events).map(word).collect();
    let part = |text: &str| {
        format!("{{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\"{text}\"}}")
    };
    let message = |status: &str, content: &str| {
        format!(
            "{{\"id\":\"{item}\",\"type\":\"message\",\"status\":\"{status}\",\"content\":[{content}],\
            \"role\":\"assistant\"}}"
        )
    };
    let place = format!("\"item_id\":\"{item}\",\"output_index\":0,\"content_index\":0");
    let place_of_deltas = place.clone();
    let usage = "{\"input_tokens\":9,\"input_tokens_details\":{\"cached_tokens\":0},\"output_tokens\":90,\
        \"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":99}";
    let first = [
        event("response.created", 0, &response("in_progress", "", "null")),
        event("response.in_progress", 1, &response("in_progress", "", "null")),
        event(
            "response.output_item.added",
            2,
            &format!("\"output_index\":0,\"item\":{}", message("in_progress", "")),
        ),
        event("response.content_part.added", 3, &format!("{place},\"part\":{}", part(""))),
    ];
    let deltas = (0..events).map(move |index| {
        let padding = "a7Xk2mQ9vR4t".get(..12 - index % 7).unwrap_or_default();
        let fields = format!(
            "{place_of_deltas},\"delta\":\"{}\",\"logprobs\":[],\"obfuscation\":\"{padding}\"",
            word(index)
        );
        event("response.output_text.delta", index + 4, &fields)
    });
    let number = events + 4;
    let done = message("completed", &part(&text));
    let last = [
        event("response.output_text.done", number, &format!("{place},\"text\":\"{text}\",\"logprobs\":[]")),
        event("response.content_part.done", number + 1, &format!("{place},\"part\":{}", part(&text))),
        event("response.output_item.done", number + 2, &format!("\"output_index\":0,\"item\":{done}")),
        event("response.completed", number + 3, &response("completed", &done, usage)),
    ];
    let text_length = (0..events).map(|index| length(word(index))).sum();
    streamed(first.into_iter().chain(deltas).chain(last), text_length)
}

/// Arguments of this many bytes in one event.
fn large(bytes: usize) -> Body {
    let text: String = (0..)
        .map(word)
        .scan(0, |length, word| {
            *length += word.len();
            (*length <= bytes).then_some(word)
        })
        .collect();
    let text_length = text.len() - text.matches('\\').count();
    chat(iter::once(format!("{{\"content\":\"{text}\"}}")), "\"stop\"", text_length)
}

pub(crate) fn one_megabyte(_: usize) -> Body {
    large(1 << 20)
}

pub(crate) fn two_megabytes(_: usize) -> Body {
    large(2 << 20)
}

/// A response with this text that is not streamed.
fn plain(text: &str) -> Body {
    let body = format!(
        "{{\"id\":\"chatcmpl-CkT2vWq8Zs5YdL0nHr3BxPfMgJ1aE\",\"object\":\"chat.completion\",\"created\":1790000000,\
        \"model\":\"{MODEL}\",\"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"{text}\",\
        \"refusal\":null,\"annotations\":[]}},\"logprobs\":null,\"finish_reason\":\"stop\"}}],\"usage\":{{\
        \"prompt_tokens\":9,\"completion_tokens\":90,\"total_tokens\":99,\"prompt_tokens_details\":{{\
        \"cached_tokens\":0,\"audio_tokens\":0}},\"completion_tokens_details\":{{\"reasoning_tokens\":0,\
        \"audio_tokens\":0,\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}}},\
        \"service_tier\":\"default\",\"system_fingerprint\":\"fp_51e1070cf2\"}}"
    );
    let text_length = text.len() - text.matches('\\').count();
    Body { content_type: "application/json", parts: Box::new(iter::once(body)), text_length }
}

/// A response of 200 KB.
pub(crate) fn whole(_: usize) -> Body {
    let text: String = (0..38_000).map(word).collect();
    plain(&text)
}

/// A response of one word.
pub(crate) fn short(_: usize) -> Body {
    plain("Yes.")
}
