//! What the choices of a response hold. One is asked for, so that all that come are parts of one response: some gateways put the
//! text into the first and the tool calls into the second.

use serde_json::{Value, json};
use tachikoma_backends_core::{ErrorCategory, FinishReason, ToolCallFragment};

use super::content::{self, Content};
use super::finish;
use crate::absorbed::Unknown;
use crate::decode::answer::{self, Piece};
use crate::decode::calls::{self, OpenCalls};
use crate::decode::json;
use crate::decode::streamed::Streamed;
use crate::error::CodexError;
use crate::openai::types::{
    ChatCompletionResponseChoice, ChatCompletionResponseFunction, ChatCompletionResponseMessage,
    ChatCompletionResponseToolCall,
};

/// How far apart the indices of the calls of two choices are made: each choice may count from 0.
const CALLS_OF_A_CHOICE: usize = 1 << 20;

/// More choices than any server makes of one.
const MAX_CHOICES: usize = 128;

/// What the choices of one response have held so far.
#[derive(Debug)]
pub(super) struct Choices {
    calls: OpenCalls,
    /// The calls came as the older `function_call`.
    has_function_call: bool,
    text: Channel,
    reasoning: Channel,
    refusal: Channel,
    /// The indices of the choices, in the order in which they came.
    seen: Vec<usize>,
    /// The choice that is the response, by its place; decided once it has content.
    first: usize,
    is_decided: bool,
    /// The choices of which calls were read, a bit for each. How the others ended does not matter, but for the first one.
    read: u128,
    /// The word of a finish reason that means that the server failed.
    pub(super) failure: Option<String>,
    /// The last finish reason of each choice that has one.
    reasons: Vec<(usize, String)>,
    /// Content that is not read, the first of it.
    unread: Option<Value>,
    pub(super) unknown: Unknown,
}

/// The text of one kind. It is the first choice's; what another choice has of it is an alternative, and counts only where the
/// first one has none.
#[derive(Debug, Default)]
struct Channel {
    streamed: Streamed,
    alternative: Option<(usize, String)>,
}

/// Where a message comes from.
#[derive(Clone, Copy)]
struct Source {
    /// The choice, by its place.
    choice: usize,
    /// Whether that is the response.
    is_first: bool,
    form: Form,
}

/// How a message relates to what came before.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// The next piece.
    Delta,
    /// The whole message once more, beside or after its pieces.
    Snapshot,
    /// A message that may be either, as can be told by its beginning.
    Message { is_last: bool },
}

impl Choices {
    pub(super) fn new(max_tool_calls: usize, max_call_bytes: usize) -> Self {
        Self {
            calls: OpenCalls::new(max_tool_calls, max_call_bytes),
            has_function_call: false,
            text: Channel::default(),
            reasoning: Channel::default(),
            refusal: Channel::default(),
            seen: Vec::new(),
            first: 0,
            is_decided: false,
            read: 0,
            failure: None,
            reasons: Vec::new(),
            unread: None,
            unknown: Unknown::default(),
        }
    }

