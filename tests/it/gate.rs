//! Many requests through a gate: within the limits of the server, without waiting longer than needed.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig, Gate, WebSocket};
use tachikoma_backends_core::{CompletionRequest, ErrorCategory, Message};
use tachikoma_openai_mock::{MockServer, Reply};
use tokio::time::{Instant, timeout};

/// The limits of the mock: requests and tokens a minute.
const LIMITS: (u32, u32) = (60, 100_000);

async fn mock(limits: (u32, u32)) -> MockServer {
    let mock = MockServer::builder().with_rate_limits(limits.0, limits.1);
    mock.with_idle_timeout(Duration::from_secs(86_400)).start().await.unwrap()
}

fn config(server: &MockServer, gate: Gate) -> CodexBackendConfig {
    CodexBackendConfig::new("sk-test")
        .with_base_url(server.base_url())
        .with_model("gpt-5.6-terra")
        .with_gate(gate)
        .with_max_retries(0)
}

fn backend(server: &MockServer, gate: Gate) -> Arc<CodexBackend> {
    Arc::new(CodexBackend::new(config(server, gate)).unwrap())
}

/// How a subagent sends its requests.
#[derive(Clone, Copy, Debug)]
struct Load {
    agents: usize,
    /// The requests of each agent, one after the other.
    requests: usize,
    /// The bytes of each request.
    bytes: usize,
    /// Every so many requests are dropped while they wait or run.
    cancel_every: Option<usize>,
}

/// Runs all agents, and returns the time that they took.
async fn run(backends: &[Arc<CodexBackend>], load: Load) -> Duration {
    let begun = Instant::now();
    let agents = (0..load.agents).map(|agent| {
        let backend = Arc::clone(&backends[agent % backends.len()]);
        async move {
            for number in 0..load.requests {
                let request =
                    CompletionRequest::user(format!("{agent} {number} {}", "word ".repeat(load.bytes / 5)));
                let index = agent * load.requests + number;
                if load.cancel_every.is_some_and(|every| index.is_multiple_of(every)) {
                    _ = timeout(Duration::from_millis(700), backend.try_complete(request)).await;
                    continue;
                }
                let mut stream = backend.try_complete_stream(request).await.unwrap();
                while let Some(item) = stream.next().await {
                    item.unwrap();
                }
            }
        }
    });
    join_all(agents).await;
    begun.elapsed()
}

/// The least time in which a server with these limits serves so many requests of so many tokens each.
fn ideal(limits: (u32, u32), requests: f64, tokens: f64) -> f64 {
    let [requests_per_minute, tokens_per_minute] = [limits.0, limits.1].map(f64::from);
    let by_requests = (requests - requests_per_minute) / requests_per_minute;
    let by_tokens = (requests * tokens - tokens_per_minute) / tokens_per_minute;
    60.0 * by_requests.max(by_tokens).max(0.0)
}

#[tokio::test(start_paused = true)]
async fn subagents_share_the_limits() {
    for (bytes, tokens_bind) in [(400, false), (12_000, true)] {
        let server = mock(LIMITS).await;
        let gate = Gate::new();
        // Two backends of one account.
        let backends = [backend(&server, gate.clone()), backend(&server, gate)];
        let load = Load { agents: 64, requests: 5, bytes, cancel_every: None };
        let took = run(&backends, load).await.as_secs_f64();
        assert_eq!(server.counters().rate_limited_requests, 0, "{load:?}");
        let uploaded = server.counters().http_bytes as f64;
        let tokens = uploaded / 4.0 / 320.0;
        let ideal = ideal(LIMITS, 320.0, tokens);
        assert_eq!(tokens * 320.0 / f64::from(LIMITS.1) > 320.0 / f64::from(LIMITS.0), tokens_bind);
        let limit = if tokens_bind { "tokens" } else { "requests" };
        println!("gate: {took:.1} s, at best {ideal:.1} s, limited by {limit}");
        assert!(took <= ideal / 0.95 && took >= ideal * 0.9, "{load:?}: {took} s, at best {ideal} s");
    }
}

