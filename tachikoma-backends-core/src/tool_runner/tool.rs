//! A tool: its definition and the function behind it.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::function::ToolFunction;
use crate::{CustomTool, HostedTool, MessageContent, ToolCall, ToolDefinition, ToolResult, ToolSpec};

type Outcome = Result<MessageContent, String>;

type Handler = dyn Fn(&ToolCall) -> BoxFuture<'static, Outcome> + Send + Sync;

/// A tool for a [`ToolRunner`](crate::ToolRunner): what the model is offered, the function behind it, and how it runs.
///
/// ```
/// # use std::time::Duration;
/// # use tachikoma_backends_core::{Tool, ToolDefinition};
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Command { line: String }
///
/// let shell = ToolDefinition::from_type::<Command>("shell", "Runs a command");
/// let tool = Tool::new(shell, async |command: Command| format!("$ {}", command.line))
///     .exclusive()
///     .with_timeout(Duration::from_secs(600));
/// assert_eq!(tool.name(), "shell");
/// ```
#[derive(Clone)]
pub struct Tool {
    spec: ToolSpec,
    /// The name in its calls.
    name: String,
    handler: Arc<Handler>,
    is_exclusive: bool,
    timeout: Option<Duration>,
}

impl Tool {
    /// A tool whose function takes the arguments as a type of yours; [`ToolFunction`] shows which functions fit.
    pub fn new<Arguments: DeserializeOwned, Marker>(
        definition: ToolDefinition,
        function: impl ToolFunction<Arguments, Marker>,
    ) -> Self {
        let parsed_by = definition.clone();
        let handler = move |call: &ToolCall| match parsed_by.parse_arguments(call) {
            Ok(arguments) => function.call(arguments).boxed(),
            Err(error) => std::future::ready(Err(error.to_string())).boxed(),
        };
        Self::with_handler(definition, Arc::new(handler))
    }

    /// A tool whose parameters are the schema of its function's argument, as [`ToolDefinition::from_type`] makes it.
    ///
    /// ```
    /// # use tachikoma_backends_core::{Tool, ToolRunner};
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// struct File { path: String }
    ///
    /// let runner = ToolRunner::new()
    ///     .with(Tool::from_fn("read", "Reads a text file", |file: File| std::fs::read_to_string(file.path)))
    ///     .with(Tool::from_fn("clock", "The time now", async |()| "noon"));
    /// assert_eq!(runner.specs().map(|spec| spec.name()).collect::<Vec<_>>(), ["clock", "read"]);
    /// ```
    pub fn from_fn<Arguments: JsonSchema + DeserializeOwned, Marker>(
        name: impl Into<String>,
        description: impl Into<String>,
        function: impl ToolFunction<Arguments, Marker>,
    ) -> Self {
        Self::new(ToolDefinition::from_type::<Arguments>(name, description), function)
    }

    /// A custom tool, whose function takes the input as the model wrote it.
    ///
    /// ```
    /// # use tachikoma_backends_core::{CustomTool, Tool};
    /// let tool = Tool::custom(CustomTool::new("shout", "Makes a text loud"), |text: String| text.to_uppercase());
    /// ```
    pub fn custom<Marker>(tool: CustomTool, function: impl ToolFunction<String, Marker>) -> Self {
        let handler = move |call: &ToolCall| function.call(call.input().into_owned()).boxed();
        Self::with_handler(tool, Arc::new(handler))
    }

    /// A tool of the provider that the caller runs, such as a shell. The function takes the call: its arguments are the JSON
    /// of what it should do, in the provider's form.
    ///
    /// ```
    /// # use tachikoma_backends_core::{HostedTool, Tool, ToolCall};
    /// let shell = Tool::hosted(HostedTool::new("shell"), async |call: ToolCall| {
    ///     format!("here the commands run: {}", call.arguments)
    /// });
    /// ```
    pub fn hosted<Marker>(
        tool: impl Into<HostedTool>,
        function: impl ToolFunction<ToolCall, Marker>,
    ) -> Self {
        Self::with_handler(tool.into(), untyped_handler(function))
    }

