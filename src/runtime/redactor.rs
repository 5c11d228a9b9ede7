//! [`Redactor`]: the one place that masks secrets in all output of the crate.

mod index;
mod mask;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use self::index::{Index, MIN_SECRET, Pattern};
use self::mask::looks_secret;
pub(crate) use self::mask::{is_masked, mask, masked_url, secret_segments};
use super::Error;

/// The text that replaces a secret.
pub(crate) const MASK: &str = "***";

/// Words in the names of headers that may authenticate a backend without other credentials.
const CREDENTIAL_WORDS: &[&str] = &["auth", "cookie", "key", "password", "secret", "token"];

/// How many of the latest tokens are remembered: a server may echo one that has been replaced.
const MAX_TOKENS: usize = 8;

/// Placeholder keys for local servers that accept any key. They are ordinary words.
const PLACEHOLDERS: &[&str] = &[
    "anything", "dummy-key", "llamafile", "lm-studio", "lmstudio", "no-key-required", "not-needed", "ollama",
    "placeholder", "sk-no-key-required", "unused",
];

/// Masks the secrets of one backend in texts: unchanged, without their scheme, in either case, escaped for
/// URLs, JSON or HTML, in base64, and any part of a credential of 8 characters or more. Secrets of fewer than 6 characters
/// are not masked: they would make ordinary words unreadable.
#[derive(Default)]
pub(crate) struct Redactor {
    /// The public prefixes of the provider's keys, the longer ones first.
    public_prefixes: &'static [&'static str],
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    fixed: Vec<Secret>,
    tokens: VecDeque<Secret>,
    /// Built when the first text is redacted.
    index: Option<Arc<Index>>,
}

struct Secret {
    text: SecretString,
    kind: SecretKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SecretKind {
    /// Parts of it are secret as well.
    Credential,
    /// The value of a header: often a word, which is masked only as a whole word.
    HeaderValue,
}

impl Redactor {
    /// A redactor for a provider whose keys begin with one of these public prefixes; the longer ones come first.
    pub(crate) fn new(public_prefixes: &'static [&'static str]) -> Self {
        Self { public_prefixes, state: Mutex::default() }
    }

    /// Adds the value of a header that carries a credential.
    pub(crate) fn add_credential(&self, value: &HeaderValue) {
        self.add(&header_text(value), SecretKind::Credential);
    }

    /// Adds a new token, and forgets the oldest beyond [`MAX_TOKENS`].
    pub(crate) fn add_token(&self, value: &HeaderValue) {
        let mut state = self.lock();
        for text in find_secrets(&header_text(value)) {
            if state.tokens.iter().any(|token| token.text.expose_secret() == text) {
                continue;
            }
            state.tokens.push_back(Secret { text: text.into(), kind: SecretKind::Credential });
            if state.tokens.len() > MAX_TOKENS {
                state.tokens.pop_front();
            }
            state.index = None;
        }
    }

    /// Adds a header of the caller. If its name is not that of a credential, only what looks like a key in it is taken for one.
    pub(crate) fn add_header(&self, name: &HeaderName, value: &HeaderValue) {
        if may_authenticate(name) {
            self.add_credential(value);
        } else if value.is_sensitive() {
            self.add_value(value);
        }
    }

    fn add_value(&self, value: &HeaderValue) {
        let text = header_text(value);
        for word in text.split(|c: char| c.is_whitespace() || ",;=\"'".contains(c)) {
            if word.len() < text.len() && looks_secret(word) {
                self.add(word, SecretKind::Credential);
            }
        }
        self.add(&text, if looks_secret(&text) { SecretKind::Credential } else { SecretKind::HeaderValue });
    }

    /// Adds a secret in a URL.
    pub(crate) fn add_secret(&self, text: &str) {
        self.add(text, SecretKind::Credential);
    }

    fn add(&self, text: &str, kind: SecretKind) {
        let mut state = self.lock();
        state.fixed.extend(find_secrets(text).into_iter().map(|text| Secret { text: text.into(), kind }));
        state.index = None;
    }

