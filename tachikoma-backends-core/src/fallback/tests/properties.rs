//! The rules of a fallback, checked against a simple model of them: random lists of backends, errors, conversations, cancellations.

mod rules;

use proptest::prelude::*;
use tokio::runtime::Builder;

use self::rules::{Circuit, Rules};
use super::*;

/// What a backend does with one request.
#[derive(Clone, Debug)]
struct Plan {
    delay: u64,
    /// The chunks with text before the end.
    chunks: usize,
    failure: Option<Failure>,
    /// Whether the failure comes as an item of the stream, after the chunks, or in the place of the stream.
    is_in_stream: bool,
}

#[derive(Clone, Debug)]
struct Failure {
    category: ErrorCategory,
    retry_after: Option<u64>,
    maybe_processed: bool,
}

#[derive(Clone, Debug)]
struct Turn {
    is_streamed: bool,
    model: Option<&'static str>,
    is_bound: bool,
    has_retries: bool,
    /// The caller drops the request after so many seconds.
    patience: Option<u64>,
    /// The caller drops the stream after so many chunks.
    chunks: Option<usize>,
    /// Seconds until the next turn.
    pause: u64,
}

#[derive(Clone, Debug)]
struct Case {
    /// The names of the backends, which need not differ.
    names: Vec<&'static str>,
    /// The backend of each entry, and its model.
    entries: Vec<(usize, Option<&'static str>)>,
    plans: Vec<Plan>,
    turns: Vec<Turn>,
    if_maybe_processed: bool,
    action: Option<(ErrorCategory, FallbackAction)>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let category = prop::sample::select(ErrorCategory::ALL);
    let listed = prop::sample::select(vec![
        ErrorCategory::Overloaded,
        ErrorCategory::RateLimit,
        ErrorCategory::NotFound,
        ErrorCategory::Server,
    ]);
    let retry_after = prop::option::of(prop::sample::select(vec![0, 2, 5, 6, 90]));
    let failure = (prop_oneof![2 => listed, 1 => category], retry_after, prop::bool::weighted(0.1));
    let failure = failure.prop_map(|(category, retry_after, maybe_processed)| Failure {
        category,
        retry_after,
        maybe_processed,
    });
    (0..4_u64, 0..3_usize, prop::option::weighted(0.6, failure), any::<bool>())
        .prop_map(|(delay, chunks, failure, is_in_stream)| Plan { delay, chunks, failure, is_in_stream })
}

fn turn() -> impl Strategy<Value = Turn> {
    (
        any::<bool>(),
        prop::option::of(prop::sample::select(vec!["m", "n"])),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.8),
        prop::option::weighted(0.2, 0..8_u64),
        prop::option::weighted(0.2, 0..3_usize),
        prop::sample::select(vec![0, 3, 29, 31, 100]),
    )
        .prop_map(|(is_streamed, model, is_bound, has_retries, patience, chunks, pause)| Turn {
            is_streamed,
            model,
            is_bound,
            has_retries,
            patience,
            chunks,
            pause,
        })
}

fn case() -> impl Strategy<Value = Case> {
    let names = prop::collection::vec(prop::sample::select(vec!["a", "b"]), 3);
    let model = prop::option::weighted(0.3, Just("own"));
    let entries = prop::collection::vec((0..3_usize, model), 1..5);
    let action = prop::sample::select(vec![
        FallbackAction::ReturnError,
        FallbackAction::NextBackend,
        FallbackAction::WaitOnce,
    ]);
    let action = prop::option::weighted(0.3, (prop::sample::select(ErrorCategory::ALL), action));
    (
        names,
        entries,
        prop::collection::vec(plan(), 30),
        prop::collection::vec(turn(), 1..8),
        any::<bool>(),
        action,
    )
        .prop_map(|(names, entries, plans, turns, if_maybe_processed, action)| Case {
            names,
            entries,
            plans,
            turns,
            if_maybe_processed,
            action,
        })
}

/// One request as a backend got it.
#[derive(Clone, Debug)]
struct Attempt {
    entry: usize,
    backend: usize,
    plan: Plan,
    time: Instant,
    request: CompletionRequest,
    /// Distinguishes its texts, messages and ids from those of all others.
    number: usize,
}

