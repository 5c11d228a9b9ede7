//! Streamed responses: their events, alone and with faults.

use serde_json::{Value, json};
use tachikoma_openai_mock::{MockServer, Reply};

use crate::client::{Mock, input, merge, sorted};
use crate::responses::tools;

/// An event on a line, without what the whole response repeats.
fn line(event: &Value) -> String {
    let mut event = event.as_object().unwrap().clone();
    let kind = event.remove("type").unwrap();
    if let Some(response) = event.get_mut("response") {
        let items = response["output"].as_array().unwrap().len();
        *response = json!(format!("{} with {items} items", response["status"].as_str().unwrap()));
    }
    format!("{} {}", kind.as_str().unwrap(), sorted(&event.into()))
}

fn lines(events: &[Value]) -> String {
    events.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_stream_of_words() {
    let request = merge(&input("hi"), json!({"max_output_tokens": 16}));
    insta::assert_snapshot!(lines(&Mock::start().await.events(&request).await));
}

#[tokio::test]
async fn a_stream_of_thinking_and_calls() {
    let fields = json!({"tools": tools(), "store": false, "include": ["reasoning.encrypted_content"]});
    let request = merge(&input("THINK of TWO"), fields);
    insta::assert_snapshot!(lines(&Mock::start().await.events(&request).await));
}

#[tokio::test]
async fn a_stream_of_a_refusal() {
    let mock = Mock::with(MockServer::builder().with_reply(Reply::refusal("I will not."))).await;
    insta::assert_snapshot!(lines(&mock.events(&input("hi")).await));
}

/// What the deltas of each item add up to.
fn collected(events: &[Value]) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for event in events {
        match event["type"].as_str().unwrap() {
            "response.output_item.added" => texts.push(String::new()),
            kind if kind.ends_with(".delta") => {
                let index = event["output_index"].as_u64().unwrap() as usize;
                texts[index].push_str(event["delta"].as_str().unwrap());
            }
            _ => {}
        }
    }
    texts
}

#[tokio::test]
async fn events_add_up_to_the_plain_response() {
    let mock = Mock::start().await;
    let check = async |request: Value| {
        let events = mock.events(&request).await;
        // The id follows from the bytes of the request.
        let plain = mock.response(&merge(&request, json!({"stream": false}))).await;
        let summary = |item: &Value| {
            let fields = [&item["summary"][0]["text"], &item["content"][0]["text"], &item["arguments"]];
            fields.into_iter().find_map(Value::as_str).unwrap().to_owned()
        };
        let items = plain["output"].as_array().unwrap();
        assert_eq!(collected(&events), items.iter().map(summary).collect::<Vec<_>>());
        let last = &events.last().unwrap()["response"];
        let done = events.iter().filter(|event| event["type"] == "response.output_item.done");
        assert_eq!(last["output"], done.map(|event| event["item"].clone()).collect::<Value>());
        for field in ["status", "incomplete_details", "usage", "model", "metadata", "tools"] {
            assert_eq!(last[field], plain[field], "{field}");
        }
    };
    check(input("hi")).await;
    check(input("Grüße, 漢字漢字漢字漢字 🦀🦀🦀🦀🦀 \u{2028}\r\n.")).await;
    check(input("THINK")).await;
    check(merge(&input("THINK"), json!({"max_output_tokens": 16}))).await;
    check(merge(&input("THINK of TWO"), json!({"tools": tools(), "metadata": {"a": "b"}}))).await;
    check(merge(&input("hi, in JSON"), json!({"text": {"format": {"type": "json_object"}}}))).await;
}

/// The types of what arrived, and how it ended.
async fn outcome(mock: &Mock, fault: &str) -> String {
    let request = merge(&input("hi"), json!({"max_output_tokens": 16, "stream": true}));
    let mut response = mock.responses(&request).header("x-mock-fault", fault).send().await.unwrap();
    let head =
        format!("{} {}", response.status().as_u16(), response.headers()["content-type"].to_str().unwrap());
    let mut body = Vec::new();
    let end = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break "end",
            Err(_) => break "broken",
        }
    };
    let body = String::from_utf8(body).unwrap();
    let summary = |event: &str| {
        let (name, data) = event.split_once('\n').unwrap_or((event, ""));
        match serde_json::from_str::<Value>(data.trim_start_matches("data: ")) {
            Ok(data) if data["type"] != "error" => name.to_owned(),
            _ => event.replace('\n', "\n    "),
        }
    };
    let events: Vec<String> = body.split_terminator("\n\n").map(summary).collect();
    let events = match events.as_slice() {
        [first, .., last] if events.len() > 5 => {
            format!("{first}\n    ({} more)\n    {last}", events.len() - 2)
        }
        few => few.join("\n    "),
    };
    format!("{fault}: {head}, {end}\n    {events}\n")
}

