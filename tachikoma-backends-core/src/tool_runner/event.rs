//! What a run reports while it runs.

use crate::{CompactedConversation, CompletionChunk, CompletionResponse, ToolCall, ToolResult, Usage};

/// What happens in a run, as it happens. See [`ToolRunner::run_stream`](crate::ToolRunner::run_stream).
///
/// ```
/// use serde_json::json;
/// use tachikoma_backends_core::{
///     CompletionRequest, ScriptedBackend, ScriptedReply, ToolDefinition, ToolParameters, ToolRunEvent, ToolRunner,
/// };
///
/// let backend = ScriptedBackend::new()
///     .with_reply(ScriptedReply::tool_call("now", json!({})))
///     .with_reply("It is noon.");
/// let clock = ToolDefinition::new("now", "The time", ToolParameters::new());
/// let runner = ToolRunner::new().with_tool(clock, async |(): ()| "12:00");
/// let mut log = Vec::new();
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// runner
///     .run_stream(&backend, CompletionRequest::user("What time is it?"), |event| match event {
///         ToolRunEvent::CallStart(call) => log.push(format!("{} {}", call.name, call.arguments)),
///         ToolRunEvent::Result(result) => log.push(result.content.to_text()),
///         ToolRunEvent::StepEnd { step, .. } => log.push(format!("step {step}")),
///         _ => {} // chunks: what the model writes
///     })
///     .await?;
/// # Ok::<(), tachikoma_backends_core::ToolRunError>(())
/// # }).unwrap();
/// assert_eq!(log, ["now {}", "12:00", "step 1", "step 2"]);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ToolRunEvent<'a> {
    /// A piece of a response.
    Chunk(&'a CompletionChunk),
    /// A call begins to run, with the arguments that it runs with.
    CallStart(&'a ToolCall),
    /// A call has its result. Calls that run at the same time may end in any order; a call that was denied, or cannot run, has a
    /// result without a start.
    Result(&'a ToolResult),
    /// The conversation was compacted; the next request continues with this one.
    Compacted(&'a CompactedConversation),
    /// A step ended: a response is complete and its calls, if any, have their results.
    #[non_exhaustive]
    StepEnd {
        /// Which step, counted from 1.
        step: usize,
        /// Its response.
        response: &'a CompletionResponse,
        /// The usage of all steps and compactions so far, as far as the server reported it.
        usage: Option<Usage>,
    },
}

/// Where events go, if anywhere.
pub(super) struct Events<'a>(pub(super) Option<&'a mut (dyn FnMut(ToolRunEvent<'_>) + Send)>);

impl Events<'_> {
    pub(super) fn emit(&mut self, event: ToolRunEvent<'_>) {
        if let Some(on_event) = &mut self.0 {
            on_event(event);
        }
    }
}
