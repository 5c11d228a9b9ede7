//! The transcripts of errors, which play back to the same error.

use std::time::Duration;

use tachikoma_backend_codex::Api;
use tachikoma_openai_mock::{Fault, MockServer, Replay};

use super::{backend, config, folder, send, through_trait};

#[tokio::test]
async fn the_transcript_of_an_error_plays_back_to_it() {
    for fault in [
        "status=400",
        "status=401",
        "status=429,retry-after-ms=1",
        "status=500,retry-after-ms=1",
        "truncate=0",
        "truncate=2",
        "truncate=2,reset",
        "stall=2",
        "garbage=2",
        "error=2",
    ] {
        for (is_streamed, retries) in [(false, 0), (true, 0), (true, 1)] {
            for api in [Api::ChatCompletions, Api::Responses] {
                let mock = MockServer::builder().with_fault(fault.parse::<Fault>().unwrap());
                let mock = mock.start().await.unwrap();
                let new = |url: &str| {
                    config(url)
                        .with_api(api)
                        .with_max_retries(retries)
                        .with_min_retry_wait(Duration::from_millis(1))
                        .with_idle_timeout(Duration::from_millis(80))
                        .with_transcripts(true)
                };
                let error = send(&backend(new(mock.base_url())), is_streamed).await.unwrap_err();
                let transcript = error.details().transcript.clone().unwrap();
                let (_folder, path) = folder();
                transcript.write_to(&path).unwrap();
                assert_eq!(std::fs::read_to_string(&path).unwrap().trim_end(), transcript.as_str());
                let replay = MockServer::replay(&path).await.unwrap();
                let again = send(&backend(new(replay.base_url())), is_streamed).await.unwrap_err();
                let compared = |error: &tachikoma_backends_core::BackendError| {
                    (error.category(), error.to_string(), error.details().status)
                };
                assert_eq!(compared(&again), compared(&error), "{fault}, {is_streamed}, {api:?}");
                for text in [format!("{error:?}"), format!("{error:#?}"), error.to_string()] {
                    assert!(!text.contains("messages") && !text.contains("Say hello"), "{text}");
                }
            }
        }
    }
}

#[tokio::test]
async fn errors_have_no_transcript_unless_it_is_set() {
    let mock = MockServer::builder().with_fault("status=400".parse().unwrap()).start().await.unwrap();
    let error = send(&backend(config(mock.base_url())), false).await.unwrap_err();
    assert_eq!(error.details().transcript, None);
}

/// An exchange that is too large has none; a connection that was refused has one.
#[tokio::test]
async fn transcripts_are_bounded() {
    let transcripts = |url: &str| backend(config(url).with_transcripts(true));
    let body = vec![b' '; 5 << 20];
    let url = crate::server::start(crate::server::http(200, "application/json", &body)).await;
    let error = send(&transcripts(&url), false).await.unwrap_err();
    assert_eq!(error.details().transcript, None, "{error}");
    let error = transcripts("http://127.0.0.1:1/v1")
        .try_complete(tachikoma_backends_core::CompletionRequest::user("Hi"))
        .await
        .unwrap_err();
    let transcript = error.transcript().unwrap().clone();
    assert!(transcript.as_str().contains("\"connect\""));
    assert_eq!(through_trait(error).details().transcript.as_ref(), Some(&transcript));
    assert!(Replay::parse(transcript.as_str()).is_ok());
}
