//! [`Efforts`]: a set of reasoning efforts that can stand in a constant table.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};
use tachikoma_backends_core::ReasoningEffort;

const MAX_EFFORTS: usize = ReasoningEffort::ALL.len();

/// Reasoning efforts, ascending. It is read like a slice.
///
/// ```
/// use tachikoma_backend_codex::ReasoningEffort::{High, Low};
/// use tachikoma_backend_codex::models::Efforts;
///
/// let efforts = Efforts::from_iter([High, Low, High]);
/// assert_eq!(*efforts, [Low, High]);
/// ```
#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(from = "Vec<ReasoningEffort>", into = "Vec<ReasoningEffort>")]
pub struct Efforts {
    efforts: [ReasoningEffort; MAX_EFFORTS],
    len: usize,
}

impl Efforts {
    /// No efforts.
    pub const NONE: Self = Self::sorted(&[]);

    /// A set of efforts that are ascending already, each once.
    pub(super) const fn sorted(sorted: &[ReasoningEffort]) -> Self {
        let mut efforts = [ReasoningEffort::None; MAX_EFFORTS];
        let mut rest = sorted;
        let mut len = 0;
        while let ([first, others @ ..], true) = (rest, len < MAX_EFFORTS) {
            #[allow(clippy::indexing_slicing, reason = "the length is checked, and `get_mut` is not const")]
            {
                efforts[len] = *first;
            }
            (rest, len) = (others, len + 1);
        }
        Self { efforts, len }
    }
}

impl Deref for Efforts {
    type Target = [ReasoningEffort];

    fn deref(&self) -> &[ReasoningEffort] {
        self.efforts.get(..self.len).unwrap_or_default()
    }
}

impl FromIterator<ReasoningEffort> for Efforts {
    fn from_iter<I: IntoIterator<Item = ReasoningEffort>>(efforts: I) -> Self {
        let mut efforts: Vec<_> = efforts.into_iter().collect();
        efforts.sort_unstable();
        efforts.dedup();
        Self::sorted(&efforts)
    }
}

impl From<Vec<ReasoningEffort>> for Efforts {
    fn from(efforts: Vec<ReasoningEffort>) -> Self {
        efforts.into_iter().collect()
    }
}

impl<const N: usize> From<[ReasoningEffort; N]> for Efforts {
    fn from(efforts: [ReasoningEffort; N]) -> Self {
        efforts.into_iter().collect()
    }
}

impl From<Efforts> for Vec<ReasoningEffort> {
    fn from(efforts: Efforts) -> Self {
        efforts.to_vec()
    }
}

impl PartialEq for Efforts {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Efforts {}

impl fmt::Debug for Efforts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
