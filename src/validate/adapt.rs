//! What a model rejects and a request can do without.

use tachikoma_backends_core::{CompletionRequest, ContentPart, MessageContent, ReasoningEffort, Role};

use crate::models::Support;
use crate::target::{Target, WireApi};

/// Leaves out of a request what its model rejects and can be done without, and asks for no reasoning where the model takes tools
/// only so. Returns warnings for the user. It is for OpenAI's and Azure's hosts; other servers have their own rules.
pub(crate) fn adapt(request: &mut CompletionRequest, target: &Target) -> Vec<String> {
    let Target { model, spec, .. } = target;
    let mut notes = Vec::new();
    let asked = request.reasoning_effort;
    request.reasoning_effort = effort(request, target);
    if asked.is_none() && request.reasoning_effort.is_some() {
        notes.push(format!(
            "{model} takes tools on Chat Completions only without reasoning: reasoning_effort none is sent; \
             use the Responses API for both"
        ));
    }
    // A value that is the default anyway is left out without a warning.
    let mut left_out = Vec::new();
    let mut leave_out = |name: &'static str, field: &mut Option<f64>, default: f64| {
        left_out.extend(field.take().filter(|value| *value != default).map(|_| name));
    };
    if !takes_temperature(request, target) {
        leave_out("temperature", &mut request.temperature, 1.0);
        leave_out("top_p", &mut request.top_p, 1.0);
    }
    if !spec.penalties.is_possible() {
        leave_out("frequency_penalty", &mut request.frequency_penalty, 0.0);
        leave_out("presence_penalty", &mut request.presence_penalty, 0.0);
    }
    if !left_out.is_empty() {
        notes.push(format!("{model} does not take {}: left out of the request", left_out.join(", ")));
    }
    if target.api == WireApi::Responses {
        let unknown = unknown_to_responses(request);
        if !unknown.is_empty() {
            notes.push(format!("the Responses API has no {}: left out of the request", unknown.join(", ")));
        }
    }
    if spec.cache_breakpoints == Support::No && remove_cache_options(request) {
        notes.push(format!(
            "{model} takes no options or breakpoints of the prompt cache: left out of the request; its cache works without them"
        ));
    }
    // Such a model makes one call at a time anyway, so that `true` changes nothing.
    if spec.parallel_tool_calls == Support::No {
        request.parallel_tool_calls = None;
    }
    notes
}

/// Leaves out what the Responses API does not have and an answer can do without.
fn unknown_to_responses(request: &mut CompletionRequest) -> Vec<&'static str> {
    let mut names = request.messages.iter_mut().filter(|message| message.role != Role::Tool);
    let has_name = names.by_ref().any(|message| message.name.take().is_some());
    names.for_each(|message| message.name = None);
    let left_out = [
        ("frequency_penalty", request.frequency_penalty.take().is_some_and(|penalty| penalty != 0.0)),
        ("presence_penalty", request.presence_penalty.take().is_some_and(|penalty| penalty != 0.0)),
        ("seed", request.seed.take().is_some()),
        ("name of a speaker", has_name),
    ];
    left_out.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect()
}

/// Removes what a request says about the prompt cache, except its key. Returns whether there was something.
fn remove_cache_options(request: &mut CompletionRequest) -> bool {
    let mut has_breakpoints = false;
    for message in &mut request.messages {
        if let MessageContent::Parts(parts) = &mut message.content {
            for options in parts.iter_mut().filter_map(ContentPart::options_mut) {
                has_breakpoints |= std::mem::take(&mut options.cache_breakpoint);
            }
        }
    }
    request.prompt_cache.take().is_some() || has_breakpoints
}

/// The effort that is sent, beside the one in `extra`.
pub(super) fn effort(request: &CompletionRequest, target: &Target) -> Option<ReasoningEffort> {
    if effort_in_extra(request).is_some() {
        return request.reasoning_effort;
    }
    target.spec.effort(request.reasoning_effort, has_chat_tools(request, target))
}

/// Whether tools are offered on Chat Completions.
pub(super) fn has_chat_tools(request: &CompletionRequest, target: &Target) -> bool {
    target.api == WireApi::ChatCompletions && !request.tools.is_empty()
}

/// The effort that the caller asks for, where this crate has a name for it.
pub(crate) fn asked_effort(request: &CompletionRequest) -> Option<ReasoningEffort> {
    request.reasoning_effort.or_else(|| effort_in_extra(request)?.parse().ok())
}

/// The effort as a further field of the body has it: `reasoning_effort`, or `reasoning.effort`.
fn effort_in_extra(request: &CompletionRequest) -> Option<&str> {
    let of_responses = || request.extra.get("reasoning")?.get("effort");
    request.extra.get("reasoning_effort").or_else(of_responses)?.as_str()
}

/// Whether the model takes `temperature`, `top_p` and `logprobs` in this request.
pub(super) fn takes_temperature(request: &CompletionRequest, target: &Target) -> bool {
    effort_in_effect(request, target).is_none_or(|effort| target.spec.takes_temperature(effort))
}

/// Whether the model takes `stop` in this request.
pub(super) fn takes_stop(request: &CompletionRequest, target: &Target) -> bool {
    effort_in_effect(request, target).is_none_or(|effort| target.spec.takes_stop(effort).is_possible())
}

/// The effort that the model will use: `Some(None)` is its default, `None` one that this crate does not know.
fn effort_in_effect(request: &CompletionRequest, target: &Target) -> Option<Option<ReasoningEffort>> {
    match effort_in_extra(request) {
        Some(word) if request.reasoning_effort.is_none() => word.parse().ok().map(Some),
        _ => Some(effort(request, target)),
    }
}
