//! Tests of code that calls OpenAI, with `cargo test`: copy this file into the `tests/` of your crate. Any client will do; this one is
//! reqwest.
//!
//! ```toml
//! [dev-dependencies]
//! reqwest = { version = "0.13", features = ["json"] }
//! serde_json = "1"
//! tachikoma-openai-mock = { version = "0.2", default-features = false }
//! tokio = { version = "1", features = ["macros", "rt"] }
//! ```

use serde_json::{Value, json};
use tachikoma_openai_mock::{Match, MockServer, Reply};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Sends a request as the code under test would do.
async fn post(server: &MockServer, path: &str, body: Value) -> Result<reqwest::Response> {
    let url = format!("{}/{path}", server.base_url());
    Ok(reqwest::Client::new().post(url).bearer_auth("sk-any-key").json(&body).send().await?)
}

fn ask(text: &str) -> Value {
    json!({"model": "gpt-4o", "messages": [{"role": "user", "content": text}]})
}

#[tokio::test]
async fn a_plain_reply() -> Result {
    let server = MockServer::builder().with_reply(Reply::text("Oslo.")).start().await?;
    let answer: Value = post(&server, "chat/completions", ask("Capital of Norway?")).await?.json().await?;
    assert_eq!(answer["choices"][0]["message"]["content"], "Oslo.");
    Ok(())
}

#[tokio::test]
async fn a_stream() -> Result {
    let server = MockServer::builder().with_reply(Reply::text("One two.")).start().await?;
    let body = json!({"model": "gpt-4o", "input": "Count", "stream": true});
    let events = post(&server, "responses", body).await?.text().await?;
    let deltas = events.lines().filter_map(|line| {
        let event: Value = serde_json::from_str(line.strip_prefix("data: ")?).ok()?;
        (event["type"] == "response.output_text.delta").then(|| event["delta"].as_str().map(str::to_owned))?
    });
    assert_eq!(deltas.collect::<Vec<_>>(), ["One", " two."]);
    Ok(())
}

#[tokio::test]
async fn a_tool_call() -> Result {
    let server = MockServer::builder()
        // The order does not matter: each request gets the first reply that it matches.
        .with_reply(Reply::text("It is sunny.").when(Match::tool_result(true)))
        .with_reply(Reply::tool_call("get_weather", json!({"city": "Oslo"})))
        .start()
        .await?;
    let mut request = ask("Weather in Oslo?");
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    request["tools"] =
        json!([{"type": "function", "function": {"name": "get_weather", "parameters": parameters}}]);
    let first: Value = post(&server, "chat/completions", request.clone()).await?.json().await?;
    let message = &first["choices"][0]["message"];
    let call = &message["tool_calls"][0];
    assert_eq!(call["function"]["arguments"], r#"{"city":"Oslo"}"#);

    let result = json!({"role": "tool", "tool_call_id": call["id"], "content": "sunny"});
    request["messages"] = json!([request["messages"][0], message, result]);
    let second: Value = post(&server, "chat/completions", request).await?.json().await?;
    assert_eq!(second["choices"][0]["message"]["content"], "It is sunny.");
    Ok(())
}

#[tokio::test]
async fn a_rate_limit() -> Result {
    let limit = Reply::error(429, "rate_limit_exceeded", "Slow down.").with_header("retry-after", "1");
    let server = MockServer::builder().with_reply(limit).start().await?;
    let refused = post(&server, "chat/completions", ask("hi")).await?;
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str()?), (429, "1"));
    assert_eq!(refused.json::<Value>().await?["error"]["code"], "rate_limit_exceeded");
    assert!(post(&server, "chat/completions", ask("hi")).await?.status().is_success());
    Ok(())
}

#[tokio::test]
async fn what_the_client_has_sent() -> Result {
    let server = MockServer::start().await?;
    post(&server, "chat/completions", ask("Hello")).await?;
    let requests = server.requests();
    assert_eq!((requests.len(), &*requests[0].path), (1, "/v1/chat/completions"));
    assert_eq!(requests[0].header("authorization"), Some("Bearer ***"));
    assert_eq!(requests[0].body.as_ref().ok_or("no JSON")?["messages"][0]["content"], "Hello");
    Ok(())
}

#[tokio::test]
async fn a_request_that_openai_would_refuse() -> Result {
    let server = MockServer::start().await?;
    let mut request = ask("hi");
    request["temprature"] = json!(0);
    let refused = post(&server, "chat/completions", request).await?;
    assert_eq!(refused.status().as_u16(), 400);
    assert_eq!(refused.json::<Value>().await?["error"]["param"], "temprature");
    Ok(())
}