    /// The text with every secret masked.
    pub(crate) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let found = self.find(text);
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut masked = String::with_capacity(text.len());
        let mut end = 0;
        for range in found {
            masked.push_str(text.get(end..range.start).unwrap_or_default());
            masked.push_str(MASK);
            end = range.end;
        }
        masked.push_str(text.get(end..).unwrap_or_default());
        Cow::Owned(masked)
    }

    /// The secrets in the text, in order and without overlaps.
    pub(crate) fn find(&self, text: &str) -> Vec<Range<usize>> {
        self.index().find(text)
    }

    /// The error with every secret masked, in each of its fields and in its causes.
    pub(crate) fn error(&self, error: Error) -> Error {
        error.rewrite(&|text| self.text(text))
    }

    fn index(&self) -> Arc<Index> {
        let mut state = self.lock();
        if let Some(index) = &state.index {
            return Arc::clone(index);
        }
        let mut patterns: Vec<Pattern> = Vec::new();
        for pattern in state
            .fixed
            .iter()
            .chain(&state.tokens)
            .flat_map(|secret| to_patterns(secret, self.public_prefixes))
        {
            if !patterns.contains(&pattern) {
                patterns.push(pattern);
            }
        }
        let index = Arc::new(Index::new(patterns));
        state.index = Some(Arc::clone(&index));
        index
    }

    /// Ignores poisoning: no panic can leave the state inconsistent.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

/// Whether the name of a header is that of a credential.
pub(crate) fn may_authenticate(name: &HeaderName) -> bool {
    CREDENTIAL_WORDS.iter().any(|word| name.as_str().contains(word))
}

fn header_text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// The secret parts of a header's value: what follows its scheme, and of `Basic` also what it encodes.
fn find_secrets(value: &str) -> Vec<String> {
    let value = value.trim();
    let (scheme, secret) = value.split_once(' ').unwrap_or(("", value));
    let is_scheme = ["bearer", "basic", "token", "apikey", "key"].contains(&&*scheme.to_ascii_lowercase());
    let mut found = vec![secret.trim().to_owned()];
    if !is_scheme {
        found.push(value.to_owned());
    }
    if scheme.eq_ignore_ascii_case("basic")
        && let Some(decoded) = STANDARD.decode(secret).ok().and_then(|bytes| String::from_utf8(bytes).ok())
    {
        found.extend(decoded.split_once(':').map(|(_, password)| password.to_owned()));
        found.push(decoded);
    }
    found.retain(|text| text.len() >= MIN_SECRET && !PLACEHOLDERS.contains(&&*text.to_ascii_lowercase()));
    found
}

/// The encodings in which a secret may occur.
fn to_patterns(secret: &Secret, public_prefixes: &[&str]) -> Vec<Pattern> {
    let text = secret.text.expose_secret();
    let is_credential = secret.kind == SecretKind::Credential;
    let is_simple = text.len() < 12 && text.bytes().all(|byte| byte.is_ascii_lowercase());
    let pattern = |form: String, prefix: usize| Pattern {
        has_parts: is_credential,
        is_word: !is_credential || is_simple,
        text: form.into_bytes(),
        prefix,
    };
    let prefix =
        public_prefixes.iter().find(|prefix| text.starts_with(**prefix)).map_or(0, |prefix| prefix.len());
    let mut patterns = vec![pattern(text.to_owned(), prefix)];
    let json = serde_json::to_string(text).unwrap_or_default();
    let json = json.trim_start_matches('"').strip_suffix('"').unwrap_or_default().to_owned();
    let escaped_slashes = json.replace('/', "\\/");
    patterns.extend(
        [percent_encoded(text), html_escaped(text), json, escaped_slashes].map(|form| pattern(form, 0)),
    );
    for skipped in 0..3 {
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            patterns.push(Pattern { is_word: false, ..pattern(base64_within(text, skipped, &engine), 0) });
        }
    }
    patterns.retain(|pattern| pattern.text.len() >= MIN_SECRET);
    patterns
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn html_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// The base64 of a text between `skipped` bytes and others: only the characters that depend on the text alone.
fn base64_within(text: &str, skipped: usize, engine: &impl Engine) -> String {
    let padded = [vec![0; skipped], text.as_bytes().to_vec()].concat();
    let encoded = engine.encode(&padded);
    let start = (skipped * 8).div_ceil(6);
    let end = padded.len() * 8 / 6;
    encoded.get(start..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
