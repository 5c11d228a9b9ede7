//! The parameters of a tool.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::BackendError;
use crate::schema::AddedNulls;

/// The parameters of a tool: a JSON Schema of type `object`. In serde it is that schema.
///
/// ```
/// use serde_json::json;
/// use tachikoma_backends_core::{BackendError, ToolParameter, ToolParameters};
///
/// let by_hand = ToolParameters::new().with("path", ToolParameter::string("File to read"));
///
/// // The schema of an MCP server's tool, say.
/// let from_schema = ToolParameters::try_from(json!({
///     "type": "object",
///     "properties": {"path": {"type": "string", "description": "File to read"}},
///     "required": ["path"],
/// }))?;
/// assert_eq!(by_hand, from_schema);
/// # Ok::<(), BackendError>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ToolParameters {
    pub(super) schema: Map<String, Value>,
    /// Where making the schema strict added null, if the schema was made strict here.
    #[serde(skip)]
    pub(super) added_nulls: Option<AddedNulls>,
}

/// Compares the schemas alone.
impl PartialEq for ToolParameters {
    fn eq(&self, other: &Self) -> bool {
        self.schema == other.schema
    }
}

impl ToolParameters {
    /// No parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a parameter, or replaces the one of this name.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, parameter: ToolParameter) -> Self {
        let name = name.into();
        if let Some(Value::Array(required)) = self.schema.get_mut("required") {
            required.retain(|known| *known != name);
        }
        if parameter.required {
            let required = self.schema.entry("required").or_insert_with(|| json!([]));
            if let Value::Array(required) = required {
                required.push(Value::from(name.as_str()));
            }
        }
        if let Value::Object(properties) = self.schema.entry("properties").or_insert_with(|| json!({})) {
            properties.insert(name, Value::Object(parameter.schema));
        }
        self
    }

    /// The JSON Schema.
    pub fn to_json_schema(&self) -> Value {
        Value::Object(self.schema.clone())
    }

    /// The fields of the JSON Schema.
    pub fn into_json_schema(self) -> Map<String, Value> {
        self.schema
    }
}

/// A JSON Schema of type `object`; [`ToolDefinition::validate`](crate::ToolDefinition::validate) checks whether it is one.
impl From<Map<String, Value>> for ToolParameters {
    fn from(schema: Map<String, Value>) -> Self {
        Self { schema, added_nulls: None }
    }
}

impl Default for ToolParameters {
    fn default() -> Self {
        object([("type", json!("object")), ("properties", json!({}))]).into()
    }
}

impl TryFrom<Value> for ToolParameters {
    type Error = BackendError;

    fn try_from(schema: Value) -> Result<Self, BackendError> {
        match schema {
            Value::Object(schema) => Ok(schema.into()),
            other => {
                let message =
                    format!("a tool's parameters are a JSON Schema of type \"object\", not {other}");
                Err(BackendError::InvalidRequest(message.into()))
            }
        }
    }
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// One parameter of a tool. Required, until it is made [`optional`](Self::optional).
///
/// ```
/// use tachikoma_backends_core::{ToolParameter, ToolParameters};
///
/// let tags = ToolParameter::array("Only files with these tags", ToolParameter::string("A tag"));
/// let parameters = ToolParameters::new()
///     .with("pattern", ToolParameter::string("What to look for"))
///     .with("limit", ToolParameter::integer("How many matches").with_range(1..=100).with_default(20).optional())
///     .with("tags", tags.optional());
/// let schema = parameters.to_json_schema();
/// assert_eq!(schema["required"], serde_json::json!(["pattern"]));
/// assert_eq!(schema["properties"]["limit"]["maximum"], 100);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ToolParameter {
    schema: Map<String, Value>,
    required: bool,
}

impl ToolParameter {
    fn new(kind: &str, description: impl Into<String>) -> Self {
        let schema = object([("type", kind.into()), ("description", description.into().into())]);
        Self { schema, required: true }
    }

    fn with_keyword(mut self, keyword: &str, value: impl Into<Value>) -> Self {
        self.schema.insert(keyword.to_owned(), value.into());
        self
    }

    /// Text.
    pub fn string(description: impl Into<String>) -> Self {
        Self::new("string", description)
    }

    /// An integer.
    pub fn integer(description: impl Into<String>) -> Self {
        Self::new("integer", description)
    }

    /// A number.
    pub fn number(description: impl Into<String>) -> Self {
        Self::new("number", description)
    }

    /// True or false.
    pub fn boolean(description: impl Into<String>) -> Self {
        Self::new("boolean", description)
    }

    /// A list of these.
    pub fn array(description: impl Into<String>, items: ToolParameter) -> Self {
        Self::new("array", description).with_keyword("items", items.schema)
    }

    /// One of these texts.
    pub fn enumeration<V: Into<Value>>(
        description: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let values: Vec<Value> = values.into_iter().map(Into::into).collect();
        Self::new("string", description).with_keyword("enum", values)
    }

    /// An object with these fields.
    pub fn object(description: impl Into<String>, fields: ToolParameters) -> Self {
        let mut parameter = Self::new("object", description);
        parameter.schema.extend(fields.schema);
        parameter
    }

    /// The same parameter, which the model may leave out.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    /// The same parameter, optional, with this value where the model leaves it out.
    #[must_use]
    pub fn with_default(self, value: impl Into<Value>) -> Self {
        self.with_keyword("default", value).optional()
    }

    /// The same parameter, with this smallest and largest value of a number.
    #[must_use]
    pub fn with_range<N: Into<Value> + Copy>(self, range: RangeInclusive<N>) -> Self {
        self.with_keyword("minimum", *range.start()).with_keyword("maximum", *range.end())
    }
}
