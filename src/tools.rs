//! OpenAI's tools, as constructors of [`HostedTool`](tachikoma_backends_core::HostedTool)s, and what runs those that run on the
//! client's side.
//!
//! Each type here is one tool of the Responses API, with a method for each of its settings. Settings that are not set are not sent.
//! `with_setting` sets what is newer than this release.
//!
//! ```
//! use tachikoma_backend_codex::tools::{CodeInterpreterTool, SearchContextSize, WebSearchTool};
//! use tachikoma_backend_codex::CompletionRequest;
//!
//! let request = CompletionRequest::user("How do I pin a future?")
//!     .with_tool(
//!         WebSearchTool::new()
//!             .with_allowed_domains(["docs.rs", "doc.rust-lang.org"])
//!             .with_search_context_size(SearchContextSize::Low),
//!     )
//!     .with_tool(CodeInterpreterTool::new());
//! ```
//!
//! | tool | runs | name of its calls |
//! |---|---|---|
//! | [`WebSearchTool`], [`FileSearchTool`], [`CodeInterpreterTool`], [`ImageGenerationTool`], [`ProgrammaticToolCalling`] | on the server | |
//! | [`McpServer`] | on the server | `mcp_approval_request`, where a call requires approval |
//! | [`ToolSearchTool`] | on the server, or on the client | `tool_search` |
//! | [`Namespace`] | as the tools in it | those of the tools in it |
//! | [`ShellTool`] | in a container of the server, or on the client | `shell` |
//! | [`LocalShellTool`] | on the client | `local_shell` |
//! | [`ApplyPatchTool`] | on the client | `apply_patch` |
//! | [`ComputerTool`] | on the client | `computer` |
//!
//! For those that run on the client, [`Tool::hosted`](tachikoma_backends_core::Tool::hosted) gives the function to a
//! [`ToolRunner`](tachikoma_backends_core::ToolRunner); [`ShellAction`], [`LocalShellAction`] and [`ShellOutput`] are what a shell
//! reads and returns.
//!
//! Functions and custom tools have settings for these tools as well: `defer_loading`, for a function that is found by a tool search,
//! `allowed_callers`, for one that programs may call, and `output_schema` go into the fields of
//! [`ToolDefinition::with_extra`](tachikoma_backends_core::ToolDefinition::with_extra).
//!
//! ```
//! use tachikoma_backend_codex::ToolDefinition;
//! use tachikoma_backends_core::ToolParameters;
//!
//! let stock = ToolDefinition::new("stock", "Units in stock of each part", ToolParameters::new())
//!     .with_extra("allowed_callers", vec!["programmatic"])
//!     .with_extra("defer_loading", true);
//! ```

#[macro_use]
mod hosted;

pub mod apply_patch;
mod code_interpreter;
mod computer;
mod container;
mod file_search;
mod image_generation;
mod mcp;
mod namespace;
mod patch_tool;
mod programmatic;
mod shell;
mod tool_search;
mod web_search;

pub use self::code_interpreter::CodeInterpreterTool;
pub use self::computer::ComputerTool;
pub use self::container::{ContainerMemory, ContainerSettings};
pub use self::file_search::{Comparison, FileFilter, FileFilterValue, FileRanker, FileSearchTool};
pub use self::image_generation::{
    ImageAction, ImageBackground, ImageFidelity, ImageFormat, ImageGenerationTool, ImageModeration,
    ImageQuality,
};
pub use self::mcp::{McpApproval, McpConnector, McpServer, McpToolFilter};
pub use self::namespace::{Namespace, NamespaceTool};
pub use self::patch_tool::ApplyPatchTool;
#[cfg(feature = "apply-patch")]
pub use self::patch_tool::apply_patch_tool;
pub use self::programmatic::{AllowedCaller, ProgrammaticToolCalling};
pub use self::shell::{
    ContainerSkill, LocalShellAction, LocalShellTool, LocalSkill, ShellAction, ShellOutcome, ShellOutput,
    ShellTool,
};
pub use self::tool_search::{ToolSearchTool, tool_search_result};
pub use self::web_search::{SearchContextSize, WebSearchTool};
