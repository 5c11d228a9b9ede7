//! What a row says to callers: the capabilities of the model, and the warning of its shutdown.

use tachikoma_backends_core::BackendCapabilities;

use super::{Date, ModelSpec, OpenAIModel};

/// How many days before its shutdown a model is warned of.
const NOTICE_DAYS: i64 = 90;

impl ModelSpec {
    /// What the model can do. What is not known is taken as possible; an unknown limit is the one that its family has, else 0.
    pub(crate) fn capabilities(&self, family: Option<&Self>) -> BackendCapabilities {
        // The family's output may be more than fits into the window that a server states.
        let fits = |limit: &u32| self.context_window.is_none_or(|window| *limit <= window);
        let limit = |limit: fn(&Self) -> Option<u32>| {
            limit(self).or_else(|| limit(family?).filter(fits)).unwrap_or_default()
        };
        BackendCapabilities::new()
            .with_streaming(self.streaming.is_possible())
            .with_tool_calling(self.tools.is_possible())
            .with_vision(self.image_input.is_possible())
            .with_json_mode(self.json_mode.is_possible())
            .with_max_context_tokens(limit(|spec| spec.context_window))
            .with_max_output_tokens(limit(|spec| spec.max_output_tokens))
    }

    /// A warning of the shutdown of this model: `None` unless it has been shut down, or will be within 90 days.
    pub(crate) fn shutdown_warning(&self, model: &OpenAIModel, today: Date) -> Option<String> {
        let shutdown = self.shutdown?;
        let advice = format!("use another model, for example {}", OpenAIModel::default());
        match shutdown.days_since(today) {
            ..=0 => Some(format!("OpenAI shut the model {model} down on {shutdown}: {advice}")),
            days @ 1..=NOTICE_DAYS => {
                let unit = if days == 1 { "day" } else { "days" };
                Some(format!("OpenAI shuts the model {model} down on {shutdown}, in {days} {unit}: {advice}"))
            }
            _ => None,
        }
    }
}
