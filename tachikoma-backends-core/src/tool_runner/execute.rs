//! Running the calls of one response.

use std::collections::HashSet;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};

use super::ToolRunner;
use super::approval::{self, Approval};
use super::arguments::with_object_arguments;
use super::error::ToolRunErrorKind;
use super::event::{Events, ToolRunEvent};
use super::stop::Stop;
use super::tool::Tool;
use crate::tool_result::with_prefix;
use crate::{ToolCall, ToolResult};

/// The calls of one response and how far each has come.
pub(super) struct Execution<'a> {
    runner: &'a ToolRunner,
    calls: Vec<Call<'a>>,
}

struct Call<'a> {
    /// The call as it goes back into the conversation.
    call: ToolCall,
    /// The call as it runs, where the approval has changed it.
    edited: Option<ToolCall>,
    state: State<'a>,
}

enum State<'a> {
    Waiting(&'a Tool),
    /// The provider runs it once it is approved.
    ApprovalRequest,
    Running,
    Done(ToolResult),
}

impl<'a> Execution<'a> {
    /// These calls, each id once. Calls that cannot run have their result already.
    pub(super) fn new(runner: &'a ToolRunner, calls: &[ToolCall]) -> Self {
        let mut ids = HashSet::new();
        let calls = calls.iter().filter_map(|call| {
            // Calls without an id cannot be told apart, and each needs its result.
            if !call.id.is_empty() && !ids.insert(&call.id) {
                tracing::warn!(id = call.id, tool = call.name, "a tool call that repeats an id is left out");
                return None;
            }
            let (call, error) = with_object_arguments(call);
            let state = match (runner.tools.get(&call.name), error) {
                (None, _) if call.is_approval_request() => State::ApprovalRequest,
                (None, _) => State::Done(runner.unknown_tool(&call)),
                (Some(_), Some(error)) => {
                    let reason = format!("{error}; they must be one JSON object");
                    State::Done(ToolResult::failure(&call, reason))
                }
                (Some(tool), None) => State::Waiting(tool),
            };
            Some(Call { call, edited: None, state })
        });
        Self { runner, calls: calls.collect() }
    }

    /// The calls as they go back into the conversation.
    pub(super) fn calls(&self) -> Vec<ToolCall> {
        self.calls.iter().map(|call| call.call.clone()).collect()
    }

    /// Asks for approval of all calls, then runs them.
    ///
    /// # Errors
    /// Why the whole run ends.
    pub(super) async fn run(
        &mut self,
        events: &mut Events<'_>,
        stop: &mut Stop<'_>,
    ) -> Result<(), ToolRunErrorKind> {
        self.approve(events, stop).await?;
        self.run_approved(events, stop).await
    }

    async fn approve(
        &mut self,
        events: &mut Events<'_>,
        stop: &mut Stop<'_>,
    ) -> Result<(), ToolRunErrorKind> {
        for call in &mut self.calls {
            if let State::ApprovalRequest = call.state {
                let approval = match &self.runner.approval {
                    Some(hook) => stop.or(approval::ask(&**hook, &call.call)).await?,
                    None => Approval::Deny("this call needs an approval, which was not given".to_owned()),
                };
                call.state = State::Done(match approval {
                    Approval::Allow => ToolResult::success(&call.call, "approved"),
                    Approval::Deny(reason) => ToolResult::failure(&call.call, reason),
                    Approval::Edit(_) => {
                        ToolResult::failure(&call.call, "the arguments of this call cannot be changed")
                    }
                    Approval::Stop(reason) => return Err(ToolRunErrorKind::Stopped { reason }),
                });
            }
            if let (State::Waiting(_), Some(hook)) = (&call.state, &self.runner.approval) {
                match stop.or(approval::ask(&**hook, &call.call)).await? {
                    Approval::Allow => {}
                    Approval::Deny(reason) => {
                        call.state = State::Done(ToolResult::failure(&call.call, reason));
                    }
                    Approval::Edit(arguments) => call.edit(arguments),
                    Approval::Stop(reason) => return Err(ToolRunErrorKind::Stopped { reason }),
                }
            }
            if let State::Done(result) = &call.state {
                events.emit(ToolRunEvent::Result(result));
            }
        }
        Ok(())
    }

    async fn run_approved(
        &mut self,
        events: &mut Events<'_>,
        stop: &mut Stop<'_>,
    ) -> Result<(), ToolRunErrorKind> {
        let ToolRunner { max_concurrent_calls, timeout, .. } = *self.runner;
        let mut running = FuturesUnordered::new();
        let mut is_exclusive = false;
        let mut next = 0;
        loop {
            while let Some(call) = self.calls.get_mut(next) {
                if let State::Waiting(tool) = call.state {
                    let fits = running.len() < max_concurrent_calls && !is_exclusive && !tool.is_exclusive();
                    if !(running.is_empty() || fits) {
                        break;
                    }
                    // The start of the call before may have made the caller cancel.
                    stop.or(std::future::ready(())).await?;
                    is_exclusive = tool.is_exclusive();
                    call.state = State::Running;
                    let call = call.edited.as_ref().unwrap_or(&call.call).clone();
                    events.emit(ToolRunEvent::CallStart(&call));
                    let run = async move { tool.run(&call, timeout).await };
                    running.push(run.map(move |result| (next, result)));
                }
                next += 1;
            }
            let Some((index, result)) = stop.or(running.next()).await? else { return Ok(()) };
            if let Some(call) = self.calls.get_mut(index) {
                let result = call.noted(result);
                events.emit(ToolRunEvent::Result(&result));
                call.state = State::Done(result);
            }
        }
    }

    /// The results in the order of the calls. `end` is why the run ended before some of them were there.
    pub(super) fn into_results(self, end: Option<&ToolRunErrorKind>) -> Vec<ToolResult> {
        let results = self.calls.into_iter().map(|Call { call, state, .. }| match state {
            State::Done(result) => result,
            State::Waiting(_) | State::ApprovalRequest => {
                ToolResult::failure(&call, unfinished(end, "before it ran"))
            }
            State::Running => ToolResult::failure(&call, unfinished(end, "while it ran")),
        });
        results.collect()
    }
}

impl Call<'_> {
    /// Lets the call run with these arguments, if they are a JSON object.
    fn edit(&mut self, arguments: String) {
        match with_object_arguments(&ToolCall { arguments, ..self.call.clone() }) {
            (edited, None) => self.edited = (edited != self.call).then_some(edited),
            (_, Some(error)) => {
                let reason = format!("not run, since the user's arguments are not valid: {}", error.reason);
                self.state = State::Done(ToolResult::failure(&self.call, reason));
            }
        }
    }

    /// The result with a note of the arguments where they are not the model's own.
    fn noted(&self, mut result: ToolResult) -> ToolResult {
        if let Some(ToolCall { arguments, .. }) = &self.edited {
            let note = format!("[The user changed the arguments to {arguments}]\n");
            result.content = with_prefix(&note, result.content);
        }
        result
    }
}

/// The result of a call that the end of the run left without one.
fn unfinished(end: Option<&ToolRunErrorKind>, when: &str) -> String {
    match end {
        Some(ToolRunErrorKind::Stopped { reason }) => format!("not run: {reason}"),
        Some(ToolRunErrorKind::TimeBudget { .. }) => format!("the time of the whole run ended {when}"),
        _ => format!("cancelled by the user {when}"),
    }
}
