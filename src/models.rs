//! What is known of OpenAI's models, and the questions that the rest of the crate asks: whether a model can do something, what
//! it costs, how it counts.
//!
//! Every fact stands once, as data: a model is one row of `table.rs`, an embedding model one row of `embedding.rs`. What the
//! sources leave open stays `None` or [`Unknown`](Support::Unknown), and nothing is refused because of it.
//!
//! A backend knows more than the table: facts that the settings state ([`ModelFacts`], [`ModelTable`]) take precedence over the
//! server's list of models ([`list_models`](crate::CodexBackend::list_models)), and both over the table.
//! [`model_info`](crate::CodexBackend::model_info) states the source of each fact. The methods of [`OpenAIModel`] have the table
//! alone.

mod capabilities;
mod cost;
// xtask compiles `date`, `efforts`, `image`, `price`, `spec` and `table` as well. They use nothing of this crate but each other.
mod date;
mod efforts;
mod embedding;
mod facts;
mod image;
mod lookup;
mod model_table;
mod openai_model;
mod price;
mod spec;
mod table;

pub use cost::{Cost, PriceError};
pub use date::{Date, InvalidDate};
pub use efforts::Efforts;
pub(crate) use embedding::EmbeddingModel;
pub use facts::ModelFacts;
pub(crate) use image::{ImageTokens, PatchLimit};
pub use lookup::{Lookup, Match};
pub(crate) use model_table::Sources;
pub use model_table::{FactSource, ModelInfo, ModelTable};
pub use openai_model::OpenAIModel;
pub use price::{Price, Prices, ServiceTier};
pub use spec::{Encoding, InstructionRole, LongContext, ModelSpec, Sampling, Support, TokenParameter};
#[cfg(any(test, feature = "internals"))]
pub(crate) use table::MODELS;

#[cfg(test)]
mod tests;
