//! Recorded exchanges that are played back.

use std::time::Duration;

use serde_json::{Value, json};
use tachikoma_openai_mock::{MockServer, Replay};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// A line of a recording.
fn line(body: Value, response: Value, end: &str) -> String {
    let request =
        json!({"method": "POST", "path": "/v1/chat/completions", "headers": [], "body": {"json": body}});
    json!({"version": 1, "time": "t", "request": request, "response": response, "end": {"ms": 9_000_000, "kind": end}})
        .to_string()
}

fn response(headers: Value, pieces: Value) -> Value {
    json!({"ms": 1000, "status": 200, "headers": headers, "pieces": pieces})
}

async fn start(lines: &[String], keeps_times: bool) -> MockServer {
    let replay = Replay::parse(&lines.join("\n")).unwrap().with_times(keeps_times);
    MockServer::builder().with_replay(replay).start().await.unwrap()
}

/// Sends a body, and returns all bytes that come back.
async fn raw(server: &MockServer, path: &str, body: &str) -> Vec<u8> {
    let address = server.azure_endpoint().trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await.unwrap();
    let mut received = Vec::new();
    // A connection that breaks may be reset.
    _ = connection.read_to_end(&mut received).await;
    received
}

async fn text(server: &MockServer, body: &str) -> String {
    String::from_utf8_lossy(&raw(server, "/v1/chat/completions", body).await).into_owned()
}

#[tokio::test]
async fn bytes_and_pieces_are_the_recorded_ones() {
    let headers =
        json!([["content-type", "text/event-stream"], ["x-a", "1"], ["x-a", "2"], ["date", "then"]]);
    let pieces =
        json!([{"ms": 1, "text": "data: é"}, {"ms": 2, "base64": "8J8="}, {"ms": 3, "base64": "mIA="}]);
    let server =
        start(&[line(json!({"b": 1, "a": "x"}), response(headers, pieces), "complete")], false).await;
    // The order of fields is irrelevant, and so is white space.
    let received = raw(&server, "/v1/chat/completions", r#"{ "a": "x", "b": 1.0 }"#).await;
    let end = received.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    assert!(head.contains("x-a: 1\r\nx-a: 2\r\n") && head.contains("date: then\r\n"), "{head}");
    assert!(!head.contains("x-request-id") && !head.contains("ratelimit"), "{head}");
    let expected = ["8\r\ndata: é\r\n".as_bytes(), b"2\r\n\xf0\x9f\r\n2\r\n\x98\x80\r\n0\r\n\r\n"].concat();
    assert_eq!(received[end..], expected);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn pieces_come_at_their_times_if_that_is_set() {
    let pieces = json!([{"ms": 2_000, "text": "a"}, {"ms": 7_200_000, "text": "b"}]);
    let lines = [line(json!({}), response(json!([]), pieces), "complete")];
    for (keeps_times, least, most) in [(true, 7_200, 7_210), (false, 0, 10)] {
        let server = start(&lines, keeps_times).await;
        let start = Instant::now();
        let received = text(&server, "{}").await;
        assert!(received.contains("1\r\na\r\n") && received.ends_with("1\r\nb\r\n0\r\n\r\n"), "{received}");
        let elapsed = start.elapsed();
        assert!(elapsed >= Duration::from_secs(least) && elapsed < Duration::from_secs(most), "{elapsed:?}");
    }
}

#[tokio::test]
async fn broken_ends_break_in_the_same_place() {
    let piece = json!([{"ms": 1, "text": "half"}]);
    let length = json!([["content-length", "8"]]);
    let check = async |response: Value, end: &str, expected: &str| {
        let server = start(&[line(json!({}), response, end)], false).await;
        let received = text(&server, "{}").await;
        let body = received.split_once("\r\n\r\n").map_or("nothing", |(_, body)| body);
        assert_eq!(body, expected, "{end}: {received}");
    };
    check(response(json!([]), piece.clone()), "broken", "4\r\nhalf\r\n").await;
    check(response(length, piece.clone()), "broken", "half").await;
    check(response(json!([["content-length", "4"]]), piece), "complete", "half").await;
    check(Value::Null, "lost", "nothing").await;
    check(Value::Null, "connect", "nothing").await;
}

/// What never came does not come, unless the last event of a stream had come.
#[tokio::test]
async fn a_dropped_exchange_is_held() {
    let check = async |last: &str, is_complete: bool| {
        let pieces = json!([{"ms": 1, "text": "data: {}\n\n"}, {"ms": 1, "text": last}]);
        let server = start(&[line(json!({}), response(json!([]), pieces), "dropped")], false).await;
        let request = tokio::time::timeout(Duration::from_millis(300), text(&server, "{}"));
        assert_eq!(request.await.is_ok(), is_complete, "{last}");
    };
    check("data: more\n\n", false).await;
    check("data: [DONE]\n", false).await;
    check("data: [DONE]\n\n", true).await;
    check("event: response.completed\ndata: {\"type\":\"response.completed\"}\n\n", true).await;
}

#[tokio::test]
async fn a_request_that_fits_none_names_the_nearest() {
    let recorded = |text: &str| json!({"model": "m", "messages": [{"role": "user", "content": text}]});
    let answer = response(json!([]), json!([]));
    let lines = ["one", "two"].map(|text| line(recorded(text), answer.clone(), "complete"));
    let server = start(&lines, false).await;
    let check = async |path: &str, body: Value, expected: &str| {
        let received = String::from_utf8(raw(&server, path, &body.to_string()).await).unwrap();
        assert!(
            received.starts_with("HTTP/1.1 400") && received.contains("no_recorded_exchange"),
            "{received}"
        );
        let body: Value = serde_json::from_str(received.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(body["error"]["message"], expected);
    };
    check(
        "/v1/chat/completions",
        json!({"model": "n", "messages": [{"role": "user", "content": "two"}]}),
        "No recorded exchange matches POST /v1/chat/completions. The nearest is line 2 of the recording: $.model is \"m\" there, and \"n\" in the request.",
    )
    .await;
    check(
        "/v1/responses",
        recorded("one"),
        "No recorded exchange matches POST /v1/responses. The nearest is line 1 of the recording: the path is \"/v1/chat/completions\" there, and \"/v1/responses\" in the request.",
    )
    .await;
}

#[tokio::test]
async fn recordings_that_cannot_be_read_name_the_line() {
    let check = |text: &str, expected: &str| {
        let error = Replay::parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let valid = line(json!({}), response(json!([]), json!([])), "complete");
    check(&format!("{valid}\n\n{{}}"), "line 3 is not a recorded exchange: missing field `version`");
    check(
        &valid.replace("\"version\":1", "\"version\":2"),
        "line 1 is not a recorded exchange: its version is 2",
    );
    check(&valid.replace("\"status\":200", "\"status\":20"), "invalid status code");
    check(&valid.replace("\"ms\":1000", "\"ms\":-1.0"), "-1 ms");
    let error = Replay::read("/does/not/exist.jsonl").unwrap_err().to_string();
    assert!(error.contains("/does/not/exist.jsonl"), "{error}");
    let server = start(&[], false).await;
    assert!(text(&server, "{}").await.contains("matches POST /v1/chat/completions: the recording is empty."));
}
