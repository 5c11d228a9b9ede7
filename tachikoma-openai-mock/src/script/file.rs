//! The format of a script file: what is parsed, and the replies that it becomes.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::num::NonZeroU64;
use std::str::FromStr;

use axum::http::{HeaderName, HeaderValue};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Match, Script};
use crate::answer::TokenUsage;
use crate::fault::Fault;
use crate::output::OutputItem;
use crate::reply::Reply;

#[derive(Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Where an editor finds this schema.
    #[serde(rename = "$schema")]
    _schema: Option<String>,
    /// Whether requests that no reply fits are answered by the server's own rules. Otherwise they get status 400.
    #[serde(default = "yes")]
    fallback: bool,
    /// Each request gets the first reply that it fits and that is left.
    #[serde(default)]
    replies: Vec<Entry>,
}

fn yes() -> bool {
    true
}

/// One reply: one of the fields that say what is sent, or several that go together.
#[derive(Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Which requests it is for: all conditions must hold. Without conditions, it is for every request.
    #[serde(default, rename = "match")]
    condition: Match,
    /// For how many requests it is used: a number, or "always". Once by default.
    times: Option<Times>,
    /// This text.
    text: Option<String>,
    /// This value, as text.
    #[serde(default, deserialize_with = "even_null")]
    json: Option<Value>,
    /// A refusal with this text.
    refusal: Option<String>,
    /// Calls of functions.
    tool_calls: Option<Vec<ToolCall>>,
    /// Output items as in the Responses API.
    items: Option<Vec<Item>>,
    /// Reasoning in front of the rest.
    reasoning: Option<String>,
    /// A response that begins and then fails.
    failed: Option<Failure>,
    /// An error in OpenAI's shape.
    error: Option<HttpError>,
    /// Any HTTP response.
    http: Option<Http>,
    /// Why it ends, for instance "length".
    finish_reason: Option<String>,
    /// The tokens that it reports.
    usage: Option<TokenUsage>,
    /// Headers of the response.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The time before the first chunk, or before a whole response: "1500ms", "2s".
    #[serde(default, deserialize_with = "parsed")]
    #[cfg_attr(feature = "cli", schemars(with = "Option<String>"))]
    delay: Option<humantime::Duration>,
    /// The time before each other chunk of a stream.
    #[serde(default, deserialize_with = "parsed")]
    #[cfg_attr(feature = "cli", schemars(with = "Option<String>"))]
    chunk_delay: Option<humantime::Duration>,
    /// A fault within the response: "truncate=3,reset", "stall=2", "garbage", "error=2", "split=1", "duplicate=id".
    #[serde(default, deserialize_with = "parsed")]
    #[cfg_attr(feature = "cli", schemars(with = "Option<String>"))]
    fault: Option<Fault>,
}

#[derive(Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected a number from 1 on, or \"always\"")]
enum Times {
    Number(NonZeroU64),
    Word(Always),
}

#[derive(Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
enum Always {
    Always,
}

#[derive(Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct ToolCall {
    /// The function's name.
    name: String,
    /// JSON, or a string that is sent unchanged, valid or not. No arguments by default.
    #[serde(default)]
    arguments: Option<Value>,
}

#[derive(Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Failure {
    code: String,
    message: String,
}

#[derive(Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct HttpError {
    /// From 400 to 599.
    status: u16,
    code: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Http {
    /// From 200 to 599.
    status: u16,
    /// A text, or JSON.
    #[serde(default)]
    body: Value,
}

/// An output item, of any type and with any fields.
#[derive(Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
struct Item {
    /// Sent by a stream alone, before the item's own image.
    #[serde(default)]
    partial_images: Vec<String>,
    #[serde(flatten)]
    fields: serde_json::Map<String, Value>,
}

/// A value that is there, even if it is `null`.
fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// A value that is written as a text.
fn parsed<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let text: Option<String> = Option::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(|error| D::Error::custom(format!("{text:?}: {error}")))).transpose()
}

/// Parses a script.
///
/// # Errors
/// The place of the mistake, and what is wrong.
pub(super) fn parse(text: &str) -> Result<Script, String> {
    // Serde would take a list for the fields of the object.
    if text.trim_start().starts_with('[') {
        return Err("expected an object with the list `replies`".to_owned());
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let file: File = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        if path == "." { error.inner().to_string() } else { format!("{path}: {}", error.inner()) }
    })?;
    deserializer.end().map_err(|error| error.to_string())?;
    let replies = file.replies.into_iter().enumerate();
    let replies =
        replies.map(|(index, entry)| entry.reply().map_err(|why| format!("replies[{index}]: {why}")));
    Ok(Script { replies: replies.collect::<Result<_, _>>()?, falls_back: file.fallback })
}

