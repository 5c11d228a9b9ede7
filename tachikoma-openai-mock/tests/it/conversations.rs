//! Conversations: created, listed, and continued by responses.

use serde_json::{Value, json};

use crate::client::{Mock, input, merge, ok};
use crate::refusals::refused;

#[tokio::test]
async fn a_conversation_grows_by_its_responses() {
    let mock = Mock::start().await;
    let items = json!([{"role": "user", "content": "Say hello"}]);
    let created = mock.posted("/conversations", &json!({"items": items, "metadata": {"a": "b"}})).await;
    let id = created["id"].as_str().unwrap();
    let expected =
        json!({"id": id, "object": "conversation", "created_at": 1_735_689_600, "metadata": {"a": "b"}});
    assert_eq!(created, expected);
    let path = format!("/conversations/{id}");
    assert_eq!(mock.got(&path).await, expected);

    let turn = merge(&input("More"), json!({"conversation": {"id": id}}));
    let first = mock.response(&turn).await;
    let second = mock.response(&merge(&turn, json!({"conversation": id, "stream": null}))).await;
    assert_eq!(first["conversation"], json!({"id": id}));
    assert_ne!(first["id"], second["id"]);
    assert!(second["usage"]["input_tokens"].as_u64() > first["usage"]["input_tokens"].as_u64());

    mock.posted(&format!("{path}/items"), &json!({"items": [{"role": "user", "content": "Added"}]})).await;
    let list = mock.got(&format!("{path}/items?order=asc")).await;
    let text = |item: &Value| match &item["content"] {
        Value::String(text) => text.clone(),
        parts => parts[0]["text"].as_str().unwrap().chars().take(8).collect(),
    };
    let texts: Vec<String> = list["data"].as_array().unwrap().iter().map(text).collect();
    assert_eq!(texts, ["Say hello", "More", "You said", "More", "You said", "Added"]);

    let updated = mock.posted(&path, &json!({"metadata": {}})).await;
    assert_eq!(updated["metadata"], json!({}));
    assert_eq!(
        ok(mock.delete(&path)).await,
        json!({"id": id, "object": "conversation.deleted", "deleted": true})
    );
    let expected = format!(r#"404 null null "Conversation with id '{id}' not found.""#);
    assert_eq!(refused(mock.get(&path)).await, expected);
    assert_eq!(refused(mock.responses(&turn)).await, expected);
}

#[tokio::test]
async fn the_items_of_a_conversation_are_checked() {
    let mock = Mock::start().await;
    let check = async |body: Value, expected: &str| {
        let refusal = refused(mock.post("/conversations", body.to_string())).await;
        assert!(refusal.starts_with(expected), "{refusal}");
    };
    check(json!({"items": [{"role": "robot", "content": "hi"}]}), r#"400 "invalid_value" "input[0].role""#)
        .await;
    check(json!({"item": []}), r#"400 "invalid_value""#).await;
    let many = vec![json!({"role": "user", "content": "hi"}); 21];
    check(json!({"items": many}), r#"400 "array_above_max_length" "items""#).await;
    assert!(mock.post("/conversations", "").send().await.unwrap().status().is_success());
}
