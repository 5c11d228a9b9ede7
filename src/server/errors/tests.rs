//! The categories and messages of error bodies of every shape.

use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;
use serde_json::Value;

use super::*;
use crate::runtime::{error_body::normalize_key, json};

#[track_caller]
fn check(status: u16, body: &str, category: ErrorCategory, retryable: bool, message: &str) {
    let error = ERRORS.response_error(status, &HeaderMap::new(), body.as_bytes(), SystemTime::UNIX_EPOCH);
    assert_eq!(error.category(), category, "{error}");
    assert_eq!(error.is_retryable(), retryable, "{error}");
    assert_eq!(error.message(), message);
    assert_eq!(error.status(), Some(status));
}

fn openai(message: &str, kind: &str, code: &str) -> String {
    serde_json::json!({"error": {"message": message, "type": kind, "param": null, "code": code}}).to_string()
}

#[test]
fn openai_errors() {
    check(
        401,
        &openai("Incorrect API key provided", "invalid_request_error", "invalid_api_key"),
        Authentication,
        false,
        "Incorrect API key provided",
    );
    check(
        403,
        &openai("Country not supported", "request_forbidden", "unsupported_country_region_territory"),
        Permission,
        false,
        "Country not supported",
    );
    check(
        404,
        &openai("No such model", "invalid_request_error", "model_not_found"),
        NotFound,
        false,
        "No such model",
    );
    check(
        400,
        &openai("Too long", "invalid_request_error", "context_length_exceeded"),
        ContextLength,
        false,
        "Too long",
    );
    check(400, &openai("Bad", "invalid_request_error", "unsupported_value"), InvalidRequest, false, "Bad");
    check(
        400,
        &openai("No", "invalid_request_error", "content_policy_violation"),
        ContentFilter,
        false,
        "No",
    );
    check(429, &openai("Slow", "requests", "rate_limit_exceeded"), RateLimit, true, "Slow");
    check(429, &openai("Pay", "insufficient_quota", "insufficient_quota"), Quota, false, "Pay");
    check(500, &openai("Oops", "server_error", ""), Server, true, "Oops");
    check(503, &openai("Busy", "server_error", "slow_down"), Overloaded, true, "Busy");
}