#[tokio::test(start_paused = true)]
async fn cancelled_requests_take_nothing() {
    let server = mock(LIMITS).await;
    let backends = [backend(&server, Gate::new())];
    let load = Load { agents: 64, requests: 5, bytes: 400, cancel_every: Some(3) };
    let took = run(&backends, load).await.as_secs_f64();
    let counters = server.counters();
    assert_eq!(counters.rate_limited_requests, 0);
    let sent = server.requests().len() as f64;
    assert!(sent >= 213.0 && took <= ideal(LIMITS, sent, 0.0) / 0.95 + 1.0, "{sent} requests in {took} s");
}

#[tokio::test(start_paused = true)]
async fn limits_may_change() {
    for changed in [(30, 50_000), (240, 400_000)] {
        let server = mock(LIMITS).await;
        let backends = [backend(&server, Gate::new())];
        let load = Load { agents: 64, requests: 2, bytes: 400, cancel_every: None };
        run(&backends, load).await;
        server.set_rate_limits(changed.0, changed.1);
        let took = run(&backends, load).await.as_secs_f64();
        assert_eq!(server.counters().rate_limited_requests, 0);
        // Nothing was left of the limits before.
        let ideal = 128.0 / f64::from(changed.0) * 60.0;
        assert!(took <= ideal / 0.95 + 2.0, "{changed:?}: {took} s, at best {ideal} s");
    }
}