impl Attempt {
    fn text(&self) -> String {
        (0..self.plan.chunks).map(|chunk| format!("<{}.{chunk}>", self.number)).collect()
    }

    fn error(&self) -> Option<BackendError> {
        let failure = self.plan.failure.as_ref()?;
        let mut details = ErrorDetails::new(format!("message {}.", self.number))
            .with_request_id(format!("req {}.", self.number))
            .with_maybe_processed(failure.maybe_processed);
        details.retry_after = failure.retry_after.map(seconds);
        Some(BackendError::from_details(failure.category, details))
    }

    /// Whether the caller cannot have got a chunk before the error.
    fn fails_before_chunks(&self, is_streamed: bool) -> bool {
        self.plan.failure.is_some() && (!is_streamed || !self.plan.is_in_stream || self.plan.chunks == 0)
    }

    /// The state is that of the backend, under an origin that all backends share.
    fn reply(&self) -> ScriptedReply {
        let state = ProviderState::new("a", json!(self.backend));
        let last = CompletionChunk::last(FinishReason::Stop, None).with_provider_state(state);
        let chunk = |chunk| Ok(CompletionChunk::text(format!("<{}.{chunk}>", self.number)));
        let chunks = (0..self.plan.chunks).map(chunk);
        let reply = match self.error() {
            Some(error) if self.plan.is_in_stream => chunks.chain([Err(error)]).collect::<Vec<_>>().into(),
            Some(error) => error.into(),
            None => ScriptedReply::from(chunks.chain([Ok(last)]).collect::<Vec<_>>()),
        };
        reply.with_delay(seconds(self.plan.delay))
    }
}

type Log = Arc<Mutex<Vec<Attempt>>>;

/// A backend that follows the plans, whose next one is that of the next request to any backend.
fn planned(backend: usize, name: &str, plans: &[Plan], log: &Log) -> Arc<dyn Backend> {
    let (plans, log) = (plans.to_vec(), Arc::clone(log));
    let reply = ScriptedReply::from_fn(move |request| {
        let mut log = log.lock().unwrap();
        let number = log.len();
        let plan = plans[number % plans.len()].clone();
        let entry = request.metadata["entry"].parse().unwrap();
        let request = request.clone();
        let attempt = Attempt { entry, backend, plan, time: Instant::now(), request, number };
        log.push(attempt.clone());
        attempt.reply()
    });
    Arc::new(ScriptedBackend::new().with_name(name).with_default_reply(reply))
}

/// The error of a turn reports every attempt.
fn check_error(error: &BackendError, attempts: &[Attempt], is_alone: bool) {
    let details = error.details();
    let texts = format!("{} {:?} {:?}", details.message, details.request_id, details.earlier_failures);
    for attempt in attempts {
        let own = attempt.error().unwrap();
        let own = own.details();
        assert!(texts.contains(&own.message), "{texts}");
        assert!(texts.contains(own.request_id.as_deref().unwrap()), "{texts}");
        assert!(is_alone || texts.contains(&format!("entry {}:", attempt.entry)), "{texts}");
        assert!(details.maybe_processed || !own.maybe_processed);
    }
    assert_eq!(details.attempts as usize, attempts.len());
    let has_category = |attempt: &Attempt| attempt.error().unwrap().category() == error.category();
    assert!(attempts.iter().any(has_category));
}

