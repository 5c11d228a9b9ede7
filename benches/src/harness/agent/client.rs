//! What is measured in the agent loop: a client that holds a conversation with tool calls.

use std::mem;

use bytes::Bytes;
use futures::StreamExt;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig, WebSocket};
use tachikoma_backends_core::{
    Backend, CompletionRequest, CompletionResponse, Message, ToolDefinition, ToolParameters,
};

use super::super::Failure;
use super::super::work::cpu;
use super::server::call_id;

/// What every client sends beside the results of tools.
pub(crate) const MODEL: &str = "gpt-5.6-terra";
pub(crate) const TASK: &str =
    "Read all files of the project, one after the other, and say what each of them is for.";
pub(crate) const TOOL: [&str; 2] = ["read", "Reads a file of the project"];

/// The parameters of the one tool, as JSON Schema.
pub(crate) fn parameters() -> Value {
    json!({
        "type": "object",
        "properties": {"number": {"type": "integer", "description": "The number of the file"}},
        "required": ["number"],
        "additionalProperties": false,
    })
}

/// An agent with its conversation, which begins with the task.
pub(crate) trait Agent: Sized {
    /// Its name in the tables.
    const NAME: &'static str;
    /// What is handed to the client for a step, such as a copy of the conversation.
    type Request;

    fn new(url: &str) -> Result<Self, Failure>;

    /// Prepares the next step, which is the caller's work and not the client's.
    fn request(&mut self) -> Result<Self::Request, Failure>;

    /// Sends the request and reads the response to its end. Returns the id of the tool call in it; `None` if the client does not parse
    /// it.
    async fn respond(&mut self, request: Self::Request) -> Result<Option<String>, Failure>;

    /// Appends the response and the result of its call to the conversation.
    fn append(&mut self, result: &str) -> Result<(), Failure>;

    /// The CPU time to compare this many steps of two equal conversations, and to free one of them, in microseconds; `None` where a
    /// client keeps no conversation.
    fn compare(&self, _steps: usize) -> Result<Option<[f64; 2]>, Failure> {
        Ok(None)
    }
}

/// Sends requests that were encoded before, reads the bytes and drops them.
#[derive(Debug)]
pub(crate) struct DrainOnly {
    http: reqwest::Client,
    url: String,
    input: Vec<Value>,
    steps: usize,
}

impl Agent for DrainOnly {
    const NAME: &'static str = "drain-only, HTTP";
    type Request = Bytes;

    fn new(url: &str) -> Result<Self, Failure> {
        let input = vec![json!({"role": "user", "content": TASK})];
        Ok(Self {
            http: reqwest::Client::builder().build()?,
            url: format!("{url}/responses"),
            input,
            steps: 0,
        })
    }

    fn request(&mut self) -> Result<Bytes, Failure> {
        let [name, description] = TOOL;
        let tool = json!({
            "type": "function", "name": name, "description": description, "parameters": parameters(), "strict": true,
        });
        let body = json!({
            "model": MODEL, "input": self.input, "tools": [tool], "store": false, "stream": true,
        });
        Ok(serde_json::to_vec(&body)?.into())
    }

    async fn respond(&mut self, request: Bytes) -> Result<Option<String>, Failure> {
        let request = self.http.post(&self.url).header(CONTENT_TYPE, "application/json").body(request);
        let mut bytes = request.send().await?.error_for_status()?.bytes_stream();
        while bytes.next().await.transpose()?.is_some() {}
        Ok(None)
    }

    fn append(&mut self, result: &str) -> Result<(), Failure> {
        let (id, arguments) = (call_id(self.steps), json!({"number": self.steps}).to_string());
        self.input.extend([
            json!({"type": "function_call", "call_id": id, "name": TOOL[0], "arguments": arguments}),
            json!({"type": "function_call_output", "call_id": id, "output": result}),
        ]);
        self.steps += 1;
        Ok(())
    }
}

/// This crate, through the trait that its users call; over a WebSocket or not.
pub(crate) struct Codex<const WEBSOCKET: bool> {
    backend: CodexBackend,
    conversation: CompletionRequest,
    /// The last response.
    turn: Message,
}

impl<const WEBSOCKET: bool> Agent for Codex<WEBSOCKET> {
    const NAME: &'static str = if WEBSOCKET { "this crate, WebSocket" } else { "this crate, HTTP" };
    // Boxed, so that moving it is not a cost.
    type Request = Box<CompletionRequest>;

    fn new(url: &str) -> Result<Self, Failure> {
        let config = CodexBackendConfig::new("sk-bench")
            .with_base_url(url)
            .with_model(MODEL)
            .with_api(Api::Responses)
            .with_websocket(if WEBSOCKET { WebSocket::Always } else { WebSocket::Off });
        let [name, description] = TOOL;
        let tool = ToolDefinition::new(name, description, ToolParameters::try_from(parameters())?);
        let conversation = CompletionRequest::user(TASK).with_tool(tool);
        Ok(Self { backend: CodexBackend::new(config)?, conversation, turn: Message::default() })
    }

    fn request(&mut self) -> Result<Box<CompletionRequest>, Failure> {
        Ok(Box::new(self.conversation.clone()))
    }

    async fn respond(&mut self, request: Box<CompletionRequest>) -> Result<Option<String>, Failure> {
        let mut chunks = self.backend.complete_stream(*request).await?;
        let mut received = Vec::new();
        while let Some(chunk) = chunks.next().await {
            received.push(chunk?);
        }
        self.turn = CompletionResponse::from_chunks(received).to_message();
        Ok(self.turn.tool_calls.first().map(|call| call.id.clone()))
    }

    fn append(&mut self, result: &str) -> Result<(), Failure> {
        let turn = mem::take(&mut self.turn);
        let id = turn.tool_calls.first().ok_or("the response has no tool call")?.id.clone();
        self.conversation.messages.extend([turn, Message::tool_result(id, result)]);
        Ok(())
    }

    fn compare(&self, steps: usize) -> Result<Option<[f64; 2]>, Failure> {
        const TIMES: usize = 20;
        let messages = &self.conversation.messages;
        let sent = messages.get(..2 * steps).ok_or("the conversation is shorter")?;
        let kept = sent.to_vec();
        let (mut compared, mut freed) = (0.0, 0.0);
        for _ in 0..TIMES {
            // As in a step: the caller has a conversation and copies it, and the client has kept one.
            let copy = sent.to_vec();
            let start = cpu()?;
            if copy != kept {
                return Err("equal conversations differ".into());
            }
            let between = cpu()?;
            drop(copy);
            compared += between - start;
            freed += cpu()? - between;
        }
        Ok(Some([compared, freed].map(|time| time / TIMES as f64)))
    }
}
