//! A backend that replies from a script, for tests.

mod reply;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, stream};

pub use self::reply::ScriptedReply;
use crate::{
    Backend, BackendCapabilities, BackendError, BackendInfo, CollectingStream, CompletionChunk,
    CompletionRequest, CompletionResponse, CompletionStream,
};

/// A [`Backend`] for tests of code that uses one: it replies from a script, without a network, and records the requests.
///
/// Replies are sent in the order in which they were added. Each works with [`complete`](Backend::complete) and
/// [`complete_stream`](Backend::complete_stream) alike, with the same response: a text or a whole response is streamed in
/// deltas of a few characters, and chunks are collected by a [`CollectingStream`]. What can be a reply is listed at
/// [`ScriptedReply`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// use std::time::Duration;
/// use futures::StreamExt;
/// use serde_json::json;
/// use tachikoma_backends_core::{Backend, BackendError, CompletionRequest, ScriptedBackend, ScriptedReply};
///
/// let backend = ScriptedBackend::new()
///     .with_reply(ScriptedReply::tool_call("get_weather", json!({"city": "Oslo"})))
///     .with_reply("It rains in Oslo.")
///     .with_reply(ScriptedReply::from(BackendError::Network("reset".into())).with_delay(Duration::from_secs(2)));
///
/// let response = backend.complete(CompletionRequest::user("Is it raining?")).await.unwrap();
/// assert_eq!(response.tool_calls[0].get_string("city").unwrap(), "Oslo");
///
/// let mut stream = backend.complete_stream(CompletionRequest::user("And?")).await.unwrap();
/// let mut text = String::new();
/// while let Some(chunk) = stream.next().await {
///     text += &chunk.unwrap().delta;
/// }
/// assert_eq!(text, "It rains in Oslo.");
///
/// backend.complete(CompletionRequest::user("Sure?")).await.unwrap_err();
/// assert_eq!(backend.requests()[1].messages[0].text(), "And?");
/// # }
/// ```
///
/// A request for which no reply is left fails with [`BackendError::Configuration`], unless there is a
/// [default reply](Self::with_default_reply). Delays need a Tokio runtime with timers; a paused clock skips them.
#[derive(Debug)]
pub struct ScriptedBackend {
    info: BackendInfo,
    health: Result<bool, BackendError>,
    default_reply: Option<ScriptedReply>,
    script: Mutex<Script>,
    tool_calls: AtomicUsize,
    cancelled: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Script {
    replies: VecDeque<ScriptedReply>,
    requests: Vec<CompletionRequest>,
}

impl Default for ScriptedBackend {
    fn default() -> Self {
        let capabilities = BackendCapabilities {
            streaming: true,
            tool_calling: true,
            vision: true,
            json_mode: true,
            max_context_tokens: 100_000,
            max_output_tokens: 4096,
        };
        Self {
            info: BackendInfo {
                name: "scripted".to_owned(),
                version: "v1".to_owned(),
                default_model: "scripted-model".to_owned(),
                available_models: Vec::new(),
                capabilities,
            },
            health: Ok(true),
            default_reply: None,
            script: Mutex::default(),
            tool_calls: AtomicUsize::new(0),
            cancelled: Arc::default(),
        }
    }
}

impl ScriptedBackend {
    /// A backend that is called `scripted`, can do everything, is healthy, and has no replies yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The backend's name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.info.name = name.into();
        self
    }

    /// The model of requests that name none.
    #[must_use]
    pub fn with_default_model(mut self, model: impl Into<String>) -> Self {
        self.info.default_model = model.into();
        self
    }

    /// Further models that [`supports_model`](Backend::supports_model) knows.
    #[must_use]
    pub fn with_available_models(mut self, models: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.info.available_models = models.into_iter().map(Into::into).collect();
        self
    }

    /// What the default model can do.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: BackendCapabilities) -> Self {
        self.info.capabilities = capabilities;
        self
    }

    /// What [`health_check`](Backend::health_check) returns.
    #[must_use]
    pub fn with_health(mut self, health: Result<bool, BackendError>) -> Self {
        self.health = health;
        self
    }

    /// Adds a reply to the end of the script.
    #[must_use]
    pub fn with_reply(self, reply: impl Into<ScriptedReply>) -> Self {
        self.push_reply(reply);
        self
    }

    /// The reply to every request for which the script has none left.
    #[must_use]
    pub fn with_default_reply(mut self, reply: impl Into<ScriptedReply>) -> Self {
        self.default_reply = Some(reply.into());
        self
    }

    /// Adds a reply to the end of the script of a backend that is already in use.
    pub fn push_reply(&self, reply: impl Into<ScriptedReply>) {
        self.script().replies.push_back(reply.into());
    }

    /// All requests so far, oldest first, those included that failed or were cancelled.
    pub fn requests(&self) -> Vec<CompletionRequest> {
        self.script().requests.clone()
    }

    /// The latest request.
    pub fn last_request(&self) -> Option<CompletionRequest> {
        self.script().requests.last().cloned()
    }

    /// The number of replies that no request has taken yet.
    pub fn remaining_replies(&self) -> usize {
        self.script().replies.len()
    }

    /// The number of requests that were cancelled: the future or the stream was dropped before the response had ended.
    pub fn cancelled_requests(&self) -> usize {
        self.cancelled.load(Ordering::SeqCst)
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the request and takes its reply.
    fn next_reply(&self, request: &CompletionRequest) -> Result<ScriptedReply, BackendError> {
        let mut script = self.script();
        script.requests.push(request.clone());
        let number = script.requests.len();
        script.replies.pop_front().or_else(|| self.default_reply.clone()).ok_or_else(|| {
            let message = format!(
                "the scripted backend has no reply left for request {number}; add one with_reply, or set \
                 with_default_reply"
            );
            BackendError::Configuration(message.into())
        })
    }
}

#[async_trait]
impl Backend for ScriptedBackend {
    fn info(&self) -> &BackendInfo {
        &self.info
    }

    async fn complete(&self, request: CompletionRequest) -> Result<CompletionResponse, BackendError> {
        Ok(CollectingStream::new(self.complete_stream(request).await?).collect().await?)
    }

    async fn complete_stream(&self, request: CompletionRequest) -> Result<CompletionStream, BackendError> {
        let reply = self.next_reply(&request)?.prepare(&request, &self.tool_calls);
        let mut open = OpenRequest { cancelled: Arc::clone(&self.cancelled), has_ended: false };
        wait(reply.delay).await;
        let chunks = reply.chunks.inspect_err(|_| open.has_ended = true)?;
        let chunks = stream::iter(chunks).enumerate().then(move |(position, chunk)| async move {
            if position > 0 {
                wait(reply.chunk_delay).await;
            }
            chunk
        });
        // It ends the stream after the final chunk or an error, and makes an error of an end without either.
        let stream = CollectingStream::new(chunks.boxed());
        Ok(stream.inspect(move |item| open.observe(item)).boxed())
    }

    async fn health_check(&self) -> Result<bool, BackendError> {
        self.health.clone()
    }
}

/// A sleep of no length would need a runtime all the same.
async fn wait(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// A request whose response has not ended: if it is dropped before, the request was cancelled.
struct OpenRequest {
    cancelled: Arc<AtomicUsize>,
    has_ended: bool,
}

impl OpenRequest {
    /// Looks at an item of the stream: whether it is the last one.
    fn observe(&mut self, item: &Result<CompletionChunk, BackendError>) {
        self.has_ended |= item.as_ref().map_or(true, |chunk| chunk.is_final);
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        if !self.has_ended {
            self.cancelled.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests;
