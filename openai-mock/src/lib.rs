//! A small deterministic OpenAI-compatible server for examples and tests.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let server = openai_mock::MockServer::start().await?;
//! println!("point any OpenAI client at {}", server.base_url());
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod answer;
mod body;
mod chat;
mod config;
mod embeddings;
mod errors;
mod hash;
mod key;
mod models;
mod record;
mod reply;
mod routes;
mod schema_example;
mod server;
mod stream;
mod tokens;

pub use config::MockConfig;
pub use record::RecordedRequest;
pub use reply::Reply;
pub use routes::router;
pub use server::MockServer;
