//! The loop itself: request, response, calls, and again.

use std::pin::Pin;

use futures::StreamExt;

use super::ToolRunner;
use super::budget::{self, Spending};
use super::conversation::Conversation;
use super::error::{ToolRunError, ToolRunErrorKind};
use super::event::{Events, ToolRunEvent};
use super::execute::Execution;
use super::stop::Stop;
use crate::{
    Backend, BackendError, CollectError, CollectingStream, CompletionRequest, CompletionResponse,
    ErrorCategory, Message, Usage,
};

/// A run that ended with a final response.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ToolRun {
    /// The response that called no tool.
    pub response: CompletionResponse,
    /// The whole conversation, that response included: what the next request starts with.
    pub messages: Vec<Message>,
    /// The same without compaction, where `messages` were [compacted](ToolRunner::with_compaction).
    pub uncompacted: Option<Vec<Message>>,
    /// How many responses the model gave.
    pub steps: usize,
    /// The usage of all of them and of compactions together, as far as the server reported it.
    pub usage: Option<Usage>,
}

/// A run that is under way.
struct Progress {
    conversation: Conversation,
    spent: Spending,
    steps: usize,
    compaction: CompactionState,
}

/// When a run compacts its conversation.
#[derive(Clone, Copy, Debug, Default)]
struct CompactionState {
    /// The tokens of the last response and its prompt.
    context: u64,
    /// Whether the next request is the first one after a compaction.
    is_new: bool,
}

impl Progress {
    fn fail(self, Failure { kind, partial }: Failure) -> ToolRunError {
        ToolRunError::new(kind, self.conversation.into_messages(), partial, self.spent.usage, self.steps)
    }
}

/// Why a step failed, with what had arrived of its response.
struct Failure {
    kind: ToolRunErrorKind,
    partial: Option<CompletionResponse>,
}

impl From<ToolRunErrorKind> for Failure {
    fn from(kind: ToolRunErrorKind) -> Self {
        Self { kind, partial: None }
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        ToolRunErrorKind::Backend(error).into()
    }
}

/// Runs until a response calls no tool; over streams where the events are wanted.
pub(super) async fn drive(
    runner: &ToolRunner,
    backend: &(impl Backend + ?Sized),
    mut request: CompletionRequest,
    mut events: Events<'_>,
    cancel: Pin<&mut (dyn Future<Output = ()> + Send)>,
) -> Result<ToolRun, ToolRunError> {
    let mut stop = Stop::new(cancel, runner.budget.time);
    request.tools.retain(|tool| !runner.specs().any(|own| own.name() == tool.name()));
    request.tools.extend(runner.specs().cloned());
    let conversation = Conversation::new(request);
    let compaction = CompactionState::default();
    let mut progress = Progress { conversation, spent: Spending::new(), steps: 0, compaction };
    loop {
        match step(runner, backend, &mut progress, &mut events, &mut stop).await {
            Ok(None) => {}
            Ok(Some(response)) => {
                let Progress { conversation, spent, steps, .. } = progress;
                let (messages, uncompacted) = conversation.into_messages();
                return Ok(ToolRun { response, messages, uncompacted, steps, usage: spent.usage });
            }
            Err(failure) => return Err(progress.fail(failure)),
        }
    }
}

