//! rig as a client.

use futures::{Stream, StreamExt as _};
use rig_core::Model;
use rig_core::completion::CompletionRequest;
use rig_core::error::ProviderError;
use rig_core::message::Message;
use rig_core::providers::openai::OpenAIConfig;
use rig_core::providers::openai::responses_api::wire::Responses;
use rig_core::providers::openai::wire::Chat;
use rig_core::streaming::{Item, StreamEvent};

use crate::harness::Failure;
use crate::harness::client::{Api, Client, Target};

const MODEL: &str = "gpt-5.6-terra";

/// rig, used as its documentation recommends.
pub(crate) enum Rig {
    Chat(Model<Chat>),
    Responses(Model<Responses>),
}

impl Client for Rig {
    const NAME: &'static str = "rig";
    type Request = Box<CompletionRequest>;
    type Chunk = Item<StreamEvent>;
    type Error = ProviderError;

    fn new(target: Target) -> Result<Self, Failure> {
        let mut config = OpenAIConfig::new("sk-bench");
        config.base_url = target.url;
        let client = config.client();
        Ok(match target.api {
            Api::Chat => Self::Chat(client.chat(MODEL)),
            Api::Responses => Self::Responses(client.responses(MODEL)),
        })
    }

    fn request(&self, messages: Vec<String>, _: bool) -> Result<Box<CompletionRequest>, Failure> {
        let mut request = CompletionRequest::new("");
        request.chat_history = messages.into_iter().map(Message::user).collect();
        Ok(Box::new(request))
    }

    async fn stream(
        &self,
        request: Box<CompletionRequest>,
    ) -> Result<impl Stream<Item = Result<Item<StreamEvent>, ProviderError>> + Unpin + use<>, Failure> {
        Ok(match self {
            Self::Chat(model) => model.stream(*request)?.left_stream(),
            Self::Responses(model) => model.stream(*request)?.right_stream(),
        })
    }

    fn text_length(chunk: &Item<StreamEvent>) -> Option<usize> {
        match chunk {
            Item::Event(
                StreamEvent::Text { text: fragment, .. } | StreamEvent::Arguments { json: fragment, .. },
            ) => Some(fragment.len()),
            _ => Some(0),
        }
    }

    fn text(chunk: &Item<StreamEvent>) -> &str {
        match chunk {
            Item::Event(StreamEvent::Text { text, .. }) => text,
            _ => "",
        }
    }

    async fn whole(&self, request: Box<CompletionRequest>) -> Result<Option<usize>, Failure> {
        let response = match self {
            Self::Chat(model) => model.call(*request).await?,
            Self::Responses(model) => model.call(*request).await?,
        };
        Ok(Some(response.text().len()))
    }
}
