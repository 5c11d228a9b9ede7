//! Redirects: followed only to the same server, and only where method and body are kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tachikoma_backend_codex::{Azure, CodexBackendConfig};
use tachikoma_backends_core::ErrorCategory;
use tachikoma_openai_mock::MockServer;

use super::{send, start};
use crate::server;

#[tokio::test]
async fn no_redirect_leads_to_another_server() {
    let mock = start(MockServer::builder()).await;
    let moved = |to: &str| format!("HTTP/1.1 307 Moved\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
    let elsewhere = server::start(moved(&format!("{}/chat/completions", mock.base_url()))).await;
    let azure = Azure::new(elsewhere.trim_end_matches("/v1"));
    for config in [
        CodexBackendConfig::new("k").with_base_url(&elsewhere),
        CodexBackendConfig::new("k").with_azure(azure),
    ] {
        let error = send(config).await.unwrap_err();
        assert_eq!((error.category(), error.status()), (ErrorCategory::Configuration, Some(307)), "{error}");
    }
    assert_eq!(mock.requests(), []);
    let in_a_loop = CodexBackendConfig::new("k").with_base_url(server::start(moved("/v1/again")).await);
    let error = send(in_a_loop).await.unwrap_err();
    assert!(error.to_string().contains("more than 10 redirects"), "{error}");
    assert_eq!((error.category(), error.attempts()), (ErrorCategory::Configuration, 11), "{error}");
}

/// A server that redirects the first request to `/other`, and responds to every later one.
async fn redirecting(status: u16) -> (String, Arc<AtomicUsize>) {
    use tokio::io::AsyncWriteExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            server::read_request(&mut connection).await;
            let response = if counted.fetch_add(1, Ordering::SeqCst) == 0 {
                let location = "location: /other?key=0123456789\r\ncontent-length: 0\r\nconnection: close";
                format!("HTTP/1.1 {status} Moved\r\n{location}\r\n\r\n").into_bytes()
            } else {
                server::http(
                    200,
                    "application/json",
                    br#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}"#,
                )
            };
            connection.write_all(&response).await.unwrap();
            let _ = connection.shutdown().await;
        }
    });
    (url, requests)
}

#[tokio::test]
async fn no_redirect_turns_a_request_into_another() {
    for (status, follows) in [(301, false), (302, false), (303, false), (307, true), (308, true)] {
        let (url, requests) = redirecting(status).await;
        let outcome = send(CodexBackendConfig::new("k").with_base_url(&url)).await;
        assert_eq!(requests.load(Ordering::SeqCst), 1 + usize::from(follows), "{status}");
        match outcome {
            Ok(text) => assert_eq!((text.as_str(), follows), ("Hi", true), "{status}"),
            Err(error) => {
                let expected = (ErrorCategory::Configuration, Some(status), 1, false);
                let found = (error.category(), error.status(), error.attempts(), error.is_retryable());
                assert_eq!(found, expected, "{error}");
                let target = url.replace("/v1", "/other");
                assert!(error.to_string().contains(&format!("the server redirects to {target}")), "{error}");
                assert!(error.to_string().contains("with_base_url"), "{error}");
                assert!(!error.to_string().contains("0123456789"), "{error}");
            }
        }
    }
}

/// A caller's client follows redirects by default.
#[tokio::test]
async fn a_response_from_another_server_is_not_read() {
    let mock = start(MockServer::builder()).await;
    let to = format!("{}/chat/completions", mock.base_url());
    let moved = format!("HTTP/1.1 307 Moved\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
    let elsewhere = server::start(moved).await;
    let config = CodexBackendConfig::new("sk-0123456789")
        .with_base_url(&elsewhere)
        .with_header("api-key", "0123456789")
        .with_http_client(reqwest::Client::new());
    let error = send(config).await.unwrap_err();
    assert_eq!((error.category(), error.attempts()), (ErrorCategory::Configuration, 1), "{error}");
    let words = format!("followed a redirect from {}", elsewhere.trim_end_matches("/v1"));
    assert!(error.to_string().contains(&words), "{error}");
    assert!(error.to_string().contains("Policy::none()"), "{error}");
    assert!(!format!("{error} {error:?}").contains("0123456789"), "{error:?}");
    assert_eq!(mock.requests().len(), 1, "the client did not follow the redirect");
}
