//! The loop of an agent: the model calls tools, they run, their results go back, until it calls none.

use std::collections::BTreeMap;
use std::fmt;
use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use futures::FutureExt;
use serde::de::DeserializeOwned;

use self::approval::ApprovalHook;
use self::budget::Budget;
use self::drive::drive;
use self::event::Events;
use self::execute::Execution;
use self::stop::Stop;
use crate::{Backend, CompletionRequest, CompletionResponse, ToolCall, ToolDefinition, ToolResult, ToolSpec};

mod approval;
mod arguments;
mod budget;
mod conversation;
mod drive;
mod error;
mod event;
mod execute;
mod function;
mod output;
mod stop;
mod tool;

pub use self::approval::Approval;
pub use self::drive::ToolRun;
pub use self::error::{ToolRunError, ToolRunErrorKind};
pub use self::event::ToolRunEvent;
pub use self::function::ToolFunction;
pub use self::output::{Json, ToolReturn};
pub use self::tool::Tool;

/// How long a call may run where nothing else is set.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How many responses a model may give where nothing else is set.
const MAX_STEPS: usize = 16;
/// How many calls run at once where nothing else is set.
const MAX_CONCURRENT_CALLS: usize = 8;

/// Tools with the functions behind them, and the loop that runs them for a model.
///
/// - Whatever goes wrong with a call goes to the model, which may do better, and never ends the run: an unknown tool, wrong
///   arguments, an error, a panic, a timeout.
/// - A response that is cut or incomplete runs nothing and ends the run with an error that holds it.
/// - The calls of a response run at the same time, up to a [limit](Self::with_max_concurrent_calls); an
///   [exclusive](Tool::exclusive) tool's call runs alone. Their results go to the model in the order of the calls. All of them
///   run on the caller's task: a tool that blocks or computes for long should use [`tokio::task::spawn_blocking`].
/// - [Custom tools](Tool::custom) and those of the provider that the caller runs ([`Tool::hosted`]) run like functions. Tools
///   that the provider runs itself belong into the request. Where it asks for approval of a call to an MCP server,
///   [`with_approval`](Self::with_approval) decides; without it, the answer is no.
/// - A [forced tool choice](crate::ToolChoice::Required) holds for the first response only.
/// - Where the server keeps the conversation (`extra` has `conversation` or `previous_response_id`), each further request sends
///   only what is new.
/// - However a run ends, the conversation that it returns can be sent again: every call in it has its result.
///
/// ```
/// use serde_json::json;
/// use tachikoma_backends_core::{
///     CompletionRequest, ScriptedBackend, ScriptedReply, ToolDefinition, ToolRunError, ToolRunner,
/// };
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Place { city: String }
///
/// let weather = ToolDefinition::from_type::<Place>("get_weather", "The weather in a city now");
/// let runner =
///     ToolRunner::new().with_tool(weather, async |place: Place| format!("In {}: snow", place.city));
///
/// // A model that calls the tool, and then answers.
/// let backend = ScriptedBackend::new()
///     .with_reply(ScriptedReply::tool_call("get_weather", json!({"city": "Oslo"})))
///     .with_reply("Yes, it is snowing.");
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let run = runner.run(&backend, CompletionRequest::user("Is it cold in Oslo?")).await?;
/// assert_eq!(run.response.content.as_deref(), Some("Yes, it is snowing."));
/// // The question, the call, its result, the answer: the next question goes after them.
/// let texts: Vec<String> = run.messages.iter().map(|message| message.text()).collect();
/// assert_eq!(texts[2], "In Oslo: snow");
/// # Ok::<(), ToolRunError>(())
/// # }).unwrap();
/// ```
pub struct ToolRunner {
    tools: BTreeMap<String, Tool>,
    approval: Option<Box<ApprovalHook>>,
    timeout: Duration,
    max_concurrent_calls: usize,
    max_steps: usize,
    budget: Budget,
    compaction_threshold: Option<u32>,
}

impl Default for ToolRunner {
    fn default() -> Self {
        Self {
            tools: BTreeMap::new(),
            approval: None,
            timeout: TIMEOUT,
            max_concurrent_calls: MAX_CONCURRENT_CALLS,
            max_steps: MAX_STEPS,
            budget: Budget::default(),
            compaction_threshold: None,
        }
    }
}

impl ToolRunner {
    /// No tools yet; 60 seconds for each call, 8 calls at once, 16 responses of the model.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tool, or replaces the one of this name.
    #[must_use]
    pub fn with(mut self, tool: Tool) -> Self {
        self.tools.insert(tool.name().to_owned(), tool);
        self
    }

