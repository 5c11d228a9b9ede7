//! What of a conversation belongs to one backend, and must not reach another.

use crate::compaction::{is_summary_mark, kept_by_server};
use crate::{
    CompactedConversation, CompletionRequest, ContentPart, MediaSource, Message, MessageContent,
    ProviderState,
};

/// Marks the state as made by the backend of this route.
pub(super) fn mark(state: &mut Option<ProviderState>, route: &str) {
    if let Some(state) = state.as_mut().filter(|state| !is_summary_mark(state)) {
        state.route.push(route.to_owned());
    }
}

/// Leaves each message the state that the backend of this route made, as that backend made it. `name` is the backend's own name.
pub(super) fn restore(messages: &mut [Message], route: &str, name: &str) {
    for message in messages {
        message.provider_state.take_if(|state| !restore_one(state, route, name));
    }
}

/// Whether the state goes to the backend of this route.
fn restore_one(state: &mut ProviderState, route: &str, name: &str) -> bool {
    match state.route.pop() {
        Some(last) => last == route,
        None => is_summary_mark(state) || is_origin_of(name, &state.origin),
    }
}

/// Whether a backend of this name made a state of this origin, which begins with the name. State that came from a backend directly has
/// no route yet.
fn is_origin_of(name: &str, origin: &str) -> bool {
    let rest = origin.strip_prefix(name).filter(|_| !name.is_empty());
    let is_part_of_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    rest.is_some_and(|rest| !rest.starts_with(is_part_of_name))
}

/// What only one server has of this request's conversation; it cannot be left out, since the model would answer without it.
pub(super) fn bound_part(request: &CompletionRequest) -> Option<String> {
    if let Some(field) = kept_by_server(request) {
        return Some(format!("{field} names what only the first backend's server keeps: send all messages"));
    }
    let parts = request.messages.iter().flat_map(|message| match &message.content {
        MessageContent::Parts(parts) => parts.as_slice(),
        MessageContent::Text(_) => &[],
    });
    let id = parts.into_iter().find_map(uploaded_id)?;
    Some(format!("the file {id:?} was uploaded to the first backend's server: send it as data or as a URL"))
}

fn uploaded_id(part: &ContentPart) -> Option<&str> {
    match part {
        ContentPart::Image { source: MediaSource::Id { id }, .. }
        | ContentPart::File { source: MediaSource::Id { id }, .. }
        | ContentPart::Audio { source: MediaSource::Id { id }, .. } => Some(id),
        _ => None,
    }
}

/// Completes a compacted conversation: the backend of this route got `sent` for `original`. The messages at the end that it left
/// unchanged keep the state that other backends made; the state of the others is its own.
pub(super) fn complete(
    compacted: &mut CompactedConversation,
    sent: &[Message],
    original: &[Message],
    route: &str,
) {
    let mut pairs = sent.iter().rev().zip(original.iter().rev());
    let mut is_unchanged = true;
    for message in compacted.messages.iter_mut().rev() {
        let pair = pairs.next().filter(|(sent, original)| *sent == &*message && is_same_turn(sent, original));
        is_unchanged &= pair.is_some();
        match pair.filter(|_| is_unchanged) {
            Some((_, original)) => message.clone_from(original),
            None => mark(&mut message.provider_state, route),
        }
    }
}

/// Whether both are the same, apart from the state: an adjustment may have changed the conversation.
fn is_same_turn(sent: &Message, original: &Message) -> bool {
    Message { provider_state: None, ..sent.clone() } == Message { provider_state: None, ..original.clone() }
}
