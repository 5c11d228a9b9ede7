//! From a prepared request to its response, whole or streamed.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::SystemTime;

use futures::Stream;
use tachikoma_backends_core::{CompletionChunk, CompletionRequest, CompletionResponse};
use tracing::Instrument;

use super::{CodexBackend, Prepared, Reading, offload, stream};
use crate::absorbed::Unknown;
use crate::chat::{self, stream::ChatStream};
use crate::decode::error_body;
use crate::error::CodexError;
use crate::models::{Date, OpenAIModel};
use crate::openai::{ByteStream, Client, ResponseValue};
use crate::responses::{self, stream::ResponsesStream};
use crate::target::{Target, WireApi};
use crate::transport::Body;
use crate::transport::timeout::Timeout;

/// A streamed response.
type Chunks<E> = Pin<Box<dyn Stream<Item = Result<CompletionChunk, E>> + Send>>;

/// The response to a request for a stream.
enum Opened {
    Stream(Reading, Box<Body>),
    /// Of a server that does not stream, or that reports what is wrong.
    Whole(Box<CompletionResponse>),
}

impl CodexBackend {
    pub(super) async fn answer(&self, request: CompletionRequest) -> Result<CompletionResponse, CodexError> {
        let max_retries = request.max_retries;
        let prepared = self.prepare(request, false)?;
        let answer = async {
            let reading = prepared.reading();
            let answer = self.send(max_retries, prepared).await?;
            self.read_whole(reading, self.transport.body(answer)).await
        };
        match self.config.total_timeout() {
            Some(limit) => Timeout::Total.limit(limit, answer).await?,
            None => answer.await,
        }
    }

    /// Begins a stream whose errors are handed out as `E`. What waits for the answer holds the prepared request alone.
    pub(super) fn open_stream<E: From<CodexError> + Send + 'static>(
        &self,
        request: CompletionRequest,
    ) -> impl Future<Output = Result<Chunks<E>, CodexError>> + Send {
        let max_retries = request.max_retries;
        let mut watch = self.watch(&request);
        let prepared = watch.span().in_scope(|| self.prepare(request, true));
        async move {
            let span = watch.span();
            let opened = async {
                let prepared = prepared?;
                let reading = prepared.reading();
                let mut body = self.transport.body(self.send(max_retries, prepared).await?);
                if body.holds_events().await? {
                    return Ok(Opened::Stream(reading, Box::new(body)));
                }
                self.read_whole(reading, body).await.map(|whole| Opened::Whole(Box::new(whole)))
            };
            let opened = opened.instrument(span).await;
            let (Reading { api, context }, body) = match opened.inspect_err(|error| watch.failed(error))? {
                Opened::Stream(reading, body) => (reading, *body),
                Opened::Whole(whole) => {
                    watch.answered(&whole);
                    return Ok(Box::pin(futures::stream::iter(whole.into_chunks().map(Ok))) as Chunks<E>);
                }
            };
            let limits = self.config.reliability();
            let (calls, bytes) = (limits.max_tool_calls, limits.max_event_bytes);
            Ok(match api {
                WireApi::ChatCompletions => {
                    stream::chunks(body, ChatStream::new(calls, bytes), limits, watch)
                }
                WireApi::Responses => {
                    stream::chunks(body, ResponsesStream::new(calls, bytes, context), limits, watch)
                }
            })
        }
    }

    /// Sends a request, and once more without the states of earlier turns if the server no longer takes them.
    async fn send(
        &self,
        max_retries: Option<u32>,
        mut prepared: Prepared,
    ) -> Result<ResponseValue<ByteStream>, CodexError> {
        for warning in &prepared.warnings {
            tracing::warn!("{warning}");
        }
        let Target { model, is_official, .. } = &prepared.target;
        if let Some(warning) = is_official.then(|| shutdown_warning(model)).flatten() {
            tracing::warn!("{warning}");
        }
        let error = match self.send_body(max_retries, &prepared).await {
            Err(error) if error_body::is_stale_state(&error) => error,
            outcome => return outcome,
        };
        let Some(body) = responses::state::without_state(&prepared.body) else { return Err(error) };
        tracing::warn!(
            request_id = error.request_id(),
            "the server no longer takes the reasoning of earlier turns; the request is sent once more without it"
        );
        prepared.body = body.into();
        self.send_body(max_retries, &prepared).await.map_err(|last| last.after(error))
    }

    async fn send_body(
        &self,
        max_retries: Option<u32>,
        prepared: &Prepared,
    ) -> Result<ResponseValue<ByteStream>, CodexError> {
        let operation = |client: Client| {
            let body = prepared.body.clone();
            async move {
                match prepared.target.api {
                    WireApi::ChatCompletions => client.create_chat_completion(body).await,
                    WireApi::Responses => client.create_response(body).await,
                }
            }
        };
        self.transport.send(prepared.scope(), max_retries, operation).await
    }

    /// Reads a response that is not streamed.
    async fn read_whole(&self, reading: Reading, mut body: Body) -> Result<CompletionResponse, CodexError> {
        let bytes = body.read().await.map_err(CodexError::within_response)?;
        let length = bytes.len();
        let request_id = body.request_id().map(str::to_owned);
        let max_tool_calls = self.config.max_tool_calls();
        let mut unknown = Unknown::default();
        let Reading { api, context } = reading;
        match api {
            WireApi::ChatCompletions => unknown.chat(&bytes),
            WireApi::Responses => unknown.response(&bytes),
        }
        self.absorbed.add(unknown);
        let decode = move || match api {
            WireApi::ChatCompletions => chat::response::decode(&bytes, max_tool_calls),
            WireApi::Responses => responses::response::decode(&bytes, max_tool_calls, context),
        };
        match offload::read(length, decode).await.and_then(|response| response) {
            Ok(response) => Ok(CompletionResponse { request_id, ..response }),
            Err(error) => Err(body.redact(error.within_response().with_request_id(request_id))),
        }
    }
}

/// The warning that a model ends soon, once in a process for each model.
fn shutdown_warning(model: &OpenAIModel) -> Option<String> {
    static WARNED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let warning = model.shutdown_warning(Date::from(SystemTime::now()))?;
    WARNED.lock().is_ok_and(|mut warned| warned.insert(model.to_string())).then_some(warning)
}
