//! What a fallback sends where, what it returns, and what it remembers.

mod properties;

use std::sync::Mutex;

use futures::executor::block_on;
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::*;
use crate::{
    CompletionChunk, Conformance, ContentPart, ErrorDetails, FinishReason, Message, ProviderState,
    ScriptedBackend, ScriptedReply, ToolCall,
};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
