//! Lenient JSON: a value of the wrong type fails a response only if the response needs it.

use serde_json::Value;

/// The text of a value that should be text: ids and names are numbers on some servers.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// As [`text`], without a copy of a string. `None` for an empty value.
pub(crate) fn into_text(value: Option<Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text),
        value => text(&value).filter(|_| !is_empty(&value)),
    }
}

/// The number that a value is, or that its text holds.
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

/// A count; servers write `9.0` and `"9"`. `None` if it is not one.
pub(crate) fn count(value: &Value) -> Option<u32> {
    number(value).and_then(to_count)
}

fn to_count(number: f64) -> Option<u32> {
    let in_range = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    in_range.then_some(number as u32)
}

/// As [`index`], of a number.
pub(crate) fn to_index(number: f64) -> Option<usize> {
    to_count(number).and_then(|number| number.try_into().ok())
}

/// An index in a list of the server.
pub(crate) fn index(value: Option<&Value>) -> Option<usize> {
    value.and_then(count).and_then(|number| number.try_into().ok())
}

/// Whether a value is empty: servers write `""`, `false`, `0`, `[]` and `{}` where the document has null.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is_set) => !is_set,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.trim().is_empty(),
        // A number in a list is data, even 0.
        Value::Array(items) => items.iter().all(|item| !item.is_number() && is_empty(item)),
        Value::Object(fields) => fields.values().all(is_empty),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn counts() {
        for (value, expected) in [
            (json!(9.0), Some(9)),
            (json!("9"), Some(9)),
            (json!(0), Some(0)),
            (json!(-1), None),
            (json!(1.5), None),
            (json!("NaN"), None),
            (json!(1e35), None),
            (json!([9]), None),
        ] {
            assert_eq!(count(&value), expected, "{value}");
        }
    }

    #[test]
    fn empty_values() {
        for value in
            [json!(null), json!(false), json!(0), json!(" "), json!([null, {}]), json!({"a": {"b": ""}})]
        {
            assert!(is_empty(&value), "{value}");
        }
        for value in [json!(true), json!(-1), json!("a"), json!([0]), json!({"a": {"b": "c"}})] {
            assert!(!is_empty(&value), "{value}");
        }
    }
}
