//! The calls of the provider's tools that the client runs: shells, patches, a computer, approvals.

use serde_json::{Map, Value, json};
use tachikoma_backends_core::{ContentPart, ErrorCategory, Message, MessageContent, ToolCall, ToolCallKind};

use super::item::Item;
use crate::CodexError;
use crate::api::attachment;
use crate::openai::types;
use crate::openai::types::InputItem;

/// A kind of call, by its names.
struct HostedCall {
    /// The name of the tool in a [`ToolCall`].
    name: &'static str,
    /// The type of the item.
    item: &'static str,
    /// The type of the item of its output.
    output: &'static str,
    /// The field that holds what to do; empty where all fields do.
    field: &'static str,
}

const HOSTED_CALLS: &[HostedCall] = &[
    HostedCall {
        name: "apply_patch",
        item: "apply_patch_call",
        output: "apply_patch_call_output",
        field: "operation",
    },
    HostedCall { name: "computer", item: "computer_call", output: "computer_call_output", field: "" },
    HostedCall {
        name: "local_shell",
        item: "local_shell_call",
        output: "local_shell_call_output",
        field: "action",
    },
    HostedCall {
        name: ToolCall::APPROVAL_REQUEST,
        item: "mcp_approval_request",
        output: "mcp_approval_response",
        field: "",
    },
    HostedCall { name: "shell", item: "shell_call", output: "shell_call_output", field: "action" },
    HostedCall {
        name: "tool_search",
        item: "tool_search_call",
        output: "tool_search_output",
        field: "arguments",
    },
];

/// The fields of an item that say nothing about what to do.
const META: [&str; 7] = ["call_id", "caller", "created_by", "environment", "id", "status", "type"];

/// The call in an item of one of these types, if it is one.
pub(super) fn call(item: Item<'_>) -> Option<ToolCall> {
    let hosted = HOSTED_CALLS.iter().find(|hosted| hosted.item == item.text("type"))?;
    let arguments = match item.0.get(hosted.field) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None if !hosted.field.is_empty() => return None,
        None => {
            let fields = item.0.as_object().into_iter().flatten();
            let fields = fields.filter(|(field, value)| !META.contains(&field.as_str()) && !value.is_null());
            Value::Object(fields.map(|(field, value)| (field.clone(), value.clone())).collect()).to_string()
        }
    };
    Some(ToolCall::new(id(item), hosted.name, arguments).with_kind(ToolCallKind::Hosted))
}

fn id(item: Item<'_>) -> &str {
    [item.text("call_id"), item.text("id")].into_iter().find(|id| !id.is_empty()).unwrap_or_default()
}

/// The type of an item, if it is a call that the client may have to run.
pub(super) fn kind(item: Item<'_>) -> Option<&'static str> {
    let hosted = HOSTED_CALLS.iter().find(|hosted| hosted.item == item.text("type"))?;
    (item.text("execution") != "server").then_some(hosted.item)
}

/// The calls among items that the client has to run.
pub(super) fn calls(items: &[Value]) -> impl Iterator<Item = ToolCall> {
    open(items).filter(|item| !item.is_incomplete()).filter_map(call)
}

/// The type of the first call that the client would have to run, but that lacks what to do, or was cut.
pub(super) fn unreadable(items: &[Value]) -> Option<&str> {
    open(items).find(|item| item.is_incomplete() || call(*item).is_none()).map(|item| item.text("type"))
}

/// The calls without output: shells, searches and the like that the server runs come with theirs.
fn open(items: &[Value]) -> impl Iterator<Item = Item<'_>> {
    let is_open = |item: &Item<'_>| {
        let hosted = HOSTED_CALLS.iter().find(|hosted| hosted.item == item.text("type"));
        let is_output = |other: Item<'_>| {
            hosted.is_some_and(|hosted| other.text("type") == hosted.output)
                && ["call_id", "id", "approval_request_id"].iter().any(|field| other.text(field) == id(*item))
        };
        kind(*item).is_some() && !items.iter().map(Item).any(is_output)
    };
    items.iter().map(Item).filter(is_open)
}

/// The item of a call, for a turn whose items are not known.
pub(super) fn item(call: &ToolCall) -> Option<Map<String, Value>> {
    let hosted = HOSTED_CALLS.iter().find(|hosted| hosted.name == call.name)?;
    let arguments: Value = serde_json::from_str(&call.arguments).ok()?;
    let mut item = match (hosted.field, arguments) {
        ("", Value::Object(fields)) => fields,
        ("", _) => return None,
        (field, arguments) => Map::from_iter([(field.to_owned(), arguments)]),
    };
    item.insert("type".to_owned(), hosted.item.into());
    if call.is_approval_request() {
        item.insert("id".to_owned(), call.id.as_str().into());
    } else {
        item.insert("call_id".to_owned(), call.id.as_str().into());
        item.insert("status".to_owned(), "completed".into());
    }
    if hosted.name == "tool_search" {
        // Only a search that the client runs is a call.
        item.insert("execution".to_owned(), "client".into());
    }
    Some(item)
}

