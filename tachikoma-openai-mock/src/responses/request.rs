//! The body of a request: what is parsed, what is refused, and the prompt that it becomes.

mod input;
mod tools;

use serde::Deserialize;
use serde_json::Value;

use self::input::{Input, Item, Role};
pub(super) use self::input::{as_items, parsed};
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
    conversation: Option<ConversationId>,
    pub(super) previous_response_id: Option<String>,
    prompt: Option<Value>,
    context_management: Option<Vec<ContextRule>>,
}

/// A conversation, by its id alone or in an object.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected the id of a conversation, or an object with it")]
enum ConversationId {
    Id(String),
    Object { id: String },
}

#[derive(Debug, Deserialize)]
struct ContextRule {
    #[serde(rename = "type")]
    kind: String,
    compact_threshold: Option<usize>,
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
    /// Reads a body and refuses what OpenAI would refuse. The items of its input are checked by
    /// [`check_input`](Self::check_input), together with those before them.
    pub(super) fn read(body: &[u8], schema: Option<RequestSchema>) -> Result<Self, ApiError> {
        let request: Self = body::read(body, &["model"], schema)?;
        request.check_support()?;
        if schema.is_some() {
            request.check_output_limit()?;
        }
        request.check_tool_choice()?;
        Ok(request)
    }

    fn check_support(&self) -> Result<(), ApiError> {
        let refuse =
            |message: &str, param: &str, code: &str| Err(ApiError::invalid(message).param(param).code(code));
        if self.prompt.is_some() {
            return refuse(
                "Unsupported parameter: 'prompt' is not supported by the mock, which has no stored prompts.",
                "prompt",
                "unsupported_parameter",
            );
        }
        if self.is_background() && !self.is_stored() {
            return refuse("Background mode requires 'store' to be true.", "store", "invalid_value");
        }
        if self.previous_response_id.is_some() && self.conversation.is_some() {
            return refuse(
                "'previous_response_id' cannot be used together with 'conversation'.",
                "previous_response_id",
                "mutually_exclusive_parameters",
            );
        }
        Ok(())
    }

    /// Puts the items of the turns before this one in front of the input.
    pub(super) fn set_items(&mut self, items: Vec<Item>) {
        self.input = Some(Input::Items(items));
    }

    /// Refuses a missing input, and items that cannot follow each other. The first `stored` items are the server's own.
    pub(super) fn check_input(&self, stored: usize) -> Result<(), ApiError> {
        if self.input.is_none() {
            return Err(ApiError::missing_parameter("input"));
        }
        input::check(self.items(), stored)
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

    pub(super) fn is_background(&self) -> bool {
        self.background == Some(true)
    }

    pub(super) fn conversation(&self) -> Option<&str> {
        self.conversation.as_ref().map(|conversation| match conversation {
            ConversationId::Id(id) | ConversationId::Object { id } => id.as_str(),
        })
    }

    /// The number of input tokens above which the server compacts the context.
    pub(super) fn compact_threshold(&self) -> Option<usize> {
        let rules = self.context_management.iter().flatten();
        rules.filter(|rule| rule.kind == "compaction").find_map(|rule| rule.compact_threshold)
    }

    /// The text of the last user message, from a compaction if the message itself is gone.
    pub(super) fn last_user_text(&self) -> String {
        match &self.input {
            Some(Input::Text(text)) => text.clone(),
            _ => input::last_user_text(self.items()),
        }
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
        let items = input::in_context(self.items()).iter().map(Item::bytes);
        let tools = self.tools.iter().flatten().map(Tool::bytes);
        let instructions = self.instructions.as_ref().map_or(0, String::len);
        tokens::count(instructions + plain + items.chain(tools).sum::<usize>())
    }

    pub(super) fn prompt(&self) -> Prompt {
        let last_user = self.items().iter().rev().find(|item| item.role == Some(Role::User));
        let callables = |tool: &Tool| tool.callables(self.tool_choice.as_ref());
        Prompt {
            user: self.last_user_text(),
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
