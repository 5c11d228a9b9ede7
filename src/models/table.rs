//! The model table: what OpenAI's models can do, one row a model.
//!
//! A new model is a new row of `MODELS`: its cells, and `..BASE` for what it shares with others. A model that OpenAI serves is
//! named in front (`GPT_5_6_TERRA = ...`), which makes it a constant of [`OpenAIModel`]; dated snapshots and models that have
//! been shut down are not. What the sources leave open stays `None` or `Unknown`, and nothing is refused because of it.
//!
//! The facts were compared on 2026-11-22: OpenAI's model pages, its API document and its Python SDK (ids and shutdown dates)
//! against the tables of LiteLLM, LangChain, Pydantic AI and models.dev. Where these contradict each other, a limit or a rule
//! follows OpenAI's page or a measurement, and what only one doubtful flag denies is `Unknown`.
//!
//! Prices in other tiers are those of LiteLLM 1.109.1 (`model_prices_and_context_window`, from OpenAI's pricing page), which agree
//! with OpenAI's page on fast mode where that names the model; writes to the cache follow OpenAI's guide on prompt caching.
//! Compared on 2026-11-28.

use tachikoma_backends_core::ReasoningEffort::{self, High, Low, Max, Medium, Minimal, XHigh};

use super::OpenAIModel;
use super::date::Date;
use super::efforts::Efforts;
use super::image::ImageTokens;
use super::price::{ALL_TIERS, BATCH, FAST, FLEX, FREE_WRITES, PAID_WRITES, Prices, STANDARD_ONLY, Terms};
use super::spec::Encoding::{Cl100kBase, O200kBase, O200kHarmony};
use super::spec::Sampling::{Allowed, OnlyWithoutReasoning, Rejected};
use super::spec::Support::{No, Unknown, Yes};
use super::spec::{InstructionRole, LongContext, ModelSpec, TokenParameter};

const UNKNOWN: ModelSpec = ModelSpec::UNKNOWN;

/// No reasoning.
const OFF: ReasoningEffort = ReasoningEffort::None;

/// USD for a million tokens of input, cached input and output in the standard tier, and what follows for the rest.
const fn usd(input: f64, cached_input: Option<f64>, output: f64, terms: Terms) -> Option<Prices> {
    Some(terms.prices(input, cached_input, output))
}

/// With more input than this, OpenAI asks twice the price of input and one and a half times that of output.
const LONG_272K: Option<LongContext> =
    Some(LongContext { from: 272_000, input_factor: 2.0, output_factor: 1.5 });

const fn on(year: u16, month: u8, day: u8) -> Option<Date> {
    Some(Date { year, month, day })
}

/// Makes the table, and a constant of [`OpenAIModel`] for every row that has a name.
macro_rules! models {
    ($($($name:ident =)? $id:literal { $($cells:tt)* })*) => {
        /// Every model of which something is known.
        pub(crate) const MODELS: &[ModelSpec] = &[$(ModelSpec { id: $id, $($cells)* }),*];

        #[allow(missing_docs, reason = "the id is the documentation")]
        impl OpenAIModel {
            $($(
                #[doc = concat!("`", $id, "`")]
                pub const $name: Self = Self::known($id);
            )?)*

            /// The models that have a constant: known, not shut down, without their dated snapshots.
            pub const fn all() -> &'static [Self] {
                const ALL: &[OpenAIModel] = &[$($(OpenAIModel::$name,)?)*];
                ALL
            }
        }
    };
}

// What models have in common. These are bases of rows and families, not models.

#[rustfmt::skip]
mod base {
    use super::*;

    /// The rules of models that answer without reasoning.
    pub(super) const PLAIN_RULES: ModelSpec = ModelSpec {
        reasoning: No, token_parameter: Some(TokenParameter::MaxTokens), sampling: Allowed, penalties: Yes, stop: Yes,
        cache_breakpoints: No, instruction_role: InstructionRole::System, encoding: Some(O200kBase), ..UNKNOWN
    };
    pub(super) const CLASSIC: ModelSpec = ModelSpec {
        audio_input: No, json_mode: Yes, streaming: Yes, chat: Yes, responses: Yes, ..PLAIN_RULES
    };
    pub(super) const GPT_3_5: ModelSpec = ModelSpec {
        context_window: Some(16_385), max_input_tokens: Some(16_385), max_output_tokens: Some(4_096), image_input: No, file_input: No,
        tools: Yes, structured_outputs: No, encoding: Some(Cl100kBase), ..CLASSIC
    };
    pub(super) const GPT_4: ModelSpec = ModelSpec {
        context_window: Some(8_192), max_input_tokens: Some(8_192), max_output_tokens: Some(8_192), image_input: No, file_input: No,
        tools: Yes, structured_outputs: No, json_mode: No, encoding: Some(Cl100kBase), ..CLASSIC
    };
    pub(super) const GPT_4_PREVIEW: ModelSpec = ModelSpec {
        context_window: Some(128_000), max_output_tokens: Some(4_096), structured_outputs: No, encoding: Some(Cl100kBase), ..CLASSIC
    };
    pub(super) const GPT_4O: ModelSpec = ModelSpec {
        context_window: Some(128_000), max_input_tokens: Some(128_000), max_output_tokens: Some(16_384), image_input: Yes, file_input: Yes,
        tools: Yes, parallel_tool_calls: Yes, structured_outputs: Yes, ..CLASSIC
    };
    pub(super) const GPT_4_1: ModelSpec = ModelSpec {
        context_window: Some(1_047_576), max_input_tokens: Some(1_047_576), max_output_tokens: Some(32_768), ..GPT_4O
    };
    pub(super) const SEARCH: ModelSpec = ModelSpec { searches_web: true, image_input: Unknown, json_mode: Unknown, responses: No, ..GPT_4O };
    pub(super) const AUDIO: ModelSpec = ModelSpec {
        image_input: No, file_input: No, audio_input: Yes, structured_outputs: No, json_mode: Unknown, ..GPT_4O
    };

