//! The one test binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has found something"
)]

mod apply_patch;
mod backend;
mod background;
mod bad_input;
mod bodies;
mod cache;
mod compaction;
mod conformance_suite;
mod core_fields;
mod credentials;
mod dependencies;
mod documentation;
mod documents;
mod embeddings;
mod errors;
mod events;
mod exchanges;
mod fallback;
mod faults;
mod field;
mod gate;
mod hosted_tools;
mod hostile;
mod limits;
mod live;
mod llmock;
mod metamorphic;
mod metrics;
mod model_facts;
mod model_list;
mod oracle;
mod parity;
mod properties;
mod recorded;
mod recorder;
mod resume;
mod scenarios;
mod secrets;
mod sending;
mod server;
mod server_state;
mod settings_file;
mod structured;
mod surface;
mod telemetry;
mod tidy;
mod tokens;
mod tools;
mod websocket;
