//! The tool by which the model finds other tools.

use serde_json::Value;
use tachikoma_backends_core::{ToolParameters, ToolSpec};

use super::namespace::{custom_json, function_json};
use crate::openai::types;

hosted_tool! {
    /// A search for tools that the model does not have from the start: functions with `defer_loading`, and MCP servers with
    /// [`with_defer_loading`](super::McpServer::with_defer_loading).
    ///
    /// ```
    /// use tachikoma_backend_codex::tools::{ToolSearchTool, tool_search_result};
    /// use tachikoma_backend_codex::{Tool, ToolCall, ToolDefinition, ToolParameter};
    /// use tachikoma_backends_core::ToolParameters;
    ///
    /// let on_the_server = ToolSearchTool::hosted();
    ///
    /// let parameters = ToolParameters::new().with("goal", ToolParameter::string("What the tool should do"));
    /// let search = ToolSearchTool::client("Finds the tools of a project", parameters);
    /// let on_the_client = Tool::hosted(search, async |call: ToolCall| {
    ///     let found = ToolDefinition::new("deploy", "Deploys the project", ToolParameters::new());
    ///     tool_search_result([found.with_extra("defer_loading", true)])
    /// });
    /// ```
    ToolSearchTool(ToolSearchToolParam)
}

impl ToolSearchTool {
    /// A search that the server runs, among the tools of the request.
    pub fn hosted() -> Self {
        Self::from_generated(types::ToolSearchToolParam {
            description: None,
            execution: None,
            parameters: None,
            type_: types::ToolSearchToolParamType::ToolSearch,
        })
    }

    /// A search that the client runs. Its result is the found tools, as [`tool_search_result`] writes them.
    pub fn client(description: impl Into<String>, parameters: ToolParameters) -> Self {
        let mut search = Self::hosted();
        search.tool.description = Some(description.into());
        search.tool.execution = Some(types::ToolSearchExecutionTypeParam::Client);
        search.tool.parameters = Some(parameters.into_json_schema());
        search
    }
}

/// The result of a tool search that the client ran: the found tools, as a JSON array in the form of the Responses API.
pub fn tool_search_result(tools: impl IntoIterator<Item = impl Into<ToolSpec>>) -> Value {
    let json = |tool| match tool {
        ToolSpec::Function(tool) => function_json(tool),
        ToolSpec::Custom(tool) => custom_json(tool),
        ToolSpec::Hosted(tool) => Value::Object(tool.into_json()),
        // A kind that this release does not know goes in the core's form.
        tool => serde_json::to_value(tool).unwrap_or_default(),
    };
    tools.into_iter().map(Into::into).map(json).collect()
}
