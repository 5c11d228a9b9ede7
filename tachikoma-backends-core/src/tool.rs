//! Tools that a model is offered.

use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::schema::{AddedNulls, schema_of, strict_schema};
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
    /// What it takes.
    #[serde(default)]
    pub parameters: ToolParameters,
    /// Whether the arguments must follow the schema to the letter; the provider decides where this is `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

impl ToolDefinition {
    /// The longest name that every provider takes, in characters.
    pub const MAX_NAME_LENGTH: usize = 64;

    /// A tool of this name, description and parameters.
    pub fn new(name: impl Into<String>, description: impl Into<String>, parameters: ToolParameters) -> Self {
        Self { name: name.into(), description: description.into(), parameters, strict: None }
    }

    optional_setters! {
        with_strict(strict: bool);
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
        // A type without fields: no parameters.
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
    /// // A strict schema has no properties that can be left out: null stands for that.
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
    /// that a field is not there exactly where that added null. (serde does not keep where that was: of a definition that was
    /// serialized, arguments are read as [`ToolCall::parse_arguments_as`] reads them.)
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
            // A tool without parameters has none, whatever the model writes.
            ToolCall { arguments: String::new(), ..call.clone() }.parse_arguments_as().map_err(|_| error)
        })
    }

    /// Builds a definition step by step.
    pub fn builder(name: impl Into<String>) -> ToolDefinitionBuilder {
        ToolDefinitionBuilder(Self { name: name.into(), ..Self::default() })
    }

    /// Checks what every provider asks for.
    ///
    /// # Errors
    /// [`BackendError::InvalidRequest`] that says what is wrong: the name, parameters that are no JSON object, or a
    /// required parameter that does not exist.
    pub fn validate(&self) -> Result<(), BackendError> {
        let Self { name, parameters, .. } = self;
        let wrong = |what: String| Err(BackendError::InvalidRequest(format!("tool {name:?}: {what}").into()));
        if name.is_empty() {
            return wrong("the name is empty".into());
        }
        if name.chars().count() > Self::MAX_NAME_LENGTH {
            return wrong(format!("the name is longer than {} characters", Self::MAX_NAME_LENGTH));
        }
        if let Some(c) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))) {
            return wrong(format!("the name holds {c:?}; use letters, digits, '_' and '-'"));
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

    /// Adds a text that the model has to give.
    #[must_use]
    pub fn required_string(self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.parameter(name, ToolParameter::string(description))
    }

    /// Adds a text that the model may leave out.
    #[must_use]
    pub fn optional_string(self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.parameter(name, ToolParameter::string(description).optional())
    }

    /// Adds a whole number that the model has to give.
    #[must_use]
    pub fn required_int(self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.parameter(name, ToolParameter::integer(description))
    }

    /// Adds a whole number that the model may leave out.
    #[must_use]
    pub fn optional_int(self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.parameter(name, ToolParameter::integer(description).optional())
    }

    /// Adds a truth value that the model has to give.
    #[must_use]
    pub fn required_bool(self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.parameter(name, ToolParameter::boolean(description))
    }

    /// Adds a truth value that the model may leave out.
    #[must_use]
    pub fn optional_bool(self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.parameter(name, ToolParameter::boolean(description).optional())
    }

    /// Whether the arguments must follow the schema to the letter.
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

/// What a tool takes: a JSON Schema of type `object`. In serde it is that schema.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ToolParameters {
    schema: Map<String, Value>,
    /// Where making the schema strict added null, if it was made so here.
    #[serde(skip)]
    added_nulls: Option<AddedNulls>,
}

/// What the schema says decides.
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

    /// Adds a parameter, or puts another in the place of the one of this name.
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

/// A JSON Schema of type `object`; [`ToolDefinition::validate`] says whether it is one.
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
#[derive(Clone, Debug, PartialEq)]
pub struct ToolParameter {
    schema: Map<String, Value>,
    required: bool,
}

impl ToolParameter {
    fn of(kind: &str, description: impl Into<String>) -> Self {
        let schema = object([("type", kind.into()), ("description", description.into().into())]);
        Self { schema, required: true }
    }

    fn with_keyword(mut self, keyword: &str, value: impl Into<Value>) -> Self {
        self.schema.insert(keyword.to_owned(), value.into());
        self
    }

    /// Text.
    pub fn string(description: impl Into<String>) -> Self {
        Self::of("string", description)
    }

    /// A whole number.
    pub fn integer(description: impl Into<String>) -> Self {
        Self::of("integer", description)
    }

    /// A number.
    pub fn number(description: impl Into<String>) -> Self {
        Self::of("number", description)
    }

    /// True or false.
    pub fn boolean(description: impl Into<String>) -> Self {
        Self::of("boolean", description)
    }

    /// A list of these.
    pub fn array(description: impl Into<String>, items: ToolParameter) -> Self {
        Self::of("array", description).with_keyword("items", items.schema)
    }

    /// One of these texts.
    pub fn enumeration<V: Into<Value>>(
        description: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let values: Vec<Value> = values.into_iter().map(Into::into).collect();
        Self::of("string", description).with_keyword("enum", values)
    }

    /// An object with these fields.
    pub fn object(description: impl Into<String>, fields: ToolParameters) -> Self {
        let mut parameter = Self::of("object", description);
        parameter.schema.extend(fields.schema);
        parameter
    }

    /// The model may leave it out.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    /// The value that holds where the model leaves it out, which it then may.
    #[must_use]
    pub fn with_default(self, value: impl Into<Value>) -> Self {
        self.with_keyword("default", value).optional()
    }

