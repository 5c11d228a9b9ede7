//! How images become tokens, by OpenAI's page on images, where measurements do not contradict it.
//!
//! Older models see tiles of 512 pixels, newer ones patches of 32. For `gpt-5-mini` and `gpt-5-nano` 1.2 and 1.5 tokens a
//! patch are reported by the server, where the page has 1.62 and 2.46; for `gpt-5.2` to `gpt-5.5` the page has no number and
//! OpenAI's calculator 1.2. Either number is within the error.

/// How a model's images are counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ImageTokens {
    /// So many tokens for an image, and so many for each of its tiles.
    Tiles { base: u64, tile: u64 },
    /// So many hundredths of a token for a patch: the likely number and another one that a source states as well.
    Patches { rate: u64, other_rate: u64, high: PatchLimit, auto: PatchLimit },
}

/// How large an image in patches may be, in patches and in pixels of its longer side; a larger one is scaled down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PatchLimit {
    pub(crate) patches: u64,
    pub(crate) side: f64,
}

const SMALL: PatchLimit = PatchLimit { patches: 1_536, side: 2048.0 };
const HIGH: PatchLimit = PatchLimit { patches: 2_500, side: 2048.0 };
const ORIGINAL: PatchLimit = PatchLimit { patches: 10_000, side: 6_000.0 };
/// The server refuses larger ones.
const UNSCALED: PatchLimit = PatchLimit { patches: 30_000, side: 65_535.0 };

impl ImageTokens {
    /// The rule of the newest models, also taken for models whose rule is unknown: it counts more than almost any other.
    pub(crate) const NEWEST: Self = Self::Patches { rate: 120, other_rate: 120, high: HIGH, auto: UNSCALED };

    pub(super) const GPT_5_5: Option<Self> =
        Some(Self::Patches { rate: 120, other_rate: 100, high: HIGH, auto: ORIGINAL });

    pub(super) const fn tiles(base: u64, tile: u64) -> Option<Self> {
        Some(Self::Tiles { base, tile })
    }

    pub(super) const fn small_patches(rate: u64, other_rate: u64) -> Option<Self> {
        Some(Self::Patches { rate, other_rate, high: SMALL, auto: SMALL })
    }

    pub(super) const fn patches(rate: u64, other_rate: u64) -> Option<Self> {
        Some(Self::Patches { rate, other_rate, high: HIGH, auto: HIGH })
    }
}
