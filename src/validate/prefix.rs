//! A check of two requests: whether the later one begins with the prompt of the earlier one, which a provider's cache can then
//! reuse.

mod cause;
mod excerpt;
mod item;
mod pointer;

use std::fmt;

use serde_json::Value;

use self::item::{Difference, difference};
use self::pointer::Pointer;

/// Why a prompt no longer begins with that of an earlier request. Its `Display` explains it and gives advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PrefixBreakCause {
    /// One request is for Chat Completions, the other for the Responses API.
    Api,
    /// The model is another one.
    Model,
    /// `prompt_cache_key` is another one.
    CacheKey,
    /// A setting that is part of the prompt is another one: the effort, the verbosity, a prompt template.
    Setting,
    /// The response format is another one.
    ResponseFormat,
    /// The tools are the same, in another order.
    ToolOrder,
    /// A tool was added or removed.
    ToolSet,
    /// A tool with the same name has another definition.
    ToolDefinition,
    /// The keys of a schema are the same, in another order.
    KeyOrder,
    /// A date or time in a text changed.
    Time,
    /// The reasoning of an earlier turn is missing.
    State,
    /// An image is sent with another detail.
    ImageDetail,
    /// A text is the same JSON, written differently.
    JsonFormat,
    /// A message was inserted before an earlier one.
    Insertion,
    /// A message was removed.
    Removal,
    /// The instructions, or a system or developer message, were changed.
    Instructions,
    /// An earlier message was changed.
    Edit,
}

impl PrefixBreakCause {
    const fn hint(self) -> &'static str {
        match self {
            Self::Api => "the requests go to different APIs: set the API instead of having it chosen",
            Self::Model => "the model changed: each model has a cache of its own",
            Self::CacheKey => "prompt_cache_key changed: keep it for the whole conversation",
            Self::Setting => {
                "a setting that is part of the prompt changed: keep it for the whole conversation"
            }
            Self::ResponseFormat => {
                "the response format changed, whose schema precedes the messages: keep it for the whole conversation"
            }
            Self::ToolOrder => "the tools are in another order: sort them, for example by name",
            Self::ToolSet => {
                "a tool was added or removed: offer the same tools always, and restrict them by tool_choice"
            }
            Self::ToolDefinition => {
                "the definition of a tool changed: keep descriptions and schemas free of what changes"
            }
            Self::KeyOrder => "the keys of a schema are in another order: serialize it from an ordered map",
            Self::Time => "a date or time in a text changed: move it to the end of the conversation",
            Self::State => {
                "the reasoning of an earlier turn is missing: send its message with the provider_state that it came with"
            }
            Self::ImageDetail => "an image is sent with another detail: keep the detail",
            Self::JsonFormat => {
                "a text is the same JSON, written differently: send the text as it was first sent"
            }
            Self::Insertion => "a message was inserted before an earlier one: append it instead",
            Self::Removal => {
                "an earlier message was removed: shorten a conversation seldom, and by a large part"
            }
            Self::Instructions => {
                "the instructions changed: move what changes to the end of the conversation"
            }
            Self::Edit => "an earlier message was changed: append a new one instead",
        }
    }
}

impl fmt::Display for PrefixBreakCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.hint())
    }
}

/// The first difference between two requests after which the provider's cache cannot reuse the prompt of the earlier one: see
/// [`prefix_break`]. The excerpts contain text of the prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PrefixBreak {
    /// The place in the bodies, as a JSON Pointer: `/messages/3/content`.
    pub path: String,
    /// An excerpt of the earlier value, around the difference; `None` where there was none.
    pub earlier: Option<String>,
    /// An excerpt of the later value; `None` where there is none.
    pub later: Option<String>,
    /// How many of the earlier request's messages, or items of the input, precede the difference in the prompt and are the same.
    pub matching_items: usize,
    /// How many the earlier request has.
    pub items: usize,
    /// What probably happened.
    pub cause: PrefixBreakCause,
}