    /// Adds these tools, as [`with`](Self::with).
    #[must_use]
    pub fn with_tools(self, tools: impl IntoIterator<Item = Tool>) -> Self {
        tools.into_iter().fold(self, Self::with)
    }

    /// Adds a tool of this definition and function. [`ToolFunction`] shows which functions fit, [`ToolReturn`] what they may
    /// return.
    #[must_use]
    pub fn with_tool<Arguments: DeserializeOwned, Marker>(
        self,
        definition: ToolDefinition,
        function: impl ToolFunction<Arguments, Marker>,
    ) -> Self {
        self.with(Tool::new(definition, function))
    }

    /// Adds tools that are known only at run time, such as those of an MCP server, with one function for all of them. A call's
    /// arguments are always a JSON object.
    ///
    /// ```
    /// # use serde_json::json;
    /// # use tachikoma_backends_core::{BackendError, ToolCall, ToolDefinition, ToolRunner};
    /// let listed = json!([{"name": "ls", "description": "Lists files", "inputSchema": {"type": "object", "properties": {}}}]);
    /// let text = |tool: &serde_json::Value, key: &str| tool[key].as_str().unwrap_or_default().to_owned();
    /// let definitions = listed.as_array().unwrap().iter().map(|tool| {
    ///     let parameters = tool["inputSchema"].clone().try_into()?;
    ///     Ok(ToolDefinition::new(text(tool, "name"), text(tool, "description"), parameters))
    /// });
    /// let definitions = definitions.collect::<Result<Vec<_>, BackendError>>()?;
    /// let runner = ToolRunner::new().with_untyped_tools(definitions, async |call: ToolCall| {
    ///     format!("here {} is sent on with {}", call.name, call.arguments)
    /// });
    /// # Ok::<(), BackendError>(())
    /// ```
    #[must_use]
    pub fn with_untyped_tools<Marker>(
        self,
        definitions: impl IntoIterator<Item = ToolDefinition>,
        function: impl ToolFunction<ToolCall, Marker>,
    ) -> Self {
        self.with_tools(Tool::untyped_all(definitions, function))
    }

