//! Reasoning that a client sends back: it must be what the mock sent. Its id and its encrypted content follow from its text.

use axum::http::StatusCode;

use crate::errors::ApiError;
use crate::hash;

/// The id of reasoning in a response, stored or not.
pub(super) fn id(text: &str, stored: bool) -> String {
    hash::id("rs_", &[text.as_bytes(), &[u8::from(stored)]])
}

/// The encrypted content that replaces the reasoning if nothing is stored.
pub(super) fn encrypted(text: &str) -> String {
    hash::id("gAAAAABmock", &[text.as_bytes()])
}

/// Refuses reasoning that the mock did not send, or that was changed since.
pub(super) fn check(item: Option<&str>, text: &str, encrypted_content: Option<&str>) -> Result<(), ApiError> {
    let is_own = |id: &str| [true, false].iter().any(|stored| id == self::id(text, *stored));
    match (encrypted_content, item) {
        (Some(content), _) if content == encrypted(text) && item.is_none_or(is_own) => Ok(()),
        (Some(content), _) => Err(ApiError::invalid(format!(
            "The encrypted content {content} could not be verified. Reason: it is not what the mock sent with this id \
             and summary."
        ))
        .code("invalid_encrypted_content")),
        (None, Some(item)) if item == id(text, true) => Ok(()),
        (None, item) => Err(not_found(item.unwrap_or_default())),
    }
}

/// The item is only referred to, and items are not stored.
pub(super) fn not_found(item: &str) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        format!(
            "Item with id '{item}' not found. Items are not persisted when `store` is set to false. Try again with \
             `store` set to true, or remove this item from your input."
        ),
    )
    .param("input")
}
