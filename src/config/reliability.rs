//! How long to wait, how often to try and how much to take: one row a setting.

use std::time::Duration;

use super::CodexBackendConfig;

/// Makes the settings, their defaults, a `with_*` method and a getter for each, and hands their names and types on to the
/// file's form by `for_each_setting`.
macro_rules! settings {
    (@hand_on ($dollar:tt) $($field:ident: $type:ty;)*) => {
        /// Calls a macro with its own arguments and `{ field: type; ... }`.
        macro_rules! for_each_setting {
            ($dollar name:ident! { $dollar($dollar argument:tt)* }) => {
                $dollar name! { { $dollar($dollar argument)* } { $($field: $type;)* } }
            };
        }
        pub(super) use for_each_setting;
    };
    ($($(#[doc = $doc:literal])+ $field:ident, $with:ident($argument:ty): $type:ty = $default:expr;)*) => {
        /// How long to wait, how often to try and how much to take.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub(crate) struct Reliability { $(pub(crate) $field: $type,)* }

        impl Default for Reliability {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl CodexBackendConfig {
            $(
                $(#[doc = $doc])+
                #[must_use]
                pub fn $with(mut self, $field: $argument) -> Self {
                    self.reliability.$field = $field.into();
                    self
                }

                #[doc = concat!("See [`", stringify!($with), "`](Self::", stringify!($with), ").")]
                pub fn $field(&self) -> $type {
                    self.reliability.$field
                }
            )*
        }

        settings! { @hand_on ($) $($field: $type;)* }
    };
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

settings! {
    /// How often a request is tried again; 0 turns retries off. By default 2.
    max_retries, with_max_retries(u32): u32 = 2;

    /// The least wait before the first retry. It doubles with each further one, up to 8 s, and becomes up to a quarter shorter
    /// at random, so that clients spread out. A server that asks for a shorter wait, or for none, is not asked again earlier.
    /// By default 500 ms.
    min_retry_wait, with_min_retry_wait(Duration): Duration = Duration::from_millis(500);

    /// The longest wait before a retry that a server may ask for. A longer one is not slept: the error states it, and the
    /// caller decides. What is slept becomes up to a quarter longer than what the server asks for, at random. By default 60 s.
    max_retry_wait, with_max_retry_wait(Duration): Duration = seconds(60);

    /// How much load retries may add: the retries of all requests of this backend, clones of its `Arc` included, as a share of
    /// these requests. Within 30 s there are at most 10 retries, or as many as the request itself may have if that is more, and
    /// this share of the requests of these 30 s. The first retry after a rate limit that states the wait does not count. Where
    /// the budget is exhausted, a failure is returned at once and says so. By default 0.2; `None`, in files `"off"`, turns the
    /// limit off.
    ///
    /// ```
    /// # use tachikoma_backend_codex::CodexBackendConfig;
    /// let config = CodexBackendConfig::new("sk-...").with_retry_budget(0.1);
    /// assert_eq!(config.retry_budget(), Some(0.1));
    /// assert_eq!(config.with_retry_budget(None).retry_budget(), None);
    /// ```
    retry_budget, with_retry_budget(impl Into<Option<f64>>): Option<f64> = Some(0.2);

    /// Whether a request is tried again of which nobody knows whether the server has already processed, and billed, it:
    /// after a timeout, a connection that broke once the request was sent, or a failure of a gateway. By default it is, as
    /// by OpenAI's own clients.
    retry_if_maybe_processed, with_retry_if_maybe_processed(bool): bool = true;

    /// How long to wait for a connection. By default 5 s. A client of your own keeps its own limit.
    connect_timeout, with_connect_timeout(Duration): Duration = seconds(5);

    /// How long to wait for a response to begin, that is for its headers, and once more as long, if it is not streamed, for
    /// its end. By default 600 s: a model may think long before it answers a request that is not streamed. The body of an
    /// error gets 5 s, whatever this is.
    response_timeout, with_response_timeout(Duration): Duration = seconds(600);

    /// How long a stream that has begun may take until its first content: text, a refusal, thinking or a tool call. By
    /// default there is no limit but the one on silence.
    first_content_timeout, with_first_content_timeout(impl Into<Option<Duration>>): Option<Duration> = None;

    /// How long an answer that has begun may be silent; any byte counts as life, a comment too. By default 300 s.
    idle_timeout, with_idle_timeout(Duration): Duration = seconds(300);

    /// How long a stream may go on without content, however many comments keep the connection alive. By default there is no
    /// limit.
    progress_timeout, with_progress_timeout(impl Into<Option<Duration>>): Option<Duration> = None;

    /// How long an answer that is not streamed may take in all, retries included. By default there is no limit. Streams have
    /// none: as long as they go on, they are well.
    total_timeout, with_total_timeout(impl Into<Option<Duration>>): Option<Duration> = None;

    /// How long a [`TokenProvider`](crate::TokenProvider), or a file or command that gives the key, may take. By default 30 s.
    token_timeout, with_token_timeout(Duration): Duration = seconds(30);

    /// The largest event of a stream, in bytes. By default 64 MiB.
    max_event_bytes, with_max_event_bytes(usize): usize = 64 << 20;

    /// The largest answer that is not streamed, in bytes. By default 256 MiB.
    max_body_bytes, with_max_body_bytes(usize): usize = 256 << 20;

    /// The largest number of tool calls in one answer. By default 1,000.
    max_tool_calls, with_max_tool_calls(usize): usize = 1000;

    /// Whether streams over Chat Completions ask for their usage by `stream_options`. By default they do; some servers refuse
    /// the field. Without it the usage of a stream is not known, unless the server states it anyway.
    stream_usage, with_stream_usage(bool): bool = true;
}
