//! Categorizes error bodies of every shape that servers send.
//!
//! The status decides if the body cannot be parsed; otherwise the body refines it. The codes come from the provider's
//! [`ErrorTable`]; phrases and keys, which all servers share, are rows of [`tables`].

mod message;
mod parse;
mod sentences;
mod tables;
mod wait;

use std::time::SystemTime;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;
use tachikoma_backends_core::ErrorCategory::{self, *};

pub(crate) use self::parse::normalize_key;
use self::parse::{Fields, ParsedErrorBody};
use self::sentences::Sentences;
use self::tables::*;
use super::{Error, json, rate_limit};

const BINARY_HINT: &str = "Check that the server, or a proxy before it, sends a content-encoding header.";
const TOO_LARGE_HINT: &str = "The request is larger than the limit itself: shorten the conversation or lower max_tokens; waiting does not help.";

/// What is specific to the error bodies of one provider.
#[derive(Debug)]
pub(crate) struct ErrorTable {
    /// Error codes and types that are more specific than the status.
    pub(crate) codes: &'static [(&'static str, ErrorCategory)],
    /// Codes for a field that is too long: a context overflow if the field is part of the conversation.
    pub(crate) field_too_long_codes: &'static [&'static str],
    /// The last path segments of fields that hold the conversation.
    pub(crate) conversation_fields: &'static [&'static str],
    /// Keys of a response, which an error does not have.
    pub(crate) response_keys: &'static [&'static str],
    /// Codes for state of an earlier response that the server rejects.
    pub(crate) stale_state_codes: &'static [&'static str],
    /// Phrases for rejected state; every phrase of a row has to be in one sentence.
    pub(crate) stale_state_phrases: &'static [&'static [&'static str]],
    /// The hint for rejected state.
    pub(crate) stale_state_hint: &'static str,
    /// The hint for a response that does not look like one of this API at all.
    pub(crate) other_api_hint: &'static str,
    /// The headers with the provider's id of a request.
    pub(crate) request_id_headers: &'static [&'static str],
}

impl ErrorTable {
    /// The error of a response with this status.
    pub(crate) fn response_error(
        &self,
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
        now: SystemTime,
    ) -> Error {
        let parsed = ParsedErrorBody::from_bytes(body);
        let mut error = self.build(parsed, Some(status), None);
        let details = error.details_mut();
        details.status = Some(status);
        details.maybe_processed = status_row(status).maybe_processed;
        details.request_id =
            rate_limit::request_id(headers, self.request_id_headers).or(details.request_id.take());
        if let Some(should_retry) = rate_limit::should_retry(headers)
            && can_be_retried(error.category())
        {
            error.details_mut().retryable = Some(should_retry);
        }
        if let Some(wait) = rate_limit::retry_after(headers, now) {
            error.details_mut().retry_after = Some(wait);
        }
        error
    }

    /// The error object inside a response that claims success, if there is one: `{"error": ...}`, vLLM's
    /// `{"object": "error", ...}`, `{"type": "error", ...}`, OpenRouter's error in a choice, a message without the rest of a response.
    pub(crate) fn find_error(&self, body: &Value) -> Option<Error> {
        let error = |body: &Value| Some(self.build(ParsedErrorBody::from_json(body), None, Some(Server)));
        let fields = match body {
            // Gemini wraps its errors in an array.
            Value::Array(items) if items.iter().any(|item| self.find_error(item).is_some()) => {
                return error(body);
            }
            Value::Object(fields) => Fields::new(fields),
            _ => return None,
        };
        let has_value =
            |key: &str| fields.get(key).is_some_and(|value| !json::is_empty(value) && !is_success(value));
        let is_error = |key: &str| fields.get(key).is_some_and(|value| value == "error");
        let is_response = || self.response_keys.iter().any(|key| has_value(key));
        let has_message = || {
            let is_message = |value: &Value| {
                !json::is_empty(value) && !message::is_chat_message(value) && !is_success(value)
            };
            LONE_MESSAGE_KEYS.iter().any(|key| fields.get(key).is_some_and(is_message))
        };
        // MiniMax sends a status in every response; 0 is success.
        let has_failed = || {
            let outcome = fields.get("baseresp").and_then(|outcome| outcome.get("status_code"));
            outcome.is_some_and(|code| !json::is_empty(code) && code != "0")
        };
        if has_value("error") || is_error("object") || is_error("type") {
            return error(body);
        }
        if let Some(inner) = inner_error(&fields) {
            return error(&inner);
        }
        if has_failed() || !is_response() && has_message() { error(body) } else { None }
    }

