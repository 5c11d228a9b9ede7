//! The arguments of a call, in any form that models write them in.

use serde_json::Value;

use super::envelope::is_envelope;
use super::{PatchError, PatchOperation, check_length, parse_patch};

/// Parses what a model wrote as the arguments of a call: the JSON of one operation, alone or as `operation`; a JSON object with a whole
/// patch as `input`; or a whole patch as text.
///
/// # Errors
/// The text has none of these forms, the patch in it does not follow the format, or the text is longer than 8 MiB.
pub fn parse_arguments(arguments: &str) -> Result<Vec<PatchOperation>, PatchError> {
    if is_envelope(arguments) {
        return parse_patch(arguments);
    }
    check_length("call", arguments)?;
    let refuse = |error: serde_json::Error| {
        let forms = "neither a patch that begins with `*** Begin Patch`, nor JSON with such a patch as `input`, nor a JSON operation";
        PatchError::syntax(format!("the arguments are {forms}: {error}"))
    };
    let mut value: Value = serde_json::from_str(arguments).map_err(refuse)?;
    if let Some(patch) = value.get("input").and_then(Value::as_str) {
        return parse_patch(patch);
    }
    let operation = value.get_mut("operation").map_or_else(|| Value::Null, Value::take);
    let operation = if operation.is_null() { value } else { operation };
    Ok(vec![serde_json::from_value(operation).map_err(refuse)?])
}
