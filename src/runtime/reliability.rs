//! The settings of timeouts, retries and limits.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The settings of timeouts, retries and limits. In a file durations are texts such as `"120s"` or `"1m 30s"`.
///
/// # Retries
/// A request is sent again after the statuses 408, 409, 429 (unless a quota is exhausted) and 5xx, after a timeout and after a broken
/// connection, as long as no part of a response has arrived. The header `x-should-retry` overrides that. After a connection that
/// broke before a response began, the retry uses a new connection. Each retry is a `tracing` event, and the final error holds the
/// number of attempts, the earlier failures, and whether the server may have processed the request.
///
/// ```
/// use std::time::Duration;
/// use tachikoma_backend_codex::{CodexBackendConfig, Reliability};
///
/// // For a program with a person in front of it.
/// let mut impatient = Reliability::default();
/// impatient.max_retries = 1;
/// impatient.first_content_timeout = Some(Duration::from_secs(20));
/// impatient.idle_timeout = Duration::from_secs(60);
///
/// let config = CodexBackendConfig::new("sk-...").with_reliability(impatient);
/// assert_eq!(config.reliability().first_content_timeout, Some(Duration::from_secs(20)));
/// assert_eq!(config.reliability().connect_timeout, Reliability::default().connect_timeout);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Reliability {
    /// The maximum number of retries of a request; 0 disables them. By default 2.
    pub max_retries: u32,

    /// The least wait before the first retry. It doubles with each further one, up to 8 s, and becomes up to a quarter shorter
    /// at random, so that clients spread out. A server that asks for a shorter wait, or for none, is not asked again earlier.
    /// By default 500 ms.
    #[serde(with = "duration")]
    pub min_retry_wait: Duration,

    /// The longest wait before a retry that a server may ask for. After a longer one the error is returned with it, and the
    /// caller decides. The actual wait is up to a quarter longer than the server asks for, at random. By default 60 s.
    #[serde(with = "duration")]
    pub max_retry_wait: Duration,

    /// How much load retries may add: the retries of all requests of this backend, clones of its `Arc` included, as a share of
    /// these requests. Within 30 s there are at most 10 retries, or as many as the request itself may have, or this share of the
    /// requests of these 30 s, whichever is more. The first retry after a rate limit that states the wait does not count. Where
    /// the budget is exhausted, a failure is returned at once, with a hint that says so. By default 0.2; `None`, in files
    /// `"off"`, turns the limit off.
    #[serde(serialize_with = "write_share", deserialize_with = "read_share")]
    pub retry_budget: Option<f64>,

    /// Whether a request is tried again that the server may already have processed, and billed: after a timeout, a connection
    /// that broke once the request was sent, or a failure of a gateway. By default it is, as in the providers' own clients.
    pub retry_if_maybe_processed: bool,

    /// How long to wait for a connection. By default 5 s. A client of your own keeps its own limit.
    #[serde(with = "duration")]
    pub connect_timeout: Duration,

    /// How long to wait for a response to begin, that is for its headers, and once more as long, if it is not streamed, for
    /// its end. By default 600 s: a model may think long before it answers a request that is not streamed. The body of an
    /// error gets 5 s, whatever this is.
    #[serde(with = "duration")]
    pub response_timeout: Duration,

    /// How long a stream that has begun may take until its first content: text, a refusal, reasoning or a tool call. By
    /// default there is no limit but the idle timeout.
    #[serde(with = "optional_duration", skip_serializing_if = "Option::is_none")]
    pub first_content_timeout: Option<Duration>,

    /// How long a response that has begun may be silent; any byte counts, a comment too. By default 300 s.
    #[serde(with = "duration")]
    pub idle_timeout: Duration,

    /// How long a stream may go on without content, however many comments keep the connection alive. By default there is no
    /// limit.
    #[serde(with = "optional_duration", skip_serializing_if = "Option::is_none")]
    pub progress_timeout: Option<Duration>,

    /// How long a response that is not streamed may take in all, retries included. By default there is no limit. Streams have
    /// none.
    #[serde(with = "optional_duration", skip_serializing_if = "Option::is_none")]
    pub total_timeout: Option<Duration>,

    /// How long a provider of tokens, or a file or command that gives the key, may take. By default 30 s.
    #[serde(with = "duration")]
    pub token_timeout: Duration,

    /// The largest event of a stream, in bytes. By default 64 MiB.
    pub max_event_bytes: usize,

    /// The largest response that is not streamed, in bytes. By default 256 MiB.
    pub max_body_bytes: usize,

    /// The largest number of tool calls in one response. By default 1,000.
    pub max_tool_calls: usize,
}

impl Default for Reliability {
    fn default() -> Self {
        Self {
            max_retries: 2,
            min_retry_wait: Duration::from_millis(500),
            max_retry_wait: Duration::from_secs(60),
            retry_budget: Some(0.2),
            retry_if_maybe_processed: true,
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(600),
            first_content_timeout: None,
            idle_timeout: Duration::from_secs(300),
            progress_timeout: None,
            total_timeout: None,
            token_timeout: Duration::from_secs(30),
            max_event_bytes: 64 << 20,
            max_body_bytes: 256 << 20,
            max_tool_calls: 1000,
        }
    }
}

/// A number, or `"off"`.
#[derive(Deserialize, Serialize)]
#[serde(untagged, expecting = "expected a share such as 0.2, or \"off\"")]
enum Share {
    Number(f64),
    Off(Off),
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Off {
    Off,
}

fn write_share<S: Serializer>(share: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    share.map_or(Share::Off(Off::Off), Share::Number).serialize(serializer)
}

fn read_share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(match Share::deserialize(deserializer)? {
        Share::Number(share) => Some(share),
        Share::Off(Off::Off) => None,
    })
}

/// A duration as a text with its unit.
mod duration {
    use super::{Deserializer, Duration, Serializer, Visitor, de, fmt};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*duration))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Duration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration with its unit, like \"120s\", \"500ms\" or \"1m 30s\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
                humantime::parse_duration(text)
                    .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// The same, of a limit that may be absent. A field that is absent is left to its default.
pub(super) mod optional_duration {
    use super::{Deserializer, Duration, Serializer, duration};

    pub(crate) fn serialize<S: Serializer>(
        limit: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match limit {
            Some(limit) => duration::serialize(limit, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        duration::deserialize(deserializer).map(Some)
    }
}
