//! The input of a request: a text or items, and the rules for their order.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::compaction::CompactedContext;
use super::super::reasoning;
use crate::errors::ApiError;

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a string or an array of input items")]
pub(super) enum Input {
    Text(String),
    Items(Vec<Item>),
}

/// An item has some of these fields, by its type.
#[derive(Debug, Deserialize)]
pub(in crate::responses) struct Item {
    #[serde(rename = "type", default = "message")]
    kind: String,
    id: Option<String>,
    pub(super) role: Option<Role>,
    content: Option<Content>,
    call_id: Option<String>,
    name: Option<String>,
    /// Those of a tool search are an object.
    arguments: Option<Value>,
    input: Option<String>,
    output: Option<Value>,
    tools: Option<Value>,
    approval_request_id: Option<String>,
    approve: Option<bool>,
    summary: Option<Vec<Part>>,
    encrypted_content: Option<String>,
}

fn message() -> String {
    "message".to_owned()
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
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

/// A call that needs its output from the client, the output's type, and what errors call them.
struct Pair {
    call: &'static str,
    output: &'static str,
    words: &'static str,
}

const PAIRS: [Pair; 7] = [
    Pair { call: "function_call", output: "function_call_output", words: "function call" },
    Pair { call: "custom_tool_call", output: "custom_tool_call_output", words: "custom tool call" },
    Pair { call: "shell_call", output: "shell_call_output", words: "shell call" },
    Pair { call: "local_shell_call", output: "local_shell_call_output", words: "local shell call" },
    Pair { call: "apply_patch_call", output: "apply_patch_call_output", words: "apply patch call" },
    Pair { call: "computer_call", output: "computer_call_output", words: "computer call" },
    Pair { call: "tool_search_call", output: "tool_search_output", words: "tool search call" },
];

/// The input of a body as items: a text is a user message.
pub(in crate::responses) fn as_items(input: Option<&Value>) -> Vec<Value> {
    match input {
        Some(Value::String(text)) => {
            vec![
                json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}),
            ]
        }
        Some(Value::Array(items)) => items.clone(),
        _ => Vec::new(),
    }
}

/// Parses items; one that cannot be parsed is refused as the body would be.
pub(in crate::responses) fn parsed(items: &[Value]) -> Result<Vec<Item>, ApiError> {
    let items = items.iter().map(Item::deserialize);
    items
        .collect::<Result<_, _>>()
        .map_err(|error| ApiError::invalid(format!("Invalid value for 'input': {error}.")).param("input"))
}

/// The items that the model sees: without those that the newest compaction replaces.
pub(super) fn in_context(items: &[Item]) -> &[Item] {
    let newest = items.iter().rposition(|item| item.kind == "compaction");
    let context = newest.and_then(|place| Some((place, items.get(place)?.compacted()?)));
    let start = context.map_or(0, |(place, context)| place.saturating_sub(context.kept));
    items.get(start..).unwrap_or(items)
}

/// The text of the last user message. A compaction has it where the message itself was dropped.
pub(super) fn last_user_text(items: &[Item]) -> String {
    let text = |item: &Item| match item.role {
        Some(Role::User) => Some(item.text()),
        _ => item.compacted().map(|context| context.user),
    };
    items.iter().rev().find_map(text).unwrap_or_default()
}

/// Every output belongs to a call before it, every call has its output, and reasoning is what the mock sent. The reasoning of
/// the first `stored` items is the mock's own.
pub(super) fn check(items: &[Item], stored: usize) -> Result<(), ApiError> {
    let mut open: Vec<(&Pair, &str)> = Vec::new();
    let refuse = |message: String| Err(ApiError::invalid(message).param("input"));
    for (index, item) in items.iter().enumerate() {
        item.check_fields(index)?;
        if let (Some(pair), Some(call)) = (item.as_call(), item.call_id()) {
            open.push((pair, call));
        } else if let (Some(pair), Some(call)) = (item.as_output(), item.call_id()) {
            let is_its_call = |(other, id): &(&Pair, &str)| other.call == pair.call && *id == call;
            let Some(answered) = open.iter().position(is_its_call) else {
                return refuse(format!("No tool call found for {} output with call_id {call}.", pair.words));
            };
            open.remove(answered);
        }
        match item.kind.as_str() {
            "reasoning" if index < stored => {}
            "reasoning" => {
                let texts = item.summary.iter().flatten().filter_map(|part| part.text.as_deref());
                let summary: String = texts.collect();
                reasoning::check(item.id.as_deref(), &summary, item.encrypted_content.as_deref())?;
                check_follower(item, items.get(index + 1))?;
            }
            "item_reference" => {
                return Err(reasoning::not_found(item.id.as_deref().unwrap_or_default()));
            }
            "mcp_approval_response" if item.approved(items.get(..index).unwrap_or_default()).is_none() => {
                let id = item.approval_request_id.as_deref().unwrap_or_default();
                return refuse(format!("No MCP approval request found with id {id}."));
            }
            _ => {}
        }
    }
    match open.first() {
        None => Ok(()),
        Some((pair, call)) => refuse(format!("No tool output found for {} {call}.", pair.words)),
    }
}

