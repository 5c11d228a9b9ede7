//! The Responses API over a WebSocket.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tachikoma_openai_mock::{MockServer, Reply};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::client::{Mock, input, merge, parse_events, sorted};
use crate::document::{check_schema, validator};
use crate::responses::tools;

/// One connection of a client.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>);

impl Socket {
    /// Opens a WebSocket with a key and these further headers.
    pub(crate) async fn open(
        url: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, tungstenite::Error> {
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("authorization", "Bearer sk-test".parse().unwrap());
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        Ok(Self(connect_async(request).await?.0))
    }

    pub(crate) async fn of(mock: &Mock) -> Self {
        Self::open(&mock.server.websocket_url(), &[]).await.unwrap()
    }

    /// Sends a message; a lane, if one is named.
    pub(crate) async fn send(&mut self, body: &Value) {
        let message = merge(body, json!({"type": "response.create"}));
        self.text(&sorted(&message).to_string()).await;
    }

    pub(crate) async fn text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next message, a control frame as its name; none after the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let name = |name: &str| Some(json!(name));
        match self.0.next().await? {
            Ok(Message::Text(text)) => {
                let parsed = serde_json::from_str(&text).map(|value| sorted(&value));
                Some(parsed.unwrap_or(json!({"unreadable": text.as_str()})))
            }
            Ok(Message::Ping(_)) => name("ping"),
            Ok(Message::Pong(_)) => name("pong"),
            Ok(Message::Close(frame)) => Some(json!({"close": frame.map(|frame| u16::from(frame.code))})),
            Ok(_) => name("other"),
            Err(_) => None,
        }
    }

    /// The events up to the end of one response, or an error.
    pub(crate) async fn events(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let event = self.next().await.unwrap();
            let is_end = ["response.completed", "response.incomplete", "response.failed", "error"]
                .contains(&event["type"].as_str().unwrap());
            events.push(event);
            if is_end {
                return events;
            }
        }
    }

    /// The response to a request that must succeed.
    pub(crate) async fn response(&mut self, body: &Value) -> Value {
        self.send(body).await;
        let last = self.events().await.pop().unwrap();
        assert_eq!(last["type"], "response.completed", "{last}");
        last["response"].clone()
    }

    /// The error that a request gets: its status, code, param and lane.
    pub(crate) async fn error(&mut self, body: &Value) -> String {
        self.send(body).await;
        error(&self.events().await.pop().unwrap())
    }

    pub(crate) async fn close(mut self) {
        self.0.close(None).await.unwrap();
        while self.next().await.is_some() {}
    }
}

fn error(event: &Value) -> String {
    assert_eq!(event["type"], "error", "{event}");
    let error = &event["error"];
    assert!(error["message"].is_string() && error["type"].is_string(), "{event}");
    let parts = [&event["status"], &error["code"], &error["param"], &event["stream_id"]];
    parts.map(|part| part.as_str().map_or(part.to_string(), str::to_owned)).join(" ")
}

fn in_lane(lane: &str, body: &Value) -> Value {
    merge(body, json!({"stream_id": lane}))
}

fn after(response: &Value, body: &Value) -> Value {
    merge(body, json!({"previous_response_id": response["id"]}))
}

fn unstored(text: &str) -> Value {
    merge(&input(text), json!({"store": false}))
}

#[tokio::test]
async fn the_events_are_those_of_a_stream() {
    let mock = Mock::start().await;
    for fields in [json!({}), json!({"tools": tools()}), json!({"max_output_tokens": 16})] {
        let body = merge(&input("THINK of TWO"), fields);
        let stream = mock.responses(&merge(&body, json!({"stream": true}))).send().await.unwrap();
        let expected = parse_events(&stream.text().await.unwrap());
        let mut socket = Socket::of(&mock).await;
        socket.send(&body).await;
        assert_eq!(socket.events().await, expected);
        socket.send(&in_lane("a", &body)).await;
        let expected: Vec<Value> = expected.iter().map(|event| in_lane("a", event)).collect();
        assert_eq!(socket.events().await, expected);
        // Azure's path is the same.
        let url = format!("{}/openai/v1/responses", mock.server.azure_endpoint().replacen("http", "ws", 1));
        let mut azure = Socket::open(&url, &[]).await.unwrap();
        azure.send(&in_lane("a", &body)).await;
        assert_eq!(azure.events().await, expected);
    }
}

