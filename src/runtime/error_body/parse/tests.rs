//! The server's message is found in any JSON.

use super::*;

#[track_caller]
fn check(body: &str, message: &str, codes: &[&str]) {
    let parsed = ParsedErrorBody::from_bytes(body.as_bytes());
    let found = parsed.message.as_deref().or(parsed.quote.as_deref()).unwrap_or_default();
    assert_eq!(
        (found, &parsed.codes[..]),
        (message, &codes.iter().map(|code| (*code).to_owned()).collect::<Vec<_>>()[..]),
        "{body}"
    );
}

#[test]
fn messages_under_any_key() {
    check(r#"{"Message":"no"}"#, "no", &[]);
    check(r#"{"errorMessage":"no","errorCode":"E1"}"#, "no", &["E1"]);
    check(r#"{"error_code":17,"error_msg":"no"}"#, "no", &["17"]);
    check(r#"{"code":500,"msg":"no","data":null}"#, "no", &["500"]);
    check(r#"{"base_resp":{"status_code":1008,"status_msg":"no"}}"#, "no", &["1008"]);
    check(r#"{"ERROR":{"MESSAGE":"no","CODE":"x"}}"#, "no", &["x"]);
    check(
        r#"{"reason":"model x is disabled by policy 42","ok":false}"#,
        "model x is disabled by policy 42",
        &[],
    );
    check(r#"{"foo":"no","ok":false}"#, r#"{"foo":"no","ok":false}"#, &[]);
    check(r#"{"foo":"say \"no\""}"#, r#"say "no""#, &[]);
    check("{}", "", &[]);
    check("null", "", &[]);
    check(r#"{"type":"error"}"#, r#"{"type":"error"}"#, &[]);
    check(r#"{"code":"x"}"#, "", &["x"]);
    check(r#"{"code":"x","foo":"no"}"#, r#"{"code":"x","foo":"no"}"#, &["x"]);
    check(
        r#"{"result":null,"success":false,"errors":[{"code":7003,"message":"no route"}]}"#,
        "no route",
        &["7003"],
    );
    check(r#"{"choices":[{"index":0,"error":{"code":502,"message":"no"}}]}"#, "no", &["502"]);
    check(
        r#"{"response":{"status":"failed","error":{"code":"server_error","message":"no"}}}"#,
        "no",
        &["server_error"],
    );
    check(r#"{"data":{"error":{"message":"no"}}}"#, "no", &[]);
}

#[test]
fn several_messages_are_joined() {
    check(
        r#"{"type":"https://x.y/problem","title":"Bad Request","status":400,"detail":"One or more errors.","errors":{"model":["is unknown","is short"]}}"#,
        "Bad Request: One or more errors. model: is unknown; is short",
        &["https://x.y/problem", "400"],
    );
    check(
        r#"{"statusCode":400,"message":["a is bad","b is bad"],"error":"Bad Request"}"#,
        "Bad Request: a is bad; b is bad",
        &["400"],
    );
    check(
        r#"{"error":"invalid_grant","error_description":"The token has expired."}"#,
        "invalid_grant: The token has expired.",
        &[],
    );
    check(r#"{"error":{"message":"no"},"message":"no"}"#, "no", &[]);
    check(r#"{"error":true,"message":"no"}"#, "no", &[]);
    check(
        r#"{"detail":[{"type":"missing","loc":["body",0,"model"],"msg":"Field required","input":{"type":"x"}}]}"#,
        "body.0.model: Field required",
        &["missing"],
    );
    check(r#"{"error":{"message":"Quota","reason":"quotaExceeded"}}"#, "Quota", &["quotaExceeded"]);
}

#[test]
fn json_in_texts() {
    check(
        r#"{"error_code":"BAD_REQUEST","message":"{\"message\":\"no\",\"code\":\"inner\"}"}"#,
        "no",
        &["BAD_REQUEST", "inner"],
    );
    check(
        r#"{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"message\":\"no\",\"type\":\"t\"}}","provider_name":"P"}}}"#,
        "Provider returned error: no",
        &["400", "t"],
    );
    check(
        r#"{"error":{"message":"litellm.BadRequestError: {\"error\":{\"message\":\"no\"}} (1 attempt)"}}"#,
        "litellm.BadRequestError: no (1 attempt)",
        &[],
    );
    check(
        r#"{"statusCode":400,"body":"{\"error\":{\"message\":\"no\",\"code\":\"x\"}}"}"#,
        "no",
        &["400", "x"],
    );
    // An example within a sentence is part of it.
    check(r#"{"message":"Send {\"title\":\"t\"} instead"}"#, r#"Send {"title":"t"} instead"#, &[]);
    check(r#"{"message":"Use [1, 2] or {x}"}"#, "Use [1, 2] or {x}", &[]);
    // Python's notation is kept as text.
    check(
        r#"{"error":{"message":"Error code: 400 - {'error': {'message': 'no'}}"}}"#,
        "Error code: 400 - {'error': {'message': 'no'}}",
        &[],
    );
    check("data: {\"error\":{\"message\":\"no\"}}\n\ndata: [DONE]\n\n", "no", &[]);
    check("event: error\ndata: {\"message\":\"no\"}", "no", &[]);
    check("{\"error\":\"no\"}\n{\"error\":\"again\"}", "no", &[]);
}

#[test]
fn waits_and_limits() {
    let parsed = ParsedErrorBody::from_bytes(
        br#"[{"error":{"code":429,"message":"m","details":[{"@type":"t","violations":[{"quotaId":"RequestsPerDay"}]},{"@type":"r","retryDelay":"34s"}]}}]"#,
    );
    assert_eq!(parsed.wait, Some(Duration::from_secs(34)));
    assert_eq!(parsed.quotas, ["RequestsPerDay"]);
    assert_eq!(parsed.message.as_deref(), Some("m"));
    let parsed =
        ParsedErrorBody::from_bytes(br#"{"error":{"type":"usage_limit_reached","resets_in_seconds":90}}"#);
    assert_eq!(parsed.wait, Some(Duration::from_secs(90)));
}

#[test]
fn the_callers_own_text_is_not_the_servers() {
    check(
        r#"{"error":{"code":"x"},"request":{"message":"mine","code":"mine"}}"#,
        r#"{"error":{"code":"x"},"request":{"code":"mine","message":"mine"}}"#,
        &["x"],
    );
    let parsed = ParsedErrorBody::from_bytes(br#"{"message":"no","tool":{"type":"function","code":"c"}}"#);
    assert_eq!(parsed.codes, Vec::<String>::new());
}

#[test]
fn deep_bodies_end() {
    let deep = format!("{}\"x\"{}", "{\"error\":".repeat(100), "}".repeat(100));
    let parsed = ParsedErrorBody::from_bytes(deep.as_bytes());
    assert_eq!(parsed.quote.as_deref(), Some("x"));
}
