//! Error bodies, in every shape that servers send, to categories.
//!
//! The status decides where the body cannot be read; the body refines it where it can. Where do I add an error code?
//! One row in [`CODES`]. They are read as untyped JSON: no document describes what servers really send.

use std::time::SystemTime;

use reqwest::header::HeaderMap;
use serde_json::Value;
use tachikoma_backends_core::ErrorCategory::{self, *};

use super::rate_limit;
use crate::error::CodexError;

/// Error codes and types that say more than the status. The first row that fits the body's `code`, then its `type`, wins.
const CODES: &[(&str, ErrorCategory)] = &[
    // OpenAI
    ("invalid_api_key", Authentication),
    ("account_deactivated", Authentication),
    ("invalid_organization", Authentication),
    ("mismatched_organization", Authentication),
    ("unsupported_country_region_territory", Permission),
    ("model_not_found", NotFound),
    ("context_length_exceeded", ContextLength),
    ("string_above_max_length", ContextLength),
    ("content_filter", ContentFilter),
    ("content_policy_violation", ContentFilter),
    ("invalid_prompt", ContentFilter),
    ("rate_limit_exceeded", RateLimit),
    ("insufficient_quota", Quota),
    ("billing_hard_limit_reached", Quota),
    ("billing_not_active", Quota),
    ("access_terminated", Permission),
    ("server_error", Server),
    ("server_is_overloaded", Overloaded),
    ("slow_down", Overloaded),
    ("request_timeout", Timeout),
    ("vector_store_timeout", Timeout),
    ("image_content_policy_violation", ContentFilter),
    ("empty_image_file", InvalidRequest),
    ("failed_to_download_image", InvalidRequest),
    ("image_file_not_found", InvalidRequest),
    ("image_file_too_large", InvalidRequest),
    ("image_parse_error", InvalidRequest),
    ("image_too_large", InvalidRequest),
    ("image_too_small", InvalidRequest),
    ("invalid_base64_image", InvalidRequest),
    ("invalid_image", InvalidRequest),
    ("invalid_image_format", InvalidRequest),
    ("invalid_image_mode", InvalidRequest),
    ("invalid_image_url", InvalidRequest),
    ("unsupported_image_media_type", InvalidRequest),
    // Azure
    ("responsibleaipolicyviolation", ContentFilter),
    ("deploymentnotfound", NotFound),
    ("unauthorized", Authentication),
    ("permissiondenied", Permission),
    ("quotaexceeded", Quota),
    ("toomanyrequests", RateLimit),
    // Anthropic's words, which gateways pass on
    ("authentication_error", Authentication),
    ("permission_error", Permission),
    ("not_found_error", NotFound),
    ("rate_limit_error", RateLimit),
    ("overloaded_error", Overloaded),
    ("billing_error", Quota),
    ("api_error", Server),
    ("timeout_error", Timeout),
    // llama.cpp, vLLM, Google, DeepSeek, OpenRouter
    ("exceed_context_size_error", ContextLength),
    ("unavailable_error", Overloaded),
    ("internalservererror", Server),
    ("internal_server_error", Server),
    ("notfounderror", NotFound),
    ("resource_exhausted", RateLimit),
    ("unauthenticated", Authentication),
    ("permission_denied", Permission),
    ("unavailable", Overloaded),
    ("insufficient_balance", Quota),
    ("moderation", ContentFilter),
];

/// Phrases that say more than a status of 400, 413 or 429, or an error inside a 200, where there is no telling code.
const PHRASES: &[(&str, ErrorCategory)] = &[
    ("maximum context length", ContextLength),
    ("context length exceeded", ContextLength),
    ("available context size", ContextLength),
    ("context window", ContextLength),
    ("prompt is too long", ContextLength),
    ("insufficient balance", Quota),
    ("insufficient credits", Quota),
    ("exceeded your current quota", Quota),
];

/// What the status alone says, and whether to try again.
fn by_status(status: u16) -> (ErrorCategory, bool) {
    match status {
        401 => (Authentication, false),
        402 => (Quota, false),
        403 => (Permission, false),
        404 | 405 | 410 => (NotFound, false),
        408 => (Timeout, true),
        // A conflict is a lock that another request holds; OpenAI's own clients try again.
        409 => (Server, true),
        429 => (RateLimit, true),
        503 | 529 => (Overloaded, true),
        504 => (Timeout, true),
        500.. => (Server, true),
        300..=399 => (Configuration, false),
        _ => (InvalidRequest, false),
    }
}

