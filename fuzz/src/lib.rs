//! The properties of every response and every patch, whatever their bytes. The targets check them on the inputs of the fuzzer.

use futures::StreamExt;
use futures::executor::block_on;
use tachikoma_backend_codex::CodexError;
use tachikoma_backend_codex::tools::apply_patch::{apply_create, apply_update, parse_arguments};
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

/// Checks for a diff that is applied whole, or an error with a message, and that a text is the same after diffs that state it.
pub fn check_patch(text: &str, diff: &str) {
    let count = |sign: char| diff.lines().filter(|line| line.starts_with(sign)).count();
    let errors = match apply_update(text, diff) {
        Ok(patched) => {
            let lines = text.lines().count() + count('+') - count('-');
            // The last line of a text may lack an ending, and then still does.
            let is_cut = !text.is_empty() && !text.ends_with('\n') && lines > 0;
            let endings = patched.text.matches('\n').count();
            assert_eq!(endings + usize::from(is_cut), lines, "every line of the diff is applied");
            None
        }
        Err(error) => Some(error),
    };
    let parsed = [apply_create(diff).err(), parse_arguments(diff).err()];
    for error in errors.into_iter().chain(parsed.into_iter().flatten()) {
        assert!(!error.message().trim().is_empty(), "an error has a message");
    }
    // Diffs cannot state a carriage return at the end of a line.
    if !text.is_empty() && !text.contains('\r') {
        let signed = |sign: &str| text.lines().map(|line| format!("{sign}{line}\n")).collect::<String>();
        let replaced = apply_update(text, &(signed("-") + &signed("+")));
        assert_eq!(
            replaced.map(|patched| patched.text).as_deref(),
            Ok(text),
            "all lines replaced by themselves"
        );
        let created = apply_create(&signed("+"));
        assert_eq!(
            created.as_deref().map(str::lines).map(Iterator::collect::<Vec<_>>),
            Ok(text.lines().collect())
        );
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
