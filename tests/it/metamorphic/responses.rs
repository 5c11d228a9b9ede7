//! Transformations of responses of the Responses API.

use super::{Transformation, any};

pub(super) const TRANSFORMATIONS: &[Transformation] = &[("keys shuffled", any::keys_shuffled)];

pub(super) fn made() -> Vec<(String, String)> {
    Vec::new()
}
