//! The Responses API: converts between the core types and the generated ones.

mod compaction;
mod event;
mod hosted_call;
mod hosted_item;
mod input;
mod input_tokens;
mod item;
mod items;
mod request;
mod response;
mod state;
pub(crate) mod stored;
mod storing;
mod stream;
mod tools;
#[cfg(feature = "websocket")]
pub(crate) mod websocket;

use futures::FutureExt;
use futures::future::BoxFuture;
use tachikoma_backends_core::{CompletionRequest, CompletionResponse, Message};

pub(crate) use self::compaction::{Compact, CompactedOutput, is_compacted, prune};
pub(crate) use self::input_tokens::InputTokens;
pub(crate) use self::storing::{Storing, is_previous_missing};
use self::stream::ResponsesStream;
use super::{ClientResult, Protocol, ResponseContext, TextProtocol, custom_tool, encode, unknown_fields};
use crate::CodexError;
use crate::openai::Client;
use crate::runtime::{decoder::Decoder, transport::Bytes, unknown::UnknownFields};
use crate::target::Target;

/// Whether the message is still what the response was that its state came from: the server has the same.
pub(crate) fn is_unchanged(message: &Message, origin: &str) -> bool {
    state::items(message, origin).is_some()
}

/// `POST /responses`.
pub(crate) struct Responses;

impl Protocol for Responses {
    type Response = CompletionResponse;

    fn path(&self) -> &'static str {
        "responses"
    }

    fn is_in_deployment(&self) -> bool {
        false
    }

    fn call(&self, client: Client, body: Bytes) -> BoxFuture<'static, ClientResult> {
        async move { client.create_response(body).await }.boxed()
    }

    fn decode(&self, body: &[u8], context: ResponseContext) -> Result<CompletionResponse, CodexError> {
        let custom_tools = context.custom_tools.clone();
        let mut response = response::decode(body, context)?;
        custom_tool::restore(&mut response, &custom_tools);
        Ok(response)
    }

    fn note_unknown(&self, unknown: &mut UnknownFields, body: &[u8]) {
        unknown_fields::note_response(unknown, body);
    }

    fn without_state(&self, body: &[u8]) -> Option<Bytes> {
        state::without_state(body).map(Into::into)
    }
}

impl TextProtocol for Responses {
    fn encode(&self, request: CompletionRequest, target: &Target) -> Result<Bytes, CodexError> {
        let capacity = encode::capacity(&request.messages);
        encode::json(&request::convert(request, target)?, capacity)
    }

    fn prune(&self, messages: &mut Vec<Message>, origin: &str) {
        prune(messages, origin);
    }

    fn decoder(&self, context: ResponseContext) -> Box<dyn Decoder + Send> {
        custom_tool::decoder(context.custom_tools.clone(), Box::new(ResponsesStream::new(context)))
    }
}
