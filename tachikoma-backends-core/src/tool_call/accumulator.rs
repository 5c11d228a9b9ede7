//! Whole calls from the deltas of a stream.

use std::borrow::Cow;

use crate::{ToolCall, ToolCallDelta, ToolCallKind};

/// A delta of a streamed call, as servers send it: anything may be missing, empty or repeated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolCallFragment<'a> {
    /// The server's own number for the call.
    pub index: Option<usize>,
    /// The call's id.
    pub id: Option<&'a str>,
    /// The tool's name.
    pub name: Option<&'a str>,
    /// The next part of the arguments' JSON text; an owned text is moved, not copied.
    pub arguments: Cow<'a, str>,
}

impl<'a> ToolCallFragment<'a> {
    /// A fragment with these fields.
    pub fn new(
        index: Option<usize>,
        id: Option<&'a str>,
        name: Option<&'a str>,
        arguments: impl Into<Cow<'a, str>>,
    ) -> Self {
        Self { index, id, name, arguments: arguments.into() }
    }
}

/// Assembles streamed calls.
///
/// How a fragment finds its call:
/// 1. With an index, it belongs to the latest call of that index, unless both have an id and these differ; then to
///    the call of that index and id, or it begins a new one. An index that is new belongs to the call of its id.
/// 2. Without an index, by its id; a new id begins a new call.
/// 3. With neither, to the last call, unless it names a tool when that call already has arguments; then it begins a
///    new one.
/// 4. Arguments without a name begin no call while a call that they can continue is open: a new id in each fragment of an index
///    is that of its call, and a new index after calls that share one, or have none, is that of the last call.
///
/// A fragment that names a tool begins a new call all the same where the call that it found already has arguments and another
/// name, or arguments that are a complete JSON object and further ones follow; where id, name and arguments are the same, it
/// is a repetition and changes nothing.
///
/// Empty ids and names change nothing. A name equal to the one held is not appended, one that begins with it replaces it. An
/// id that another call has is not taken over: [`finish`](Self::finish) generates another.
#[derive(Clone, Debug, Default)]
pub struct ToolCallAccumulator {
    calls: Vec<OpenCall>,
    last: usize,
}

#[derive(Clone, Debug, Default)]
struct OpenCall {
    index: Option<usize>,
    call: ToolCall,
    is_complete: bool,
}

impl OpenCall {
    /// Whether the arguments are a complete JSON object, after which nothing of the same call can follow.
    fn has_all_arguments(&self) -> bool {
        let text = self.call.arguments.trim();
        // Nearly all fragments arrive while an object is still open, where the parser can be skipped.
        text.starts_with('{')
            && text.ends_with('}')
            && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
    }
}

/// Where a fragment belongs.
enum Place {
    Existing(usize),
    New,
    Repetition,
}

impl ToolCallAccumulator {
    /// No calls yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a delta that a backend returned.
    pub fn push(&mut self, delta: &ToolCallDelta) {
        let position = match self.calls.iter().position(|open| open.index == Some(delta.index)) {
            Some(position) => position,
            None => self.open(Some(delta.index)),
        };
        if let Some(open) = self.calls.get_mut(position) {
            if let Some(id) = &delta.id {
                id.clone_into(&mut open.call.id);
            }
            open.call.name.push_str(delta.name.as_deref().unwrap_or_default());
            open.call.arguments.push_str(&delta.arguments_delta);
            open.is_complete |= delta.is_complete;
            if !delta.kind.is_function() {
                open.call.kind = delta.kind;
            }
            if let Some(namespace) = &delta.namespace {
                open.call.namespace = Some(namespace.clone());
            }
        }
    }

