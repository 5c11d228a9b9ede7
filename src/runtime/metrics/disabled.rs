//! The metrics of builds without the feature `otel`: nothing is recorded.

use std::time::Duration;

use tachikoma_backends_core::ErrorCategory;

use super::{GateWait, TokenCounts};

#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics;

impl Metrics {
    pub(crate) fn count_retry(&self, _: ErrorCategory) {}

    pub(crate) fn record_gate_wait(&self, _: GateWait, _: Option<&str>, _: Duration) {}

    pub(crate) fn measure(&self, _: &'static str, _: &str) -> Measurement {
        Measurement
    }
}

#[derive(Debug)]
pub(crate) struct Measurement;

impl Measurement {
    pub(crate) fn is_enabled(&self) -> bool {
        false
    }

    pub(crate) fn first_chunk(&mut self, _: Duration) {}

    pub(crate) fn end(&mut self, _: Option<&str>, _: TokenCounts) {}

    pub(crate) fn fail(&mut self, _: ErrorCategory) {}

    pub(crate) fn discard(&mut self) {}
}
