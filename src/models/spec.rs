//! What is known of one model, and the questions that the rest of the crate asks of it.

use serde::{Deserialize, Serialize};
use tachikoma_backends_core::ReasoningEffort;

use super::date::Date;
use super::efforts::Efforts;
use super::image::ImageTokens;
use super::price::Prices;

/// Whether a model can do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Support {
    /// It can.
    Yes,
    /// It cannot.
    No,
    /// No source states it, or the sources contradict each other. Taken as yes: the server decides.
    Unknown,
}

impl Support {
    /// Whether there is a chance: yes or unknown.
    pub const fn is_possible(self) -> bool {
        !matches!(self, Self::No)
    }
}

impl From<bool> for Support {
    fn from(can: bool) -> Self {
        if can { Self::Yes } else { Self::No }
    }
}

/// The field of Chat Completions that limits the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenParameter {
    /// `max_tokens`.
    MaxTokens,
    /// `max_completion_tokens`.
    MaxCompletionTokens,
}

/// When a model takes `temperature`, `top_p` and `logprobs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Always.
    Allowed,
    /// Where the reasoning effort is `none`.
    OnlyWithoutReasoning,
    /// Never.
    Rejected,
}

/// The role of the instructions to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InstructionRole {
    /// `system`.
    System,
    /// `developer`. `system` is taken for it, but not both in one request.
    Developer,
    /// The model has no such role: instructions go into a `user` turn.
    UserOnly,
}

/// How text becomes tokens, in tiktoken's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// `cl100k_base`.
    #[serde(rename = "cl100k_base")]
    Cl100kBase,
    /// `o200k_base`.
    #[serde(rename = "o200k_base")]
    O200kBase,
    /// `o200k_harmony`.
    #[serde(rename = "o200k_harmony")]
    O200kHarmony,
}

/// One row of the model table.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ModelSpec {
    /// The id as the API spells it.
    pub id: &'static str,
    /// Further names of the same model.
    pub aliases: &'static [&'static str],
    /// Suffixes of its dated snapshots, for example `2026-03-05`. A snapshot that differs has a row of its own.
    pub snapshots: &'static [&'static str],
    /// Input and output together, in tokens.
    pub context_window: Option<u32>,
    /// Input, in tokens.
    pub max_input_tokens: Option<u32>,
    /// Output, in tokens, reasoning included.
    pub max_output_tokens: Option<u32>,
    /// Takes images.
    pub image_input: Support,
    /// Takes files (PDF).
    pub file_input: Support,
    /// Takes audio.
    pub audio_input: Support,
    /// Calls tools.
    pub tools: Support,
    /// Makes several calls in one answer.
    pub parallel_tool_calls: Support,
    /// Answers by a JSON Schema.
    pub structured_outputs: Support,
    /// Answers with some JSON object.
    pub json_mode: Support,
    /// Streams its answer.
    pub streaming: Support,
    /// Reasons before it answers.
    pub reasoning: Support,
    /// The efforts it supports, ascending. Empty where it does not reason, and where they are unknown.
    pub efforts: Efforts,
    /// Its effort where a request names none.
    pub default_effort: Option<ReasoningEffort>,
    /// Answers on Chat Completions.
    pub chat: Support,
    /// Answers on the Responses API.
    pub responses: Support,
    /// On Chat Completions, takes tools only together with the effort `none`.
    pub chat_tools_require_effort_none: bool,
    /// The field that limits the answer on Chat Completions; `None` where the server decides.
    pub token_parameter: Option<TokenParameter>,
    /// When it takes `temperature`, `top_p` and `logprobs`.
    pub sampling: Sampling,
    /// Takes `presence_penalty`, `frequency_penalty` and `logit_bias`.
    pub penalties: Support,
    /// Takes stop texts.
    pub stop: Support,
    /// Takes options of its prompt cache and breakpoints in it.
    pub cache_breakpoints: Support,
    /// The role of its instructions.
    pub instruction_role: InstructionRole,
    /// How it counts tokens.
    pub encoding: Option<Encoding>,
    /// The day on which OpenAI shuts it down, where one is announced.
    pub shutdown: Option<Date>,
    /// What it costs.
    pub prices: Option<Prices>,
    /// What long inputs cost more, where they do.
    pub long_context: Option<LongContext>,
    /// Searches the web for every response, on Chat Completions, where the response does not list it.
    pub searches_web: bool,
    /// How its images become tokens. A row without it has that of its family.
    pub(crate) image_tokens: Option<ImageTokens>,
}