    /// Adds a fragment as a server sent it, and returns the delta for the caller: numbered by the order in which
    /// the calls began, with nothing repeated. `None` for an empty fragment, which begins no call.
    pub fn push_fragment(&mut self, fragment: ToolCallFragment<'_>) -> Option<ToolCallDelta> {
        let id = fragment.id.filter(|id| !id.is_empty());
        let name = fragment.name.filter(|name| !name.is_empty());
        if id.is_none() && name.is_none() && fragment.arguments.is_empty() {
            return None;
        }
        match self.place(fragment.index, id, name, &fragment.arguments) {
            Place::Existing(position) => self.add(position, fragment),
            Place::New => {
                let position = self.open(fragment.index);
                self.add(position, fragment)
            }
            Place::Repetition => None,
        }
    }

    fn add(&mut self, position: usize, fragment: ToolCallFragment<'_>) -> Option<ToolCallDelta> {
        self.last = position;
        let id = fragment.id.filter(|id| !id.is_empty());
        let name = fragment.name.filter(|name| !name.is_empty());
        let is_taken = id.is_some_and(|id| self.calls.iter().any(|open| open.call.id == id));
        let OpenCall { call, .. } = self.calls.get_mut(position)?;
        let mut delta = ToolCallDelta { index: position, ..ToolCallDelta::default() };
        if let Some(id) = id.filter(|_| call.id.is_empty() && !is_taken) {
            id.clone_into(&mut call.id);
            delta.id = Some(id.to_owned());
        }
        if let Some(name) = name {
            let rest = name.strip_prefix(call.name.as_str()).unwrap_or(name);
            if !rest.is_empty() {
                call.name.push_str(rest);
                delta.name = Some(rest.to_owned());
            }
        }
        call.arguments.push_str(&fragment.arguments);
        delta.arguments_delta = fragment.arguments.into_owned();
        Some(delta)
    }

    /// Adds a fragment that holds a whole call, of which fragments may have been added already: only the rest is new.
    pub fn push_whole(&mut self, mut fragment: ToolCallFragment<'_>) -> Option<ToolCallDelta> {
        let id = fragment.id.filter(|id| !id.is_empty());
        let held = self.find(fragment.index, id, false).and_then(|position| self.calls.get(position));
        if let Some(OpenCall { call, .. }) = held
            && !call.arguments.is_empty()
            && let Some(rest) = fragment.arguments.strip_prefix(call.arguments.as_str())
            && fragment.name.is_none_or(|name| name.is_empty() || name == call.name)
        {
            fragment.arguments = Cow::Owned(rest.to_owned());
        }
        self.push_fragment(fragment)
            .filter(|delta| delta.id.is_some() || delta.name.is_some() || !delta.arguments_delta.is_empty())
    }

    /// Adds a fragment of the call with this index, whatever else it holds: for servers whose index identifies calls reliably.
    pub fn push_indexed(&mut self, index: usize, fragment: ToolCallFragment<'_>) -> Option<ToolCallDelta> {
        let position = match self.calls.iter().position(|open| open.index == Some(index)) {
            Some(position) => position,
            None => self.open(Some(index)),
        };
        self.add(position, fragment)
    }

    /// The id of the call that began in this place, counted from 0, if it has one.
    pub fn id(&self, place: usize) -> Option<&str> {
        self.calls.get(place).map(|open| open.call.id.as_str()).filter(|id| !id.is_empty())
    }

    /// Whether a call with this id, name and these arguments has been added.
    pub fn contains(&self, id: &str, name: &str, arguments: &str) -> bool {
        let is_same = |call: &ToolCall| call.id == id && call.name == name && call.arguments == arguments;
        self.calls.iter().any(|open| is_same(&open.call))
    }

    /// Begins a call and returns its position.
    fn open(&mut self, index: Option<usize>) -> usize {
        self.calls.push(OpenCall { index, ..OpenCall::default() });
        self.calls.len() - 1
    }

