//! The way of requests through the gate, with their waits in spans and metrics.

use std::time::Duration;

use tokio::time::Instant;
use tracing::Span;

use super::Transport;
use crate::runtime::Error;
use crate::runtime::gate::{Load, Reservation, Slot};
use crate::runtime::metrics::GateWait;

impl Transport {
    /// A place among the requests in progress, if the gate limits them.
    ///
    /// # Errors
    /// The wait is too long.
    pub(crate) async fn enter(&self) -> Result<Option<Slot>, Error> {
        let Some(gate) = &self.destination.gate else { return Ok(None) };
        let begun = Instant::now();
        let slot = gate.enter().await;
        // Without a limit nothing was waited for.
        if !matches!(slot, Ok(None)) {
            let wait = begun.elapsed();
            Span::current().record(GateWait::Slot.field(), wait.as_secs_f64());
            self.metrics().record_gate_wait(GateWait::Slot, None, wait);
        }
        slot
    }

    /// Waits until the gate lets an attempt with this load pass, if there is a gate. The wait is added to what the request has
    /// `waited` before earlier attempts.
    ///
    /// # Errors
    /// The wait is too long.
    pub(crate) async fn reserve(
        &self,
        load: Option<&Load>,
        waited: &mut Duration,
    ) -> Result<Option<Reservation>, Error> {
        let (Some(gate), Some(load)) = (&self.destination.gate, load) else { return Ok(None) };
        let begun = Instant::now();
        let reservation = gate.reserve(load).await;
        let wait = begun.elapsed();
        *waited = waited.saturating_add(wait);
        Span::current().record(GateWait::RateLimit.field(), waited.as_secs_f64());
        self.metrics().record_gate_wait(GateWait::RateLimit, Some(&load.model), wait);
        reservation.map(Some)
    }
}
