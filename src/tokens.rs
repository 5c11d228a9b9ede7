//! Token counts of texts and whole requests, before they are sent. Pure.
//!
//! A text's count is exact with the feature `tokens`. A request's is an estimate in any case, since OpenAI does not publish
//! how it writes a conversation out for a model; the rules here reproduce the counts that servers reported for known
//! requests, which are kept in `tests/tokens/recorded.json` with where each comes from. [`TokenCount::error`] holds for all
//! of them.

mod estimate;
mod file;
mod image;
mod limit;
mod schema;
mod text;

use serde_json::{Value, json};
use tachikoma_backends_core::{
    CompletionRequest, ContentPart, Message, MessageContent, ResponseFormat, Role, ToolSpec, Usage,
};

pub(crate) use self::estimate::Estimate;
pub(crate) use self::limit::{most, too_long};
pub(crate) use self::text::Measure;
use crate::models::{Encoding, ImageTokens};
use crate::target::{Target, WireApi};

/// The most tokens of the instructions that come with a hosted tool; not measured.
const HOSTED_TOOL: u64 = 2000;

/// What a message costs beside its texts: the marks around it, and its role.
const MESSAGE: u64 = 3 + 1;

/// What a speaker's name costs beside its own tokens.
const NAME: u64 = 1;

/// The beginning of the answer, which the server writes itself. Models that reason were reported with one token less.
const ANSWER: Estimate = Estimate { tokens: 3, error: 2 };

/// What a tool call costs beside the tool's name and its arguments: 3 to 15 tokens were reported.
const TOOL_CALL: Estimate = Estimate { tokens: 7, error: 8 };

/// The heading above the definitions of tools, with instructions in front of which it takes fewer tokens.
const TOOLS: Estimate = Estimate { tokens: 9, error: 8 };
const TOOLS_AFTER_INSTRUCTIONS: Estimate = Estimate { tokens: 5, error: 8 };

/// The heading above the schema of an answer.
const FORMAT: Estimate = Estimate { tokens: 8, error: 8 };

/// What servers of open weights write in front of every conversation in the harmony format: who the model is, the date, the
/// effort.
const HARMONY: Estimate = Estimate { tokens: 60, error: 20 };

/// How many tokens a request has, by part: see
/// [`CodexBackend::count_request_tokens`](crate::CodexBackend::count_request_tokens).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenCount {
    /// What the server is likely to count.
    pub tokens: u32,
    /// How far from it the server's count may be, either way.
    pub error: u32,
    /// Whether texts were counted by the model's own encoding. Else a quarter of their bytes was taken, or another encoding
    /// for a model whose own is not known, and [`error`](Self::error) is what holds for every text: a token has at least one
    /// byte.
    pub exact_texts: bool,
    /// Of [`tokens`](Self::tokens): the turns, tool calls and their results included, images and files not.
    pub messages: u32,
    /// Of [`tokens`](Self::tokens): the definitions of tools.
    pub tools: u32,
    /// Of [`tokens`](Self::tokens): the schema of the answer.
    pub response_format: u32,
    /// Of [`tokens`](Self::tokens): the images.
    pub images: u32,
    /// Of [`tokens`](Self::tokens): the files.
    pub files: u32,
}

impl TokenCount {
    /// The least that the server may count.
    pub fn at_least(&self) -> u32 {
        self.tokens.saturating_sub(self.error)
    }

    /// The most that the server may count.
    pub fn at_most(&self) -> u32 {
        self.tokens.saturating_add(self.error)
    }

    /// The same count, corrected by the usage of an earlier response: what the server counted for the request of that response,
    /// whose own count was `earlier`, and the difference between the two counts. Only the margin of error of that difference is
    /// left. The counts by part stay as they are.
    ///
    /// The correction holds where this request continues the earlier one, with the same model, tools and settings. Without a count of
    /// the prompt in the usage, or where this request is shorter than the earlier one, the count is returned unchanged.
    ///
    /// ```
    /// # use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig, CompletionRequest, Message};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = tachikoma_openai_mock::MockServer::start().await?;
    /// # let backend = CodexBackend::new(CodexBackendConfig::new("sk-...").with_base_url(server.base_url()))?;
    /// # let request = CompletionRequest::user("Hello");
    /// let earlier = backend.count_request_tokens(&request);
    /// let response = backend.try_complete(request.clone()).await?;
    /// let next = request.with_message(response.to_message()).with_message(Message::user("Go on."));
    /// let mut count = backend.count_request_tokens(&next);
    /// if let Some(usage) = response.usage {
    ///     count = count.corrected_by(&earlier, &usage);
    /// }
    /// assert!(count.tokens > earlier.tokens);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn corrected_by(self, earlier: &Self, usage: &Usage) -> Self {
        match self.tokens.checked_sub(earlier.tokens) {
            Some(added) if usage.prompt_tokens > 0 => Self {
                tokens: usage.prompt_tokens.saturating_add(added),
                error: self.error.saturating_sub(earlier.error),
                ..self
            },
            _ => self,
        }
    }
}

/// The tokens of a text as this encoding has them; where it is not known, as `o200k_base` has them. Without the feature
/// `tokens`, a quarter of the bytes.
pub(crate) fn of_text(encoding: Option<Encoding>, text: &str) -> u32 {
    Measure::of(encoding).count(text).tokens()
}

/// The tokens of a request to this target.
pub(crate) fn of_request(request: &CompletionRequest, target: &Target) -> TokenCount {
    count(Measure::of(target.spec.encoding), request, target)
}

/// A number of tokens that the request surely does not exceed, which takes no time to find.
fn ceiling(request: &CompletionRequest, target: &Target) -> u32 {
    count(Measure::Bytes, request, target).at_most()
}