impl fmt::Display for PrefixBreak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, earlier, later, matching_items, items, cause } = self;
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        write!(f, "{cause} ({path}: {} became {}; ", text(earlier), text(later))?;
        write!(f, "{matching_items} of {items} items still match)")
    }
}

/// The fields that change the prompt, or which cache is used, in the order of the prompt: settings, tools, schema,
/// instructions. The conversation follows.
const FIELDS: &[(&[&str], PrefixBreakCause)] = &[
    (&["model"], PrefixBreakCause::Model),
    (&["prompt_cache_key"], PrefixBreakCause::CacheKey),
    (&["reasoning_effort"], PrefixBreakCause::Setting),
    (&["reasoning", "effort"], PrefixBreakCause::Setting),
    (&["reasoning", "context"], PrefixBreakCause::Setting),
    (&["reasoning", "mode"], PrefixBreakCause::Setting),
    (&["verbosity"], PrefixBreakCause::Setting),
    (&["text", "verbosity"], PrefixBreakCause::Setting),
    (&["chat_template_kwargs"], PrefixBreakCause::Setting),
    (&["web_search_options"], PrefixBreakCause::Setting),
    (&["functions"], PrefixBreakCause::ToolSet),
    (&["tools"], PrefixBreakCause::ToolSet),
    (&["response_format"], PrefixBreakCause::ResponseFormat),
    (&["text", "format"], PrefixBreakCause::ResponseFormat),
    (&["prompt"], PrefixBreakCause::Setting),
    (&["instructions"], PrefixBreakCause::Instructions),
];

/// The fields of a conversation, in Chat Completions and in the Responses API.
const CONVERSATIONS: [&str; 2] = ["messages", "input"];

/// Fields by which the server adds the beginning of the conversation.
const CONTINUATIONS: [&str; 2] = ["previous_response_id", "conversation"];

/// The first difference between the bodies of two requests after which a cache cannot reuse the prompt of the earlier one, in
/// the order in which OpenAI builds the prompt: model and settings, tools, schema of the response, instructions, conversation.
/// `None` where the later request extends the earlier one.
///
/// Not compared are fields that are not part of the prompt, such as `temperature`, `tool_choice`, `stream` and breakpoints of the
/// cache, and a conversation whose beginning the server adds by `previous_response_id` or `conversation`. A difference in the last
/// earlier message counts, too. The order of a schema's keys is compared with the feature `preserve_order` of `serde_json`,
/// without which a [`Value`] is sorted.
///
/// ```
/// # use serde_json::json;
/// use tachikoma_backend_codex::{PrefixBreakCause, prefix_break};
///
/// let system = |time: &str| json!({"role": "system", "content": format!("It is {time}. Be brief.")});
/// let question = json!({"role": "user", "content": "Hi"});
/// let earlier = json!({"model": "m", "messages": [system("10:03"), question]});
/// let later = json!({"model": "m", "messages": [system("10:04"), question]});
/// let found = prefix_break(&earlier, &later).expect("the time changed");
/// assert_eq!(found.path, "/messages/0/content");
/// assert_eq!(found.cause, PrefixBreakCause::Time);
/// assert_eq!((found.matching_items, found.items), (0, 2));
/// ```
pub fn prefix_break(earlier: &Value, later: &Value) -> Option<PrefixBreak> {
    let items = CONVERSATIONS.iter().find_map(|name| earlier.get(name)).map_or(0, item_count);
    let settings = || FIELDS.iter().find_map(|(path, cause)| field_break(path, *cause, earlier, later));
    let found = api_break(earlier, later).or_else(settings).map(|found| (0, found));
    let (matching_items, (difference, cause)) = found.or_else(|| conversation_break(earlier, later))?;
    let (earlier, later) = excerpt::both(difference.earlier, difference.later);
    Some(PrefixBreak { path: difference.path.to_string(), earlier, later, matching_items, items, cause })
}