    /// The error of a response that is not JSON: a web page, text, or empty.
    pub(crate) fn not_json(&self, body: &[u8], reason: &serde_json::Error) -> Error {
        let (category, message, hint) = if body.iter().all(u8::is_ascii_whitespace) {
            (Parse, "the server returned an empty body".to_owned(), self.other_api_hint)
        } else if reason.is_eof() {
            (TruncatedStream, format!("the server's response is cut off: {reason}"), "Try again.")
        } else if std::str::from_utf8(body).is_err() && !body.trim_ascii_start().starts_with(b"{") {
            let message = "the server's response is binary, perhaps compressed without a request for it";
            (Parse, format!("{message} ({reason})"), BINARY_HINT)
        } else {
            let text = ParsedErrorBody::from_bytes(body).message;
            let text = text.map(|text| format!(": {}", message::excerpt(&text))).unwrap_or_default();
            (Parse, format!("the server's response is not JSON ({reason}){text}"), self.other_api_hint)
        };
        Error::new(category, message).with_hint(hint)
    }

    /// The error of JSON that is neither a response nor an error object. `missing` names a required part of a response.
    pub(crate) fn without_response(&self, body: &Value, missing: &str) -> Error {
        let message = format!("the server's response has no {missing}: {}", message::quote(body));
        self.unrecognized(body, message)
    }

    /// The error of JSON that is neither a response nor a known error, for instance the only event of a stream: with the text of
    /// the JSON and the category that it states, else `parse`.
    pub(crate) fn unrecognized_error(&self, body: &Value) -> Error {
        self.find_error(body).unwrap_or_else(|| {
            let message = format!("the server sent JSON that is not a response: {}", message::quote(body));
            self.unrecognized(body, message)
        })
    }

    fn unrecognized(&self, body: &Value, message: String) -> Error {
        let is_response = body.as_object().is_some_and(|fields| {
            self.response_keys.iter().any(|key| fields.get(*key).is_some_and(|value| !json::is_empty(value)))
        });
        // The text of a response is the model's, not the server's.
        let parsed = if is_response { ParsedErrorBody::default() } else { ParsedErrorBody::from_json(body) };
        if self.category(&parsed, None).is_some() {
            return self.build(parsed, None, Some(Parse));
        }
        Error::new(Parse, message).with_hint(self.other_api_hint)
    }

    /// Whether the server rejected the state of an earlier response: the request may succeed without it.
    pub(crate) fn is_stale_state(&self, error: &Error) -> bool {
        let code = error.code().map(normalize_key).unwrap_or_default();
        let is_code = self.stale_state_codes.iter().any(|row| normalize_key(row) == code);
        let sentences = Sentences::new([error.message()]);
        is_code || self.stale_state_phrases.iter().any(|row| sentences.has_all(row))
    }

    /// The category that the body alone states; `status` is the response's, or the one in the body.
    fn category(&self, parsed: &ParsedErrorBody, status: Option<u16>) -> Option<ErrorCategory> {
        let sentences = parsed.sentences();
        let by_status = status.map(|status| status_row(status).category);
        let by_code = self.code_category(parsed, by_status);
        let is_vague =
            matches!(by_status, None | Some(InvalidRequest | RateLimit | Server | Overloaded | Parse));

        if by_code == Some(Quota) || sentences.is_unpaid() {
            return Some(Quota);
        }
        let has_limit = parsed.wait.is_some() || sentences.has_period() || parsed.stated_wait().is_some();
        let is_about_tokens = sentences.has_any(&["token", "context", "tpm "]);
        // A request larger than the limit itself never succeeds.
        if status == Some(413) && is_about_tokens && (by_code == Some(RateLimit) || has_limit) {
            return Some(ContextLength);
        }
        if by_code == Some(ContextLength)
            || is_vague && by_code.is_none_or(is_generic) && sentences.is_context_overflow()
        {
            return Some(ContextLength);
        }
        let is_quota = sentences.has_any(QUOTA_PHRASES)
            || by_code != Some(RateLimit) && sentences.has_any(VAGUE_QUOTA_PHRASES);
        if is_quota && (is_vague || by_status == Some(Permission)) && by_code.is_none_or(is_generic) {
            return Some(if has_limit { RateLimit } else { Quota });
        }
        if status == Some(413) && by_code == Some(RateLimit) {
            return Some(InvalidRequest);
        }
        let is_open = matches!(by_status, None | Some(InvalidRequest | Server | Parse));
        if by_code.is_none_or(is_generic) && is_open && sentences.states_rate_limit() {
            return Some(RateLimit);
        }
        let phrase = || {
            let row = || PHRASES.iter().find(|(phrase, _)| sentences.has_any(&[phrase]));
            (is_open && status != Some(413)).then(row).flatten().map(|(_, category)| *category)
        };
        match by_code {
            Some(category) if !matches!(category, Server | InvalidRequest) => Some(category),
            generic => phrase().or(generic),
        }
    }

