//! Tools that a model is offered.

mod parameters;
mod spec;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use self::parameters::{ToolParameter, ToolParameters};
pub use self::spec::{CustomTool, CustomToolFormat, GrammarSyntax, HostedTool, ToolSpec};
use crate::schema::{schema_of, strict_schema};
use crate::setters::optional_setters;
use crate::{BackendError, ToolArgumentsError, ToolCall};

/// A function that a model may ask to be called.
///
/// ```
/// # use tachikoma_backends_core::{ToolDefinition, ToolParameter};
/// let tool = ToolDefinition::builder("get_weather")
///     .description("The weather in a city now")
///     .parameter("city", ToolParameter::string("Name of the city"))
///     .parameter("unit", ToolParameter::enumeration("Unit", ["celsius", "fahrenheit"]).optional())
///     .build()?;
/// assert_eq!(tool.parameters.to_json_schema()["required"], serde_json::json!(["city"]));
/// # Ok::<(), tachikoma_backends_core::BackendError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolDefinition {
    /// Letters, digits, `_` and `-`; 64 characters at most.
    pub name: String,
    /// What it does and when to use it, for the model.
    pub description: String,
    /// Its parameters, as a JSON Schema.
    #[serde(default)]
    pub parameters: ToolParameters,
    /// Whether the arguments must follow the schema exactly; the provider decides where this is `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// Further fields of the tool, which are sent unchanged: `defer_loading`, `allowed_callers`, `cache_control`,
    /// `eager_input_streaming`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

impl ToolDefinition {
    /// The longest name that every provider takes, in characters.
    pub const MAX_NAME_LENGTH: usize = 64;

    /// A tool of this name, description and parameters.
    pub fn new(name: impl Into<String>, description: impl Into<String>, parameters: ToolParameters) -> Self {
        Self { name: name.into(), description: description.into(), parameters, ..Self::default() }
    }

    optional_setters! {
        with_strict(strict: bool);
    }

    /// Adds one field to [`extra`](Self::extra).
    #[must_use]
    pub fn with_extra(mut self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extra.insert(field.into(), value.into());
        self
    }

    /// A tool whose parameters are the fields of `Arguments`; its doc comments become their descriptions.
    ///
    /// ```
    /// # use tachikoma_backends_core::ToolDefinition;
    /// #[derive(schemars::JsonSchema)]
    /// struct Weather {
    ///     /// Name of the city
    ///     city: String,
    /// }
    /// let tool = ToolDefinition::from_type::<Weather>("get_weather", "The weather in a city now");
    /// assert_eq!(tool.parameters.to_json_schema()["properties"]["city"]["description"], "Name of the city");
    /// ```
    pub fn from_type<Arguments: JsonSchema>(name: impl Into<String>, description: impl Into<String>) -> Self {
        let mut schema = schema_of::<Arguments>();
        schema.remove("$schema");
        schema.remove("title");
        // A type without fields has no parameters.
        if schema.get("type").is_some_and(|kind| kind == "null") {
            return Self::new(name, description, ToolParameters::new());
        }
        if schema.get("type").is_some_and(|kind| kind == "object")
            && !schema.contains_key("additionalProperties")
        {
            schema.entry("properties").or_insert_with(|| json!({}));
        }
        Self::new(name, description, schema.into())
    }

    /// The same tool with a [strict schema](crate::strict_schema), so that the model's arguments always fit it.
    ///
    /// ```
    /// use tachikoma_backends_core::{ToolCall, ToolDefinition};
    ///
    /// #[derive(schemars::JsonSchema, serde::Deserialize)]
    /// struct Search { text: String, #[serde(default)] limit: u8 }
    ///
    /// let tool = ToolDefinition::from_type::<Search>("search", "Searches").into_strict()?;
    /// assert_eq!(tool.strict, Some(true));
    /// // A strict schema has no optional properties: null means that the field is not set.
    /// let call = ToolCall::new("call_1", "search", r#"{"text": "a", "limit": null}"#);
    /// assert_eq!(tool.parse_arguments::<Search>(&call)?.limit, 0);
    /// # Ok::<(), tachikoma_backends_core::BackendError>(())
    /// ```
    ///
    /// # Errors
    /// As [`strict_schema`].
    pub fn into_strict(mut self) -> Result<Self, BackendError> {
        let schema = Value::Object(std::mem::take(&mut self.parameters).into_json_schema());
        let strict = strict_schema(schema).map_err(|mut error| {
            let message = &mut error.details_mut().message;
            *message = format!("tool {:?}: {message}", self.name);
            error
        })?;
        let added_nulls = Some(strict.added_nulls());
        if let Value::Object(schema) = strict.schema {
            self.parameters = ToolParameters { schema, added_nulls };
        }
        Ok(Self { strict: Some(true), ..self })
    }