#[tokio::test]
async fn faults_of_a_stream() {
    let mock = Mock::start().await;
    let mut table = String::new();
    for fault in [
        "status=429,retry-after=2",
        "truncate=0",
        "truncate=2",
        "truncate=2,reset",
        "truncate=100",
        "error=0",
        "error=2,code=server_overloaded",
        "split=1",
        "slow=1ms",
        "content-type=text/html",
    ] {
        table.push_str(&outcome(&mock, fault).await);
    }
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn garbage_is_an_event_that_cannot_be_read() {
    let request = merge(&input("hi"), json!({"stream": true}));
    let mock = Mock::start().await;
    let text = mock
        .responses(&request)
        .header("x-mock-fault", "garbage=1")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let garbage = text.split_terminator("\n\n").nth(1).unwrap();
    assert_eq!(garbage, "event: response.output_text.delta\ndata: {\"type\":\"response.output_text");
    assert!(text.contains("event: response.completed\n"), "{text}");
}

#[tokio::test]
async fn a_plain_response_can_be_nothing_but_an_error() {
    let mock = Mock::start().await;
    let response = mock.responses(&input("hi")).header("x-mock-fault", "error").send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(response.json::<Value>().await.unwrap()["error"]["type"], "server_error");
}

#[tokio::test]
async fn a_stall_lasts_until_the_server_stops() {
    let mock = Mock::start().await;
    let request = merge(&input("hi"), json!({"stream": true}));
    let mut response = mock.responses(&request).header("x-mock-fault", "stall=2").send().await.unwrap();
    for kind in ["response.created", "response.in_progress"] {
        let chunk = response.chunk().await.unwrap().unwrap();
        assert!(chunk.starts_with(format!("event: {kind}\n").as_bytes()), "{chunk:?}");
    }
    let (rest, ()) = tokio::join!(response.chunk(), mock.server.shutdown());
    assert!(rest.is_err(), "{rest:?}");
}

#[tokio::test]
async fn two_calls_can_share_their_index_or_their_id() {
    let check = async |fault: &str, expected: Value| {
        let script = Reply::tool_call("f", json!({})).and_tool_call("g", json!({})).with_reasoning("Hm.");
        let config = MockServer::builder().with_fault(fault.parse().unwrap());
        let mock = Mock::with(config.with_reply(script.clone()).with_reply(script)).await;
        let events = mock.events(&input("hi")).await;
        let plain = mock.response(&input("hi")).await;
        let mut ids: Vec<Value> = Vec::new();
        let mut number = |id: &Value| {
            if !ids.contains(id) {
                ids.push(id.clone());
            }
            ids.iter().position(|held| held == id)
        };
        let mut found = Vec::new();
        for event in events.iter().filter(|event| event["item"]["type"] == "function_call") {
            found.push(json!([event["output_index"], number(&event["item"]["call_id"])]));
        }
        let pieces = events.iter().filter(|event| event["type"] == "response.function_call_arguments.delta");
        let pieces: Vec<&Value> = pieces.map(|event| &event["output_index"]).collect();
        let mut whole = Vec::new();
        for output in [&events.last().unwrap()["response"]["output"], &plain["output"]] {
            let calls = output.as_array().unwrap().iter().filter(|item| item["type"] == "function_call");
            let calls: std::collections::BTreeSet<String> =
                calls.map(|call| call["call_id"].to_string()).collect();
            whole.push(calls.len());
        }
        assert_eq!(json!([found, pieces, whole]), expected, "{fault}");
    };
    check("duplicate=index", json!([[[1, 0], [1, 0], [1, 1], [1, 1]], [1, 1], [2, 2]])).await;
    check("duplicate=id", json!([[[1, 0], [1, 0], [2, 0], [2, 0]], [1, 2], [1, 1]])).await;
}
