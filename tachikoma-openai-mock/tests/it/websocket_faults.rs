//! Faults of WebSockets, as a client sees them.

use std::time::Duration;

use serde_json::{Value, json};
use tachikoma_openai_mock::{Fault, MockServer};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite;

use crate::client::{Mock, input, merge, ok, parse_events};
use crate::websocket::Socket;

async fn with(fault: &str) -> Mock {
    Mock::with(MockServer::builder().with_fault(fault.parse().unwrap())).await
}

#[tokio::test]
async fn an_upgrade_can_be_refused() {
    for status in [200_u16, 400, 403, 404, 405, 426, 503] {
        let mock = with(&format!("refuse={status},upgrade=nothing,times=1")).await;
        match Socket::open(&mock.server.websocket_url(), &[]).await {
            Err(tungstenite::Error::Http(response)) => assert_eq!(response.status().as_u16(), status),
            _ => panic!("{status} was not refused"),
        }
        // Requests over HTTP and the next upgrade are not concerned.
        mock.response(&input("hi")).await;
        Socket::of(&mock).await.response(&input("hi")).await;
        assert_eq!(mock.server.counters().opened_websockets, 1);
    }
}

/// What a client gets for a request: the number of events, and what came after them.
async fn outcome(mock: &Mock) -> (usize, Vec<Value>) {
    let mut socket = Socket::of(mock).await;
    socket.send(&input("hi")).await;
    let (mut events, mut rest) = (0, Vec::new());
    loop {
        match timeout(Duration::from_millis(200), socket.next()).await {
            Err(_) => rest.push(json!("silence")),
            Ok(None) => rest.push(json!("end")),
            Ok(Some(event)) if event["type"] == "response.completed" => rest.push(json!("completed")),
            Ok(Some(event)) if event["response"].is_object() || event["sequence_number"].is_u64() => {
                events += 1;
                continue;
            }
            Ok(Some(other)) => {
                rest.push(other);
                continue;
            }
        }
        return (events, rest);
    }
}

#[tokio::test]
async fn a_response_can_be_cut_stalled_or_spoilt() {
    let whole = {
        let mock = Mock::start().await;
        outcome(&mock).await.0
    };
    let close = json!({"close": 1001});
    let error = |code: Value| {
        let message = "The server had an error while processing your request. Sorry about that!";
        json!({"type": "error", "error": {"type": "server_error", "code": code, "message": message, "param": null}})
    };
    for (fault, events, rest, billed) in [
        ("truncate=0", 0, vec![close.clone(), json!("end")], 0),
        ("truncate=1", 1, vec![close.clone(), json!("end")], 1),
        ("truncate=5", 5, vec![close.clone(), json!("end")], 1),
        ("truncate=0,reset", 0, vec![json!("end")], 0),
        ("truncate=5,reset", 5, vec![json!("end")], 1),
        ("truncate=1000", whole, vec![json!("completed")], 1),
        ("stall=0", 0, vec![json!("silence")], 0),
        ("stall=5", 5, vec![json!("silence")], 1),
        ("error=0", 0, vec![error(Value::Null), json!("silence")], 0),
        ("error=2,code=overloaded", 2, vec![error(json!("overloaded")), json!("silence")], 1),
        (
            "garbage=2",
            whole,
            vec![json!({"unreadable": "{\"type\":\"response.output_text"}), json!("completed")],
            1,
        ),
        ("split=7", whole, vec![json!("completed")], 1),
        ("slow=20ms", whole, vec![json!("completed")], 1),
        ("half-open", 0, vec![json!("silence")], 0),
    ] {
        let mock = with(fault).await;
        assert_eq!(outcome(&mock).await, (events, rest), "{fault}");
        assert_eq!(mock.server.counters().billed_requests, billed, "{fault}");
        mock.server.open_websockets().wait_for(|open| *open == 0).await.unwrap();
        let connections = mock.server.counters().open_connections;
        assert_eq!(connections, 0, "{fault}");
    }
}

