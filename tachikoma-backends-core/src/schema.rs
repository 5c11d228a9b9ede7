//! Strict JSON Schemas: what a server that enforces schemas to the letter accepts, and what a Rust type means by it.
//!
//! The rules are OpenAI's, which other providers follow: <https://platform.openai.com/docs/guides/structured-outputs>, "Supported
//! schemas".

mod definitions;
mod keywords;
mod limits;
mod merge;
mod nulls;
mod order;
mod overlap;
mod strict;
mod union;

use std::fmt;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use crate::{BackendError, ResponseFormat};

pub(crate) use self::nulls::AddedNulls;
pub use self::order::OrderedSchema;
use self::order::ordered_properties;

/// A schema that OpenAI accepts as `strict`, and how it differs from the one that it was made of.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StrictSchema {
    /// The schema.
    pub schema: Value,
    /// What is no longer enforced, and where null has a meaning of its own.
    pub changes: Vec<SchemaChange>,
}

impl StrictSchema {
    /// Where null stands for a property that is not there.
    pub(crate) fn added_nulls(&self) -> AddedNulls {
        let pointers = self.changes.iter().filter_map(|change| match change {
            SchemaChange::NullAdded { pointer } => Some(pointer.clone()),
            SchemaChange::KeywordRemoved { .. } => None,
        });
        AddedNulls::new(pointers.collect())
    }
}

/// A difference between a schema and its strict form. Pointers are JSON Pointers into the strict form.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SchemaChange {
    /// OpenAI does not accept this keyword, so that nothing enforces it. Check what it promised yourself.
    KeywordRemoved {
        /// Where the keyword would be.
        pointer: String,
        /// Its value.
        value: Value,
    },
    /// The property could be left out, which a strict schema does not allow: null stands for that. What is read through this crate
    /// treats it so.
    NullAdded {
        /// The property.
        pointer: String,
    },
}

impl SchemaChange {
    /// Where it is.
    pub fn pointer(&self) -> &str {
        match self {
            Self::KeywordRemoved { pointer, .. } | Self::NullAdded { pointer } => pointer,
        }
    }
}

impl fmt::Display for SchemaChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeywordRemoved { pointer, value } => write!(f, "{pointer}: removed, was {value}"),
            Self::NullAdded { pointer } => write!(f, "{pointer}: null added"),
        }
    }
}

/// Makes a schema strict by OpenAI's rules: every property required, those that were optional nullable, no further properties,
/// unions written as `anyOf` whose branches begin with the property that tells them apart, `allOf` and what stands beside a `$ref`
/// merged, keywords that OpenAI does not accept removed. A schema that is strict already is returned unchanged, apart from
/// definitions that nothing refers to.
///
/// `required` lists the properties in their order, which is that of the type as far as `serde_json` keeps it: see [`OrderedSchema`].
///
/// ```
/// # use serde_json::json;
/// # use tachikoma_backends_core::strict_schema;
/// let schema = json!({"type": "object", "properties": {"age": {"type": "integer", "format": "uint8"}}});
/// let strict = strict_schema(schema)?;
/// assert_eq!(strict.schema, json!({
///     "type": "object",
///     "properties": {"age": {"type": ["integer", "null"]}},
///     "required": ["age"],
///     "additionalProperties": false,
/// }));
/// let changes: Vec<String> = strict.changes.iter().map(ToString::to_string).collect();
/// assert_eq!(changes, ["/properties/age: null added", "/properties/age/format: removed, was \"uint8\""]);
/// # Ok::<(), tachikoma_backends_core::BackendError>(())
/// ```
///
/// # Errors
/// [`BackendError::InvalidRequest`] that lists what cannot be made strict, each with its place: a root that is not an object, maps,
/// values of any type, tuples, objects without properties (unless `additionalProperties` is false, or at the root `properties` is
/// there), unions whose branches cannot be told apart, schemas that no value can fit, a `$ref` that leads nowhere, and a schema
/// larger than OpenAI accepts.
pub fn strict_schema(schema: Value) -> Result<StrictSchema, BackendError> {
    strict::make_strict(&schema).map_err(|problems| {
        let message = format!("the schema cannot be made strict: {}", problems.join("; "));
        BackendError::InvalidRequest(message.into())
    })
}

/// The strict schema of a type. Its doc comments become descriptions.
///
/// # Errors
/// As [`strict_schema`].
pub fn strict_schema_of<T: JsonSchema>() -> Result<StrictSchema, BackendError> {
    strict_schema(schema_of::<T>().into())
}

/// The schema of what `T` is deserialized from.
pub(crate) fn schema_of<T: JsonSchema>() -> Map<String, Value> {
    let generator = SchemaSettings::draft2020_12().for_deserialize().into_generator();
    let schema = generator.into_root_schema_for::<T>();
    schema.as_object().cloned().unwrap_or_default()
}

impl ResponseFormat {
    /// Responses that are a `T`, by its [strict schema](strict_schema), which has the type's name and doc comment.
    ///
    /// ```
    /// use tachikoma_backends_core::ResponseFormat;
    ///
    /// /// Where somebody lives
    /// #[derive(schemars::JsonSchema, serde::Deserialize)]
    /// struct Address { street: String, city: Option<String> }
    ///
    /// let format = ResponseFormat::json_schema::<Address>()?;
    /// # let ResponseFormat::JsonSchema { name, schema, .. } = format else { panic!() };
    /// # assert_eq!((name.as_str(), schema["required"].as_array().unwrap().len()), ("Address", 2));
    /// # Ok::<(), tachikoma_backends_core::BackendError>(())
    /// ```
    ///
    /// # Errors
    /// As [`strict_schema`].
    pub fn json_schema<T: JsonSchema>() -> Result<Self, BackendError> {
        let StrictSchema { mut schema, .. } = strict_schema_of::<T>()?;
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let description = description.as_ref().and_then(Value::as_str).map(str::to_owned);
        Ok(Self::JsonSchema { name: schema_name(&T::schema_name()), description, schema, strict: Some(true) })
    }
}

/// A name that OpenAI accepts: letters, digits, `_` and `-`, 64 at most.
fn schema_name(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let name: String = text.chars().map(|c| if allowed(c) { c } else { '_' }).take(64).collect();
    if name.is_empty() { "response".to_owned() } else { name }
}

/// The pointer to a member of what is at `at`.
pub(crate) fn pointer(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests;
