//! [`ModelFacts`]: what settings or a server state of a model, fact by fact.

use serde::{Deserialize, Serialize};
use tachikoma_backends_core::ReasoningEffort;

use super::{
    Date, Efforts, Encoding, InstructionRole, LongContext, Match, ModelSpec, Price, Prices, Sampling,
    Support, TokenParameter,
};
use crate::CodexError;
use crate::models::lookup::lookup;

/// Whether a cell of the table states something.
trait Cell {
    fn is_stated(&self) -> bool;
}

impl<T> Cell for Option<T> {
    fn is_stated(&self) -> bool {
        self.is_some()
    }
}

impl Cell for Support {
    fn is_stated(&self) -> bool {
        *self != Self::Unknown
    }
}

impl Cell for Efforts {
    fn is_stated(&self) -> bool {
        !self.is_empty()
    }
}

/// Cells that always have a value.
macro_rules! always_stated {
    ($($type:ty),*) => {$(
        impl Cell for $type {
            fn is_stated(&self) -> bool {
                true
            }
        }
    )*};
}

always_stated!(bool, Sampling, InstructionRole);

/// Makes the struct, with a method for each fact. A fact has the name of its cell in [`ModelSpec`].
macro_rules! facts {
    ($($(#[$doc:meta])* $field:ident: $type:ty, $with:ident($argument:ty);)*) => {
        /// What one source states of a model. Each fact is optional, and a fact that is stated takes precedence over that of the
        /// [model table](crate::models). They are set in code, in the settings under `[models."ID"]`, or in a file of their own
        /// ([`ModelTable`](super::ModelTable)); an unknown name there is an error.
        ///
        /// ```
        /// # use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
        /// use tachikoma_backend_codex::models::{ModelFacts, Price};
        ///
        /// let facts = ModelFacts::new()
        ///     .with_context_window(32_768)
        ///     .with_image_input(false)
        ///     .with_prices(Price::new(0.1, 0.4));
        /// let config = CodexBackendConfig::new("sk-...").with_model_facts("my-model", facts);
        /// let backend = CodexBackend::new(config)?;
        /// assert_eq!(backend.capabilities_for("my-model").max_context_tokens, 32_768);
        /// # Ok::<(), tachikoma_backend_codex::CodexError>(())
        /// ```
        #[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
        #[serde(deny_unknown_fields, default)]
        #[non_exhaustive]
        pub struct ModelFacts {
            /// The model of the table that it is, under another name, such as that of a deployment on Azure. What else is stated
            /// takes precedence.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub base_model: Option<String>,
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$type>,)*
        }

        impl ModelFacts {
            /// Nothing yet.
            pub fn new() -> Self {
                Self::default()
            }

            /// Sets [`base_model`](Self::base_model).
            #[must_use]
            pub fn with_base_model(mut self, id: impl Into<String>) -> Self {
                self.base_model = Some(id.into());
                self
            }

            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                #[must_use]
                pub fn $with(mut self, $field: $argument) -> Self {
                    self.$field = Some($field.into());
                    self
                }
            )*

            /// Writes the facts over the cells of a row.
            pub(super) fn apply(&self, row: &mut ModelSpec) {
                if let Some(window) = self.context_window {
                    // A smaller window than the table's has no room for the table's limits.
                    let fits = |limit: &u32| *limit <= window;
                    row.max_input_tokens = row.max_input_tokens.filter(fits);
                    row.max_output_tokens = row.max_output_tokens.filter(fits);
                }
                $(if let Some(value) = self.$field {
                    row.$field = value.into();
                })*
            }

            /// The names of the facts that it states.
            pub(super) fn stated(&self) -> impl Iterator<Item = &'static str> {
                [$((self.$field.is_some(), stringify!($field)),)*].into_iter().filter_map(|(is, name)| is.then_some(name))
            }
        }

        /// The names of the facts that a row states.
        pub(super) fn stated_by(row: &ModelSpec) -> impl Iterator<Item = &'static str> {
            [$((row.$field.is_stated(), stringify!($field)),)*].into_iter().filter_map(|(is, name)| is.then_some(name))
        }
    };
}