/// One request, its response, and the response's calls. Returns the response that ends the run.
async fn step(
    runner: &ToolRunner,
    backend: &(impl Backend + ?Sized),
    progress: &mut Progress,
    events: &mut Events<'_>,
    stop: &mut Stop<'_>,
) -> Result<Option<CompletionResponse>, Failure> {
    if progress.steps >= runner.max_steps {
        return Err(ToolRunErrorKind::StepLimit { max_steps: runner.max_steps }.into());
    }
    if progress.steps > 0 {
        runner.budget.check(&progress.spent)?;
    }
    let is_due =
        runner.compaction_threshold.is_some_and(|tokens| progress.compaction.context >= tokens.into());
    if is_due && compact(runner, backend, progress, events, stop).await? {
        runner.budget.check(&progress.spent)?;
    }
    let response = match respond(backend, progress.conversation.request(), events, stop).await {
        Err(failure) if is_too_long(&failure) && runner.compaction_threshold.is_some() => {
            if !compact(runner, backend, progress, events, stop).await? {
                return Err(failure);
            }
            runner.budget.check(&progress.spent)?;
            respond(backend, progress.conversation.request(), events, stop).await?
        }
        response => response?,
    };
    progress.steps += 1;
    let context = response.usage.and_then(budget::tokens).unwrap_or_default();
    let is_new = std::mem::take(&mut progress.compaction.is_new);
    progress.compaction.context = if is_new { 0 } else { context };
    progress.spent.add(&response, &runner.budget);
    if is_incomplete(&response) {
        let kind = ToolRunErrorKind::Incomplete { finish_reason: response.finish_reason };
        return Err(Failure { kind, partial: Some(response) });
    }
    let mut execution = Execution::new(runner, &response.tool_calls);
    progress.conversation.push_response(&response, execution.calls());
    let is_final = response.tool_calls.is_empty();
    // A final response ends the run well even where the signal to cancel has come since.
    if !is_final {
        let outcome = execution.run(events, stop).await;
        progress.conversation.push_results(&execution.into_results(outcome.as_ref().err()));
        outcome?;
    }
    let usage = progress.spent.usage;
    events.emit(ToolRunEvent::StepEnd { step: progress.steps, response: &response, usage });
    Ok(is_final.then_some(response))
}

/// Compacts the conversation. Returns whether it became another one: a failure is no reason to end the run.
async fn compact(
    runner: &ToolRunner,
    backend: &(impl Backend + ?Sized),
    progress: &mut Progress,
    events: &mut Events<'_>,
    stop: &mut Stop<'_>,
) -> Result<bool, ToolRunErrorKind> {
    if !progress.conversation.is_sent() {
        return Ok(false);
    }
    let compacted = match stop.or(backend.compact(progress.conversation.request())).await? {
        Ok(compacted) => compacted,
        Err(error) => {
            tracing::warn!(%error, "the conversation could not be compacted");
            return Ok(false);
        }
    };
    if !progress.conversation.compact(&compacted.messages) {
        return Ok(false);
    }
    progress.spent.add(&compacted.to_response(), &runner.budget);
    progress.compaction = CompactionState { context: 0, is_new: true };
    events.emit(ToolRunEvent::Compacted(&compacted));
    Ok(true)
}

/// Whether a request was rejected since its conversation is too long, before anything of a response had come.
fn is_too_long(failure: &Failure) -> bool {
    let Failure { kind: ToolRunErrorKind::Backend(error), partial: None } = failure else { return false };
    error.category() == ErrorCategory::ContextLength
}

/// Whether something of the response is missing, so that none of its calls may run.
fn is_incomplete(response: &CompletionResponse) -> bool {
    let CompletionResponse { finish_reason, tool_calls, incomplete_tool_calls, .. } = response;
    finish_reason.is_cut()
        || !incomplete_tool_calls.is_empty()
        || !(tool_calls.is_empty() || finish_reason.ends_turn())
}

async fn respond(
    backend: &(impl Backend + ?Sized),
    request: CompletionRequest,
    events: &mut Events<'_>,
    stop: &mut Stop<'_>,
) -> Result<CompletionResponse, Failure> {
    if events.0.is_none() {
        return Ok(stop.or(backend.complete(request)).await??);
    }
    let mut stream = CollectingStream::new(stop.or(backend.complete_stream(request)).await??);
    let mut has_arrived = false;
    loop {
        match stop.or(stream.next()).await {
            Ok(Some(Ok(chunk))) => {
                has_arrived = true;
                events.emit(ToolRunEvent::Chunk(&chunk));
                // The response is whole, whether or not the signal to cancel comes now.
                if chunk.is_final {
                    break;
                }
            }
            Ok(Some(Err(_)) | None) => break,
            Err(kind) => {
                let partial = has_arrived.then(|| stream.into_partial());
                return Err(Failure { kind, partial });
            }
        }
    }
    stream.collect().await.map_err(|CollectError { error, partial }| Failure {
        kind: ToolRunErrorKind::Backend(error),
        partial: has_arrived.then_some(*partial),
    })
}
