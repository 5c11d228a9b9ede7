//! What the server counts.

use std::time::Duration;

use serde_json::{Value, json};
use tachikoma_openai_mock::MockServer;

use crate::client::{Mock, ask, input, merge};

#[tokio::test]
async fn requests_are_billed_once_generation_began() {
    let mock = Mock::start().await;
    let billed = || mock.server.counters().billed_requests;
    mock.response(&input("hi")).await;
    mock.events(&input("hi")).await;
    mock.answer(&ask("hi")).await;
    mock.chunks(&ask("hi")).await;
    assert_eq!(billed(), 4);
    let stream = merge(&input("hi"), json!({"stream": true}));
    for (fault, expected) in
        [("status=500", 4), ("truncate=0", 4), ("truncate=1", 5), ("truncate=9,reset", 6)]
    {
        let response = mock.responses(&stream).header("x-mock-fault", fault).send().await.unwrap();
        drop(response.bytes().await);
        assert_eq!(billed(), expected, "{fault}");
    }
    mock.responses(&json!({"model": "m"})).send().await.unwrap();
    assert_eq!((billed(), mock.server.counters().cancelled_responses), (6, 0));
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_response() {
    let config = MockServer::builder().with_chunk_delay(Duration::from_millis(5));
    let mock = Mock::with(config).await;
    let mut stream = mock.responses(&merge(&input("hi"), json!({"stream": true}))).send().await.unwrap();
    stream.chunk().await.unwrap();
    drop(stream);
    mock.server.open_streams().wait_for(|open| *open == 0).await.unwrap();
    assert_eq!(mock.server.counters().cancelled_responses, 1);
}

#[tokio::test]
async fn uploads_and_connections_are_counted() {
    let mock = Mock::start().await;
    let body = input("hi").to_string();
    for _ in 0..2 {
        mock.post("/responses", body.clone()).send().await.unwrap().bytes().await.unwrap();
    }
    let counters = mock.server.counters();
    assert_eq!(counters.http_bytes, 2 * body.len() as u64);
    assert_eq!((counters.opened_connections, counters.open_connections), (1, 1));
    let url = format!("{}/mock/counters", mock.server.azure_endpoint());
    let sent: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    assert_eq!((&sent["http_bytes"], &sent["opened_connections"]), (&json!(counters.http_bytes), &json!(2)));
    assert_eq!(mock.server.requests().len(), 2);
}