facts! {
    /// Input and output together, in tokens.
    context_window: u32, with_context_window(u32);
    /// Input, in tokens.
    max_input_tokens: u32, with_max_input_tokens(u32);
    /// Output, in tokens, reasoning included.
    max_output_tokens: u32, with_max_output_tokens(u32);
    /// Takes images.
    image_input: bool, with_image_input(bool);
    /// Takes files (PDF).
    file_input: bool, with_file_input(bool);
    /// Takes audio.
    audio_input: bool, with_audio_input(bool);
    /// Calls tools.
    tools: bool, with_tools(bool);
    /// Makes several calls in one answer.
    parallel_tool_calls: bool, with_parallel_tool_calls(bool);
    /// Answers by a JSON Schema.
    structured_outputs: bool, with_structured_outputs(bool);
    /// Answers with some JSON object.
    json_mode: bool, with_json_mode(bool);
    /// Streams its answer.
    streaming: bool, with_streaming(bool);
    /// Reasons before it answers.
    reasoning: bool, with_reasoning(bool);
    /// The efforts it supports.
    efforts: Efforts, with_efforts(impl Into<Efforts>);
    /// Its effort where a request names none.
    default_effort: ReasoningEffort, with_default_effort(ReasoningEffort);
    /// Answers on Chat Completions.
    chat: bool, with_chat(bool);
    /// Answers on the Responses API.
    responses: bool, with_responses(bool);
    /// On Chat Completions, takes tools only together with the effort `none`.
    chat_tools_require_effort_none: bool, with_chat_tools_require_effort_none(bool);
    /// The field that limits the answer on Chat Completions. In files it is `max_tokens` or `max_completion_tokens`.
    token_parameter: TokenParameter, with_token_parameter(TokenParameter);
    /// When it takes `temperature`, `top_p` and `logprobs`. In files it is `allowed`, `only_without_reasoning` or `rejected`.
    sampling: Sampling, with_sampling(Sampling);
    /// Takes `presence_penalty`, `frequency_penalty` and `logit_bias`.
    penalties: bool, with_penalties(bool);
    /// Takes stop texts.
    stop: bool, with_stop(bool);
    /// Takes options of its prompt cache and breakpoints in it.
    cache_breakpoints: bool, with_cache_breakpoints(bool);
    /// The role of its instructions. In files it is `system`, `developer` or `user_only`.
    instruction_role: InstructionRole, with_instruction_role(InstructionRole);
    /// How it counts tokens. In files it is `cl100k_base`, `o200k_base` or `o200k_harmony`.
    encoding: Encoding, with_encoding(Encoding);
    /// The day on which it is shut down. In files it is `2027-01-14`.
    shutdown: Date, with_shutdown(Date);
    /// Searches the web for every response, on Chat Completions, where the response does not list it.
    searches_web: bool, with_searches_web(bool);
    /// What it costs. In files it is a table of tiers, `prices.standard = { input = 0.1, output = 0.4 }`.
    prices: Prices, with_prices(impl Into<Prices>);
    /// What long inputs cost more.
    long_context: LongContext, with_long_context(LongContext);
}

impl From<Price> for Prices {
    fn from(standard: Price) -> Self {
        Self::new(standard)
    }
}

impl ModelFacts {
    /// Whether it states how much the model reads.
    pub(super) fn has_input_limit(&self) -> bool {
        self.context_window.is_some() || self.max_input_tokens.is_some()
    }

    /// # Errors
    /// A fact cannot be true.
    pub(super) fn check(&self, id: &str) -> Result<(), CodexError> {
        let error = |what: String| Err(CodexError::configuration(format!("the model {id:?} {what}")));
        if let Some(base) = self.base_model.as_deref().filter(|base| lookup(base).by == Match::Unknown) {
            return error(format!("has the base model {base:?}, which is not in the model table"));
        }
        let limits = [
            ("context_window", self.context_window),
            ("max_input_tokens", self.max_input_tokens),
            ("max_output_tokens", self.max_output_tokens),
        ];
        if let Some((name, _)) = limits.iter().find(|(_, limit)| *limit == Some(0)) {
            return error(format!("has {name} of 0: omit it where it is unknown"));
        }
        if let (Some(window), Some((name, limit))) = (
            self.context_window,
            limits.iter().skip(1).find(|(_, limit)| limit.is_some() && *limit > self.context_window),
        ) {
            let limit = limit.unwrap_or_default();
            return error(format!("has {name} of {limit}, more than its context_window of {window}"));
        }
        let is_valid = |usd: f64| usd.is_finite() && usd >= 0.0;
        if self.prices.iter().flat_map(amounts).any(|usd| !is_valid(usd)) {
            return error("has a price that is not a number of 0 or more".to_owned());
        }
        if self.long_context.is_some_and(|long| !is_valid(long.input_factor) || !is_valid(long.output_factor))
        {
            return error("has a factor of long_context that is not a number of 0 or more".to_owned());
        }
        Ok(())
    }
}

/// All numbers in prices.
fn amounts(prices: &Prices) -> impl Iterator<Item = f64> {
    let tiers = [Some(prices.standard), prices.flex, prices.priority, prices.batch];
    tiers.into_iter().flatten().flat_map(|price| {
        [Some(price.input), price.cached_input, price.cache_write, Some(price.output)].into_iter().flatten()
    })
}
