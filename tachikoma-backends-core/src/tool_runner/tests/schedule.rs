//! Which calls run beside which, and when.

use tokio::time::Instant;

use super::*;

/// A call: whether it is exclusive, and how many milliseconds it takes.
type Work = (bool, u64);

/// When each call may begin at the earliest, counted in milliseconds: no sooner than the one before, alone if it is exclusive, and
/// within the limit.
fn expected_starts(work: &[Work], limit: usize) -> Vec<u64> {
    let mut earlier: Vec<(bool, u64, u64)> = Vec::new();
    for &(is_exclusive, takes) in work {
        let previous = earlier.last().map_or(0, |(_, start, _)| *start);
        let ends = earlier.iter().map(|(_, _, end)| *end);
        let is_free = |time: u64| {
            let running = earlier.iter().filter(|(_, _, end)| *end > time);
            let is_alone = running.clone().all(|(earlier, _, _)| !earlier && !is_exclusive);
            is_alone && running.count() < limit
        };
        let start = ends.chain([previous]).filter(|time| *time >= previous && is_free(*time)).min().unwrap();
        earlier.push((is_exclusive, start, start + takes));
    }
    earlier.into_iter().map(|(_, start, _)| start).collect()
}

#[tokio::test(start_paused = true)]
async fn calls_overlap_as_far_as_they_may() {
    let starts = Arc::new(Mutex::new(Vec::new()));
    let tool = |name| {
        let starts = Arc::clone(&starts);
        Tool::new(definition(name), move |Number { n }| {
            starts.lock().unwrap().push(Instant::now());
            async move {
                tokio::time::sleep(Duration::from_millis(n.try_into().unwrap())).await;
                n
            }
        })
    };
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..1000 {
        let limit = random.usize(1..6);
        let count = random.usize(0..20);
        let work: Vec<Work> = (0..count).map(|_| (random.u8(0..4) == 0, random.u64(1..30))).collect();
        let runner = ToolRunner::new()
            .with_tools([tool("shared"), tool("exclusive").exclusive()])
            .with_max_concurrent_calls(limit);
        let calls = work.iter().enumerate().map(|(at, (is_exclusive, takes))| {
            let name = if *is_exclusive { "exclusive" } else { "shared" };
            ToolCall::new(format!("call_{at}"), name, format!("{{\"n\": {takes}}}"))
        });
        let calls: Vec<_> = calls.collect();
        let begin = Instant::now();
        let results = runner.run_calls(&calls).await;
        // They begin in the order of the calls, so that the times tell which began when.
        let starts: Vec<u64> = std::mem::take(&mut *starts.lock().unwrap())
            .into_iter()
            .map(|start| (start - begin).as_millis().try_into().unwrap())
            .collect();
        assert_eq!(starts, expected_starts(&work, limit), "round {round}: {work:?}, {limit} at once");
        for (result, (call, (_, takes))) in results.iter().zip(calls.iter().zip(work)) {
            assert_eq!(result.tool_call_id, call.id);
            assert_eq!(result.content.to_text(), takes.to_string());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn eight_calls_run_at_once_by_default() {
    let runner = ToolRunner::new().with_tool(definition("sleep"), async |_: Number| {
        tokio::time::sleep(Duration::from_secs(1)).await;
    });
    let calls: Vec<_> = (0..1000).map(|at| ToolCall::new(format!("{at}"), "sleep", ONE)).collect();
    let start = Instant::now();
    assert_eq!(runner.run_calls(&calls).await.len(), 1000);
    assert_eq!(start.elapsed(), Duration::from_secs(125));
}

#[test]
fn without_a_timeout_no_runtime_is_needed() {
    let wait = Tool::new(definition("wait"), async |_: Number| {
        tokio::task::yield_now().await;
        "waited"
    });
    let runner = ToolRunner::new().with(wait.without_timeout());
    let results = futures::executor::block_on(runner.run_calls(&[ToolCall::new("a", "wait", ONE)]));
    assert_eq!(results[0].content.as_text(), Some("waited"));
}

#[test]
fn the_reference_is_right() {
    let work = [(false, 5), (false, 9), (false, 2), (true, 3), (false, 1), (true, 1), (true, 4)];
    assert_eq!(expected_starts(&work, 2), [0, 0, 5, 9, 12, 13, 14]);
    assert_eq!(expected_starts(&work, 1), [0, 5, 14, 16, 19, 20, 21]);
}
