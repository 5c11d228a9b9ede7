//! Lists of models as servers send them, with further fields and damaged ones.

use serde_json::json;

use super::*;

fn read(body: &Value) -> Result<Vec<ListedModel>, String> {
    let decoded = ModelList.decode(body.to_string().as_bytes(), ResponseContext::default());
    decoded.map_err(|error| error.to_string())
}

#[track_caller]
fn check(model: Value, expected: ModelFacts) {
    let list = read(&json!({ "object": "list", "data": [model] })).unwrap();
    assert_eq!(list, [ListedModel { id: "m".to_owned(), facts: expected }]);
}

#[test]
fn facts_of_each_server() {
    let none = ModelFacts::new;
    let window = |tokens: u32| none().with_context_window(tokens);
    let day = |text: &str| none().with_shutdown(text.parse::<Date>().unwrap());
    check(
        json!({"id": "m", "object": "model", "created": 1, "owned_by": "openai", "shutdown_date": null}),
        none(),
    );
    check(json!({"id": "m", "shutdown_date": "2027-01-14"}), day("2027-01-14"));
    check(json!({"id": "m", "deprecation": "2027-01-14T00:00:00Z"}), day("2027-01-14"));
    check(json!({"id": "m", "deprecation": {"inference": 1_799_884_800, "fine_tune": 1}}), day("2027-01-14"));
    check(
        json!({"id": "m", "owned_by": "llamacpp", "meta": {"n_ctx_train": 131_072, "n_params": 7}}),
        window(131_072),
    );
    check(json!({"id": "m", "meta": {"n_ctx_train": 131_072, "n_ctx": 4096}}), window(4096));
    check(json!({"id": "m", "max_model_len": 32_768, "root": "r", "permission": [{}]}), window(32_768));
    check(
        json!({"id": "m", "type": "vlm", "max_context_length": 32_768, "loaded_context_length": 8192, "capabilities": ["tool_use"]}),
        window(8192).with_image_input(true).with_tools(true),
    );
    check(
        json!({"id": "m", "type": "llm", "max_context_length": 32_768, "state": "not-loaded"}),
        window(32_768),
    );
    check(
        json!({"id": "m", "max_context_length": 262_144, "capabilities": {"function_calling": true, "vision": false}}),
        window(262_144).with_tools(true).with_image_input(false),
    );
    check(
        json!({"id": "m", "context_window": 131_072, "max_completion_tokens": 8192}),
        window(131_072).with_max_output_tokens(8192),
    );
    check(
        json!({
            "id": "m", "context_length": 200_000,
            "architecture": {"input_modalities": ["text", "image"], "tokenizer": "GPT"},
            "pricing": {"prompt": "0.00000125", "completion": "0.00001", "input_cache_read": "0.000000125", "image": "0"},
            "top_provider": {"context_length": 128_000, "max_completion_tokens": 16_384, "is_moderated": true},
            "supported_parameters": ["tools", "response_format", "temperature"],
        }),
        window(128_000)
            .with_max_output_tokens(16_384)
            .with_prices(Price::new(1.25, 10.0).with_cached_input(0.125))
            .with_image_input(true)
            .with_audio_input(false)
            .with_tools(true)
            .with_structured_outputs(false)
            .with_json_mode(true)
            .with_reasoning(false),
    );
}

#[test]
fn values_of_another_form_are_unknown() {
    for model in [
        json!({"id": "m", "meta": null, "context_length": -1, "max_model_len": "many"}),
        json!({"id": "m", "meta": 7, "top_provider": [], "architecture": "text", "supported_parameters": {}}),
        json!({"id": "m", "pricing": {"prompt": "-1", "completion": "-1"}, "capabilities": 3, "type": 4}),
        json!({"id": "m", "pricing": {"prompt": 0.1, "completion": "NaN"}, "context_window": 0}),
        json!({"id": "m", "shutdown_date": "soon", "deprecation": "2027-02-30", "expiration_date": true}),
        json!({"id": "m", "shutdown_date": "é-é-é-é-", "max_output_tokens": 1e300}),
    ] {
        check(model, ModelFacts::new());
    }
    check(
        json!({"id": "m", "context_length": "4096", "max_output_tokens": 9000}),
        ModelFacts::new().with_context_window(4096),
    );
}

#[test]
fn lists_of_every_form() {
    let ids =
        |body: Value| -> Vec<String> { read(&body).unwrap().into_iter().map(|model| model.id).collect() };
    assert_eq!(ids(json!({"data": [{"id": "a"}, {"id": "b"}]})), ["a", "b"]);
    assert_eq!(ids(json!([{"id": "a"}, {"id": 7}])), ["a", "7"]);
    assert_eq!(ids(json!({"models": [{"name": "a"}]})), ["a"]);
    assert_eq!(ids(json!({"data": [null, 1, "a", {}, {"id": null}, {"id": "b"}]})), ["b"]);
    assert!(ids(json!({"object": "list", "data": null})).is_empty());
    for body in [json!({}), json!({"data": 3}), json!("a"), json!({"error": {"message": "Slow down."}})] {
        assert!(read(&body).is_err(), "{body}");
    }
    assert!(read(&json!({"error": {"message": "Slow down."}})).unwrap_err().contains("Slow down."));
    assert!(ModelList.decode(b"<html>", ResponseContext::default()).is_err());
}

#[test]
fn any_json_without_an_error_is_healthy() {
    for (body, expected) in [
        ("{}", true),
        (r#"{"data":null}"#, true),
        ("[]", true),
        ("<html>", false),
        ("", false),
        (r#"{"data":["#, false),
        (r#"{"error":{"message":"Slow down."}}"#, false),
    ] {
        assert_eq!(check_health(body), expected, "{body}");
    }
    fn check_health(body: &str) -> bool {
        super::check(body.as_bytes()).is_ok()
    }
}
