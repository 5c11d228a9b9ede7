//! The contract of a stream.

use std::panic::AssertUnwindSafe;

use futures::{FutureExt, StreamExt, stream};

use super::check::panic_message;
use super::report::ConformanceReport;
use crate::{
    BackendError, CollectError, CollectingStream, CompletionChunk, CompletionResponse, CompletionStream,
};

/// A stream with more chunks than these is taken for endless.
const MAX_CHUNKS: usize = 100_000;
/// How often a stream is polled after its end.
const POLLS_AFTER_END: usize = 3;

type Item = Result<CompletionChunk, BackendError>;

/// Reads a stream to its end and reports what is against the contract. Returns what it amounts to, if it has an end.
pub(super) async fn read(
    mut stream: CompletionStream,
    report: &mut ConformanceReport,
) -> Option<Result<CompletionResponse, BackendError>> {
    let mut items = Vec::new();
    loop {
        let item = next(&mut stream, report).await?;
        let Some(item) = item else {
            report.violation("the stream ended without a final chunk or an error");
            return None;
        };
        let is_end = item.as_ref().map_or(true, |chunk| chunk.is_final);
        items.push(item);
        if is_end {
            break;
        }
        if items.len() > MAX_CHUNKS {
            report.violation(format_args!("the stream did not end within {MAX_CHUNKS} chunks"));
            return None;
        }
    }
    check_end(&mut stream, items.last(), report).await;
    check_chunks(&items, report);
    let collected = CollectingStream::new(stream::iter(items).boxed()).collect().await;
    Some(collected.map_err(|CollectError { error, .. }| error))
}

/// The next item, or `None` if the stream panicked.
async fn next(stream: &mut CompletionStream, report: &mut ConformanceReport) -> Option<Option<Item>> {
    match AssertUnwindSafe(stream.next()).catch_unwind().await {
        Ok(item) => Some(item),
        Err(panic) => {
            report.violation(format_args!("the stream panicked: {}", panic_message(&*panic)));
            None
        }
    }
}

/// Nothing follows the final chunk or the error, however often the stream is polled.
async fn check_end(stream: &mut CompletionStream, last: Option<&Item>, report: &mut ConformanceReport) {
    let end = if matches!(last, Some(Err(_))) { "the error" } else { "the final chunk" };
    for _ in 0..POLLS_AFTER_END {
        let Some(item) = next(stream, report).await else { return };
        let what = match item {
            None => continue,
            Some(Ok(chunk)) if chunk.is_final => "a final chunk",
            Some(Ok(_)) => "a delta chunk",
            Some(Err(_)) => "an error",
        };
        report.violation(format_args!("{what} follows {end}"));
    }
}

fn check_chunks(items: &[Item], report: &mut ConformanceReport) {
    let chunks = || items.iter().flatten();
    if chunks().any(|chunk| !chunk.is_final && (chunk.finish_reason.is_some() || chunk.usage.is_some())) {
        report.violation("a chunk that is not final has a finish reason or usage");
    }
    if chunks().any(|chunk| chunk.is_final && chunk.finish_reason.is_none()) {
        report.violation("the final chunk has no finish reason");
    }
    let mut calls = 0;
    for delta in chunks().flat_map(|chunk| &chunk.tool_calls) {
        if delta.index > calls {
            report.violation(format_args!(
                "a tool call delta has index {}, but {calls} calls have begun: indexes count from 0",
                delta.index
            ));
        }
        if delta.index == calls && delta.name.as_deref().unwrap_or_default().is_empty() {
            report.violation(format_args!("the first delta of tool call {calls} has no name"));
        }
        calls = calls.max(delta.index.saturating_add(1));
    }
}