/// From how much input on a request costs more, and how much more.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LongContext {
    /// With more input than this, in tokens.
    pub from: u32,
    /// How many times its usual price all input costs.
    pub input_factor: f64,
    /// How many times its usual price all output costs.
    pub output_factor: f64,
}

impl LongContext {
    /// With more than `from` tokens of input, all input costs `input_factor` times its usual price, and all output
    /// `output_factor` times.
    pub const fn new(from: u32, input_factor: f64, output_factor: f64) -> Self {
        Self { from, input_factor, output_factor }
    }
}

const NONE: ReasoningEffort = ReasoningEffort::None;

impl ModelSpec {
    /// A model of which nothing is known: everything is left to the server.
    pub const UNKNOWN: Self = Self {
        id: "",
        aliases: &[],
        snapshots: &[],
        context_window: None,
        max_input_tokens: None,
        max_output_tokens: None,
        image_input: Support::Unknown,
        file_input: Support::Unknown,
        audio_input: Support::Unknown,
        tools: Support::Unknown,
        parallel_tool_calls: Support::Unknown,
        structured_outputs: Support::Unknown,
        json_mode: Support::Unknown,
        streaming: Support::Unknown,
        reasoning: Support::Unknown,
        efforts: Efforts::NONE,
        default_effort: None,
        chat: Support::Unknown,
        responses: Support::Unknown,
        chat_tools_require_effort_none: false,
        token_parameter: None,
        sampling: Sampling::Allowed,
        penalties: Support::Unknown,
        stop: Support::Unknown,
        cache_breakpoints: Support::Unknown,
        instruction_role: InstructionRole::System,
        encoding: None,
        shutdown: None,
        prices: None,
        long_context: None,
        searches_web: false,
        image_tokens: None,
    };

    /// All names in its row: the id, the aliases, the dated snapshots.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let dated = self.snapshots.iter().map(|date| format!("{}-{date}", self.id));
        [self.id].into_iter().chain(self.aliases.iter().copied()).map(str::to_owned).chain(dated)
    }

    /// The most input that it reads, in tokens, where it is known.
    pub fn input_limit(&self) -> Option<u32> {
        self.max_input_tokens.or(self.context_window)
    }

    /// Whether it supports this reasoning effort.
    pub fn takes_effort(&self, effort: ReasoningEffort) -> Support {
        match (self.efforts.contains(&effort), self.efforts.is_empty(), self.reasoning) {
            (true, _, _) => Support::Yes,
            (_, false, _) | (_, _, Support::No) => Support::No,
            _ => Support::Unknown,
        }
    }

    /// Whether this effort is one that OpenAI takes only on the Responses API, whichever the model.
    pub const fn is_responses_only(effort: ReasoningEffort) -> bool {
        matches!(effort, ReasoningEffort::Max)
    }

    /// Whether it takes tools on Chat Completions together with this effort, which the request states. Where only the effort
    /// `none` will do and the model does not take that, it takes no tools there at all.
    pub fn takes_chat_tools(&self, effort: Option<ReasoningEffort>) -> Support {
        match self.reasoning {
            _ if !self.chat_tools_require_effort_none => Support::Yes,
            _ if effort == Some(NONE) && self.takes_effort(NONE).is_possible() => Support::Yes,
            Support::Yes => Support::No,
            _ => Support::Unknown,
        }
    }

    /// The effort to send: the one that was asked for, or `none` where tools are offered on Chat Completions that the model
    /// takes only so. To a model that does not reason, `none` is not sent.
    pub fn effort(&self, asked: Option<ReasoningEffort>, chat_tools: bool) -> Option<ReasoningEffort> {
        let takes = |effort| self.takes_chat_tools(effort) == Support::Yes;
        match asked {
            None if chat_tools && !takes(None) => takes(Some(NONE)).then_some(NONE),
            Some(NONE) if self.reasoning == Support::No => None,
            asked => asked,
        }
    }

    /// Whether it takes `temperature`, `top_p` and `logprobs` at this effort (`None`: the model's own default).
    pub fn takes_temperature(&self, effort: Option<ReasoningEffort>) -> bool {
        match self.sampling {
            Sampling::Allowed => true,
            Sampling::OnlyWithoutReasoning => effort.or(self.default_effort) == Some(NONE),
            Sampling::Rejected => false,
        }
    }

    /// Whether it takes `stop` at this effort (`None`: the model's own default). Sources deny it of models that reason, and of
    /// one that can do without they leave open whether it does then.
    pub fn takes_stop(&self, effort: Option<ReasoningEffort>) -> Support {
        let is_open = self.sampling == Sampling::OnlyWithoutReasoning && self.takes_temperature(effort);
        if self.stop == Support::No && is_open { Support::Unknown } else { self.stop }
    }
}
