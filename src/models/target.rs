//! Where a request goes, as far as its form depends on it.

use super::{InstructionRole, ModelSpec, OpenAIModel, Support, TokenParameter};

/// Whom a request goes to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) model: OpenAIModel,
    /// Whether the server is OpenAI's or Azure's. Others may serve other models under the same names.
    pub(crate) is_official: bool,
    pub(crate) stream: bool,
    /// Whether a stream over Chat Completions asks for its usage.
    pub(crate) stream_usage: bool,
    /// Where states of earlier turns must come from to be sent back: this server, account and model.
    pub(crate) state_origin: String,
}

impl Target {
    pub(crate) fn token_parameter(&self, spec: &ModelSpec) -> TokenParameter {
        let usual =
            if self.is_official { TokenParameter::MaxCompletionTokens } else { TokenParameter::MaxTokens };
        spec.token_parameter.unwrap_or(usual)
    }

    pub(crate) fn instruction_role(&self, spec: &ModelSpec) -> InstructionRole {
        if self.is_official { spec.instruction_role } else { InstructionRole::System }
    }

    /// Whether there is reasoning to ask for. Servers refuse encrypted reasoning where the model does not reason, and of an
    /// unknown one, such as a deployment on Azure, it is not known.
    pub(crate) fn is_known_to_reason(spec: &ModelSpec) -> bool {
        spec.reasoning == Support::Yes
    }
}
