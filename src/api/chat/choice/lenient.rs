//! Choices in every form that servers send, whole and in pieces.

use serde_json::{Value, json};
use tachikoma_backends_core::{
    ErrorCategory, FinishReason, ItemEvent, ItemUpdate, ToolCallAccumulator, ToolCallFragment, ToolCallKind,
};

use super::{CALLS_PER_CHOICE, Choices};
use crate::CodexError;
use crate::api::chat::channel::{Form, Source};
use crate::api::chat::content::{self, Content};
use crate::api::chat::finish;
use crate::api::chat::state::DETAILS;
use crate::api::{body, calls, citation};
use crate::openai::types::{
    ChatCompletionResponseChoice, ChatCompletionResponseFunction, ChatCompletionResponseMessage,
    ChatCompletionResponseToolCall,
};
use crate::runtime::{decoder::Piece, json};

impl Choices {
    /// Adds the content of a choice. Returns whether it has a finish reason.
    ///
    /// # Errors
    /// It is an error, or holds content that cannot be read and would be lost.
    pub(in crate::api::chat) fn read(
        &mut self,
        position: usize,
        choice: ChatCompletionResponseChoice,
        piece: &mut Piece,
    ) -> Result<bool, CodexError> {
        // The ignored fields are typed as booleans: content in them has been moved to the message.
        let ChatCompletionResponseChoice {
            delta,
            message,
            text,
            error,
            finish_reason,
            logprobs,
            stop_reason,
            index,
            content: _,
            tool_calls: _,
            function_call: _,
        } = choice;
        if let Some(error) = error.filter(|error| !json::is_empty(error)) {
            let body = json!({ "error": error });
            return Err(body::absent(&body, "choice").maybe_processed());
        }
        let index = json::index(index.as_ref()).unwrap_or(position);
        let ordinal = self.ordinal(index)?;
        // vLLM sends the stop text, or its token id, under this name.
        let stop_reason = stop_reason.filter(|word| {
            word.as_str().is_some_and(|word| finish::meaning(word, false) != FinishReason::Other)
        });
        let word =
            finish_reason.filter(|word| !json::is_empty(word)).or(stop_reason).map(|word| match word {
                Value::String(word) => word,
                // SGLang's own form.
                Value::Object(fields) if fields.get("type").is_some_and(Value::is_string) => {
                    json::into_text(fields.get("type").cloned()).unwrap_or_default()
                }
                other => other.to_string(),
            });
        let (held, held_text, held_calls) = (piece.size(), piece.text.len(), piece.tool_calls.len());
        if let Some(delta) = delta {
            self.message(self.source(ordinal, Form::Delta), delta, piece)?;
        }
        if let Some(message) = message {
            let is_beside_delta = piece.size() > held;
            let form =
                if is_beside_delta { Form::Snapshot } else { Form::Message { is_last: word.is_some() } };
            self.message(self.source(ordinal, form), message, piece)?;
        }
        // Completion models send their text beside the message; where there are both, they are the same.
        if let Some(text) = text.filter(|_| piece.text.len() == held_text) {
            let (text, form) = (content::text_of(&text), Form::Message { is_last: word.is_some() });
            let source = self.source(ordinal, form);
            self.text.add(source, text, &mut piece.text, &mut self.unknown);
        }
        let source = self.source(ordinal, Form::Delta);
        let logprobs =
            logprobs.as_ref().filter(|_| source.is_first).and_then(|logprobs| logprobs.get("content"));
        let logprobs = logprobs.map(citation::logprobs).filter(|logprobs| !logprobs.is_empty());
        piece.items.extend(logprobs.map(|logprobs| ItemEvent::new(0, ItemUpdate::Logprobs(logprobs))));
        Ok(self.note(source, piece.size() > held, piece.tool_calls.len() > held_calls, word))
    }