type Found<'a> = (Difference<'a>, PrefixBreakCause);

fn api_break<'a>(earlier: &'a Value, later: &'a Value) -> Option<Found<'a>> {
    let [chat, responses] = CONVERSATIONS;
    let has_other =
        |name, other| earlier.get(name).is_some() && later.get(name).is_none() && later.get(other).is_some();
    let name = if has_other(chat, responses) {
        chat
    } else if has_other(responses, chat) {
        responses
    } else {
        return None;
    };
    let difference = Difference { path: Pointer::new(&[name]), earlier: earlier.get(name), later: None };
    Some((difference, PrefixBreakCause::Api))
}

fn field_break<'a>(
    path: &[&str],
    cause: PrefixBreakCause,
    earlier: &'a Value,
    later: &'a Value,
) -> Option<Found<'a>> {
    let find = |body: &'a Value| {
        let value = path.iter().try_fold(body, |value, name| value.get(name))?;
        // Plain text is the default format, and no tools are the same as an empty list.
        let is_default = value.is_null()
            || value.get("type").is_some_and(|kind| kind == "text")
            || value.as_array().is_some_and(Vec::is_empty);
        (!is_default).then_some(value)
    };
    let pointer = Pointer::new(path);
    let (earlier, later) = match (find(earlier), find(later)) {
        (None, None) => return None,
        (Some(earlier), Some(later)) => (earlier, later),
        (earlier, later) => return Some((Difference { path: pointer, earlier, later }, cause)),
    };
    match (earlier, later) {
        (Value::Array(earlier), Value::Array(later)) => cause::of_tools(pointer, earlier, later),
        _ => item::strict_difference(pointer, earlier, later).map(|(found, is_order)| {
            let cause = match cause {
                _ if is_order => PrefixBreakCause::KeyOrder,
                PrefixBreakCause::Instructions => cause::of_text(&found).unwrap_or(cause),
                cause => cause,
            };
            (found, cause)
        }),
    }
}

/// The first difference of the conversations, with the number of items that precede it.
fn conversation_break<'a>(earlier: &'a Value, later: &'a Value) -> Option<(usize, Found<'a>)> {
    let is_continued = |name: &str| {
        let (earlier, later) = (earlier.get(name), later.get(name));
        let is_set = |value: Option<&Value>| value.is_some_and(|value| !value.is_null());
        // The same beginning can have two continuations; a conversation grows between requests.
        (is_set(earlier) || is_set(later)) && (earlier != later || name == "conversation")
    };
    if CONTINUATIONS.into_iter().any(is_continued) {
        return None;
    }
    let (name, earlier) = CONVERSATIONS.iter().find_map(|name| Some((*name, earlier.get(name)?)))?;
    let path = Pointer::new(&[name]);
    let later = later.get(name);
    let (Value::Array(earlier), Some(Value::Array(later))) = (earlier, later) else {
        // The input of the Responses API can be one text, which a list can begin with.
        let found = match (earlier, later) {
            (Value::String(_), Some(Value::Array(later))) if item::is_user_text(later.first(), earlier) => {
                None
            }
            (earlier, Some(later)) => difference(path, earlier, later),
            (earlier, None) => Some(Difference { path, earlier: Some(earlier), later: None }),
        };
        return found.map(|found| (0, (found, PrefixBreakCause::Edit)));
    };
    let (index, found) = earlier.iter().enumerate().find_map(|(index, item)| {
        let path = path.index(index);
        let found = match later.get(index) {
            Some(other) => difference(path, item, other),
            None => Some(Difference { path, earlier: Some(item), later: None }),
        };
        found.map(|found| (index, found))
    })?;
    let cause = cause::of_item(&found, index, earlier, later);
    Some((index, (found, cause)))
}

fn item_count(conversation: &Value) -> usize {
    conversation.as_array().map_or(1, Vec::len)
}

#[cfg(test)]
mod tests;
