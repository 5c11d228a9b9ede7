//! The tool calls of a response, as they arrive.

use serde::de::IgnoredAny;
use serde_json::Value;
use tachikoma_backends_core::{ErrorCategory, ToolCallAccumulator, ToolCallDelta, ToolCallFragment};

use crate::CodexError;

/// The tool calls of a response, as they arrive, under its limits.
#[derive(Debug)]
pub(crate) struct OpenCalls {
    calls: ToolCallAccumulator,
    max_calls: usize,
    max_bytes: usize,
    bytes: usize,
}

impl OpenCalls {
    /// At most `max_calls`, whose names, ids and arguments have at most `max_bytes` in total.
    pub(crate) fn new(max_calls: usize, max_bytes: usize) -> Self {
        Self { calls: ToolCallAccumulator::default(), max_calls, max_bytes, bytes: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The id of the call in this place, if it has one.
    pub(crate) fn id(&self, place: usize) -> Option<&str> {
        self.calls.id(place)
    }

    /// Whether this whole call has arrived before, under the same id: it would run twice.
    pub(crate) fn is_repetition(&self, id: &str, name: &str, arguments: &str) -> bool {
        !id.is_empty() && self.calls.contains(id, name, arguments)
    }

    /// Adds a fragment by `push`, a method of the accumulator, and returns the delta to pass on.
    ///
    /// # Errors
    /// A limit is exceeded.
    pub(crate) fn push<'a>(
        &mut self,
        fragment: ToolCallFragment<'a>,
        push: impl FnOnce(&mut ToolCallAccumulator, ToolCallFragment<'a>) -> Option<ToolCallDelta>,
    ) -> Result<Option<ToolCallDelta>, CodexError> {
        self.check_bytes(&fragment)?;
        let delta = push(&mut self.calls, fragment);
        self.check_number().map(|()| delta)
    }

    /// Whether the arguments of every call are complete JSON, or missing.
    pub(crate) fn has_complete_arguments(&self) -> bool {
        let (whole, incomplete) = self.calls.clone().finish(true);
        let is_complete = |arguments: &str| serde_json::from_str::<IgnoredAny>(arguments).is_ok();
        whole
            .iter()
            .chain(&incomplete)
            .all(|call| call.arguments.trim().is_empty() || is_complete(&call.arguments))
    }

    fn check_number(&self) -> Result<(), CodexError> {
        if self.len() <= self.max_calls {
            return Ok(());
        }
        let message = format!("the server's response holds more than {} tool calls", self.max_calls);
        Err(CodexError::new(ErrorCategory::Parse, message)
            .with_hint("Raise with_max_tool_calls if you trust this server."))
    }

    fn check_bytes(&mut self, fragment: &ToolCallFragment<'_>) -> Result<(), CodexError> {
        let length = |text: Option<&str>| text.map_or(0, str::len);
        self.bytes += fragment.arguments.len() + length(fragment.name) + length(fragment.id);
        if self.bytes <= self.max_bytes {
            return Ok(());
        }
        let message = format!("the tool calls have more than {} bytes", self.max_bytes);
        Err(CodexError::new(ErrorCategory::Parse, message)
            .with_hint("Raise with_max_event_bytes if you trust this server."))
    }

    /// Ends the response. `has_ended` is that of [`ToolCallAccumulator::finish`].
    ///
    /// # Errors
    /// A call has no name although the model ended its turn.
    pub(crate) fn finish(&mut self, has_ended: bool) -> Result<(), CodexError> {
        let (_, incomplete) = std::mem::take(&mut self.calls).finish(has_ended);
        if !has_ended || incomplete.is_empty() {
            return Ok(());
        }
        Err(CodexError::new(ErrorCategory::Parse, "the server's response holds a tool call without a name"))
    }
}

/// The arguments of a call as JSON text. Some servers send the object itself.
pub(crate) fn arguments(arguments: Option<Value>) -> String {
    match arguments {
        Some(Value::String(text)) => text,
        None | Some(Value::Null | Value::Bool(false)) => String::new(),
        Some(object) => object.to_string(),
    }
}