    /// The rules of models that reason before they answer.
    pub(super) const REASONING_RULES: ModelSpec = ModelSpec {
        token_parameter: Some(TokenParameter::MaxCompletionTokens), sampling: Rejected, penalties: No, stop: No,
        instruction_role: InstructionRole::Developer, encoding: Some(O200kBase), ..UNKNOWN
    };
    pub(super) const REASONING: ModelSpec = ModelSpec {
        image_input: Yes, file_input: Yes, audio_input: No, tools: Yes, structured_outputs: Yes, json_mode: Yes, streaming: Yes,
        reasoning: Yes, chat: Yes, responses: Yes, ..REASONING_RULES
    };
    pub(super) const O_RULES: ModelSpec = ModelSpec {
        stop: Unknown, cache_breakpoints: No, context_window: Some(200_000), max_input_tokens: Some(200_000), max_output_tokens: Some(100_000), ..REASONING_RULES
    };
    pub(super) const O_SERIES: ModelSpec = ModelSpec {
        context_window: Some(200_000), max_input_tokens: Some(200_000), max_output_tokens: Some(100_000), parallel_tool_calls: No,
        efforts: Efforts::sorted(&[Low, Medium, High]), default_effort: Some(Medium), stop: Unknown, cache_breakpoints: No,
        ..REASONING
    };
    pub(super) const O1_MINI: ModelSpec = ModelSpec {
        context_window: Some(128_000), image_input: No, file_input: Unknown, audio_input: No, tools: No, structured_outputs: No, json_mode: No,
        streaming: Yes, reasoning: Yes, chat: Yes, responses: No, stop: Unknown, cache_breakpoints: No, instruction_role: InstructionRole::UserOnly,
        ..REASONING_RULES
    };
    /// Its efforts are unverified, hence not listed.
    pub(super) const DEEP_RESEARCH: ModelSpec = ModelSpec {
        tools: Unknown, structured_outputs: No, json_mode: Unknown, efforts: Efforts::NONE, default_effort: None, chat: No, ..O_SERIES
    };
    pub(super) const GPT_5: ModelSpec = ModelSpec {
        context_window: Some(400_000), max_input_tokens: Some(272_000), max_output_tokens: Some(128_000), parallel_tool_calls: Yes,
        efforts: Efforts::sorted(&[Minimal, Low, Medium, High]), default_effort: Some(Medium), cache_breakpoints: No, ..REASONING
    };
    /// Does not reason, although it is called GPT-5.
    pub(super) const GPT_5_CHAT: ModelSpec = ModelSpec { token_parameter: Some(TokenParameter::MaxCompletionTokens), ..GPT_4O };
    /// The effort is fixed. OpenAI's page denies that it reasons, but it rejects what the others reject.
    /// The page's `max_input_tokens` of 272,000 is more than its context window; LiteLLM's number fits.
    pub(super) const CHAT_LATEST: ModelSpec = ModelSpec {
        context_window: Some(128_000), max_input_tokens: Some(128_000), max_output_tokens: Some(16_384),
        efforts: Efforts::sorted(&[Medium]), ..GPT_5
    };
    pub(super) const CODEX: ModelSpec = ModelSpec { efforts: Efforts::sorted(&[Low, Medium, High]), chat: No, ..GPT_5 };
    pub(super) const GPT_5_1: ModelSpec = ModelSpec {
        efforts: Efforts::sorted(&[OFF, Low, Medium, High]), default_effort: Some(OFF), sampling: OnlyWithoutReasoning, ..GPT_5
    };
    pub(super) const GPT_5_2: ModelSpec = ModelSpec { efforts: Efforts::sorted(&[OFF, Low, Medium, High, XHigh]), ..GPT_5_1 };
    pub(super) const GPT_5_4_MINI: ModelSpec = ModelSpec { chat_tools_require_effort_none: true, ..GPT_5_2 };
    pub(super) const GPT_5_4: ModelSpec = ModelSpec {
        context_window: Some(1_050_000), max_input_tokens: Some(922_000), long_context: LONG_272K, ..GPT_5_4_MINI
    };
    pub(super) const GPT_5_5: ModelSpec = ModelSpec { default_effort: Some(Medium), ..GPT_5_4 };
    /// OpenAI's document names it as the first with options and breakpoints of the prompt cache.
    pub(super) const GPT_5_6: ModelSpec = ModelSpec {
        efforts: Efforts::sorted(&[OFF, Low, Medium, High, XHigh, Max]), cache_breakpoints: Yes, ..GPT_5_5
    };
    pub(super) const CYBER_5_5: ModelSpec = ModelSpec {
        reasoning: Yes, efforts: Efforts::sorted(&[OFF, Low, Medium, High, XHigh]), default_effort: Some(Medium), sampling: OnlyWithoutReasoning,
        cache_breakpoints: No, chat_tools_require_effort_none: true, ..REASONING_RULES
    };
    /// Cannot do without reasoning.
    pub(super) const ASTRA: ModelSpec = ModelSpec { efforts: Efforts::sorted(&[Low, Medium, High, XHigh, Max]), sampling: Rejected, ..GPT_5_6 };
    /// Responses only; reasons long.
    pub(super) const PRO: ModelSpec = ModelSpec {
        efforts: Efforts::sorted(&[Medium, High, XHigh]), default_effort: None, sampling: Rejected, chat: No, ..GPT_5
    };
    pub(super) const LONG_PRO: ModelSpec = ModelSpec {
        context_window: Some(1_050_000), max_input_tokens: Some(922_000), long_context: LONG_272K, ..PRO
    };
    /// Of these little more than the id is known. What others of the series reject they may take.
    pub(super) const GPT_6_ID_ONLY: ModelSpec = ModelSpec {
        chat_tools_require_effort_none: true, sampling: OnlyWithoutReasoning, penalties: Unknown, stop: Unknown, ..REASONING_RULES
    };
    /// What is sure of all models of a family, also of those without a row.
    pub(super) const FAMILY_5: ModelSpec = ModelSpec {
        image_tokens: ImageTokens::tiles(70, 140), sampling: OnlyWithoutReasoning, ..REASONING_RULES
    };
    pub(super) const FAMILY_5_4: ModelSpec = ModelSpec { max_output_tokens: Some(128_000), penalties: No, stop: No, ..GPT_6_ID_ONLY };
    pub(super) const FAMILY_5_5: ModelSpec = ModelSpec {
        context_window: Some(1_050_000), max_input_tokens: Some(922_000), long_context: LONG_272K, ..FAMILY_5_4
    };
    pub(super) const TILES_85: Option<ImageTokens> = ImageTokens::tiles(85, 170);
    /// Open weights. Other servers run it with rules of their own.
    pub(super) const GPT_OSS: ModelSpec = ModelSpec {
        context_window: Some(131_072), max_output_tokens: Some(131_072), image_input: No, audio_input: No, tools: Yes,
        structured_outputs: Yes, json_mode: Yes, streaming: Yes, reasoning: Yes, responses: Yes,
        instruction_role: InstructionRole::Developer, encoding: Some(O200kHarmony), ..UNKNOWN
    };
}
use base::*;