/// What a caller can do about it, where the server does not say so itself.
fn hint(category: ErrorCategory) -> Option<&'static str> {
    Some(match category {
        Authentication => "Check the API key, and that it belongs to this server.",
        Permission => "Check what this key's project may use.",
        NotFound => "Check the model's name and the base URL.",
        ContextLength => "Shorten the conversation or lower max_tokens.",
        ContentFilter => "Change the prompt.",
        Quota => "Check the plan and the billing of the account; waiting does not help.",
        Configuration => "Check the base URL.",
        _ => return None,
    })
}

/// Longest text that is taken from a body that is no JSON, in characters.
const MAX_TEXT: usize = 500;

/// The error that an answer with this status is.
pub(crate) fn from_response(status: u16, headers: &HeaderMap, body: &[u8], now: SystemTime) -> CodexError {
    let said = Said::read(body);
    let (by_status, retryable) = by_status(status);
    let category = said.category(Some(by_status)).unwrap_or(by_status);
    let mut error = said.into_error(category, status);
    let details = error.details_mut();
    details.status = Some(status);
    details.request_id = rate_limit::request_id(headers).or(details.request_id.take());
    details.retryable = match category {
        _ if category == by_status => retryable,
        _ => category.is_retryable(),
    };
    // A gateway that gave up says nothing of the server behind it.
    details.maybe_processed = matches!(status, 408 | 502 | 504);
    if let Some(should_retry) = rate_limit::should_retry(headers) {
        details.retryable = should_retry;
    }
    details.retry_after = rate_limit::retry_after(headers, now)
        .or_else(|| details.retryable.then(|| rate_limit::stated_wait(&details.message)).flatten());
    error
}

/// The error object inside an answer that claims success, if there is one: `{"error": ...}`, vLLM's
/// `{"object": "error", ...}`, `{"type": "error", ...}`.
pub(crate) fn inside_success(body: &Value) -> Option<CodexError> {
    let is_error = |key: &str| body.get(key).is_some_and(|value| value == "error");
    let has_error = body.get("error").is_some_and(|error| !error.is_null());
    let only_message = || body.get("choices").is_none() && body.get("message").is_some_and(Value::is_string);
    if !(has_error || is_error("object") || is_error("type") || only_message()) {
        return None;
    }
    let said = Said::of(body);
    let by_code = said.status().map(|status| by_status(status).0);
    let category = said.category(by_code).or(by_code).unwrap_or(Server);
    let status = said.status();
    let mut error = said.into_error(category, 200);
    error.details_mut().status = status;
    Some(error)
}

/// The error that a body is which was promised to be an answer but is not even JSON: a web page, text, nothing.
pub(crate) fn not_json(body: &[u8], reason: &serde_json::Error) -> CodexError {
    let wrong_server = "Check that the base URL is that of an OpenAI-compatible API.";
    let (category, message, hint) = if body.iter().all(u8::is_ascii_whitespace) {
        (Parse, "the server answered with an empty body".to_owned(), wrong_server)
    } else if reason.is_eof() {
        (TruncatedStream, format!("the server's answer ends in the middle: {reason}"), "Ask again.")
    } else {
        let said = Said::read(body).message.map(|said| format!(": {said}")).unwrap_or_default();
        (Parse, format!("the server's answer is not JSON ({reason}){said}"), wrong_server)
    };
    CodexError::new(category, message).with_hint(hint)
}

/// JSON that is neither an answer nor an error that can be told. `missing` is what an answer would have.
pub(crate) fn without_answer(body: &Value, missing: &str) -> CodexError {
    let message = format!("the server's answer holds no {missing}: {}", cut(&body.to_string()));
    CodexError::new(Parse, message).with_hint("Check that the base URL is that of an OpenAI-compatible API.")
}

/// What a body says, whatever its shape.
#[derive(Clone, Debug, Default)]
struct Said {
    message: Option<String>,
    code: Option<String>,
    kind: Option<String>,
    param: Option<String>,
}

