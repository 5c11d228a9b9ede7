//! Server-sent events: paced, counted while they are open, and dropped when their client leaves.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use futures::stream;

use crate::server::Shared;
use crate::tokens::whole_characters;

/// Sends the events one by one, unchanged.
pub(crate) fn respond(shared: Arc<Shared>, events: Vec<String>) -> Response {
    let open = OpenStream::new(shared);
    // The stream owns `open`: dropping the stream, at its end or before, closes it.
    let chunks = stream::unfold((events.into_iter(), open, true), |(mut events, open, first)| async move {
        let event = events.next()?;
        if !first {
            open.0.pause(open.0.config.chunk_delay).await;
        }
        Some((Ok::<_, Infallible>(Bytes::from(event)), (events, open, false)))
    });
    let headers = [(CONTENT_TYPE, "text/event-stream; charset=utf-8"), (CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(chunks.fuse())).into_response()
}

/// One count in [`MockServer::open_streams`](crate::MockServer::open_streams).
struct OpenStream(Arc<Shared>);

impl OpenStream {
    fn new(shared: Arc<Shared>) -> Self {
        shared.open_streams.send_modify(|open| *open += 1);
        Self(shared)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.open_streams.send_modify(|open| *open -= 1);
    }
}

/// Cuts a text before each space, and after this many bytes without one, but never within a character.
pub(crate) fn pieces(text: &str, longest: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.chars().next()?.len_utf8();
        let after = rest.get(start..).unwrap_or_default();
        let end = after.find(char::is_whitespace).map_or(rest.len(), |space| start + space);
        let (piece, more) = rest.split_at(whole_characters(rest, end.min(longest)));
        rest = more;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_before_its_spaces() {
        let check = |text, expected: &[&str]| assert_eq!(pieces(text, 16).collect::<Vec<_>>(), expected);
        check("", &[]);
        check("Hello!", &["Hello!"]);
        check("Hello! I am", &["Hello!", " I", " am"]);
        check("a  b\n", &["a", " ", " b", "\n"]);
        check(r#"{"location":"example"}"#, &[r#"{"location":"exa"#, r#"mple"}"#]);
        check("漢字漢字漢字", &["漢字漢字漢", "字"]);
    }
}
