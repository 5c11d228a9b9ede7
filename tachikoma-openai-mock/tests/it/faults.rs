//! Faults that are injected on purpose, as a client sees them.

use std::time::{Duration, Instant};

use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tachikoma_openai_mock::{MockServer, Reply};

use crate::client::{Mock, ask, input, merge, sorted};
use crate::refusals::refused;

/// A request whose stream has five events: the role, two words, the reason and `[DONE]`.
fn short(stream: bool) -> Value {
    merge(&ask("hi"), json!({"max_tokens": 2, "stream": stream}))
}

/// The part of a body that arrived, and how it ended.
async fn read(mut response: Response) -> (String, &'static str) {
    let mut body = Vec::new();
    let end = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break "end",
            Err(_) => break "broken",
        }
    };
    (String::from_utf8(body).unwrap(), end)
}

/// A summary of a body: the delta of each event, or the kind of a plain body.
fn summary(body: &str, plain: &str) -> String {
    let json = |text: &str| serde_json::from_str::<Value>(text).ok().map(|value| sorted(&value));
    let event = |event: &str| match json(event.trim_start_matches("data: ")) {
        Some(chunk) if chunk["choices"].is_array() => chunk["choices"][0]["delta"].to_string(),
        _ => event.to_owned(),
    };
    match json(body) {
        Some(response) if response["choices"].is_array() => "the response".to_owned(),
        Some(other) => other.to_string(),
        None if body.starts_with("data: ") => {
            body.split_terminator("\n\n").map(event).collect::<Vec<_>>().join("\n    ")
        }
        None if plain.starts_with(body) => format!("the first {} bytes of the response", body.len()),
        None => format!("{} bytes that are not JSON", body.len()),
    }
}

async fn outcome(request: RequestBuilder, plain: &str) -> String {
    let response = request.send().await.unwrap();
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let head = format!("{} {}", response.status().as_u16(), header("content-type").unwrap());
    let retry = header("retry-after").map(|value| format!(", retry-after {value}")).unwrap_or_default();
    let (body, end) = read(response).await;
    format!("{head}{retry}, {end}\n    {}", summary(&body, plain))
}

