//! Single arguments of a tool call, for tools that have no type for all of them.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{ToolArgumentsError, ToolCall};

/// Arguments one by one. [`parse_arguments_as`](ToolCall::parse_arguments_as) parses several at once.
///
/// ```
/// # use tachikoma_backends_core::ToolCall;
/// let call = ToolCall::new("call_1", "read_file", r#"{"path": "a.rs"}"#);
/// assert_eq!(call.get_string("path")?, "a.rs");
/// assert_eq!(call.get_int_opt("max_lines")?, None);
/// assert_eq!(call.get_int("max_lines").unwrap_err().reason, "missing argument `max_lines`");
/// # Ok::<(), tachikoma_backends_core::ToolArgumentsError>(())
/// ```
impl ToolCall {
    /// The argument of this name, a text.
    ///
    /// # Errors
    /// It is missing or not a text, or the arguments are not a JSON object.
    pub fn get_string(&self, name: &str) -> Result<String, ToolArgumentsError> {
        self.argument(name)
    }

    /// The argument of this name, a text; `None` where it is missing or null.
    ///
    /// # Errors
    /// It is not a text, or the arguments are not a JSON object.
    pub fn get_string_opt(&self, name: &str) -> Result<Option<String>, ToolArgumentsError> {
        self.argument_opt(name)
    }

    /// The argument of this name, an integer.
    ///
    /// # Errors
    /// It is missing or not an integer, or the arguments are not a JSON object.
    pub fn get_int(&self, name: &str) -> Result<i64, ToolArgumentsError> {
        self.argument(name)
    }

    /// The argument of this name, an integer; `None` where it is missing or null.
    ///
    /// # Errors
    /// It is not an integer, or the arguments are not a JSON object.
    pub fn get_int_opt(&self, name: &str) -> Result<Option<i64>, ToolArgumentsError> {
        self.argument_opt(name)
    }

    /// The argument of this name, true or false.
    ///
    /// # Errors
    /// It is missing or neither true nor false, or the arguments are not a JSON object.
    pub fn get_bool(&self, name: &str) -> Result<bool, ToolArgumentsError> {
        self.argument(name)
    }

    /// The argument of this name, true or false; `None` where it is missing or null.
    ///
    /// # Errors
    /// It is neither true nor false, or the arguments are not a JSON object.
    pub fn get_bool_opt(&self, name: &str) -> Result<Option<bool>, ToolArgumentsError> {
        self.argument_opt(name)
    }

    fn argument<T: DeserializeOwned>(&self, name: &str) -> Result<T, ToolArgumentsError> {
        self.argument_opt(name)?.ok_or_else(|| self.argument_error(format!("missing argument `{name}`")))
    }

    fn argument_opt<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ToolArgumentsError> {
        let mut arguments: Map<String, Value> = self.parse_arguments_as()?;
        let value = arguments.remove(name).unwrap_or_default();
        Option::deserialize(value).map_err(|error| self.argument_error(format!("at {name}: {error}")))
    }

    fn argument_error(&self, reason: String) -> ToolArgumentsError {
        ToolArgumentsError { tool: self.name.clone(), arguments: self.arguments.clone(), reason }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    type Read<T> = fn(&ToolCall, &str) -> Result<T, ToolArgumentsError>;

    /// Reads the argument `x` of a tool `t` that must be there, and the one that may be missing.
    #[track_caller]
    fn check<T: Clone + Debug + PartialEq>(
        (required, optional): (Read<T>, Read<Option<T>>),
        arguments: &str,
        expected: Result<Option<T>, &str>,
    ) {
        let call = ToolCall::new("a", "t", arguments);
        let wrong = |reason: &str| ToolArgumentsError {
            tool: "t".into(),
            arguments: arguments.into(),
            reason: reason.into(),
        };
        let expected = expected.map_err(wrong);
        assert_eq!(optional(&call, "x"), expected, "{arguments}");
        let expected = expected.and_then(|value| value.ok_or_else(|| wrong("missing argument `x`")));
        assert_eq!(required(&call, "x"), expected, "{arguments}");
    }

    #[test]
    fn arguments_are_read_or_the_error_says_which_is_wrong() {
        let string: (Read<String>, Read<Option<String>>) = (ToolCall::get_string, ToolCall::get_string_opt);
        let int: (Read<i64>, Read<Option<i64>>) = (ToolCall::get_int, ToolCall::get_int_opt);
        let bool: (Read<bool>, Read<Option<bool>>) = (ToolCall::get_bool, ToolCall::get_bool_opt);
        check(string, r#"{"x": "a", "y": 1}"#, Ok(Some("a".into())));
        check(int, r#"{"x": -9223372036854775808}"#, Ok(Some(i64::MIN)));
        check(bool, r#"{"x": false}"#, Ok(Some(false)));
        for arguments in [r#"{"x": null}"#, r#"{"y": 1}"#, "{}", ""] {
            check(string, arguments, Ok(None));
            check(int, arguments, Ok(None));
            check(bool, arguments, Ok(None));
        }
        check(string, r#"{"x": 1}"#, Err("at x: invalid type: integer `1`, expected a string"));
        check(int, r#"{"x": "1"}"#, Err("at x: invalid type: string \"1\", expected i64"));
        check(int, r#"{"x": 1.5}"#, Err("at x: invalid type: floating point `1.5`, expected i64"));
        check(
            int,
            r#"{"x": 9223372036854775808}"#,
            Err("at x: invalid value: integer `9223372036854775808`, expected i64"),
        );
        check(bool, r#"{"x": []}"#, Err("at x: invalid type: sequence, expected a boolean"));
        check(bool, r#"{"x": "#, Err("EOF while parsing a value at line 1 column 5"));
        check(string, "[]", Err("invalid type: sequence, expected a map at line 1 column 0"));
    }
}
