//! The properties of every response, whatever its bytes. The targets check them on the inputs of the fuzzer.

use futures::StreamExt;
use futures::executor::block_on;
use tachikoma_backend_codex::CodexError;
use tachikoma_backends_core::{
    CollectingStream, CompletionChunk, CompletionResponse, CompletionStream, ToolCall,
};

/// Bytes in two pieces. The place of the split depends on the bytes alone, so that any file is an input.
pub fn split(bytes: &[u8]) -> [&[u8]; 2] {
    let hash = bytes.iter().fold(0usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let (head, tail) = bytes.split_at(hash % (bytes.len() + 1));
    [head, tail]
}

/// Checks for one final chunk or one error at the end, the same for every split of the bytes, no more text than bytes, and no
/// complete call without a name.
pub fn check_stream(bytes: &[u8], read: impl Fn(&[&[u8]]) -> CompletionStream) {
    let items: Vec<_> = block_on(read(&[bytes]).collect());
    let is_end = |item: &Result<CompletionChunk, _>| item.as_ref().map_or(true, |chunk| chunk.is_final);
    assert_eq!(items.iter().filter(|item| is_end(item)).count(), 1, "one final chunk or one error");
    assert!(items.last().is_some_and(is_end), "nothing after the end");
    let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
    for other in [&split(bytes)[..], &pieces] {
        let other: Vec<_> = block_on(read(other).collect());
        assert_eq!(format!("{other:?}"), format!("{items:?}"), "the same for every split");
    }
    let stream = futures::stream::iter(items).boxed();
    match block_on(CollectingStream::new(stream).collect()) {
        Ok(response) => check_response(bytes, &response),
        Err(error) => {
            assert!(!error.to_string().trim().is_empty(), "an error has a message");
            check_response(bytes, &error.partial);
        }
    }
}

/// Checks for an error with a message, or a response with no more text than bytes and no complete call without a name.
pub fn check_body(bytes: &[u8], read: impl Fn(&[u8]) -> Result<CompletionResponse, CodexError>) {
    match read(bytes) {
        Ok(response) => check_response(bytes, &response),
        Err(error) => assert!(!error.message().trim().is_empty(), "an error has a message"),
    }
}

fn check_response(bytes: &[u8], response: &CompletionResponse) {
    let texts = [&response.content, &response.refusal, &response.reasoning];
    let text: usize = texts.into_iter().flatten().map(String::len).sum();
    assert!(text <= bytes.len(), "no more text than bytes");
    let is_nameless = |call: &ToolCall| call.name.is_empty();
    assert!(!response.tool_calls.iter().any(is_nameless), "no complete call without a name");
    let ids: Vec<&str> = response.tool_calls.iter().map(|call| call.id.as_str()).collect();
    assert!(!ids.contains(&""), "every complete call has an id");
}
