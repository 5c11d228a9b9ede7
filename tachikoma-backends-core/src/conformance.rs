//! Checks for authors of backends.

mod check;
mod report;
mod stream;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;

use self::check::Check;
pub use self::report::ConformanceReport;
use crate::{Backend, BackendError, CompletionRequest};

/// Checks that a [`Backend`] keeps its contract, for the tests of the crate that implements it.
///
/// What is checked:
/// - **Streams**: any number of delta chunks, then exactly one final chunk or exactly one error, then the end, and `None` from
///   then on. Finish reason and usage are on the final chunk alone.
/// - **Responses**: [`complete`](Backend::complete) and [`complete_stream`](Backend::complete_stream) lead to the same response.
/// - **Tool calls**: whole, with ids that differ, in the response and as deltas that are numbered from 0.
/// - **Errors**: of the expected category, with its details and a message; a response is never returned in part.
/// - **Cancellation**: a stream that is dropped cancels its request, and the backend works on.
/// - **Everything else**: name, models, token counts, health check and a request for an unknown model do not panic and agree with each
///   other.
///
/// The author brings a server, or a script, that replies to certain requests, and states what is expected. **Each request is sent
/// several times** and has to get the same reply each time. A violation is a sentence in the report; nothing panics.
///
/// ```
/// # futures::executor::block_on(async {
/// use serde_json::json;
/// use tachikoma_backends_core::{
///     BackendError, CompletionRequest, Conformance, ErrorDetails, ScriptedBackend, ScriptedReply,
/// };
///
/// let busy = || BackendError::ServiceUnavailable(ErrorDetails::new("busy").with_status(503).into());
/// let server = ScriptedReply::from_fn(move |request| match request.messages[0].text().as_str() {
///     "text" => ScriptedReply::text("Hello"),
///     "tool" => ScriptedReply::tool_call("now", json!({"zone": "UTC"})),
///     _ => busy().into(),
/// });
/// let backend = ScriptedBackend::new().with_default_reply(server);
///
/// let report = Conformance::new()
///     .with_text(CompletionRequest::user("text"), "Hello")
///     .with_tool_call(CompletionRequest::user("tool"), "now", json!({"zone": "UTC"}))
///     .with_error(CompletionRequest::user("error"), busy())
///     .run(&backend)
///     .await;
/// assert!(report.is_ok(), "{report}");
/// # });
/// ```
#[derive(Clone, Debug, Default)]
pub struct Conformance {
    texts: Vec<(CompletionRequest, String)>,
    tool_calls: Vec<(CompletionRequest, Vec<(String, Value)>)>,
    errors: Vec<(CompletionRequest, BackendError)>,
    cancellation: Option<Cancellation>,
}

#[derive(Clone)]
struct Cancellation {
    request: CompletionRequest,
    was_cancelled: Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>,
}

impl fmt::Debug for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancellation").field("request", &self.request).finish_non_exhaustive()
    }
}

impl Conformance {
    /// The checks that need no reply of a certain kind.
    pub fn new() -> Self {
        Self::default()
    }

    /// A request whose response is this text.
    #[must_use]
    pub fn with_text(mut self, request: CompletionRequest, expected: impl Into<String>) -> Self {
        self.texts.push((request, expected.into()));
        self
    }

    /// A request whose response is one call of this tool, with these arguments.
    #[must_use]
    pub fn with_tool_call(
        self,
        request: CompletionRequest,
        name: impl Into<String>,
        arguments: impl Into<Value>,
    ) -> Self {
        self.with_tool_calls(request, [(name, arguments)])
    }

    /// A request whose response is calls of these tools, with these arguments, in this order.
    #[must_use]
    pub fn with_tool_calls(
        mut self,
        request: CompletionRequest,
        expected: impl IntoIterator<Item = (impl Into<String>, impl Into<Value>)>,
    ) -> Self {
        let expected = expected.into_iter().map(|(name, arguments)| (name.into(), arguments.into()));
        self.tool_calls.push((request, expected.collect()));
        self
    }

    /// A request that fails, before or within the response.
    ///
    /// The error has to be of the category of `expected` and contain its message. Those of its details that are set have to be the same:
    /// status, code, param, request id, the wait that the server asks for, and whether to retry.
    #[must_use]
    pub fn with_error(mut self, request: CompletionRequest, expected: BackendError) -> Self {
        self.errors.push((request, expected));
        self
    }

    /// A request whose stream is dropped after the first chunk, and whether the server then finds it cancelled. `was_cancelled` is
    /// awaited after the drop: it waits until the server has noticed, and limits that wait.
    #[must_use]
    pub fn with_cancellation<F: Future<Output = bool> + Send + 'static>(
        mut self,
        request: CompletionRequest,
        was_cancelled: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        let was_cancelled = Arc::new(move || was_cancelled().boxed());
        self.cancellation = Some(Cancellation { request, was_cancelled });
        self
    }

    /// Checks this backend.
    pub async fn run(&self, backend: &dyn Backend) -> ConformanceReport {
        let mut check = Check::new(backend);
        check.description();
        check.token_counts();
        check.health().await;
        check.unknown_model().await;
        for (request, expected) in &self.texts {
            check.text(request, expected).await;
        }
        for (request, expected) in &self.tool_calls {
            check.tool_calls(request, expected).await;
        }
        for (request, expected) in &self.errors {
            check.error(request, expected).await;
        }
        if let Some(Cancellation { request, was_cancelled }) = &self.cancellation {
            check.cancellation(request, || was_cancelled()).await;
        }
        check.report
    }
}
