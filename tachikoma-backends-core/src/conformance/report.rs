//! What the checks found.

use std::fmt;

/// What [`Conformance::run`](super::Conformance::run) found. It displays as a list of the violations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct ConformanceReport {
    /// The checks that were made, in order.
    pub checks: Vec<String>,
    /// What the backend does against its contract, a sentence each, with the check before it.
    pub violations: Vec<String>,
}

impl ConformanceReport {
    /// Whether there are no violations.
    pub fn is_ok(&self) -> bool {
        self.violations.is_empty()
    }

    /// Begins the next check.
    pub(super) fn begin(&mut self, check: impl Into<String>) {
        self.checks.push(check.into());
    }

    /// Adds a violation to the present check.
    pub(super) fn violation(&mut self, what: impl fmt::Display) {
        let check = self.checks.last().map(String::as_str).unwrap_or_default();
        self.violations.push(format!("{check}: {what}"));
    }
}

impl fmt::Display for ConformanceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} checks, {} violations", self.checks.len(), self.violations.len())?;
        self.violations.iter().try_for_each(|violation| write!(f, "\n- {violation}"))
    }
}
