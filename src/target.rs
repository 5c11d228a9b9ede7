//! Where a request goes: its model and what is known of it, the API, the server. Resolved once, first, and passed on.

use crate::models::{InstructionRole, Lookup, Match, ModelSpec, OpenAIModel, Support, TokenParameter};

/// One of OpenAI's two APIs for text, as a request goes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WireApi {
    /// Chat Completions.
    ChatCompletions,
    /// The Responses API.
    Responses,
}

impl WireApi {
    /// Its name, for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChatCompletions => "Chat Completions",
            Self::Responses => "the Responses API",
        }
    }

    /// Its name in spans.
    pub(crate) const fn attribute(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Responses => "responses",
        }
    }
}

/// Where a request goes, and everything about it that the rest depends on.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) model: OpenAIModel,
    /// What the body calls the model: on Azure the deployment, where the path does not name it.
    pub(crate) model_in_body: String,
    /// What the table says of the model.
    pub(crate) spec: ModelSpec,
    /// How the table knows it.
    pub(crate) by: Match,
    pub(crate) api: WireApi,
    /// Whether the server is OpenAI's or Azure's. Others may serve other models under the same names.
    pub(crate) is_official: bool,
    pub(crate) stream: bool,
    /// Whether a stream over Chat Completions asks for its usage.
    pub(crate) stream_usage: bool,
    /// Where states of earlier turns must come from to be sent back: this server, account and model.
    pub(crate) state_origin: String,
}

impl Target {
    /// A request for a whole response to OpenAI's own server.
    pub(crate) fn new(model: OpenAIModel, Lookup { spec, by }: Lookup, api: WireApi) -> Self {
        Self {
            model_in_body: model.to_string(),
            model,
            spec,
            by,
            api,
            is_official: true,
            stream: false,
            stream_usage: true,
            state_origin: String::new(),
        }
    }

    #[cfg(test)]
    pub(crate) fn of(model: &str, api: WireApi) -> Self {
        let model = OpenAIModel::new(model);
        let lookup = model.lookup();
        Self::new(model, lookup, api)
    }

    pub(crate) fn token_parameter(&self) -> TokenParameter {
        let usual =
            if self.is_official { TokenParameter::MaxCompletionTokens } else { TokenParameter::MaxTokens };
        self.spec.token_parameter.unwrap_or(usual)
    }

    pub(crate) fn instruction_role(&self) -> InstructionRole {
        if self.is_official { self.spec.instruction_role } else { InstructionRole::System }
    }

    /// Whether there is reasoning to ask for. Servers refuse encrypted reasoning where the model does not reason, and of an
    /// unknown one, such as a deployment on Azure, it is not known.
    pub(crate) fn is_known_to_reason(&self) -> bool {
        self.spec.reasoning == Support::Yes
    }
}
