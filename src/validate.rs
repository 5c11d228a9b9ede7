//! What cannot succeed is found before it is sent, and what a model rejects without harm is left out. Pure functions.

mod adapt;
mod attachments;
mod fields;
mod model;
mod prefix;

use std::collections::BTreeSet;

use tachikoma_backends_core::{BackendError, CompletionRequest, ResponseFormat, Role, ToolChoice, ToolSpec};

pub(crate) use self::adapt::{adapt, asked_effort};
pub(crate) use self::attachments::needs_responses;
pub(crate) use self::fields::{chat_only, responses_only};
use self::model::ModelChecks;
pub use self::prefix::{PrefixBreak, PrefixBreakCause, prefix_break};
use crate::models::Match;
use crate::target::{Target, WireApi};

/// Limits of OpenAI's API, whichever the model.
const MAX_STOP_TEXTS: usize = 4;
const MAX_METADATA: usize = 16;
const MAX_METADATA_KEY: usize = 64;
const MAX_METADATA_VALUE: usize = 512;

/// The least limit on an answer that the Responses API takes, in tokens.
const MIN_OUTPUT_TOKENS: u32 = 16;

/// The least threshold of compaction that the Responses API takes, in tokens.
const MIN_COMPACTION_THRESHOLD: u32 = 1_000;

/// The longest name of a JSON Schema, in characters.
const MAX_SCHEMA_NAME: usize = 64;

/// Why something is taken to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basis {
    /// No server can accept it.
    Request,
    /// OpenAI's API or this model refuses it, by what is known of them. Another server may have other rules.
    OpenAI,
    /// The models with names of this beginning refuse it. This one may not.
    Family,
}

/// Something wrong with a request: what, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) message: String,
    pub(crate) basis: Basis,
    /// Whether the other API could do it.
    pub(crate) by_api: bool,
}

impl Finding {
    /// Whether the request must not be sent; else a warning is enough. `to_openai`: it goes to OpenAI's or Azure's host.
    pub(crate) fn is_error(&self, to_openai: bool) -> bool {
        match self.basis {
            Basis::Request => true,
            Basis::OpenAI => to_openai,
            Basis::Family => false,
        }
    }
}

