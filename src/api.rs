//! The endpoints, one module each, and [`Protocol`], through which the rest of the crate uses them.

mod attachment;
mod body;
mod calls;
mod chat;
mod citation;
pub(crate) mod custom_tool;
mod duplicates;
pub(crate) mod embeddings;
pub(crate) mod encode;
mod extra;
mod json_budget;
pub(crate) mod model_list;
pub(crate) mod responses;
pub(crate) mod state;
mod streamed_text;
pub(crate) mod unknown_fields;
mod usage;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::BoxFuture;
use progenitor_client::{ByteStream, Error as ClientError, ResponseValue};
use tachikoma_backends_core::{CompletionRequest, CompletionResponse, Message};

use self::responses::Storing;
#[cfg(feature = "websocket")]
pub(crate) use self::responses::websocket;
use crate::CodexError;
use crate::openai::Client;
use crate::runtime::{decoder::Decoder, transport::Bytes, unknown::UnknownFields};
use crate::target::{Target, WireApi};

/// The result of the generated client, before the body is read.
pub(crate) type ClientResult = Result<ResponseValue<ByteStream>, ClientError<()>>;

/// An endpoint: its operation and its response.
pub(crate) trait Protocol: Send + Sync {
    /// The response that callers get.
    type Response: Send + 'static;

    /// The path of the operation.
    fn path(&self) -> &'static str;

    /// Whether the operation belongs to a deployment on Azure, which the path then names.
    fn is_in_deployment(&self) -> bool;

    /// Calls the operation of the generated client.
    fn call(&self, client: Client, body: Bytes) -> BoxFuture<'static, ClientResult>;

    /// Decodes the body of a whole response.
    ///
    /// # Errors
    /// It is an error object, or cannot be parsed.
    fn decode(&self, body: &[u8], context: ResponseContext) -> Result<Self::Response, CodexError>;

    /// Records the unknown fields of the body.
    fn note_unknown(&self, _unknown: &mut UnknownFields, _body: &[u8]) {}

    /// The request without the state of earlier responses, if it holds any.
    fn without_state(&self, _body: &[u8]) -> Option<Bytes> {
        None
    }
}

/// An endpoint for text, which can also stream.
pub(crate) trait TextProtocol: Protocol<Response = CompletionResponse> {
    /// The body of a request.
    ///
    /// # Errors
    /// The request cannot be expressed in this API; no part of it is dropped.
    fn encode(&self, request: CompletionRequest, target: &Target) -> Result<Bytes, CodexError>;

    /// Removes from a conversation what need not be sent, since a later message holds the state of this origin that replaces it.
    fn prune(&self, _messages: &mut Vec<Message>, _origin: &str) {}

    /// A decoder for the events of a streamed response.
    fn decoder(&self, context: ResponseContext) -> Box<dyn Decoder + Send>;
}

/// What decoding a response needs from its request.
#[derive(Clone, Debug)]
pub(crate) struct ResponseContext {
    /// The maximum number of tool calls.
    pub(crate) max_tool_calls: usize,
    /// The maximum size of all tool calls of a streamed response, in bytes.
    pub(crate) max_call_bytes: usize,
    /// The limit on the response, in tokens, where the server may not report that it was reached.
    pub(crate) limit: Option<u32>,
    /// The origin of the response's state: where it may be sent back to.
    pub(crate) state_origin: String,
    /// The custom tools that were sent as functions.
    pub(crate) custom_tools: BTreeSet<String>,
    /// What is learned about a response that the next turn may continue.
    pub(crate) storing: Option<Arc<Storing>>,
}

impl Default for ResponseContext {
    fn default() -> Self {
        Self {
            max_tool_calls: usize::MAX,
            max_call_bytes: usize::MAX,
            limit: None,
            state_origin: String::new(),
            custom_tools: BTreeSet::new(),
            storing: None,
        }
    }
}

impl WireApi {
    /// The endpoint.
    pub(crate) fn protocol(self) -> Arc<dyn TextProtocol> {
        match self {
            Self::ChatCompletions => Arc::new(chat::ChatCompletions),
            Self::Responses => Arc::new(responses::Responses),
        }
    }
}
