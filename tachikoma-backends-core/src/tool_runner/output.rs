//! What a tool's function may return.

use std::any::Any;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{ContentPart, MessageContent};

/// What a tool's function returns, as content for the model.
///
/// Text goes to the model unchanged, [`MessageContent`] and [`ContentPart`]s (images) as parts, anything else as JSON. An `Err`
/// is a failed call, described by its error's `{:#}` text. A type of your own goes within a `Result`, within [`Json`], or
/// implements this trait.
#[diagnostic::on_unimplemented(
    message = "a tool cannot return `{Self}`",
    note = "return text, a number, a `serde_json::Value`, a list, a map, `MessageContent`, or a `Result` of any type that \
            is `Serialize` with an error that is `Display`; put any other `Serialize` type into `Json(..)`"
)]
pub trait ToolReturn {
    /// The content for the model.
    ///
    /// # Errors
    /// Why the call failed, for the model.
    fn into_content(self) -> Result<MessageContent, String>;
}

/// A value that goes to the model as JSON.
///
/// ```
/// # use tachikoma_backends_core::{Json, Tool, ToolDefinition, ToolParameters};
/// #[derive(serde::Serialize)]
/// struct Time { hour: u8 }
///
/// let clock = ToolDefinition::new("clock", "The time now", ToolParameters::new());
/// let tool = Tool::new(clock, async |()| Json(Time { hour: 12 }));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Json<T>(
    /// The value.
    pub T,
);

impl<T: Serialize + 'static, E: Display> ToolReturn for Result<T, E> {
    fn into_content(self) -> Result<MessageContent, String> {
        // The alternate form of an error that holds others, as anyhow's, names them all.
        self.map_err(|error| format!("{error:#}")).and_then(content)
    }
}

/// Implements [`ToolReturn`] by [`content`], one row for each kind of type.
macro_rules! return_by_content {
    ($($({$($generic:tt)*})? $type:ty,)*) => {
        $(impl $(<$($generic)*>)? ToolReturn for $type {
            fn into_content(self) -> Result<MessageContent, String> {
                content(self)
            }
        })*
    };
}

return_by_content! {
    (), bool, char, i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize, f32, f64,
    String, &'static str, Cow<'static, str>, Box<str>,
    Value, Map<String, Value>, MessageContent, ContentPart,
    {T: Serialize + 'static} Json<T>,
    {T: Serialize + 'static} Option<T>,
    {T: Serialize + 'static} Vec<T>,
    {K: Serialize + 'static, V: Serialize + 'static} BTreeMap<K, V>,
    {K: Serialize + 'static, V: Serialize + 'static, S: 'static} HashMap<K, V, S>,
}

/// The content that this value makes. Its type decides at run time, since a `Result` may hold any.
fn content<T: Serialize + 'static>(value: T) -> Result<MessageContent, String> {
    let mut value = Some(value);
    let any: &mut dyn Any = &mut value;
    if let Some(content) = any.downcast_mut::<Option<MessageContent>>().and_then(Option::take) {
        return Ok(content);
    }
    if let Some(parts) = any.downcast_mut::<Option<Vec<ContentPart>>>().and_then(Option::take) {
        return Ok(parts.into());
    }
    if let Some(part) = any.downcast_mut::<Option<ContentPart>>().and_then(Option::take) {
        return Ok(vec![part].into());
    }
    if let Some(text) = any.downcast_mut::<Option<String>>().and_then(Option::take) {
        return Ok(text.into());
    }
    let json =
        serde_json::to_string(&value).map_err(|error| format!("the result is not valid JSON: {error}"))?;
    // Text of any other type, such as `&str` or `Option<String>`, is a JSON string.
    let text = json.starts_with('"').then(|| serde_json::from_str(&json).ok()).flatten();
    Ok(MessageContent::Text(text.unwrap_or(json)))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use serde_json::json;

    use super::*;

    #[derive(Serialize)]
    struct City {
        name: &'static str,
        area: Option<u32>,
    }

    #[test]
    fn text_stays_text_parts_stay_parts_and_the_rest_is_json() {
        #[track_caller]
        fn check(value: impl ToolReturn, expected: impl Into<MessageContent>) {
            assert_eq!(value.into_content(), Ok(expected.into()));
        }
        let image = || ContentPart::image_base64("image/png", "AAAA");
        let oslo = || City { name: "Oslo", area: None };
        check("a \"b\"\n", "a \"b\"\n");
        check("a".to_owned(), "a");
        check(Cow::Borrowed("a"), "a");
        check(Ok::<_, Infallible>("a \"b\""), "a \"b\"");
        check(Ok::<_, Infallible>("a".to_owned()), "a");
        check(Some("a"), "a");
        check(None::<String>, "null");
        check((), "null");
        check(true, "true");
        check(1.5, "1.5");
        check(json!("a"), "a");
        check(json!({"b": 1}), "{\"b\":1}");
        check(vec!["a"], "[\"a\"]");
        check(BTreeMap::from([("a", 1)]), "{\"a\":1}");
        check(HashMap::from([("a", 1)]), "{\"a\":1}");
        check(Json(oslo()), "{\"name\":\"Oslo\",\"area\":null}");
        check(Ok::<_, Infallible>(oslo()), "{\"name\":\"Oslo\",\"area\":null}");
        check(Ok::<_, Infallible>(Json(oslo())), "{\"name\":\"Oslo\",\"area\":null}");
        check(image(), vec![image()]);
        check(vec![image()], vec![image()]);
        check(MessageContent::from(vec![image()]), vec![image()]);
        check(Ok::<_, Infallible>(image()), vec![image()]);
        check(Ok::<_, Infallible>(vec![image()]), vec![image()]);
        check(Ok::<_, Infallible>(MessageContent::from(vec![image()])), vec![image()]);
    }

    #[test]
    fn what_fails_is_described() {
        /// An error that names its cause in the alternate form, as anyhow's.
        struct Failure;
        impl Display for Failure {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(if f.alternate() { "not read: not found" } else { "not read" })
            }
        }
        #[track_caller]
        fn check(value: impl ToolReturn, expected: &str) {
            assert_eq!(value.into_content(), Err(expected.to_owned()));
        }
        check(Err::<(), _>("no"), "no");
        check(Err::<String, _>(Failure), "not read: not found");
        check(HashMap::from([(vec![1], 1)]), "the result is not valid JSON: key must be a string");
        check(
            Ok::<_, Infallible>(HashMap::from([(vec![1], 1)])),
            "the result is not valid JSON: key must be a string",
        );
    }
}
