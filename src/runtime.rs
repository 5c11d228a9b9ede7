//! What any backend over HTTP needs, for any API: sending, retries, timeouts, limits, server-sent events, the driver of a stream,
//! error bodies, rate limits and spans. It is independent of the provider: URLs, headers, credentials, error codes and decoders are
//! passed in, and it imports nothing else of this crate, so that another backend could use it unchanged.

pub(crate) mod decoder;
mod error;
pub(crate) mod error_body;
pub(crate) mod events;
pub(crate) mod gate;
pub(crate) mod json;
pub(crate) mod offload;
pub(crate) mod rate_limit;
pub(crate) mod recorder;
mod redactor;
mod reliability;
pub(crate) mod resume;
pub(crate) mod sse;
pub(crate) mod stream;
pub(crate) mod telemetry;
pub(crate) mod transport;
pub(crate) mod unknown;
#[cfg(feature = "websocket")]
pub(crate) mod websocket;

pub use self::error::Error;
pub use self::recorder::Recorder;
pub(crate) use self::redactor::{Redactor, is_masked, mask, masked_url, may_authenticate, secret_segments};
pub use self::reliability::Reliability;
