//! Limits on time and size, each with an error that names the setting that raises it; and a slow consumer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{
    Backend, BackendError, CollectingStream, CompletionRequest, ErrorCategory, Message,
};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::server::{self, http, read_request};

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
const HEL: &[u8] = b"data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\n";

fn request() -> CompletionRequest {
    CompletionRequest::new(vec![Message::user("Hi")])
}

fn config(url: &str) -> CodexBackendConfig {
    CodexBackendConfig::new("sk-test").with_base_url(url).with_max_retries(0)
}

async fn stream(config: CodexBackendConfig) -> Result<(), BackendError> {
    let stream = CodexBackend::new(config)?.complete_stream(request()).await?;
    CollectingStream::new(stream).collect().await?;
    Ok(())
}

/// A server that sends `start` and then a comment every few milliseconds, forever.
async fn keep_alive(start: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        read_request(&mut connection).await;
        let mut next = start;
        while connection.write_all(next).await.is_ok() {
            next = b": keep-alive\n\n";
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    url
}

#[tokio::test]
async fn time() {
    let limit = Duration::from_millis(100);
    let only_head: &[u8] = HEAD;
    let some_text: &[u8] = Box::leak([HEAD, HEL].concat().into_boxed_slice());
    let whole: &[u8] = Box::leak(
        [HEAD, HEL, b"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"]
            .concat()
            .into_boxed_slice(),
    );
    type Limit = fn(CodexBackendConfig, Duration) -> CodexBackendConfig;
    let rows: [(&'static [u8], Limit, &str); 4] = [
        (
            only_head,
            |config, limit| config.with_first_content_timeout(limit),
            "the server sent no content within 100ms",
        ),
        (
            only_head,
            |config, limit| config.with_progress_timeout(limit),
            "kept the connection alive but sent no content within 100ms",
        ),
        (some_text, |config, limit| config.with_progress_timeout(limit), "with_progress_timeout"),
        // Comments reset the idle timeout, but not the progress timeout.
        (
            some_text,
            |config, limit| config.with_idle_timeout(limit).with_progress_timeout(limit * 3),
            "within 300ms",
        ),
    ];
    for (start, set, words) in rows {
        let error = stream(set(config(&keep_alive(start).await), limit)).await.unwrap_err();
        assert_eq!(error.category(), ErrorCategory::Timeout, "{error}");
        assert!(error.is_retryable() && error.to_string().contains(words), "{words:?} is not in {error}");
        assert!(error.to_string().contains("may have been processed and billed"), "{error}");
    }
    // Each byte would reset an idle timeout.
    for head in [&b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"[..], HEAD]
    {
        let config = config(&keep_alive(head).await).with_response_timeout(limit);
        let error = CodexBackend::new(config).unwrap().complete(request()).await.unwrap_err();
        assert!(error.to_string().contains("did not end within 100ms"), "{error}");
    }
    let config = config(&keep_alive(whole).await).with_total_timeout(limit);
    let error = CodexBackend::new(config).unwrap().complete(request()).await.unwrap_err();
    assert!(error.to_string().contains("the whole response did not arrive within 100ms"), "{error}");
}

#[tokio::test]
async fn size() {
    let call = r#"{"index":INDEX,"id":"INDEX","function":{"name":"f","arguments":"{}"}}"#;
    let calls: Vec<_> = (0..3).map(|index| call.replace("INDEX", &index.to_string())).collect();
    let calls = calls.join(",");
    let whole =
        format!(r#"{{"choices":[{{"message":{{"tool_calls":[{calls}]}},"finish_reason":"tool_calls"}}]}}"#);
    let streamed = format!("data: {}\n\n", whole.replace("message", "delta"));
    let whole = server::start(http(200, "application/json", whole.as_bytes())).await;
    let streamed = server::start(http(200, "text/event-stream", streamed.as_bytes())).await;

    let few = |url: &str| config(url).with_max_tool_calls(2);
    let complete = async |config| CodexBackend::new(config).unwrap().complete(request()).await.map(|_| ());
    for (outcome, words) in [
        (complete(few(&whole)).await, "more than 2 tool calls"),
        (stream(few(&streamed)).await, "more than 2 tool calls"),
        (complete(config(&whole).with_max_body_bytes(100)).await, "larger than 100 bytes"),
        (stream(config(&streamed).with_max_event_bytes(100)).await, "more than 100 bytes"),
    ] {
        let error = outcome.unwrap_err();
        assert_eq!(error.category(), ErrorCategory::Parse, "{error}");
        assert!(error.to_string().contains(words), "{words:?} is not in {error}");
        assert!(error.to_string().contains("with_max_"), "no setting is named: {error}");
    }
    assert_eq!(complete(config(&whole).with_max_tool_calls(3)).await, Ok(()));
    assert_eq!(stream(config(&streamed).with_max_tool_calls(3)).await, Ok(()));
}

#[tokio::test]
async fn a_slow_consumer_slows_the_sender() {
    const EVENTS: usize = 1_000_000;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = sent.clone();
    let server = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        read_request(&mut connection).await;
        connection.write_all(HEAD).await.unwrap();
        for _ in 0..EVENTS {
            connection.write_all(HEL).await.unwrap();
            counter.fetch_add(HEL.len(), Ordering::Relaxed);
        }
    });
    let backend = CodexBackend::new(config(&url)).unwrap();
    let mut stream = backend.complete_stream(request()).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().delta, "Hel");
    // While the consumer does nothing, the sender can only fill the buffers of the sockets.
    assert!(
        tokio::time::timeout(Duration::from_millis(500), server).await.is_err(),
        "the sender was not slowed down"
    );
    let sent = sent.load(Ordering::Relaxed);
    assert!(sent < 16 << 20, "{sent} bytes were received before the consumer asked for them");
}
