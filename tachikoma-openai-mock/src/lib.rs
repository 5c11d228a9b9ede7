//! A deterministic OpenAI-compatible server for tests.
#![doc = include_str!("../README.md")]

#[doc = include_str!("../REFERENCE.md")]
pub mod reference {}

mod answer;
mod body;
mod chat;
mod config;
mod control;
mod conversations;
mod counters;
mod embeddings;
mod errors;
mod fault;
mod function_rules;
mod hash;
mod idle;
mod key;
mod list;
mod models;
mod output;
mod rate_limit;
mod record;
mod replay;
mod reply;
mod request_rules;
mod request_schema;
mod responses;
mod routes;
mod schema_example;
mod script;
mod server;
mod store;
mod stream;
mod strict_schema;
mod tokens;
mod websocket;

pub use answer::TokenUsage;
pub use config::MockConfig;
pub use counters::Counters;
pub use fault::{Fault, InvalidFault};
pub use output::OutputItem;
pub use record::RecordedRequest;
pub use replay::Replay;
pub use reply::Reply;
pub use routes::router;
pub use script::{Endpoint, Match, Script};
pub use server::MockServer;
pub use strict_schema::check_strict_schema;
