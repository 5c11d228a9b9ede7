//! Responses that run in the background.

use serde_json::{Value, json};
use tachikoma_openai_mock::{MockConfig, MockServer};

use crate::client::{Mock, input, merge, parse_events};
use crate::document::{check_schema, validator};
use crate::refusals::refused;

fn background(fields: Value) -> Value {
    merge(&merge(&input("Think about it"), json!({"background": true})), fields)
}

async fn with_polls(polls: usize) -> Mock {
    Mock::with(MockServer::builder().with_background_polls(polls)).await
}

#[tokio::test]
async fn a_response_is_complete_after_some_polls() {
    let schema = validator("Response");
    for (polls, expected) in
        [(0, vec!["completed"]), (1, vec!["completed"]), (3, vec!["in_progress", "in_progress", "completed"])]
    {
        let mock = with_polls(polls).await;
        let created = mock.response(&background(json!({}))).await;
        check_schema(&schema, &created);
        assert_eq!((created["status"].as_str(), &created["background"]), (Some("queued"), &json!(true)));
        let path = format!("/responses/{}", created["id"].as_str().unwrap());
        let mut last = Value::Null;
        for status in expected {
            last = mock.got(&path).await;
            check_schema(&schema, &last);
            assert_eq!(last["status"], status, "{polls}");
        }
        assert_eq!(mock.got(&path).await, last);
        assert_eq!(last["output"][0]["type"], "message");
        assert_eq!(mock.server.counters().billed_requests, 1);
    }
}

#[tokio::test]
async fn it_can_be_cancelled_while_it_runs() {
    let mock = with_polls(2).await;
    let created = mock.response(&background(json!({}))).await;
    let path = format!("/responses/{}", created["id"].as_str().unwrap());
    assert_eq!(mock.got(&path).await["status"], "in_progress");
    for _ in 0..2 {
        assert_eq!(mock.posted(&format!("{path}/cancel"), &json!({})).await["status"], "cancelled");
    }
    assert_eq!(mock.got(&path).await["status"], "cancelled");
    assert_eq!(mock.server.counters().cancelled_responses, 1);

    let complete = with_polls(1).await;
    let created = complete.response(&background(json!({}))).await;
    let path = format!("/responses/{}", created["id"].as_str().unwrap());
    let last = complete.got(&path).await;
    assert_eq!(complete.posted(&format!("{path}/cancel"), &json!({})).await, last);
    assert_eq!(complete.server.counters().cancelled_responses, 0);

    let created = mock.response(&input("hi")).await;
    let path = format!("/responses/{}/cancel", created["id"].as_str().unwrap());
    let refusal = refused(mock.post(&path, "{}")).await;
    assert!(refusal.starts_with("400"), "{refusal}");
}

#[tokio::test]
async fn its_stream_begins_in_the_queue_and_completes_it() {
    let mock = with_polls(100).await;
    let events = mock.events(&background(json!({}))).await;
    let schema = validator("ResponseStreamEvent");
    events.iter().for_each(|event| check_schema(&schema, event));
    let start: Vec<_> =
        events[..3].iter().map(|event| (&event["type"], &event["response"]["status"])).collect();
    assert_eq!(
        json!(start),
        json!([
            ["response.created", "queued"],
            ["response.queued", "queued"],
            ["response.in_progress", "in_progress"]
        ])
    );
    let path = format!("/responses/{}", events[0]["response"]["id"].as_str().unwrap());
    assert_eq!(mock.got(&path).await, events.last().unwrap()["response"]);
}

#[tokio::test]
async fn a_cut_stream_leaves_it_running() {
    let mock = with_polls(2).await;
    let body = background(json!({"stream": true}));
    let mut cut = mock.responses(&body).header("x-mock-fault", "truncate=4,reset").send().await.unwrap();
    let mut text = String::new();
    while let Ok(Some(chunk)) = cut.chunk().await {
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    let start = parse_events(&text);
    assert_eq!(start.len(), 4);
    let path = format!("/responses/{}", start[0]["response"]["id"].as_str().unwrap());
    assert_eq!(mock.got(&path).await["status"], "in_progress");
    let rest = mock.get(&format!("{path}?stream=true&starting_after=3")).send().await.unwrap();
    let rest = parse_events(&rest.text().await.unwrap());
    assert_eq!(
        (&rest[0]["sequence_number"], &rest.last().unwrap()["type"]),
        (&json!(4), &json!("response.completed"))
    );
    assert_eq!(mock.got(&path).await["status"], "completed");
    let counters = mock.server.counters();
    assert_eq!((counters.billed_requests, counters.cancelled_responses), (1, 0));
}

#[tokio::test]
async fn it_needs_to_be_stored() {
    let mock = Mock::with(MockConfig::default()).await;
    let refusal = refused(mock.responses(&background(json!({"store": false})))).await;
    assert_eq!(refusal, r#"400 "invalid_value" "store" "Background mode requires 'store' to be true.""#);
}

#[tokio::test]
async fn cancelling_ends_its_stream() {
    let config = MockServer::builder().with_chunk_delay(std::time::Duration::from_millis(20));
    let mock = Mock::with(config).await;
    let mut stream = mock.responses(&background(json!({"stream": true}))).send().await.unwrap();
    let first = stream.chunk().await.unwrap().unwrap();
    let id = parse_events(std::str::from_utf8(&first).unwrap())[0]["response"]["id"].clone();
    mock.posted(&format!("/responses/{}/cancel", id.as_str().unwrap()), &json!({})).await;
    let mut rest = String::new();
    while let Some(chunk) = stream.chunk().await.unwrap() {
        rest.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(!rest.contains("response.completed"), "{rest}");
    assert_eq!(mock.server.counters().cancelled_responses, 1);
}
