//! [`tool!`](crate::tool!): a tool from a closure.

/// A [`Tool`](crate::Tool) from a closure: its parameters are those of the tool, by name and type.
///
/// The types are deserialized, and have a JSON schema: the crate that uses this macro depends on `serde` and `schemars` with their
/// derives. An `Option` may be left out by the model. A parameter may have a doc comment, which describes it to the model. The
/// closure captures what it uses by `move`. It may be asynchronous, if it captures nothing but what is `Copy`. It returns what any
/// [function of a tool](crate::ToolFunction) may return.
///
/// ```
/// use tachikoma_backends_core::{ToolRunner, tool};
///
/// let runner = ToolRunner::new()
///     .with(tool!("read_file", "Reads a text file", |path: String| std::fs::read_to_string(path)))
///     .with(tool!("add", "Adds two numbers", |a: f64, b: f64| a + b))
///     .with(tool!("clock", "The time now", || "noon"))
///     .with(tool!(
///         "search",
///         "Searches the files",
///         async |
///             /// A regular expression
///             pattern: String,
///             limit: Option<usize>,
///         | format!("the first {limit:?} lines with {pattern}")
///     ));
/// assert_eq!(runner.specs().count(), 4);
/// ```
///
/// It is short for [`Tool::from_fn`](crate::Tool::from_fn) with a struct of these fields, which takes more: attributes of `serde`
/// and `schemars`, a closure with a return type, an asynchronous one with state.
#[macro_export]
macro_rules! tool {
    ($name:expr, $description:expr, || $body:expr $(,)?) => {
        $crate::Tool::from_fn($name, $description, move |()| $body)
    };
    ($name:expr, $description:expr, async || $body:expr $(,)?) => {
        $crate::Tool::from_fn($name, $description, move |()| async move { $body })
    };
    ($name:expr, $description:expr, |$($(#[$meta:meta])* $parameter:ident: $type:ty),+ $(,)?| $body:expr $(,)?) => {{
        $crate::__tool_arguments!($($(#[$meta])* $parameter: $type),+);
        $crate::Tool::from_fn($name, $description, move |Arguments { $($parameter),+ }: Arguments| $body)
    }};
    ($name:expr, $description:expr, async |$($(#[$meta:meta])* $parameter:ident: $type:ty),+ $(,)?| $body:expr $(,)?) => {{
        $crate::__tool_arguments!($($(#[$meta])* $parameter: $type),+);
        $crate::Tool::from_fn($name, $description, move |Arguments { $($parameter),+ }: Arguments| {
            async move { $body }
        })
    }};
}

/// The struct of a tool's parameters.
#[doc(hidden)]
#[macro_export]
macro_rules! __tool_arguments {
    ($($(#[$meta:meta])* $parameter:ident: $type:ty),+) => {
        #[derive(::serde::Deserialize, ::schemars::JsonSchema)]
        struct Arguments {
            $($(#[$meta])* $parameter: $type),+
        }
    };
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{ToolCall, ToolRunner, ToolSpec};

    #[test]
    fn parameters_become_the_schema() {
        let tool = tool!(
            "search",
            "Searches",
            async |/// A regular expression
                   pattern: String,
                   limit: Option<u8>| format!("{pattern} {limit:?}")
        );
        let ToolSpec::Function(definition) = tool.spec() else { panic!("{tool:?}") };
        assert_eq!((definition.name.as_str(), definition.description.as_str()), ("search", "Searches"));
        let schema = Value::Object(definition.parameters.clone().into_json_schema());
        assert_eq!(schema["required"], json!(["pattern"]));
        assert_eq!(
            schema["properties"]["pattern"],
            json!({"type": "string", "description": "A regular expression"})
        );
        let ToolSpec::Function(clock) = tool!("clock", "The time", || "noon").spec().clone() else {
            panic!("not a function")
        };
        assert_eq!(clock.parameters.to_json_schema()["properties"], json!({}));
    }

    #[tokio::test]
    async fn arguments_reach_the_closure() {
        let prefix = "> ".to_owned();
        let runner = ToolRunner::new()
            .with(tool!("quote", "Quotes", |text: String, times: usize| prefix.repeat(times) + &text))
            .with(tool!("double", "Doubles", async |number: i64| number * 2))
            .with(tool!("read", "Reads", |path: String| std::fs::read_to_string(path),))
            .with(tool!("clock", "The time", async || "noon"));
        let calls = [
            ("quote", r#"{"text": "a", "times": 2}"#),
            ("double", r#"{"number": 21}"#),
            ("read", r#"{"path": "/no/such/file"}"#),
            ("clock", "{}"),
            ("quote", r#"{"text": "a"}"#),
        ];
        let calls = calls.map(|(name, arguments)| ToolCall::new(arguments, name, arguments));
        let results = runner.run_calls(&calls).await;
        let texts: Vec<String> = results.iter().map(|result| result.content.to_text()).collect();
        assert_eq!(texts[..2], ["> > a", "42"]);
        assert!(!results[2].success && texts[2].contains("os error"), "{}", texts[2]);
        assert_eq!(texts[3], "noon");
        assert!(!results[4].success && texts[4].contains("times"), "{}", texts[4]);
    }
}
