//! What a model rejects and a request can do without.

use tachikoma_backends_core::{CompletionRequest, Message, ReasoningEffort, Role};

use super::Endpoint;
use crate::models::{ModelSpec, OpenAIModel, Support};

/// Leaves out of a request what its model rejects and can be done without, and asks for no reasoning where the model takes tools
/// only so. Returns what the user should be told. It is for OpenAI's and Azure's hosts; other servers have their own rules.
pub(crate) fn adapt(request: &mut CompletionRequest, model: &OpenAIModel, endpoint: Endpoint) -> Vec<String> {
    let spec = model.spec();
    let mut notes = Vec::new();
    let asked = request.reasoning_effort;
    request.reasoning_effort = effort(request, &spec, endpoint);
    if asked.is_none() && request.reasoning_effort.is_some() {
        notes.push(format!(
            "{model} takes tools on Chat Completions only without reasoning: reasoning_effort none is sent; \
             use the Responses API for both"
        ));
    }
    // A value that is the default anyway goes without a word.
    let mut left_out = Vec::new();
    let mut leave_out = |name: &'static str, field: &mut Option<f64>, default: f64| {
        left_out.extend(field.take().filter(|value| *value != default).map(|_| name));
    };
    if !spec.takes_temperature(request.reasoning_effort) {
        leave_out("temperature", &mut request.temperature, 1.0);
        leave_out("top_p", &mut request.top_p, 1.0);
    }
    let on_responses = endpoint == Endpoint::Responses;
    if on_responses || !spec.takes_penalties() {
        leave_out("frequency_penalty", &mut request.frequency_penalty, 0.0);
        leave_out("presence_penalty", &mut request.presence_penalty, 0.0);
    }
    if on_responses && request.seed.take().is_some() {
        notes.push("the Responses API has no seed: left out of the request".to_owned());
    }
    let has_name = |message: &Message| message.role != Role::Tool && message.name.is_some();
    if on_responses && request.messages.iter().any(has_name) {
        notes.push("the Responses API has no names of speakers: left out of the request".to_owned());
    }
    if !left_out.is_empty() {
        notes.push(format!("{model} does not take {}: left out of the request", left_out.join(", ")));
    }
    if spec.parallel_tool_calls == Support::No && request.parallel_tool_calls == Some(false) {
        request.parallel_tool_calls = None;
    }
    notes
}

/// The effort that is sent.
pub(super) fn effort(
    request: &CompletionRequest,
    spec: &ModelSpec,
    endpoint: Endpoint,
) -> Option<ReasoningEffort> {
    let tools = endpoint == Endpoint::Chat && !request.tools.is_empty();
    spec.effort(request.reasoning_effort, tools)
}