    /// The smallest and the largest value of a number.
    #[must_use]
    pub fn with_range<N: Into<Value> + Copy>(self, range: RangeInclusive<N>) -> Self {
        self.with_keyword("minimum", *range.start()).with_keyword("maximum", *range.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_parameter() {
        let inner = ToolParameters::new().with("x", ToolParameter::number("across"));
        let tool = ToolDefinition::builder("draw-it_2")
            .description("Draws")
            .parameter("text", ToolParameter::string("what"))
            .parameter("times", ToolParameter::integer("how often").with_range(1..=5).with_default(1))
            .parameter("bold", ToolParameter::boolean("heavy").optional())
            .parameter("tags", ToolParameter::array("labels", ToolParameter::string("label")))
            .parameter("colour", ToolParameter::enumeration("which", ["red", "blue"]))
            .parameter("at", ToolParameter::object("where", inner))
            .strict(true)
            .build()
            .unwrap();
        let expected = json!({
            "type": "object",
            "properties": {
                "text": {"type": "string", "description": "what"},
                "times": {"type": "integer", "description": "how often", "minimum": 1, "maximum": 5, "default": 1},
                "bold": {"type": "boolean", "description": "heavy"},
                "tags": {"type": "array", "description": "labels", "items": {"type": "string", "description": "label"}},
                "colour": {"type": "string", "description": "which", "enum": ["red", "blue"]},
                "at": {"type": "object", "description": "where",
                    "properties": {"x": {"type": "number", "description": "across"}}, "required": ["x"]},
            },
            "required": ["text", "tags", "colour", "at"],
        });
        assert_eq!(tool.parameters.to_json_schema(), expected);
        let value = serde_json::to_value(&tool).unwrap();
        assert_eq!(value["parameters"], expected);
        assert_eq!(serde_json::from_value::<ToolDefinition>(value).unwrap(), tool);
    }

    #[test]
    fn shortcuts_are_parameters() {
        let (long, short) = (ToolDefinition::builder("t"), ToolDefinition::builder("t"));
        let long = long
            .parameter("a", ToolParameter::string("text"))
            .parameter("b", ToolParameter::string("text").optional())
            .parameter("c", ToolParameter::integer("number"))
            .parameter("d", ToolParameter::integer("number").optional())
            .parameter("e", ToolParameter::boolean("flag"))
            .parameter("f", ToolParameter::boolean("flag").optional());
        let short = short
            .required_string("a", "text")
            .optional_string("b", "text")
            .required_int("c", "number")
            .optional_int("d", "number")
            .required_bool("e", "flag")
            .optional_bool("f", "flag");
        assert_eq!(short.build().unwrap(), long.build().unwrap());
    }

    #[test]
    fn a_parameter_can_be_replaced() {
        let parameters = ToolParameters::new()
            .with("a", ToolParameter::string("first"))
            .with("a", ToolParameter::integer("second").optional());
        let schema = parameters.to_json_schema();
        assert_eq!(schema["properties"]["a"]["type"], "integer");
        assert_eq!(schema["required"], json!([]));
    }

    #[test]
    fn a_type_becomes_its_schema() {
        #[derive(JsonSchema)]
        #[allow(dead_code)]
        struct Arguments {
            /// Name of the city
            city: String,
            days: Option<u8>,
        }
        let tool = ToolDefinition::from_type::<Arguments>("weather", "The weather");
        tool.validate().unwrap();
        let schema = tool.parameters.to_json_schema();
        assert_eq!(
            schema["properties"]["city"],
            json!({"type": "string", "description": "Name of the city"})
        );
        assert_eq!(schema["required"], json!(["city"]));
        assert_eq!(schema.get("$schema"), None);
    }

    #[test]
    fn a_tool_without_parameters_takes_nothing_in_any_form() {
        #[derive(Debug, Deserialize, PartialEq)]
        struct Unit;
        #[derive(Debug, Deserialize, PartialEq)]
        struct Empty {}
        let tool = ToolDefinition::new("now", "The time", ToolParameters::new());
        for text in ["", "{}", " {} ", "null", "{\"timezone\": \"UTC\"}"] {
            let call = ToolCall::new("a", "now", text);
            assert_eq!(tool.parse_arguments(&call), Ok(()), "{text}");
            assert_eq!(tool.parse_arguments(&call), Ok(Unit), "{text}");
            assert_eq!(tool.parse_arguments(&call), Ok(Empty {}), "{text}");
        }
        let parameters = ToolParameters::new().with("zone", ToolParameter::string("Where"));
        let tool = ToolDefinition::new("now", "The time", parameters);
        assert!(tool.parse_arguments::<u8>(&ToolCall::new("a", "now", "{}")).is_err());
    }

    #[test]
    fn what_no_provider_takes_is_refused() {
        #[track_caller]
        fn check(name: &str, parameters: Value, expected: &str) {
            let parameters = ToolParameters::try_from(parameters).unwrap();
            let error = ToolDefinition::new(name, "", parameters).validate().unwrap_err();
            assert_eq!(error.to_string(), format!("invalid request: tool {name:?}: {expected}"));
        }
        let none = || ToolParameters::new().to_json_schema();
        check("", none(), "the name is empty");
        check(&"a".repeat(65), none(), "the name is longer than 64 characters");
        check("get weather", none(), "the name holds ' '; use letters, digits, '_' and '-'");
        let text = "the parameters' schema is not of type \"object\"; wrap them in a struct";
        check("a", json!({"type": "string"}), text);
        check(
            "a",
            json!({"type": "object", "required": ["x"]}),
            "parameter \"x\" is required but not defined",
        );
        assert!(ToolParameters::try_from(json!("x")).is_err());
    }
}
