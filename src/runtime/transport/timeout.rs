//! The timeouts, and the error of each.

use std::pin::Pin;
use std::task::{self, Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::ready;
use tachikoma_backends_core::ErrorCategory;
use tokio::time::{Instant, Sleep, sleep_until};

use super::tokio_runtime;
use crate::runtime::Error;

/// A limit on time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timeout {
    /// Until the connection is established.
    Connect,
    /// Until the headers of a response.
    Response,
    /// From the headers to the first content of a stream.
    FirstContent,
    /// Between bytes.
    Idle,
    /// Between deltas of content of a stream.
    Progress,
    /// From the headers to the end of a response that is not streamed.
    Body,
    /// For all of a response that is not streamed.
    Total,
}

impl Timeout {
    /// The message, and the setting that allows more time.
    const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::Connect => ("no connection was established", "with_connect_timeout"),
            Self::Response => ("the server did not begin to respond", "with_response_timeout"),
            Self::FirstContent => ("the server sent no content", "with_first_content_timeout"),
            Self::Idle => ("the server fell silent within its response", "with_idle_timeout"),
            Self::Progress => {
                ("the server kept the connection alive but sent no content", "with_progress_timeout")
            }
            Self::Body => ("the response did not end", "with_response_timeout"),
            Self::Total => ("the whole response did not arrive", "with_total_timeout"),
        }
    }

    /// The error of this limit, with another message.
    pub(super) fn error(self, message: String) -> Error {
        let (_, setting) = self.texts();
        let error = Error::new(ErrorCategory::Timeout, message)
            .with_hint(format!("Try again, or allow more by {setting}."));
        if self == Self::Connect { error } else { error.maybe_processed() }
    }

    /// The error that the limit has elapsed, or that there was no runtime to measure it.
    pub(crate) fn elapsed(self, limit: Duration) -> Error {
        if let Err(error) = tokio_runtime::check() {
            return error;
        }
        let (message, _) = self.texts();
        self.error(format!("{message} within {limit:?}"))
    }

    /// Waits for a result as long as the limit allows.
    ///
    /// # Errors
    /// The limit has elapsed, or there is no runtime to measure it.
    pub(crate) fn limit<T>(
        self,
        limit: Duration,
        future: impl Future<Output = T>,
    ) -> impl Future<Output = Result<T, Error>> {
        // An `async` block would hold the future twice, which may be large.
        match tokio_runtime::check() {
            Ok(()) => {
                let limited = tokio::time::timeout(limit, future);
                limited.map(move |result| result.map_err(|_| self.elapsed(limit))).left_future()
            }
            Err(error) => ready(Err(error)).right_future(),
        }
    }
}

/// A timer that is reset only if it would fire too late, or has fired too early: few of the short waits between the chunks of a
/// stream reset it.
#[derive(Debug, Default)]
pub(crate) struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Waits for a point in time. Ready at once without a runtime.
    pub(crate) fn poll_until(&mut self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        if self.0.is_none() && tokio_runtime::check().is_err() {
            return Poll::Ready(());
        }
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        loop {
            task::ready!(timer.as_mut().poll(context));
            if timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}

/// Detects when a wait is too long.
#[derive(Debug)]
pub(crate) struct WaitLimit {
    limit: Duration,
    /// The end of the current wait.
    end: Option<Instant>,
    timer: Timer,
}

impl WaitLimit {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, end: None, timer: Timer::default() }
    }

    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Whether a wait, which begins here if none has begun, has exceeded the limit, or cannot be measured without a runtime.
    pub(crate) fn poll_elapsed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let end = match self.end {
            Some(end) => end,
            None => {
                // Without a limit if the end is not representable.
                let Some(end) = Instant::now().checked_add(self.limit) else { return Poll::Pending };
                *self.end.insert(end)
            }
        };
        self.timer.poll_until(end, context)
    }

    /// Ends the wait.
    pub(crate) fn end(&mut self) {
        self.end = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_error_states_its_limit() {
        for (timeout, message) in [
            (Timeout::Response, "the server did not begin to respond within 2s"),
            (Timeout::FirstContent, "the server sent no content within 2s"),
            (Timeout::Idle, "the server fell silent within its response within 2s"),
            (Timeout::Total, "the whole response did not arrive within 2s"),
        ] {
            let never = std::future::pending::<()>();
            let error = timeout.limit(Duration::from_secs(2), never).await.unwrap_err();
            assert_eq!(error.message(), message);
            assert!(error.is_timeout() && error.is_retryable());
            assert!(error.to_string().contains(timeout.texts().1), "{error}");
        }
    }
}