/// The item of the result of a call.
///
/// # Errors
/// The result lacks what the output of this tool must hold.
pub(super) fn output(call: &PendingCall, message: &Message) -> Result<InputItem, CodexError> {
    let text = text(message);
    let call_id = call.id.clone();
    Ok(match call.name.as_str() {
        "apply_patch" => {
            use types::ApplyPatchCallOutputStatusParam as Status;
            InputItem::ApplyPatchOutput(types::ApplyPatchToolCallOutputItemParam {
                call_id,
                output: (!text.is_empty()).then_some(text),
                status: if message.is_error { Status::Failed } else { Status::Completed },
                type_: types::ApplyPatchToolCallOutputItemParamType::ApplyPatchCallOutput,
            })
        }
        "shell" => InputItem::ShellOutput(types::FunctionShellCallOutputItemParam {
            call_id,
            output: shell_output(text, message.is_error),
            type_: types::FunctionShellCallOutputItemParamType::ShellCallOutput,
        }),
        "local_shell" => InputItem::LocalShellOutput(types::LocalShellToolCallOutput {
            id: call_id.clone(),
            call_id,
            output: text,
            type_: types::LocalShellToolCallOutputType::LocalShellCallOutput,
        }),
        "computer" => computer_output(call, message)?,
        ToolCall::APPROVAL_REQUEST => InputItem::ApprovalResponse(types::McpApprovalResponse {
            approval_request_id: call_id,
            approve: !message.is_error,
            reason: message.is_error.then(|| text.trim_start_matches("Error: ").to_owned()),
            type_: types::McpApprovalResponseType::McpApprovalResponse,
        }),
        "tool_search" => {
            let tools: Value = serde_json::from_str(&text).unwrap_or_default();
            if !tools.is_array() {
                let message = "the result of a tool search is not a JSON array of tools";
                return Err(CodexError::unsent(ErrorCategory::InvalidRequest, message)
                    .with_hint("Return the tools as they are in the request."));
            }
            raw(json!({
                "type": "tool_search_output",
                "call_id": call_id,
                "execution": "client",
                "status": "completed",
                "tools": tools,
            }))
        }
        name => raw(json!({ "type": format!("{name}_call_output"), "call_id": call_id, "output": text })),
    })
}

/// A call that waits for its result.
#[derive(Clone, Debug)]
pub(super) struct PendingCall {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) kind: ToolCallKind,
    /// What called it, if not the model itself: it is repeated in the result.
    pub(super) caller: Option<Value>,
    /// The safety checks that a result acknowledges.
    pub(super) safety_checks: Vec<types::ComputerCallSafetyCheckParam>,
}

impl PendingCall {
    /// The call in an item of an earlier response.
    pub(super) fn from_item(item: Item<'_>) -> Option<Self> {
        let (name, kind) = match item.text("type") {
            "function_call" => (item.text("name").to_owned(), ToolCallKind::Function),
            "custom_tool_call" => (item.text("name").to_owned(), ToolCallKind::Custom),
            _ => (call(item)?.name, ToolCallKind::Hosted),
        };
        let checks = item.0.get("pending_safety_checks").cloned().unwrap_or_default();
        Some(Self {
            id: id(item).to_owned(),
            name,
            kind,
            caller: item.0.get("caller").filter(|caller| !caller.is_null()).cloned(),
            safety_checks: serde_json::from_value(checks).unwrap_or_default(),
        })
    }

    pub(super) fn new(call: &ToolCall) -> Self {
        let item = item(call).filter(|_| call.kind == ToolCallKind::Hosted).map(Value::Object);
        let hosted = item.as_ref().and_then(|item| Self::from_item(Item(item)));
        hosted.unwrap_or_else(|| Self {
            id: call.id.clone(),
            name: call.name.clone(),
            kind: call.kind,
            caller: None,
            safety_checks: Vec::new(),
        })
    }
}

fn text(message: &Message) -> String {
    match &message.content {
        MessageContent::Text(text) => text.clone(),
        parts => parts.to_text(),
    }
}

/// The outputs of the commands: as the result has them in the API's own form, or else the text as that of one command.
fn shell_output(text: String, is_error: bool) -> Vec<types::FunctionShellCallOutputContentParam> {
    if let Ok(outputs) = serde_json::from_str::<Vec<types::FunctionShellCallOutputContentParam>>(&text) {
        return outputs;
    }
    let exit = types::FunctionShellCallOutputExitOutcomeParam {
        exit_code: i64::from(is_error),
        type_: types::FunctionShellCallOutputExitOutcomeParamType::Exit,
    };
    let outcome = types::FunctionShellCallOutputOutcomeParam::Exit(exit);
    let (stdout, stderr) = if is_error { (String::new(), text) } else { (text, String::new()) };
    vec![types::FunctionShellCallOutputContentParam { outcome, stderr, stdout }]
}

fn computer_output(call: &PendingCall, message: &Message) -> Result<InputItem, CodexError> {
    let image = match &message.content {
        MessageContent::Parts(parts) => parts.iter().find_map(|part| match part {
            ContentPart::Image { source, .. } => Some(source.clone()),
            _ => None,
        }),
        MessageContent::Text(_) => None,
    };
    let Some(source) = image else {
        let message = "the result of a computer call has no image";
        return Err(CodexError::unsent(ErrorCategory::InvalidRequest, message)
            .with_hint("Return a screenshot, as a ContentPart::image_base64."));
    };
    let (image_url, file_id) = attachment::image_url_or_id(source);
    Ok(InputItem::ComputerOutput(types::ComputerCallOutputItemParam {
        acknowledged_safety_checks: (!call.safety_checks.is_empty()).then(|| call.safety_checks.clone()),
        call_id: call.id.clone(),
        output: types::ComputerScreenshotImage {
            file_id,
            image_url,
            type_: types::ComputerScreenshotImageType::ComputerScreenshot,
        },
        type_: types::ComputerCallOutputItemParamType::ComputerCallOutput,
    }))
}

fn raw(item: Value) -> InputItem {
    InputItem::Raw(item.as_object().cloned().unwrap_or_default())
}
