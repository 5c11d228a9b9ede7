//! async-openai as a client.

use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::types::chat::{CreateChatCompletionRequest, CreateChatCompletionStreamResponse};
use async_openai::types::responses::{CreateResponse, ResponseStreamEvent};
use futures::{Stream, StreamExt};
use serde_json::json;

use crate::harness::Failure;
use crate::harness::client::{Api, Client, Target};

/// async-openai, used as its documentation recommends.
pub(crate) struct AsyncOpenAi {
    client: async_openai::Client<OpenAIConfig>,
    api: Api,
}

pub(crate) enum Request {
    Chat(Box<CreateChatCompletionRequest>),
    Responses(Box<CreateResponse>),
}

#[expect(clippy::large_enum_variant, reason = "a box would be a cost that is not the client's")]
pub(crate) enum Chunk {
    Chat(CreateChatCompletionStreamResponse),
    Responses(ResponseStreamEvent),
}

impl Client for AsyncOpenAi {
    const NAME: &'static str = "async-openai";
    type Request = Request;
    type Chunk = Chunk;
    type Error = OpenAIError;

    fn new(target: Target) -> Result<Self, Failure> {
        let config = OpenAIConfig::new().with_api_key("sk-bench").with_api_base(target.url);
        Ok(Self { client: async_openai::Client::with_config(config), api: target.api })
    }

    fn request(&self, messages: Vec<String>, stream: bool) -> Result<Request, Failure> {
        let messages: Vec<_> =
            messages.into_iter().map(|text| json!({"role": "user", "content": text})).collect();
        Ok(match self.api {
            Api::Chat => Request::Chat(serde_json::from_value(
                json!({"model": "gpt-5.6-terra", "messages": messages, "stream": stream}),
            )?),
            Api::Responses => Request::Responses(serde_json::from_value(
                json!({"model": "gpt-5.6-terra", "input": messages, "stream": stream}),
            )?),
        })
    }

    async fn stream(
        &self,
        request: Request,
    ) -> Result<impl Stream<Item = Result<Chunk, OpenAIError>> + Unpin + use<>, Failure> {
        Ok(match request {
            Request::Chat(request) => {
                let chunks = self.client.chat().create_stream(*request).await?;
                chunks.map(|chunk| chunk.map(Chunk::Chat)).left_stream()
            }
            Request::Responses(request) => {
                let events = self.client.responses().create_stream(*request).await?;
                events.map(|event| event.map(Chunk::Responses)).right_stream()
            }
        })
    }

    fn text_length(chunk: &Chunk) -> Option<usize> {
        match chunk {
            Chunk::Chat(chunk) => {
                let delta = &chunk.choices.first()?.delta;
                let calls = delta.tool_calls.iter().flatten().filter_map(|call| call.function.as_ref());
                let arguments: usize =
                    calls.filter_map(|call| call.arguments.as_ref()).map(String::len).sum();
                Some(delta.content.as_ref().map_or(0, String::len) + arguments)
            }
            Chunk::Responses(event) => match event {
                ResponseStreamEvent::ResponseOutputTextDelta(event) => Some(event.delta.len()),
                _ => None,
            },
        }
    }

    fn text(chunk: &Chunk) -> &str {
        match chunk {
            Chunk::Chat(chunk) => chunk.choices.first().and_then(|choice| choice.delta.content.as_deref()),
            Chunk::Responses(_) => None,
        }
        .unwrap_or_default()
    }

    async fn whole(&self, request: Request) -> Result<Option<usize>, Failure> {
        let Request::Chat(request) = request else {
            return Err("whole responses are measured over Chat Completions only".into());
        };
        let response = self.client.chat().create(*request).await?;
        let choice = response.choices.into_iter().next().ok_or("no choice")?;
        Ok(Some(choice.message.content.unwrap_or_default().len()))
    }
}
