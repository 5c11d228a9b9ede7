//! What a server says about a response that the next turn will continue.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tachikoma_backends_core::ErrorCategory;

use crate::CodexError;
use crate::openai::types::Response;

/// The field of a request with the id of the response that it continues.
const PREVIOUS_RESPONSE: &str = "previous_response_id";

/// The server does not have the previous response, or no longer.
const PREVIOUS_RESPONSE_NOT_FOUND: &str = "previous_response_not_found";

/// Whether the server stores a response, and whether it has continued the one before.
#[derive(Debug, Default)]
pub(crate) struct Storing {
    /// The response that the request continues.
    previous: Option<String>,
    is_stored: AtomicBool,
    is_ignored: AtomicBool,
}

impl Storing {
    /// For a request that continues this response.
    pub(crate) fn new(previous: Option<String>) -> Self {
        Self { previous, ..Self::default() }
    }

    /// Whether the server reports that it stores the response.
    pub(crate) fn is_stored(&self) -> bool {
        self.is_stored.load(Ordering::Relaxed)
    }

    /// Whether the server did not continue the previous response.
    pub(crate) fn is_ignored(&self) -> bool {
        self.is_ignored.load(Ordering::Relaxed)
    }

    /// Reads the response object of an event or of a body; only the last one has to be complete.
    ///
    /// # Errors
    /// It does not continue the previous response, hence answers a part of the conversation.
    pub(super) fn read(&self, response: &Response, is_last: bool) -> Result<(), CodexError> {
        if response.store == Some(Value::Bool(true)) {
            self.is_stored.store(true, Ordering::Relaxed);
        }
        let Some(previous) = &self.previous else { return Ok(()) };
        match &response.previous_response_id {
            Some(Value::String(id)) if id == previous => return Ok(()),
            None if !is_last => return Ok(()),
            _ => {}
        }
        self.is_ignored.store(true, Ordering::Relaxed);
        let message = format!(
            "the server responded without the previous response {previous}, hence to a part of the conversation"
        );
        Err(CodexError::new(ErrorCategory::Parse, message)
            .with_hint("Send the request again: the whole conversation is sent from now on."))
    }
}

/// Whether the server rejects a request because of the previous response with this id, which it does not have or does not take.
pub(crate) fn is_previous_missing(error: &CodexError, id: &str) -> bool {
    let names_it = || error.message().contains(PREVIOUS_RESPONSE) || error.message().contains(id);
    error.code() == Some(PREVIOUS_RESPONSE_NOT_FOUND)
        || matches!(error.category(), ErrorCategory::InvalidRequest | ErrorCategory::NotFound) && names_it()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn response(fields: Value) -> Response {
        serde_json::from_value(fields).unwrap()
    }

    #[test]
    fn a_response_says_whether_it_is_stored() {
        for (fields, expected) in [
            (json!({"store": true}), true),
            (json!({"store": false}), false),
            (json!({"store": null}), false),
            (json!({}), false),
        ] {
            let storing = Storing::new(None);
            storing.read(&response(fields.clone()), true).unwrap();
            assert_eq!(storing.is_stored(), expected, "{fields}");
        }
    }

    #[test]
    fn a_response_to_a_part_of_the_conversation_is_an_error() {
        for (fields, is_last, is_ignored) in [
            (json!({"previous_response_id": "resp_1"}), true, false),
            (json!({"id": "resp_2"}), false, false),
            (json!({"id": "resp_2"}), true, true),
            (json!({"previous_response_id": null}), true, true),
            (json!({"previous_response_id": "resp_0"}), false, true),
            (json!({"previous_response_id": 1}), true, true),
        ] {
            let storing = Storing::new(Some("resp_1".to_owned()));
            let read = storing.read(&response(fields.clone()), is_last);
            assert_eq!((read.is_err(), storing.is_ignored()), (is_ignored, is_ignored), "{fields}");
        }
    }

    #[test]
    fn errors_about_the_previous_response() {
        let error = |category, message: &str| CodexError::new(category, message);
        for (error, expected) in [
            (error(ErrorCategory::NotFound, "Response with id 'resp_1' not found."), true),
            (error(ErrorCategory::InvalidRequest, "Unsupported parameter: previous_response_id"), true),
            (error(ErrorCategory::InvalidRequest, "Unsupported parameter: store"), false),
            (error(ErrorCategory::Server, "resp_1 failed"), false),
        ] {
            assert_eq!(is_previous_missing(&error, "resp_1"), expected, "{error}");
        }
    }
}
