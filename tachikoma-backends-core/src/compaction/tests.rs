//! Compaction by a summary, and by a provider's state.

use futures::executor::block_on;
use serde_json::json;

use super::*;
use crate::{FinishReason, ScriptedBackend, ToolCall, ToolDefinition};

fn call(id: &str) -> Message {
    Message::assistant_with_tool_calls("", vec![ToolCall::new(id, "ls", "{}")])
}

/// Instructions, two messages of the user, a call with its result, and a response.
fn conversation() -> Vec<Message> {
    vec![
        Message::system("Be brief."),
        Message::user("First."),
        call("1"),
        Message::tool_result("1", "a.txt"),
        Message::assistant("Done."),
        Message::user("Second."),
    ]
}

fn texts(messages: &[Message]) -> Vec<String> {
    let text = |message: &Message| format!("{}: {}", message.role.as_str(), message.text());
    messages.iter().map(|message| text(message).replace(HEADING, "SUMMARY")).collect()
}

fn compact(
    messages: Vec<Message>,
    reply: CompletionResponse,
) -> (Result<CompactedConversation, BackendError>, Vec<CompletionRequest>) {
    let backend = ScriptedBackend::new().with_reply(reply);
    let compacted = block_on(backend.compact(CompletionRequest::new(messages)));
    (compacted, backend.requests())
}

#[test]
fn a_summary_stands_where_the_last_turn_stood() {
    let reply = CompletionResponse::new(" It listed a.txt. ").with_usage(Usage::new(9, 4)).with_model("m");
    let (compacted, requests) = compact(conversation(), reply.clone());
    let compacted = compacted.unwrap();
    let expected =
        ["system: Be brief.", "user: First.", "user: SUMMARY\n\nIt listed a.txt.", "user: Second."];
    assert_eq!(texts(&compacted.messages), expected);
    assert_eq!((compacted.usage, compacted.model.as_str()), (Some(Usage::new(9, 4)), "m"));
    assert_eq!(requests.len(), 1);
    let (instruction, sent) = requests[0].messages.split_last().unwrap();
    assert_eq!((sent, instruction.text().as_str()), (&conversation()[..], INSTRUCTION));

    // The next summary replaces the earlier one, even after the conversation was stored.
    let stored = serde_json::to_string(&compacted.messages).unwrap();
    let mut next: Vec<Message> = serde_json::from_str(&stored).unwrap();
    next.push(Message::assistant("Yes."));
    let (compacted, _) = compact(next, CompletionResponse::new("All of it."));
    let expected = ["system: Be brief.", "user: First.", "user: Second.", "user: SUMMARY\n\nAll of it."];
    assert_eq!(texts(&compacted.unwrap().messages), expected);
}

#[test]
fn calls_without_results_are_not_compacted() {
    let pending = [
        Message::assistant_with_tool_calls(
            "",
            vec![ToolCall::new("2", "ls", "{}"), ToolCall::new("3", "ls", "{}")],
        ),
        Message::tool_result("2", "b.txt"),
    ];
    let messages = [conversation(), pending.to_vec()].concat();
    let (compacted, requests) = compact(messages, CompletionResponse::new("x"));
    let compacted = compacted.unwrap().messages;
    assert_eq!(compacted[compacted.len() - 2..], pending);
    assert!(!requests[0].messages.contains(&pending[0]));
    let whole = [conversation(), vec![call("4"), Message::tool_result("4", "c.txt")]].concat();
    let (compacted, _) = compact(whole, CompletionResponse::new("x"));
    assert!(compacted.unwrap().messages.iter().all(|message| message.role != Role::Tool));
}

#[test]
fn without_a_response_there_is_nothing_to_compact() {
    for messages in
        [vec![], vec![Message::system("S"), Message::user("U")], vec![Message::user("U"), call("1")]]
    {
        let (compacted, requests) = compact(messages.clone(), CompletionResponse::new("x"));
        assert_eq!(compacted.unwrap(), CompactedConversation::new(messages));
        assert_eq!(requests, []);
    }
}