impl Said {
    fn read(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body));
        let text = text.trim();
        // An error status with an event stream for a body.
        let json = text.lines().find_map(|line| line.strip_prefix("data:")).unwrap_or(text);
        match serde_json::from_str::<Value>(json) {
            Ok(value) => Self::of(&value),
            Err(_) => Self { message: readable(text), ..Self::default() },
        }
    }

    fn of(body: &Value) -> Self {
        match body {
            // Gemini wraps its errors in an array.
            Value::Array(items) => items.first().map(Self::of).unwrap_or_default(),
            Value::String(text) => Self { message: readable(text), ..Self::default() },
            Value::Object(fields) => match fields.get("error").filter(|error| !error.is_null()) {
                Some(error @ (Value::Object(_) | Value::Array(_))) => Self::of(error).or(Self::fields(body)),
                Some(error) => Self { message: text_of(error), ..Self::fields(body) },
                None => Self::fields(body),
            },
            _ => Self::default(),
        }
    }

    /// The fields of an error object.
    fn fields(body: &Value) -> Self {
        let text = |key: &str| body.get(key).and_then(text_of);
        // OpenRouter keeps the provider's own words apart.
        let raw = body.pointer("/metadata/raw").and_then(text_of);
        let message =
            ["message", "detail", "error_description", "title", "msg", "errors"].into_iter().find_map(text);
        let message = match (message, raw) {
            (Some(message), Some(raw)) => Some(format!("{message}: {raw}")),
            (message, raw) => message.or(raw),
        };
        let inner_code = body.pointer("/innererror/code").and_then(text_of);
        Self {
            message,
            code: text("code").or_else(|| text("statusCode")).or(inner_code),
            kind: text("type").or_else(|| text("status")).filter(|kind| kind != "error"),
            param: text("param"),
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            message: self.message.or(other.message),
            code: self.code.or(other.code),
            kind: self.kind.or(other.kind),
            param: self.param.or(other.param),
        }
    }

    /// The HTTP status that servers put into `code`.
    fn status(&self) -> Option<u16> {
        self.code.as_ref()?.parse().ok().filter(|status| (400..600).contains(status))
    }

    /// The category that the body states by itself.
    fn category(&self, by_status: Option<ErrorCategory>) -> Option<ErrorCategory> {
        let row = |word: &Option<String>| {
            let word = word.as_ref()?.to_ascii_lowercase();
            CODES.iter().find(|(code, _)| *code == word).map(|(_, category)| *category)
        };
        let vague = matches!(by_status, None | Some(InvalidRequest | RateLimit | Server));
        let phrase = || {
            let message = self.message.as_ref()?.to_ascii_lowercase();
            PHRASES.iter().find(|(phrase, _)| message.contains(phrase)).map(|(_, category)| *category)
        };
        // A bare "server_error" beside a telling status adds nothing.
        let by_code = row(&self.code)
            .or_else(|| row(&self.kind))
            .filter(|category| *category != Server || matches!(by_status, None | Some(Server)));
        by_code.filter(|category| *category != RateLimit).or_else(|| vague.then(phrase).flatten()).or(by_code)
    }

    fn into_error(self, category: ErrorCategory, status: u16) -> CodexError {
        let message = self.message.unwrap_or_else(|| {
            let reason =
                reqwest::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
            match (self.code.as_ref().or(self.kind.as_ref()), reason) {
                (Some(code), _) => format!("the server says only {code:?}"),
                (None, Some(reason)) => format!("the server says nothing but {status} {reason}"),
                (None, None) => format!("the server says nothing but {status}"),
            }
        });
        let mut error = CodexError::new(category, message);
        let details = error.details_mut();
        details.code = self.code.or(self.kind);
        details.param = self.param;
        details.hint = hint(category).map(str::to_owned);
        error
    }
}

/// Text for people out of a JSON value: a string, FastAPI's list of `{loc, msg}`, anything else as JSON.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Bool(_) => None,
        Value::String(text) => readable(text),
        Value::Array(items) => {
            let texts: Vec<_> = items.iter().filter_map(text_of).collect();
            (!texts.is_empty()).then(|| texts.join("; "))
        }
        Value::Object(fields) => {
            let message =
                ["msg", "message", "detail"].iter().find_map(|key| fields.get(*key).and_then(text_of));
            let place = fields.get("loc").and_then(Value::as_array).map(|path| {
                let path: Vec<_> = path
                    .iter()
                    .map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned))
                    .collect();
                path.join(".")
            });
            match (place, message) {
                (Some(place), Some(message)) => Some(format!("{place}: {message}")),
                (None, Some(message)) => Some(message),
                _ => Some(cut(&value.to_string())),
            }
        }
        Value::Number(number) => Some(number.to_string()),
    }
}