#[tokio::test]
async fn the_newest_response_of_a_lane_can_be_continued_without_being_stored() {
    let mock = Mock::start().await;
    let mut socket = Socket::of(&mock).await;
    let first = socket.response(&unstored("First.")).await;
    let second = socket.response(&after(&first, &unstored("Second."))).await;
    assert!(second["usage"]["input_tokens"].as_u64() > first["usage"]["input_tokens"].as_u64());
    let not_found = "400 previous_response_not_found previous_response_id null";
    // Only the newest, and not after a failure.
    let third = socket.response(&after(&second, &unstored("Third."))).await;
    assert_eq!(socket.error(&after(&second, &unstored("Fork."))).await, not_found);
    assert_eq!(socket.error(&after(&third, &unstored("Fourth."))).await, not_found);
    let fourth = socket.response(&unstored("Fourth.")).await;
    let mut other = Socket::of(&mock).await;
    assert_eq!(other.error(&after(&fourth, &unstored("Fifth."))).await, not_found);
    // What is stored can be continued from anywhere.
    let stored = socket.response(&after(&fourth, &input("Fifth."))).await;
    other.response(&after(&stored, &input("Sixth."))).await;
    mock.response(&after(&stored, &input("Sixth."))).await;
}

#[tokio::test]
async fn a_failed_fork_leaves_the_parent_to_its_lane() {
    let mock = Mock::start().await;
    let mut socket = Socket::of(&mock).await;
    let parent = socket.response(&in_lane("a", &unstored("First."))).await;
    let misspelt = merge(&after(&parent, &unstored("Fork.")), json!({"temprature": 1}));
    assert_eq!(socket.error(&in_lane("b", &misspelt)).await, "400 unknown_parameter temprature b");
    socket.response(&in_lane("b", &after(&parent, &unstored("Fork.")))).await;
    socket.response(&in_lane("a", &after(&parent, &unstored("Second.")))).await;
}

#[tokio::test]
async fn a_warm_up_generates_nothing_and_can_be_continued() {
    let mock = Mock::with(MockServer::builder().with_reply(Reply::text("Hello."))).await;
    let mut socket = Socket::of(&mock).await;
    let body = merge(&unstored("First."), json!({"generate": false}));
    let warm = socket.response(&body).await;
    assert_eq!((&warm["output"], &warm["usage"]["total_tokens"]), (&json!([]), &json!(0)));
    assert_eq!(mock.server.counters().billed_requests, 0);
    let mut without_input = body.clone();
    without_input.as_object_mut().unwrap().remove("input");
    socket.response(&in_lane("b", &without_input)).await;
    let next = socket.response(&after(&warm, &unstored("Second."))).await;
    // The scripted reply was left for the first request that generates.
    assert_eq!(next["output"][0]["content"][0]["text"], "Hello.");
    assert_eq!(next["usage"]["input_tokens"], 4);
    assert_eq!(mock.server.counters().billed_requests, 1);
}

