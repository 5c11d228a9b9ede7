//! Streams that have a place among the requests in progress, and what requests take of the limits.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Stream, StreamExt};
use tachikoma_backends_core::{CompletionChunk, CompletionRequest};

use super::CodexBackend;
use super::exchange::ChunkStream;
use crate::runtime::gate::{Load, Slot};
use crate::target::Target;
use crate::tokens;

/// A stream that gives up its place with its last item.
struct GatedStream<E> {
    chunks: ChunkStream<E>,
    slot: Option<Slot>,
}

/// The stream with its place, if there is a limit on them.
pub(super) fn gated<E: 'static>(chunks: ChunkStream<E>, slot: Option<Slot>) -> ChunkStream<E> {
    let Some(slot) = slot else { return chunks };
    slot.ready();
    Box::pin(GatedStream { chunks, slot: Some(slot) })
}

impl<E> Stream for GatedStream<E> {
    type Item = Result<CompletionChunk, E>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let item = this.chunks.poll_next_unpin(context);
        match (&item, &this.slot) {
            (Poll::Pending, Some(slot)) => slot.pending(),
            (Poll::Ready(Some(Ok(chunk))), Some(slot)) if !chunk.is_final => slot.ready(),
            (Poll::Ready(_), _) => this.slot = None,
            (Poll::Pending, None) => {}
        }
        item
    }
}

impl CodexBackend {
    /// What a request takes of the limits, if there is a gate.
    pub(super) fn load(&self, request: &CompletionRequest, target: &Target) -> Option<Load> {
        self.config.gate()?;
        let input = tokens::of_request(request, target).tokens;
        let tokens = input.saturating_add(request.max_tokens.unwrap_or_default());
        Some(Load { model: target.model.to_string(), tokens })
    }
}
