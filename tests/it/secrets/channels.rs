//! The channels by which a secret could leave, and what was observed in each.

use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex};

use tachikoma_backend_codex::CodexError;
use tachikoma_backends_core::BackendError;
use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

use super::Source;

/// A way by which a secret could leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Channel {
    /// `Display` of both error types, and of their causes.
    ErrorDisplay,
    /// `Debug` of both error types, and of their causes.
    ErrorDebug,
    /// Each field of the details.
    ErrorDetails,
    /// `Debug` of the configuration, the backend, the credentials, a preview.
    Debug,
    /// Settings as JSON and TOML.
    Settings,
    /// Spans and events, those of the HTTP crates included.
    Log,
    /// The counters of unknown fields and values.
    Counters,
    /// The requests that the mock has recorded.
    Recordings,
    /// The file of a recorder.
    RecorderFile,
    /// The transcripts of errors.
    Transcripts,
}

const CHANNELS: &[Channel] = &[
    Channel::ErrorDisplay,
    Channel::ErrorDebug,
    Channel::ErrorDetails,
    Channel::Debug,
    Channel::Settings,
    Channel::Log,
    Channel::Counters,
    Channel::Recordings,
    Channel::RecorderFile,
    Channel::Transcripts,
];

/// A writer that keeps everything that is logged.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn take(&self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut *self.0.lock().unwrap())).into_owned()
    }

    pub(crate) fn listen(&self, level: Level) -> tracing::subscriber::DefaultGuard {
        // The HTTP crates log through `log`.
        let _ = tracing_log::LogTracer::init();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_span_events(FmtSpan::CLOSE)
            .with_writer(self.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The texts of each channel, with the circumstances.
#[derive(Default)]
pub(super) struct Observations(Vec<(Channel, String, String)>);

impl Observations {
    pub(super) fn add(&mut self, channel: Channel, place: &str, text: impl Into<String>) {
        self.0.push((channel, place.to_owned(), text.into()));
    }

    pub(super) fn add_error(&mut self, place: &str, error: CodexError) {
        let mut cause: Option<&dyn Error> = Some(&error);
        while let Some(error) = cause {
            self.add(Channel::ErrorDisplay, place, error.to_string());
            self.add(Channel::ErrorDebug, place, format!("{error:?} {error:#?}"));
            cause = error.source();
        }
        if let Some(transcript) = error.transcript() {
            self.add(Channel::Transcripts, place, transcript.as_str());
        }
        let details = error.details().clone();
        let fields = [Some(details.message), details.code, details.param, details.request_id, details.hint];
        for field in fields.into_iter().flatten().chain(details.earlier_failures) {
            self.add(Channel::ErrorDetails, place, field);
        }
        let error = BackendError::from(error);
        self.add(Channel::ErrorDisplay, place, error.to_string());
        self.add(Channel::ErrorDebug, place, format!("{error:?} {error:#?}"));
    }

    /// Reports each text that holds a mark of the secret, and each channel without any text.
    pub(super) fn check(self, source: Source, failures: &mut Vec<String>) {
        for channel in CHANNELS {
            let mut texts = self.0.iter().filter(|(observed, ..)| observed == channel).peekable();
            if texts.peek().is_none() {
                failures.push(format!("{source:?} x {channel:?}: nothing was checked"));
            }
            for (_, place, text) in texts {
                if let Some(mark) = source.marks().into_iter().find(|mark| text.contains(mark)) {
                    let line = text.lines().find(|line| line.contains(mark)).unwrap_or_default();
                    failures.push(format!("{source:?} x {channel:?}, {place}: {line}"));
                }
            }
        }
    }
}