#[tokio::test]
async fn messages_that_are_refused() {
    let mock = Mock::start().await;
    let mut socket = Socket::of(&mock).await;
    let mut table = String::new();
    for (text, expected) in [
        ("hi", "400 null null null"),
        ("{}", "400 missing_required_parameter type null"),
        (r#"{"type": "response.cancel"}"#, "400 invalid_value type null"),
        (r#"{"type": "response.create", "stream_id": ""}"#, "400 invalid_stream_id stream_id null"),
        (r#"{"type": "response.create", "stream_id": "a"}"#, "400 missing_required_parameter model a"),
        (r#"{"type": "response.create", "model": "m"}"#, "400 missing_required_parameter input null"),
        (r#"{"type": "response.create", "model": "m", "input": 1}"#, "400 invalid_type input null"),
        (
            r#"{"type": "response.create", "model": "m", "input": "hi", "stream": true}"#,
            "400 unsupported_parameter stream null",
        ),
        (
            r#"{"type": "response.create", "model": "m", "input": "hi", "background": true}"#,
            "400 unsupported_parameter background null",
        ),
        (
            r#"{"type": "response.create", "model": "m", "input": "hi", "generate": 1}"#,
            "400 invalid_type generate null",
        ),
        (r#"{"type": "response.create", "model": "m", "input": "hi", "input": "ho"}"#, "400 null null null"),
        (
            r#"{"type": "response.create", "model": "no-such-model", "input": "hi"}"#,
            "404 model_not_found null null",
        ),
    ] {
        socket.text(text).await;
        table.push_str(&format!("{text}\n  {}\n", error(&socket.events().await[0])));
        assert!(table.ends_with(&format!("{expected}\n")), "{table}");
    }
    socket.0.send(Message::binary(vec![1, 2])).await.unwrap();
    assert_eq!(error(&socket.events().await[0]), "400 null null null");
    // The connection goes on after each of them.
    socket.response(&input("hi")).await;
    assert_eq!(mock.server.counters().billed_requests, 1);
}

/// A server whose responses last.
async fn slow() -> Mock {
    Mock::with(MockServer::builder().with_chunk_delay(Duration::from_millis(5))).await
}

#[tokio::test]
async fn lanes_run_side_by_side_and_a_lane_in_its_order() {
    let mock = slow().await;
    let mut socket = Socket::of(&mock).await;
    for (lane, text) in [("a", "One."), ("b", "Two."), ("a", "Three.")] {
        socket.send(&in_lane(lane, &unstored(text))).await;
    }
    let (mut order, mut lanes) = (Vec::new(), Vec::new());
    while order.len() < 6 {
        let event = socket.next().await.unwrap();
        let lane = event["stream_id"].as_str().unwrap().to_owned();
        if ["response.created", "response.completed"].contains(&event["type"].as_str().unwrap()) {
            order.push(format!("{} {lane}", event["type"].as_str().unwrap()));
        }
        lanes.push(lane);
    }
    let of_lane =
        |lane: &str| order.iter().filter(|entry| entry.ends_with(lane)).cloned().collect::<Vec<_>>();
    let turn = |lane: &str| [format!("response.created {lane}"), format!("response.completed {lane}")];
    assert_eq!(of_lane("a"), [turn("a"), turn("a")].concat());
    assert_eq!(of_lane("b"), turn("b"));
    let switches = lanes.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(switches > 5, "the lanes did not alternate: {lanes:?}");
}

#[tokio::test]
async fn the_default_lane_has_one_response_at_a_time() {
    let mock = slow().await;
    let mut socket = Socket::of(&mock).await;
    socket.send(&unstored("One.")).await;
    assert_eq!(socket.next().await.unwrap()["type"], "response.created");
    socket.send(&unstored("Two.")).await;
    socket.send(&in_lane("a", &unstored("Three."))).await;
    let mut ends = BTreeSet::new();
    while ends.len() < 3 {
        let event = socket.next().await.unwrap();
        match event["type"].as_str().unwrap() {
            "error" => ends.insert(error(&event)),
            "response.completed" => ends.insert(format!("completed {}", event["stream_id"])),
            _ => false,
        };
    }
    let expected = ["400 response_already_in_progress null null", "completed \"a\"", "completed null"];
    assert_eq!(ends.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    assert_eq!(mock.server.counters().billed_requests, 2);
}

#[tokio::test]
async fn a_connection_has_limits() {
    let mock = Mock::with(MockServer::builder().with_fault("stall=1".parse().unwrap())).await;
    let mut socket = Socket::of(&mock).await;
    for number in 0..16 {
        socket.send(&in_lane(&format!("lane{number}"), &unstored("hi"))).await;
        assert_eq!(socket.next().await.unwrap()["type"], "response.created");
    }
    assert_eq!(
        socket.error(&in_lane("lane16", &unstored("hi"))).await,
        "400 websocket_response_limit_reached null lane16"
    );
    assert_eq!(mock.server.open_streams().borrow().to_owned(), 16);
    drop(socket);
    mock.server.open_streams().wait_for(|open| *open == 0).await.unwrap();
    assert_eq!(mock.server.counters().cancelled_responses, 16);

    let mock = Mock::start().await;
    let mut socket = Socket::of(&mock).await;
    for number in 0..32 {
        socket.response(&in_lane(&format!("lane{number}"), &unstored("hi"))).await;
    }
    assert_eq!(
        socket.error(&in_lane("lane32", &unstored("hi"))).await,
        "400 websocket_stream_limit_reached stream_id lane32"
    );
    socket.response(&in_lane("lane0", &unstored("hi"))).await;
    socket.response(&unstored("hi")).await;
}

#[tokio::test]
async fn a_broken_stream_goes_on_over_http() {
    let mock = Mock::start().await;
    let mut socket =
        Socket::open(&mock.server.websocket_url(), &[("x-mock-fault", "truncate=3,reset")]).await.unwrap();
    socket.send(&input("hi")).await;
    let mut events = Vec::new();
    while let Some(event) = socket.next().await {
        events.push(event);
    }
    assert_eq!(events.len(), 3);
    let path =
        format!("/responses/{}?stream=true&starting_after=2", events[0]["response"]["id"].as_str().unwrap());
    events.extend(parse_events(&mock.get(&path).send().await.unwrap().text().await.unwrap()));
    let expected = mock.events(&input("hi")).await;
    assert_eq!(events, expected);
}

#[tokio::test]
async fn pings_are_answered_and_scripts_are_played() {
    let config = MockServer::builder()
        .with_reply(Reply::error(429, "rate_limit_exceeded", "Slow down.").with_header("retry-after", "2"))
        .with_reply(Reply::http(503, "<html>"))
        .with_reply(Reply::tool_call("f", json!({"a": 1})));
    let mock = Mock::with(config).await;
    let mut socket = Socket::of(&mock).await;
    socket.0.send(Message::Ping(vec![1].into())).await.unwrap();
    assert_eq!(socket.next().await, Some(json!("pong")));
    socket.send(&input("hi")).await;
    let refused = socket.events().await.pop().unwrap();
    assert_eq!(
        (error(&refused).as_str(), &refused["headers"]),
        ("429 rate_limit_exceeded null null", &json!({"retry-after": "2"}))
    );
    socket.send(&input("hi")).await;
    let refused = socket.events().await.pop().unwrap();
    assert_eq!((&refused["status"], &refused["error"]["message"]), (&json!(503), &json!("<html>")));
    assert_eq!(socket.response(&input("hi")).await["output"][0]["name"], "f");
}

#[tokio::test]
async fn a_response_that_fails_is_not_remembered() {
    let failure = || Reply::failed("server_error", "Something broke.").with_reasoning("Hm.");
    let config =
        MockServer::builder().with_reply(Reply::text("One.")).with_reply(failure()).with_reply(failure());
    let mock = Mock::with(config.with_reply(failure())).await;
    let mut socket = Socket::of(&mock).await;
    let first = socket.response(&unstored("One?")).await;
    socket.send(&after(&first, &unstored("Two?"))).await;
    let events = socket.events().await;
    let schema = validator("ResponseStreamEvent");
    events.iter().for_each(|event| check_schema(&schema, event));
    let last = events.last().unwrap();
    let error = json!({"code": "server_error", "message": "Something broke."});
    assert_eq!(last["type"], "response.failed");
    assert_eq!((&last["response"]["status"], &last["response"]["error"]), (&json!("failed"), &error));
    for previous in [&first, &last["response"]] {
        let refusal = socket.error(&after(previous, &unstored("Three?"))).await;
        assert_eq!(refusal, "400 previous_response_not_found previous_response_id null");
    }
    assert_eq!(mock.events(&input("hi")).await.last().unwrap()["type"], "response.failed");
    assert_eq!(mock.response(&input("hi")).await["error"], error);
}

#[tokio::test]
async fn messages_are_recorded_and_counted() {
    let mock = Mock::start().await;
    let mut socket =
        Socket::open(&mock.server.websocket_url(), &[("openai-organization", "org")]).await.unwrap();
    socket.response(&in_lane("a", &input("hi"))).await;
    let requests = mock.server.requests();
    let methods: Vec<(&str, bool)> =
        requests.iter().map(|request| (request.method.as_str(), request.is_websocket())).collect();
    assert_eq!(methods, [("GET", false), ("WEBSOCKET", true)]);
    let message = &requests[1];
    assert_eq!(
        (message.path.as_str(), message.header("openai-organization")),
        ("/v1/responses", Some("org"))
    );
    assert_eq!(message.header("authorization"), Some("Bearer ***"));
    let body = message.body.clone().unwrap();
    assert_eq!((&body["type"], &body["stream_id"]), (&json!("response.create"), &json!("a")));
    let counters = mock.server.counters();
    assert_eq!((counters.websocket_bytes, counters.http_bytes), (sorted(&body).to_string().len() as u64, 0));
    assert_eq!(
        (counters.open_websockets, counters.opened_websockets, counters.opened_connections),
        (1, 1, 1)
    );
    socket.close().await;
    mock.server.open_websockets().wait_for(|open| *open == 0).await.unwrap();
    let counters = mock.server.counters();
    assert_eq!((counters.open_websockets, counters.cancelled_responses, counters.billed_requests), (0, 0, 1));
}

#[tokio::test]
async fn an_upgrade_needs_a_key_and_a_handshake() {
    let mock = Mock::start().await;
    let mut request = mock.server.websocket_url().into_client_request().unwrap();
    let status = |outcome: Result<_, tungstenite::Error>| match outcome {
        Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
        _ => 0,
    };
    assert_eq!(status(connect_async(request.clone()).await.map(drop)), 401);
    request.headers_mut().insert("api-key", "sk-test".parse().unwrap());
    assert!(connect_async(request).await.is_ok());
    let incomplete = mock.get("/responses").header("upgrade", "websocket").send().await.unwrap();
    assert_eq!(incomplete.status(), 400);
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams_first() {
    let mock = Mock::with(MockServer::builder().with_chunk_delay(Duration::from_secs(60))).await;
    let mut socket = Socket::of(&mock).await;
    socket.send(&input("hi")).await;
    assert_eq!(socket.next().await.unwrap()["type"], "response.created");
    let (_, last) = tokio::join!(mock.server.shutdown(), async {
        let mut last = Value::Null;
        while let Some(event) = socket.next().await {
            if event["close"].is_null() {
                last = event;
            }
        }
        last
    });
    assert_eq!(last["type"], "response.completed");
}

#[tokio::test]
async fn errors_are_as_the_document_says() {
    // The document that is vendored has no schema of these messages: this is the part of them that does not change.
    let mock = Mock::start().await;
    let mut socket = Socket::of(&mock).await;
    socket.send(&in_lane("a", &json!({"model": "m"}))).await;
    let event = socket.events().await.pop().unwrap();
    let expected = json!({
        "type": "error",
        "status": 400,
        "stream_id": "a",
        "error": {
            "type": "invalid_request_error",
            "code": "missing_required_parameter",
            "message": "Missing required parameter: 'input'.",
            "param": "input",
        },
    });
    assert_eq!(event, expected);
    let schema = validator("ResponseStreamEvent");
    socket.send(&input("hi")).await;
    socket.events().await.iter().for_each(|event| check_schema(&schema, event));
}