/// What holds for every model whose id begins like this, the longest beginning first of all. It shapes requests to models that
/// have no row yet, and refuses nothing.
#[rustfmt::skip]
pub(crate) const FAMILIES: &[ModelSpec] = &[
    ModelSpec { id: "gpt-6", cache_breakpoints: Yes, image_tokens: Some(ImageTokens::NEWEST), ..FAMILY_5_5 },
    ModelSpec { id: "gpt-5.6", cache_breakpoints: Yes, image_tokens: Some(ImageTokens::NEWEST), ..FAMILY_5_4 },
    ModelSpec { id: "gpt-5.5", image_tokens: ImageTokens::GPT_5_5, ..FAMILY_5_5 },
    ModelSpec { id: "gpt-5.4", image_tokens: ImageTokens::patches(120, 100), ..FAMILY_5_4 },
    ModelSpec { id: "gpt-5.4-mini", image_tokens: ImageTokens::small_patches(120, 162), ..FAMILY_5_4 },
    ModelSpec { id: "gpt-5.4-nano", image_tokens: ImageTokens::small_patches(150, 246), ..FAMILY_5_4 },
    ModelSpec { id: "gpt-5.3", image_tokens: ImageTokens::small_patches(120, 100), ..FAMILY_5 },
    ModelSpec { id: "gpt-5.2", image_tokens: ImageTokens::small_patches(120, 100), ..FAMILY_5 },
    ModelSpec { id: "gpt-5", ..FAMILY_5 },
    ModelSpec { id: "gpt-5-mini", image_tokens: ImageTokens::small_patches(120, 162), ..FAMILY_5 },
    ModelSpec { id: "gpt-5-nano", image_tokens: ImageTokens::small_patches(150, 246), ..FAMILY_5 },
    ModelSpec { id: "gpt-5-chat", image_tokens: FAMILY_5.image_tokens, max_output_tokens: Some(16_384), token_parameter: Some(TokenParameter::MaxCompletionTokens), ..PLAIN_RULES },
    ModelSpec { id: "o1", ..O_RULES },
    ModelSpec { id: "o1-mini", ..O1_MINI },
    ModelSpec { id: "o1-preview", ..O1_MINI },
    ModelSpec { id: "o3", image_tokens: ImageTokens::tiles(75, 150), ..O_RULES },
    ModelSpec { id: "o4", ..O_RULES },
    ModelSpec { id: "o4-mini", image_tokens: ImageTokens::small_patches(172, 172), ..O_RULES },
    ModelSpec { id: "gpt-oss", ..GPT_OSS },
    ModelSpec { id: "gpt-audio", responses: Unknown, ..AUDIO },
    ModelSpec { id: "chatgpt-4o", image_tokens: TILES_85, ..PLAIN_RULES },
    ModelSpec { id: "gpt-4.5", image_tokens: TILES_85, ..PLAIN_RULES },
    ModelSpec { id: "gpt-4.1", image_tokens: TILES_85, ..GPT_4_1 },
    ModelSpec { id: "gpt-4.1-mini", image_tokens: ImageTokens::small_patches(162, 162), ..GPT_4_1 },
    ModelSpec { id: "gpt-4.1-nano", image_tokens: ImageTokens::small_patches(246, 246), ..GPT_4_1 },
    ModelSpec { id: "gpt-4o", image_tokens: TILES_85, context_window: Some(128_000), ..PLAIN_RULES },
    ModelSpec { id: "gpt-4o-mini", image_tokens: ImageTokens::tiles(2_833, 5_667), context_window: Some(128_000), ..PLAIN_RULES },
    ModelSpec { id: "gpt-4", image_tokens: TILES_85, encoding: Some(Cl100kBase), ..PLAIN_RULES },
    ModelSpec { id: "gpt-3.5", image_input: No, encoding: Some(Cl100kBase), ..PLAIN_RULES },
    ModelSpec { id: "gpt-35", image_input: No, encoding: Some(Cl100kBase), ..PLAIN_RULES },
];

