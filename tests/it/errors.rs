//! Error bodies of real servers by a table, and the texts of errors.

mod properties;

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig, CodexError, internals};
use tachikoma_backends_core::{
    Backend, BackendError, CompletionRequest, ErrorCategory, ErrorDetails, Message,
};

use crate::server;

/// The response of a server, and the expected error. A status of 200 is an error inside a success.
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

/// Messages whose text alone determines the category.
const CATEGORY_TEXTS: &[(ErrorCategory, &[&str])] = &[
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

/// A message in every shape of body that servers use.
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
    for (category, texts) in CATEGORY_TEXTS {
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
        error_body("You have no credits remaining.", "credit_balance_exhausted"),
        error_body("You exceeded your current quota.", "insufficient_quota"),
        json!({"error": {"message": "insufficient balance (1008)", "type": "api_error"}}),
        error_body("Too long.", "context_length_exceeded"),
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

fn error_body(message: &str, code: &str) -> Value {
    json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": code}})
}

#[test]
fn an_empty_error_field_is_not_an_error() {
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

/// Characters that control a terminal or reverse the direction of text.
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
fn control_characters_are_escaped_in_error_texts() {
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
fn long_texts_are_shortened_in_display() {
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
