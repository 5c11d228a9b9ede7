//! Compaction: an item that stands for the context before it, and `POST /v1/responses/compact`.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::turn::{self, with_ids};
use crate::chat::CREATED;
use crate::errors::ApiError;
use crate::output::OutputItem;
use crate::server::Shared;
use crate::{hash, tokens};

/// What every encrypted content begins with.
const PREFIX: &str = "gAAAAABcmp";

/// The fields of a body for this endpoint. Each is one of a request for a response, too.
const FIELDS: [&str; 8] = [
    "model", "input", "previous_response_id", "instructions", "prompt_cache_key", "prompt_cache_options",
    "prompt_cache_retention", "service_tier",
];

/// What the mock remembers of a context: the content of a compaction item.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CompactedContext {
    /// The text of the last user message.
    pub(super) user: String,
    /// How many items right before the compaction still belong to the context.
    pub(super) kept: usize,
}

impl CompactedContext {
    fn encrypted(&self) -> String {
        let json = serde_json::to_string(self).unwrap_or_default();
        format!("{PREFIX}{}", BASE64_STANDARD.encode(json))
    }

    /// The context of a content that the mock has made; a scripted one has none.
    pub(super) fn decrypted(content: &str) -> Option<Self> {
        let json = BASE64_STANDARD.decode(content.strip_prefix(PREFIX)?).ok()?;
        serde_json::from_slice(&json).ok()
    }

    /// The item that replaces the context.
    pub(super) fn item(self) -> OutputItem {
        OutputItem::compaction(self.encrypted())
    }
}

/// `POST /v1/responses/compact`: the user's messages and one compaction, which stands for everything else.
pub(crate) async fn compact(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>, ApiError> {
    turn::check_fields(&body, &FIELDS)?;
    let prepared = turn::prepare(&shared, &body, |_| None)?;
    let id = hash::id("resp_", &[b"compaction", &body]);
    let is_user_message = |item: &&Value| item.get("role").is_some_and(|role| role == "user");
    let mut output: Vec<Value> = prepared.items().iter().filter(is_user_message).cloned().collect();
    for message in output.iter_mut().filter_map(Value::as_object_mut) {
        message.entry("status").or_insert("completed".into());
        message.entry("type").or_insert("message".into());
        if let Some(Value::String(text)) = message.get("content") {
            let content = json!([{"type": "input_text", "text": text}]);
            message.insert("content".to_owned(), content);
        }
    }
    with_ids(&mut output, &id);
    let context = CompactedContext { user: prepared.request.last_user_text(), kept: output.len() };
    let output_tokens = tokens::count(context.user.len());
    let compaction = context.item().with_field("id", hash::id("cmp_", &[id.as_bytes()]));
    output.push(json!(compaction));
    shared.counters.compacted();
    let input_tokens = prepared.input_tokens;
    Ok(Json(json!({
        "id": id,
        "object": "response.compaction",
        "created_at": CREATED,
        "output": output,
        "usage": {
            "input_tokens": input_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": input_tokens + output_tokens,
        },
    })))
}
