//! Servers that send a secret back, in every shape of a response and in every spelling.

use std::sync::{Arc, Mutex};

use tachikoma_backend_codex::{Api, CodexBackend};

use super::channels::{Channel, Log, Observations};
use super::{Source, own_lines, send};
use crate::server;

/// The responses in which a server echoes a secret, written as `SECRET`.
const ECHOES: &[(&str, u16, &str, &str)] = &[
    (
        "message",
        401,
        "application/json",
        r#"{"error":{"message":"Wrong: Bearer SECRET.","type":"t","code":"c"}}"#,
    ),
    (
        "every field",
        400,
        "application/json",
        r#"{"error":{"message":"SECRET","type":"SECRET","code":"SECRET","param":"SECRET"}}"#,
    ),
    ("only the code", 400, "application/json", r#"{"error":{"code":"SECRET"}}"#),
    ("error is a text", 403, "application/json", r#"{"error":"no SECRET"}"#),
    ("detail", 422, "application/json", r#"{"detail":[{"loc":["header","SECRET"],"msg":"bad SECRET"}]}"#),
    ("an array", 429, "application/json", r#"[{"error":{"message":"SECRET","status":"SECRET"}}]"#),
    ("an unknown shape", 500, "application/json", r#"{"fault":{"headers":{"SECRET":["SECRET"]}}}"#),
    ("a page", 502, "text/html", "<html><title>SECRET</title><body>SECRET</body></html>"),
    ("text", 500, "text/plain", "GET /?key=SECRET failed"),
    ("an event stream", 400, "text/event-stream", "data: {\"error\":{\"message\":\"SECRET\"}}\n\n"),
    ("a redirect", 302, "text/plain", "see SECRET"),
    ("an error in a success", 200, "application/json", r#"{"error":{"message":"SECRET","code":"SECRET"}}"#),
    ("not a response", 200, "application/json", r#"{"SECRET":"SECRET"}"#),
    ("not JSON", 200, "application/json", "hello SECRET"),
    ("JSON of another type", 200, "application/json", r#"{"choices":"SECRET"}"#),
    (
        "an error event",
        200,
        "text/event-stream",
        "data: {\"error\":{\"message\":\"SECRET\",\"code\":\"SECRET\"}}\n\n",
    ),
    (
        "a named error event",
        200,
        "text/event-stream",
        "event: error\ndata: {\"message\":\"SECRET\",\"type\":\"SECRET\"}\n\n",
    ),
    (
        "an error after text",
        200,
        "text/event-stream",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: {\"error\":\"SECRET\"}\n\n",
    ),
    ("an event that is not JSON", 200, "text/event-stream", "data: SECRET\n\n"),
    ("an unknown event", 200, "text/event-stream", "event: SECRET\ndata: {\"SECRET\":1}\n\n"),
    (
        "a failed response",
        200,
        "text/event-stream",
        "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"id\":\"SECRET\",\"status\":\"failed\",\"error\":{\"code\":\"SECRET\",\"message\":\"SECRET\"}}}\n\n",
    ),
    (
        "a success with unknown values",
        200,
        "application/json",
        r#"{"id":"SECRET","model":"SECRET","SECRET":1,"service_tier":"SECRET","choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"SECRET"}]}"#,
    ),
];

/// The ways in which a secret is written in an echo.
fn spellings(secret: &str) -> Vec<String> {
    let (_, bare) = secret.split_once(' ').unwrap_or(("", secret));
    let percent: String = bare
        .bytes()
        .map(|byte| match byte {
            b'-' | b'.' | b'_' => char::from(byte).to_string(),
            _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("%{byte:02x}"),
        })
        .collect();
    let mut spellings = vec![secret.to_owned(), bare.to_owned(), percent, bare.to_ascii_lowercase()];
    if bare.len() > 16 {
        spellings.push(bare[..bare.len() - 3].to_owned());
        spellings.push(bare[6..].to_owned());
    }
    spellings
}

pub(super) async fn echoes(source: Source, log: &Log, observations: &mut Observations) {
    let response = Arc::new(Mutex::new(Vec::new()));
    let url = server::start_changing(Arc::clone(&response)).await;
    let (config, file) = source.config(url.trim_end_matches("/v1"));
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("recording.jsonl");
    let config = config.with_recorder(recording.as_path()).with_transcripts(true);
    let backends = [(Api::ChatCompletions, false), (Api::Responses, false), (Api::ChatCompletions, true)];
    let backends = backends.map(|(api, record_content)| {
        let config = config.clone().with_api(api).with_max_retries(1).with_record_content(record_content);
        (format!("{api:?}, content recorded {record_content}"), CodexBackend::new(config).unwrap())
    });
    for (name, status, content_type, body) in ECHOES {
        for (number, spelling) in spellings(&source.secret()).into_iter().enumerate() {
            let body = body.replace("SECRET", &spelling);
            let head = format!(
                "HTTP/1.1 {status} Whatever\r\ncontent-type: {content_type}\r\nx-request-id: {spelling}\r\n\
                 retry-after-ms: 1\r\nlocation: https://elsewhere.example/{spelling}?key={spelling}\r\n\
                 content-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            *response.lock().unwrap() = [head.as_bytes(), body.as_bytes()].concat();
            for ((backend_name, backend), is_streamed) in
                backends.iter().flat_map(|backend| [(backend, false), (backend, true)])
            {
                // The other spellings take the same paths.
                if number > 0 && backend_name != &backends[0].0 {
                    continue;
                }
                let place = format!("{name}, spelling {number}, {backend_name}, streamed {is_streamed}");
                if let Err(error) = send(backend, is_streamed).await {
                    observations.add_error(&place, error);
                }
                observations.add(Channel::Log, &place, own_lines(&log.take()));
            }
        }
    }
    for (name, backend) in &backends {
        assert!(!backend.unknown_fields().is_empty(), "nothing was counted");
        observations.add(Channel::Counters, name, format!("{:?}", backend.unknown_fields()));
    }
    for line in std::fs::read_to_string(&recording).unwrap().lines() {
        observations.add(Channel::RecorderFile, "an echo", line);
    }
    file.into_iter().for_each(|file| std::fs::remove_file(file).unwrap());
}