#[tokio::test]
async fn a_connection_with_pings_alone() {
    let mock = with("stall=1,pings").await;
    let mut socket = Socket::of(&mock).await;
    socket.send(&input("hi")).await;
    assert_eq!(socket.next().await.unwrap()["type"], "response.created");
    for _ in 0..5 {
        assert_eq!(socket.next().await, Some(json!("ping")));
    }
}

/// The status, the code and the lane of an error.
fn summary(event: &Value) -> Value {
    json!([event["type"], event["status"], event["error"]["code"], event["stream_id"]])
}

#[tokio::test]
async fn errors_of_a_connection_and_of_a_lane() {
    let lane = merge(&input("hi"), json!({"stream_id": "a"}));
    for (fault, expected) in [
        ("status=500,times=1", json!(["error", 500, null, "a"])),
        ("status=429,times=1", json!(["error", 429, "rate_limit_exceeded", "a"])),
        ("busy,times=1", json!(["error", 400, "response_already_in_progress", "a"])),
        ("connection-limit=0", json!(["error", 400, "websocket_connection_limit_reached", null])),
    ] {
        let mock = with(fault).await;
        let mut socket = Socket::of(&mock).await;
        socket.send(&lane).await;
        assert_eq!(summary(&socket.next().await.unwrap()), expected, "{fault}");
        if fault.starts_with("connection-limit") {
            assert_eq!(socket.next().await, Some(json!({"close": 1001})));
        } else {
            socket.response(&lane).await;
        }
    }
    let mock = with("connection-limit=2").await;
    let (events, rest) = outcome(&mock).await;
    assert_eq!(
        (events, summary(&rest[0])),
        (2, json!(["error", 400, "websocket_connection_limit_reached", null]))
    );
}

#[tokio::test]
async fn a_previous_response_is_lost() {
    let mock = with("previous-not-found,times=1").await;
    let mut socket = Socket::of(&mock).await;
    let unstored = |text: &str| merge(&input(text), json!({"store": false}));
    let first = socket.response(&unstored("One.")).await;
    let next = merge(&unstored("Two."), json!({"previous_response_id": first["id"]}));
    for _ in 0..2 {
        // The failed turn has lost the response for good.
        assert_eq!(socket.error(&next).await, "400 previous_response_not_found previous_response_id null");
    }
    let mock = with("previous-not-found,times=1").await;
    let first = mock.response(&input("One.")).await;
    let next = merge(&input("Two."), json!({"previous_response_id": first["id"]}));
    assert_eq!(mock.responses(&next).send().await.unwrap().status(), 400);
    mock.response(&next).await;
}

#[tokio::test]
async fn a_stalled_lane_does_not_stop_the_others() {
    let mock = with("stall=2,times=1").await;
    let mut socket = Socket::of(&mock).await;
    socket.send(&merge(&input("hi"), json!({"stream_id": "a"}))).await;
    for _ in 0..2 {
        socket.next().await;
    }
    socket.response(&merge(&input("hi"), json!({"stream_id": "b"}))).await;
}

#[tokio::test]
async fn faults_can_be_added_later_and_cut_at_any_byte() {
    let mock = Mock::start().await;
    let stream = merge(&input("hi"), json!({"stream": true}));
    let whole = mock.responses(&stream).send().await.unwrap().text().await.unwrap();
    for bytes in [0, 1, whole.len() / 2, whole.len() - 1] {
        let fault: Fault = format!("truncate={bytes},bytes,times=1").parse().unwrap();
        mock.server.push_fault(fault);
        let cut = mock.responses(&stream).send().await.unwrap().text().await.unwrap();
        assert_eq!(cut, whole[..bytes]);
    }
    assert_eq!(mock.events(&input("hi")).await, parse_events(&whole));
    ok(mock.get("/models")).await;
}
