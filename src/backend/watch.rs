//! What is noted of a response while it passes: its span, and its unknown fields and values.

use std::sync::Arc;

use tachikoma_backends_core::{CompletionChunk, CompletionResponse};
use tracing::Span;

use crate::absorbed::{Counters, Unknown};
use crate::decode::answer::Piece;
use crate::error::CodexError;
use crate::telemetry::Operation;

/// Watches one answer.
#[derive(Debug)]
pub(super) struct Watch {
    operation: Option<Box<Operation>>,
    counters: Arc<Counters>,
}

impl Watch {
    pub(super) fn new(operation: Option<Box<Operation>>, counters: Arc<Counters>) -> Self {
        Self { operation, counters }
    }

    /// The span, in which everything is done.
    pub(super) fn span(&self) -> Span {
        self.operation.as_ref().map_or_else(Span::none, |operation| operation.span().clone())
    }

    /// A piece of a streamed answer passes.
    pub(super) fn piece(&mut self, piece: &Piece) {
        if let Some(operation) = &mut self.operation {
            operation.piece(&piece.text, &piece.tool_calls);
        }
    }

    /// A streamed answer is over.
    pub(super) fn ended(&mut self, mut unknown: Unknown, outcome: &Result<CompletionChunk, CodexError>) {
        match outcome {
            Ok(chunk) => {
                unknown.answer(chunk.finish_reason_text.as_deref(), chunk.service_tier.as_deref());
                if let Some(operation) = &mut self.operation {
                    operation.last(chunk);
                }
            }
            Err(error) => self.failed(error),
        }
        self.counters.add(unknown);
    }

    /// A whole answer passes.
    pub(super) fn answered(&mut self, response: &CompletionResponse) {
        let mut unknown = Unknown::default();
        unknown.answer(response.finish_reason_text.as_deref(), response.service_tier.as_deref());
        self.counters.add(unknown);
        if let Some(operation) = &mut self.operation {
            operation.answered(response);
        }
    }

    /// There is no answer.
    pub(super) fn failed(&self, error: &CodexError) {
        if let Some(operation) = &self.operation {
            operation.failed(error);
        }
    }
}
