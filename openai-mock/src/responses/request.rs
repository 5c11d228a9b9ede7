//! The body of a request: what is parsed, what is refused, and the prompt that it becomes.

mod input;
mod tools;

use serde::Deserialize;
use serde_json::Value;

use self::input::{Input, Item, Role};
use self::tools::{Mode, Tool, ToolChoice};
use crate::answer::{self, Prompt};
use crate::body::RequestSchema;
use crate::errors::ApiError;
use crate::{body, tokens};

#[derive(Debug, Deserialize)]
pub(super) struct ResponsesRequest {
    pub(super) model: String,
    pub(super) stream: Option<bool>,
    pub(super) service_tier: Option<String>,
    pub(super) user: Option<String>,
    instructions: Option<String>,
    input: Option<Input>,
    include: Option<Vec<String>>,
    store: Option<bool>,
    max_output_tokens: Option<usize>,
    parallel_tool_calls: Option<bool>,
    text: Option<TextOptions>,
    tools: Option<Vec<Tool>>,
    tool_choice: Option<ToolChoice>,
    background: Option<bool>,
    conversation: Option<Value>,
    previous_response_id: Option<Value>,
    prompt: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct TextOptions {
    format: Option<Format>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Format {
    Text,
    JsonObject,
    JsonSchema { schema: Value },
}

impl ResponsesRequest {
    /// Reads a body and refuses what OpenAI would refuse, and what needs something stored.
    pub(super) fn read(body: &[u8], schema: Option<RequestSchema>) -> Result<Self, ApiError> {
        let request: Self = body::read(body, &["model"], schema)?;
        request.check_support()?;
        if schema.is_some() {
            request.check_output_limit()?;
        }
        if request.input.is_none() {
            return Err(ApiError::missing_parameter("input"));
        }
        request.check_tool_choice()?;
        input::check(request.items())?;
        Ok(request)
    }

    fn check_support(&self) -> Result<(), ApiError> {
        let requested = [
            ("background", self.background == Some(true)),
            ("conversation", self.conversation.is_some()),
            ("previous_response_id", self.previous_response_id.is_some()),
            ("prompt", self.prompt.is_some()),
        ];
        match requested.iter().find(|(_, requested)| *requested) {
            None => Ok(()),
            Some((name, _)) => Err(ApiError::invalid(format!(
                "Unsupported parameter: '{name}' is not supported by the mock, which stores nothing. Leave it out, \
                 and send the whole conversation as `input`."
            ))
            .param(*name)
            .code("unsupported_parameter")),
        }
    }

    fn check_output_limit(&self) -> Result<(), ApiError> {
        let most = tokens::MOST_OUTPUT;
        match self.max_output_tokens.filter(|limit| *limit > most as usize) {
            None => Ok(()),
            Some(limit) => Err(ApiError::invalid(format!(
                "Invalid 'max_output_tokens': integer above maximum value. Expected a value <= {most}, but got {limit} \
                 instead."
            ))
            .param("max_output_tokens")
            .code("integer_above_max_value")),
        }
    }

    fn check_tool_choice(&self) -> Result<(), ApiError> {
        let tools = self.tools.as_deref().unwrap_or_default();
        if let (Some(ToolChoice::Mode(Mode::Required)), []) = (&self.tool_choice, tools) {
            let message = "Tool choice 'required' must be specified with 'tools' parameter.";
            return Err(ApiError::invalid(message).param("tool_choice"));
        }
        let mut named = self.tool_choice.iter().filter_map(ToolChoice::named).flatten();
        match named.find(|chosen| !tools.iter().any(|tool| chosen.is(tool))) {
            None => Ok(()),
            Some(chosen) => {
                let message = format!("Tool choice '{}' not found in 'tools' parameter.", chosen.label());
                Err(ApiError::invalid(message).param("tool_choice"))
            }
        }
    }

    fn items(&self) -> &[Item] {
        match &self.input {
            Some(Input::Items(items)) => items,
            _ => &[],
        }
    }

    pub(super) fn is_stored(&self) -> bool {
        self.store != Some(false)
    }

    pub(super) fn wants_encrypted_reasoning(&self) -> bool {
        self.include.iter().flatten().any(|include| include == "reasoning.encrypted_content")
    }

    /// The prompt's tokens: every text of the messages, the arguments and outputs of calls, and the tools.
    pub(super) fn tokens(&self) -> usize {
        let plain = match &self.input {
            Some(Input::Text(text)) => text.len(),
            _ => 0,
        };
        let items = self.items().iter().map(Item::bytes);
        let tools = self.tools.iter().flatten().map(Tool::bytes);
        let instructions = self.instructions.as_ref().map_or(0, String::len);
        tokens::count(instructions + plain + items.chain(tools).sum::<usize>())
    }

    pub(super) fn prompt(&self) -> Prompt {
        let last_user = self.items().iter().rev().find(|item| item.role == Some(Role::User));
        let user = match &self.input {
            Some(Input::Text(text)) => text.clone(),
            _ => last_user.map(Item::text).unwrap_or_default(),
        };
        let callables = |tool: &Tool| tool.callables(self.tool_choice.as_ref());
        Prompt {
            user,
            images: last_user.map_or(0, Item::images),
            results: input::results(self.items()),
            tools: self.tools.iter().flatten().flat_map(callables).collect(),
            reasons: false,
            parallel: self.parallel_tool_calls != Some(false),
            format: match self.text.as_ref().and_then(|text| text.format.as_ref()) {
                None | Some(Format::Text) => answer::Format::Text,
                Some(Format::JsonObject) => answer::Format::JsonObject,
                Some(Format::JsonSchema { schema }) => answer::Format::JsonSchema(schema.clone()),
            },
            stop: Vec::new(),
            max_tokens: self.max_output_tokens,
        }
    }
}
