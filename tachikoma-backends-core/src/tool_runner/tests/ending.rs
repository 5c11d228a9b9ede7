//! How runs end.

use super::*;

fn runner() -> ToolRunner {
    ToolRunner::new().with(say())
}

/// Runs whole and streamed, which must end in the same way.
async fn run_both(runner: &ToolRunner, replies: &[Reply]) -> Result<ToolRun, ToolRunError> {
    let whole = runner.run(&Model::new(replies.to_vec()), ask()).await;
    let streamed = runner.run_stream(&Model::new(replies.to_vec()), ask(), |_| {}).await;
    match (&whole, &streamed) {
        (Ok(whole), Ok(streamed)) => assert_eq!(whole.messages, streamed.messages),
        (Err(whole), Err(streamed)) => {
            assert_eq!(whole.kind(), streamed.kind());
            assert_eq!(whole.messages(), streamed.messages());
            assert_eq!((whole.usage(), whole.steps()), (streamed.usage(), streamed.steps()));
            assert_valid(whole.messages());
        }
        _ => panic!("{whole:?} {streamed:?}"),
    }
    streamed
}

#[tokio::test]
async fn an_incomplete_response_runs_nothing() {
    let one = || vec![ToolCall::new("a", "say", ONE)];
    // Finish reason, whole calls, incomplete calls, and whether the run may go on.
    let table = [
        (FinishReason::Stop, one(), vec![], true),
        (FinishReason::ToolUse, one(), vec![], true),
        (FinishReason::Stop, vec![], vec![], true),
        (FinishReason::Other, vec![], vec![], true),
        (FinishReason::Other, one(), vec![], false),
        (FinishReason::Other, vec![], one(), false),
        (FinishReason::Length, vec![], vec![], false),
        (FinishReason::Length, one(), vec![ToolCall::new("b", "say", "{\"n")], false),
        (FinishReason::Length, one(), vec![], false),
        (FinishReason::ContentFilter, vec![], vec![], false),
        (FinishReason::Error, one(), vec![], false),
    ];
    for (finish_reason, tool_calls, incomplete_tool_calls, goes_on) in table {
        let response =
            CompletionResponse { finish_reason, tool_calls, incomplete_tool_calls, ..text("Let me see") };
        let replies = [calls(&[("say", ONE)]), response.clone(), text("done")].map(Reply::from);
        let outcome = run_both(&runner(), &replies).await;
        if goes_on {
            assert_eq!(results(&outcome.unwrap().messages).len(), 1 + response.tool_calls.len());
            continue;
        }
        let error = outcome.unwrap_err();
        assert_eq!(*error.kind(), ToolRunErrorKind::Incomplete { finish_reason });
        assert_eq!(error.partial(), Some(&response.with_derived_items()));
        assert_eq!(error.messages().len(), 3);
        assert_eq!((error.usage().unwrap().total_tokens, error.steps()), (12, 2));
        assert!(error.to_string().contains("ask again with into_messages()"), "{error}");
    }
    // No incomplete response at all: a call that the stream cut short.
    let whole = CompletionResponse { incomplete_tool_calls: one(), ..text("") };
    let error = runner().run(&Model::new([whole]), ask()).await.unwrap_err();
    assert!(matches!(error.kind(), ToolRunErrorKind::Incomplete { .. }), "{error}");
}

#[tokio::test]
async fn a_failed_backend_ends_the_run_with_what_had_arrived() {
    let broken = BackendError::Network("reset".into());
    let chunks = |texts: &[&str]| texts.iter().map(|text| text_chunk(text)).collect();
    let table = [
        (Reply::Refused(broken.clone()), None),
        (Reply::Broken(chunks(&[]), broken.clone()), None),
        (Reply::Broken(chunks(&["Let ", "me"]), broken.clone()), Some("Let me")),
    ];
    for (reply, partial) in table {
        let replies = [calls(&[("say", ONE)]).into(), reply];
        let error = run_both(&runner(), &replies).await.unwrap_err();
        assert_eq!(error.to_string(), "network failure: reset");
        assert_eq!(*error.kind(), ToolRunErrorKind::Backend(broken.clone()));
        assert_eq!(error.messages().len(), 3);
        assert_eq!((error.usage().unwrap().total_tokens, error.steps()), (7, 1));
        let text = error.partial().map(|partial| partial.content.as_deref().unwrap());
        assert_eq!(text, partial);
    }
}

