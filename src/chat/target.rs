//! What the model and the server make of a request: how things are called there, and what they do not take.

use tachikoma_backends_core::CompletionRequest;

use crate::models::{InstructionRole, ModelSpec, TokenParameter};

/// Whom a request goes to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) model: String,
    pub(crate) spec: ModelSpec,
    /// Whether the server is OpenAI's or Azure's. Others may serve other models under the same names, so that nothing is
    /// left out or renamed for them.
    pub(crate) is_official: bool,
    pub(crate) stream: bool,
}

impl Target {
    pub(super) fn token_parameter(&self) -> TokenParameter {
        let usual =
            if self.is_official { TokenParameter::MaxCompletionTokens } else { TokenParameter::MaxTokens };
        self.spec.token_parameter.unwrap_or(usual)
    }

    pub(super) fn instruction_role(&self) -> InstructionRole {
        if self.is_official { self.spec.instruction_role } else { InstructionRole::System }
    }

    /// Leaves out of a request what this model would refuse it for, and says what and why.
    pub(super) fn adjust(&self, request: &mut CompletionRequest) -> Vec<String> {
        let Self { model, spec, is_official, .. } = self;
        let mut warnings = Vec::new();
        if !is_official {
            return warnings;
        }
        let effort = spec.effort(request.reasoning_effort, !request.tools.is_empty());
        if effort != request.reasoning_effort {
            warnings.push(match effort {
                Some(effort) => format!(
                    "{model} takes tools on Chat Completions only without reasoning: reasoning_effort is {effort}"
                ),
                None => format!("{model} does not reason: reasoning_effort is left out"),
            });
            request.reasoning_effort = effort;
        }
        let (temperature, penalties) = (spec.takes_temperature(effort), spec.takes_penalties());
        let fields = [
            ("temperature", temperature, &mut request.temperature),
            ("top_p", temperature, &mut request.top_p),
            ("frequency_penalty", penalties, &mut request.frequency_penalty),
            ("presence_penalty", penalties, &mut request.presence_penalty),
        ];
        let left_out: Vec<_> = fields
            .into_iter()
            .filter_map(|(name, is_taken, value)| (!is_taken && value.take().is_some()).then_some(name))
            .collect();
        if !left_out.is_empty() {
            warnings.push(format!("{model} does not take {}: left out", left_out.join(", ")));
        }
        warnings
    }
}
