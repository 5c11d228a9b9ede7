//! What each request sends.

use serde_json::{Value, json};

use super::*;
use crate::ToolChoice;

#[tokio::test]
async fn a_server_that_keeps_the_conversation_gets_only_what_is_new() {
    let step = |id: Option<&str>| CompletionResponse {
        id: id.map(str::to_owned),
        ..calls(&[("say", ONE), ("say", ONE)])
    };
    // The field, the ids of the responses, and of each request its previous response and the number of its messages.
    type Row = (Option<(&'static str, Value)>, [Option<&'static str>; 3], [(Option<&'static str>, usize); 4]);
    let table: [Row; 7] = [
        (None, [Some("a"), Some("b"), Some("c")], [(None, 1), (None, 4), (None, 7), (None, 10)]),
        (
            Some(("conversation", json!("conv_1"))),
            [Some("a"), None, Some("c")],
            [(None, 1), (None, 2), (None, 2), (None, 2)],
        ),
        (
            Some(("conversation", json!({"id": "conv_1"}))),
            [Some("a"), Some("b"), Some("c")],
            [(None, 1), (None, 2), (None, 2), (None, 2)],
        ),
        (Some(("conversation", Value::Null)), [None; 3], [(None, 1), (None, 4), (None, 7), (None, 10)]),
        (
            Some(("previous_response_id", json!("r"))),
            [Some("a"), Some("b"), Some("c")],
            [(Some("r"), 1), (Some("a"), 2), (Some("b"), 2), (Some("c"), 2)],
        ),
        (
            Some(("previous_response_id", json!("r"))),
            [None, None, None],
            [(Some("r"), 1), (Some("r"), 4), (Some("r"), 7), (Some("r"), 10)],
        ),
        // Without an id, the messages since the last response with one go again.
        (
            Some(("previous_response_id", json!("r"))),
            [Some("a"), None, Some("c")],
            [(Some("r"), 1), (Some("a"), 2), (Some("a"), 5), (Some("c"), 2)],
        ),
    ];
    for (field, ids, expected) in table {
        let replies: Vec<_> = ids.into_iter().map(step).chain([text("done")]).collect();
        let model = Model::new(replies);
        let request =
            field.iter().fold(ask(), |request, (field, value)| request.with_extra(*field, value.clone()));
        let run = ToolRunner::new().with(say()).run(&model, request).await.unwrap();
        assert_valid(&run.messages);
        assert_eq!(run.messages.len(), 11, "the whole conversation");
        let mut sent = 0;
        for (request, (previous, count)) in model.requests().iter().zip(expected) {
            assert_eq!(
                request.extra.get("previous_response_id").and_then(Value::as_str),
                previous,
                "{field:?}"
            );
            // What goes out is the end of the conversation up to there.
            let until = 1 + 3 * sent;
            assert_eq!(request.messages[..], run.messages[until - count..until], "{field:?}");
            assert_eq!(request.extra.get("conversation"), run_field(&field, "conversation"));
            sent += 1;
        }
        assert_eq!(sent, 4);
    }
}

fn run_field<'a>(field: &'a Option<(&str, Value)>, name: &str) -> Option<&'a Value> {
    field.as_ref().filter(|(field, _)| *field == name).map(|(_, value)| value)
}

#[tokio::test]
async fn a_tool_choice_forces_only_the_first_step() {
    let table = [
        (None, None),
        (Some(ToolChoice::Auto), Some(ToolChoice::Auto)),
        (Some(ToolChoice::None), Some(ToolChoice::None)),
        (Some(ToolChoice::Required), None),
        (Some(ToolChoice::tool("say")), None),
    ];
    for (first, later) in table {
        let again = || calls(&[("say", ONE)]);
        let model = Model::new([again(), again(), text("done")]);
        let request = CompletionRequest { tool_choice: first.clone(), ..ask() };
        ToolRunner::new().with(say()).run(&model, request).await.unwrap();
        let sent: Vec<_> = model.requests().into_iter().map(|request| request.tool_choice).collect();
        assert_eq!(sent, [first, later.clone(), later]);
    }
}
