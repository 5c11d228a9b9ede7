//! The model's output, before either API gives it a shape: from a [`Prompt`] to an [`Answer`], by fixed rules.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::output::OutputItem;
use crate::schema_example::example;
use crate::tokens::{BYTES_PER_TOKEN, whole_characters};

/// Everything that an answer depends on.
#[derive(Debug, Default)]
pub(crate) struct Prompt {
    /// The text of the last user message.
    pub(crate) user: String,
    /// The number of images in it.
    pub(crate) images: usize,
    /// The tool results after it: the tool's name and what it returned.
    pub(crate) results: Vec<(String, String)>,
    /// The tools that may be called.
    pub(crate) tools: Vec<Callable>,
    /// Whether the request asks for reasoning by a field of its own.
    pub(crate) reasons: bool,
    /// Whether one answer may hold several calls.
    pub(crate) parallel: bool,
    pub(crate) format: Format,
    pub(crate) stop: Vec<String>,
    pub(crate) max_tokens: Option<usize>,
}

/// A tool on offer.
#[derive(Debug, Clone)]
pub(crate) struct Callable {
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
    pub(crate) input: Input,
}

/// What a call of a tool consists of.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    /// Arguments that fit this JSON schema.
    Arguments(Value),
    /// Any text: the tool is a custom one. Its grammar is not followed.
    FreeForm,
}

/// The form of the answer's text.
#[derive(Debug, Default)]
pub(crate) enum Format {
    #[default]
    Text,
    JsonObject,
    JsonSchema(Value),
}

/// One answer: a compaction of what came before, reasoning, text and calls, then the scripted items.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) compaction: Option<OutputItem>,
    pub(crate) reasoning: Option<String>,
    pub(crate) content: Option<String>,
    pub(crate) refusal: Option<String>,
    pub(crate) calls: Vec<Call>,
    pub(crate) items: Vec<OutputItem>,
    pub(crate) finish_reason: String,
    /// The code and the message of the error that it ends with.
    pub(crate) failure: Option<(String, String)>,
    /// The scripted number of tokens.
    pub(crate) usage: Option<TokenUsage>,
}

/// The tokens that a scripted reply reports. See [`Reply::with_usage`](crate::Reply::with_usage).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct TokenUsage {
    /// `prompt_tokens` in Chat Completions.
    pub input_tokens: usize,
    /// `completion_tokens` in Chat Completions.
    pub output_tokens: usize,
    /// Those of the input that were cached.
    pub cached_tokens: usize,
    /// Those of the output that were spent on reasoning.
    pub reasoning_tokens: usize,
}

/// A call of a tool that the request offered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
    pub(crate) is_custom: bool,
    /// JSON text, whole or cut, or the input of a custom tool.
    pub(crate) arguments: String,
}

impl Call {
    /// A call of a function.
    pub(crate) fn function(name: impl Into<String>, arguments: impl Into<String>) -> Self {
        Self { name: name.into(), namespace: None, is_custom: false, arguments: arguments.into() }
    }

    fn item(&self) -> OutputItem {
        let item = match self.is_custom {
            true => OutputItem::custom_tool_call(&self.name, &self.arguments),
            false => OutputItem::function_call(&self.name, &self.arguments),
        };
        match &self.namespace {
            Some(namespace) => item.with_field("namespace", namespace.as_str()),
            None => item,
        }
    }
}

impl Default for Answer {
    fn default() -> Self {
        let finish_reason = "stop".to_owned();
        Self {
            compaction: None,
            reasoning: None,
            content: None,
            refusal: None,
            calls: Vec::new(),
            items: Vec::new(),
            finish_reason,
            failure: None,
            usage: None,
        }
    }
}

