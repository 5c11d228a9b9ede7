//! A server and a client that has a key for it.

use std::collections::BTreeMap;

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tachikoma_openai_mock::{MockConfig, MockServer};

pub(crate) struct Mock {
    pub(crate) server: MockServer,
    client: Client,
}

impl Mock {
    pub(crate) async fn start() -> Self {
        Self::with(MockServer::builder()).await
    }

    pub(crate) async fn with(config: MockConfig) -> Self {
        Self { server: config.start().await.unwrap(), client: Client::new() }
    }

    /// A request with a key; the path is what follows `/v1`.
    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.server.base_url())).bearer_auth("sk-test")
    }

    /// A request with a key; the path is what follows `/v1`.
    pub(crate) fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.server.base_url())).bearer_auth("sk-test").body(body)
    }

    pub(crate) fn chat(&self, body: &Value) -> RequestBuilder {
        self.post("/chat/completions", sorted(body).to_string())
    }

    /// The answer to a chat request that must succeed.
    pub(crate) async fn answer(&self, body: &Value) -> Value {
        let response = self.chat(body).send().await.unwrap();
        let status = response.status();
        let answer = sorted(&response.json().await.unwrap());
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// The chunks of a chat request that must succeed, without `[DONE]`, which must be there.
    pub(crate) async fn chunks(&self, body: &Value) -> Vec<Value> {
        let body = merge(body, json!({"stream": true}));
        let text = self.chat(&body).send().await.unwrap().text().await.unwrap();
        let events: Vec<&str> =
            text.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap()).collect();
        let (last, chunks) = events.split_last().unwrap();
        assert_eq!(*last, "[DONE]");
        chunks.iter().map(|chunk| sorted(&serde_json::from_str(chunk).unwrap())).collect()
    }
}

impl Mock {
    pub(crate) fn responses(&self, body: &Value) -> RequestBuilder {
        self.post("/responses", sorted(body).to_string())
    }

    /// The JSON of a request with a body that must succeed; the path is what follows `/v1`.
    pub(crate) async fn posted(&self, path: &str, body: &Value) -> Value {
        ok(self.post(path, sorted(body).to_string())).await
    }

    /// The JSON of what is at a path, which follows `/v1`.
    pub(crate) async fn got(&self, path: &str) -> Value {
        ok(self.get(path)).await
    }

    /// Deletes what is at a path, which follows `/v1`.
    pub(crate) fn delete(&self, path: &str) -> RequestBuilder {
        self.client.delete(format!("{}{path}", self.server.base_url())).bearer_auth("sk-test")
    }

    /// The response to a request that must succeed.
    pub(crate) async fn response(&self, body: &Value) -> Value {
        let response = self.responses(body).send().await.unwrap();
        let status = response.status();
        let response = sorted(&response.json().await.unwrap());
        assert_eq!(status, 200, "{response}");
        response
    }

    /// The events of a request that must succeed. Each is announced by its type and has the next number.
    pub(crate) async fn events(&self, body: &Value) -> Vec<Value> {
        let body = merge(body, json!({"stream": true}));
        let text = self.responses(&body).send().await.unwrap().text().await.unwrap();
        let event = |(number, event): (usize, &str)| {
            let (name, data) = event.split_once("\ndata: ").unwrap();
            let data: Value = serde_json::from_str(data).unwrap();
            assert_eq!(name, format!("event: {}", data["type"].as_str().unwrap()));
            assert_eq!(data["sequence_number"], number);
            sorted(&data)
        };
        text.split_terminator("\n\n").enumerate().map(event).collect()
    }
}

/// The JSON that a request gets, which must succeed.
pub(crate) async fn ok(request: RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    let status = response.status();
    let body = sorted(&response.json().await.unwrap());
    assert_eq!(status, 200, "{body}");
    body
}

/// The events in a text of server-sent events.
pub(crate) fn parse_events(text: &str) -> Vec<Value> {
    let data = |event: &str| sorted(&serde_json::from_str(event.split_once("\ndata: ").unwrap().1).unwrap());
    text.split_terminator("\n\n").map(data).collect()
}

/// A request for a response to this text.
pub(crate) fn input(text: &str) -> Value {
    json!({"model": "gpt-5.6-terra", "input": text})
}

/// A chat request with one user message.
pub(crate) fn ask(text: &str) -> Value {
    json!({"model": "gpt-4o", "messages": [{"role": "user", "content": text}]})
}

/// The request with further fields.
pub(crate) fn merge(request: &Value, fields: Value) -> Value {
    let mut merged = request.as_object().unwrap().clone();
    merged.extend(fields.as_object().unwrap().clone());
    merged.into()
}

/// The value with the keys of its objects in order, whatever serde_json's features make of them: ids follow
/// from the bytes of a request.
pub(crate) fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields.iter().map(|(name, field)| (name, sorted(field))).collect();
            json!(fields)
        }
        _ => value.clone(),
    }
}
