//! Streams: their chunks, and what becomes of them when somebody leaves.

use std::time::Duration;

use serde_json::{Value, json};
use tachikoma_openai_mock::MockServer;

use crate::client::{Mock, ask, merge};

fn tool() -> Value {
    let parameters =
        json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    json!([{"type": "function", "function": {"name": "get_weather", "parameters": parameters}}])
}

/// The deltas and reasons of a stream, without what each chunk repeats.
fn choices(chunks: &[Value]) -> Vec<String> {
    chunks.iter().map(|chunk| format!("{} {}", chunk["choices"], chunk["usage"])).collect()
}

#[tokio::test]
async fn chunks_in_full() {
    let chunks = Mock::start().await.chunks(&merge(&ask("hi"), json!({"max_tokens": 2}))).await;
    insta::assert_json_snapshot!(chunks);
}

#[tokio::test]
async fn a_stream_of_words() {
    let request = merge(&ask("THINK"), json!({"stop": "costs", "stream_options": {"include_usage": true}}));
    insta::assert_snapshot!(choices(&Mock::start().await.chunks(&request).await).join("\n"));
}

#[tokio::test]
async fn a_stream_of_calls() {
    let request = merge(&ask("TWO"), json!({"tools": tool()}));
    insta::assert_snapshot!(choices(&Mock::start().await.chunks(&request).await).join("\n"));
}

#[tokio::test]
async fn usage_is_sent_to_who_asked() {
    let usage = async |fields: Value| {
        let chunks = Mock::start().await.chunks(&merge(&ask("hi"), fields)).await;
        chunks.iter().map(|chunk| chunk.get("usage").cloned()).collect::<Vec<_>>()
    };
    assert!(usage(json!({})).await.iter().all(Option::is_none));
    let with = usage(json!({"stream_options": {"include_usage": true}})).await;
    let (last, rest) = with.split_last().unwrap();
    assert!(rest.iter().all(|usage| *usage == Some(Value::Null)), "{rest:?}");
    assert_eq!(last.as_ref().unwrap()["completion_tokens"], 33);
}

/// What the chunks of one choice add up to: a message with its finish reason.
fn collected(chunks: &[Value], index: usize) -> (Value, Value) {
    let mut texts = [("content", None), ("reasoning_content", None), ("arguments", None)];
    let mut reason = Value::Null;
    for chunk in chunks {
        for choice in chunk["choices"].as_array().unwrap().iter().filter(|choice| choice["index"] == index) {
            let delta = &choice["delta"];
            let arguments = &delta["tool_calls"][0]["function"]["arguments"];
            for ((_, text), piece) in
                texts.iter_mut().zip([&delta["content"], &delta["reasoning_content"], arguments])
            {
                if let Some(piece) = piece.as_str() {
                    text.get_or_insert_with(String::new).push_str(piece);
                }
            }
            reason = choice["finish_reason"].clone();
        }
    }
    (json!(texts.into_iter().collect::<std::collections::BTreeMap<_, _>>()), reason)
}

#[tokio::test]
async fn chunks_add_up_to_the_plain_completion() {
    let mock = Mock::start().await;
    let check = async |request: Value| {
        let plain = mock.answer(&request).await;
        let chunks = mock.chunks(&request).await;
        for (index, choice) in plain["choices"].as_array().unwrap().iter().enumerate() {
            let message = &choice["message"];
            let whole = json!({
                "content": message["content"],
                "reasoning_content": message["reasoning_content"],
                "arguments": message["tool_calls"][0]["function"]["arguments"],
            });
            assert_eq!(collected(&chunks, index), (whole, choice["finish_reason"].clone()));
        }
    };
    check(ask("hi")).await;
    check(ask("Grüße, 漢字漢字漢字漢字 🦀🦀🦀🦀🦀 \u{2028}\r\n.")).await;
    check(merge(&ask("THINK of three"), json!({"n": 3}))).await;
    check(merge(&ask("Weather?"), json!({"tools": tool()}))).await;
    check(merge(&ask("Weather?"), json!({"tools": tool(), "max_tokens": 2}))).await;
    check(merge(&ask("hi, in JSON"), json!({"response_format": {"type": "json_object"}}))).await;
}

#[tokio::test]
async fn several_choices_take_turns() {
    let chunks = Mock::start().await.chunks(&merge(&ask("hi"), json!({"n": 2, "max_tokens": 1}))).await;
    let indexes: Vec<_> = chunks.iter().map(|chunk| chunk["choices"][0]["index"].as_u64().unwrap()).collect();
    assert_eq!(indexes, [0, 1, 0, 1, 0, 1]);
}

/// A server whose streams stand still after their first chunk.
async fn slow() -> Mock {
    Mock::with(MockServer::builder().with_chunk_delay(Duration::from_secs(3600))).await
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_stream() {
    let mock = slow().await;
    let mut open = mock.server.open_streams();
    assert_eq!(*open.borrow(), 0);
    let mut response = mock.chat(&merge(&ask("hi"), json!({"stream": true}))).send().await.unwrap();
    assert!(response.chunk().await.unwrap().is_some());
    assert_eq!(*open.borrow_and_update(), 1);
    drop(response);
    open.wait_for(|open| *open == 0).await.unwrap();
}

#[tokio::test]
async fn a_shutdown_sends_the_rest_at_once() {
    let mock = slow().await;
    let mut open = mock.server.open_streams();
    let mut response = mock.chat(&merge(&ask("hi"), json!({"stream": true}))).send().await.unwrap();
    let mut text = String::from_utf8(response.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(!text.contains("[DONE]"));
    let (rest, ()) = tokio::join!(response.text(), mock.server.shutdown());
    text.push_str(&rest.unwrap());
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    open.wait_for(|open| *open == 0).await.unwrap();
}
