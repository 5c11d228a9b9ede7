//! rig as a client of the agent loop: over HTTP with the whole conversation, and over a WebSocket with what is new, which its session
//! continues from the response before.

use std::mem;

use rig_core::Model;
use rig_core::completion::{CompletionRequest, CompletionResponse, ToolDefinition};
use rig_core::message::{Message, ToolName, ToolResultContent};
use rig_core::providers::openai::OpenAIConfig;
use rig_core::providers::openai::responses_api::websocket::ResponsesWebSocketSession;
use rig_core::providers::openai::responses_api::wire::Responses;

use crate::harness::Failure;
use crate::harness::agent::client::{Agent, MODEL, TASK, TOOL, parameters};

/// rig, used as its documentation recommends; over a WebSocket or not.
pub(crate) struct Rig<const WEBSOCKET: bool> {
    model: Model<Responses>,
    tool: ToolDefinition,
    /// The whole conversation, or what is new in it.
    messages: Vec<Message>,
    session: Option<ResponsesWebSocketSession>,
    response: Option<CompletionResponse>,
}

impl<const WEBSOCKET: bool> Agent for Rig<WEBSOCKET> {
    const NAME: &'static str = if WEBSOCKET { "rig, WebSocket" } else { "rig, HTTP" };
    type Request = Box<CompletionRequest>;

    fn new(url: &str) -> Result<Self, Failure> {
        let mut config = OpenAIConfig::new("sk-bench");
        config.base_url = url.to_owned();
        let [name, description] = TOOL;
        Ok(Self {
            model: config.client().responses(MODEL),
            tool: ToolDefinition::new(ToolName::new(name)?, description, parameters()),
            messages: vec![Message::user(TASK)],
            session: None,
            response: None,
        })
    }

    fn request(&mut self) -> Result<Box<CompletionRequest>, Failure> {
        let messages = if WEBSOCKET { mem::take(&mut self.messages) } else { self.messages.clone() };
        let mut request = CompletionRequest::new("").tool(self.tool.clone());
        request.chat_history = messages;
        Ok(Box::new(request))
    }

    async fn respond(&mut self, request: Box<CompletionRequest>) -> Result<Option<String>, Failure> {
        let response = if WEBSOCKET {
            if self.session.is_none() {
                self.session = Some(self.model.responses_websocket().connect().await?);
            }
            self.session.as_mut().ok_or("no session")?.completion(*request).await?
        } else {
            self.model.stream(*request)?.finish().await?
        };
        let id = response.tool_calls().next().map(|call| call.id.to_string());
        self.response = Some(response);
        Ok(id)
    }

    fn append(&mut self, result: &str) -> Result<(), Failure> {
        let response = self.response.take().ok_or("no response")?;
        let call = response.tool_calls().next().ok_or("the response has no tool call")?;
        let result = Message::tool_results(vec![call.result(vec![ToolResultContent::text(result)])]);
        if !WEBSOCKET {
            self.messages.extend(response.message());
        }
        self.messages.push(result);
        Ok(())
    }
}
