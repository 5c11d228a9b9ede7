//! Chat completions.

use openai_mock::MockServer;
use serde_json::{Value, json};

#[tokio::test]
async fn says_hello() {
    let server = MockServer::start().await.unwrap();
    let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello"}]});
    let url = format!("{}/chat/completions", server.base_url());
    let response = reqwest::Client::new().post(url).bearer_auth("sk-test").json(&body).send().await.unwrap();
    let answer: Value = response.json().await.unwrap();
    assert!(answer["choices"][0]["message"]["content"].as_str().unwrap().starts_with("Hello!"));
}
