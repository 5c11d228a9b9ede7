//! [`Target`]: the model of a request with its entry in the table, the API and the server. Resolved once.

use crate::models::{InstructionRole, Lookup, Match, ModelSpec, OpenAIModel, Support, TokenParameter};

/// One of OpenAI's two APIs for text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WireApi {
    /// Chat Completions.
    ChatCompletions,
    /// The Responses API.
    Responses,
}

impl WireApi {
    /// Its display name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChatCompletions => "Chat Completions",
            Self::Responses => "the Responses API",
        }
    }

    /// Its name in telemetry.
    pub(crate) const fn attribute(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Responses => "responses",
        }
    }
}

/// The target of a request, and the settings that its encoding depends on.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) model: OpenAIModel,
    /// The model in the body: on Azure the deployment, if it is not in the path.
    pub(crate) model_in_body: String,
    /// What the table, the server's list and the settings state of the model.
    pub(crate) spec: ModelSpec,
    /// How the table has the model.
    pub(crate) by: Match,
    /// Whether the limits in the entry are those of this very model, not of its family.
    pub(crate) has_own_limits: bool,
    pub(crate) api: WireApi,
    /// Whether the server is OpenAI's or Azure's. Others may serve other models under the same names.
    pub(crate) is_official: bool,
    pub(crate) stream: bool,
    /// Whether a stream over Chat Completions requests its usage.
    pub(crate) stream_usage: bool,
    /// The origin that state of earlier responses must have to be sent back: this server, account and model.
    pub(crate) state_origin: String,
    /// The response that the request continues, where the server has its conversation.
    pub(crate) previous_response: Option<PreviousResponse>,
}

/// A response that a request continues.
#[derive(Clone, Debug)]
pub(crate) struct PreviousResponse {
    pub(crate) id: String,
    /// How many messages at the beginning of the request the server has.
    pub(crate) messages: usize,
}

impl Target {
    /// A request for a whole response to OpenAI's own server.
    pub(crate) fn new(model: OpenAIModel, lookup: Lookup, api: WireApi) -> Self {
        let Lookup { spec, by, has_own_limits } = lookup;
        Self {
            model_in_body: model.to_string(),
            model,
            spec,
            by,
            has_own_limits,
            api,
            is_official: true,
            stream: false,
            stream_usage: true,
            state_origin: String::new(),
            previous_response: None,
        }
    }

    #[cfg(test)]
    pub(crate) fn for_model(model: &str, api: WireApi) -> Self {
        let model = OpenAIModel::new(model);
        let lookup = model.lookup();
        Self::new(model, lookup, api)
    }

    pub(crate) fn token_parameter(&self) -> TokenParameter {
        let default =
            if self.is_official { TokenParameter::MaxCompletionTokens } else { TokenParameter::MaxTokens };
        self.spec.token_parameter.unwrap_or(default)
    }

    pub(crate) fn instruction_role(&self) -> InstructionRole {
        if self.is_official { self.spec.instruction_role } else { InstructionRole::System }
    }

    /// Whether the server has custom tools. Others get a function in the place of each.
    pub(crate) fn takes_custom_tools(&self) -> bool {
        self.is_official
    }

    /// Whether to request encrypted reasoning. Servers reject that for a model without reasoning, which an unknown one, such as
    /// an Azure deployment, may be.
    pub(crate) fn is_known_to_reason(&self) -> bool {
        self.spec.reasoning == Support::Yes
    }
}
