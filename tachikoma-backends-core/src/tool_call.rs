//! Tool calls, whole and as deltas.

mod accumulator;

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

pub use self::accumulator::{ToolCallAccumulator, ToolCallFragment};
use crate::BackendError;
use crate::parse::{ParseError, parse};
use crate::schema::AddedNulls;
use crate::setters::{optional_setters, setters};

/// A call that a model asks for.
///
/// ```
/// use tachikoma_backends_core::{ToolCall, ToolResult};
///
/// #[derive(serde::Deserialize)]
/// struct Place { city: String }
///
/// /// A tool, in a loop of your own; a `ToolRunner` does the same.
/// fn weather(call: &ToolCall) -> ToolResult {
///     match call.parse_arguments_as::<Place>() {
///         Ok(place) => ToolResult::success(call, format!("In {}: snow", place.city)),
///         Err(error) => ToolResult::failure(call, error.to_string()),
///     }
/// }
/// let call = ToolCall::new("call_1", "get_weather", r#"{"city": "Oslo"}"#);
/// assert_eq!(weather(&call).to_message().text(), "In Oslo: snow");
/// let wrong = ToolCall::new("call_2", "get_weather", r#"{"town": "Oslo"}"#);
/// assert!(weather(&wrong).to_message().text().contains("missing field `city`"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolCall {
    /// The call's id, to which its result refers.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments as the model wrote them, which may be wrong: JSON text, but for a [custom](ToolCallKind::Custom) tool
    /// its input.
    pub arguments: String,
    /// What kind of tool is called.
    #[serde(default, skip_serializing_if = "ToolCallKind::is_function")]
    pub kind: ToolCallKind,
    /// The namespace of the tool, where the request has it in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// What kind of tool a call is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ToolCallKind {
    /// A function: the arguments are JSON.
    #[default]
    Function,
    /// A [custom tool](crate::CustomTool): the arguments are its input, any text.
    Custom,
    /// A tool of the provider that the caller runs, such as a shell: the name is the provider's type of it, the arguments
    /// are the JSON of what it should do.
    Hosted,
}

impl ToolCallKind {
    /// Whether it is a function.
    pub const fn is_function(&self) -> bool {
        matches!(self, Self::Function)
    }
}

impl ToolCall {
    /// A call of this id, name and JSON arguments.
    pub fn new(id: impl Into<String>, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        Self { id: id.into(), name: name.into(), arguments: arguments.into(), ..Self::default() }
    }

    /// A call of a custom tool with this input.
    pub fn custom(id: impl Into<String>, name: impl Into<String>, input: impl Into<String>) -> Self {
        Self { kind: ToolCallKind::Custom, ..Self::new(id, name, input) }
    }

    setters! {
        with_kind(kind: ToolCallKind);
    }

    optional_setters! {
        with_namespace(namespace: impl Into<String>);
    }

    /// The name of a [hosted](ToolCallKind::Hosted) call with which the provider asks for approval of a call to an MCP server.
    /// A successful result approves, a failed one denies.
    pub const APPROVAL_REQUEST: &str = "mcp_approval_request";

    /// Whether the provider asks for approval of a call of its own.
    pub fn is_approval_request(&self) -> bool {
        self.kind == ToolCallKind::Hosted && self.name == Self::APPROVAL_REQUEST
    }

    /// The input of a custom tool, also where the call came as that of a function with one text parameter, `input`.
    pub fn input(&self) -> Cow<'_, str> {
        #[derive(Deserialize)]
        struct Input {
            input: String,
        }
        if self.kind == ToolCallKind::Function
            && let Ok(Input { input }) = serde_json::from_str(&self.arguments)
        {
            return Cow::Owned(input);
        }
        Cow::Borrowed(&self.arguments)
    }

    /// The arguments as JSON; empty ones and null are an empty object.
    ///
    /// # Errors
    /// [`ToolArgumentsError`] where they are not JSON, or an object in them has a key twice.
    pub fn parse_arguments(&self) -> Result<Value, ToolArgumentsError> {
        self.parse_arguments_as()
    }

    /// The arguments as a type of yours; empty ones and null are an empty object. Null for a field that does not take it means that
    /// the field is not set; [`ToolDefinition::parse_arguments`](crate::ToolDefinition::parse_arguments) decides that by the tool's
    /// schema.
    ///
    /// # Errors
    /// [`ToolArgumentsError`] where they are not JSON or do not fit. Its text can be sent back to the model.
    pub fn parse_arguments_as<T: DeserializeOwned>(&self) -> Result<T, ToolArgumentsError> {
        self.parse_arguments_by(None)
    }

    /// Parses the arguments by the strict schema of the tool, if there is one.
    pub(crate) fn parse_arguments_by<T: DeserializeOwned>(
        &self,
        strict: Option<(&Value, &AddedNulls)>,
    ) -> Result<T, ToolArgumentsError> {
        let text = self.arguments.trim();
        let is_empty = text.is_empty() || text == "null";
        let text = if is_empty { "{}" } else { text };
        let parsed = parse(text, strict).or_else(|error| match text {
            // The arguments of a tool without parameters may be any type without fields.
            "{}" => parse("null", None).map_err(|_| error),
            _ => Err(error),
        });
        parsed.map_err(|ParseError { path, reason, .. }| ToolArgumentsError {
            tool: self.name.clone(),
            arguments: self.arguments.clone(),
            reason: if path.is_empty() { reason } else { format!("at {path}: {reason}") },
        })
    }
}

/// Arguments that are not JSON, or not what the tool takes. Its text can be sent back to the model.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the arguments of {tool} are wrong: {reason}")]
#[non_exhaustive]
pub struct ToolArgumentsError {
    /// The tool's name.
    pub tool: String,
    /// The arguments as the model wrote them.
    pub arguments: String,
    /// What is wrong, and where.
    pub reason: String,
}

impl ToolArgumentsError {
    /// These arguments of this tool are wrong for this reason.
    pub fn new(tool: impl Into<String>, arguments: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { tool: tool.into(), arguments: arguments.into(), reason: reason.into() }
    }
}

impl From<ToolArgumentsError> for BackendError {
    fn from(error: ToolArgumentsError) -> Self {
        Self::Parsing(error.to_string().into())
    }
}

/// A delta of a streamed call, as backends return it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolCallDelta {
    /// Which call of this response it belongs to, counted from 0 in the order in which they began.
    pub index: usize,
    /// The call's id, on the delta that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tool's name, on the delta that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The next part of the arguments.
    #[serde(default)]
    pub arguments_delta: String,
    /// Whether the provider has stated that this call is complete, so that it is whole even if the response is cut later. A
    /// response that [ended its turn](crate::FinishReason::ends_turn) needs no such statement.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_complete: bool,
    /// What kind of tool is called.
    #[serde(default, skip_serializing_if = "ToolCallKind::is_function")]
    pub kind: ToolCallKind,
    /// The namespace of the tool, on the delta that has the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

impl ToolCallDelta {
    /// An empty delta of the call with this index.
    pub fn new(index: usize) -> Self {
        Self { index, ..Self::default() }
    }

    setters! {
        with_arguments_delta(arguments_delta: impl Into<String>);
        with_is_complete(is_complete: bool);
        with_kind(kind: ToolCallKind);
    }

    optional_setters! {
        with_id(id: impl Into<String>);
        with_name(name: impl Into<String>);
        with_namespace(namespace: impl Into<String>);
    }
}

#[cfg(test)]
mod tests;
