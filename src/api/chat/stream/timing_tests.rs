//! When a stream ends, over time: grace after a finish reason, silence, broken connections.

use std::time::Duration;

use futures::{StreamExt, stream};
use tachikoma_backends_core::{CompletionChunk, ErrorCategory};
use tokio::time::{Instant, sleep};

use super::ChatStream;
use crate::CodexError;
use crate::runtime::Reliability;
use crate::runtime::decoder::Piece;
use crate::runtime::events::SseSource;
use crate::runtime::stream::{Observer, chunks};
use crate::runtime::transport::{Body, Bytes};
use crate::runtime::unknown::UnknownFields;

struct Unobserved;

impl Observer for Unobserved {
    fn piece(&mut self, _: &Piece) {}
    fn end(&mut self, _: UnknownFields, _: &Result<CompletionChunk, CodexError>) {}
}

/// What a server does next.
enum Step {
    /// Waits for so many seconds.
    Wait(u64),
    Send(&'static str),
    /// Breaks the connection.
    Break,
    /// Sends nothing more, and leaves the connection open.
    Silence,
}
use Step::{Break, Send, Silence, Wait};

const ONE: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"one\"}}]}\n\n";
const TWO: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" two\"}}]}\n\n";
const STOP: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const TWO_AND_STOP: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" two\"},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\n";
const EMPTY: &str = "data: {\"choices\":[]}\n\n";
const COMMENT: &str = ": keep-alive\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn body(steps: impl IntoIterator<Item = Step>, reliability: &Reliability) -> Body {
    let pieces: Vec<_> = steps.into_iter().collect();
    let pieces = stream::iter(pieces).filter_map(async |step| match step {
        Send(bytes) => Some(Ok(Bytes::from_static(bytes.as_bytes()))),
        Break => Some(Err(reqwest::Client::new().get("no URL").build().unwrap_err())),
        Wait(seconds) => {
            sleep(Duration::from_secs(seconds)).await;
            None
        }
        Silence => std::future::pending().await,
    });
    Body::from_pieces(pieces, reliability)
}

/// A text with the number of its tokens, or the category of an error with what had arrived; and when it came, in seconds.
async fn read(
    steps: impl IntoIterator<Item = Step>,
    reliability: Reliability,
) -> (Result<(String, u64), (ErrorCategory, String)>, u64) {
    let start = Instant::now();
    let body = body(steps, &reliability);
    let decoder = Box::new(ChatStream::new(crate::api::ResponseContext::default()));
    let source = SseSource::new(body, reliability.max_event_bytes);
    let mut chunks = chunks::<CodexError>(source, decoder, &reliability, Unobserved);
    let mut text = String::new();
    let outcome = loop {
        match chunks.next().await.unwrap() {
            Ok(chunk) => {
                text.push_str(&chunk.delta);
                if chunk.is_final {
                    break Ok((text, chunk.usage.map_or(0, |usage| usage.total_tokens.into())));
                }
            }
            Err(error) => {
                assert!(error.details().maybe_processed, "{error}");
                assert_eq!(error.request_id(), Some("req_1"));
                break Err((error.category(), text));
            }
        }
    };
    assert!(chunks.next().await.is_none());
    (outcome, start.elapsed().as_secs())
}

fn repeat(times: usize, steps: impl Fn() -> Vec<Step>) -> Vec<Step> {
    (0..times).flat_map(|_| steps()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_stream() {
    async fn check(
        name: &str,
        steps: Vec<Step>,
        expected: Result<(&str, u64), (ErrorCategory, &str)>,
        seconds: u64,
    ) {
        let (outcome, elapsed) = read(steps, Reliability::default()).await;
        let outcome = outcome.as_ref().map(|(text, tokens)| (text.as_str(), *tokens));
        let outcome = outcome.map_err(|(category, text)| (*category, text.as_str()));
        assert_eq!((outcome, elapsed), (expected, seconds), "{name}");
    }
    let truncated = |text| Err((ErrorCategory::TruncatedStream, text));
    check("silence after a finish reason", vec![Send(ONE), Send(STOP), Silence], Ok(("one", 0)), 10).await;
    check(
        "a connection that breaks after a finish reason",
        vec![Send(ONE), Send(STOP), Break],
        Ok(("one", 0)),
        0,
    )
    .await;
    check(
        "content after a finish reason, and silence",
        vec![Send(ONE), Send(STOP), Send(TWO), Silence],
        truncated("one two"),
        10,
    )
    .await;
    check(
        "content after a finish reason, and a connection that breaks",
        vec![Send(ONE), Send(STOP), Wait(3), Send(TWO), Break],
        Err((ErrorCategory::Network, "one two")),
        3,
    )
    .await;
    check(
        "content after a finish reason, and a polite end",
        vec![Send(ONE), Send(STOP), Wait(9), Send(TWO), Wait(9)],
        Ok(("one two", 0)),
        18,
    )
    .await;
    let words = repeat(7, || vec![Send(TWO_AND_STOP), Wait(2)]);
    check("a finish reason on every chunk", words, Ok((" two two two two two two two", 0)), 14).await;
    let mut words = repeat(7, || vec![Send(TWO_AND_STOP), Wait(2)]);
    words.extend([Send(DONE), Silence]);
    check("a finish reason on every chunk, and [DONE]", words, Ok((" two two two two two two two", 0)), 14)
        .await;
    let mut comments = vec![Send(ONE), Send(STOP)];
    comments.extend(repeat(20, || vec![Wait(1), Send(COMMENT)]));
    check("comments after a finish reason", comments, Ok(("one", 0)), 10).await;
    let mut events = vec![Send(ONE), Send(STOP)];
    events.extend(repeat(5, || vec![Wait(4), Send(EMPTY)]));
    events.push(Silence);
    check("events after a finish reason", events, Ok(("one", 0)), 30).await;
    check(
        "usage after a finish reason",
        vec![Send(ONE), Send(STOP), Wait(8), Send(USAGE), Send(DONE), Silence],
        Ok(("one", 3)),
        8,
    )
    .await;
    check(
        "[DONE], and a connection that stays open",
        vec![Send(ONE), Send(STOP), Send(DONE), Silence],
        Ok(("one", 0)),
        0,
    )
    .await;
    check("no finish reason, and a polite end", vec![Send(ONE)], truncated("one"), 0).await;
    check(
        "no finish reason, and a broken connection",
        vec![Send(ONE), Break],
        Err((ErrorCategory::Network, "one")),
        0,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_timeout_may_be_shorter_than_the_wait_after_a_finish_reason() {
    let reliability = Reliability { idle_timeout: Duration::from_secs(2), ..Reliability::default() };
    let (outcome, elapsed) = read([Send(ONE), Send(STOP), Silence], reliability).await;
    assert_eq!((outcome, elapsed), (Ok(("one".to_owned(), 0)), 2));
    let (outcome, elapsed) = read([Send(ONE), Send(STOP), Send(TWO), Silence], reliability).await;
    assert_eq!((outcome, elapsed), (Err((ErrorCategory::Timeout, "one two".to_owned())), 2));
}
