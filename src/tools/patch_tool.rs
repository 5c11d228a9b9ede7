//! The tool that changes files by patches.

#[cfg(feature = "apply-patch")]
use std::sync::Arc;

#[cfg(feature = "apply-patch")]
use tachikoma_backends_core::{Tool, ToolCall};

#[cfg(feature = "apply-patch")]
use super::apply_patch::PatchDirectory;
use crate::openai::types;

hosted_tool! {
    /// Patches of files that the model writes, applied by the client: see [`apply_patch`](super::apply_patch).
    ///
    /// ```
    /// use tachikoma_backend_codex::tools::ApplyPatchTool;
    /// use tachikoma_backend_codex::tools::apply_patch::parse_arguments;
    /// use tachikoma_backend_codex::{Tool, ToolCall};
    ///
    /// let preview = Tool::hosted(ApplyPatchTool::new(), |call: ToolCall| {
    ///     parse_arguments(&call.arguments).map(|operations| format!("{} files were left unchanged", operations.len()))
    /// });
    /// ```
    ApplyPatchTool(ApplyPatchToolParam) {
        allowed_callers: None,
        type_: types::ApplyPatchToolParamType::ApplyPatch,
    }
}

impl ApplyPatchTool {
    allowed_callers_setting!();
}

/// The [`ApplyPatchTool`] for a [`ToolRunner`](tachikoma_backends_core::ToolRunner), which applies patches to the files of a directory.
///
/// It is [exclusive](Tool::exclusive), since it writes what other tools may read. A patch that does not apply is a failed call, which the
/// model sees. Whether a call may run is for the runner's approval to decide.
///
/// ```
/// use tachikoma_backend_codex::ToolRunner;
/// use tachikoma_backend_codex::tools::apply_patch::PatchDirectory;
/// use tachikoma_backend_codex::tools::apply_patch_tool;
///
/// # let path = std::env::temp_dir();
/// let runner = ToolRunner::new().with_tools([apply_patch_tool(PatchDirectory::open(path)?)]);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "apply-patch")]
pub fn apply_patch_tool(directory: impl Into<Arc<PatchDirectory>>) -> Tool {
    let directory = directory.into();
    let apply = move |call: ToolCall| {
        let directory = Arc::clone(&directory);
        async move {
            // Files are read and written with blocking calls.
            let applied = tokio::task::spawn_blocking(move || directory.apply_json(&call.arguments)).await;
            applied.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
        }
    };
    Tool::hosted(ApplyPatchTool::new(), apply).exclusive()
}