    /// Asks this function before a call runs: in the order of the calls, for all calls of a response before any of them runs. A
    /// call that cannot run (unknown tool, arguments that are not JSON) is not asked about; a panic denies the call.
    ///
    /// ```
    /// # use tachikoma_backends_core::{Approval, ToolCall, ToolRunner};
    /// let runner = ToolRunner::new().with_approval(async |call: ToolCall| match call.name.as_str() {
    ///     "read" => Approval::Allow,
    ///     _ => Approval::Deny("the user wants nothing changed".into()),
    /// });
    /// ```
    #[must_use]
    pub fn with_approval<Asking: Future<Output = Approval> + Send + 'static>(
        mut self,
        ask: impl Fn(ToolCall) -> Asking + Send + Sync + 'static,
    ) -> Self {
        self.approval = Some(Box::new(move |call| ask(call).boxed()));
        self
    }

    /// How long each call may run (60 seconds), where its [tool](Tool::with_timeout) has no limit of its own.
    ///
    /// When the time is over, the tool's future is dropped and the model gets an error. What the future has started outside
    /// lives on: a thread, a task, and a child process, unless it was made with `kill_on_drop(true)` (`tokio::process`). That
    /// ends only the child itself; to end its children as well, start it in a process group of its own and end the group. The
    /// same holds when the run is cancelled.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many calls of a response run at once (8); at least one.
    #[must_use]
    pub fn with_max_concurrent_calls(mut self, calls: usize) -> Self {
        self.max_concurrent_calls = calls.max(1);
        self
    }

    /// How many responses the model may give in one run (16), the last one included; at least one.
    #[must_use]
    pub fn with_max_steps(mut self, max_steps: usize) -> Self {
        self.max_steps = max_steps.max(1);
        self
    }

    /// Sends no further request once the responses of a run have used this many tokens together, prompts included, or where
    /// the server did not report the usage of one.
    #[must_use]
    pub fn with_token_budget(mut self, tokens: u64) -> Self {
        self.budget.tokens = Some(tokens);
        self
    }

    /// Sends no further request once the responses of a run have cost this much together in US dollars, by `price`, or where it
    /// does not know the cost of one.
    #[must_use]
    pub fn with_cost_budget(
        mut self,
        usd: f64,
        price: impl Fn(&CompletionResponse) -> Option<f64> + Send + Sync + 'static,
    ) -> Self {
        self.budget.cost = Some((usd, Box::new(price)));
        self
    }

    /// Ends a run after this time, whatever it does then, as [cancelling](Self::run_until) does.
    #[must_use]
    pub fn with_time_budget(mut self, time: Duration) -> Self {
        self.budget.time = Some(time);
        self
    }

    /// [Compacts](Backend::compact) the conversation before the next request once a response and its prompt had this many tokens
    /// together, and where the server rejects a request because the conversation is too long: then once, and the request is sent
    /// once more.
    ///
    /// A compaction does not count as a step, but towards the budgets. Where it fails, the run continues without it. The first
    /// response after a compaction never causes another one. A conversation that the server keeps is not compacted here; for
    /// OpenAI see [`compaction_threshold`](CompletionRequest::compaction_threshold). [`ToolRun::messages`] continue from the
    /// compacted conversation, [`ToolRun::uncompacted`] has everything.
    #[must_use]
    pub fn with_compaction(mut self, threshold: u32) -> Self {
        self.compaction_threshold = Some(threshold);
        self
    }

    /// What the model is offered, by name.
    pub fn specs(&self) -> impl Iterator<Item = &ToolSpec> {
        self.tools.values().map(Tool::spec)
    }

    /// Runs these calls as those of one response, approval included, and returns their results in the order of the calls. For
    /// a loop of your own, whose responses have to be complete. Of calls with the same id, the first one runs.
    pub async fn run_calls(&self, calls: &[ToolCall]) -> Vec<ToolResult> {
        let mut execution = Execution::new(self, calls);
        let mut never = pin!(pending());
        let mut stop = Stop::new(never.as_mut(), None);
        let end = execution.run(&mut Events(None), &mut stop).await.err();
        execution.into_results(end.as_ref())
    }

    /// Asks the model, runs the tools that it calls, and asks again with their results, until a response calls none. The tools
    /// are added to those of the request.
    ///
    /// # Errors
    /// [`ToolRunError`], which holds the conversation so far.
    pub async fn run(
        &self,
        backend: &(impl Backend + ?Sized),
        request: CompletionRequest,
    ) -> Result<ToolRun, ToolRunError> {
        drive(self, backend, request, Events(None), pin!(pending())).await
    }

    /// Like [`run`](Self::run), over streams, with each piece of a response, each start of a call and each result as it comes.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`ToolRunError::partial`] is what had arrived of a broken stream.
    pub async fn run_stream(
        &self,
        backend: &(impl Backend + ?Sized),
        request: CompletionRequest,
        mut on_event: impl FnMut(ToolRunEvent<'_>) + Send,
    ) -> Result<ToolRun, ToolRunError> {
        drive(self, backend, request, Events(Some(&mut on_event)), pin!(pending())).await
    }

    /// Like [`run_stream`](Self::run_stream), until `cancel` completes. Then the open response, the approval and the running
    /// calls are dropped ([`with_timeout`](Self::with_timeout) tells what that means for a child process), nothing new starts,
    /// and the error holds a conversation in which every call has a result: its own where it had finished, otherwise that it was
    /// cancelled by the user. Dropping the run instead loses the conversation.
    ///
    /// ```no_run
    /// # use tachikoma_backends_core::*;
    /// # async fn ctrl_c() {}
    /// # async fn example(runner: ToolRunner, backend: &dyn Backend, request: CompletionRequest) {
    /// let messages = match runner.run_until(backend, request, |_| {}, ctrl_c()).await {
    ///     Ok(run) => run.messages,
    ///     Err(error) if *error.kind() == ToolRunErrorKind::Cancelled => error.into_messages(),
    ///     Err(error) => panic!("{error}"),
    /// };
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`run_stream`](Self::run_stream), and [`ToolRunErrorKind::Cancelled`].
    pub async fn run_until(
        &self,
        backend: &(impl Backend + ?Sized),
        request: CompletionRequest,
        mut on_event: impl FnMut(ToolRunEvent<'_>) + Send,
        cancel: impl Future<Output = ()> + Send,
    ) -> Result<ToolRun, ToolRunError> {
        drive(self, backend, request, Events(Some(&mut on_event)), pin!(cancel)).await
    }

    fn unknown_tool(&self, call: &ToolCall) -> ToolResult {
        let names: Vec<&str> = self.tools.keys().map(String::as_str).collect();
        let reason = format!("there is no tool {:?}; there are: {}", call.name, names.join(", "));
        ToolResult::failure(call, reason)
    }
}

impl fmt::Debug for ToolRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tools, approval, timeout, max_concurrent_calls, max_steps, budget, compaction_threshold } =
            self;
        f.debug_struct("ToolRunner")
            .field("tools", &tools.keys())
            .field("has_approval", &approval.is_some())
            .field("timeout", timeout)
            .field("max_concurrent_calls", max_concurrent_calls)
            .field("max_steps", max_steps)
            .field("budget", budget)
            .field("compaction_threshold", compaction_threshold)
            .finish()
    }
}

#[cfg(test)]
mod tests;
