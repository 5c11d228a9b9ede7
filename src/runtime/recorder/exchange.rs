//! [`Exchange`]: one request and what came back, as it is captured.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::HeaderMap;
use tachikoma_backends_core::Transcript;
use tokio::time::Instant;

use super::Recorder;
use super::line::{Content, EndLine, Line, PieceLine, RequestLine, ResponseLine, VERSION};
use super::redaction::Redaction;
use crate::runtime::{Error, Redactor};

/// The largest exchange that becomes the transcript of an error, in bytes of both bodies.
const MAX_TRANSCRIPT_BYTES: usize = 4 << 20;

/// Captures the exchanges of one backend.
#[derive(Clone, Debug)]
pub(crate) struct ExchangeRecorder {
    recorder: Option<Recorder>,
    has_transcripts: bool,
    redactor: Arc<Redactor>,
}

impl ExchangeRecorder {
    /// Opens the file of the recorder. `None` if exchanges are neither recorded nor kept for errors.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(crate) fn new(
        recorder: Option<&Recorder>,
        has_transcripts: bool,
        redactor: &Arc<Redactor>,
    ) -> Result<Option<Self>, Error> {
        recorder.map_or(Ok(()), Recorder::open)?;
        let recorder = recorder.cloned();
        let is_used = recorder.is_some() || has_transcripts;
        Ok(is_used.then(|| Self { recorder, has_transcripts, redactor: Arc::clone(redactor) }))
    }

    /// Begins with a request that is about to be sent.
    pub(crate) fn begin(&self, request: &reqwest::Request) -> Exchange {
        let path = request.url().query().map_or_else(
            || request.url().path().to_owned(),
            |query| format!("{}?{query}", request.url().path()),
        );
        let body = request.body().and_then(reqwest::Body::as_bytes).map(Bytes::copy_from_slice);
        let state = State {
            time: SystemTime::now(),
            start: Instant::now(),
            method: request.method().to_string(),
            path,
            headers: request.headers().clone(),
            bytes: body.as_ref().map_or(0, Bytes::len),
            body,
            response: None,
            pieces: Vec::new(),
            end: None,
        };
        Exchange(Arc::new(Capture { recorder: self.clone(), state: Mutex::new(state) }))
    }
}

/// How an exchange ended.
#[derive(Clone, Debug)]
pub(crate) enum StreamEnd {
    Complete,
    /// The caller dropped the response, or the request.
    Dropped,
    /// It failed: the kind of the failure, its cause, and whether the server reset the connection.
    Failed {
        kind: &'static str,
        cause: String,
        is_reset: bool,
    },
}

/// One request and what came back. Clones are the same exchange.
#[derive(Clone)]
pub(crate) struct Exchange(Arc<Capture>);

struct Capture {
    recorder: ExchangeRecorder,
    state: Mutex<State>,
}

struct State {
    time: SystemTime,
    start: Instant,
    method: String,
    path: String,
    headers: HeaderMap,
    body: Option<Bytes>,
    response: Option<Head>,
    pieces: Vec<(Duration, Bytes)>,
    /// The size of both bodies.
    bytes: usize,
    end: Option<(Duration, StreamEnd)>,
}

/// The beginning of a response.
struct Head {
    at: Duration,
    status: u16,
    headers: HeaderMap,
}

impl Exchange {
    /// The response has begun.
    pub(crate) fn respond(&self, status: u16, headers: &HeaderMap) {
        let mut state = self.lock();
        state.response = Some(Head { at: state.start.elapsed(), status, headers: headers.clone() });
    }

    /// A piece of the body has arrived.
    pub(crate) fn piece(&self, piece: &Bytes) {
        let mut state = self.lock();
        let at = state.start.elapsed();
        state.bytes += piece.len();
        if self.0.recorder.recorder.is_some() || state.bytes <= MAX_TRANSCRIPT_BYTES {
            state.pieces.push((at, piece.clone()));
        }
    }

    /// Ends it and writes it, unless that is done.
    pub(crate) fn end(&self, end: StreamEnd) {
        let mut state = self.lock();
        if state.end.is_some() {
            return;
        }
        state.end = Some((state.start.elapsed(), end));
        if let Some(recorder) = &self.0.recorder.recorder {
            let mut line = self.render(&state, recorder.redacts_texts);
            line.push('\n');
            recorder.write(line.as_bytes());
        }
    }

    /// What was captured so far; `None` if transcripts are not wanted, or it is too large.
    pub(crate) fn transcript(&self) -> Option<Transcript> {
        let state = self.lock();
        let is_kept = self.0.recorder.has_transcripts && state.bytes <= MAX_TRANSCRIPT_BYTES;
        is_kept.then(|| Transcript::new(self.render(&state, false)))
    }

    /// The exchange as a line of JSON, without a line break.
    fn render(&self, state: &State, redacts_texts: bool) -> String {
        let response = state.response.as_ref();
        let response_headers = response.map(|head| &head.headers);
        let redaction = Redaction::new(
            &self.0.recorder.redactor,
            redacts_texts,
            &state.headers,
            response_headers,
            state.body.as_ref(),
        );
        let (at, end) = match &state.end {
            Some((at, end)) => (*at, end),
            None => (state.start.elapsed(), &StreamEnd::Dropped),
        };
        let (kind, message, reset) = match end {
            StreamEnd::Complete => ("complete", None, false),
            StreamEnd::Dropped => ("dropped", None, false),
            StreamEnd::Failed { kind, cause, is_reset } => (*kind, Some(redaction.text(cause)), *is_reset),
        };
        let line = Line {
            version: VERSION,
            time: humantime::format_rfc3339_millis(state.time).to_string(),
            texts_redacted: redacts_texts,
            request: RequestLine {
                method: &state.method,
                path: redaction.text(&state.path),
                headers: redaction.request_headers(&state.headers),
                body: state.body.as_ref().map(|body| redaction.request_body(body)),
            },
            response: response.map(|head| response_line(head, &state.pieces, &redaction)),
            end: EndLine { ms: milliseconds(at), kind, message, reset },
        };
        serde_json::to_string(&line).unwrap_or_default()
    }

    /// Ignores poisoning: no panic can leave the state inconsistent.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Exchange {
    /// Without the conversation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange")
    }
}

fn response_line(head: &Head, pieces: &[(Duration, Bytes)], redaction: &Redaction) -> ResponseLine {
    let (times, pieces): (Vec<_>, Vec<_>) = pieces.iter().cloned().unzip();
    let redacted = redaction.body(&pieces);
    let size =
        |sizes: &mut dyn Iterator<Item = usize>| i64::try_from(sizes.sum::<usize>()).unwrap_or_default();
    let added = size(&mut redacted.iter().map(Vec::len)) - size(&mut pieces.iter().map(Bytes::len));
    let pieces = times.into_iter().zip(redacted).filter(|(_, piece)| !piece.is_empty());
    let piece = |(at, bytes)| PieceLine { ms: milliseconds(at), content: Content::from_bytes(bytes) };
    ResponseLine {
        ms: milliseconds(head.at),
        status: head.status,
        headers: redaction.response_headers(&head.headers, added),
        pieces: pieces.map(piece).collect(),
    }
}

/// With microseconds, which a file can do without the rest of.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
