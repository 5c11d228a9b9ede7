//! genai as a client.

use futures::Stream;
use genai::adapter::AdapterKind;
use genai::chat::{ChatMessage, ChatRequest, ChatStreamEvent};
use genai::resolver::{AuthData, Endpoint, ServiceTargetResolver};
use genai::{ModelIden, ServiceTarget};

use crate::harness::Failure;
use crate::harness::client::{Api, Client, Target};

const MODEL: &str = "gpt-5.6-terra";

/// genai, with the server as its documentation recommends.
pub(crate) struct GenAi(genai::Client);

impl Client for GenAi {
    const NAME: &'static str = "genai";
    type Request = Box<ChatRequest>;
    type Chunk = ChatStreamEvent;
    type Error = genai::Error;

    fn new(target: Target) -> Result<Self, Failure> {
        let adapter = if target.api == Api::Chat { AdapterKind::OpenAI } else { AdapterKind::OpenAIResp };
        let endpoint = Endpoint::from_owned(format!("{}/", target.url));
        let resolver = ServiceTargetResolver::from_resolver_fn(
            move |target: ServiceTarget| -> Result<ServiceTarget, genai::resolver::Error> {
                let model = ModelIden::new(adapter, target.model.model_name);
                Ok(ServiceTarget {
                    endpoint: endpoint.clone(),
                    auth: AuthData::from_single("sk-bench"),
                    model,
                })
            },
        );
        Ok(Self(genai::Client::builder().with_service_target_resolver(resolver).build()?))
    }

    fn request(&self, messages: Vec<String>, _: bool) -> Result<Box<ChatRequest>, Failure> {
        Ok(Box::new(ChatRequest::new(messages.into_iter().map(ChatMessage::user).collect())))
    }

    async fn stream(
        &self,
        request: Box<ChatRequest>,
    ) -> Result<impl Stream<Item = Result<ChatStreamEvent, genai::Error>> + Unpin + use<>, Failure> {
        Ok(self.0.exec_chat_stream(MODEL, *request, None).await?.stream)
    }

    fn text_length(chunk: &ChatStreamEvent) -> Option<usize> {
        match chunk {
            ChatStreamEvent::Chunk(chunk) => Some(chunk.content.len()),
            // It repeats the arguments up to here, so that their length says nothing.
            ChatStreamEvent::ToolCallChunk(_) => None,
            _ => Some(0),
        }
    }

    fn text(chunk: &ChatStreamEvent) -> &str {
        match chunk {
            ChatStreamEvent::Chunk(chunk) => &chunk.content,
            _ => "",
        }
    }

    async fn whole(&self, request: Box<ChatRequest>) -> Result<Option<usize>, Failure> {
        let response = self.0.exec_chat(MODEL, *request, None).await?;
        Ok(Some(response.first_text().unwrap_or_default().len()))
    }
}
