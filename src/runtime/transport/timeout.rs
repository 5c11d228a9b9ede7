//! Which limits on time there are, and the error of each.

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
    /// Until there is a connection.
    Connect,
    /// Until the headers of an answer.
    Response,
    /// From the headers to the first content of a stream.
    FirstContent,
    /// Between bytes.
    Idle,
    /// Between pieces of content of a stream.
    Progress,
    /// From the headers to the end of a response that is not streamed.
    Body,
    /// For all of an answer that is not streamed.
    Total,
}

impl Timeout {
    /// What did not happen in time, and the setting that allows more.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Connect => ("no connection came about", "with_connect_timeout"),
            Self::Response => ("the server did not begin to answer", "with_response_timeout"),
            Self::FirstContent => ("the server sent no content", "with_first_content_timeout"),
            Self::Idle => ("the server fell silent within its answer", "with_idle_timeout"),
            Self::Progress => {
                ("the server kept the connection alive but sent no content", "with_progress_timeout")
            }
            Self::Body => ("the response did not come to its end", "with_response_timeout"),
            Self::Total => ("the whole answer did not come", "with_total_timeout"),
        }
    }

    /// The error of this limit, described otherwise.
    pub(super) fn error(self, message: String) -> Error {
        let (_, setting) = self.words();
        let error = Error::new(ErrorCategory::Timeout, message)
            .with_hint(format!("Try again, or allow more by {setting}."));
        if self == Self::Connect { error } else { error.maybe_processed() }
    }

    /// The error that the limit has elapsed, or that there was no runtime to measure it.
    pub(crate) fn elapsed(self, limit: Duration) -> Error {
        if let Err(error) = tokio_runtime::check() {
            return error;
        }
        let (what, _) = self.words();
        self.error(format!("{what} within {limit:?}"))
    }

    /// Waits for a result as long as the limit allows.
    ///
    /// # Errors
    /// The limit was met, or there is no runtime to measure it.
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

/// A timer that is set to another time only where it would fire too late, or has fired too early: of waits that follow each
/// other as closely as the chunks of a stream, few set it.
#[derive(Debug, Default)]
pub(crate) struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Waits for a point in time. Without a runtime it is there at once.
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

/// Notices when a wait is too long.
#[derive(Debug)]
pub(crate) struct WaitLimit {
    limit: Duration,
    /// The end of the present wait.
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

    /// Whether a wait, which begins here if none has begun, has met the limit, or cannot be measured without a runtime.
    pub(crate) fn poll_elapsed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let end = match self.end {
            Some(end) => end,
            None => {
                // A limit beyond the end of time is not one.
                let Some(end) = Instant::now().checked_add(self.limit) else { return Poll::Pending };
                *self.end.insert(end)
            }
        };
        self.timer.poll_until(end, context)
    }

    /// The wait is over.
    pub(crate) fn end(&mut self) {
        self.end = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_limit_says_which_it_is_and_how_long() {
        for (timeout, words) in [
            (Timeout::Response, "the server did not begin to answer within 2s"),
            (Timeout::FirstContent, "the server sent no content within 2s"),
            (Timeout::Idle, "the server fell silent within its answer within 2s"),
            (Timeout::Total, "the whole answer did not come within 2s"),
        ] {
            let never = std::future::pending::<()>();
            let error = timeout.limit(Duration::from_secs(2), never).await.unwrap_err();
            assert_eq!(error.message(), words);
            assert!(error.is_timeout() && error.is_retryable());
            assert!(error.to_string().contains(timeout.words().1), "{error}");
        }
    }
}
