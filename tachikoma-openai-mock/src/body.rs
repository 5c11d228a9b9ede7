//! Parses a JSON body, or refuses it in OpenAI's words.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::errors::ApiError;
use crate::{function_rules, request_rules, request_schema};

/// The schema of a request body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestSchema {
    Chat,
    Embeddings,
    Responses,
}

/// Parses a body that has at least the `required` fields, and checks it against the schema, if one is given.
pub(crate) fn read<T: DeserializeOwned>(
    body: &[u8],
    required: &[&str],
    schema: Option<RequestSchema>,
) -> Result<T, ApiError> {
    let value: Value = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    if let Some(missing) = required.iter().find(|name| value.get(name).is_none()) {
        return Err(ApiError::missing_parameter(missing));
    }
    if let Some(schema) = schema {
        request_schema::check(schema, &value)?;
        request_rules::check(schema, &value)?;
        function_rules::check(body)?;
    }
    serde_path_to_error::deserialize(&value).map_err(|error| {
        let path = error.path().to_string();
        ApiError::invalid(format!("Invalid value for '{path}': {}.", error.inner()))
            .param(path)
            .code("invalid_value")
    })
}

/// The body is not JSON, or an object in it has a key twice.
pub(crate) fn unreadable(error: &serde_json::Error) -> ApiError {
    ApiError::invalid(format!(
        "We could not parse the JSON body of your request: {error}. The OpenAI API expects a JSON payload, but \
         what was sent was not valid JSON."
    ))
}
