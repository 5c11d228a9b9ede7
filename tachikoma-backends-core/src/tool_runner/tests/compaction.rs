//! Runs that compact their conversation.

use super::*;

fn used(response: CompletionResponse, tokens: u32) -> CompletionResponse {
    CompletionResponse { usage: usage(tokens), ..response }
}

fn step(tokens: u32) -> CompletionResponse {
    used(calls(&[("say", ONE)]), tokens)
}

fn too_long() -> Reply {
    Reply::Refused(BackendError::ContextLength("too long".into()))
}

/// The number of messages of each request. One for a summary has an instruction after the conversation.
fn sizes(model: &Model) -> Vec<usize> {
    model.requests().iter().map(|request| request.messages.len()).collect()
}

#[tokio::test]
async fn the_conversation_is_compacted_above_the_threshold() {
    for streamed in [false, true] {
        let summary = used(text("It said 1."), 40);
        let model = Model::new([step(99), step(100), summary, step(100), step(10), text("done")]);
        let runner = ToolRunner::new().with(say()).with_compaction(100);
        let (mut compactions, mut usages) = (0, Vec::new());
        let run = match streamed {
            false => runner.run(&model, ask()).await.unwrap(),
            true => {
                let on_event = |event: ToolRunEvent<'_>| match event {
                    ToolRunEvent::Compacted(compacted) => {
                        compactions += 1;
                        assert_eq!((compacted.messages.len(), compacted.usage), (2, usage(40)));
                    }
                    ToolRunEvent::StepEnd { usage, .. } => usages.push(usage.unwrap().total_tokens),
                    _ => {}
                };
                runner.run_stream(&model, ask(), on_event).await.unwrap()
            }
        };
        // Not compacted again right after it, although the context is as large as before.
        assert_eq!(sizes(&model), [1, 3, 6, 2, 4, 6]);
        assert_eq!(run.messages.len(), 7);
        assert_eq!(run.messages[0], Message::user("Go"));
        assert_valid(&run.messages);
        let whole = run.uncompacted.unwrap();
        assert_eq!((whole.len(), results(&whole).len()), (10, 4));
        assert_valid(&whole);
        assert_eq!((run.steps, run.usage.unwrap().total_tokens), (5, 99 + 100 + 40 + 100 + 10 + 5));
        if streamed {
            assert_eq!((compactions, usages), (1, vec![99, 199, 339, 349, 354]));
        }
    }
}

#[tokio::test]
async fn a_request_that_is_too_long_is_sent_once_more() {
    let run = |replies: Vec<Reply>, runner: ToolRunner| async move {
        let model = Model::new(replies);
        let run = runner.with(say()).run(&model, ask()).await;
        (run, sizes(&model))
    };
    let runner = || ToolRunner::new().with_compaction(1_000);
    let (outcome, sent) =
        run(vec![step(1).into(), too_long(), text("Summary").into(), text("done").into()], runner()).await;
    assert_eq!((outcome.unwrap().messages.len(), sent), (3, vec![1, 3, 4, 2]));

    // The second rejection ends the run, and so does a compaction that is not possible.
    let rejected = vec![step(1).into(), too_long(), text("Summary").into(), too_long()];
    for (replies, runner, sent) in [
        (rejected.clone(), runner(), vec![1, 3, 4, 2]),
        (vec![step(1).into(), too_long(), too_long(), too_long()], runner(), vec![1, 3, 4, 4]),
        (vec![too_long()], runner(), vec![1]),
        (rejected, ToolRunner::new(), vec![1, 3]),
    ] {
        let (outcome, found) = run(replies, runner).await;
        let error = outcome.unwrap_err();
        let is_too_long = matches!(error.kind(), ToolRunErrorKind::Backend(BackendError::ContextLength(_)));
        assert!(is_too_long && found == sent, "{error} {found:?}");
        assert_valid(error.messages());
        assert_eq!(error.uncompacted().is_some(), sent.ends_with(&[2]));
    }
}

#[tokio::test]
async fn a_failed_compaction_does_not_end_the_run() {
    let refused = Reply::Refused(BackendError::Network("reset".into()));
    let model = Model::new([step(500).into(), refused, text("done").into()]);
    let run = ToolRunner::new().with(say()).with_compaction(100).run(&model, ask()).await.unwrap();
    assert_eq!((run.uncompacted, run.messages.len(), sizes(&model)), (None, 4, vec![1, 4, 3]));
}

#[tokio::test]
async fn budgets_hold_for_compactions() {
    let model = Model::new([step(500), used(text("Summary"), 400), text("done")]);
    let runner = ToolRunner::new().with(say()).with_compaction(100).with_token_budget(900);
    let error = runner.run(&model, ask()).await.unwrap_err();
    let expected = ToolRunErrorKind::TokenBudget { budget: 900, spent: Some(900) };
    assert_eq!(
        (error.kind(), error.steps(), error.usage()),
        (&expected, 1, usage(500).map(|used| used + usage(400).unwrap()))
    );

    let model =
        Model::new([step(500), CompletionResponse { model: "m".into(), ..text("Summary") }, text("done")]);
    let price = |response: &CompletionResponse| Some(if response.model == "m" { 2.0 } else { 0.5 });
    let runner = ToolRunner::new().with(say()).with_compaction(100).with_cost_budget(2.4, price);
    let error = runner.run(&model, ask()).await.unwrap_err();
    let expected = ToolRunErrorKind::CostBudget { budget_usd: 2.4, spent_usd: Some(2.5) };
    assert_eq!(error.kind(), &expected);
}

#[tokio::test]
async fn a_conversation_on_the_server_is_not_compacted() {
    let model = Model::new([step(500), text("done")]);
    let runner = ToolRunner::new().with(say()).with_compaction(100);
    let run = runner.run(&model, ask().with_extra("conversation", "conv_1")).await.unwrap();
    assert_eq!((run.uncompacted, sizes(&model)), (None, vec![1, 1]));
}
