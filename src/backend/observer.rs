//! [`CallObserver`]: records the span and the unknown fields of a response.

use std::sync::Arc;

use tachikoma_backends_core::{CompletionChunk, CompletionResponse};
use tracing::Span;

use crate::CodexError;
use crate::api::unknown_fields::note_end;
use crate::runtime::decoder::Piece;
use crate::runtime::stream::Observer;
use crate::runtime::telemetry::Operation;
use crate::runtime::unknown::{UnknownFieldCounts, UnknownFields};

/// Observes one call.
#[derive(Debug)]
pub(super) struct CallObserver {
    operation: Option<Box<Operation>>,
    unknown_fields: Arc<UnknownFieldCounts>,
}

impl CallObserver {
    pub(super) fn new(operation: Option<Box<Operation>>, unknown_fields: Arc<UnknownFieldCounts>) -> Self {
        Self { operation, unknown_fields }
    }

    /// The span of the call.
    pub(super) fn span(&self) -> Span {
        self.operation.as_ref().map_or_else(Span::none, |operation| operation.span().clone())
    }

    /// Records a whole response.
    pub(super) fn response(&mut self, response: &CompletionResponse) {
        let mut unknown = UnknownFields::default();
        note_end(&mut unknown, response.finish_reason_text.as_deref(), response.service_tier.as_deref());
        self.unknown_fields.add(unknown);
        if let Some(operation) = &mut self.operation {
            operation.record_response(response);
        }
    }

    /// Records no end: the response goes on without this call.
    pub(super) fn leave(&mut self) {
        if let Some(operation) = &mut self.operation {
            operation.leave();
        }
    }

    /// Records a failure.
    pub(super) fn failed(&mut self, error: &CodexError) {
        if let Some(operation) = &mut self.operation {
            operation.record_error(error);
        }
    }
}

impl Observer for CallObserver {
    fn piece(&mut self, piece: &Piece) {
        if let Some(operation) = &mut self.operation {
            operation.record_delta(&piece.text, &piece.tool_calls);
        }
    }

    fn end(&mut self, mut unknown: UnknownFields, outcome: &Result<CompletionChunk, CodexError>) {
        match outcome {
            Ok(chunk) => {
                note_end(&mut unknown, chunk.finish_reason_text.as_deref(), chunk.service_tier.as_deref());
                if let Some(operation) = &mut self.operation {
                    operation.record_final_chunk(chunk);
                }
            }
            Err(error) => self.failed(error),
        }
        self.unknown_fields.add(unknown);
    }
}