    /// A tool whose function takes the call itself, for tools whose schema is known only at run time. The call's arguments are
    /// always a JSON object.
    ///
    /// ```
    /// # use tachikoma_backends_core::{Tool, ToolArgumentsError, ToolCall, ToolDefinition, ToolParameters};
    /// let echo = ToolDefinition::new("echo", "Repeats", ToolParameters::new());
    /// let tool = Tool::untyped(echo, async |call: ToolCall| -> Result<_, ToolArgumentsError> {
    ///     call.parse_arguments()
    /// });
    /// ```
    pub fn untyped<Marker>(
        definition: ToolDefinition,
        function: impl ToolFunction<ToolCall, Marker>,
    ) -> Self {
        Self::with_handler(definition, untyped_handler(function))
    }

    /// One tool for each definition, all with this function.
    pub(super) fn untyped_all<Marker>(
        definitions: impl IntoIterator<Item = ToolDefinition>,
        function: impl ToolFunction<ToolCall, Marker>,
    ) -> impl Iterator<Item = Self> {
        let handler = untyped_handler(function);
        definitions.into_iter().map(move |definition| Self::with_handler(definition, Arc::clone(&handler)))
    }

    fn with_handler(tool: impl Into<ToolSpec>, handler: Arc<Handler>) -> Self {
        let spec = tool.into();
        let name = spec.name().to_owned();
        Self { spec, name, handler, is_exclusive: false, timeout: None }
    }

    /// The name in its calls, where a tool of the provider has another one there than its type.
    #[must_use]
    pub fn with_call_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Lets no other call of the same response run beside this tool's: it starts when all earlier ones have ended, and later
    /// ones wait for it. For tools that write what others read.
    #[must_use]
    pub fn exclusive(mut self) -> Self {
        self.is_exclusive = true;
        self
    }

    /// How long each call of this tool may run, in the place of the [runner's](crate::ToolRunner::with_timeout) limit.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Lets calls of this tool run without a limit on their time.
    #[must_use]
    pub fn without_timeout(self) -> Self {
        self.with_timeout(Duration::MAX)
    }

    /// What the model is offered.
    pub fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    /// The name in its calls.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_exclusive(&self) -> bool {
        self.is_exclusive
    }

    /// Runs the function. Errors, panics and the end of the time become the result.
    pub(super) async fn run(&self, call: &ToolCall, default_timeout: Duration) -> ToolResult {
        // Called within the future: the function may panic before it returns its own.
        let running = AssertUnwindSafe(async { (self.handler)(call).await }).catch_unwind();
        let timeout = self.timeout.unwrap_or(default_timeout);
        let outcome = match timeout {
            Duration::MAX => Ok(running.await),
            limited => tokio::time::timeout(limited, running).await,
        };
        match outcome {
            Ok(Ok(Ok(content))) => ToolResult::success(call, content),
            Ok(Ok(Err(reason))) => ToolResult::failure(call, reason),
            Ok(Err(panic)) => {
                let reason = panic_text(&*panic);
                tracing::error!(tool = call.name, reason, "a tool panicked");
                ToolResult::failure(call, format!("the tool failed unexpectedly: {reason}"))
            }
            Err(_) => ToolResult::failure(call, format!("the tool did not finish within {timeout:?}")),
        }
    }
}

fn untyped_handler<Marker>(function: impl ToolFunction<ToolCall, Marker>) -> Arc<Handler> {
    Arc::new(move |call: &ToolCall| function.call(call.clone()).boxed())
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { spec, name, handler: _, is_exclusive, timeout } = self;
        f.debug_struct("Tool")
            .field("spec", spec)
            .field("name", name)
            .field("is_exclusive", is_exclusive)
            .field("timeout", timeout)
            .finish_non_exhaustive()
    }
}

/// The message of a panic.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it panicked")
}
