//! The events of a streamed run.

use super::*;

#[tokio::test(start_paused = true)]
async fn everything_is_shown_when_it_happens() {
    let sleep = Tool::new(definition("sleep"), async |Number { n }| {
        tokio::time::sleep(Duration::from_secs(n.try_into().unwrap())).await;
        "slept"
    });
    let alone = Tool::new(definition("alone"), |_: Number| "alone").exclusive();
    let runner = ToolRunner::new().with_tools([sleep, alone]);
    let response = CompletionResponse {
        content: Some("Let me see".into()),
        ..calls(&[("sleep", "{\"n\": 9}"), ("fly", ONE), ("sleep", "{\"n\": 2}"), ("alone", ONE)])
    };
    let model = Model::new([response, text("done")]);
    let start = tokio::time::Instant::now();
    let mut seen = Vec::new();
    let on_event = |event: ToolRunEvent<'_>| {
        let text = match event {
            ToolRunEvent::Chunk(CompletionChunk { delta, .. }) if delta.is_empty() => return,
            ToolRunEvent::Chunk(chunk) => chunk.delta.clone(),
            ToolRunEvent::Compacted(compacted) => format!("compacted to {}", compacted.messages.len()),
            ToolRunEvent::CallStart(call) => format!("{} starts", call.id),
            ToolRunEvent::Result(result) => format!("{}: {}", result.tool_call_id, result.content.to_text()),
            ToolRunEvent::StepEnd { step, response, usage } => {
                format!(
                    "step {step}: {} calls, {:?}",
                    response.tool_calls.len(),
                    usage.map(|usage| usage.total_tokens)
                )
            }
        };
        seen.push(format!("{} s {text}", start.elapsed().as_secs()));
    };
    runner.run_stream(&model, ask(), on_event).await.unwrap();
    let expected = [
        "0 s Let me see",
        "0 s call_1: there is no tool \"fly\"; there are: alone, sleep",
        "0 s call_0 starts",
        "0 s call_2 starts",
        "2 s call_2: slept",
        "9 s call_0: slept",
        "9 s call_3 starts",
        "9 s call_3: alone",
        "9 s step 1: 4 calls, Some(7)",
        "9 s done",
        "9 s step 2: 0 calls, Some(12)",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_run_can_move_between_threads() {
    fn is_send<T: Send>(_: T) {}
    let (runner, model) = (ToolRunner::new().with(say()), Model::default());
    is_send(runner.run(&model, ask()));
    is_send(runner.run_stream(&model as &dyn Backend, ask(), |_| {}));
    is_send(runner.run_until(&model, ask(), |_| {}, pending()));
    is_send(runner.run_calls(&[]));
}
