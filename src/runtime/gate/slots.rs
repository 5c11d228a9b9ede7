//! The limit on requests in progress.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, Notify};

use super::wait_or;

/// After this time without a poll by its caller, a stream gives up its place: the caller may wait for requests that wait for a place.
const UNREAD: Duration = Duration::from_secs(1);

/// What a stream that waits for its server has in place of the time of its last poll.
const WAITING: u64 = u64::MAX;

/// The places of requests in progress, in the order of their arrival.
#[derive(Debug, Default)]
pub(super) struct Slots {
    turn: AsyncMutex<()>,
    places: Mutex<Vec<Arc<AtomicU64>>>,
    changed: Notify,
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(WAITING - 1)
}

impl Slots {
    fn places(&self) -> MutexGuard<'_, Vec<Arc<AtomicU64>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place; `max` of them are taken at most. The clock is that of the gate.
    pub(super) async fn take(&self, max: impl Fn() -> usize, now: impl Fn() -> Duration) -> Arc<AtomicU64> {
        let _turn = self.turn.lock().await;
        loop {
            let wait = {
                let mut places = self.places();
                let now = milliseconds(now());
                let unread = milliseconds(UNREAD);
                let left = |place: &Arc<AtomicU64>| match place.load(Ordering::Relaxed) {
                    WAITING => None,
                    polled => Some(polled.saturating_add(unread).saturating_sub(now)),
                };
                let (mut busy, mut next) = (0, None);
                for left in places.iter().map(left).filter(|left| *left != Some(0)) {
                    busy += 1;
                    next = left.into_iter().chain(next).min();
                }
                if busy < max().max(1) {
                    let place = Arc::new(AtomicU64::new(WAITING));
                    places.push(Arc::clone(&place));
                    return place;
                }
                // A stream that waits now may be left unread later.
                Duration::from_millis(next.unwrap_or(unread))
            };
            wait_or(wait, self.changed.notified()).await;
        }
    }

    pub(super) fn leave(&self, place: &Arc<AtomicU64>) {
        self.places().retain(|other| !Arc::ptr_eq(other, place));
        self.changed.notify_one();
    }

    /// How many are taken, those of unread streams included.
    pub(super) fn count(&self) -> usize {
        self.places().len()
    }
}

/// Notes that the caller has got an item of the stream at this time, or that the stream waits for its server.
pub(super) fn note_poll(place: &AtomicU64, now: Option<Duration>) {
    place.store(now.map_or(WAITING, milliseconds), Ordering::Relaxed);
}