fn count(measure: Measure, request: &CompletionRequest, target: &Target) -> TokenCount {
    let Target { spec, api, .. } = target;
    let mut messages = ANSWER;
    if spec.encoding == Some(Encoding::O200kHarmony) {
        messages += HARMONY;
    }
    let (mut images, mut files) = (Estimate::default(), Estimate::default());
    let rule = ImageTokens::of(spec);
    for message in &request.messages {
        if let Some(items) = compacted(message, target) {
            messages += items.iter().map(|item| of_compacted(measure, item)).sum();
            continue;
        }
        messages += of_message(measure, message, *api);
        if let MessageContent::Parts(parts) = &message.content {
            for part in parts {
                match part {
                    ContentPart::Image { source, detail, .. } => {
                        images += rule.count(source, *detail, measure)
                    }
                    ContentPart::File { source, .. } => files += file::count(source, spec),
                    ContentPart::Audio { source, .. } => files += file::count_audio(source, spec),
                    ContentPart::Other { part } => files += file::count_other(part, spec),
                    _ => {}
                }
            }
        }
    }
    let begins_with_instructions =
        request.messages.first().is_some_and(|message| message.role == Role::System);
    let tools = of_tools(measure, &request.tools, begins_with_instructions);
    let response_format = of_format(measure, request.response_format.as_ref());
    let all = messages + images + files + tools + response_format;
    TokenCount {
        tokens: all.tokens(),
        error: all.error(),
        exact_texts: measure.is_exact(),
        messages: messages.tokens(),
        tools: tools.tokens(),
        response_format: response_format.tokens(),
        images: images.tokens(),
        files: files.tokens(),
    }
}

/// The Responses API has no names of speakers, and takes reasoning back.
fn of_message(measure: Measure, message: &Message, api: WireApi) -> Estimate {
    let on_responses = api == WireApi::Responses;
    let mut all = Estimate::exactly(MESSAGE);
    match &message.content {
        MessageContent::Text(text) => all += measure.count(text),
        MessageContent::Parts(parts) => {
            for part in parts {
                if let ContentPart::Text { text, .. } = part {
                    all += measure.count(text);
                }
            }
        }
    }
    if let Some(name) = message.name.as_ref().filter(|_| message.role != Role::Tool && !on_responses) {
        all += measure.count(name) + Estimate::exactly(NAME);
    }
    if let Some(refusal) = &message.refusal {
        all += measure.count(refusal);
    }
    for call in &message.tool_calls {
        all += TOOL_CALL + measure.count(&call.name) + measure.count(&call.arguments);
    }
    if let Some(state) = message.provider_state.as_ref().filter(|_| on_responses) {
        all += of_reasoning(&state.data);
    }
    all
}

/// The items that are sent in the place of a message that carries a compaction from this target.
fn compacted<'a>(message: &'a Message, target: &Target) -> Option<&'a [Value]> {
    let state = message.provider_state.as_ref().filter(|state| state.origin == target.state_origin)?;
    state.data.get("compacted")?.as_array().map(Vec::as_slice)
}

/// One of these items; an image in it counts as text of its length.
fn of_compacted(measure: Measure, item: &Value) -> Estimate {
    let content = match item.get("content") {
        Some(Value::String(text)) => measure.count(text),
        Some(Value::Array(parts)) => {
            let texts = parts.iter().map(|part| part.get("text").or(part.get("image_url")));
            texts.filter_map(|text| text?.as_str()).map(|text| measure.count(text)).sum()
        }
        _ => Estimate::default(),
    };
    Estimate::exactly(MESSAGE) + content + of_reasoning(item)
}

/// Reasoning that goes back encrypted. Whether the model reads it again, and how long it is, is unknown outside the server: a token
/// was reported for some 25 characters, and four characters of base64 hold no more than three of text.
fn of_reasoning(state: &Value) -> Estimate {
    match state {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match value {
                Value::String(text) if name == "encrypted_content" => {
                    Estimate::between(0, text.len() as u64 / 4)
                }
                value => of_reasoning(value),
            })
            .sum(),
        Value::Array(items) => items.iter().map(of_reasoning).sum(),
        _ => Estimate::default(),
    }
}

/// Models read the definitions of tools as types of TypeScript.
fn of_tools(measure: Measure, tools: &[ToolSpec], begins_with_instructions: bool) -> Estimate {
    if tools.is_empty() {
        return Estimate::default();
    }
    let heading = if begins_with_instructions { TOOLS_AFTER_INSTRUCTIONS } else { TOOLS };
    let functions: Vec<_> = tools.iter().filter_map(ToolSpec::as_function).collect();
    let others = tools.iter().map(|tool| match tool {
        ToolSpec::Function(_) => Estimate::default(),
        // The server has instructions of its own for each.
        ToolSpec::Hosted(tool) => {
            let settings = Value::Object(tool.settings.clone()).to_string();
            measure.count(&settings) + Estimate::between(0, HOSTED_TOOL)
        }
        tool => measure.count(&json!(tool).to_string()).give_or_take(25),
    });
    let others = others.sum();
    if functions.is_empty() {
        return heading + others;
    }
    heading + measure.count(&schema::namespace(&functions)).give_or_take(10) + others
}

/// Models read the schema of their answer as JSON, without what every strict schema has.
fn of_format(measure: Measure, format: Option<&ResponseFormat>) -> Estimate {
    let Some(ResponseFormat::JsonSchema { name, description, schema, .. }) = format else {
        return Estimate::default();
    };
    let description = description.as_deref().unwrap_or_default();
    let schema = measure.count(&schema::terse(schema).to_string()).give_or_take(25);
    FORMAT + measure.count(name) + measure.count(description) + schema
}
