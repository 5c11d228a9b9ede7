//! What ends a run from outside: the caller, or the clock.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use super::error::ToolRunErrorKind;

/// The caller's signal to cancel, and the end of the time budget.
pub(super) struct Stop<'a> {
    cancel: Pin<&'a mut (dyn Future<Output = ()> + Send)>,
    time: Option<(Duration, Pin<Box<Sleep>>)>,
}

impl<'a> Stop<'a> {
    pub(super) fn new(
        cancel: Pin<&'a mut (dyn Future<Output = ()> + Send)>,
        time_budget: Option<Duration>,
    ) -> Self {
        Self { cancel, time: time_budget.map(|budget| (budget, Box::pin(sleep(budget)))) }
    }

    /// Runs `future` until it or the whole run ends. The signal is looked at first, so that nothing begins after it.
    ///
    /// # Errors
    /// Why the run ends. `future` is dropped then, and this must not be called again.
    pub(super) async fn or<F: Future>(&mut self, future: F) -> Result<F::Output, ToolRunErrorKind> {
        let mut future = pin!(future);
        poll_fn(|context| match self.poll(context) {
            Poll::Ready(kind) => Poll::Ready(Err(kind)),
            Poll::Pending => future.as_mut().poll(context).map(Ok),
        })
        .await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<ToolRunErrorKind> {
        if self.cancel.as_mut().poll(context).is_ready() {
            return Poll::Ready(ToolRunErrorKind::Cancelled);
        }
        match &mut self.time {
            Some((budget, sleep)) => {
                sleep.as_mut().poll(context).map(|()| ToolRunErrorKind::TimeBudget { budget: *budget })
            }
            None => Poll::Pending,
        }
    }
}