/// Refuses reasoning that is not followed by what it led to.
fn check_follower(reasoning: &Item, follower: Option<&Item>) -> Result<(), ApiError> {
    if follower.is_some_and(Item::is_from_the_model) {
        return Ok(());
    }
    let id = reasoning.id.as_deref().unwrap_or_default();
    let message =
        format!("Item '{id}' of type 'reasoning' was provided without its required following item.");
    Err(ApiError::invalid(message).param("input"))
}

/// The outputs at the end of the input, each with the name of its tool.
pub(super) fn results(items: &[Item]) -> Vec<(String, String)> {
    let outputs = items.iter().rev().take_while(|item| item.is_result()).count();
    let (before, results) = items.split_at(items.len() - outputs);
    let result = |item: &Item| match (item.as_output(), item.approved(before)) {
        (Some(pair), _) => {
            let is_call = |call: &&Item| call.kind == pair.call && call.call_id == item.call_id;
            let name = before.iter().rev().find(is_call).and_then(|call| call.name.clone());
            (name.unwrap_or_else(|| pair.call.trim_end_matches("_call").to_owned()), item.text())
        }
        (None, request) => {
            let approval = if item.approve == Some(true) { "approved" } else { "denied" };
            (request.and_then(|request| request.name.clone()).unwrap_or_default(), approval.to_owned())
        }
    };
    results.iter().map(result).collect()
}

impl Item {
    /// What a compaction of the mock stands for.
    fn compacted(&self) -> Option<CompactedContext> {
        let content = self.encrypted_content.as_deref().filter(|_| self.kind == "compaction")?;
        CompactedContext::decrypted(content)
    }

    fn as_call(&self) -> Option<&'static Pair> {
        PAIRS.iter().find(|pair| pair.call == self.kind)
    }

    fn as_output(&self) -> Option<&'static Pair> {
        PAIRS.iter().find(|pair| pair.output == self.kind)
    }

    /// A local shell's output may name its call by its own id. What OpenAI ran itself may have no id of a call.
    fn call_id(&self) -> Option<&str> {
        let id = if self.kind == "local_shell_call_output" { self.id.as_deref() } else { None };
        self.call_id.as_deref().or(id)
    }

    /// The request that this item approves or denies.
    fn approved<'a>(&self, before: &'a [Item]) -> Option<&'a Item> {
        before.iter().find(|item| item.kind == "mcp_approval_request" && item.id == self.approval_request_id)
    }

    fn is_result(&self) -> bool {
        self.as_output().is_some() || self.kind == "mcp_approval_response"
    }

    fn is_from_the_model(&self) -> bool {
        match self.kind.as_str() {
            "message" => self.role == Some(Role::Assistant),
            "item_reference" | "compaction_trigger" => false,
            _ => !self.is_result(),
        }
    }

    fn check_fields(&self, index: usize) -> Result<(), ApiError> {
        let required = match self.kind.as_str() {
            "message" => vec![("role", self.role.is_some()), ("content", self.content.is_some())],
            "function_call" | "function_call_output" => vec![("call_id", self.call_id.is_some())],
            _ => Vec::new(),
        };
        match required.into_iter().find(|(_, is_present)| !is_present) {
            None => Ok(()),
            Some((name, _)) => Err(ApiError::missing_parameter(&format!("input[{index}].{name}"))),
        }
    }

    /// The bytes of its text and of what it calls a tool with. Reasoning is not counted.
    pub(super) fn bytes(&self) -> usize {
        if self.kind == "reasoning" {
            return 0;
        }
        if let Some(context) = self.compacted() {
            return context.user.len();
        }
        let arguments = self.arguments.as_ref().map_or(0, |arguments| match arguments {
            Value::String(text) => text.len(),
            other => other.to_string().len(),
        });
        self.text().len() + arguments + self.input.as_ref().map_or(0, String::len)
    }

    /// The text of a message, or the output of a call.
    pub(super) fn text(&self) -> String {
        match (&self.content, self.output.as_ref().or(self.tools.as_ref())) {
            (Some(Content::Text(text)), _) => text.clone(),
            (Some(Content::Parts(parts)), _) => {
                parts.iter().filter_map(|part| part.text.as_deref()).collect::<Vec<_>>().join("\n")
            }
            (None, Some(output)) => output_text(output),
            (None, None) => String::new(),
        }
    }

    pub(super) fn images(&self) -> usize {
        match &self.content {
            Some(Content::Parts(parts)) => parts.iter().filter(|part| part.kind == "input_image").count(),
            _ => 0,
        }
    }
}

/// The text of an output: a string, the texts in a list of parts, the standard output of commands, or JSON.
fn output_text(output: &Value) -> String {
    let part = |part: &Value| match part.get("text").or_else(|| part.get("stdout")).and_then(Value::as_str) {
        Some(text) => text.to_owned(),
        // Images and files have no text.
        None if part.get("type").is_some_and(|kind| kind == "input_image" || kind == "input_file") => {
            String::new()
        }
        None => part.to_string(),
    };
    match output {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().map(part).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
        }
        other => other.to_string(),
    }
}
