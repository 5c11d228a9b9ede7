//! Which tools a model must or may call.

use serde::{Deserialize, Serialize};

use crate::HostedTool;

/// Whether and which tool a model must call.
///
/// ```
/// use tachikoma_backends_core::{CompletionRequest, ToolChoice, ToolDefinition, ToolParameters};
///
/// let tool = |name: &str| ToolDefinition::new(name, "", ToolParameters::new());
/// let tools = ["read_file", "write_file"].map(tool);
/// // First the model may only read. The tools stay the same, so that the cached prompt can be used again.
/// let request = CompletionRequest::user("Fix the typo")
///     .with_tools(tools)
///     .with_tool_choice(ToolChoice::allowed(["read_file"], true));
/// assert!(request.tool_choice.as_ref().is_some_and(ToolChoice::is_forced));
/// assert!(ToolChoice::tool("write_file").is_forced() && !ToolChoice::Auto.is_forced());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// Some tool.
    Required,
    /// No tool.
    None,
    /// This function or custom tool.
    Tool {
        /// Its name.
        name: String,
    },
    /// This tool of the provider: its type, and what else tells it apart, such as the label of an MCP server.
    Hosted(HostedTool),
    /// Only some of the tools that the request offers, which therefore need not change between requests that share a
    /// cache.
    Allowed {
        /// These.
        tools: Vec<AllowedTool>,
        /// Whether the model must call one of them.
        #[serde(default)]
        required: bool,
    },
}

impl ToolChoice {
    /// This function or custom tool.
    pub fn tool(name: impl Into<String>) -> Self {
        Self::Tool { name: name.into() }
    }

    /// Only these functions or custom tools, of which the model must call one if `required`.
    pub fn allowed(names: impl IntoIterator<Item = impl Into<String>>, required: bool) -> Self {
        let tools = names.into_iter().map(|name| AllowedTool::Tool { name: name.into() }).collect();
        Self::Allowed { tools, required }
    }

    /// Whether the model must call a tool.
    pub const fn is_forced(&self) -> bool {
        match self {
            Self::Auto | Self::None => false,
            Self::Required | Self::Tool { .. } | Self::Hosted(_) => true,
            Self::Allowed { required, .. } => *required,
        }
    }
}

/// A tool of [`ToolChoice::Allowed`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AllowedTool {
    /// A function or a custom tool.
    Tool {
        /// Its name.
        name: String,
    },
    /// A tool of the provider: its type, and what else tells it apart.
    Hosted(HostedTool),
}
