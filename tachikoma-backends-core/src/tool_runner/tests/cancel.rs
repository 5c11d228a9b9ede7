//! Cancelling at every point of a run.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use super::*;

/// A run with text, calls of all kinds, and waits everywhere.
fn script() -> [CompletionResponse; 3] {
    let with_text = |response, text: &str| CompletionResponse { content: Some(text.into()), ..response };
    [
        with_text(
            calls(&[("slow", ONE), ("slow", ONE), ("alone", ONE), ("fly", ONE), ("slow", ONE)]),
            "Let me see",
        ),
        calls(&[("alone", ONE), ("alone", "{"), ("deny", ONE), ("slow", ONE)]),
        text("done"),
    ]
}

/// Counts its calls that are running.
fn runner(running: &Arc<AtomicUsize>) -> ToolRunner {
    struct Guard(Arc<AtomicUsize>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let tool = |name: &'static str| {
        let running = Arc::clone(running);
        Tool::new(definition(name), move |Number { n }| {
            running.fetch_add(1, Ordering::Relaxed);
            let guard = Guard(Arc::clone(&running));
            async move {
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
                drop(guard);
                format!("{name} {n}")
            }
        })
    };
    ToolRunner::new()
        .with_tools([tool("slow"), tool("alone").exclusive(), tool("deny")])
        .with_max_concurrent_calls(2)
        .with_approval(async |call: ToolCall| {
            tokio::task::yield_now().await;
            if call.name == "deny" { Approval::Deny("no".into()) } else { Approval::Allow }
        })
}

/// Checks a run that was cancelled against one that was not.
#[track_caller]
fn check(error: &ToolRunError, whole: &ToolRun, model: &Model) {
    assert_eq!(*error.kind(), ToolRunErrorKind::Cancelled);
    assert!(model.requests().len() - error.steps() <= 1);
    assert_valid(error.messages());
    assert!(!error.messages().is_empty());
    let turn = error.messages().iter().rposition(|message| message.role != Role::Tool).unwrap();
    for (at, (message, expected)) in error.messages().iter().zip(&whole.messages).enumerate() {
        let text = message.content.to_text();
        let was_cancelled = at > turn && text.starts_with("Error: cancelled by the user ");
        if was_cancelled {
            assert_eq!(message.tool_call_id, expected.tool_call_id);
        } else {
            assert_eq!(message, expected);
        }
    }
}

async fn whole_run() -> (ToolRun, usize) {
    let mut events = 0;
    let run =
        runner(&Arc::default()).run_stream(&Model::new(script()), ask(), |_| events += 1).await.unwrap();
    (run, events)
}

#[tokio::test]
async fn at_each_poll() {
    let (whole, _) = whole_run().await;
    let mut lengths = Vec::new();
    for polls in 0.. {
        let (running, model) = (Arc::default(), Model::new(script()));
        let mut left = polls;
        let cancel = std::future::poll_fn(|_| {
            if left == 0 {
                return Poll::Ready(());
            }
            left -= 1;
            Poll::Pending
        });
        let outcome = runner(&running).run_until(&model, ask(), |_| {}, cancel).await;
        assert_eq!(running.load(Ordering::Relaxed), 0, "a dropped call does not go on");
        assert_eq!(Arc::strong_count(&model.open_streams), 1, "a dropped response does not go on");
        match outcome {
            Ok(run) => {
                assert_eq!(run.messages, whole.messages);
                break;
            }
            Err(error) => {
                check(&error, &whole, &model);
                lengths.push(error.messages().len());
            }
        }
    }
    // The points come after another, in each of the states that a conversation can have.
    assert!(lengths.is_sorted() && lengths.len() > 30, "{lengths:?}");
    lengths.dedup();
    assert_eq!(lengths, [1, 7, 12]);
}

#[tokio::test]
async fn after_each_event() {
    let (whole, all) = whole_run().await;
    for limit in 0..all {
        let (running, model) = (Arc::default(), Model::new(script()));
        let seen = AtomicUsize::new(0);
        let cancel = std::future::poll_fn(|_| {
            if seen.load(Ordering::Relaxed) >= limit { Poll::Ready(()) } else { Poll::Pending }
        });
        let (mut text, mut is_open, mut requests) = (String::new(), false, 0);
        let on_event = |event: ToolRunEvent<'_>| {
            if seen.fetch_add(1, Ordering::Relaxed) >= limit {
                // Only a call that cannot run has its result without anything that began.
                assert!(matches!(event, ToolRunEvent::Result(result) if !result.success) || limit == all - 1);
            }
            requests = model.requests().len();
            match event {
                ToolRunEvent::Chunk(chunk) => {
                    text.push_str(&chunk.delta);
                    is_open = !chunk.is_final;
                }
                ToolRunEvent::StepEnd { .. } => text.clear(),
                ToolRunEvent::CallStart(_) | ToolRunEvent::Result(_) | ToolRunEvent::Compacted(_) => {}
            }
        };
        let error = match runner(&running).run_until(&model, ask(), on_event, cancel).await {
            Ok(run) => {
                // The final response is whole with its last chunk, the event before the end of its step.
                assert_eq!((limit, run.messages), (all - 1, whole.messages.clone()));
                continue;
            }
            Err(error) => error,
        };
        assert!(limit < all - 1);
        check(&error, &whole, &model);
        assert_eq!(running.load(Ordering::Relaxed), 0);
        assert_eq!(model.requests().len(), requests, "no request after the signal");
        assert_eq!(error.steps(), requests - usize::from(is_open), "what is whole is in the conversation");
        let partial = error.partial().map(|partial| partial.content.clone().unwrap_or_default());
        assert_eq!(partial, is_open.then_some(text));
    }
}

#[tokio::test]
async fn a_result_that_was_there_is_kept() {
    let runner = ToolRunner::new()
        .with(say())
        .with(Tool::new(definition("hang"), async |_: Number| pending::<()>().await).exclusive());
    let model = Model::new([calls(&[("say", ONE), ("hang", ONE), ("say", ONE)])]);
    let (send, receive) = futures::channel::oneshot::channel();
    let mut send = Some(send);
    let on_event = |event: ToolRunEvent<'_>| {
        if let ToolRunEvent::CallStart(call) = event
            && call.name == "hang"
        {
            // The call has begun when the signal comes.
            let send = send.take().unwrap();
            tokio::spawn(async { send.send(()).unwrap() });
        }
    };
    let cancel = async { receive.await.unwrap() };
    let error = runner.run_until(&model, ask(), on_event, cancel).await.unwrap_err();
    let expected = [
        "it is 1",
        "Error: cancelled by the user while it ran",
        "Error: cancelled by the user before it ran",
    ];
    assert_eq!(results(error.messages()), expected);
    assert_eq!(error.usage().unwrap().total_tokens, 7);
}
