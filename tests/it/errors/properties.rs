//! Rules that hold for any body of an error.

use proptest::prelude::*;
use serde_json::Value;
use tachikoma_backend_codex::internals;
use tachikoma_backends_core::ErrorCategory;

/// Any JSON, with a preference for keys that servers use.
fn any_json() -> impl Strategy<Value = Value> {
    let key = || {
        prop_oneof![
            prop::sample::select(vec![
                "error", "message", "Message", "msg", "detail", "details", "errors", "code", "type",
                "status", "param", "reason", "title", "metadata", "raw", "choices", "base_resp",
                "status_msg", "retryDelay", "data", "response", "loc", "input", "@type", "request_id",
            ])
            .prop_map(str::to_owned),
            "[a-zA-Z_]{0,6}",
        ]
    };
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        prop::sample::select(vec![
            "{\"message\":\"m\"}", "[", "{", "error", "429", "34s", "余额不足", "<html>", "data: x"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..5).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

/// The texts in a value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// Whether a message holds a text, or all texts of the JSON in it.
fn holds(message: &str, text: &str) -> bool {
    match serde_json::from_str::<Value>(text) {
        Ok(inner @ (Value::Array(_) | Value::Object(_))) => {
            texts(&inner).iter().all(|text| message.contains(text.trim()))
        }
        _ => message.contains(text.trim()) || text.starts_with("<html"),
    }
}

proptest! {
    #[test]
    fn any_json_becomes_an_error_with_a_message(body in any_json(), status in 300u16..600) {
        let error = internals::error_response(status, body.to_string().as_bytes());
        prop_assert!(!error.message().trim().is_empty());
        prop_assert_ne!(error.category(), ErrorCategory::Parse);
        prop_assert!(!error.to_string().contains(|c: char| c.is_control()));
        let errors = [Some(error), internals::error_inside_success(&body), Some(internals::error_unread(&body))];
        for error in errors.into_iter().flatten() {
            prop_assert!(!error.message().trim().is_empty());
            // The only text of a body is not lost.
            let found: Vec<_> = texts(&body).into_iter().filter(|text| !text.trim().is_empty()).collect();
            if let [text] = &found[..] {
                prop_assert!(holds(error.message(), text), "{:?} is not in {}", text, error);
            }
        }
    }
}
