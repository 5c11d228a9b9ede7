//! Namespaces of tools.

use serde_json::{Map, Value};
use tachikoma_backends_core::{CustomTool, HostedTool, ToolDefinition};

use super::hosted::{hosted_tool, object};
use crate::openai::{JsonSchema, types};

/// A group of functions and custom tools under one name, which a [tool search](super::ToolSearchTool) can find as a whole.
///
/// ```
/// use tachikoma_backend_codex::tools::{Namespace, ToolSearchTool};
/// use tachikoma_backend_codex::{CompletionRequest, ToolDefinition};
/// use tachikoma_backends_core::ToolParameters;
///
/// let orders = ToolDefinition::new("orders", "The open orders", ToolParameters::new())
///     .with_extra("defer_loading", true);
/// let request = CompletionRequest::user("What is open?")
///     .with_tool(Namespace::new("crm", "Customers and their orders").with_tool(orders))
///     .with_tool(ToolSearchTool::hosted());
/// ```
#[derive(Clone, PartialEq)]
pub struct Namespace {
    name: String,
    description: String,
    tools: Vec<NamespaceTool>,
    settings: Map<String, Value>,
}

/// A tool in a [`Namespace`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum NamespaceTool {
    /// A function.
    Function(ToolDefinition),
    /// A tool whose input is free text.
    Custom(CustomTool),
}

impl From<ToolDefinition> for NamespaceTool {
    fn from(tool: ToolDefinition) -> Self {
        Self::Function(tool)
    }
}

impl From<CustomTool> for NamespaceTool {
    fn from(tool: CustomTool) -> Self {
        Self::Custom(tool)
    }
}

impl Namespace {
    /// A namespace of this name and description, which requires one tool at least.
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        let (name, description) = (name.into(), description.into());
        Self { name, description, tools: Vec::new(), settings: Map::new() }
    }

    /// Adds a tool.
    #[must_use]
    pub fn with_tool(mut self, tool: impl Into<NamespaceTool>) -> Self {
        self.tools.push(tool.into());
        self
    }

    fn into_hosted(self) -> HostedTool {
        let json = |tool| match tool {
            NamespaceTool::Function(tool) => function_json(tool),
            NamespaceTool::Custom(tool) => custom_json(tool),
        };
        let namespace = types::NamespaceToolParam {
            description: self.description,
            name: self.name,
            tools: Vec::new(),
            type_: types::NamespaceToolParamType::Namespace,
        };
        // The generated function has no place for the fields of `extra`, so the tools are added as JSON.
        let mut settings: Map<String, Value> = Map::new();
        settings.insert("tools".to_owned(), self.tools.into_iter().map(json).collect());
        settings.extend(self.settings);
        hosted_tool(namespace, settings)
    }
}

hosted_tool_impls! { Namespace, |tool| tool.into_hosted() }

/// A function as JSON.
pub(super) fn function_json(tool: ToolDefinition) -> Value {
    let ToolDefinition { name, description, parameters, strict, extra, .. } = tool;
    let mut fields = object(types::FunctionToolParam {
        allowed_callers: None,
        defer_loading: None,
        description: (!description.is_empty()).then_some(description),
        name,
        output_schema: None,
        parameters: Some(object(JsonSchema::from(parameters.into_json_schema()))),
        // The default is true, and a schema that is not made for it would be rejected.
        strict: Some(strict.unwrap_or(false)),
        type_: types::FunctionToolParamType::Function,
    });
    fields.extend(extra);
    Value::Object(fields)
}

/// A custom tool as JSON.
pub(super) fn custom_json(tool: CustomTool) -> Value {
    let CustomTool { name, description, format, extra, .. } = tool;
    // The core's form of a format is that of the document.
    let format = serde_json::to_value(format).and_then(serde_json::from_value).ok();
    let format = format.filter(|format| !matches!(format, types::CustomToolParamFormat::Text(_)));
    Value::Object(object(types::CustomToolParam {
        description: (!description.is_empty()).then_some(description),
        format,
        name,
        type_: types::CustomToolParamType::Custom,
        extra,
    }))
}
