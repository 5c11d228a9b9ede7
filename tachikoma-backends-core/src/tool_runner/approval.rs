//! Asking before a call runs.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::tool::panic_text;
use crate::ToolCall;

/// Whether a call may run. See [`ToolRunner::with_approval`](crate::ToolRunner::with_approval).
///
/// ```
/// use tachikoma_backends_core::{Approval, ToolCall, ToolDefinition, ToolParameters, ToolRunner};
///
/// let delete = ToolDefinition::new("delete", "Deletes all files", ToolParameters::new());
/// let runner = ToolRunner::new()
///     .with_tool(delete, async |(): ()| "all files are deleted")
///     .with_approval(async |call: ToolCall| match call.name.as_str() {
///         "delete" => Approval::Deny("the user keeps these files".into()),
///         _ => Approval::Allow,
///     });
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let results = runner.run_calls(&[ToolCall::new("call_1", "delete", "{}")]).await;
/// assert!(!results[0].success);
/// assert!(results[0].content.to_text().contains("the user keeps these files"));
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Approval {
    /// It runs.
    Allow,
    /// It does not run, and the model gets this text as its result.
    Deny(String),
    /// It runs with these arguments, a JSON object as text, and the model is informed of them.
    Edit(String),
    /// The run ends for this reason, and no call of the response runs.
    Stop(String),
}

/// The function that is asked.
pub(super) type ApprovalHook = dyn Fn(ToolCall) -> BoxFuture<'static, Approval> + Send + Sync;

/// Asks for approval of this call; a panic denies it.
pub(super) async fn ask(hook: &ApprovalHook, call: &ToolCall) -> Approval {
    // Called within the future: the function may panic before it returns its own.
    let asking = AssertUnwindSafe(async { hook(call.clone()).await }).catch_unwind();
    asking.await.unwrap_or_else(|panic| {
        let reason = panic_text(&*panic);
        tracing::error!(tool = call.name, reason, "the approval of a tool call panicked");
        Approval::Deny(format!("the approval failed unexpectedly: {reason}"))
    })
}