/// Everything wrong with a request, as its model and its API have it. Of temperature, top_p and penalties
/// only the range is judged: where the model rejects them, [`adapt`] leaves them out.
pub(crate) fn validate(request: &CompletionRequest, target: &Target) -> Vec<Finding> {
    let Target { model, spec, by, api, .. } = target;
    let (mut wrong, mut over_limits, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    conversation(request, &mut wrong, &mut over_limits);
    attachments::sources(request, &mut wrong);
    schema_is_object(request, &mut wrong);
    tools(request, &mut over_limits);
    numbers(request, &mut over_limits);
    texts(request, &mut over_limits);
    api_limits(request, &mut over_limits);
    fields::contradiction(request, &mut over_limits);
    if *api == WireApi::Responses
        && let Some(limit @ 1..MIN_OUTPUT_TOKENS) = request.max_tokens
    {
        over_limits.push(format!(
            "max_tokens is {limit}: the Responses API takes {MIN_OUTPUT_TOKENS} at least, raise it to that"
        ));
    }
    let (name, basis) = match by {
        Match::Family => (format!("{model} (as the {} family)", spec.id), Basis::Family),
        _ => (model.to_string(), Basis::OpenAI),
    };
    let checks = ModelChecks { request, target, name: &name };
    let (mut by_api, mut by_file) = (Vec::new(), Vec::new());
    if *api == WireApi::ChatCompletions {
        attachments::chat_files(request, &mut by_file);
    }
    checks.api(&mut by_api);
    checks.abilities(&mut refused);
    checks.effort(&mut refused);
    checks.rejected_fields(&mut refused);
    [
        (Basis::Request, false, wrong),
        (Basis::OpenAI, false, over_limits),
        (Basis::OpenAI, true, by_file),
        (basis, true, by_api),
        (basis, false, refused),
    ]
    .into_iter()
    .flat_map(|(basis, by_api, messages)| {
        messages.into_iter().map(move |message| Finding { message, basis, by_api })
    })
    .collect()
}

/// Whether the server already has the beginning of this conversation, as the Responses API alone can.
fn is_continued(request: &CompletionRequest) -> bool {
    ["previous_response_id", "conversation", "prompt"].iter().any(|field| request.extra.contains_key(*field))
}

fn conversation(request: &CompletionRequest, wrong: &mut Vec<String>, refused: &mut Vec<String>) {
    let continued = is_continued(request);
    if request.messages.is_empty() && !continued {
        refused.push(
            "the conversation is empty: add a message, for example `Message::user(\"...\")`".to_owned(),
        );
    }
    let mut calls = BTreeSet::new();
    for (i, message) in request.messages.iter().enumerate() {
        calls.extend(message.tool_calls.iter().map(|call| call.id.as_str()));
        match (message.role, message.tool_call_id.as_deref()) {
            (Role::Tool, None | Some("")) => wrong.push(format!(
                "messages[{i}] is a tool result without the id of its call: make it with `Message::tool_result(id, ...)`"
            )),
            (Role::Tool, Some(id)) if !calls.contains(id) && !continued => refused.push(format!(
                "messages[{i}] is the result of the tool call {id:?}, which no earlier message contains: \
                 put the assistant's turn with that call before it"
            )),
            _ => {}
        }
    }
}

fn tools(request: &CompletionRequest, found: &mut Vec<String>) {
    let mut names = BTreeSet::new();
    for tool in &request.tools {
        if let Err(BackendError::InvalidRequest(details)) = tool.validate() {
            found.push(details.message);
        }
        // Several servers can be of one type of hosted tool.
        if !matches!(tool, ToolSpec::Hosted(_)) && !names.insert(tool.name()) {
            found.push(format!("two tools have the name {:?}: give each a name of its own", tool.name()));
        }
    }
    // A hosted tool may hold others, as a namespace does.
    let has_hosted = request.tools.iter().any(|tool| matches!(tool, ToolSpec::Hosted(_)));
    if has_hosted {
        return;
    }
    if request.extra.contains_key("tools") {
        return;
    }
    match &request.tool_choice {
        Some(ToolChoice::Tool { name }) if !names.contains(name.as_str()) => {
            let offered = names.into_iter().collect::<Vec<_>>().join(", ");
            let offered = if offered.is_empty() { "none" } else { &offered };
            found.push(format!(
                "tool_choice is the tool {name:?}, which is not offered ({offered} is): add it to `tools`, or choose another"
            ));
        }
        Some(ToolChoice::Required) if names.is_empty() => {
            found.push("tool_choice is `required`, but no tool is offered: add one to `tools`".to_owned());
        }
        _ => {}
    }
}

fn numbers(request: &CompletionRequest, found: &mut Vec<String>) {
    for (field, value, range) in [
        ("temperature", request.temperature, 0.0..=2.0),
        ("top_p", request.top_p, 0.0..=1.0),
        ("frequency_penalty", request.frequency_penalty, -2.0..=2.0),
        ("presence_penalty", request.presence_penalty, -2.0..=2.0),
    ] {
        if let Some(value) = value.filter(|value| !range.contains(value)) {
            found.push(format!("{field} is {value}: use a value from {} to {}", range.start(), range.end()));
        }
    }
    for (token, bias) in request.logit_bias.iter().filter(|(_, bias)| !(-100..=100).contains(*bias)) {
        found.push(format!("logit_bias of token {token} is {bias}: use a value from -100 to 100"));
    }
    if request.max_tokens == Some(0) {
        found.push("max_tokens is 0: leave it out for the server's own limit, or use 1 at least".to_owned());
    }
}

fn texts(request: &CompletionRequest, found: &mut Vec<String>) {
    if request.stop.iter().any(String::is_empty) {
        found.push("a stop text is empty: leave it out".to_owned());
    }
    if let Some(ResponseFormat::JsonSchema { name, .. }) = &request.response_format {
        let is_name = (1..=MAX_SCHEMA_NAME).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        if !is_name {
            found.push(format!(
                "the name of the response format is {name:?}: use 1 to {MAX_SCHEMA_NAME} letters, digits, '_' and '-'"
            ));
        }
    }
}

fn schema_is_object(request: &CompletionRequest, found: &mut Vec<String>) {
    if let Some(ResponseFormat::JsonSchema { name, schema, .. }) = &request.response_format
        && !schema.is_object()
    {
        found.push(format!(
            "the schema of the response format {name:?} is not a JSON object: give a JSON Schema"
        ));
    }
}

fn api_limits(request: &CompletionRequest, found: &mut Vec<String>) {
    if request.stop.len() > MAX_STOP_TEXTS {
        found.push(format!(
            "{} stop texts: OpenAI takes {MAX_STOP_TEXTS} at most, keep the likeliest",
            request.stop.len()
        ));
    }
    if request.metadata.len() > MAX_METADATA {
        found.push(format!(
            "{} pairs of metadata: OpenAI takes {MAX_METADATA} at most, leave some out",
            request.metadata.len()
        ));
    }
    if let Some(threshold @ ..MIN_COMPACTION_THRESHOLD) = request.compaction_threshold {
        found.push(format!(
            "compaction_threshold is {threshold}: the Responses API takes {MIN_COMPACTION_THRESHOLD} tokens at least, raise it"
        ));
    }
    for (key, value) in &request.metadata {
        if key.chars().count() > MAX_METADATA_KEY {
            found.push(format!(
                "the metadata key {key:?} is too long: OpenAI takes {MAX_METADATA_KEY} characters, shorten it"
            ));
        }
        if value.chars().count() > MAX_METADATA_VALUE {
            found.push(format!("the metadata of {key:?} is too long: OpenAI takes {MAX_METADATA_VALUE} characters, shorten it"));
        }
    }
}

#[cfg(test)]
mod tests;
