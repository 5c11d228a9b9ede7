//! The arguments of calls as servers take them back.

use serde_json::{Map, Value, json};

use crate::{ToolArgumentsError, ToolCall, ToolCallKind};

/// The key under which arguments that are not a JSON object go back.
const INVALID: &str = "invalid_arguments";

/// The call as every server takes it back, whose arguments are a JSON object, and what is wrong with it where that is not how the
/// model wrote it. Missing arguments and `null` become an empty object, a JSON object stays byte for byte. The input of a custom
/// tool is any text.
pub(super) fn with_object_arguments(call: &ToolCall) -> (ToolCall, Option<ToolArgumentsError>) {
    if call.kind == ToolCallKind::Custom {
        return (call.clone(), None);
    }
    let text = call.arguments.trim();
    if text.is_empty() || text == "null" {
        return (ToolCall { arguments: "{}".to_owned(), ..call.clone() }, None);
    }
    match call.parse_arguments_as::<Map<String, Value>>() {
        Ok(_) => (call.clone(), None),
        Err(error) => {
            let arguments = json!({ INVALID: call.arguments }).to_string();
            (ToolCall { arguments, ..call.clone() }, Some(error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_go_back_as_an_object() {
        #[track_caller]
        fn check(arguments: &str, expected: &str, reason: Option<&str>) {
            let (call, error) = with_object_arguments(&ToolCall::new("a", "now", arguments));
            assert_eq!((call.id.as_str(), call.name.as_str()), ("a", "now"));
            assert_eq!(call.arguments, expected);
            assert_eq!(error.map(|error| error.reason).as_deref(), reason);
            assert!(serde_json::from_str::<Map<String, Value>>(&call.arguments).is_ok());
        }
        for object in ["{}", " {\"b\" : 1.0,\n \"a\": \"\\u00e9\"} ", "{\"a\": 1e2}"] {
            check(object, object, None);
        }
        for nothing in ["", "  ", "null", " null\n"] {
            check(nothing, "{}", None);
        }
        check(
            "{\"path\": \"a",
            "{\"invalid_arguments\":\"{\\\"path\\\": \\\"a\"}",
            Some("EOF while parsing a string at line 1 column 11"),
        );
        check(
            "[1]",
            "{\"invalid_arguments\":\"[1]\"}",
            Some("invalid type: sequence, expected a map at line 1 column 0"),
        );
        check("{} {}", "{\"invalid_arguments\":\"{} {}\"}", Some("trailing characters at line 1 column 4"));
    }
}
