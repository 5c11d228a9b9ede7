//! Answers against the schema of OpenAI's document.

use jsonschema::Validator;
use serde_json::{Value, json};

use tachikoma_openai_mock::{MockServer, Reply};

use crate::client::{Mock, input, merge};
use crate::responses::tools;

/// OpenAI's document, its unions read as `anyOf`: several branches fit.
pub(crate) fn document() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi/closure.json");
    let text = std::fs::read_to_string(path).unwrap().replace("\"oneOf\"", "\"anyOf\"");
    serde_json::from_str(&text).unwrap()
}

/// The schema of this name.
pub(crate) fn validator(name: &str) -> Validator {
    let document = document();
    let reference = format!("#/components/schemas/{name}");
    jsonschema::validator_for(&json!({"$ref": reference, "components": document["components"]})).unwrap()
}

/// Without what OpenAI sends as null and the document does not allow to be null.
/// A web search begins without the action that the document requires.
fn as_documented(value: &Value) -> Value {
    let mut value = value.clone();
    if value["type"] == "response.output_item.added" && value["item"]["type"] == "web_search_call" {
        value["item"]["action"] = json!({"type": "search"});
    }
    for place in ["", "/response"] {
        if let Some(fields) = value.pointer_mut(place).and_then(Value::as_object_mut) {
            let names = ["prompt_cache_key", "safety_identifier", "usage", "user"];
            fields.retain(|name, field| !(field.is_null() && names.contains(&name.as_str())));
        }
    }
    value
}

/// Fails if the schema does not allow this value.
#[track_caller]
pub(crate) fn check_schema(validator: &Validator, value: &Value) {
    let value = &as_documented(value);
    let errors: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:?} in {value}");
}

#[tokio::test]
async fn responses_and_events_are_as_the_document_says() {
    let (response, event) = (validator("Response"), validator("ResponseStreamEvent"));
    let check = async |mock: &Mock, fields: Value| {
        let request = merge(&input("THINK of TWO"), fields);
        check_schema(&response, &mock.response(&request).await);
        mock.events(&request).await.iter().for_each(|value| check_schema(&event, value));
    };
    let mock = Mock::start().await;
    check(&mock, json!({})).await;
    check(&mock, json!({"max_output_tokens": 16, "metadata": {"a": "b"}, "instructions": "Be brief."})).await;
    check(&mock, json!({"tools": tools(), "include": ["reasoning.encrypted_content"], "store": false})).await;
    check(&mock, json!({"instructions": "Write JSON.", "text": {"format": {"type": "json_object"}}, "reasoning": {"effort": "low"}})).await;
    let refusal = || Reply::refusal("No.");
    let scripted = Mock::with(MockServer::builder().with_reply(refusal()).with_reply(refusal())).await;
    check(&scripted, json!({})).await;
}