#[tokio::test]
async fn every_fault_of_a_stream_and_of_a_plain_response() {
    let mock = Mock::start().await;
    let plain = mock.chat(&short(false)).send().await.unwrap().text().await.unwrap();
    let mut table = String::new();
    for fault in [
        "status=500",
        "status=429,retry-after=2",
        "status=503,code=overloaded,retry-after=Wed, 01 Jan 2025 00:00:00 GMT",
        "status=429,code=insufficient_quota",
        "truncate=0",
        "truncate=2",
        "truncate=0,reset",
        "truncate=2,reset",
        "truncate=100",
        "garbage=1",
        "error=0",
        "error=2,code=server_overloaded",
        "split=1",
        "slow=1ms",
        "content-type=text/html",
    ] {
        for stream in [true, false] {
            let request = mock.chat(&short(stream)).header("x-mock-fault", fault);
            let kind = if stream { "stream" } else { "plain" };
            table.push_str(&format!("{fault}\n  {kind}: {}\n", outcome(request, &plain).await));
        }
    }
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn a_stall_lasts_until_the_server_stops() {
    let check = async |stream: bool, fault: &str, expected: usize| {
        let mock = Mock::start().await;
        let mut response = mock.chat(&short(stream)).header("x-mock-fault", fault).send().await.unwrap();
        let mut chunks = 0;
        while chunks < expected {
            response.chunk().await.unwrap().unwrap();
            chunks += 1;
        }
        // What is not stalled is sent to its end by a server that stops.
        let (rest, ()) = tokio::join!(read(response), mock.server.shutdown());
        assert_eq!(rest, (String::new(), "broken"), "{fault}");
    };
    check(true, "stall=0", 0).await;
    check(true, "stall=3", 3).await;
    check(false, "stall=0", 0).await;
    check(false, "stall=2", 2).await;
}

#[tokio::test]
async fn a_stalled_stream_is_open_until_its_client_leaves() {
    let mock = Mock::with(MockServer::builder().with_fault("stall".parse().unwrap())).await;
    let mut open = mock.server.open_streams();
    let response = mock.chat(&short(true)).send().await.unwrap();
    assert_eq!(*open.borrow_and_update(), 1);
    drop(response);
    open.wait_for(|open| *open == 0).await.unwrap();
}

#[tokio::test]
async fn split_bytes_come_one_by_one() {
    let check = async |stream: bool, bytes: usize| {
        let mock = Mock::start().await;
        let fault = format!("split={bytes}");
        let mut response = mock.chat(&short(stream)).header("x-mock-fault", fault).send().await.unwrap();
        let mut sizes = Vec::new();
        while let Some(chunk) = response.chunk().await.unwrap() {
            sizes.push(chunk.len());
        }
        assert!(sizes.len() > 10 && sizes.iter().all(|size| *size <= bytes), "{sizes:?}");
    };
    check(true, 1).await;
    check(true, 7).await;
    check(false, 1).await;
    check(false, 7).await;
}

#[tokio::test]
async fn a_slow_response_is_late_and_complete() {
    let mock = Mock::start().await;
    for stream in [true, false] {
        let start = Instant::now();
        let request = mock.chat(&short(stream)).header("x-mock-fault", "slow=30ms");
        let (body, end) = read(request.send().await.unwrap()).await;
        assert!(start.elapsed() >= Duration::from_millis(30), "{:?}", start.elapsed());
        assert_eq!((end, body.contains("Hello!")), ("end", true));
    }
}

#[tokio::test]
async fn two_calls_can_share_their_index_or_their_id() {
    let script = || Reply::tool_call("f", json!({})).and_tool_call("g", json!({}));
    let check = async |fault: &str, stream: bool, expected: Value| {
        let mock =
            Mock::with(MockServer::builder().with_reply(script()).with_fault(fault.parse().unwrap())).await;
        let answers = match stream {
            true => mock.chunks(&ask("hi")).await,
            false => vec![mock.answer(&ask("hi")).await],
        };
        let mut ids: Vec<Value> = Vec::new();
        let mut found = Vec::new();
        for answer in answers {
            let message = &answer["choices"][0][if stream { "delta" } else { "message" }];
            let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
            for call in calls.iter().filter(|call| call["id"].is_string()) {
                if !ids.contains(&call["id"]) {
                    ids.push(call["id"].clone());
                }
                let id = ids.iter().position(|id| *id == call["id"]);
                found.push(json!([call["function"]["name"], call["index"], id]));
            }
        }
        assert_eq!(json!(found), expected, "{fault}");
    };
    check("duplicate=index", true, json!([["f", 0, 0], ["g", 0, 1]])).await;
    check("duplicate=id", true, json!([["f", 0, 0], ["g", 1, 0]])).await;
    check("duplicate=index", false, json!([["f", null, 0], ["g", null, 1]])).await;
    check("duplicate=id", false, json!([["f", null, 0], ["g", null, 0]])).await;
}

#[tokio::test]
async fn faults_can_run_out() {
    let config = MockServer::builder()
        .with_fault("status=500,times=1".parse().unwrap())
        .with_fault("status=429,times=2".parse().unwrap())
        .with_reply(Reply::text("mine"));
    let mock = Mock::with(config).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(mock.chat(&ask("hi")).send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [500, 429, 429]);
    // A scripted reply waits for a request that is answered.
    assert_eq!(mock.answer(&ask("hi")).await["choices"][0]["message"]["content"], "mine");
}

#[tokio::test]
async fn the_fault_of_a_header_applies_instead() {
    let mock = Mock::with(MockServer::builder().with_fault("status=500".parse().unwrap())).await;
    let status = async |fault: &str| {
        let request = mock.chat(&ask("hi")).header("x-mock-fault", fault);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(status("status=503,times=1").await, 503);
    assert_eq!(status("status=503,times=1").await, 200);
    assert_eq!(mock.get("/models").send().await.unwrap().status().as_u16(), 500);
}

#[tokio::test]
async fn a_refused_request_has_no_fault() {
    let mock = Mock::start().await;
    let check = async |request: RequestBuilder, fault: &str, expected: &str| {
        let refusal = refused(request.header("x-mock-fault", fault)).await;
        assert!(refusal.starts_with(expected), "{refusal}");
    };
    check(mock.chat(&json!({})), "truncate=0", r#"400 "missing_required_parameter" "model""#).await;
    check(mock.get("/nothing"), "status=500", "404").await;
    check(
        mock.chat(&ask("hi")),
        "explode",
        r#"400 null "x-mock-fault" "x-mock-fault: invalid fault 'explode': expected status=N, truncate,"#,
    )
    .await;
    let anonymous = reqwest::Client::new().get(format!("{}/models", mock.server.base_url()));
    check(anonymous, "status=500", "401").await;
}

/// The body of a request for this path, and whether its response is a stream; `None` stands for GET.
fn body_for(path: &str, stream: bool) -> Option<Value> {
    let end = path.split('?').next().unwrap().rsplit('/').next().unwrap();
    match end {
        "completions" => Some(short(stream)),
        "responses" => Some(merge(&input("hi"), json!({"stream": stream}))),
        "embeddings" => Some(json!({"model": "m", "input": "hi"})),
        _ => None,
    }
}

#[tokio::test]
async fn every_path_that_is_served_takes_faults() {
    let mock = Mock::start().await;
    let send = async |path: &str, stream: bool, fault: &str| {
        let url = format!("{}{path}", mock.server.azure_endpoint());
        let client = reqwest::Client::new();
        let request = match body_for(path, stream) {
            Some(body) => client.post(url).body(sorted(&body).to_string()),
            None => client.get(url),
        };
        let response = request.bearer_auth("k").header("x-mock-fault", fault).send().await.unwrap();
        let status = response.status().as_u16();
        (status, read(response).await)
    };
    let chat_error = "data: {\"error\":{\"message\":\"The server had an error";
    let chat_garbage = "data: {\"choices\":[{\"delta\":{\"content\n\n";
    let responses_error = "event: error\ndata: {\"type\":\"error\"";
    let responses_garbage = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text\n\n";
    for (path, error, garbage) in [
        ("/v1/chat/completions", chat_error, chat_garbage),
        ("/openai/v1/chat/completions", chat_error, chat_garbage),
        ("/openai/deployments/d/chat/completions?api-version=1", chat_error, chat_garbage),
        ("/v1/responses", responses_error, responses_garbage),
        ("/openai/v1/responses", responses_error, responses_garbage),
        ("/openai/responses?api-version=1", responses_error, responses_garbage),
    ] {
        let check = async |fault: &str, expected: &str| {
            let (status, (body, end)) = send(path, true, fault).await;
            assert_eq!((status, end), (200, "end"), "{path} {fault}");
            assert!(body.contains(expected), "{path} {fault}: {body}");
        };
        check("error=1", error).await;
        check("garbage=1", garbage).await;
        let (_, (body, end)) = send(path, true, "truncate=1,reset").await;
        assert_eq!((end, body.matches("data: ").count()), ("broken", 1), "{path}: {body}");
    }
    for path in [
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/responses/resp_1",
        "/v1/responses/resp_1/input_items",
        "/v1/embeddings",
        "/v1/models",
        "/v1/models/gpt-4o",
        "/openai/v1/chat/completions",
        "/openai/v1/responses",
        "/openai/v1/responses/resp_1",
        "/openai/v1/embeddings",
        "/openai/v1/models",
        "/openai/responses?api-version=1",
        "/openai/responses/resp_1?api-version=1",
        "/openai/models?api-version=1",
        "/openai/deployments/d/chat/completions?api-version=1",
        "/openai/deployments/d/embeddings?api-version=1",
    ] {
        let (status, (body, _)) = send(path, false, "status=503,code=overloaded").await;
        assert_eq!(status, 503, "{path}");
        assert!(body.contains(r#""code":"overloaded""#), "{path}: {body}");
        if !path.contains("resp_1") {
            let (status, (body, end)) = send(path, false, "truncate=1,reset").await;
            assert_eq!((status, body.len(), end), (200, 64, "broken"), "{path}");
            let (_, (body, _)) = send(path, false, "error").await;
            assert!(body.starts_with(r#"{"error":{"message":"The server had an error"#), "{path}: {body}");
        }
    }
}