#[test]
fn a_summary_that_is_cut_or_empty_is_an_error() {
    for (reply, category) in [
        (
            CompletionResponse::new("x").with_finish_reason(FinishReason::Length),
            ErrorCategory::TruncatedStream,
        ),
        (CompletionResponse::new(" "), ErrorCategory::Parse),
        (CompletionResponse::default().with_refusal("No."), ErrorCategory::Parse),
    ] {
        assert_eq!(compact(conversation(), reply).0.unwrap_err().category(), category);
    }
}

#[test]
fn a_conversation_on_the_server_is_not_summarized() {
    for field in [CONVERSATION, PREVIOUS_RESPONSE] {
        let request = CompletionRequest::new(conversation()).with_extra(field, "x");
        let error = block_on(ScriptedBackend::new().compact(request)).unwrap_err();
        assert!(
            error.category() == ErrorCategory::InvalidRequest && error.to_string().contains(field),
            "{error}"
        );
    }
}

#[test]
fn what_would_change_the_form_of_the_summary_is_not_sent() {
    let request = CompletionRequest::new(conversation())
        .with_model("m")
        .with_max_tokens(5)
        .with_stop(["x"])
        .with_response_format(crate::ResponseFormat::JsonObject)
        .with_tool_choice(ToolChoice::Required)
        .with_extra("top_k", 4);
    let with_tools = request.clone().with_tool(ToolDefinition::new("ls", "", Default::default()));
    let summary = |request| CompactionRequest::new(request).summary_request().unwrap().with_messages(vec![]);
    let expected = CompletionRequest::default().with_model("m").with_extra("top_k", 4);
    assert_eq!(summary(request), expected);
    let tools = with_tools.tools.clone();
    assert_eq!(summary(with_tools), expected.with_tools(tools).with_tool_choice(ToolChoice::None));
}

#[test]
fn a_conversation_that_is_too_long_is_shortened_once() {
    let long = "ä".repeat(3_000);
    let mut messages = conversation();
    messages[1] = Message::user(long.as_str());
    messages[3] =
        Message::tool_result("1", vec![ContentPart::text(&long), ContentPart::image_url("https://a")]);
    let too_long = || BackendError::ContextLength("too long".into());
    let backend = ScriptedBackend::new().with_reply(too_long()).with_reply("x");
    let request = CompletionRequest::new(messages.clone());
    let compacted = block_on(backend.compact(request.clone())).unwrap();
    assert_eq!(compacted.messages[1], messages[1]);
    let sent = &backend.requests()[1].messages;
    let half = "ä".repeat(1_000);
    let result = format!("{half}\n[1000 characters left out]\n{half}\n[1 images or files left out]");
    assert_eq!((&sent[1], sent[3].text()), (&messages[1], result));
    let backend = ScriptedBackend::new().with_reply(too_long()).with_reply(too_long()).with_reply("x");
    assert_eq!(block_on(backend.compact(request)), Err(too_long()));
}

#[test]
fn the_last_message_of_the_user_carries_the_state() {
    let state = |message: &Message| ProviderState::new("o", json!({"of": message.text()}));
    let placeholder = || Message::assistant("compacted");
    let compacted = CompactionRequest::new(CompletionRequest::new(conversation()));
    let first = compacted.with_state(vec![], placeholder(), state).messages;
    assert_eq!(texts(&first), ["system: Be brief.", "user: First.", "user: Second."]);
    assert_eq!(*first[2].provider_state.as_ref().unwrap().data, json!({"of": "Second."}));

    let next = [first, vec![Message::assistant("Yes."), Message::user("Third."), call("5")]].concat();
    let next = CompactionRequest::new(CompletionRequest::new(next));
    let next = next.with_state(vec![Message::user("Zero.")], placeholder(), state).messages;
    let expected =
        ["system: Be brief.", "user: Zero.", "user: First.", "user: Second.", "user: Third.", "assistant: "];
    assert_eq!(texts(&next), expected);
    let carriers: Vec<_> = next.iter().filter(|message| message.provider_state.is_some()).collect();
    assert_eq!(carriers, [&next[4]]);

    let alone = CompactionRequest::new(CompletionRequest::new(vec![Message::assistant("Hello.")]));
    let alone = alone.with_state(vec![], placeholder(), state).messages;
    assert_eq!(texts(&alone), ["assistant: compacted"]);
}