/// A server that states no limits is not limited, and a rejection pauses all requests of its model.
#[tokio::test(start_paused = true)]
async fn servers_without_limits_are_not_slowed_down() {
    let server = MockServer::builder().with_idle_timeout(Duration::from_secs(86_400)).start().await.unwrap();
    let backends = [backend(&server, Gate::new())];
    let load = Load { agents: 64, requests: 3, bytes: 400, cancel_every: None };
    assert!(run(&backends, load).await < Duration::from_secs(3));
    server.push_fault("status=429,retry-after=20,times=1".parse().unwrap());
    let begun = Instant::now();
    let error = backends[0].try_complete(CompletionRequest::user("a")).await.unwrap_err();
    assert_eq!(error.category(), ErrorCategory::RateLimit);
    backends[0].try_complete(CompletionRequest::user("b")).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn a_wait_may_be_too_long() {
    let server = mock((2, 100_000)).await;
    let backend = backend(&server, Gate::new().with_max_wait(Duration::from_secs(10)));
    backend.try_complete(CompletionRequest::user("a")).await.unwrap();
    let error = backend.try_complete(CompletionRequest::user("b")).await.unwrap_err();
    assert_eq!((error.category(), error.attempts()), (ErrorCategory::RateLimit, 0));
    let wait = error.details().retry_after.unwrap();
    assert!(wait > Duration::from_secs(10) && wait < Duration::from_secs(40), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn requests_in_progress_are_limited() {
    for websocket in [WebSocket::Off, WebSocket::Always] {
        let server = MockServer::builder().start().await.unwrap();
        let gate = Gate::new().with_max_concurrent_requests(3);
        let config = config(&server, gate.clone()).with_api(Api::Responses).with_websocket(websocket);
        let backend = CodexBackend::new(config).unwrap();
        let most = std::sync::atomic::AtomicUsize::new(0);
        join_all((0..20).map(async |number| {
            let request = CompletionRequest::user(format!("Say {number}"));
            if number % 2 == 0 {
                backend.try_complete(request).await.unwrap();
            } else {
                let mut stream = backend.try_complete_stream(request).await.unwrap();
                while let Some(item) = stream.next().await {
                    item.unwrap();
                    let open = gate.requests_in_progress();
                    most.fetch_max(open, std::sync::atomic::Ordering::Relaxed);
                }
            }
        }))
        .await;
        assert_eq!(most.into_inner(), 3);
        assert_eq!(gate.requests_in_progress(), 0);
    }
}

/// A parent whose stream is open waits for its subagents, which need a place.
#[tokio::test(start_paused = true)]
async fn a_parent_does_not_block_its_subagents() {
    let server = MockServer::builder().with_idle_timeout(Duration::from_secs(86_400)).start().await.unwrap();
    let backend = backend(&server, Gate::new().with_max_concurrent_requests(1));
    server.push_reply(Reply::text("A plan of several words"));
    let mut parent = backend.try_complete_stream(CompletionRequest::user("Plan")).await.unwrap();
    parent.next().await.unwrap().unwrap();
    let subagents =
        (0..4).map(|number| backend.try_complete(CompletionRequest::user(format!("Say {number}"))));
    for response in timeout(Duration::from_secs(60), join_all(subagents)).await.unwrap() {
        response.unwrap();
    }
    let rest: Vec<_> = parent.collect().await;
    assert!(rest.last().unwrap().as_ref().unwrap().is_final);
    assert_eq!(backend.config().gate().unwrap().requests_in_progress(), 0);
}

/// Where a server is overloaded, retries add little, and do not come all at once.
#[tokio::test(start_paused = true)]
async fn retries_add_little_load() {
    const TASKS: usize = 200;
    let server = MockServer::builder().with_idle_timeout(Duration::from_secs(86_400)).start().await.unwrap();
    server.push_fault("status=503".parse().unwrap());
    let backend = CodexBackend::new(config(&server, Gate::new()).with_max_retries(2)).unwrap();
    let begun = Instant::now();
    let ends = (0..TASKS).map(async |number| {
        let error = backend.try_complete(CompletionRequest::user(format!("{number}"))).await.unwrap_err();
        (begun.elapsed(), error.attempts())
    });
    let ends = join_all(ends).await;
    let sent = server.requests().len();
    assert!(sent <= TASKS * 12 / 10, "{sent} requests of {TASKS} tasks");
    assert_eq!(sent, ends.iter().map(|(_, attempts)| *attempts as usize).sum::<usize>());
    // The waits differ by up to a quarter.
    let mut waits: Vec<_> =
        ends.iter().filter(|(_, attempts)| *attempts == 2).map(|(end, _)| end.as_millis()).collect();
    waits.sort_unstable();
    let spread = waits[waits.len() - 1] - waits[0];
    waits.dedup();
    assert!(waits.len() > 15 && spread > 60, "{waits:?}");
}

/// Requests pass in the order of their arrival, whatever their size.
#[tokio::test(start_paused = true)]
async fn no_request_is_overtaken() {
    let server = mock((60, 5_000)).await;
    let backend = backend(&server, Gate::new());
    let order = std::sync::Mutex::new(Vec::new());
    join_all((0..12).map(|number| {
        let (backend, order) = (&backend, &order);
        let bytes = if number % 3 == 0 { 12_000 } else { 40 };
        async move {
            let request = CompletionRequest::new(vec![Message::user("x".repeat(bytes))]);
            let stream = backend.try_complete_stream(request).await.unwrap();
            order.lock().unwrap().push(number);
            stream.collect::<Vec<_>>().await;
        }
    }))
    .await;
    assert_eq!(order.into_inner().unwrap(), (0..12).collect::<Vec<_>>());
    assert_eq!(server.counters().rate_limited_requests, 0);
}

#[tokio::test]
async fn an_account_has_one_gate() {
    let first = Gate::for_account("it-gate").with_max_concurrent_requests(2);
    let settings = "[gate]\naccount = \"it-gate\"\nmax_wait = \"3s\"";
    let config: CodexBackendConfig = toml::from_str(settings).unwrap();
    assert_eq!(format!("{first:?}"), format!("{:?}", config.gate().unwrap()));
    let written = toml::to_string(&config).unwrap();
    assert!(
        written.contains("max_concurrent_requests = 2") && written.contains("max_wait = \"3s\""),
        "{written}"
    );
    drop((first, config));
    assert!(!format!("{:?}", Gate::for_account("it-gate")).contains('2'));
}
