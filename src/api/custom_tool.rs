//! Custom tools on servers that have only functions: each goes as a function with one text parameter, and its calls come back as
//! those of the custom tool.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use tachikoma_backends_core::{
    CompletionChunk, CompletionResponse, CustomTool, CustomToolFormat, ItemContent, ItemUpdate, ToolCall,
    ToolCallDelta, ToolCallKind, ToolDefinition, ToolParameter, ToolParameters, ToolSpec,
};

use crate::CodexError;
use crate::runtime::decoder::{Decoder, Piece, Progress};
use crate::runtime::events::Event;
use crate::runtime::unknown::UnknownFields;

/// The parameter that holds the input.
const INPUT: &str = "input";

/// The names of the custom tools among these.
pub(crate) fn names(tools: &[ToolSpec]) -> BTreeSet<String> {
    let custom = tools.iter().filter(|tool| matches!(tool, ToolSpec::Custom(_)));
    custom.map(|tool| tool.name().to_owned()).collect()
}

/// The function in place of a custom tool. The model learns the grammar from the description, since nothing enforces it.
pub(crate) fn function(tool: CustomTool) -> ToolDefinition {
    let CustomTool { name, mut description, format, extra, .. } = tool;
    let mut about = "The input of the tool, as plain text".to_owned();
    if let CustomToolFormat::Grammar { syntax, definition } = format {
        about = format!("The input of the tool, which must follow its {} grammar", syntax.as_str());
        let separator = if description.is_empty() { "" } else { "\n\n" };
        description.push_str(separator);
        description
            .push_str(&format!("The input must follow this {} grammar:\n{definition}", syntax.as_str()));
    }
    let parameters = ToolParameters::new().with(INPUT, ToolParameter::string(about));
    let mut function = ToolDefinition::new(name, description, parameters);
    function.extra = extra;
    function
}

/// The call of the function in place of a call of a custom tool.
pub(crate) fn function_call(call: ToolCall) -> ToolCall {
    let arguments = json!({ INPUT: call.arguments }).to_string();
    ToolCall::new(call.id, call.name, arguments)
}

/// Turns the calls of these functions in a whole response into calls of the custom tools.
pub(crate) fn restore(response: &mut CompletionResponse, names: &BTreeSet<String>) {
    let items = response.items.iter_mut().filter_map(|item| match &mut item.content {
        ItemContent::ToolCall(item) => Some(&mut item.call),
        _ => None,
    });
    response.tool_calls.iter_mut().chain(&mut response.incomplete_tool_calls).chain(items).for_each(|call| {
        restore_call(call, names);
    });
}

fn restore_call(call: &mut ToolCall, names: &BTreeSet<String>) {
    if call.kind == ToolCallKind::Function && names.contains(&call.name) {
        call.arguments = call.input().into_owned();
        call.kind = ToolCallKind::Custom;
    }
}

/// The decoder, or one around it where custom tools were sent as functions.
pub(crate) fn decoder(names: BTreeSet<String>, inner: Box<dyn Decoder + Send>) -> Box<dyn Decoder + Send> {
    if names.is_empty() {
        inner
    } else {
        Box::new(CustomToolDecoder { inner, names, calls: BTreeMap::new() })
    }
}

/// A decoder of streams whose calls of these functions are calls of custom tools. Their input is passed on when it is complete, as
/// the quoting of JSON cannot be undone before.
struct CustomToolDecoder {
    inner: Box<dyn Decoder + Send>,
    names: BTreeSet<String>,
    /// The names of calls so far, by index.
    calls: BTreeMap<usize, OpenCall>,
}

#[derive(Default)]
struct OpenCall {
    name: String,
    arguments: String,
    is_custom: bool,
}

impl CustomToolDecoder {
    fn piece(&mut self, mut piece: Piece) -> Piece {
        for delta in &mut piece.tool_calls {
            self.delta(delta);
        }
        let is_new = |delta: &ToolCallDelta| {
            let is_named = delta.id.is_some() || delta.name.is_some();
            is_named || delta.is_complete || !delta.arguments_delta.is_empty()
        };
        piece.tool_calls.retain(is_new);
        for event in &mut piece.items {
            if let ItemUpdate::Started(item) | ItemUpdate::Done(item) = &mut event.update
                && let ItemContent::ToolCall(item) = &mut item.content
            {
                restore_call(&mut item.call, &self.names);
            }
        }
        piece
    }

    fn delta(&mut self, delta: &mut ToolCallDelta) {
        let call = self.calls.entry(delta.index).or_default();
        call.name.push_str(delta.name.as_deref().unwrap_or_default());
        call.is_custom |= delta.kind == ToolCallKind::Function && self.names.contains(&call.name);
        if !call.is_custom {
            return;
        }
        delta.kind = ToolCallKind::Custom;
        call.arguments.push_str(&std::mem::take(&mut delta.arguments_delta));
        if delta.is_complete {
            delta.arguments_delta = call.take_input();
        }
    }
}

impl OpenCall {
    fn take_input(&mut self) -> String {
        let call = ToolCall::new("", "", std::mem::take(&mut self.arguments));
        call.input().into_owned()
    }
}

impl Decoder for CustomToolDecoder {
    fn event(&mut self, event: &Event<'_>) -> Result<Option<Piece>, CodexError> {
        let piece = self.inner.event(event)?;
        Ok(piece.and_then(|piece| self.piece(piece).if_any()))
    }

    fn next_piece(&mut self) -> Option<Piece> {
        while let Some(piece) = self.inner.next_piece() {
            if let Some(piece) = self.piece(piece).if_any() {
                return Some(piece);
            }
        }
        None
    }

    fn progress(&self) -> Progress {
        self.inner.progress()
    }

    fn finish(&mut self) -> Result<CompletionChunk, CodexError> {
        let mut last = self.inner.finish()?;
        let open = self.calls.iter_mut().filter(|(_, call)| call.is_custom && !call.arguments.is_empty());
        last.tool_calls.extend(open.map(|(index, call)| {
            ToolCallDelta::new(*index).with_arguments_delta(call.take_input()).with_kind(ToolCallKind::Custom)
        }));
        Ok(last)
    }

    fn unknown(&mut self) -> UnknownFields {
        self.inner.unknown()
    }
}
