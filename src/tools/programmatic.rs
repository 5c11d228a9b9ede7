//! The tool by which the model calls other tools from a program.

use crate::openai::types;

hosted_tool! {
    /// Programs that the model writes to call several tools, run by the server.
    ///
    /// A program calls the tools whose `allowed_callers` have [`AllowedCaller::Programmatic`]; for functions and custom tools that is
    /// a field of `extra`.
    ///
    /// ```
    /// use tachikoma_backend_codex::tools::ProgrammaticToolCalling;
    /// use tachikoma_backend_codex::{CompletionRequest, ToolDefinition};
    /// use tachikoma_backends_core::ToolParameters;
    ///
    /// let stock = ToolDefinition::new("stock", "Units in stock of each part", ToolParameters::new())
    ///     .with_extra("allowed_callers", vec!["programmatic"]);
    /// let request = CompletionRequest::user("Which parts run out?")
    ///     .with_tool(ProgrammaticToolCalling::new())
    ///     .with_tool(stock);
    /// ```
    ProgrammaticToolCalling(ProgrammaticToolCallingParam) {
        type_: types::ProgrammaticToolCallingParamType::ProgrammaticToolCalling,
    }
}

tool_choices! {
    /// What may call a tool.
    AllowedCaller(CallableToolAllowedCaller) {
        /// The model itself.
        Direct = Direct,
        /// A program that the model wrote.
        Programmatic = Programmatic,
    }
}
