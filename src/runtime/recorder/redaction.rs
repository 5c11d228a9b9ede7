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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    const SECRET: &str = "sk-proj-Q7w3Zk9Xp2Lm5Tn8";

    fn redaction() -> Redaction {
        let redactor = Arc::new(Redactor::new(&["sk-proj-"]));
        redactor.add_secret(SECRET);
        Redaction::new(&redactor, false, &HeaderMap::new(), None, None)
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    /// Texts with and without the secret, and bytes that are not UTF-8.
    fn part() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            Just(SECRET.as_bytes().to_vec()),
            Just(SECRET.as_bytes()[4..20].to_vec()),
            Just(vec![0xff, 0xf0, 0x9f]),
            "[a-z {}\"\u{e9}\u{1F600}]{0,12}".prop_map(String::into_bytes),
        ]
    }

    proptest! {
        /// Cuts change nothing: the pieces together are the redacted body, and each keeps what comes before and after a secret.
        #[test]
        fn pieces_are_redacted_as_the_whole_body(
            parts in prop::collection::vec(part(), 0..8),
            sizes in prop::collection::vec(1..20usize, 1..8),
        ) {
            let body = Bytes::from(parts.concat());
            let (mut pieces, mut at) = (Vec::new(), 0);
            for size in sizes.iter().cycle() {
                if at == body.len() {
                    break;
                }
                let end = body.len().min(at + size);
                pieces.push(body.slice(at..end));
                at = end;
            }
            let redaction = redaction();
            let whole = redaction.body(std::slice::from_ref(&body)).concat();
            let found = redaction.body(&pieces);
            prop_assert_eq!(found.len(), pieces.len());
            prop_assert_eq!(found.concat(), whole.clone());
            let whole = String::from_utf8_lossy(&whole).into_owned();
            prop_assert!(!whole.contains("Q7w3Zk9X") && !whole.contains("Zk9Xp2Lm"), "{}", whole);
        }
    }

    #[test]
    fn headers_with_credentials_and_accounts_are_masked() {
        let redaction = redaction();
        let check = |found: Vec<(String, String)>, expected: &[(&str, &str)]| {
            let expected: Vec<_> =
                expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!(found, expected);
        };
        let sent = headers(&[
            ("authorization", "Bearer x"),
            ("api-key", "x"),
            ("cookie", "a=b"),
            ("x-organization", "x"),
            ("x-project", "x"),
            ("accept", "*/*"),
            ("x-note", SECRET),
        ]);
        check(
            redaction.request_headers(&sent),
            &[
                ("authorization", "***"),
                ("api-key", "***"),
                ("cookie", "***"),
                ("x-organization", "***"),
                ("x-project", "***"),
                ("accept", "*/*"),
                ("x-note", "***"),
            ],
        );
        let received = headers(&[
            ("set-cookie", "a=b"),
            ("x-ratelimit-limit-tokens", "100"),
            ("content-length", "30"),
            ("x-organization", "x"),
        ]);
        check(
            redaction.response_headers(&received, -5),
            &[
                ("set-cookie", "***"),
                ("x-ratelimit-limit-tokens", "100"),
                ("content-length", "25"),
                ("x-organization", "***"),
            ],
        );
    }

    #[test]
    fn credentials_in_the_request_are_secrets_of_the_exchange() {
        let body = Bytes::from(r#"{"tools":[{"authorization":"of-the-user-1","headers":{"a":"xy"}}]}"#);
        let redaction = Redaction::new(&Arc::default(), false, &HeaderMap::new(), None, Some(&body));
        let Content::Json(json) = redaction.request_body(&body) else { panic!("it is not JSON") };
        assert_eq!(json.to_string(), r#"{"tools":[{"authorization":"***","headers":{"a":"***"}}]}"#);
        assert_eq!(redaction.text("no of-the-user-1"), "no ***");
    }
}
