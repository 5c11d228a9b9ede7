//! Drives the server over HTTP, as its users do.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail where it stands")]

mod background;
mod chat;
mod client;
#[cfg(feature = "cli")]
mod command;
mod compaction;
mod control;
mod conversations;
mod counters;
mod document;
mod embeddings;
mod faults;
mod function_rules;
mod items;
mod refusals;
mod replay;
mod request_rules;
mod responses;
mod responses_input;
mod responses_stream;
mod schema;
mod script;
mod scripted;
mod server;
mod stored;
mod stream;
mod strict_schema;
mod strict_schema_limits;
mod tool_kinds;
mod tools;
mod websocket;
mod websocket_faults;
