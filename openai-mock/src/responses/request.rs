//! The body of a request: what is parsed, what is refused, and the prompt that it becomes.

use serde::Deserialize;
use serde_json::{Value, json};

use super::reasoning;
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
#[serde(untagged, expecting = "expected a string or an array of input items")]
enum Input {
    Text(String),
    Items(Vec<Item>),
}

/// An item has some of these fields, by its type.
#[derive(Debug, Deserialize)]
struct Item {
    #[serde(rename = "type", default)]
    kind: Kind,
    id: Option<String>,
    role: Option<Role>,
    content: Option<Content>,
    call_id: Option<String>,
    name: Option<String>,
    arguments: Option<String>,
    output: Option<Content>,
    summary: Option<Vec<Part>>,
    encrypted_content: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[default]
    Message,
    FunctionCall,
    FunctionCallOutput,
    Reasoning,
    ItemReference,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    System,
    Developer,
    User,
    Assistant,
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

/// A function, or a tool that the mock does not have.
#[derive(Debug, Deserialize)]
struct Tool {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    description: Option<String>,
    parameters: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected 'none', 'auto', 'required' or what to call")]
enum ToolChoice {
    Mode(Mode),
    Allowed { tools: Vec<Chosen> },
    One(Chosen),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    None,
    Auto,
    Required,
}

#[derive(Debug, Deserialize)]
struct Chosen {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
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
        request.check_items()?;
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
        let named = match &self.tool_choice {
            Some(ToolChoice::Mode(Mode::Required)) if self.tools.as_ref().is_none_or(Vec::is_empty) => {
                let message = "Tool choice 'required' must be specified with 'tools' parameter.";
                return Err(ApiError::invalid(message).param("tool_choice"));
            }
            Some(ToolChoice::Allowed { tools }) => tools.as_slice(),
            Some(ToolChoice::One(one)) => std::slice::from_ref(one),
            _ => &[],
        };
        match named.iter().find(|chosen| !self.tools.iter().flatten().any(|tool| chosen.is(tool))) {
            None => Ok(()),
            Some(Chosen { kind, name }) => {
                let name = name.as_ref().unwrap_or(kind);
                let message = format!("Tool choice '{name}' not found in 'tools' parameter.");
                Err(ApiError::invalid(message).param("tool_choice"))
            }
        }
    }

    /// Every output belongs to a call before it, every call has its output, and reasoning is what the mock sent.
    fn check_items(&self) -> Result<(), ApiError> {
        let mut open: Vec<&str> = Vec::new();
        for (index, item) in self.items().iter().enumerate() {
            let require = |name: &str, is_present: bool| match is_present {
                true => Ok(()),
                false => Err(ApiError::missing_parameter(&format!("input[{index}].{name}"))),
            };
            match item.kind {
                Kind::Message => {
                    require("role", item.role.is_some())?;
                    require("content", item.content.is_some())?;
                }
                Kind::FunctionCall | Kind::FunctionCallOutput => {
                    require("call_id", item.call_id.is_some())?;
                    let call = item.call_id.as_deref().unwrap_or_default();
                    if item.kind == Kind::FunctionCall {
                        open.push(call);
                    } else if let Some(answered) = open.iter().position(|open| *open == call) {
                        open.remove(answered);
                    } else {
                        let message =
                            format!("No tool call found for function call output with call_id {call}.");
                        return Err(ApiError::invalid(message).param("input"));
                    }
                }
                Kind::Reasoning => {
                    let summary: String =
                        item.summary.iter().flatten().filter_map(|part| part.text.as_deref()).collect();
                    reasoning::check(item.id.as_deref(), &summary, item.encrypted_content.as_deref())?;
                    self.check_follower(index, item)?;
                }
                Kind::ItemReference => {
                    return Err(reasoning::not_found(item.id.as_deref().unwrap_or_default()));
                }
            }
        }
        match open.first() {
            None => Ok(()),
            Some(call) => {
                let message = format!("No tool output found for function call {call}.");
                Err(ApiError::invalid(message).param("input"))
            }
        }
    }

