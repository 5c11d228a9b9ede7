//! A number of tokens, and how far from it the truth may be.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

/// A number of tokens, and how far from it the truth may be, either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Estimate {
    pub(crate) tokens: u64,
    pub(crate) error: u64,
}

impl Estimate {
    pub(crate) const fn exactly(tokens: u64) -> Self {
        Self { tokens, error: 0 }
    }

    /// Somewhere from `least` to `most`.
    pub(crate) const fn between(least: u64, most: u64) -> Self {
        let error = most.saturating_sub(least).div_ceil(2);
        Self { tokens: most.saturating_sub(error), error }
    }

    /// The same, where the rule itself may be wrong by this share.
    pub(crate) const fn give_or_take(self, percent: u64) -> Self {
        Self { error: self.error + (self.tokens * percent).div_ceil(100), ..self }
    }

    pub(crate) fn tokens(self) -> u32 {
        u32::try_from(self.tokens).unwrap_or(u32::MAX)
    }

    pub(crate) fn error(self) -> u32 {
        u32::try_from(self.error).unwrap_or(u32::MAX)
    }
}

impl Add for Estimate {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { tokens: self.tokens + other.tokens, error: self.error + other.error }
    }
}

impl AddAssign for Estimate {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Estimate {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}