impl Answer {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { content: Some(text.into()), ..Self::default() }
    }

    /// Everything in it, as items of an output in their order.
    pub(crate) fn output(&self) -> Vec<OutputItem> {
        let mut output: Vec<OutputItem> = self.compaction.iter().cloned().collect();
        output.extend(self.reasoning.iter().map(OutputItem::reasoning));
        let text = self.content.as_ref().map(OutputItem::message);
        let refusal = self.refusal.as_ref().map(OutputItem::refusal);
        output.extend(text.into_iter().chain(refusal));
        output.extend(self.calls.iter().map(Call::item));
        output.extend(self.items.iter().cloned());
        output
    }

    /// The bytes that the completion's tokens are counted from.
    pub(crate) fn bytes(&self) -> usize {
        self.output().iter().map(OutputItem::bytes).sum()
    }

    /// Those of its reasoning.
    pub(crate) fn reasoning_bytes(&self) -> usize {
        self.output().iter().filter(|item| item.kind == "reasoning").map(OutputItem::bytes).sum()
    }

    /// Ends the content before the first stop sequence in it.
    fn stop_at(&mut self, sequences: &[String]) {
        if let Some(content) = &mut self.content
            && let Some(end) =
                sequences.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| content.find(stop)).min()
        {
            content.truncate(end);
        }
    }

    /// Keeps the first `max_tokens` of reasoning, content and arguments, in this order.
    fn limit(&mut self, max_tokens: usize) {
        let whole = self.bytes();
        let mut left = max_tokens.saturating_mul(BYTES_PER_TOKEN);
        let texts = [&mut self.reasoning, &mut self.content].into_iter().flatten();
        for text in texts.chain(self.calls.iter_mut().map(|call| &mut call.arguments)) {
            text.truncate(whole_characters(text, left));
            left -= text.len();
        }
        if self.bytes() < whole {
            self.calls.retain(|call| !call.arguments.is_empty());
            self.finish_reason = "length".to_owned();
        }
    }
}

impl Prompt {
    /// The answer number `choice` of `choices`, from 1.
    pub(crate) fn answer(&self, choice: usize, choices: usize) -> Answer {
        let mut answer = if self.results.is_empty() && !self.tools.is_empty() {
            self.calls()
        } else {
            Answer::text(match &self.format {
                Format::JsonSchema(schema) => example(schema).to_string(),
                Format::JsonObject => json!({ "answer": self.words() }).to_string(),
                Format::Text if choices > 1 => format!("{} (Choice {choice} of {choices}.)", self.words()),
                Format::Text => self.words(),
            })
        };
        if self.reasons || self.asks_for("THINK") {
            answer.reasoning = Some(format!(
                "The request is {}. I will weigh it for a moment, then answer briefly.",
                quoted(&self.user)
            ));
        }
        answer.stop_at(&self.stop);
        if let Some(max_tokens) = self.max_tokens {
            answer.limit(max_tokens);
        }
        answer
    }

    fn calls(&self) -> Answer {
        let number = if self.parallel && self.asks_for("TWO") { 2 } else { 1 };
        let call = |tool: &Callable| Call {
            name: tool.name.clone(),
            namespace: tool.namespace.clone(),
            is_custom: matches!(tool.input, Input::FreeForm),
            arguments: match &tool.input {
                Input::Arguments(schema) => example(schema).to_string(),
                Input::FreeForm => "example".to_owned(),
            },
        };
        Answer {
            calls: self.tools.iter().cycle().take(number).map(call).collect(),
            finish_reason: "tool_calls".to_owned(),
            ..Answer::default()
        }
    }

    fn words(&self) -> String {
        if !self.results.is_empty() {
            let results = self
                .results
                .iter()
                .map(|(name, result)| format!("The tool {name} returned {}.", quoted(result)));
            let results = results.collect::<Vec<_>>().join(" ");
            return format!("{results} With that I can answer {}.", quoted(&self.user));
        }
        if ["hello", "hi", "hey"].iter().any(|greeting| self.asks_for(greeting)) {
            return "Hello! I am the assistant of the mock server, and the same request always gets the same \
                    answer from me. How can I help you today?"
                .to_owned();
        }
        let seen = match (self.user.is_empty(), self.images) {
            (true, 0) => "There is no user message to answer.".to_owned(),
            (_, 0) => format!("You said {}.", quoted(&self.user)),
            (_, images) => format!("You said {} and sent {images} image(s).", quoted(&self.user)),
        };
        format!(
            "{seen} This answer comes from the mock server: it costs nothing and is the same every time. \
             Point the base URL at a real server to hear what a model makes of it."
        )
    }

    /// Whether the user's text holds this word; a word in capitals must be in capitals there too.
    fn asks_for(&self, word: &str) -> bool {
        self.user
            .split(|c: char| !c.is_alphanumeric())
            .any(|part| part == word || (word != word.to_uppercase() && part.eq_ignore_ascii_case(word)))
    }
}

/// The text in quotation marks, a long one without its end.
fn quoted(text: &str) -> String {
    const LONGEST: usize = 200;
    let start: String = text.chars().take(LONGEST).collect();
    let more = if start.len() < text.len() { "…" } else { "" };
    format!("\"{start}{more}\"")
}
