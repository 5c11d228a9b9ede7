//! [`Script`]: the replies that a server has instead of those by its own rules, and which request gets which.

mod file;
mod matching;

use std::collections::VecDeque;
use std::io;
use std::path::Path;

pub(crate) use self::matching::ScriptRequest;
pub use self::matching::{Endpoint, Match};
use crate::reply::Reply;

/// Scripted replies: each request for a chat completion or a response gets the first one that fits it and is left. See
/// [`MockConfig::with_script`](crate::MockConfig::with_script).
///
/// ```
/// # use tachikoma_openai_mock::{Match, Reply, Script};
/// let written = Script::from_json(r#"{"replies": [
///     {"match": {"user_message": "weather"}, "tool_calls": [{"name": "get_weather", "arguments": {"city": "Oslo"}}]},
///     {"text": "Sunny.", "times": "always"}
/// ]}"#)?;
/// // The same in Rust.
/// let built = Script::new()
///     .with_reply(Reply::tool_call("get_weather", serde_json::json!({"city": "Oslo"})).when(Match::user_message("weather")))
///     .with_reply(Reply::text("Sunny.").always());
/// # Ok::<_, std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Script {
    replies: VecDeque<Reply>,
    /// Whether a request that no reply fits is answered by the server's own rules.
    falls_back: bool,
}

impl Default for Script {
    fn default() -> Self {
        Self { replies: VecDeque::new(), falls_back: true }
    }
}

impl Script {
    /// A script without replies.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a file in the format of [`from_json`](Self::from_json).
    ///
    /// # Errors
    /// It cannot be read, or is not a script; the message names the file and the place in it.
    pub fn read(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        std::fs::read_to_string(path).and_then(|text| Self::from_json(&text)).map_err(named)
    }

    /// Parses a script: a JSON object with the list `replies`, see the [reference](crate::reference#script-files).
    ///
    /// # Errors
    /// It is not JSON or not a script; the message names the place, and for an unknown field those that are known.
    pub fn from_json(text: &str) -> io::Result<Self> {
        file::parse(text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// The JSON Schema of [`from_json`](Self::from_json)'s format, for editors. It needs the feature `cli`.
    #[cfg(feature = "cli")]
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(file::File).into()
    }

    /// Adds a reply behind those before.
    pub fn with_reply(mut self, reply: Reply) -> Self {
        self.push(reply);
        self
    }

    /// Refuses requests that no reply fits, with status 400 and the code `no_scripted_reply`, instead of answering them by the
    /// server's own rules.
    pub fn without_fallback(mut self) -> Self {
        self.falls_back = false;
        self
    }

    pub(crate) fn push(&mut self, reply: Reply) {
        self.replies.push_back(reply);
    }

    /// Puts the replies of another script behind those of this one. There is a fallback if both have one.
    pub(crate) fn extend(&mut self, other: Self) {
        self.replies.extend(other.replies);
        self.falls_back &= other.falls_back;
    }

    /// The reply to a request, which is then left one time less; `None` leaves the request to the server's own rules.
    ///
    /// # Errors
    /// No reply fits and the fallback is off: the reason.
    pub(crate) fn next(&mut self, request: &ScriptRequest<'_>) -> Result<Option<Reply>, String> {
        let fitting = self.replies.iter().position(|reply| reply.condition.mismatch(request).is_none());
        let Some(reply) = fitting.and_then(|index| self.replies.get_mut(index)) else {
            return if self.falls_back { Ok(None) } else { Err(self.reason(request)) };
        };
        reply.left = reply.left.map(|left| left - 1);
        let reply = reply.clone();
        self.replies.retain(|reply| reply.left != Some(0));
        Ok(Some(reply))
    }

    /// Why no reply fits.
    fn reason(&self, request: &ScriptRequest<'_>) -> String {
        let mismatch = self.replies.front().and_then(|reply| reply.condition.mismatch(request));
        let why = match (mismatch, self.replies.len()) {
            (Some(mismatch), left) => {
                format!("Replies left: {left}. The first one does not match: {mismatch}.")
            }
            (None, _) => "All replies have been used.".to_owned(),
        };
        format!("No scripted reply fits this request, and the script has no fallback. {why}")
    }
}
