//! Functions that can be tools.

use super::output::ToolReturn;
use crate::MessageContent;

/// A function behind a tool: asynchronous or not, of one argument, with a [`ToolReturn`].
///
/// The argument is what the model's JSON arguments are parsed as, `()` for a tool without parameters. `Marker` only tells the
/// implementations apart and is always inferred. All of these are functions of a tool:
///
/// ```
/// # use std::sync::{Arc, Mutex};
/// # use tachikoma_backends_core::{ToolDefinition, ToolParameters, ToolRunner};
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct File { path: String }
///
/// async fn read(file: File) -> std::io::Result<String> {
///     std::fs::read_to_string(file.path)
/// }
///
/// let tool = |name| ToolDefinition::from_type::<File>(name, "Handles a file");
/// let clock = ToolDefinition::new("clock", "The time now", ToolParameters::new());
/// let opened = Arc::new(Mutex::new(Vec::new()));
/// let closed = Arc::clone(&opened);
/// let runner = ToolRunner::new()
///     .with_tool(tool("read"), read)
///     .with_tool(tool("name"), async |file: File| format!("It is {}", file.path))
///     .with_tool(tool("size"), async |file: File| -> std::io::Result<u64> {
///         Ok(std::fs::metadata(file.path)?.len())
///     })
///     .with_tool(tool("path"), |file: File| file.path)
///     .with_tool(clock, async |()| "noon")
///     // State is captured in an `Arc`; an asynchronous function clones it for each call.
///     .with_tool(tool("close"), move |file: File| closed.lock().unwrap().retain(|path| *path != file.path))
///     .with_tool(tool("open"), move |file: File| {
///         let opened = Arc::clone(&opened);
///         async move { opened.lock().unwrap().push(file.path) }
///     });
/// ```
///
/// A function that blocks or computes for long holds up everything else of the run, its timeout too: let it call
/// [`tokio::task::spawn_blocking`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the function of a tool",
    note = "a tool's function is `Fn`, `Send`, `Sync` and `'static`, has one argument with its type written (`|()|` for none), \
            and returns a `ToolReturn`, or a `Future` of one that is `Send` and `'static`: text, numbers, JSON, \
            `Result<impl Serialize, impl Display>`, or `Json(..)` around any other type that is `Serialize`",
    note = "an `async` closure with captured state is not `Fn`; write \
            `move |arguments: A| {{ let state = Arc::clone(&state); async move {{ .. }} }}`"
)]
pub trait ToolFunction<Arguments, Marker>: Send + Sync + 'static {
    /// Calls the function; the future is its result.
    fn call(
        &self,
        arguments: Arguments,
    ) -> impl Future<Output = Result<MessageContent, String>> + Send + 'static;
}

/// Marks functions that return a future.
#[derive(Debug)]
pub enum Asynchronous {}

/// Marks functions that return their result.
#[derive(Debug)]
pub enum Synchronous {}

impl<Function, Arguments, Running> ToolFunction<Arguments, Asynchronous> for Function
where
    Function: Fn(Arguments) -> Running + Send + Sync + 'static,
    Running: Future<Output: ToolReturn> + Send + 'static,
{
    fn call(
        &self,
        arguments: Arguments,
    ) -> impl Future<Output = Result<MessageContent, String>> + Send + 'static {
        let running = self(arguments);
        async move { running.await.into_content() }
    }
}

impl<Function, Arguments, Output> ToolFunction<Arguments, Synchronous> for Function
where
    Function: Fn(Arguments) -> Output + Send + Sync + 'static,
    Output: ToolReturn,
{
    fn call(
        &self,
        arguments: Arguments,
    ) -> impl Future<Output = Result<MessageContent, String>> + Send + 'static {
        std::future::ready(self(arguments).into_content())
    }
}