#[test]
fn errors_of_other_servers() {
    check(
        400,
        r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}"#,
        ContextLength,
        false,
        "the request exceeds the available context size",
    );
    check(404, r#"{"error":"model 'x' not found"}"#, NotFound, false, "model 'x' not found");
    check(
        422,
        r#"{"detail":[{"loc":["body","model"],"msg":"field required"}]}"#,
        InvalidRequest,
        false,
        "body.model: field required",
    );
    check(404, r#"{"detail":"Not Found"}"#, NotFound, false, "Not Found");
    check(
        400,
        r#"[{"error":{"code":400,"message":"API key not valid","status":"INVALID_ARGUMENT"}}]"#,
        InvalidRequest,
        false,
        "API key not valid",
    );
    check(401, r#"{"statusCode":401,"message":"Access denied"}"#, Authentication, false, "Access denied");
    check(
        400,
        r#"{"error":{"code":"content_filter","message":"Filtered","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
        ContentFilter,
        false,
        "Filtered",
    );
    check(
        400,
        r#"{"object":"error","message":"This model's maximum context length is 10 tokens","type":"BadRequestError","code":400}"#,
        ContextLength,
        false,
        "This model's maximum context length is 10 tokens",
    );
    check(
        429,
        r#"{"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"upstream is busy"}}}"#,
        RateLimit,
        true,
        "Provider returned error: upstream is busy",
    );
}

#[test]
fn the_status_decides_without_an_error_message() {
    check(
        502,
        "<html><head><title>502 Bad Gateway</title></head></html>",
        Server,
        true,
        "a web page with the title \"502 Bad Gateway\"",
    );
    check(503, "<!DOCTYPE html><p>x", Overloaded, true, "a web page without a title");
    check(500, "", Server, true, "the server returned 500 Internal Server Error without an error message");
    check(529, "", Overloaded, true, "the server returned 529 without an error message");
    check(402, "{}", Quota, false, "the server returned 402 Payment Required without an error message");
    check(409, "locked", Server, true, "locked");
    check(413, "{\"error\": {\"mess", InvalidRequest, false, "{\"error\": {\"mess");
    check(204, "", Parse, false, "the server returned 204 No Content without a response");
    check(
        418,
        "null",
        InvalidRequest,
        false,
        "the server returned 418 I'm a teapot without an error message",
    );
}

#[test]
fn headers_are_read() {
    let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (reqwest::header::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    };
    let error = |pairs| ERRORS.response_error(500, &headers(pairs), b"x", SystemTime::UNIX_EPOCH);
    assert!(!error(&[("x-should-retry", "false")]).is_retryable());
    assert_eq!(error(&[("retry-after", "3")]).retry_after(), Some(Duration::from_secs(3)));
    assert_eq!(error(&[("x-request-id", "req_1")]).request_id(), Some("req_1"));
    let stated = ERRORS.response_error(
        429,
        &HeaderMap::new(),
        b"Please retry after 12 seconds.",
        SystemTime::UNIX_EPOCH,
    );
    assert_eq!(stated.retry_after(), Some(Duration::from_secs(12)));
}

#[test]
fn errors_inside_a_success() {
    #[track_caller]
    fn check(body: &str, expected: Option<(ErrorCategory, &str)>) {
        let error = ERRORS.find_error(&serde_json::from_str(body).unwrap());
        let found = error.as_ref().map(|error| (error.category(), error.message()));
        assert_eq!(found, expected);
    }
    check(
        r#"{"error":{"message":"Overloaded","type":"overloaded_error"}}"#,
        Some((Overloaded, "Overloaded")),
    );
    check(r#"{"error":"no such model"}"#, Some((Server, "no such model")));
    check(r#"{"error":{"code":"429","message":"slow"}}"#, Some((RateLimit, "slow")));
    check(r#"{"object":"error","message":"EngineDeadError","code":500}"#, Some((Server, "EngineDeadError")));
    check(r#"{"type":"error","message":"exploded"}"#, Some((Server, "exploded")));
    check(r#"{"message":"exploded"}"#, Some((Server, "exploded")));
    check(r#"{"error":null,"choices":[]}"#, None);
    check(r#"{"choices":[]}"#, None);
}

#[test]
fn bodies_that_are_not_json() {
    #[track_caller]
    fn check(body: &str, category: ErrorCategory, start: &str) {
        let reason = serde_json::from_str::<Value>(body).unwrap_err();
        let error = ERRORS.not_json(body.as_bytes(), &reason);
        assert_eq!(error.category(), category, "{error}");
        assert!(error.message().starts_with(start), "{error}");
    }
    check("", Parse, "the server returned an empty body");
    check(" \n", Parse, "the server returned an empty body");
    check("{\"id\": \"chat", TruncatedStream, "the server's response is cut off");
    check(
        "<html><title>Hi</title></html>",
        Parse,
        "the server's response is not JSON (expected value at line 1 column 1): a web page with the title \"Hi\"",
    );
    check("hello", Parse, "the server's response is not JSON");
    let reason = serde_json::from_slice::<Value>(b"\x78\x9c\xcb").unwrap_err();
    let error = ERRORS.not_json(b"\x78\x9c\xcb\xff", &reason);
    assert!(error.message().contains("compressed"), "{error}");
    assert_eq!(error.category(), Parse);
}

#[test]
fn every_status_has_a_row() {
    for (status, category, retryable) in [
        (204, Parse, false),
        (304, Configuration, false),
        (400, InvalidRequest, false),
        (402, Quota, false),
        (405, NotFound, false),
        (407, Configuration, false),
        (408, Timeout, true),
        (410, NotFound, false),
        (413, InvalidRequest, false),
        (422, InvalidRequest, false),
        (424, Server, true),
        (425, Server, true),
        (429, RateLimit, true),
        (451, Permission, false),
        (498, Overloaded, true),
        (499, Timeout, true),
        (500, Server, true),
        (503, Overloaded, true),
        (504, Timeout, true),
        (520, Server, true),
        (522, Server, true),
        (524, Server, true),
        (527, Server, true),
        (529, Overloaded, true),
        (599, Timeout, true),
        (999, Server, true),
        (0, InvalidRequest, false),
    ] {
        let error = ERRORS.response_error(status, &HeaderMap::new(), b"", SystemTime::UNIX_EPOCH);
        assert_eq!((error.category(), error.is_retryable()), (category, retryable), "{status}");
    }
}

#[test]
fn no_code_has_two_rows_that_differ() {
    for (code, category) in CODES {
        let other = CODES.iter().find(|(other, _)| normalize_key(other) == normalize_key(code)).unwrap();
        assert_eq!(other.1, *category, "{code}");
    }
}

#[test]
fn an_empty_error_is_none() {
    for (json, expected) in [
        ("null", true),
        ("\"\"", true),
        ("\" \"", true),
        ("{}", true),
        ("[]", true),
        ("false", true),
        ("0", true),
        ("0.0", true),
        (r#"{"message":"","code":null,"param":{},"list":[null]}"#, true),
        ("true", false),
        ("1", false),
        ("\"no\"", false),
        (r#"{"message":"","code":1}"#, false),
        ("[0, 1]", false),
    ] {
        assert_eq!(json::is_empty(&serde_json::from_str(json).unwrap()), expected, "{json}");
    }
}

#[test]
fn unread_json_is_quoted() {
    #[track_caller]
    fn check(body: &str, category: ErrorCategory, words: &str) {
        let error = ERRORS.unrecognized_error(&serde_json::from_str(body).unwrap());
        assert_eq!(error.category(), category, "{error}");
        assert!(error.message().contains(words), "{error}");
        assert!(!error.message().trim().is_empty());
    }
    check(r#"{"detail":"engine is shutting down"}"#, Server, "engine is shutting down");
    check(
        r#"{"id":"x","choices":null,"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}"#,
        Quota,
        "insufficient balance",
    );
    check(
        r#"{"id":"x","choices":null,"base_resp":{"status_code":0,"status_msg":"success"}}"#,
        Parse,
        "success",
    );
    check(r#"{"code":"insufficient_quota"}"#, Quota, "insufficient_quota");
    check(r#"{"foo":{"bar":"the disk is full"}}"#, Parse, "the disk is full");
    check(r#""the disk is full""#, Parse, "the disk is full");
    check("5", Parse, "5");
    check("{}", Parse, "{}");
    // The output of a model is not an error message.
    let answer =
        r#"{"content":[{"type":"text","text":"Your credit balance is too low"}],"role":"assistant"}"#;
    check(answer, Parse, "credit balance");
}

#[test]
fn stale_state() {
    #[track_caller]
    fn check(status: u16, message: &str, code: Option<&str>, expected: bool) {
        let body = serde_json::json!({"error": {"message": message, "code": code}}).to_string();
        let error = ERRORS.response_error(status, &HeaderMap::new(), body.as_bytes(), SystemTime::UNIX_EPOCH);
        assert_eq!(ERRORS.is_stale_state(&error), expected, "{error}");
        let hint = error.details().hint.as_deref().unwrap_or_default();
        assert_eq!(hint.contains("provider_state"), expected, "{error}");
    }
    check(
        404,
        "Item with id 'rs_68a1' not found. Items are not persisted when `store` is set to false.",
        None,
        true,
    );
    check(404, "Item 'rs_68a1' not found", None, true);
    check(
        400,
        "The encrypted content gAAA... could not be verified.",
        Some("invalid_encrypted_content"),
        true,
    );
    check(400, "Encrypted content could not be decrypted or parsed.", None, true);
    check(
        400,
        "Item 'fc_1' of type 'function_call' was provided without its required 'reasoning' item: 'rs_1'.",
        None,
        true,
    );
    check(
        400,
        "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
        None,
        true,
    );
    check(404, "The model 'gpt-9' was not found", Some("model_not_found"), false);
    check(400, "Previous response with id 'resp_1' not found.", Some("previous_response_not_found"), false);
    check(400, "Invalid 'input[0].content': item not found in list", None, false);
    check(404, "404 page not found", None, false);
}

#[test]
fn long_bodies_stay_short() {
    let items: Vec<_> =
        (0..200_000).map(|n| serde_json::json!({"message": format!("error {n}"), "code": n})).collect();
    let body = serde_json::json!({"error": {"message": items}});
    let error = ERRORS.find_error(&body).unwrap();
    assert!(error.message().len() < 8 << 10, "{}", error.message().len());
    assert!(error.message().starts_with("error 0; error 1; "), "{}", &error.message()[..50]);
    let fields: serde_json::Map<_, _> = (0..200_000).map(|n| (format!("k{n}"), n.into())).collect();
    let error = ERRORS.without_response(&Value::Object(fields), "choice");
    assert!(error.message().len() < 1000, "{}", error.message().len());
}
