//! Removes secrets and texts from what is recorded.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::line::Content;
use super::scanner::{self, Edit};
use crate::runtime::Redactor;
use crate::runtime::redactor::{MASK, may_authenticate};

/// Words in the names of headers that identify the account.
const ACCOUNT_WORDS: &[&str] = &["organization", "project"];

/// Words in the names of a response's headers that carry a secret.
const RESPONSE_SECRETS: &[&str] = &["authorization", "cookie", "api-key"];

/// Masks what is recorded of one exchange.
pub(super) struct Redaction {
    redactor: Arc<Redactor>,
    /// The account, which errors may name, and what else is secret in this exchange.
    account: Redactor,
    redacts_texts: bool,
}

impl Redaction {
    /// The headers are those of the request and of the response, if there was one; the body is that of the request.
    pub(super) fn new(
        redactor: &Arc<Redactor>,
        redacts_texts: bool,
        request: &HeaderMap,
        response: Option<&HeaderMap>,
        body: Option<&Bytes>,
    ) -> Self {
        let account = Redactor::default();
        for (name, value) in request.iter().chain(response.into_iter().flatten()) {
            if names_account(name) {
                account.add_credential(value);
            }
        }
        if let Some(mut json) = body.and_then(|body| serde_json::from_slice(body).ok()) {
            visit_credentials(&mut json, &mut |value| {
                value.as_str().into_iter().for_each(|secret| account.add_secret(secret));
            });
        }
        Self { redactor: Arc::clone(redactor), account, redacts_texts }
    }

    /// A text of this crate, or of a URL.
    pub(super) fn text(&self, text: &str) -> String {
        self.account.text(&self.redactor.text(text)).into_owned()
    }

    pub(super) fn request_headers(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let is_secret = |name: &HeaderName, value: &HeaderValue| {
            value.is_sensitive() || may_authenticate(name) || names_account(name)
        };
        self.headers(headers, is_secret)
    }

    /// The headers of a response whose body has become longer by this many bytes.
    pub(super) fn response_headers(&self, headers: &HeaderMap, added: i64) -> Vec<(String, String)> {
        let is_secret = |name: &HeaderName, value: &HeaderValue| {
            let has_word = RESPONSE_SECRETS.iter().any(|word| name.as_str().contains(word));
            value.is_sensitive() || has_word || names_account(name)
        };
        let mut recorded = self.headers(headers, is_secret);
        for (name, value) in &mut recorded {
            if *name == CONTENT_LENGTH.as_str()
                && let Some(length) = value.parse::<i64>().ok().and_then(|length| length.checked_add(added))
            {
                *value = length.to_string();
            }
        }
        recorded
    }

    fn headers(
        &self,
        headers: &HeaderMap,
        is_secret: impl Fn(&HeaderName, &HeaderValue) -> bool,
    ) -> Vec<(String, String)> {
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            let text = match is_secret(name, value) {
                true => MASK.to_owned(),
                false => self.text(&String::from_utf8_lossy(value.as_bytes())),
            };
            (name.as_str().to_owned(), text)
        };
        headers.iter().map(header).collect()
    }

    /// The body of the request.
    pub(super) fn request_body(&self, body: &Bytes) -> Content {
        let bytes = self.body(std::slice::from_ref(body)).into_iter().next().unwrap_or_default();
        let mut content = Content::from_body(bytes);
        if let Content::Json(json) = &mut content {
            // Short ones are not found by their text.
            visit_credentials(json, &mut |value| *value = MASK.into());
        }
        content
    }

    /// A body in pieces. A secret is masked where it begins, and the rest of it is removed from the pieces that follow.
    pub(super) fn body(&self, pieces: &[Bytes]) -> Vec<Vec<u8>> {
        let mut pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
        for redactor in [&*self.redactor, &self.account] {
            edit(&mut pieces, |text| {
                redactor.find(text).into_iter().map(|range| (range, MASK.to_owned())).collect()
            });
        }
        if self.redacts_texts {
            edit(&mut pieces, scanner::texts);
        }
        pieces
    }
}

fn names_account(name: &HeaderName) -> bool {
    ACCOUNT_WORDS.iter().any(|word| name.as_str().contains(word))
}

/// Applies edits to the text of all pieces together, also where a character is cut.
fn edit(pieces: &mut [Vec<u8>], edits: impl Fn(&str) -> Vec<Edit>) {
    let whole = pieces.concat();
    let mut found: Vec<Edit> = Vec::new();
    let mut start = 0;
    for chunk in whole.utf8_chunks() {
        let shifted = |range: Range<usize>| range.start + start..range.end + start;
        found.extend(edits(chunk.valid()).into_iter().map(|(range, text)| (shifted(range), text)));
        start += chunk.valid().len() + chunk.invalid().len();
    }
    if found.is_empty() {
        return;
    }
    let mut found = found.into_iter().peekable();
    let mut start = 0;
    for piece in pieces {
        let end = start + piece.len();
        let mut edited = Vec::with_capacity(piece.len());
        let mut at = start;
        while let Some((range, text)) = found.peek().filter(|(range, _)| range.start < end) {
            edited.extend_from_slice(whole.get(at..range.start).unwrap_or_default());
            // A part that an earlier piece has replaced begins before this one.
            if range.start >= start {
                edited.extend_from_slice(text.as_bytes());
            }
            at = range.end.min(end);
            if range.end > end {
                break;
            }
            found.next();
        }
        edited.extend_from_slice(whole.get(at..end).unwrap_or_default());
        *piece = edited;
        start = end;
    }
}

/// Visits the credentials for other servers that a request carries: the values of `authorization` and of all `headers`.
fn visit_credentials(json: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(|item| visit_credentials(item, visit)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("authorization", value @ Value::String(_)) => visit(value),
                    ("headers", Value::Object(headers)) => headers.values_mut().for_each(&mut *visit),
                    (_, value) => visit_credentials(value, visit),
                }
            }
        }
        _ => {}
    }
}
