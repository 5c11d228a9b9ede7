//! What is known of OpenAI's models, and the questions that the rest of the crate asks: whether a model can do something, what
//! it costs, how it counts.
//!
//! Every fact stands once, as data: a model is one row of `table.rs`, an embedding model one row of `embedding.rs`. What the
//! sources leave open stays `None` or [`Unknown`](Support::Unknown), and nothing is refused because of it.

mod cost;
// xtask compiles `date`, `image`, `price`, `spec` and `table` as well. They use nothing of this crate but each other.
mod date;
mod embedding;
mod image;
mod lookup;
mod openai_model;
mod price;
mod spec;
mod table;

pub use cost::{Cost, PriceError};
pub use date::Date;
pub(crate) use embedding::EmbeddingModel;
pub(crate) use image::{ImageTokens, PatchLimit};
pub use lookup::{Lookup, Match};
pub use openai_model::OpenAIModel;
pub use price::{Price, Prices, ServiceTier};
pub use spec::{Encoding, InstructionRole, LongContext, ModelSpec, Sampling, Support, TokenParameter};
#[cfg(any(test, feature = "internals"))]
pub(crate) use table::MODELS;

#[cfg(test)]
mod tests;