models! {
    // Reasoning, GPT-6
    GPT_6_2_ASTRA            = "gpt-6.2-astra"            { chat: Yes, responses: Yes, ..GPT_6_ID_ONLY }
    GPT_6_2_ASTRA_LAW        = "gpt-6.2-astra-law"        { chat: No, responses: Yes, ..GPT_6_ID_ONLY }
    GPT_6_2_SOL              = "gpt-6.2-sol"              { chat: Yes, responses: Yes, ..GPT_6_ID_ONLY }
    GPT_6_1_SOL              = "gpt-6.1-sol"              { prices: usd(2.0, Some(0.1), 10.0, ALL_TIERS), ..ASTRA }
    GPT_6_1_TERRA            = "gpt-6.1-terra"            { prices: usd(1.0, Some(0.05), 5.0, ALL_TIERS), ..GPT_5_6 }
    GPT_6_ASTRA              = "gpt-6-astra"              { prices: usd(10.0, Some(1.0), 50.0, ALL_TIERS), ..ASTRA }
    GPT_6_ASTRA_LAW          = "gpt-6-astra-law"          { prices: usd(10.0, Some(1.0), 50.0, PAID_WRITES), context_window: None, long_context: None, ..ASTRA }
    GPT_6_CYBER              = "gpt-6-cyber"              { prices: usd(20.0, Some(2.0), 100.0, PAID_WRITES), chat: No, responses: Yes, ..GPT_6_ID_ONLY }
    GPT_6_LUNA               = "gpt-6-luna"               { prices: usd(0.1, Some(0.01), 0.5, ALL_TIERS), ..GPT_5_6 }
    GPT_6_ROSALIND           = "gpt-6-rosalind"           { prices: usd(15.0, Some(1.5), 75.0, PAID_WRITES), context_window: None, efforts: Efforts::NONE, cache_breakpoints: Yes, ..LONG_PRO }
    GPT_6_SOL                = "gpt-6-sol"                { prices: usd(2.0, Some(0.2), 10.0, ALL_TIERS), ..GPT_5_6 }
    GPT_DAYBREAK_BLUE_LATEST = "gpt-daybreak-blue-latest" { prices: usd(4.0, Some(0.4), 20.0, PAID_WRITES), efforts: Efforts::NONE, sampling: OnlyWithoutReasoning, cache_breakpoints: Yes, ..LONG_PRO }
    GPT_DAYBREAK_RED_LATEST  = "gpt-daybreak-red-latest"  { prices: usd(12.5, Some(1.25), 75.0, PAID_WRITES), max_input_tokens: Some(400_000), long_context: LONG_272K, efforts: Efforts::NONE, sampling: OnlyWithoutReasoning, cache_breakpoints: Yes, ..PRO }

    // Reasoning, GPT-5
    GPT_5_6               = "gpt-5.6"               { prices: usd(4.0, Some(0.4), 20.0, ALL_TIERS), ..GPT_5_6 }
    GPT_5_6_CYBER         = "gpt-5.6-cyber"         { prices: usd(12.5, Some(1.25), 75.0, PAID_WRITES), context_window: Some(400_000), max_input_tokens: Some(272_000), long_context: None, ..GPT_5_6 }
    GPT_5_6_LUNA          = "gpt-5.6-luna"          { prices: usd(0.2, Some(0.02), 1.2, ALL_TIERS), ..GPT_5_6 }
    GPT_5_6_SOL           = "gpt-5.6-sol"           { prices: usd(4.0, Some(0.4), 20.0, ALL_TIERS), ..GPT_5_6 }
    GPT_5_6_TERRA         = "gpt-5.6-terra"         { prices: usd(2.0, Some(0.2), 12.0, ALL_TIERS), ..GPT_5_6 }
    GPT_5_5               = "gpt-5.5"               { snapshots: &["2026-04-23"], prices: usd(5.0, Some(0.5), 30.0, Terms { priority: Some(2.5), ..FLEX }), ..GPT_5_5 }
    GPT_5_5_CYBER         = "gpt-5.5-cyber"         { prices: usd(12.5, Some(1.25), 75.0, FREE_WRITES), ..CYBER_5_5 }
    GPT_5_5_CYBER_PREVIEW = "gpt-5.5-cyber-preview" { prices: usd(12.5, Some(1.25), 75.0, FREE_WRITES), ..CYBER_5_5 }
    GPT_5_5_PRO           = "gpt-5.5-pro"           { snapshots: &["2026-04-23"], prices: usd(30.0, None, 180.0, Terms { is_long_flex: false, ..FLEX }), streaming: Unknown, ..LONG_PRO }
    GPT_5_4               = "gpt-5.4"               { snapshots: &["2026-03-05"], prices: usd(2.5, Some(0.25), 15.0, FAST), ..GPT_5_4 }
    GPT_5_4_MINI          = "gpt-5.4-mini"          { snapshots: &["2026-03-17"], prices: usd(0.75, Some(0.075), 4.5, FAST), ..GPT_5_4_MINI }
    GPT_5_4_NANO          = "gpt-5.4-nano"          { snapshots: &["2026-03-17"], prices: usd(0.2, Some(0.02), 1.25, FLEX), shutdown: on(2027, 4, 1), ..GPT_5_4_MINI }
    GPT_5_4_PRO           = "gpt-5.4-pro"           { snapshots: &["2026-03-05"], prices: usd(30.0, None, 180.0, FLEX), structured_outputs: No, ..LONG_PRO }
    GPT_5_3_CODEX         = "gpt-5.3-codex"         { prices: usd(1.75, Some(0.175), 14.0, Terms { priority: Some(2.0), ..FREE_WRITES }), shutdown: on(2027, 4, 1), chat: No, ..GPT_5_2 }
    GPT_5_3_CODEX_SPARK   = "gpt-5.3-codex-spark"   { prices: usd(1.75, Some(0.175), 14.0, FREE_WRITES), context_window: Some(128_000), max_input_tokens: Some(100_000), max_output_tokens: Some(32_000), audio_input: Unknown, parallel_tool_calls: Unknown, streaming: Unknown, chat: Unknown, responses: Unknown, ..GPT_5_2 }
    GPT_5_2               = "gpt-5.2"               { snapshots: &["2025-12-11"], prices: usd(1.75, Some(0.175), 14.0, FAST), ..GPT_5_2 }
    GPT_5_2_PRO           = "gpt-5.2-pro"           { snapshots: &["2025-12-11"], prices: usd(21.0, None, 168.0, BATCH), structured_outputs: Unknown, ..PRO }
    GPT_5_1               = "gpt-5.1"               { snapshots: &["2025-11-13"], prices: usd(1.25, Some(0.125), 10.0, FAST), shutdown: on(2027, 4, 1), ..GPT_5_1 }
    GPT_5                 = "gpt-5"                 { snapshots: &["2025-08-07"], prices: usd(1.25, Some(0.125), 10.0, FAST), shutdown: on(2026, 12, 11), ..GPT_5 }
    GPT_5_MINI            = "gpt-5-mini"            { snapshots: &["2025-08-07"], prices: usd(0.25, Some(0.025), 2.0, Terms { priority: Some(1.8), ..FLEX }), shutdown: on(2026, 12, 11), ..GPT_5 }
    GPT_5_NANO            = "gpt-5-nano"            { snapshots: &["2025-08-07"], prices: usd(0.05, Some(0.005), 0.4, FLEX), shutdown: on(2026, 12, 11), ..GPT_5 }
    GPT_5_PRO             = "gpt-5-pro"             { snapshots: &["2025-10-06"], prices: usd(15.0, None, 120.0, BATCH), shutdown: on(2026, 12, 11), max_output_tokens: Some(272_000), streaming: Unknown, efforts: Efforts::sorted(&[High]), default_effort: Some(High), ..PRO }
    GPT_5_SEARCH_API      = "gpt-5-search-api"      { searches_web: true, snapshots: &["2025-10-14"], prices: usd(1.25, Some(0.125), 10.0, FREE_WRITES), context_window: None, json_mode: Unknown, streaming: Unknown, reasoning: Unknown, efforts: Efforts::NONE, default_effort: None, chat: Unknown, responses: Unknown, ..GPT_5 }

    // Reasoning, GPT-5, shut down or never served
    "gpt-5.1-mini"         { prices: usd(0.25, Some(0.025), 2.0, FREE_WRITES), context_window: Some(400_000), efforts: Efforts::sorted(&[OFF, Low, Medium, High]), sampling: OnlyWithoutReasoning, chat: Yes, responses: Yes, ..REASONING_RULES }
    "gpt-5.1-chat-latest"  { prices: usd(1.25, Some(0.125), 10.0, FREE_WRITES), shutdown: on(2026, 7, 23), ..CHAT_LATEST }
    "gpt-5.2-chat-latest"  { prices: usd(1.75, Some(0.175), 14.0, FREE_WRITES), shutdown: on(2026, 8, 10), ..CHAT_LATEST }
    "gpt-5.3-chat-latest"  { prices: usd(1.75, Some(0.175), 14.0, FREE_WRITES), shutdown: on(2026, 8, 10), ..CHAT_LATEST }
    "gpt-5-codex"          { prices: usd(1.25, Some(0.125), 10.0, FREE_WRITES), shutdown: on(2026, 7, 23), ..CODEX }
    "gpt-5.1-codex"        { prices: usd(1.25, Some(0.125), 10.0, FREE_WRITES), shutdown: on(2026, 7, 23), ..CODEX }
    "gpt-5.1-codex-max"    { prices: usd(1.25, Some(0.125), 10.0, FREE_WRITES), shutdown: on(2026, 7, 23), efforts: Efforts::sorted(&[Low, Medium, High, XHigh]), ..CODEX }
    "gpt-5.1-codex-mini"   { prices: usd(0.25, Some(0.025), 2.0, FREE_WRITES), shutdown: on(2026, 7, 23), ..CODEX }
    "gpt-5.2-codex"        { prices: usd(1.75, Some(0.175), 14.0, FREE_WRITES), shutdown: on(2026, 7, 23), efforts: Efforts::sorted(&[OFF, Low, Medium, High, XHigh]), sampling: OnlyWithoutReasoning, ..CODEX }
    "codex-mini-latest"    { prices: usd(1.5, Some(0.375), 6.0, FREE_WRITES), shutdown: on(2026, 2, 12), max_input_tokens: None, file_input: Unknown, parallel_tool_calls: Unknown, chat: No, ..O_SERIES }
    "computer-use-preview" { image_tokens: ImageTokens::tiles(65, 129), snapshots: &["2025-03-11"], prices: usd(3.0, None, 12.0, FREE_WRITES), shutdown: on(2026, 7, 23), context_window: Some(8_192), max_input_tokens: Some(8_192), max_output_tokens: Some(1_024), streaming: No, parallel_tool_calls: Yes, structured_outputs: No, efforts: Efforts::NONE, default_effort: None, chat: No, ..O_SERIES }

    // Reasoning, o series
    O3     = "o3"                    { stop: No, snapshots: &["2025-04-16"], prices: usd(2.0, Some(0.5), 8.0, Terms { flex: Some(0.5), priority: Some(1.75), ..BATCH }), shutdown: on(2026, 12, 11), ..O_SERIES }
    O3_PRO = "o3-pro"                { snapshots: &["2025-06-10"], prices: usd(20.0, None, 80.0, BATCH), shutdown: on(2026, 12, 11), streaming: No, chat: No, ..O_SERIES }
             "o4-mini"               { stop: No, snapshots: &["2025-04-16"], prices: usd(1.1, Some(0.275), 4.4, Terms { flex: Some(0.5), priority: Some(20.0 / 11.0), ..BATCH }), shutdown: on(2026, 10, 23), ..O_SERIES }
             "o4-mini-deep-research" { snapshots: &["2025-06-26"], prices: usd(2.0, Some(0.5), 8.0, FREE_WRITES), shutdown: on(2026, 7, 23), ..DEEP_RESEARCH }
             "o3-deep-research"      { snapshots: &["2025-06-26"], prices: usd(10.0, Some(2.5), 40.0, FREE_WRITES), shutdown: on(2026, 7, 23), ..DEEP_RESEARCH }
             "o3-mini"               { stop: Yes, snapshots: &["2025-01-31"], prices: usd(1.1, Some(0.55), 4.4, BATCH), shutdown: on(2026, 10, 23), image_input: No, file_input: No, ..O_SERIES }
             "o1"                    { snapshots: &["2024-12-17"], prices: usd(15.0, Some(7.5), 60.0, BATCH), shutdown: on(2026, 10, 23), ..O_SERIES }
             "o1-pro"                { snapshots: &["2025-03-19"], prices: usd(150.0, None, 600.0, BATCH), shutdown: on(2026, 10, 23), parallel_tool_calls: Yes, streaming: No, chat: No, ..O_SERIES }
             "o1-mini"               { snapshots: &["2024-09-12"], prices: usd(1.1, Some(0.55), 4.4, FREE_WRITES), shutdown: on(2025, 10, 27), max_output_tokens: Some(65_536), ..O1_MINI }
             "o1-preview"            { snapshots: &["2024-09-12"], prices: usd(15.0, Some(7.5), 60.0, FREE_WRITES), shutdown: on(2025, 7, 28), max_output_tokens: Some(32_768), ..O1_MINI }

    // Open weights
    GPT_OSS_120B = "gpt-oss-120b" { prices: usd(0.039, None, 0.18, STANDARD_ONLY), ..GPT_OSS }
    GPT_OSS_20B  = "gpt-oss-20b"  { prices: usd(0.029, None, 0.14, STANDARD_ONLY), ..GPT_OSS }

    // Without reasoning. Whether chat-latest reasons is disputed, so that what reasoning models reject is not sent to it.
    CHAT_LATEST            = "chat-latest"                     { prices: usd(5.0, Some(0.5), 30.0, STANDARD_ONLY), reasoning: Unknown, efforts: Efforts::NONE, default_effort: None, stop: Unknown, penalties: Unknown, instruction_role: InstructionRole::System, cache_breakpoints: Unknown, ..GPT_5 }
    GPT_4_1                = "gpt-4.1"                         { snapshots: &["2025-04-14"], prices: usd(2.0, Some(0.5), 8.0, Terms { priority: Some(1.75), ..BATCH }), shutdown: on(2027, 1, 14), ..GPT_4_1 }
    GPT_4_1_MINI           = "gpt-4.1-mini"                    { snapshots: &["2025-04-14"], prices: usd(0.4, Some(0.1), 1.6, Terms { priority: Some(1.75), ..BATCH }), shutdown: on(2027, 1, 14), ..GPT_4_1 }
                             "gpt-4.5-preview"                 { snapshots: &["2025-02-27"], prices: usd(75.0, Some(37.5), 150.0, FREE_WRITES), shutdown: on(2025, 7, 14), max_input_tokens: None, file_input: Unknown, parallel_tool_calls: Unknown, ..GPT_4O }
    GPT_4O                 = "gpt-4o"                          { snapshots: &["2024-08-06", "2024-11-20"], prices: usd(2.5, Some(1.25), 10.0, Terms { priority: Some(1.7), ..BATCH }), shutdown: on(2027, 1, 14), ..GPT_4O }
    GPT_4O_MINI            = "gpt-4o-mini"                     { snapshots: &["2024-07-18"], prices: usd(0.15, Some(0.075), 0.6, Terms { priority: Some(5.0 / 3.0), ..BATCH }), shutdown: on(2027, 1, 14), ..GPT_4O }
    GPT_AUDIO              = "gpt-audio"                       { snapshots: &["2025-08-28"], prices: usd(2.5, None, 10.0, FREE_WRITES), shutdown: on(2027, 1, 20), ..AUDIO }
    GPT_AUDIO_1_5          = "gpt-audio-1.5"                   { prices: usd(2.5, None, 10.0, FREE_WRITES), responses: No, ..AUDIO }
    GPT_AUDIO_MINI         = "gpt-audio-mini"                  { snapshots: &["2025-12-15"], prices: usd(0.6, None, 2.4, FREE_WRITES), shutdown: on(2027, 1, 20), streaming: Unknown, ..AUDIO }
    GPT_ROSALIND_DISCOVERY = "gpt-rosalind-discovery"          { prices: usd(5.0, Some(0.5), 25.0, STANDARD_ONLY), encoding: Some(O200kBase), ..UNKNOWN }
    GPT_ROSALIND_RESEARCH  = "gpt-rosalind-research"           { prices: usd(5.0, Some(0.5), 25.0, STANDARD_ONLY), chat: No, responses: Yes, encoding: Some(O200kBase), ..UNKNOWN }
                             "gpt-audio-mini-2025-10-06"       { prices: usd(0.6, None, 2.4, FREE_WRITES), shutdown: on(2026, 7, 23), streaming: Unknown, ..AUDIO }
                             "gpt-5-chat"                      { prices: usd(1.25, Some(0.125), 10.0, FREE_WRITES), shutdown: on(2026, 7, 23), context_window: Some(400_000), tools: Unknown, parallel_tool_calls: Unknown, ..GPT_5_CHAT }
                             "gpt-5-chat-latest"               { prices: usd(1.25, Some(0.125), 10.0, FREE_WRITES), shutdown: on(2026, 7, 23), ..GPT_5_CHAT }
                             "gpt-4.1-nano"                    { snapshots: &["2025-04-14"], prices: usd(0.1, Some(0.025), 0.4, Terms { priority: Some(2.0), ..BATCH }), shutdown: on(2026, 10, 23), ..GPT_4_1 }
                             "gpt-4o-2024-05-13"               { prices: usd(5.0, None, 15.0, Terms { priority: Some(1.75), ..BATCH }), shutdown: on(2026, 10, 23), max_output_tokens: Some(4_096), structured_outputs: Unknown, ..GPT_4O }
                             "chatgpt-4o-latest"               { prices: usd(5.0, None, 15.0, FREE_WRITES), shutdown: on(2026, 2, 17), max_input_tokens: None, file_input: Unknown, tools: No, parallel_tool_calls: Unknown, structured_outputs: No, ..GPT_4O }
                             "gpt-4o-search-preview"           { snapshots: &["2025-03-11"], prices: usd(2.5, Some(1.25), 10.0, BATCH), shutdown: on(2026, 7, 23), ..SEARCH }
                             "gpt-4o-mini-search-preview"      { snapshots: &["2025-03-11"], prices: usd(0.15, Some(0.075), 0.6, BATCH), shutdown: on(2026, 7, 23), ..SEARCH }
                             "gpt-4o-audio-preview"            { snapshots: &["2024-12-17", "2025-06-03"], prices: usd(2.5, None, 10.0, FREE_WRITES), shutdown: on(2026, 5, 7), responses: No, ..AUDIO }
                             "gpt-4o-audio-preview-2024-10-01" { prices: usd(2.5, None, 10.0, FREE_WRITES), shutdown: on(2025, 10, 10), max_input_tokens: None, file_input: Unknown, parallel_tool_calls: Unknown, responses: No, ..AUDIO }
                             "gpt-4o-mini-audio-preview"       { snapshots: &["2024-12-17"], prices: usd(0.15, None, 0.6, FREE_WRITES), shutdown: on(2026, 5, 7), responses: No, ..AUDIO }
                             "gpt-4-turbo"                     { snapshots: &["2024-04-09"], prices: usd(10.0, None, 30.0, BATCH), shutdown: on(2026, 10, 23), max_input_tokens: Some(128_000), image_input: Yes, file_input: Yes, tools: Yes, parallel_tool_calls: Yes, ..GPT_4_PREVIEW }
                             "gpt-4-turbo-preview"             { aliases: &["gpt-4-0125-preview"], prices: usd(10.0, None, 30.0, FREE_WRITES), shutdown: on(2026, 3, 26), image_input: No, tools: Yes, ..GPT_4_PREVIEW }
                             "gpt-4-1106-preview"              { prices: usd(10.0, None, 30.0, FREE_WRITES), shutdown: on(2026, 10, 23), max_input_tokens: Some(128_000), image_input: No, file_input: No, tools: Yes, parallel_tool_calls: Yes, ..GPT_4_PREVIEW }
                             "gpt-4-1106-vision-preview"       { prices: usd(10.0, None, 30.0, FREE_WRITES), shutdown: on(2024, 12, 6), image_input: Yes, tools: No, ..GPT_4_PREVIEW }
                             "gpt-4-vision-preview"            { prices: usd(10.0, None, 30.0, FREE_WRITES), shutdown: on(2024, 12, 6), context_window: Some(128_000), json_mode: No, streaming: Yes, chat: Yes, responses: Yes, encoding: Some(Cl100kBase), ..PLAIN_RULES }
                             "gpt-4-32k"                       { snapshots: &["0314", "0613"], prices: usd(60.0, None, 120.0, FREE_WRITES), shutdown: on(2025, 6, 6), context_window: Some(32_000), json_mode: No, streaming: Yes, chat: Yes, responses: Yes, encoding: Some(Cl100kBase), ..PLAIN_RULES }
                             "gpt-4"                           { snapshots: &["0613"], prices: usd(30.0, None, 60.0, BATCH), shutdown: on(2026, 10, 23), ..GPT_4 }
                             "gpt-4-0314"                      { prices: usd(30.0, None, 60.0, FREE_WRITES), shutdown: on(2026, 3, 26), max_input_tokens: None, file_input: Unknown, tools: No, ..GPT_4 }
                             "gpt-3.5-turbo"                   { aliases: &["gpt-35-turbo"], snapshots: &["0125"], prices: usd(0.5, None, 1.5, BATCH), shutdown: on(2026, 10, 23), parallel_tool_calls: Yes, ..GPT_3_5 }
                             "gpt-3.5-turbo-1106"              { prices: usd(1.0, None, 2.0, Terms { batch: Some(1.0), ..FREE_WRITES }), shutdown: on(2026, 9, 28), parallel_tool_calls: Yes, ..GPT_3_5 }
                             "gpt-3.5-turbo-0613"              { prices: usd(1.5, None, 2.0, FREE_WRITES), shutdown: on(2024, 9, 13), tools: Yes, json_mode: No, streaming: Yes, chat: Yes, responses: Yes, encoding: Some(Cl100kBase), ..PLAIN_RULES }
                             "gpt-3.5-turbo-0301"              { prices: usd(1.5, None, 2.0, FREE_WRITES), shutdown: on(2024, 9, 13), json_mode: No, streaming: Yes, chat: Yes, responses: Yes, encoding: Some(Cl100kBase), ..PLAIN_RULES }
                             "gpt-3.5-turbo-16k"               { snapshots: &["0613"], prices: usd(3.0, None, 4.0, FREE_WRITES), shutdown: on(2024, 9, 13), json_mode: No, ..GPT_3_5 }
}
