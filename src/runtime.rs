//! What any backend over HTTP needs, whoever's API it speaks: sending, retries, timeouts, limits, server-sent events, the driver of
//! a stream, error bodies, rate limits and spans. It knows no provider: URLs, headers, credentials, error codes and decoders come
//! from outside, and it imports nothing of this crate but itself, so that another backend could take it unchanged.

pub(crate) mod decoder;
mod error;
pub(crate) mod error_body;
pub(crate) mod events;
pub(crate) mod json;
pub(crate) mod offload;
pub(crate) mod rate_limit;
mod redactor;
mod reliability;
pub(crate) mod sse;
pub(crate) mod stream;
pub(crate) mod telemetry;
pub(crate) mod transport;
pub(crate) mod unknown;

pub use self::error::Error;
pub(crate) use self::redactor::{Redactor, is_masked, mask, masked_url, may_authenticate, secret_segments};
pub use self::reliability::Reliability;
