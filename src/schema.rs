//! JSON Schemas by OpenAI's rules for `strict`: structured outputs and tools whose arguments keep to the schema to the letter.
//!
//! What the rules are: <https://platform.openai.com/docs/guides/structured-outputs>, "Supported schemas".

mod keywords;
mod making;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;
use tachikoma_backends_core::{ErrorCategory, ResponseFormat, ToolDefinition};

use crate::error::CodexError;

/// A schema that OpenAI takes as `strict`, and what it lost on the way.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StrictSchema {
    /// The schema.
    pub schema: Value,
    /// The keywords that OpenAI does not take, as JSON pointers to where they stood: nothing enforces them now. Check what
    /// they promised yourself.
    pub removed: Vec<String>,
}

/// Makes a schema strict by OpenAI's rules: every property required, those that were optional nullable, no further properties,
/// `$defs` kept, `oneOf` written as `anyOf`, keywords that OpenAI does not take removed and listed. What is strict already
/// comes back as it was.
///
/// ```
/// # use serde_json::json;
/// let schema = json!({"type": "object", "properties": {"age": {"type": "integer", "format": "uint8"}}});
/// let strict = tachikoma_backend_codex::strict_schema(schema)?;
/// assert_eq!(strict.schema, json!({
///     "type": "object",
///     "properties": {"age": {"type": ["integer", "null"]}},
///     "required": ["age"],
///     "additionalProperties": false,
/// }));
/// assert_eq!(strict.removed, ["/properties/age/format"]);
/// # Ok::<(), tachikoma_backend_codex::CodexError>(())
/// ```
///
/// # Errors
/// What cannot be made strict, each with its place: a root that is no object, maps, values of any type, tuples, `allOf` of
/// several schemas, a `$ref` that leads nowhere, a schema larger than OpenAI takes.
pub fn strict_schema(mut schema: Value) -> Result<StrictSchema, CodexError> {
    let removed = making::make_strict(&mut schema).map_err(|problems| {
        let message = format!("the schema cannot be made strict: {}", problems.join("; "));
        CodexError::unsent(ErrorCategory::InvalidRequest, message)
    })?;
    Ok(StrictSchema { schema, removed })
}

/// The strict schema of a type. Its doc comments become descriptions.
///
/// # Errors
/// As [`strict_schema`].
pub fn strict_schema_of<T: JsonSchema>() -> Result<StrictSchema, CodexError> {
    // What the model writes is read by `Deserialize`.
    let generator = SchemaSettings::draft2020_12().for_deserialize().into_generator();
    strict_schema(generator.into_root_schema_for::<T>().to_value())
}

/// Response formats from Rust types.
pub trait ResponseFormatExt: Sized {
    /// Answers that are a `T`, by its [strict schema](strict_schema), which takes the type's name and doc comment.
    ///
    /// ```
    /// use tachikoma_backend_codex::ResponseFormatExt;
    /// use tachikoma_backends_core::ResponseFormat;
    ///
    /// /// Where somebody lives
    /// #[derive(schemars::JsonSchema, serde::Deserialize)]
    /// struct Address { street: String, city: Option<String> }
    ///
    /// let format = ResponseFormat::json_schema::<Address>()?;
    /// # let ResponseFormat::JsonSchema { name, schema, .. } = format else { panic!() };
    /// # assert_eq!((name.as_str(), schema["required"].as_array().unwrap().len()), ("Address", 2));
    /// # Ok::<(), tachikoma_backend_codex::CodexError>(())
    /// ```
    ///
    /// # Errors
    /// As [`strict_schema`].
    fn json_schema<T: JsonSchema>() -> Result<Self, CodexError>;
}

impl ResponseFormatExt for ResponseFormat {
    fn json_schema<T: JsonSchema>() -> Result<Self, CodexError> {
        let StrictSchema { mut schema, .. } = strict_schema_of::<T>()?;
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let description = description.as_ref().and_then(Value::as_str).map(str::to_owned);
        Ok(Self::JsonSchema { name: name(&T::schema_name()), description, schema, strict: Some(true) })
    }
}

/// Tools whose calls keep to their schema.
pub trait ToolDefinitionExt: Sized {
    /// The same tool with a [strict schema](strict_schema), so that the model's arguments always fit it.
    ///
    /// ```
    /// use tachikoma_backend_codex::ToolDefinitionExt;
    /// use tachikoma_backends_core::ToolDefinition;
    ///
    /// #[derive(schemars::JsonSchema, serde::Deserialize)]
    /// struct Place { city: String, country: Option<String> }
    ///
    /// let tool = ToolDefinition::from_type::<Place>("get_weather", "The weather now").into_strict()?;
    /// assert_eq!(tool.strict, Some(true));
    /// # Ok::<(), tachikoma_backend_codex::CodexError>(())
    /// ```
    ///
    /// # Errors
    /// As [`strict_schema`].
    fn into_strict(self) -> Result<Self, CodexError>;
}

impl ToolDefinitionExt for ToolDefinition {
    fn into_strict(mut self) -> Result<Self, CodexError> {
        let schema = Value::Object(std::mem::take(&mut self.parameters).into_json_schema());
        let strict = strict_schema(schema).map_err(|error| error.within(&format!("tool {:?}", self.name)))?;
        if let Value::Object(schema) = strict.schema {
            self.parameters = schema.into();
        }
        Ok(Self { strict: Some(true), ..self })
    }
}

/// A name that OpenAI takes: letters, digits, `_` and `-`, 64 at most.
fn name(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let name: String = text.chars().map(|c| if allowed(c) { c } else { '_' }).take(64).collect();
    if name.is_empty() { "answer".to_owned() } else { name }
}

#[cfg(test)]
mod tests;
