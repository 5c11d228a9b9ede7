//! What a model cannot do, by the model table.

use tachikoma_backends_core::{CompletionRequest, ReasoningEffort, ResponseFormat};

use super::adapt::{asked_effort, effort, has_chat_tools, takes_stop, takes_temperature};
use super::attachments::{has_files, has_images};
use super::fields;
use crate::models::{ModelSpec, OpenAIModel, Support};
use crate::target::{Target, WireApi};

/// The checks of a request against its model on an API.
pub(super) struct ModelChecks<'a> {
    pub(super) request: &'a CompletionRequest,
    pub(super) target: &'a Target,
    /// The model, as messages name it.
    pub(super) name: &'a str,
}

impl ModelChecks<'_> {
    pub(super) fn abilities(&self, found: &mut Vec<String>) {
        let Self { request, target: Target { spec, stream, .. }, name } = *self;
        let another = OpenAIModel::default();
        if spec.image_input == Support::No && has_images(request) {
            found.push(format!(
                "{name} takes no images: leave them out, or use a model that does, such as {another}"
            ));
        }
        if spec.file_input == Support::No && has_files(request) {
            found.push(format!(
                "{name} takes no files: send their text, or use a model that does, such as {another}"
            ));
        }
        if spec.tools == Support::No && !request.tools.is_empty() {
            found.push(format!(
                "{name} takes no tools: leave them out, or use a model that does, such as {another}"
            ));
        }
        if let (Some(asked), Some(limit)) = (request.max_tokens, spec.max_output_tokens)
            && asked > limit
        {
            found.push(format!(
                "max_tokens is {asked}, but {name} answers with {limit} at most: ask for fewer"
            ));
        }
        match &request.response_format {
            Some(ResponseFormat::JsonSchema { .. }) if spec.structured_outputs == Support::No => found.push(format!(
                "{name} does not follow a JSON Schema: use a model that does, such as {another}, \
                 or describe the form in the prompt"
            )),
            Some(ResponseFormat::JsonObject) if spec.json_mode == Support::No => found.push(format!(
                "{name} has no JSON mode: use a model that has, such as {another}, or ask for JSON in the prompt"
            )),
            _ => {}
        }
        if *stream && spec.streaming == Support::No {
            found.push(format!("{name} does not stream its answer: ask for the whole of it with `complete`"));
        }
    }

    /// What the other API could do.
    pub(super) fn api(&self, found: &mut Vec<String>) {
        let Self { request, target, name } = *self;
        let spec = &target.spec;
        let asked = asked_effort(request);
        match target.api {
            WireApi::ChatCompletions if spec.chat == Support::No => {
                found.push(format!("{name} does not answer on Chat Completions: use the Responses API"));
            }
            WireApi::ChatCompletions => {
                if let Some(what) = fields::typed_responses_only(request) {
                    found.push(format!("Chat Completions does not take {what}: use the Responses API"));
                }
                if let Some(effort) = asked.filter(|effort| ModelSpec::is_responses_only(*effort))
                    && spec.takes_effort(effort) == Support::Yes
                {
                    found.push(format!(
                        "{name} takes the effort {effort} only on the Responses API: use that, or a lower effort"
                    ));
                }
            }
            WireApi::Responses if spec.responses == Support::No => {
                found.push(format!("{name} does not answer on the Responses API: use Chat Completions"));
            }
            WireApi::Responses => {
                if let Some(what) = fields::typed_chat_only(request) {
                    found.push(format!("the Responses API does not take {what}: use Chat Completions"));
                }
            }
        }
        let has_tools = has_chat_tools(request, target);
        let effort = spec.effort(asked, has_tools);
        if has_tools && spec.takes_chat_tools(effort) == Support::No {
            found.push(match effort.filter(|_| spec.takes_effort(ReasoningEffort::None).is_possible()) {
                None => format!("{name} takes no tools on Chat Completions: use the Responses API"),
                Some(effort) => format!(
                    "{name} takes tools on Chat Completions only with the reasoning effort none, not {effort}: \
                     set it to none, or use the Responses API"
                ),
            });
        }
        if target.api == WireApi::Responses && !request.stop.is_empty() && spec.stop != Support::No {
            found.push(
                "the Responses API has no stop texts: leave them out, or use Chat Completions".to_owned(),
            );
        }
        if target.api == WireApi::Responses && !request.logit_bias.is_empty() && spec.penalties.is_possible()
        {
            found.push(
                "the Responses API has no logit_bias: leave it out, or use Chat Completions".to_owned(),
            );
        }
    }

    pub(super) fn effort(&self, found: &mut Vec<String>) {
        let Self { request, target, name } = *self;
        let spec = &target.spec;
        let sent = effort(request, target);
        if let Some(effort) = sent.filter(|effort| spec.takes_effort(*effort) == Support::No) {
            let supported: Vec<_> = spec.efforts.iter().map(|effort| effort.as_str()).collect();
            found.push(if supported.is_empty() {
                format!("{name} does not reason: leave reasoning_effort ({effort}) out")
            } else {
                format!(
                    "{name} does not support the reasoning effort {effort}: use one of {}",
                    supported.join(", ")
                )
            });
        }
    }

    pub(super) fn rejected_fields(&self, found: &mut Vec<String>) {
        let Self { request, target, name } = *self;
        let spec = &target.spec;
        if !request.stop.is_empty() && !takes_stop(request, target) {
            found.push(format!(
                "{name} takes no stop texts: leave them out, and cut the answer after it has come"
            ));
        }
        if !spec.penalties.is_possible() && !request.logit_bias.is_empty() {
            found.push(format!("{name} does not take logit_bias: leave it out"));
        }
        let asks = |field| request.extra.get(field).is_some_and(|value| !value.is_null() && *value != false);
        let asks_typed = request.logprobs == Some(true) || request.top_logprobs.is_some();
        if (asks_typed || asks("logprobs") || asks("top_logprobs")) && !takes_temperature(request, target) {
            let only = if spec.efforts.contains(&ReasoningEffort::None) {
                " with reasoning: leave them out, or set reasoning_effort to none"
            } else {
                ": leave them out"
            };
            found.push(format!("{name} does not return logprobs{only}"));
        }
    }
}