    /// Refuses reasoning that is not followed by what it led to.
    fn check_follower(&self, index: usize, item: &Item) -> Result<(), ApiError> {
        let follower = self.items().get(index + 1);
        if follower.is_some_and(|item| item.role == Some(Role::Assistant) || item.kind == Kind::FunctionCall)
        {
            return Ok(());
        }
        let id = item.id.as_deref().unwrap_or_default();
        let message =
            format!("Item '{id}' of type 'reasoning' was provided without its required following item.");
        Err(ApiError::invalid(message).param("input"))
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
        let items = self.items().iter().map(|item| match item.kind {
            Kind::Reasoning => 0,
            _ => item.text().len() + item.arguments.as_ref().map_or(0, String::len),
        });
        let tools = self.functions().map(|tool| {
            let parameters = tool.parameters.as_ref().map_or(0, |schema| schema.to_string().len());
            tool.name().len() + tool.description.as_ref().map_or(0, String::len) + parameters
        });
        let instructions = self.instructions.as_ref().map_or(0, String::len);
        tokens::count(instructions + plain + items.chain(tools).sum::<usize>())
    }

    fn functions(&self) -> impl Iterator<Item = &Tool> {
        self.tools.iter().flatten().filter(|tool| tool.kind == "function")
    }

    pub(super) fn prompt(&self) -> Prompt {
        let last_user = self.items().iter().rev().find(|item| item.role == Some(Role::User));
        let user = match &self.input {
            Some(Input::Text(text)) => text.clone(),
            _ => last_user.map(Item::text).unwrap_or_default(),
        };
        let may_call = |tool: &Tool| match &self.tool_choice {
            Some(ToolChoice::Mode(Mode::None)) => false,
            Some(ToolChoice::Allowed { tools }) => tools.iter().any(|chosen| chosen.is(tool)),
            Some(ToolChoice::One(one)) => one.is(tool),
            _ => true,
        };
        let functions = self.functions().filter(|tool| may_call(tool)).map(|tool| answer::Function {
            name: tool.name().to_owned(),
            parameters: tool.parameters.clone().unwrap_or_else(|| json!({"type": "object"})),
        });
        Prompt {
            user,
            images: last_user.map_or(0, Item::images),
            results: self.results(),
            functions: functions.collect(),
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

    /// The outputs at the end of the input, each with the name of its function.
    fn results(&self) -> Vec<(String, String)> {
        let items = self.items();
        let is_output = |item: &&Item| item.kind == Kind::FunctionCallOutput;
        let outputs = items.iter().rev().take_while(is_output).count();
        let (before, results) = items.split_at(items.len() - outputs);
        let result = |item: &Item| {
            let is_call = |call: &&Item| call.kind == Kind::FunctionCall && call.call_id == item.call_id;
            let name = before.iter().rev().find(is_call).and_then(|call| call.name.clone());
            (name.unwrap_or_default(), item.text())
        };
        results.iter().map(result).collect()
    }
}

impl Item {
    /// The text of a message, or the output of a call.
    fn text(&self) -> String {
        match self.content.as_ref().or(self.output.as_ref()) {
            None => String::new(),
            Some(Content::Text(text)) => text.clone(),
            Some(Content::Parts(parts)) => {
                parts.iter().filter_map(|part| part.text.as_deref()).collect::<Vec<_>>().join("\n")
            }
        }
    }

    fn images(&self) -> usize {
        match &self.content {
            Some(Content::Parts(parts)) => parts.iter().filter(|part| part.kind == "input_image").count(),
            _ => 0,
        }
    }
}

impl Tool {
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

impl Chosen {
    /// A tool of the mock's own, a web search for instance, has no name.
    fn is(&self, tool: &Tool) -> bool {
        self.kind == tool.kind && (self.name.is_none() || self.name == tool.name)
    }
}
