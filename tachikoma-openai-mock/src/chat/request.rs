//! The body of a chat request: what is parsed, what is refused, and the prompt that it becomes.

mod tools;

use serde::Deserialize;
use serde_json::Value;

use self::tools::{Mode, Tool, ToolChoice};

use crate::answer::{self, Prompt};
use crate::body::RequestSchema;
use crate::errors::ApiError;
use crate::{body, tokens};

#[derive(Debug, Deserialize)]
pub(super) struct ChatRequest {
    pub(super) model: String,
    pub(super) stream: Option<bool>,
    pub(super) service_tier: Option<String>,
    messages: Vec<Message>,
    stream_options: Option<StreamOptions>,
    n: Option<i64>,
    max_tokens: Option<i64>,
    max_completion_tokens: Option<i64>,
    stop: Option<Stop>,
    tools: Option<Vec<Tool>>,
    tool_choice: Option<ToolChoice>,
    parallel_tool_calls: Option<bool>,
    response_format: Option<ResponseFormat>,
    /// A field of other servers, which asks for reasoning.
    reasoning: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: Role,
    content: Option<Content>,
    #[serde(default)]
    tool_calls: Option<Vec<ToolCall>>,
    tool_call_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    System,
    Developer,
    User,
    Assistant,
    Tool,
    Function,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a string or an array of content parts")]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ToolCall {
    id: String,
    #[serde(alias = "custom")]
    function: Option<Called>,
}

/// A called function or custom tool.
#[derive(Debug, Deserialize)]
struct Called {
    name: String,
    #[serde(alias = "arguments")]
    input: String,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "expected a string or an array of strings")]
enum Stop {
    One(String),
    Several(Vec<String>),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ResponseFormat {
    Text,
    JsonObject,
    JsonSchema { json_schema: NamedSchema },
}

#[derive(Debug, Deserialize)]
struct NamedSchema {
    schema: Option<Value>,
}

impl ChatRequest {
    /// Reads a body and refuses what OpenAI would refuse.
    pub(super) fn read(body: &[u8], schema: Option<RequestSchema>) -> Result<Self, ApiError> {
        let request: Self = body::read(body, &["model", "messages"], schema)?;
        request.check_numbers()?;
        if schema.is_some() {
            request.check_output_limit()?;
        }
        request.check_tools()?;
        request.check_messages()?;
        Ok(request)
    }

    fn check_numbers(&self) -> Result<(), ApiError> {
        let numbers = [
            ("max_tokens", self.max_tokens, i64::MAX),
            ("max_completion_tokens", self.max_completion_tokens, i64::MAX),
            ("n", self.n, 128),
        ];
        for (name, number, most) in numbers {
            let (reason, code) = match number {
                Some(..1) => ("below minimum value. Expected a value >= 1", "integer_below_min_value"),
                Some(number) if number > most => {
                    ("above maximum value. Expected a value <= 128", "integer_above_max_value")
                }
                _ => continue,
            };
            let message = format!("Invalid '{name}': integer {reason}.");
            return Err(ApiError::invalid(message).param(name).code(code));
        }
        Ok(())
    }

    fn check_output_limit(&self) -> Result<(), ApiError> {
        let limits = [("max_tokens", self.max_tokens), ("max_completion_tokens", self.max_completion_tokens)];
        for (name, limit) in limits {
            if let Some(limit) = limit.filter(|limit| *limit > tokens::MOST_OUTPUT.into()) {
                let message = format!(
                    "{name} is too large: {limit}. This model supports at most {} completion tokens, whereas you \
                     provided {limit}.",
                    tokens::MOST_OUTPUT
                );
                return Err(ApiError::invalid(message).param(name).code("invalid_value"));
            }
        }
        Ok(())
    }

    fn check_tools(&self) -> Result<(), ApiError> {
        let tools = self.tools.as_deref().unwrap_or_default();
        let choice = match &self.tool_choice {
            Some(choice) if *choice != Mode::None => choice,
            _ => return Ok(()),
        };
        if tools.is_empty() {
            let message = "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are \
                           specified.";
            return Err(ApiError::invalid(message).param("tool_choice"));
        }
        let mut named = choice.named().unwrap_or_default().iter();
        match named.find(|chosen| !tools.iter().any(|tool| chosen.is(tool))) {
            None => Ok(()),
            Some(chosen) => {
                let message = format!("Tool choice '{}' not found in 'tools' parameter.", chosen.name());
                Err(ApiError::invalid(message).param("tool_choice"))
            }
        }
    }