    /// Adds what a choice of an event holds. Returns whether it has a finish reason.
    ///
    /// # Errors
    /// It is an error, or holds what cannot be read and would be lost.
    pub(super) fn read(
        &mut self,
        position: usize,
        choice: ChatCompletionResponseChoice,
        piece: &mut Piece,
    ) -> Result<bool, CodexError> {
        let ChatCompletionResponseChoice { delta, message, text, error, finish_reason, index } = choice;
        if let Some(error) = error.filter(|error| !json::is_empty(error)) {
            let body = json!({ "error": error });
            return Err(answer::absent(&body, "choice").maybe_processed());
        }
        let index = json::index(index.as_ref()).unwrap_or(position);
        let ordinal = self.ordinal(index)?;
        let is_first = ordinal == self.first;
        let word = finish_reason.filter(|word| !json::is_empty(word)).map(|word| match word {
            Value::String(word) => word,
            other => other.to_string(),
        });
        let (held, held_text, held_calls) = (piece.size(), piece.text.len(), piece.tool_calls.len());
        if let Some(delta) = delta {
            self.message(Source { choice: ordinal, is_first, form: Form::Delta }, delta, piece)?;
        }
        if let Some(message) = message {
            let is_beside_delta = piece.size() > held;
            let form =
                if is_beside_delta { Form::Snapshot } else { Form::Message { is_last: word.is_some() } };
            self.message(Source { choice: ordinal, is_first, form }, message, piece)?;
        }
        // Completion models have their text beside the message; where there are both, it is the same.
        if let Some(text) = text.filter(|_| piece.text.len() == held_text) {
            let (text, form) = (content::text_of(&text), Form::Message { is_last: word.is_some() });
            let source = Source { choice: ordinal, is_first, form };
            self.text.add(source, text, &mut piece.text, &mut self.unknown);
        }
        if piece.tool_calls.len() > held_calls {
            self.read |= 1 << ordinal;
        }
        self.is_decided |= is_first && piece.size() > held;
        let Some(word) = word else { return Ok(false) };
        if finish::meaning(&word, false) == FinishReason::Error {
            self.failure = Some(word);
            return Ok(true);
        }
        match self.reasons.iter_mut().find(|(held, _)| *held == ordinal) {
            Some((_, held)) => *held = word,
            None => self.reasons.push((ordinal, word)),
        }
        Ok(true)
    }

    /// Notes which choices an event holds, before what they hold: of all that have come by then, the one with the lowest index is
    /// the response.
    ///
    /// # Errors
    /// There are too many.
    pub(super) fn announce(&mut self, choices: &[ChatCompletionResponseChoice]) -> Result<(), CodexError> {
        if choices.len() == 1 && self.is_decided {
            return Ok(());
        }
        for (position, choice) in choices.iter().enumerate() {
            self.ordinal(json::index(choice.index.as_ref()).unwrap_or(position))?;
        }
        if !self.is_decided {
            let lowest = self.seen.iter().enumerate().min_by_key(|(_, index)| **index);
            self.first = lowest.map_or(0, |(ordinal, _)| ordinal);
        }
        Ok(())
    }

