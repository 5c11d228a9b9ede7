//! The loop of an agent: the model asks for tools, they run, their results go back, until it answers.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Add;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, StreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use crate::{
    Backend, BackendError, CollectingStream, CompletionChunk, CompletionRequest, CompletionResponse, Message,
    ToolCall, ToolDefinition, ToolResult, Usage,
};

/// How long a tool may run where nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How many answers a model may give where nothing else is said.
const MAX_STEPS: usize = 16;

type Handler = dyn Fn(ToolCall) -> BoxFuture<'static, ToolResult> + Send + Sync;

/// Tools with the functions behind them, and the loop that runs them for a model.
///
/// Whatever goes wrong with a call is told to the model, which may do better: an unknown tool, wrong arguments, an error, a
/// panic, a timeout. Nothing of it ends the loop.
///
/// ```
/// # use futures::{StreamExt, stream};
/// # use tachikoma_backends_core::*;
/// # #[derive(Debug, Default)]
/// # struct Model(BackendInfo);
/// # #[async_trait]
/// # impl Backend for Model {
/// #     fn info(&self) -> &BackendInfo { &self.0 }
/// #     async fn complete(&self, request: CompletionRequest) -> Result<CompletionResponse, BackendError> {
/// #         Ok(match request.messages.last() {
/// #             Some(result) if result.role == Role::Tool =>
/// #                 CompletionResponse { content: Some(result.content.to_text()), ..Default::default() },
/// #             _ => CompletionResponse {
/// #                 tool_calls: vec![ToolCall::new("1", "get_weather", r#"{"city": "Oslo"}"#)], ..Default::default()
/// #             },
/// #         })
/// #     }
/// #     async fn complete_stream(&self, _: CompletionRequest) -> Result<CompletionStream, BackendError> {
/// #         Ok(stream::empty().boxed())
/// #     }
/// #     async fn health_check(&self) -> Result<bool, BackendError> { Ok(true) }
/// # }
/// # let backend = Model::default();
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Place { city: String }
///
/// let weather = ToolDefinition::from_type::<Place>("get_weather", "The weather in a city now");
/// let runner = ToolRunner::new().with_tool(weather, async |place: Place| {
///     Ok::<_, std::io::Error>(format!("In {}: snow", place.city))
/// });
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let run = runner.run(&backend, CompletionRequest::new(vec![Message::user("Is it cold in Oslo?")])).await?;
/// assert_eq!(run.response.content.as_deref(), Some("In Oslo: snow"));
/// # Ok::<(), ToolRunError>(())
/// # }).unwrap();
/// ```
pub struct ToolRunner {
    tools: BTreeMap<String, (ToolDefinition, Box<Handler>)>,
    timeout: Duration,
    max_steps: usize,
}

impl Default for ToolRunner {
    fn default() -> Self {
        Self { tools: BTreeMap::new(), timeout: TIMEOUT, max_steps: MAX_STEPS }
    }
}

impl ToolRunner {
    /// No tools yet; 60 seconds for each call, 16 answers of the model.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tool and the function behind it, or puts another in the place of the one of this name. What the function returns
    /// goes to the model: text as it is, anything else as JSON; an error as its text.
    #[must_use]
    pub fn with_tool<Arguments, Output, Failure, Running>(
        mut self,
        definition: ToolDefinition,
        function: impl Fn(Arguments) -> Running + Send + Sync + 'static,
    ) -> Self
    where
        Arguments: DeserializeOwned,
        Output: Serialize,
        Failure: fmt::Display,
        Running: Future<Output = Result<Output, Failure>> + Send + 'static,
    {
        let handler = move |call: ToolCall| match call.parse_arguments_as::<Arguments>() {
            Err(error) => std::future::ready(ToolResult::failure(&call, error.to_string())).boxed(),
            Ok(arguments) => {
                let running = function(arguments);
                async move {
                    match running.await {
                        Ok(output) => told(&call, &output),
                        Err(error) => ToolResult::failure(&call, error.to_string()),
                    }
                }
                .boxed()
            }
        };
        self.tools.insert(definition.name.clone(), (definition, Box::new(handler)));
        self
    }

    /// How long each call may run. Then its future is dropped, and the model is told.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many answers the model may give in one run, the last one included; at least one.
    #[must_use]
    pub fn with_max_steps(mut self, max_steps: usize) -> Self {
        self.max_steps = max_steps.max(1);
        self
    }

    /// The tools, by name.
    pub fn definitions(&self) -> impl Iterator<Item = &ToolDefinition> {
        self.tools.values().map(|(definition, _)| definition)
    }

    /// Runs these calls at the same time and returns their results in the order of the calls. All of them run on the caller's
    /// task: a tool that blocks or computes for long should hand that to a thread.
    pub async fn run_calls(&self, calls: &[ToolCall]) -> Vec<ToolResult> {
        join_all(calls.iter().map(|call| self.run_call(call))).await
    }

