//! Checks for a Tokio runtime that can send a request: without one, Tokio panics.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use futures::FutureExt;
use tokio::runtime::Handle;

use crate::runtime::Error;

/// # Errors
/// This is not within a Tokio runtime, or within one without timers.
pub(super) fn check() -> Result<(), Error> {
    if Handle::try_current().is_err() {
        return Err(unusable("there is no Tokio runtime here"));
    }
    // Tokio has no other check for timers.
    match catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO))) {
        Ok(()) => Ok(()),
        Err(panic) => Err(from_panic(panic)),
    }
}

/// Turns Tokio's panic on the use of a runtime without I/O or timers into an error.
///
/// # Errors
/// The runtime has no I/O or no timers.
pub(super) fn guard<T>(future: impl Future<Output = T>) -> impl Future<Output = Result<T, Error>> {
    AssertUnwindSafe(future).catch_unwind().map(|result| result.map_err(from_panic))
}

/// The error of a panic about the runtime; other panics are resumed.
fn from_panic(panic: Box<dyn Any + Send>) -> Error {
    let text = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text.as_str(),
        (None, None) => "",
    };
    if text.contains("`enable_io`") {
        unusable("the Tokio runtime has no I/O")
    } else if text.contains("`enable_time`") {
        unusable("the Tokio runtime has no timers")
    } else {
        resume_unwind(panic)
    }
}

fn unusable(problem: &str) -> Error {
    Error::configuration(format!("{problem}: requests need a runtime with I/O and timers")).with_hint(
        "Run it within a Tokio runtime that has both, such as `#[tokio::main]` or a builder's `enable_all`.",
    )
}