impl Entry {
    fn reply(self) -> Result<Reply, String> {
        self.check()?;
        let mut reply = match (self.text, self.json, self.refusal, self.failed) {
            (Some(text), ..) => Reply::text(text),
            (_, Some(json), ..) => Reply::json(json),
            (_, _, Some(refusal), _) => Reply::refusal(refusal),
            (.., Some(Failure { code, message })) => Reply::failed(code, message),
            _ => Reply::items([]),
        };
        if let Some(HttpError { status, code, message }) = self.error {
            let message = message.unwrap_or_else(|| format!("The script returns status {status}."));
            reply = Reply::any_error(status, code.as_deref(), &message);
        }
        if let Some(Http { status, body }) = self.http {
            reply = match body {
                Value::Null => Reply::http(status, ""),
                Value::String(text) => Reply::http(status, text),
                json => Reply::http(status, json.to_string()).with_header("content-type", "application/json"),
            };
        }
        for ToolCall { name, arguments } in self.tool_calls.into_iter().flatten() {
            reply = match arguments {
                None => reply.and_tool_call(name, "{}"),
                Some(Value::String(text)) => reply.and_tool_call(name, text),
                Some(json) => reply.and_tool_call(name, json),
            };
        }
        for Item { partial_images, fields } in self.items.into_iter().flatten() {
            reply = reply.and_item(OutputItem::from_json(fields.into()).with_partial_images(partial_images));
        }
        if let Some(reasoning) = self.reasoning {
            reply = reply.with_reasoning(reasoning);
        }
        if let Some(reason) = self.finish_reason {
            reply = reply.with_finish_reason(reason);
        }
        if let Some(usage) = self.usage {
            reply = reply.with_usage(usage);
        }
        for (name, value) in self.headers {
            reply = reply.with_header(name, value);
        }
        if let Some(delay) = self.delay {
            reply = reply.with_delay(delay.into());
        }
        if let Some(delay) = self.chunk_delay {
            reply = reply.with_chunk_delay(delay.into());
        }
        if let Some(fault) = self.fault {
            reply = reply.with_fault(fault);
        }
        let reply = match self.times {
            None => reply,
            Some(Times::Number(times)) => reply.times(times.get()),
            Some(Times::Word(Always::Always)) => reply.always(),
        };
        Ok(reply.when(self.condition))
    }

    /// Refuses fields that do not go together, and values that cannot be sent.
    fn check(&self) -> Result<(), String> {
        let named = |fields: &[(&'static str, bool)]| -> Vec<&'static str> {
            fields.iter().filter(|(_, is_there)| *is_there).map(|(name, _)| *name).collect()
        };
        let responses = named(&[("error", self.error.is_some()), ("http", self.http.is_some())]);
        let contents = named(&[
            ("text", self.text.is_some()),
            ("json", self.json.is_some()),
            ("refusal", self.refusal.is_some()),
            ("failed", self.failed.is_some()),
        ]);
        let additions = named(&[
            ("tool_calls", self.tool_calls.is_some()),
            ("items", self.items.is_some()),
            ("reasoning", self.reasoning.is_some()),
            ("finish_reason", self.finish_reason.is_some()),
            ("usage", self.usage.is_some()),
        ]);
        let parts: Vec<_> = responses.iter().chain(&contents).copied().collect();
        match (parts.as_slice(), additions.as_slice()) {
            ([], []) => {
                return Err(
                    "nothing is to be sent; add `text`, `json`, `refusal`, `tool_calls`, `items`, `failed`, \
                            `error` or `http`"
                        .to_owned(),
                );
            }
            ([one, other, ..], _) => return Err(format!("`{one}` and `{other}` do not go together")),
            ([one], [other, ..]) if !responses.is_empty() => {
                return Err(format!("`{one}` and `{other}` do not go together"));
            }
            _ => {}
        }
        let status = |field: &str, status: Option<u16>, least: u16| match status {
            Some(status) if !(least..=599).contains(&status) => {
                Err(format!("`{field}.status` is {status}; expected {least} to 599"))
            }
            _ => Ok(()),
        };
        status("error", self.error.as_ref().map(|error| error.status), 400)?;
        status("http", self.http.as_ref().map(|http| http.status), 200)?;
        for (name, value) in &self.headers {
            if name.parse::<HeaderName>().is_err() || value.parse::<HeaderValue>().is_err() {
                return Err(format!("the header `{name}: {value}` cannot be sent"));
            }
        }
        match &self.fault {
            Some(fault) => fault.check_for_reply(),
            None => Ok(()),
        }
    }
}
