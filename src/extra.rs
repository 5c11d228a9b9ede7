//! Further body fields, which travel as they are. Pure.

use serde::Serialize;
use serde_json::{Map, Value};
use tachikoma_backends_core::ErrorCategory;

use crate::encode;
use crate::error::CodexError;

/// A word that the document knows, typed; one that it does not know yet travels as it is, for the server to judge.
pub(crate) fn word<T: std::str::FromStr>(
    word: Option<&str>,
    field: &str,
    extra: &mut Map<String, Value>,
) -> Option<T> {
    let word = word?;
    let known = word.parse().ok();
    if known.is_none() {
        extra.insert(field.to_owned(), Value::from(word));
    }
    known
}

/// A key that stands twice in a body means whatever the server makes of it. `set` is the body, or a part of it, without `extra`.
///
/// # Errors
/// A field of `extra` is also in `set`, or is one of the `reserved` ones, which this crate sets by itself.
pub(crate) fn refuse_doubles(
    extra: &Map<String, Value>,
    set: &impl Serialize,
    reserved: &[&str],
) -> Result<(), CodexError> {
    // As text and back: there is one way to write a request, and each costs time to build.
    let set: Value = serde_json::from_slice(&encode::json(set)?).map_err(encode::unwritten)?;
    match extra.keys().find(|key| reserved.contains(&key.as_str()) || set.get(key.as_str()).is_some()) {
        None => Ok(()),
        Some(key) => {
            let message = format!("the extra field {key:?} is also set by the request itself");
            Err(CodexError::unsent(ErrorCategory::InvalidRequest, message).with_hint("Set it in one place."))
        }
    }
}
