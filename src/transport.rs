//! Sending through the generated client. Under construction.

/// What one attempt carries beside its body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempt {}