    /// The arguments of a call of this tool as a type of yours. Where the schema was made [strict](Self::into_strict), null means
    /// that a field is not set exactly where that added null. (serde does not keep where that was: with a definition that was
    /// deserialized, arguments are parsed as by [`ToolCall::parse_arguments_as`].)
    ///
    /// # Errors
    /// [`ToolArgumentsError`] where they are not JSON or do not fit. Its text can be sent back to the model.
    pub fn parse_arguments<T: DeserializeOwned>(&self, call: &ToolCall) -> Result<T, ToolArgumentsError> {
        let ToolParameters { schema, added_nulls } = &self.parameters;
        let parsed = match added_nulls {
            Some(added) => call.parse_arguments_by(Some((&Value::Object(schema.clone()), added))),
            None => call.parse_arguments_as(),
        };
        parsed.or_else(|error| {
            let properties = schema.get("properties").and_then(Value::as_object);
            if properties.is_some_and(|properties| !properties.is_empty()) {
                return Err(error);
            }
            // A tool without parameters ignores the arguments that a model writes.
            ToolCall { arguments: String::new(), ..call.clone() }.parse_arguments_as().map_err(|_| error)
        })
    }

    /// Builds a definition step by step.
    pub fn builder(name: impl Into<String>) -> ToolDefinitionBuilder {
        ToolDefinitionBuilder(Self { name: name.into(), ..Self::default() })
    }

    /// Checks what every provider requires.
    ///
    /// # Errors
    /// [`BackendError::InvalidRequest`] that says what is wrong: the name, parameters that are not a JSON object, or a
    /// required parameter that does not exist.
    pub fn validate(&self) -> Result<(), BackendError> {
        let Self { name, parameters, .. } = self;
        let wrong = |what: String| Err(BackendError::InvalidRequest(format!("tool {name:?}: {what}").into()));
        if let Err(reason) = check_name(name) {
            return wrong(reason);
        }
        if parameters.schema.get("type").is_none_or(|kind| kind != "object") {
            return wrong("the parameters' schema is not of type \"object\"; wrap them in a struct".into());
        }
        let properties = parameters.schema.get("properties").and_then(Value::as_object);
        let required = parameters.schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for field in required.filter_map(Value::as_str) {
            if !properties.is_some_and(|properties| properties.contains_key(field)) {
                return wrong(format!("parameter {field:?} is required but not defined"));
            }
        }
        Ok(())
    }
}

/// Checks the name of a function or of a custom tool.
///
/// # Errors
/// What is wrong with it.
fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("the name is empty".into());
    }
    if name.chars().count() > ToolDefinition::MAX_NAME_LENGTH {
        return Err(format!("the name is longer than {} characters", ToolDefinition::MAX_NAME_LENGTH));
    }
    match name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))) {
        Some(c) => Err(format!("the name holds {c:?}; use letters, digits, '_' and '-'")),
        None => Ok(()),
    }
}

/// See [`ToolDefinition::builder`].
#[derive(Clone, Debug)]
pub struct ToolDefinitionBuilder(ToolDefinition);

impl ToolDefinitionBuilder {
    /// What the tool does and when to use it, for the model.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.0.description = description.into();
        self
    }

    /// Adds a parameter.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, parameter: ToolParameter) -> Self {
        self.0.parameters = self.0.parameters.with(name, parameter);
        self
    }

    /// Adds a required text.
    #[must_use]
    pub fn required_string(self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.parameter(name, ToolParameter::string(description))
    }

    /// Adds an optional text.
    #[must_use]
    pub fn optional_string(self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.parameter(name, ToolParameter::string(description).optional())
    }

    /// Adds a required integer.
    #[must_use]
    pub fn required_int(self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.parameter(name, ToolParameter::integer(description))
    }

    /// Adds an optional integer.
    #[must_use]
    pub fn optional_int(self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.parameter(name, ToolParameter::integer(description).optional())
    }

    /// Adds a required boolean.
    #[must_use]
    pub fn required_bool(self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.parameter(name, ToolParameter::boolean(description))
    }

    /// Adds an optional boolean.
    #[must_use]
    pub fn optional_bool(self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.parameter(name, ToolParameter::boolean(description).optional())
    }

    /// Whether the arguments must follow the schema exactly.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.0.strict = Some(strict);
        self
    }

    /// The definition.
    ///
    /// # Errors
    /// As [`ToolDefinition::validate`].
    pub fn build(self) -> Result<ToolDefinition, BackendError> {
        self.0.validate()?;
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests;
