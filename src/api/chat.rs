//! Chat Completions: converts between the core types and the generated ones.

mod channel;
mod choice;
mod coerce;
mod content;
mod conversation;
mod finish;
mod message;
mod preamble;
mod request;
mod response;
mod state;
mod stream;
mod tools;

use futures::FutureExt;
use futures::future::BoxFuture;
use tachikoma_backends_core::{CompletionRequest, CompletionResponse};

use self::stream::ChatStream;
use super::{ClientResult, Protocol, ResponseContext, TextProtocol, custom_tool, encode, unknown_fields};
use crate::CodexError;
use crate::openai::Client;
use crate::runtime::{decoder::Decoder, transport::Bytes, unknown::UnknownFields};
use crate::target::Target;

/// `POST /chat/completions`.
pub(crate) struct ChatCompletions;

impl Protocol for ChatCompletions {
    type Response = CompletionResponse;

    fn path(&self) -> &'static str {
        "chat/completions"
    }

    fn is_in_deployment(&self) -> bool {
        true
    }

    fn call(&self, client: Client, body: Bytes) -> BoxFuture<'static, ClientResult> {
        async move { client.create_chat_completion(body).await }.boxed()
    }

    fn decode(&self, body: &[u8], context: ResponseContext) -> Result<CompletionResponse, CodexError> {
        let custom_tools = context.custom_tools.clone();
        let mut response = response::decode(body, context)?;
        custom_tool::restore(&mut response, &custom_tools);
        Ok(response)
    }

    fn note_unknown(&self, unknown: &mut UnknownFields, body: &[u8]) {
        unknown_fields::note_chat(unknown, body);
    }

    fn without_state(&self, body: &[u8]) -> Option<Bytes> {
        state::without_state(body).map(Into::into)
    }
}

impl TextProtocol for ChatCompletions {
    fn encode(&self, request: CompletionRequest, target: &Target) -> Result<Bytes, CodexError> {
        let capacity = encode::capacity(&request.messages);
        encode::json(&request::convert(request, target)?, capacity)
    }

    fn decoder(&self, context: ResponseContext) -> Box<dyn Decoder + Send> {
        custom_tool::decoder(context.custom_tools.clone(), Box::new(ChatStream::new(context)))
    }
}