    /// The category of the most specific code that has one.
    fn code_category(
        &self,
        parsed: &ParsedErrorBody,
        by_status: Option<ErrorCategory>,
    ) -> Option<ErrorCategory> {
        let category = |code: &String| {
            let code = normalize_key(code);
            if self.field_too_long_codes.iter().any(|row| normalize_key(row) == code) {
                let field = parsed.param.as_deref().and_then(|param| param.rsplit('.').next());
                let field = field.map(|field| field.split('[').next().unwrap_or(field));
                let is_conversation = field.is_none_or(|field| self.conversation_fields.contains(&field));
                return Some(if is_conversation { ContextLength } else { InvalidRequest });
            }
            self.codes.iter().find(|(row, _)| normalize_key(row) == code).map(|(_, category)| *category)
        };
        // A bare "server_error" or "invalid_request_error" adds nothing to a more specific status.
        let is_specific = |found: &ErrorCategory| match found {
            Server => matches!(by_status, None | Some(Server | Parse)),
            InvalidRequest => matches!(by_status, None | Some(InvalidRequest | Parse)),
            _ => true,
        };
        let mut found: Vec<_> = parsed.codes.iter().filter_map(category).filter(is_specific).collect();
        // Specific codes come before types of many errors.
        found.sort_by_key(|category| is_generic(*category) && *category != RateLimit);
        found.first().copied()
    }

    /// The error of this body. Without a status, the one in the body counts, and then `default`.
    fn build(&self, parsed: ParsedErrorBody, status: Option<u16>, default: Option<ErrorCategory>) -> Error {
        let status = status.or(parsed.status());
        let row = status.map(status_row);
        let by_status = row.map(|row| row.category).or(default).unwrap_or(Server);
        let category = self.category(&parsed, status).unwrap_or(by_status);
        let sentences = parsed.sentences();
        let never_fits = category == RateLimit && sentences.has_any(&["request too large"]);
        let mut retryable = match row {
            Some(row) if row.category == category => row.retryable,
            _ => category.is_retryable(),
        };
        retryable &= can_be_retried(category) && !never_fits;
        let wait = retryable.then(|| parsed.stated_wait()).flatten();
        let message = parsed.message.clone().or(parsed.quote.clone());
        let message = message.unwrap_or_else(|| default_message(status, parsed.code()));
        let mut error = Error::new(category, message);
        let details = error.details_mut();
        details.code = parsed.code().cloned();
        details.status = status;
        details.param = parsed.param;
        details.request_id = parsed.request_id;
        details.retryable = Some(retryable);
        details.retry_after = wait;
        details.hint = self.hint(category).map(str::to_owned);
        if self.is_stale_state(&error) {
            error = error.with_hint(self.stale_state_hint);
        } else if never_fits {
            error = error.with_hint(TOO_LARGE_HINT);
        }
        error
    }

    /// The hint for an error of this category.
    fn hint(&self, category: ErrorCategory) -> Option<&'static str> {
        let api_hint = (category == Parse).then_some(self.other_api_hint);
        api_hint.or_else(|| HINTS.iter().find(|(row, _)| *row == category).map(|(_, hint)| *hint))
    }
}

/// Whether a message, or the value of an error field, states success.
fn is_success(value: &Value) -> bool {
    match value {
        Value::String(text) => SUCCESS_WORDS.contains(&normalize_key(text).as_str()),
        Value::Object(fields) => {
            let mut texts = ["message", "msg"].iter().filter_map(|key| fields.get(*key)).peekable();
            texts.peek().is_some() && texts.all(is_success)
        }
        _ => false,
    }
}

/// The error in a choice or in the response of an event; the whole holder if its error is only `true`.
fn inner_error(fields: &Fields<'_>) -> Option<Value> {
    let choices = fields.get("choices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    choices.iter().chain(fields.get("response")).find_map(|holder| {
        let error = holder.get("error").filter(|error| !json::is_empty(error))?;
        let has_text = error.is_object() || error.is_array() || error.is_string();
        Some(if has_text { serde_json::json!({ "error": error }) } else { holder.clone() })
    })
}

fn status_row(status: u16) -> StatusRow {
    let row = STATUSES.iter().find(|(statuses, _)| statuses.contains(&status));
    row.map_or(StatusRow { category: Server, retryable: true, maybe_processed: true }, |(_, row)| *row)
}

/// Waiting fixes neither an empty account nor a conversation that is too long, whatever a header states.
fn can_be_retried(category: ErrorCategory) -> bool {
    !matches!(category, Quota | ContextLength)
}

impl ParsedErrorBody {
    fn sentences(&self) -> Sentences {
        let texts = self.message.iter().chain(&self.quote).chain(&self.codes).chain(&self.quotas);
        Sentences::new(texts.map(String::as_str))
    }

    /// The wait that the body states.
    fn stated_wait(&self) -> Option<std::time::Duration> {
        self.wait.or_else(|| self.message.as_deref().or(self.quote.as_deref()).and_then(wait::find_in_text))
    }
}

/// Categories that a code names for many different errors.
fn is_generic(category: ErrorCategory) -> bool {
    matches!(category, RateLimit | Server | InvalidRequest)
}

/// The message for a body without one.
fn default_message(status: Option<u16>, code: Option<&String>) -> String {
    let reason = |status| StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    match (code, status) {
        (Some(code), _) => format!("the server returned only the code {code}"),
        (None, Some(status)) => {
            let reason = reason(status).map(|reason| format!(" {reason}")).unwrap_or_default();
            let missing = if status < 300 { "a response" } else { "an error message" };
            format!("the server returned {status}{reason} without {missing}")
        }
        (None, None) => "the server returned an error without a message".to_owned(),
    }
}