    fn message(
        &mut self,
        source: Source,
        message: ChatCompletionResponseMessage,
        piece: &mut Piece,
    ) -> Result<(), CodexError> {
        let ChatCompletionResponseMessage {
            content,
            reasoning,
            reasoning_content,
            reasoning_details,
            reasoning_text,
            thinking,
            refusal,
            annotations,
            finish_reason: _,
            tool_calls,
            function_call,
            audio,
            images,
        } = message;
        if let Some(annotations) = annotations.as_ref().filter(|_| source.is_first) {
            self.cite(citation::citations(annotations), piece);
        }
        if source.is_first {
            let is_delta = source.form == Form::Delta;
            let fields = [
                ("reasoning_content", &reasoning_content),
                ("reasoning", &reasoning),
                (DETAILS, &reasoning_details),
            ];
            for (field, value) in fields {
                self.state.add(field, value.as_ref().unwrap_or_default(), is_delta);
            }
        }
        let (mut part_calls, mut has_part) = (Vec::new(), false);
        // Nearly always, the content is one text, or with a tool call missing.
        match content {
            Some(Value::String(text)) => {
                self.text.add(source, text, &mut piece.text, &mut self.unknown);
            }
            None => {}
            content => {
                let Content { text, reasoning, refusal, calls, unread } = Content::read(content)?;
                part_calls = calls;
                has_part = !reasoning.is_empty();
                self.text.add(source, text, &mut piece.text, &mut self.unknown);
                self.reasoning.add(source, reasoning, &mut piece.reasoning, &mut self.unknown);
                self.refusal.add(source, refusal, &mut piece.refusal, &mut self.unknown);
                unread.into_iter().for_each(|part| self.note_unread("content[].type", part));
            }
        }
        // Servers that send several of these fields send the same text in all, and in the content's parts.
        let reasoning = [reasoning_content, reasoning, reasoning_text, thinking, reasoning_details];
        let mut reasoning = reasoning.into_iter().flatten().map(into_content);
        if !has_part && let Some(text) = reasoning.find(|text| !text.is_empty()) {
            self.reasoning.add(source, text, &mut piece.reasoning, &mut self.unknown);
        }
        if let Some(refusal) = refusal {
            let is_empty = json::is_empty(&refusal);
            let text = into_content(refusal);
            if text.is_empty() && !is_empty {
                let message = "the refusal in the server's response is not text";
                return Err(CodexError::new(ErrorCategory::Parse, message).maybe_processed());
            }
            self.refusal.add(source, text, &mut piece.refusal, &mut self.unknown);
        }
        if let Some(audio) = audio.filter(Value::is_object) {
            // The transcript is the text of the response.
            let transcript = audio.get("transcript").map(content::text_of).unwrap_or_default();
            self.text.add(source, transcript, &mut piece.text, &mut self.unknown);
            if !json::is_empty(audio.get("data").unwrap_or_default()) {
                self.note_unread("audio", json!({ "audio": audio }));
            }
        }
        if let Some(images) = images.filter(|images| images.is_array() && !json::is_empty(images)) {
            self.note_unread("images", json!({ "images": images }));
        }
        let mut tool_calls = tool_calls.unwrap_or_default();
        if tool_calls.is_empty() {
            tool_calls = part_calls.into_iter().map(body::read).collect::<Result<_, _>>()?;
        }
        let has_calls = !tool_calls.is_empty();
        let is_unnumbered = tool_calls.len() > 1 && tool_calls.iter().all(|call| call.index.is_none());
        for (position, call) in tool_calls.into_iter().enumerate() {
            // In a message, and in a delta of several calls, the position of a call is its index where it has none.
            let position = (is_unnumbered || source.form != Form::Delta).then_some(position);
            self.call(source, position, call, piece)?;
        }
        if let Some(call) =
            function_call.filter(|_| !has_calls && (self.has_function_call || self.calls.is_empty()))
        {
            let held = self.calls.len();
            self.push(Some(source.choice * CALLS_PER_CHOICE), None, call, source.form, piece)?;
            self.has_function_call |= self.calls.len() > held;
        }
        Ok(())
    }

    fn call(
        &mut self,
        source: Source,
        position: Option<usize>,
        call: ChatCompletionResponseToolCall,
        piece: &mut Piece,
    ) -> Result<(), CodexError> {
        let ChatCompletionResponseToolCall {
            id,
            index,
            function,
            custom,
            extra_content,
            name,
            arguments,
            input,
            parameters,
        } = call;
        if id.is_none()
            && index.is_none()
            && function.is_none()
            && custom.is_none()
            && name.is_none()
            && arguments.is_none()
            && input.is_none()
        {
            let message = "the server's response holds a tool call that cannot be read";
            return Err(CodexError::new(ErrorCategory::Parse, message).maybe_processed());
        }
        let is_custom = custom.is_some();
        let held = piece.tool_calls.len();
        let flat = ChatCompletionResponseFunction { name, arguments, input, parameters };
        let function = function.or(custom).unwrap_or(flat);
        let index = json::index(index.as_ref()).or(position);
        let id = json::into_text(id);
        self.push(
            index.map(|index| index.saturating_add(source.choice * CALLS_PER_CHOICE)),
            id,
            function,
            source.form,
            piece,
        )?;
        for delta in piece.tool_calls.iter_mut().skip(held) {
            if is_custom {
                delta.kind = ToolCallKind::Custom;
            }
            if let Some(content) = extra_content.as_ref().filter(|content| !json::is_empty(content)) {
                self.extra_contents.push((delta.index, content.clone()));
            }
        }
        Ok(())
    }

    fn push(
        &mut self,
        index: Option<usize>,
        id: Option<String>,
        function: ChatCompletionResponseFunction,
        form: Form,
        piece: &mut Piece,
    ) -> Result<(), CodexError> {
        let ChatCompletionResponseFunction { name, arguments, input, parameters } = function;
        let name = json::into_text(name);
        let arguments = calls::arguments(arguments.or(input).or(parameters));
        let fragment = ToolCallFragment::new(index, id.as_deref(), name.as_deref(), arguments);
        let push = match form {
            Form::Delta => ToolCallAccumulator::push_fragment,
            Form::Snapshot | Form::Message { .. } => ToolCallAccumulator::push_whole,
        };
        piece.tool_calls.extend(self.calls.push(fragment, push)?);
        Ok(())
    }

    fn note_unread(&mut self, place: &str, value: Value) {
        let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
        self.unknown.add_value(place, kind);
        self.unread.get_or_insert(value);
    }
}

/// The text of a field that should be text.
fn into_content(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => content::text_of(&other),
    }
}