    fn place(&self, index: Option<usize>, id: Option<&str>, name: Option<&str>, arguments: &str) -> Place {
        let is_nameless_piece = name.is_none() && !arguments.is_empty();
        let is_open = |position: &usize| {
            let open = self.calls.get(*position);
            is_nameless_piece
                && open.is_some_and(|open| !open.call.name.is_empty() && !open.has_all_arguments())
        };
        let position =
            self.find(index, id, name.is_some()).or_else(|| self.unreliable(index, id).filter(is_open));
        let Some(position) = position else { return Place::New };
        let (Some(held), Some(name)) = (self.calls.get(position), name) else {
            return Place::Existing(position);
        };
        let call = &held.call;
        let is_other_name = name != call.name && !call.name.is_empty();
        let is_continued_name = name.starts_with(call.name.as_str()) && call.arguments.is_empty();
        if is_other_name
            && !is_continued_name
            && (!call.arguments.is_empty() || id.is_some_and(|id| id == call.id))
        {
            return Place::New;
        }
        if arguments.trim_start().is_empty() || !held.has_all_arguments() {
            return Place::Existing(position);
        }
        let is_same = id.is_some_and(|id| id == call.id) && name == call.name && arguments == call.arguments;
        if is_same { Place::Repetition } else { Place::New }
    }

    fn find(&self, index: Option<usize>, id: Option<&str>, is_named: bool) -> Option<usize> {
        let by_id = || self.calls.iter().position(|open| id.is_some_and(|id| open.call.id == id));
        match (index, id) {
            (Some(_), id) => {
                let same_index = |open: &OpenCall| open.index == index;
                let Some(latest) = self.calls.iter().rposition(same_index) else { return by_id() };
                let held = self.calls.get(latest)?.call.id.as_str();
                if id.is_none_or(|id| held.is_empty() || held == id) { Some(latest) } else { by_id() }
            }
            (None, Some(_)) => by_id(),
            (None, None) => {
                let last = self.calls.get(self.last)?;
                (!is_named || last.call.arguments.is_empty()).then_some(self.last)
            }
        }
    }

    /// The call that arguments without a name may continue where neither their index nor their id identifies one.
    fn unreliable(&self, index: Option<usize>, id: Option<&str>) -> Option<usize> {
        let index = index?;
        let same_index = |index: usize| self.calls.iter().filter(move |open| open.index == Some(index));
        if let Some(latest) = self.calls.iter().rposition(|open| open.index == Some(index)) {
            return Some(latest);
        }
        let last = self.calls.get(self.last)?;
        let is_ambiguous = last.index.is_none_or(|index| same_index(index).count() > 1);
        (id.is_none() && is_ambiguous).then_some(self.last)
    }

    /// The number of calls that have begun.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether no call has begun.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The whole calls, and apart from them those that are incomplete.
    ///
    /// With `has_ended`, the model has [ended its turn](crate::FinishReason::ends_turn): all its calls are whole. Otherwise only those
    /// are whole that the provider has marked as complete, however complete the arguments of others may look. A call without a
    /// name is never whole. Missing ids are generated; missing arguments of a whole call are `{}`, but the input of a custom
    /// tool may be empty.
    pub fn finish(self, has_ended: bool) -> (Vec<ToolCall>, Vec<ToolCall>) {
        let ids: Vec<String> = self.calls.iter().map(|open| open.call.id.clone()).collect();
        let (mut whole, mut incomplete) = (Vec::new(), Vec::new());
        for (position, OpenCall { mut call, is_complete, .. }) in self.calls.into_iter().enumerate() {
            if call.id.is_empty() {
                call.id = format!("call_{position}");
                while ids.contains(&call.id) {
                    call.id.push('_');
                }
            }
            if call.name.is_empty() || !(has_ended || is_complete) {
                incomplete.push(call);
                continue;
            }
            if call.kind == ToolCallKind::Custom {
                whole.push(call);
                continue;
            }
            if call.arguments.trim().is_empty() {
                call.arguments = "{}".to_owned();
            }
            // Some servers begin a call with an empty object in the place of the arguments that follow.
            if let Some(rest) = call.arguments.strip_prefix("{}")
                && rest.trim_start().starts_with('{')
                && serde_json::from_str::<serde::de::IgnoredAny>(rest).is_ok()
            {
                call.arguments = rest.to_owned();
            }
            whole.push(call);
        }
        (whole, incomplete)
    }
}