async fn run(case: &Case) {
    let log = Log::default();
    let names = case.names.iter().enumerate();
    let backends: Vec<_> = names.map(|(index, name)| planned(index, name, &case.plans, &log)).collect();
    let mut entries = case.entries.iter().enumerate().map(|(index, (backend, model))| {
        let mut entry = FallbackEntry::new(Arc::clone(&backends[*backend]))
            .with_name(format!("entry {index}"))
            .with_adjustment(move |request| request.with_metadata([("entry", index.to_string())]));
        if let Some(model) = model {
            entry = entry.with_model(*model);
        }
        entry
    });
    let mut fallback = Fallback::new(entries.next().unwrap());
    fallback = entries
        .fold(fallback, Fallback::with_fallback)
        .with_fallback_if_maybe_processed(case.if_maybe_processed);
    if let Some((category, action)) = case.action {
        fallback = fallback.with_action(category, action);
    }
    let mut rules = Rules::new(case);
    let mut conversation = vec![Message::user("Hi")];
    for turn in &case.turns {
        let start = log.lock().unwrap().len();
        let mut request = CompletionRequest::new(conversation.clone());
        request.model = turn.model.map(str::to_owned);
        request.max_retries = (!turn.has_retries).then_some(0);
        if turn.is_bound {
            request = request.with_extra("previous_response_id", "resp_1");
        }
        let patience = seconds(turn.patience.unwrap_or(1_000_000));
        let mut text = String::new();
        let (mut taken, mut is_dropped) = (0, false);
        let outcome = if turn.is_streamed {
            match timeout(patience, fallback.complete_stream(request)).await {
                Ok(Ok(mut stream)) => {
                    let mut last = None;
                    while turn.chunks.is_none_or(|chunks| taken < chunks) {
                        let Some(item) = stream.next().await else { break };
                        taken += 1;
                        text += item.as_ref().map_or("", |chunk| &chunk.delta);
                        last = Some(item);
                    }
                    is_dropped =
                        last.as_ref().is_none_or(|item| item.as_ref().is_ok_and(|chunk| !chunk.is_final));
                    Ok(last.map_or(Ok(None), |item| item.map(|chunk| chunk.provider_state)))
                }
                Ok(Err(error)) => Ok(Err(error)),
                Err(elapsed) => Err(elapsed),
            }
        } else {
            let outcome = timeout(patience, fallback.complete(request)).await;
            outcome.map(|outcome| {
                outcome.map(|response| {
                    text = response.content.unwrap_or_default();
                    response.provider_state
                })
            })
        };
        let now = Instant::now();
        let attempts = log.lock().unwrap()[start..].to_vec();
        let last = rules.check_order(turn, &attempts);
        for attempt in &attempts {
            let pairs = attempt.request.messages.iter().zip(&conversation);
            for (sent, own) in pairs {
                let is_own = own.provider_state.as_ref().is_some_and(|state| *state.data == attempt.backend);
                let expected = is_own.then(|| ProviderState::new("a", attempt.backend));
                assert_eq!(sent.provider_state, expected, "state goes to the backend that made it alone");
                assert_eq!((sent.role, &sent.content), (own.role, &own.content));
            }
            assert_eq!(attempt.request.messages.len(), conversation.len());
        }
        let begins = taken > 0 || (turn.is_streamed && !last.fails_before_chunks(true));
        match outcome {
            // Cancelled while a backend, or the wait for it, was pending.
            Err(_) => assert_eq!(text, ""),
            Ok(Err(error)) => {
                let failure = last.plan.failure.clone().unwrap();
                if begins {
                    assert_eq!(error, last.error().unwrap(), "an error after a chunk is passed on");
                    assert_eq!(text, last.text());
                    rules.begin(last.entry, turn);
                } else {
                    check_error(&error, &attempts, case.entries.len() == 1);
                }
                rules.fail(last.entry, turn, &failure, now);
                rules.check_end(turn, &attempts, &last, now);
            }
            Ok(Ok(state)) => {
                assert!(!last.fails_before_chunks(turn.is_streamed));
                assert!(last.text().starts_with(&text), "{text} of {last:?}");
                rules.begin(last.entry, turn);
                if !is_dropped {
                    assert_eq!(text, last.text());
                    rules.circuits[last.entry] = Circuit::default();
                    let turn = Message { provider_state: state, ..Message::assistant(text) };
                    assert_eq!(*turn.provider_state.as_ref().unwrap().data, last.backend);
                    conversation.extend([turn, Message::user("And?")]);
                }
            }
        }
        for (health, circuit) in fallback.health().iter().zip(&rules.circuits) {
            assert_eq!(health.is_healthy, !circuit.is_open(now), "{health:?}");
            assert_eq!(health.failures, circuit.failures, "{health:?}");
        }
        tokio::time::advance(seconds(turn.pause)).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn property_every_request_follows_the_rules(case in case()) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(&case));
    }
}
