//! The endpoints: one room each, and [`Protocol`], through which the rest of the crate speaks to them. Pure.

mod attachment;
mod body;
mod calls;
mod chat;
mod duplicates;
pub(crate) mod embeddings;
pub(crate) mod encode;
mod extra;
mod json_budget;
mod responses;
mod streamed;
pub(crate) mod unknown_fields;
mod usage;

use futures::future::BoxFuture;
use progenitor_client::{ByteStream, Error as ClientError, ResponseValue};
use tachikoma_backends_core::{CompletionRequest, CompletionResponse};

pub(crate) use self::responses::state;
use crate::CodexError;
use crate::openai::Client;
use crate::runtime::{decoder::Decoder, transport::Bytes, unknown::UnknownFields};
use crate::target::{Target, WireApi};

/// The response of the generated client, whose body has not been read.
pub(crate) type Sent = Result<ResponseValue<ByteStream>, ClientError<()>>;

/// An endpoint: how its operation is called, and what its response is.
pub(crate) trait Protocol: Send + Sync {
    /// The response as callers get it.
    type Response: Send + 'static;

    /// The path of the operation.
    fn path(&self) -> &'static str;

    /// Whether the operation belongs to a deployment on Azure, so that the path names the model.
    fn is_in_deployment(&self) -> bool;

    /// Calls the operation of the generated client.
    fn call(&self, client: Client, body: Bytes) -> BoxFuture<'static, Sent>;

    /// Reads the body of a whole response.
    ///
    /// # Errors
    /// It is an error in the server's words, or cannot be read.
    fn decode(&self, body: &[u8], context: ResponseContext) -> Result<Self::Response, CodexError>;

    /// Notes what in the body is unknown.
    fn note_unknown(&self, _unknown: &mut UnknownFields, _body: &[u8]) {}

    /// The request without the state of earlier responses, if it holds any.
    fn without_state(&self, _body: &[u8]) -> Option<Bytes> {
        None
    }
}

impl<P: Protocol + ?Sized> Protocol for &P {
    type Response = P::Response;

    fn path(&self) -> &'static str {
        (**self).path()
    }

    fn is_in_deployment(&self) -> bool {
        (**self).is_in_deployment()
    }

    fn call(&self, client: Client, body: Bytes) -> BoxFuture<'static, Sent> {
        (**self).call(client, body)
    }

    fn decode(&self, body: &[u8], context: ResponseContext) -> Result<Self::Response, CodexError> {
        (**self).decode(body, context)
    }

    fn note_unknown(&self, unknown: &mut UnknownFields, body: &[u8]) {
        (**self).note_unknown(unknown, body);
    }

    fn without_state(&self, body: &[u8]) -> Option<Bytes> {
        (**self).without_state(body)
    }
}

/// An endpoint for text, which can also stream.
pub(crate) trait TextProtocol: Protocol<Response = CompletionResponse> {
    /// The body of a request.
    ///
    /// # Errors
    /// The request cannot be expressed on this API; nothing of it is left out.
    fn encode(&self, request: CompletionRequest, target: &Target) -> Result<Bytes, CodexError>;

    /// What reads the events of a streamed response.
    fn decoder(&self, context: ResponseContext) -> Box<dyn Decoder + Send>;
}

/// What the request means for reading its response.
#[derive(Clone, Debug)]
pub(crate) struct ResponseContext {
    /// The largest number of tool calls.
    pub(crate) max_tool_calls: usize,
    /// How many bytes the calls of a streamed response may have in all.
    pub(crate) max_call_bytes: usize,
    /// The limit on the response, in tokens, that was asked of a server that may not report that it was reached.
    pub(crate) limit: Option<u32>,
    /// Where the state that the response leaves behind may be sent back to.
    pub(crate) state_origin: String,
}

impl Default for ResponseContext {
    fn default() -> Self {
        Self {
            max_tool_calls: usize::MAX,
            max_call_bytes: usize::MAX,
            limit: None,
            state_origin: String::new(),
        }
    }
}

impl WireApi {
    /// The endpoint.
    pub(crate) fn protocol(self) -> &'static dyn TextProtocol {
        match self {
            Self::ChatCompletions => &chat::ChatCompletions,
            Self::Responses => &responses::Responses,
        }
    }
}

impl Target {
    /// The model, where on Azure the path names its deployment.
    pub(crate) fn model_in_path(&self) -> Option<&str> {
        self.api.protocol().is_in_deployment().then_some(self.model.as_str())
    }
}
