//! Answers against the schema of OpenAI's document.

use jsonschema::Validator;
use serde_json::{Value, json};

use openai_mock::{MockServer, Reply};

use crate::client::{Mock, input, merge};
use crate::responses::tools;

/// The schema of this name, its unions read as `anyOf`: in the document several branches fit.
fn validator(name: &str) -> Validator {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi/closure.json");
    let text = std::fs::read_to_string(path).unwrap().replace("\"oneOf\"", "\"anyOf\"");
    let document: Value = serde_json::from_str(&text).unwrap();
    let reference = format!("#/components/schemas/{name}");
    jsonschema::validator_for(&json!({"$ref": reference, "components": document["components"]})).unwrap()
}

/// Without what OpenAI sends as null and the document does not allow to be null.
fn as_documented(value: &Value) -> Value {
    let mut value = value.clone();
    for place in ["", "/response"] {
        if let Some(fields) = value.pointer_mut(place).and_then(Value::as_object_mut) {
            let names = ["prompt_cache_key", "safety_identifier", "usage", "user"];
            fields.retain(|name, field| !(field.is_null() && names.contains(&name.as_str())));
        }
    }
    value
}

#[tokio::test]
async fn responses_and_events_are_as_the_document_says() {
    let (response, event) = (validator("Response"), validator("ResponseStreamEvent"));
    let check = async |mock: &Mock, fields: Value| {
        let request = merge(&input("THINK of TWO"), fields);
        let held = |validator: &Validator, value: &Value| {
            let value = &as_documented(value);
            let errors: Vec<String> = validator
                .iter_errors(value)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{errors:?} in {value}");
        };
        held(&response, &mock.response(&request).await);
        mock.events(&request).await.iter().for_each(|value| held(&event, value));
    };
    let mock = Mock::start().await;
    check(&mock, json!({})).await;
    check(&mock, json!({"max_output_tokens": 16, "metadata": {"a": "b"}, "instructions": "Be brief."})).await;
    check(&mock, json!({"tools": tools(), "include": ["reasoning.encrypted_content"], "store": false})).await;
    check(&mock, json!({"text": {"format": {"type": "json_object"}}, "reasoning": {"effort": "low"}})).await;
    let refusal = || Reply::refusal("No.");
    let scripted = Mock::with(MockServer::builder().with_reply(refusal()).with_reply(refusal())).await;
    check(&scripted, json!({})).await;
}
