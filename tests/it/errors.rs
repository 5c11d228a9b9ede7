//! Error bodies of real servers by a table, and rules that hold for any body.

use std::time::Duration;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig, CodexError, internals};
use tachikoma_backends_core::{
    Backend, BackendError, CompletionRequest, ErrorCategory, ErrorDetails, Message,
};

use crate::server;

/// What a server sent, and what it has to become. A status of 200 is an error inside a success.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    status: u16,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    text: Option<String>,
    json: Option<Value>,
    category: String,
    retryable: bool,
    wait_ms: Option<u64>,
    words: Vec<String>,
}

impl Case {
    fn error(&self) -> CodexError {
        if let (200, Some(body)) = (self.status, &self.json) {
            return internals::error_inside_success(body).expect("an error inside a success");
        }
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let body = self.json.as_ref().map(Value::to_string).or(self.text.clone()).unwrap_or_default();
        internals::error_response_with_headers(self.status, &headers, body.as_bytes())
    }
}

fn cases() -> Vec<Case> {
    let lines = include_str!("../errors/bodies.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))).collect()
}

#[test]
fn bodies_of_real_servers() {
    let cases = cases();
    assert!(cases.len() >= 60, "only {} cases", cases.len());
    let mut failures = Vec::new();
    for case in &cases {
        let error = case.error();
        let wait = error.retry_after().map(|wait| u64::try_from(wait.as_millis()).unwrap());
        let found = (error.category().as_str(), error.is_retryable(), wait);
        let expected = (case.category.as_str(), case.retryable, case.wait_ms);
        let text = BackendError::from(case.error()).to_string();
        let has_words =
            case.words.iter().all(|words| error.message().contains(words) && text.contains(words));
        if found != expected || !has_words {
            failures.push(format!(
                "{}: {found:?} instead of {expected:?} and {:?}: {error}",
                case.name, case.words
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn no_two_cases_are_the_same() {
    let mut seen = std::collections::BTreeSet::new();
    for case in cases() {
        assert!(seen.insert(case.name.clone()), "{}", case.name);
    }
}

/// Texts that name their category without a code.
const TELLING: &[(ErrorCategory, &[&str])] = &[
    (
        ErrorCategory::Quota,
        &[
            "Insufficient balance",
            "Your credit balance is too low",
            "You are out of credits",
            "Your account has run out of funds.",
            "You have exceeded your current quota, please check your plan and billing details.",
            "Billing hard limit has been reached",
            "Payment required",
            "Your paid balance is insufficient. Please top up.",
            "余额不足",
        ],
    ),
    (
        ErrorCategory::RateLimit,
        &[
            "You exceeded your current quota. Please retry in 34.07s.",
            "Quota exceeded for requests per minute",
            "Rate limit reached on tokens per min (TPM): Limit 30000, Used 29500, Requested 1200",
            "Too many requests",
        ],
    ),
    (
        ErrorCategory::ContextLength,
        &[
            "This model's maximum context length is 8192 tokens",
            "Input is too long for requested model.",
            "The input token count (12) exceeds the maximum number of tokens allowed (10).",
            "prompt is too long: 213462 tokens > 200000 maximum",
            "Your conversation is longer than what the model can read: 9000 tokens",
            "The prompt must be at most 4096 tokens",
        ],
    ),
];

/// One text in the bodies that servers wrap theirs in.
fn shapes(text: &str) -> Vec<Value> {
    let inner = json!({"error": {"message": text}}).to_string();
    vec![
        json!({"error": {"message": text, "type": "invalid_request_error", "param": null, "code": null}}),
        json!({"error": text}),
        json!({"type": "error", "error": {"type": "api_error", "message": text}}),
        json!([{"error": {"code": 400, "message": text, "status": "INVALID_ARGUMENT"}}]),
        json!({"Message": text}),
        json!({"code": 400, "msg": text, "data": null}),
        json!({"detail": [{"loc": ["body"], "msg": text}]}),
        json!({"title": "Bad Request", "detail": text}),
        json!({"object": "error", "message": text, "code": 400}),
        json!({"error": {"message": "Provider returned error", "metadata": {"raw": inner}}}),
        json!({"message": inner}),
        json!({"errorMessage": text, "errorCode": "E"}),
        json!({"error": {"message": format!("litellm.BadRequestError: OpenAIException - {inner}")}}),
        json!({"success": false, "errors": [{"message": text}]}),
        json!({"base_resp": {"status_code": 2000, "status_msg": text}}),
        json!({"error": true, "errors": {"request": [text]}}),
    ]
}

#[test]
fn a_text_means_the_same_in_every_shape() {
    for (category, texts) in TELLING {
        for text in *texts {
            for body in shapes(text) {
                for status in [400, 422, 500] {
                    let error = internals::error_response(status, body.to_string().as_bytes());
                    assert_eq!(error.category(), *category, "{status} {body}: {error}");
                    assert!(error.message().contains(text), "{body}: {error}");
                }
                let error =
                    internals::error_inside_success(&body).unwrap_or_else(|| panic!("no error in {body}"));
                assert_eq!(error.category(), *category, "200 {body}: {error}");
                assert!(error.message().contains(text), "{body}: {error}");
            }
            // A body of text alone, and one under a key that is in no table.
            for body in [(*text).to_owned(), json!({"foo": {"bar": text}}).to_string()] {
                let error = internals::error_response(400, body.as_bytes());
                assert_eq!(error.category(), *category, "{body}: {error}");
                assert!(error.message().contains(text), "{body}: {error}");
            }
        }
    }
}

#[test]
fn an_empty_account_and_a_long_conversation_are_never_retried() {
    let bodies = [
        oai("You have no credits remaining.", "credit_balance_exhausted"),
        oai("You exceeded your current quota.", "insufficient_quota"),
        json!({"error": {"message": "insufficient balance (1008)", "type": "api_error"}}),
        oai("Too long.", "context_length_exceeded"),
    ];
    for body in bodies {
        for status in [400, 402, 403, 413, 429, 500, 503] {
            let headers = [("x-should-retry", "true"), ("retry-after", "1")];
            let error = internals::error_response_with_headers(status, &headers, body.to_string().as_bytes());
            assert!(!error.is_retryable(), "{status} {body}: {error}");
        }
        let error = internals::error_inside_success(&body).unwrap();
        assert!(!error.is_retryable(), "{body}: {error}");
    }
}

fn oai(message: &str, code: &str) -> Value {
    json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": code}})
}

#[test]
fn an_error_that_holds_nothing_is_none() {
    for empty in [
        json!(null),
        json!(""),
        json!({}),
        json!([]),
        json!(false),
        json!(0),
        json!({"message": "", "code": 0}),
    ] {
        for body in [
            json!({"error": empty, "choices": [{"message": {"content": "Hi"}}]}),
            json!({"error": empty, "output": []}),
            json!({"choices": [{"error": empty, "message": {"content": "Hi"}}]}),
            json!({"choices": [{"message": {"content": "Hi"}}], "base_resp": {"status_code": 0, "status_msg": "success"}}),
            json!({"choices": null, "base_resp": {"status_code": 0, "status_msg": "success"}, "error": empty}),
            json!({"type": "response.created", "response": {"error": empty}}),
        ] {
            let error = internals::error_inside_success(&body);
            assert!(error.is_none(), "{body}: {error:?}");
        }
    }
}

/// Characters that steer a terminal or turn a text around.
fn invisible() -> impl Iterator<Item = char> {
    [
        '\u{0}'..='\u{1f}',
        '\u{7f}'..='\u{9f}',
        '\u{200b}'..='\u{200f}',
        '\u{202a}'..='\u{202e}',
        '\u{2066}'..='\u{2069}',
    ]
    .into_iter()
    .flatten()
    .chain(['\u{feff}', '\u{2060}', '\u{61c}', '\u{2028}'])
}

#[test]
fn control_characters_reach_no_terminal() {
    for c in invisible() {
        let text = format!("a{c}b");
        let mut details = ErrorDetails::new(text.clone())
            .with_status(400)
            .with_code(format!("1{text}"))
            .with_param(format!("2{text}"))
            .with_request_id(format!("3{text}"))
            .with_hint(format!("4{text}"))
            .with_attempts(2);
        details.earlier_failures = vec![format!("5{text}")];
        let mut errors: Vec<String> = vec![details.to_string()];
        for category in [
            ErrorCategory::Authentication,
            ErrorCategory::InvalidRequest,
            ErrorCategory::RateLimit,
            ErrorCategory::Quota,
            ErrorCategory::Network,
            ErrorCategory::Server,
            ErrorCategory::Parse,
        ] {
            errors.push(BackendError::from_details(category, details.clone()).to_string());
        }
        errors.push(BackendError::Configuration(text.clone().into()).to_string());
        errors.push(BackendError::Api(text.clone().into()).to_string());
        let body = json!({"error": {"message": text, "code": text, "param": text}}).to_string();
        let error = internals::error_response(400, body.as_bytes());
        assert!(error.message().contains(c), "{c:?} is unchanged in the details");
        errors.push(error.to_string());
        for error in errors {
            assert!(!error.contains(c), "{c:?} in {error:?}");
            let escaped = [c.escape_unicode().to_string(), c.escape_default().to_string()];
            assert!(escaped.iter().any(|escaped| error.contains(escaped)), "{c:?} is lost in {error}");
        }
    }
}

#[test]
fn long_texts_are_cut_where_they_are_shown() {
    let long = "x".repeat(60_000);
    let body = json!({"error": {"message": format!("m{long}"), "code": format!("c{long}"), "param": format!("p{long}")}});
    let error = internals::error_response(400, body.to_string().as_bytes());
    assert_eq!(error.message().len(), 60_001);
    assert_eq!(error.code().map(str::len), Some(60_001));
    let text = error.to_string();
    assert!(text.len() < 4_000, "{}", text.len());
    assert!(text.contains("... (60001 characters)"), "{text}");
    assert!(BackendError::from(error).to_string().len() < 4_000);
}

#[test]
fn a_list_of_errors_stays_short() {
    let list: Vec<_> = (0..100_000).map(|n| json!({"message": format!("error {n}")})).collect();
    for body in [json!({"errors": list}), json!({"error": {"message": list}}), json!({"detail": list})] {
        let error = internals::error_inside_success(&body).unwrap();
        assert!(error.message().starts_with("error 0; error 1"), "{}", &error.message()[..40]);
        assert!(error.message().len() < 8 << 10, "{}", error.message().len());
    }
}

#[tokio::test]
async fn a_wait_over_the_limit_is_left_to_the_caller() {
    let wait = "retry-after: 100000\r\n";
    let body = r#"{"error":{"message":"Slow down."}}"#;
    let response =
        format!("HTTP/1.1 429 X\r\n{wait}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    let url = server::start(response.into_bytes()).await;
    let config = CodexBackendConfig::new("sk-secret").with_base_url(url).with_max_retries(3);
    let backend = CodexBackend::new(config).unwrap();
    let error = backend.complete(CompletionRequest::new(vec![Message::user("Hi")])).await.unwrap_err();
    assert_eq!(error.category(), ErrorCategory::RateLimit);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(100_000)), "{error}");
    assert!(!error.to_string().contains("attempts"), "{error}");
}

/// Any JSON, with keys that servers use more often than chance would have it.
fn any_json() -> impl Strategy<Value = Value> {
    let key = || {
        prop_oneof![
            prop::sample::select(vec![
                "error",
                "message",
                "Message",
                "msg",
                "detail",
                "details",
                "errors",
                "code",
                "type",
                "status",
                "param",
                "reason",
                "title",
                "metadata",
                "raw",
                "choices",
                "base_resp",
                "status_msg",
                "retryDelay",
                "data",
                "response",
                "loc",
                "input",
                "@type",
                "request_id",
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
            "{\"message\":\"m\"}",
            "[",
            "{",
            "error",
            "429",
            "34s",
            "余额不足",
            "<html>",
            "data: x"
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

/// Whether the texts of the JSON in a text are in another one.
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
    fn any_json_is_an_error_with_words(body in any_json(), status in 300u16..600) {
        let error = internals::error_response(status, body.to_string().as_bytes());
        prop_assert!(!error.message().trim().is_empty());
        prop_assert_ne!(error.category(), ErrorCategory::Parse);
        prop_assert!(!error.to_string().contains(|c: char| c.is_control()));
        let errors = [Some(error), internals::error_inside_success(&body), Some(internals::error_unread(&body))];
        for error in errors.into_iter().flatten() {
            prop_assert!(!error.message().trim().is_empty());
            // What is the only text of a body is not lost.
            let found: Vec<_> = texts(&body).into_iter().filter(|text| !text.trim().is_empty()).collect();
            if let [text] = &found[..] {
                prop_assert!(holds(error.message(), text), "{:?} is not in {}", text, error);
            }
        }
    }
}
