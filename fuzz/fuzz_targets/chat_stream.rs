//! Any bytes, split anywhere, give the same chunks: one final chunk or one error, and no more text than bytes.
#![no_main]

use futures::StreamExt;
use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;
use tachikoma_backend_codex::internals::chat_stream;

fuzz_target!(|input: (u16, &[u8])| {
    let (at, bytes) = input;
    let (head, tail) = bytes.split_at(usize::from(at).min(bytes.len()));
    let whole: Vec<_> = block_on(chat_stream([bytes]).collect());
    let ends = whole.iter().filter(|item| item.as_ref().map_or(true, |chunk| chunk.is_final)).count();
    let text: usize = whole.iter().flatten().map(|chunk| chunk.delta.len()).sum();
    assert_eq!(ends, 1);
    assert!(text <= bytes.len());
    let split: Vec<_> = block_on(chat_stream([head, tail]).collect());
    assert_eq!(format!("{split:?}"), format!("{whole:?}"));
});