/// Text as it can be shown: the title of a web page instead of its markup, and not too long.
fn readable(text: &str) -> Option<String> {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    if !(lower.starts_with("<!doctype") || lower.starts_with("<html") || lower.starts_with("<head")) {
        return (!text.is_empty()).then(|| cut(text));
    }
    let title = ["title", "h1"].iter().find_map(|tag| {
        let start = lower.find(&format!("<{tag}"))?;
        let (_, rest) = text.get(start..)?.split_once('>')?;
        let (title, _) = rest.split_once('<')?;
        let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
        (!title.is_empty()).then_some(title)
    });
    Some(match title {
        Some(title) => format!("a web page with the title {:?}", cut(&title)),
        None => "a web page without a title".to_owned(),
    })
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[track_caller]
    fn check(status: u16, body: &str, category: ErrorCategory, retryable: bool, message: &str) {
        let error = from_response(status, &HeaderMap::new(), body.as_bytes(), SystemTime::UNIX_EPOCH);
        assert_eq!(error.category(), category, "{error}");
        assert_eq!(error.is_retryable(), retryable, "{error}");
        assert_eq!(error.message(), message);
        assert_eq!(error.status(), Some(status));
    }

    fn openai(message: &str, kind: &str, code: &str) -> String {
        serde_json::json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
            .to_string()
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
        check(
            400,
            &openai("Bad", "invalid_request_error", "unsupported_value"),
            InvalidRequest,
            false,
            "Bad",
        );
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
    fn other_servers_errors() {
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
    fn the_status_decides_where_the_body_says_nothing() {
        check(
            502,
            "<html><head><title>502 Bad Gateway</title></head></html>",
            Server,
            true,
            "a web page with the title \"502 Bad Gateway\"",
        );
        check(503, "<!DOCTYPE html><p>x", Overloaded, true, "a web page without a title");
        check(500, "", Server, true, "the server says nothing but 500 Internal Server Error");
        check(529, "", Overloaded, true, "the server says nothing but 529");
        check(402, "{}", Quota, false, "the server says nothing but 402 Payment Required");
        check(409, "locked", Server, true, "locked");
        check(413, "{\"error\": {\"mess", InvalidRequest, false, "{\"error\": {\"mess");
        check(418, "null", InvalidRequest, false, "the server says nothing but 418 I'm a teapot");
    }

    #[test]
    fn headers_count() {
        let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
            pairs
                .iter()
                .map(|(name, value)| (reqwest::header::HeaderName::from_static(name), value.parse().unwrap()))
                .collect()
        };
        let told = |pairs| from_response(500, &headers(pairs), b"x", SystemTime::UNIX_EPOCH);
        assert!(!told(&[("x-should-retry", "false")]).is_retryable());
        assert_eq!(told(&[("retry-after", "3")]).retry_after(), Some(Duration::from_secs(3)));
        assert_eq!(told(&[("x-request-id", "req_1")]).request_id(), Some("req_1"));
        let stated =
            from_response(429, &HeaderMap::new(), b"Please retry after 12 seconds.", SystemTime::UNIX_EPOCH);
        assert_eq!(stated.retry_after(), Some(Duration::from_secs(12)));
    }

    #[test]
    fn errors_inside_a_success() {
        #[track_caller]
        fn check(body: &str, expected: Option<(ErrorCategory, &str)>) {
            let error = inside_success(&serde_json::from_str(body).unwrap());
            let found = error.as_ref().map(|error| (error.category(), error.message()));
            assert_eq!(found, expected);
        }
        check(
            r#"{"error":{"message":"Overloaded","type":"overloaded_error"}}"#,
            Some((Overloaded, "Overloaded")),
        );
        check(r#"{"error":"no such model"}"#, Some((Server, "no such model")));
        check(r#"{"error":{"code":"429","message":"slow"}}"#, Some((RateLimit, "slow")));
        check(
            r#"{"object":"error","message":"EngineDeadError","code":500}"#,
            Some((Server, "EngineDeadError")),
        );
        check(r#"{"type":"error","message":"exploded"}"#, Some((Server, "exploded")));
        check(r#"{"message":"exploded"}"#, Some((Server, "exploded")));
        check(r#"{"error":null,"choices":[]}"#, None);
        check(r#"{"choices":[]}"#, None);
    }

    #[test]
    fn bodies_that_are_no_json() {
        #[track_caller]
        fn check(body: &str, category: ErrorCategory, start: &str) {
            let reason = serde_json::from_str::<Value>(body).unwrap_err();
            let error = not_json(body.as_bytes(), &reason);
            assert_eq!(error.category(), category, "{error}");
            assert!(error.message().starts_with(start), "{error}");
        }
        check("", Parse, "the server answered with an empty body");
        check(" \n", Parse, "the server answered with an empty body");
        check("{\"id\": \"chat", TruncatedStream, "the server's answer ends in the middle");
        check(
            "<html><title>Hi</title></html>",
            Parse,
            "the server's answer is not JSON (expected value at line 1 column 1): a web page with the title \"Hi\"",
        );
        check("hello", Parse, "the server's answer is not JSON");
    }
}