    /// The place of a choice among those that have come.
    fn ordinal(&mut self, index: usize) -> Result<usize, CodexError> {
        if let Some(ordinal) = self.seen.iter().position(|seen| *seen == index) {
            return Ok(ordinal);
        }
        if self.seen.len() >= MAX_CHOICES {
            let message =
                format!("the server's response has more than {MAX_CHOICES} choices; one was asked for");
            return Err(CodexError::new(ErrorCategory::Parse, message).maybe_processed());
        }
        self.seen.push(index);
        Ok(self.seen.len() - 1)
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
            refusal,
            tool_calls,
            function_call,
            audio,
            images,
        } = message;
        // Nearly all that comes is one text, or in a tool call nothing.
        match content {
            Some(Value::String(text)) => {
                self.text.add(source, text, &mut piece.text, &mut self.unknown);
            }
            None => {}
            content => {
                let Content { text, reasoning, refusal, unread } = Content::read(content)?;
                self.text.add(source, text, &mut piece.text, &mut self.unknown);
                self.reasoning.add(source, reasoning, &mut piece.reasoning, &mut self.unknown);
                self.refusal.add(source, refusal, &mut piece.refusal, &mut self.unknown);
                unread.into_iter().for_each(|part| self.note_unread("content[].type", part));
            }
        }
        if reasoning.is_some() || reasoning_content.is_some() {
            // Servers that have both fields have the same in both.
            let texts = [reasoning_content, reasoning].into_iter().flatten().map(into_content);
            if let Some(text) = texts.into_iter().find(|text| !text.is_empty()) {
                self.reasoning.add(source, text, &mut piece.reasoning, &mut self.unknown);
            }
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
            // The transcript is what the model said.
            let transcript = audio.get("transcript").map(content::text_of).unwrap_or_default();
            self.text.add(source, transcript, &mut piece.text, &mut self.unknown);
            if !json::is_empty(audio.get("data").unwrap_or_default()) {
                self.note_unread("audio", json!({ "audio": audio }));
            }
        }
        if let Some(images) = images.filter(|images| images.is_array() && !json::is_empty(images)) {
            self.note_unread("images", json!({ "images": images }));
        }
        let has_calls = tool_calls.as_ref().is_some_and(|calls| !calls.is_empty());
        for (position, call) in tool_calls.into_iter().flatten().enumerate() {
            self.call(source, position, call, piece)?;
        }
        if let Some(call) =
            function_call.filter(|_| !has_calls && (self.has_function_call || self.calls.is_empty()))
        {
            let held = self.calls.len();
            self.push(Some(source.choice * CALLS_OF_A_CHOICE), None, call, source.form, piece)?;
            self.has_function_call |= self.calls.len() > held;
        }
        Ok(())
    }

    fn call(
        &mut self,
        source: Source,
        position: usize,
        call: ChatCompletionResponseToolCall,
        piece: &mut Piece,
    ) -> Result<(), CodexError> {
        let ChatCompletionResponseToolCall { id, index, function, custom, name, arguments } = call;
        if id.is_none()
            && index.is_none()
            && function.is_none()
            && custom.is_none()
            && name.is_none()
            && arguments.is_none()
        {
            let message = "the server's response holds a tool call that cannot be read";
            return Err(CodexError::new(ErrorCategory::Parse, message).maybe_processed());
        }
        let flat = ChatCompletionResponseFunction { name, arguments, input: None };
        let function = function.or(custom).unwrap_or(flat);
        let index = json::index(index.as_ref());
        // A message lists its calls, whether it numbers them or not.
        let index = if source.form == Form::Delta { index } else { index.or(Some(position)) };
        let id = json::into_text(id);
        self.push(
            index.map(|index| index.saturating_add(source.choice * CALLS_OF_A_CHOICE)),
            id,
            function,
            source.form,
            piece,
        )
    }

    fn push(
        &mut self,
        index: Option<usize>,
        id: Option<String>,
        function: ChatCompletionResponseFunction,
        form: Form,
        piece: &mut Piece,
    ) -> Result<(), CodexError> {
        let ChatCompletionResponseFunction { name, arguments, input } = function;
        let name = json::into_text(name);
        let fragment = ToolCallFragment {
            index,
            id: id.as_deref(),
            name: name.as_deref(),
            arguments: calls::arguments(arguments.or(input)).into(),
        };
        let delta = match form {
            Form::Delta => self.calls.push(fragment)?,
            Form::Snapshot | Form::Message { .. } => self.calls.push_whole(fragment)?,
        };
        piece.tool_calls.extend(delta);
        Ok(())
    }

    fn note_unread(&mut self, place: &str, value: Value) {
        let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
        self.unknown.value(place, kind);
        self.unread.get_or_insert(value);
    }

    /// Whether nothing has been read.
    pub(super) fn is_empty(&self) -> bool {
        let is_empty = |channel: &Channel| channel.streamed.is_empty() && channel.alternative.is_none();
        self.calls.is_empty() && [&self.text, &self.reasoning, &self.refusal].into_iter().all(is_empty)
    }

    /// The content that was not read.
    pub(super) fn take_unread(&mut self) -> Option<Value> {
        self.unread.take()
    }

    pub(super) fn has_finish(&self) -> bool {
        !self.reasons.is_empty()
    }

    /// What ended the response, with the server's word for it: of several choices, the reason that takes most away.
    pub(super) fn finish_reason(&mut self) -> Option<(FinishReason, String)> {
        let has_calls = !self.calls.is_empty();
        let reasons = std::mem::take(&mut self.reasons).into_iter();
        let reasons = reasons.filter(|(choice, _)| {
            *choice == self.first || self.read & (1 << choice) != 0 || self.is_alternative(*choice)
        });
        let meanings = reasons.map(|(_, word)| (finish::meaning(&word, has_calls), word));
        meanings.max_by_key(|(reason, _)| finish::severity(*reason))
    }

    /// Whether the text of the response is this choice's.
    fn is_alternative(&self, choice: usize) -> bool {
        let holds = |channel: &Channel| {
            channel.streamed.is_empty()
                && channel.alternative.as_ref().is_some_and(|(held, _)| *held == choice)
        };
        [&self.text, &self.reasoning, &self.refusal].into_iter().any(holds)
    }

    /// What another choice holds of text, reasoning and refusal where the first one has none.
    pub(super) fn take_alternative(&mut self) -> (String, String, String) {
        (self.text.take_alternative(), self.reasoning.take_alternative(), self.refusal.take_alternative())
    }

    /// Whether every call has arguments that can be all of them.
    pub(super) fn has_complete_arguments(&self) -> bool {
        self.calls.has_complete_arguments()
    }

    /// The reason of a response that has none: no evidence that its calls are whole.
    pub(super) fn reason_without_word(&self) -> FinishReason {
        if self.calls.is_empty() { FinishReason::Stop } else { FinishReason::Other }
    }

    pub(super) fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    /// The response is over.
    ///
    /// # Errors
    /// A tool call has no name.
    pub(super) fn end(&mut self, reason: FinishReason) -> Result<(), CodexError> {
        self.calls.finish(reason.ends_turn())
    }
}