#[tokio::test]
async fn steps_tokens_and_cost_have_limits() {
    type Limit = fn(ToolRunner) -> ToolRunner;
    let again = || calls(&[("say", ONE)]);
    // Each response with calls has 7 tokens. How many responses there are before the run ends, and why.
    let table: [(Limit, _, _); 9] = [
        (|runner| runner, None, 4),
        (|runner| runner.with_max_steps(2), Some(ToolRunErrorKind::StepLimit { max_steps: 2 }), 2),
        (|runner| runner.with_max_steps(0), Some(ToolRunErrorKind::StepLimit { max_steps: 1 }), 1),
        (
            |runner| runner.with_token_budget(14),
            Some(ToolRunErrorKind::TokenBudget { budget: 14, spent: Some(14) }),
            2,
        ),
        (
            |runner| runner.with_token_budget(15),
            Some(ToolRunErrorKind::TokenBudget { budget: 15, spent: Some(21) }),
            3,
        ),
        // A final response is worth more than the budget.
        (|runner| runner.with_token_budget(22), None, 4),
        (
            |runner| runner.with_cost_budget(0.5, |_| Some(0.25)),
            Some(ToolRunErrorKind::CostBudget { budget_usd: 0.5, spent_usd: Some(0.5) }),
            2,
        ),
        (
            |runner| runner.with_cost_budget(0.5, |_| None),
            Some(ToolRunErrorKind::CostBudget { budget_usd: 0.5, spent_usd: None }),
            1,
        ),
        (
            |runner| runner.with_cost_budget(0.5, |_| Some(f64::NAN)),
            Some(ToolRunErrorKind::CostBudget { budget_usd: 0.5, spent_usd: None }),
            1,
        ),
    ];
    for (limit, kind, steps) in table {
        let replies = [again(), again(), again(), text("done")].map(Reply::from);
        match run_both(&limit(runner()), &replies).await {
            Ok(run) => assert_eq!((None, run.steps), (kind, steps)),
            Err(error) => {
                assert_eq!((Some(error.kind()), error.steps()), (kind.as_ref(), steps));
                // The results of the last calls are there.
                assert_eq!(error.messages().len(), 1 + 2 * steps);
                assert_eq!(error.usage().unwrap().total_tokens, 7 * u32::try_from(steps).unwrap());
            }
        }
    }
}

#[tokio::test]
async fn a_budget_without_reports_cannot_be_kept() {
    let nothing = Some(Usage::default());
    for usage in [None, nothing] {
        let silent = CompletionResponse { usage, ..calls(&[("say", ONE)]) };
        let replies = [silent, text("done")].map(Reply::from);
        let error = run_both(&runner().with_token_budget(1000), &replies).await.unwrap_err();
        assert_eq!(*error.kind(), ToolRunErrorKind::TokenBudget { budget: 1000, spent: None });
        assert!(error.to_string().starts_with("the budget of 1000 tokens cannot be kept"), "{error}");
    }
    // Some servers report the parts only.
    let parts = Usage { prompt_tokens: 900, completion_tokens: 100, ..Usage::default() };
    let replies = [CompletionResponse { usage: Some(parts), ..calls(&[("say", ONE)]) }, text("done")];
    let error = run_both(&runner().with_token_budget(1000), &replies.map(Reply::from)).await.unwrap_err();
    assert_eq!(*error.kind(), ToolRunErrorKind::TokenBudget { budget: 1000, spent: Some(1000) });
}

#[tokio::test(start_paused = true)]
async fn the_time_budget_ends_whatever_runs() {
    let slow = |name: &'static str| {
        Tool::new(definition(name), async |Number { n }| {
            tokio::time::sleep(Duration::from_secs(n.try_into().unwrap())).await;
            "slept"
        })
        .without_timeout()
    };
    let sleeps = calls(&[("sleep", "{\"n\": 1}"), ("sleep", "{\"n\": 100}"), ("alone", "{\"n\": 1}")]);
    let runner = runner()
        .with_tools([slow("sleep"), slow("alone").exclusive()])
        .with_time_budget(Duration::from_secs(5));
    let cut = [
        "slept",
        "Error: the time of the whole run ended while it ran",
        "Error: the time of the whole run ended before it ran",
    ];
    let table: [(Vec<Reply>, &[&str], Option<&str>); 3] = [
        (vec![sleeps.into()], &cut, None),
        (vec![Reply::Hang], &[], Some("Let me")),
        (vec![calls(&[("say", ONE)]).into(), Reply::Hang], &["it is 1"], Some("Let me")),
    ];
    for (replies, expected, partial) in table {
        let start = tokio::time::Instant::now();
        let error = run_both(&runner, &replies).await.unwrap_err();
        assert_eq!(start.elapsed(), Duration::from_secs(10), "5 seconds, whole and streamed");
        assert_eq!(*error.kind(), ToolRunErrorKind::TimeBudget { budget: Duration::from_secs(5) });
        assert_eq!(results(error.messages()), expected);
        assert_eq!(error.partial().and_then(|partial| partial.content.as_deref()), partial);
    }
}

#[test]
fn errors_stay_small_and_tell_what_to_do() {
    assert!(size_of::<ToolRunError>() <= size_of::<usize>());
    let kinds = [
        ToolRunErrorKind::Incomplete { finish_reason: FinishReason::Length },
        ToolRunErrorKind::StepLimit { max_steps: 1 },
        ToolRunErrorKind::TokenBudget { budget: 1, spent: Some(2) },
        ToolRunErrorKind::TokenBudget { budget: 1, spent: None },
        ToolRunErrorKind::CostBudget { budget_usd: 0.5, spent_usd: Some(0.75) },
        ToolRunErrorKind::CostBudget { budget_usd: 0.5, spent_usd: None },
        ToolRunErrorKind::TimeBudget { budget: Duration::from_secs(1) },
        ToolRunErrorKind::Cancelled,
        ToolRunErrorKind::Stopped { reason: "enough".into() },
    ];
    for kind in kinds {
        assert!(kind.to_string().contains("into_messages()"), "{kind}");
    }
}
