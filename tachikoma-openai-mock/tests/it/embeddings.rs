//! Embeddings.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::client::{Mock, merge};

async fn embed(fields: Value) -> Value {
    let body = merge(&json!({"model": "text-embedding-3-small"}), fields).to_string();
    Mock::start().await.post("/embeddings", body).send().await.unwrap().json().await.unwrap()
}

fn vector(answer: &Value, index: usize) -> Vec<f32> {
    serde_json::from_value(answer["data"][index]["embedding"].clone()).unwrap()
}

#[tokio::test]
async fn a_short_vector() {
    let body = r#"{"model": "m", "input": "hello", "dimensions": 2}"#;
    let response = Mock::start().await.post("/embeddings", body).send().await.unwrap();
    insta::assert_snapshot!(response.text().await.unwrap());
}

#[tokio::test]
async fn vectors_have_length_one() {
    let check = async |fields: Value, dimensions: usize| {
        let vector = vector(&embed(fields).await, 0);
        let length: f32 = vector.iter().map(|number| number * number).sum();
        assert_eq!(vector.len(), dimensions);
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    };
    check(json!({"input": "hello"}), 1536).await;
    check(json!({"input": "hello", "model": "text-embedding-3-large"}), 3072).await;
    check(json!({"input": ["hello"], "dimensions": 1}), 1).await;
    check(json!({"input": [1, 2, 3], "dimensions": 256}), 256).await;
    check(json!({"input": [[1, 2, 3]], "dimensions": 256}), 256).await;
}

#[tokio::test]
async fn each_text_has_its_own_vector() {
    let answer = embed(json!({"input": ["one", "two", "one"]})).await;
    assert_eq!(vector(&answer, 0), vector(&answer, 2));
    assert_ne!(vector(&answer, 0), vector(&answer, 1));
    assert_eq!(answer["data"][2]["index"], 2);
    assert_eq!(answer["usage"], json!({"prompt_tokens": 3, "total_tokens": 3}));
}

#[tokio::test]
async fn base64_holds_the_same_numbers() {
    let plain = embed(json!({"input": "hello", "dimensions": 8})).await;
    let packed = embed(json!({"input": "hello", "dimensions": 8, "encoding_format": "base64"})).await;
    let bytes = BASE64_STANDARD.decode(packed["data"][0]["embedding"].as_str().unwrap()).unwrap();
    let numbers: Vec<f32> =
        bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    assert_eq!(numbers, vector(&plain, 0));
}