    async fn run_call(&self, call: &ToolCall) -> ToolResult {
        let Some((_, handler)) = self.tools.get(&call.name) else {
            let known: Vec<&str> = self.tools.keys().map(String::as_str).collect();
            let reason = format!("there is no tool {:?}; there are: {}", call.name, known.join(", "));
            return ToolResult::failure(call, reason);
        };
        // Called within the future: a function may panic before it makes its own.
        let running = AssertUnwindSafe(async { handler(call.clone()).await }).catch_unwind();
        match tokio::time::timeout(self.timeout, running).await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => {
                let reason = panic_text(&*panic);
                tracing::error!(tool = call.name, reason, "a tool panicked");
                ToolResult::failure(call, format!("the tool failed unexpectedly: {reason}"))
            }
            Err(_) => ToolResult::failure(call, format!("the tool did not finish within {:?}", self.timeout)),
        }
    }

    /// Asks the model, runs the tools that it calls, and asks again with their results, until it calls none. The tools are
    /// added to those of the request.
    ///
    /// An answer that was cut ends the loop as well: look at its `finish_reason`.
    ///
    /// # Errors
    /// [`ToolRunError`], which holds the conversation so far.
    pub async fn run(
        &self,
        backend: &(impl Backend + ?Sized),
        request: CompletionRequest,
    ) -> Result<ToolRun, ToolRunError> {
        self.drive(backend, request, None).await
    }

    /// Like [`run`](Self::run), over streams: each piece of an answer and each result is shown as it comes.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_stream(
        &self,
        backend: &(impl Backend + ?Sized),
        request: CompletionRequest,
        mut on_event: impl FnMut(ToolRunEvent<'_>) + Send,
    ) -> Result<ToolRun, ToolRunError> {
        self.drive(backend, request, Some(&mut on_event)).await
    }

    async fn drive(
        &self,
        backend: &(impl Backend + ?Sized),
        mut request: CompletionRequest,
        mut on_event: Option<&mut (dyn FnMut(ToolRunEvent<'_>) + Send)>,
    ) -> Result<ToolRun, ToolRunError> {
        request.tools.retain(|tool| !self.tools.contains_key(&tool.name));
        request.tools.extend(self.definitions().cloned());
        let mut usage = None;
        for step in 1..=self.max_steps {
            let answer = match &mut on_event {
                None => backend.complete(request.clone()).await,
                Some(on_event) => streamed(backend, request.clone(), on_event).await,
            };
            let response = match answer {
                Ok(response) => response,
                Err(error) => {
                    return Err(ToolRunError::Backend { error, messages: request.messages });
                }
            };
            usage = [usage, response.usage].into_iter().flatten().reduce(Usage::add);
            request.messages.push(response.to_message());
            if response.tool_calls.is_empty() {
                return Ok(ToolRun { response, messages: request.messages, steps: step, usage });
            }
            for result in self.run_calls(&response.tool_calls).await {
                request.messages.push(result.to_message());
                if let Some(on_event) = &mut on_event {
                    on_event(ToolRunEvent::Result(&result));
                }
            }
        }
        Err(ToolRunError::StepLimit { max_steps: self.max_steps, messages: request.messages })
    }
}

impl fmt::Debug for ToolRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tools, timeout, max_steps } = self;
        f.debug_struct("ToolRunner")
            .field("tools", &tools.keys())
            .field("timeout", timeout)
            .field("max_steps", max_steps)
            .finish()
    }
}

async fn streamed(
    backend: &(impl Backend + ?Sized),
    request: CompletionRequest,
    on_event: &mut (dyn FnMut(ToolRunEvent<'_>) + Send),
) -> Result<CompletionResponse, BackendError> {
    let mut stream = CollectingStream::new(backend.complete_stream(request).await?);
    while let Some(Ok(chunk)) = stream.next().await {
        on_event(ToolRunEvent::Chunk(&chunk));
    }
    Ok(stream.collect().await?)
}

/// What a tool returned, in words.
fn told(call: &ToolCall, output: &impl Serialize) -> ToolResult {
    match serde_json::to_value(output) {
        Ok(Value::String(text)) => ToolResult::success(call, text),
        Ok(value) => ToolResult::success(call, value.to_string()),
        Err(error) => ToolResult::failure(call, format!("the tool's result is no JSON: {error}")),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it panicked")
}

/// What happens in a run, as it happens.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ToolRunEvent<'a> {
    /// A piece of an answer.
    Chunk(&'a CompletionChunk),
    /// A call was run.
    Result(&'a ToolResult),
}

/// A run that ended in an answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ToolRun {
    /// The answer that called no tool.
    pub response: CompletionResponse,
    /// The whole conversation, that answer included: what the next request starts with.
    pub messages: Vec<Message>,
    /// How many answers the model gave.
    pub steps: usize,
    /// What all of them cost, in tokens, as far as the server said.
    pub usage: Option<Usage>,
}

/// A run that did not end in an answer.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ToolRunError {
    /// The model could not be asked.
    #[error("{error}")]
    Backend {
        /// Why.
        #[source]
        error: BackendError,
        /// The conversation so far; with it the run can go on.
        messages: Vec<Message>,
    },
    /// The model asked for tools in every answer that it may give.
    #[error(
        "the model asked for tools {max_steps} times without an answer; raise with_max_steps if it needs more"
    )]
    StepLimit {
        /// How many answers it gave.
        max_steps: usize,
        /// The conversation so far, the last results included; with it the run can go on.
        messages: Vec<Message>,
    },
}

impl ToolRunError {
    /// The conversation up to where the run ended.
    pub fn messages(&self) -> &[Message] {
        match self {
            Self::Backend { messages, .. } | Self::StepLimit { messages, .. } => messages,
        }
    }
}

#[cfg(test)]
mod tests;
