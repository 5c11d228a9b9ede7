//! API keys: where a request sends its key, and how a key is masked.

use std::fmt;

use axum::http::{HeaderMap, StatusCode, header};

use crate::errors::ApiError;

/// A key that `Debug` masks.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) String);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", mask(&self.0))
    }
}

/// Accepts a request with the required key, or with any key if no particular one is required. `needed` is whether it must
/// have a key at all.
pub(crate) fn authorise(headers: &HeaderMap, required: Option<&Key>, needed: bool) -> Result<(), ApiError> {
    let unauthorised =
        |message| Err(ApiError::new(StatusCode::UNAUTHORIZED, message).code("invalid_api_key"));
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| key)
        .or_else(|| headers.get("api-key")?.to_str().ok())
        .map(str::trim)
        .filter(|key| !key.is_empty());
    match (given, required) {
        (None, None) if !needed => Ok(()),
        (None, _) => unauthorised(
            "You didn't provide an API key. You need to provide your API key in an Authorization header \
             using Bearer auth (i.e. Authorization: Bearer YOUR_KEY). You can obtain an API key from \
             https://platform.openai.com/account/api-keys."
                .to_owned(),
        ),
        (Some(given), Some(Key(required))) if given != required => unauthorised(format!(
            "Incorrect API key provided: {}. You can find your API key at \
             https://platform.openai.com/account/api-keys.",
            mask(given)
        )),
        _ => Ok(()),
    }
}

/// The value of a header for a record: of credentials, the scheme and a mask.
pub(crate) fn masked_header(name: &str, value: &str) -> String {
    match (name, value.split_once(' ')) {
        ("authorization" | "proxy-authorization", Some((scheme, key))) => format!("{scheme} {}", mask(key)),
        ("authorization" | "proxy-authorization" | "api-key" | "x-api-key" | "cookie", _) => mask(value),
        _ => value.to_owned(),
    }
}

/// `sk-12***cd`. A key too short to hide anything that way becomes `***`.
fn mask(key: &str) -> String {
    let length = key.chars().count();
    if length < 12 {
        return "***".to_owned();
    }
    let (start, end) =
        (key.chars().take(5).collect::<String>(), key.chars().skip(length - 2).collect::<String>());
    format!("{start}***{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_keeps_only_the_ends() {
        let check = |key, expected| assert_eq!(mask(key), expected);
        check("", "***");
        check("sk-short", "***");
        check("sk-1234567890abcd", "sk-12***cd");
        check("ключ-это-секрет", "ключ-***ет");
    }

    #[test]
    fn headers_that_carry_credentials_are_masked() {
        let check = |name, value, expected| assert_eq!(masked_header(name, value), expected);
        check("authorization", "Bearer sk-1234567890abcd", "Bearer sk-12***cd");
        check("authorization", "sk-1234567890abcd", "sk-12***cd");
        check("api-key", "0123456789abcdef", "01234***ef");
        check("cookie", "a=0123456789; b=1", "a=012***=1");
        check("idempotency-key", "0123456789abcdef", "0123456789abcdef");
        check("content-type", "application/json", "application/json");
        check("user-agent", "reqwest", "reqwest");
    }
}