impl Channel {
    fn add_alternative(&mut self, choice: usize, text: &str, unknown: &mut Unknown) {
        let (held_choice, held) = self.alternative.get_or_insert_with(|| (choice, String::new()));
        if *held_choice != choice || held.len() + text.len() > MAX_ALTERNATIVE || !self.streamed.is_empty() {
            unknown.value("choices[]", "alternative");
            return;
        }
        held.push_str(text);
    }

    /// The alternative, where the first choice has nothing.
    fn take_alternative(&mut self) -> String {
        let held = self.alternative.take().filter(|_| self.streamed.is_empty());
        held.map(|(_, text)| text).unwrap_or_default()
    }

    /// Adds what `text` brings to what has been passed on.
    fn add(&mut self, source: Source, text: String, piece: &mut String, unknown: &mut Unknown) {
        let Source { choice, is_first, form } = source;
        if text.is_empty() {
            return;
        }
        if !is_first {
            self.add_alternative(choice, &text, unknown);
            return;
        }
        let rest = match form {
            Form::Delta => None,
            Form::Snapshot if self.streamed.covers(&text) => return,
            Form::Message { is_last: true } if text.len() >= SURE && self.streamed.covers(&text) => return,
            // A server that writes its pieces as messages may begin one as it began the first.
            Form::Message { is_last: false } if self.streamed.len() < SURE => None,
            Form::Snapshot | Form::Message { .. } => self.streamed.rest(&text).map(str::len),
        };
        if form == Form::Snapshot && rest.is_none() {
            unknown.value("choices[].message", "other text");
            return;
        }
        let rest = rest.map_or(0, |rest| text.len() - rest);
        let text = if rest == 0 { text } else { text.get(rest..).unwrap_or_default().to_owned() };
        self.streamed.add(&text);
        if piece.is_empty() {
            *piece = text;
        } else {
            piece.push_str(&text);
        }
    }
}

/// How much text of another choice is kept, in bytes.
const MAX_ALTERNATIVE: usize = 16 << 20;

/// From how many bytes on a message that begins with all the text so far repeats it.
const SURE: usize = 8;

/// The text of a field that should be text.
fn into_content(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => content::text_of(&other),
    }
}