    /// Refuses a tool message without a call before it, and a call without a tool message after it.
    fn check_messages(&self) -> Result<(), ApiError> {
        if self.messages.is_empty() {
            let message = "Invalid 'messages': empty array. Expected an array with minimum length 1, but got \
                           an empty array instead.";
            return Err(ApiError::invalid(message).param("messages").code("empty_array"));
        }
        let mut open: Vec<&str> = Vec::new();
        for (index, message) in self.messages.iter().enumerate() {
            let param = format!("messages[{index}]");
            if message.role == Role::Tool {
                let id = message
                    .tool_call_id
                    .as_deref()
                    .ok_or_else(|| ApiError::missing_parameter(&format!("{param}.tool_call_id")))?;
                let Some(answered) = open.iter().position(|call| *call == id) else {
                    return Err(ApiError::invalid(
                        "Invalid parameter: messages with role 'tool' must be a response to a preceding \
                         message with 'tool_calls'.",
                    )
                    .param(format!("{param}.role")));
                };
                open.remove(answered);
                continue;
            }
            unanswered(&open, &param)?;
            open = message.calls().iter().map(|call| call.id.as_str()).collect();
        }
        unanswered(&open, "messages")
    }

    pub(super) fn choices(&self) -> usize {
        self.n.and_then(|n| usize::try_from(n).ok()).unwrap_or(1)
    }

    pub(super) fn include_usage(&self) -> bool {
        self.stream_options.as_ref().and_then(|options| options.include_usage).unwrap_or(false)
    }

    /// The prompt's tokens: every text of the messages, the arguments of their calls, and the tools.
    pub(super) fn tokens(&self) -> usize {
        let messages = self.messages.iter().map(|message| {
            let arguments = message.calls().iter().filter_map(|call| call.function.as_ref());
            message.text().len() + arguments.map(|function| function.input.len()).sum::<usize>()
        });
        let tools = self.tools.iter().flatten().map(|tool| {
            let function = tool.function();
            let parameters = function.parameters.as_ref().map_or(0, |schema| schema.to_string().len());
            function.name.len() + function.description.as_ref().map_or(0, String::len) + parameters
        });
        tokens::count(messages.chain(tools).sum())
    }

    pub(super) fn prompt(&self) -> Prompt {
        let last_user = self.messages.iter().rev().find(|message| message.role == Role::User);
        let may_call = |tool: &&Tool| self.tool_choice.as_ref().is_none_or(|choice| choice.allows(tool));
        let tools = self.tools.iter().flatten().filter(may_call).map(Tool::callable);
        Prompt {
            user: last_user.map(Message::text).unwrap_or_default(),
            images: last_user.map_or(0, Message::images),
            results: self.results(),
            tools: tools.collect(),
            reasons: self.reasoning.is_some(),
            parallel: self.parallel_tool_calls != Some(false),
            format: match &self.response_format {
                None | Some(ResponseFormat::Text) => answer::Format::Text,
                Some(ResponseFormat::JsonObject) => answer::Format::JsonObject,
                Some(ResponseFormat::JsonSchema { json_schema }) => {
                    answer::Format::JsonSchema(json_schema.schema.clone().unwrap_or_default())
                }
            },
            stop: match self.stop.clone() {
                None => Vec::new(),
                Some(Stop::One(stop)) => vec![stop],
                Some(Stop::Several(stops)) => stops,
            },
            max_tokens: self
                .max_completion_tokens
                .or(self.max_tokens)
                .and_then(|most| usize::try_from(most).ok()),
        }
    }

    /// The tool messages at the end of the conversation, each with the name of its tool.
    fn results(&self) -> Vec<(String, String)> {
        let start =
            self.messages.iter().rposition(|message| message.role != Role::Tool).map_or(0, |last| last + 1);
        let (before, results) = self.messages.split_at(start);
        let calls = before.last().map(Message::calls).unwrap_or_default();
        let result = |message: &Message| {
            let call = calls.iter().find(|call| Some(&call.id) == message.tool_call_id.as_ref());
            let name = call.and_then(|call| call.function.as_ref()).map_or("", |function| &function.name);
            (name.to_owned(), message.text())
        };
        results.iter().map(result).collect()
    }
}

impl Message {
    fn calls(&self) -> &[ToolCall] {
        self.tool_calls.as_deref().unwrap_or_default()
    }

    fn text(&self) -> String {
        match &self.content {
            None => String::new(),
            Some(Content::Text(text)) => text.clone(),
            Some(Content::Parts(parts)) => {
                parts.iter().filter_map(|part| part.text.as_deref()).collect::<Vec<_>>().join("\n")
            }
        }
    }

    fn images(&self) -> usize {
        match &self.content {
            Some(Content::Parts(parts)) => parts.iter().filter(|part| part.kind == "image_url").count(),
            _ => 0,
        }
    }
}

fn unanswered(calls: &[&str], param: &str) -> Result<(), ApiError> {
    if calls.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each \
         'tool_call_id'. The following tool_call_ids did not have response messages: {}",
        calls.join(", ")
    ))
    .param(param))
}
