//! The tokens of an image, by its size and the rules of OpenAI's page on images, where measurements do not contradict it.
//!
//! Older models see tiles of 512 pixels, newer ones patches of 32. For `gpt-5-mini` and `gpt-5-nano` 1.2 and 1.5 tokens a
//! patch are reported by the server, where the page says 1.62 and 2.46; for `gpt-5.2` to `gpt-5.5`
//! it says nothing and OpenAI's calculator 1.2. Either number is within the error.

use tachikoma_backends_core::{ImageDetail, ImageSource};

use super::{Estimate, Measure};
use crate::models::OpenAIModel;

/// An image is scaled down until its longer side has no more pixels than this.
const MAX_SIDE: f64 = 2048.0;

/// An image in tiles is then scaled down until its shorter side has no more pixels than this.
const TILED_SHORT_SIDE: f64 = 768.0;

const TILE: f64 = 512.0;
const PATCH: f64 = 32.0;

/// The most tiles that an image can have: 2048 by 768 pixels.
const MAX_TILES: u64 = 4 * 2;

/// The patches of an image of low detail, 512 by 512 pixels at most.
const LOW_PATCHES: u64 = 16 * 16;

/// How far the server's rounding was seen to be from ours, in tokens an image.
const ROUNDING: u64 = 2;

/// How a model's images are counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rule {
    /// So many tokens for an image, and so many for each of its tiles.
    Tiles { base: u64, tile: u64 },
    /// So many hundredths of a token for a patch: the likely number and another one that is claimed as well.
    Patches { rate: u64, other_rate: u64, high: Budget, auto: Budget },
}

/// How large an image in patches may be; a larger one is scaled down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Budget {
    patches: u64,
    side: f64,
}

const SMALL: Budget = Budget { patches: 1_536, side: MAX_SIDE };
const HIGH: Budget = Budget { patches: 2_500, side: MAX_SIDE };
const ORIGINAL: Budget = Budget { patches: 10_000, side: 6_000.0 };
/// The server refuses larger ones.
const UNSCALED: Budget = Budget { patches: 30_000, side: 65_535.0 };

const fn tiles(base: u64, tile: u64) -> Rule {
    Rule::Tiles { base, tile }
}

const fn patches(rate: u64, other_rate: u64, budget: Budget) -> Rule {
    Rule::Patches { rate, other_rate, high: budget, auto: budget }
}

/// The rules, by how a model's id begins; the longest beginning first of all.
const RULES: &[(&str, Rule)] = &[
    ("gpt-4o", tiles(85, 170)),
    ("gpt-4o-mini", tiles(2833, 5667)),
    ("chatgpt-4o", tiles(85, 170)),
    ("gpt-4-", tiles(85, 170)),
    ("gpt-4.5", tiles(85, 170)),
    ("gpt-4.1", tiles(85, 170)),
    ("gpt-4.1-mini", patches(162, 162, SMALL)),
    ("gpt-4.1-nano", patches(246, 246, SMALL)),
    ("computer-use", tiles(65, 129)),
    ("o3", tiles(75, 150)),
    ("o4-mini", patches(172, 172, SMALL)),
    ("gpt-5", tiles(70, 140)),
    ("gpt-5-mini", patches(120, 162, SMALL)),
    ("gpt-5-nano", patches(150, 246, SMALL)),
    ("gpt-5.2", patches(120, 100, SMALL)),
    ("gpt-5.3", patches(120, 100, SMALL)),
    ("gpt-5.4", patches(120, 100, HIGH)),
    ("gpt-5.4-mini", patches(120, 162, SMALL)),
    ("gpt-5.4-nano", patches(150, 246, SMALL)),
    ("gpt-5.5", Rule::Patches { rate: 120, other_rate: 100, high: HIGH, auto: ORIGINAL }),
    ("gpt-5.6", NEWEST),
    ("gpt-6", NEWEST),
];

/// It is taken for models of which nobody has said. Its images have more tokens than almost any other's.
const NEWEST: Rule = Rule::Patches { rate: 120, other_rate: 120, high: HIGH, auto: UNSCALED };

impl Rule {
    pub(super) fn of(model: &OpenAIModel) -> Self {
        let id = model.as_str();
        let id = id.rsplit_once('/').map_or(id, |(_, id)| id);
        let id = id.strip_prefix("ft:").unwrap_or(id);
        let fitting = RULES.iter().filter(|(beginning, _)| id.starts_with(beginning));
        fitting.max_by_key(|(beginning, _)| beginning.len()).map_or(NEWEST, |(_, rule)| *rule)
    }

    /// The tokens of an image. One whose size is not known counts as large as it can be; the error goes down to the smallest.
    pub(super) fn count(
        self,
        source: &ImageSource,
        detail: Option<ImageDetail>,
        measure: Measure,
    ) -> Estimate {
        if measure == Measure::Bytes {
            return Estimate::exactly(self.most(detail));
        }
        match size(source) {
            Some((width, height)) => self.sized(width, height, detail),
            None => {
                let most = self.most(detail);
                Estimate { tokens: most, error: most }
            }
        }
    }

    fn most(self, detail: Option<ImageDetail>) -> u64 {
        match (self, detail) {
            (Self::Tiles { base, .. }, Some(ImageDetail::Low)) => base,
            (Self::Tiles { base, tile }, _) => base + MAX_TILES * tile,
            (Self::Patches { rate, other_rate, .. }, _) => {
                let patches = self.budget(detail).map_or(LOW_PATCHES, |budget| budget.patches);
                (patches * rate.max(other_rate)).div_ceil(100)
            }
        }
    }

    /// How many patches an image may have; `None` where it is of low detail, or in tiles.
    fn budget(self, detail: Option<ImageDetail>) -> Option<Budget> {
        match (self, detail) {
            (Self::Tiles { .. }, _) | (_, Some(ImageDetail::Low)) => None,
            (Self::Patches { high, .. }, Some(ImageDetail::High)) => Some(high),
            (Self::Patches { auto, .. }, _) => Some(auto),
        }
    }

    fn sized(self, width: f64, height: f64, detail: Option<ImageDetail>) -> Estimate {
        match self {
            Self::Tiles { base, .. } if detail == Some(ImageDetail::Low) => {
                Estimate { tokens: base, error: ROUNDING }
            }
            Self::Tiles { base, tile } => {
                let (width, height) = shrunk(width, height, MAX_SIDE / width.max(height));
                let (width, height) = shrunk(width, height, TILED_SHORT_SIDE / width.min(height));
                let tiles = covering(width.round(), TILE) * covering(height.round(), TILE);
                Estimate { tokens: base + tile * tiles, error: ROUNDING }
            }
            Self::Patches { rate, other_rate, .. } => {
                let patches = match self.budget(detail) {
                    Some(budget) => within(budget, width, height),
                    None => {
                        let (width, height) = shrunk(width, height, 512.0 / width.max(height));
                        covering(width.round(), PATCH) * covering(height.round(), PATCH)
                    }
                };
                let tokens = |rate: u64| (patches * rate).div_ceil(100);
                Estimate { tokens: tokens(rate), error: tokens(rate).abs_diff(tokens(other_rate)) + ROUNDING }
            }
        }
    }
}

/// The patches of an image, scaled down into a budget.
fn within(budget: Budget, width: f64, height: f64) -> u64 {
    let (width, height) = shrunk(width, height, budget.side / width.max(height));
    let patches = covering(width.round(), PATCH) * covering(height.round(), PATCH);
    if patches <= budget.patches {
        return patches;
    }
    #[allow(clippy::cast_precision_loss, reason = "a budget is small")]
    let factor = (PATCH * PATCH * budget.patches as f64 / (width * height)).sqrt();
    let (across, down) = (width * factor / PATCH, height * factor / PATCH);
    // A little smaller, so that whole patches stay within the budget.
    let factor = factor * (across.floor() / across).min(down.floor() / down);
    let patches = covering((width * factor).round(), PATCH) * covering((height * factor).round(), PATCH);
    patches.min(budget.patches)
}

/// By this factor, if it makes the image smaller.
fn shrunk(width: f64, height: f64, factor: f64) -> (f64, f64) {
    let factor = factor.min(1.0);
    (width * factor, height * factor)
}

/// How many squares of this side cover a length.
fn covering(length: f64, side: f64) -> u64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a conversion of floats saturates"
    )]
    let squares = (length / side).ceil() as u64;
    squares.max(1)
}

/// Width and height in pixels, where the image travels within the request and tells them.
#[cfg(feature = "tokens")]
fn size(source: &ImageSource) -> Option<(f64, f64)> {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;

    /// A header is almost always within this many characters of base64, which are whole groups of four.
    const HEADER: usize = 64 << 10;

    let data = match source {
        ImageSource::Base64 { data, .. } => data.as_str(),
        ImageSource::Url { url } => url.strip_prefix("data:")?.split_once(";base64,")?.1,
    };
    let size_in = |data: &str| {
        let size = imagesize::blob_size(&BASE64_STANDARD.decode(data).ok()?).ok()?;
        #[allow(clippy::cast_precision_loss, reason = "no image is that large")]
        (size.width > 0 && size.height > 0).then_some((size.width as f64, size.height as f64))
    };
    data.get(..HEADER).and_then(size_in).or_else(|| size_in(data))
}

/// Nobody looks.
#[cfg(not(feature = "tokens"))]
fn size(_: &ImageSource) -> Option<(f64, f64)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of OpenAI's page and the sizes at which a measured count jumps.
    #[test]
    fn sizes() {
        #[track_caller]
        fn check(model: &str, width: f64, height: f64, detail: Option<ImageDetail>, expected: u64) {
            let count = Rule::of(&model.into()).sized(width, height, detail);
            assert_eq!(count.tokens, expected, "{model} {width} {height}");
        }
        check("gpt-4o", 1024.0, 1024.0, Some(ImageDetail::High), 765);
        check("gpt-4o", 2048.0, 4096.0, None, 1105);
        check("gpt-4o-2024-08-06", 4096.0, 8192.0, Some(ImageDetail::Low), 85);
        check("gpt-4.1", 2049.0, 513.0, None, 85 + 8 * 170);
        check("gpt-4.1", 2050.0, 513.0, None, 85 + 4 * 170);
        check("gpt-4.1-mini-2025-04-14", 1024.0, 1024.0, None, 1659);
        check("gpt-4.1-mini", 1800.0, 2400.0, None, 2353);
        check("gpt-4.1-mini", 4000.0, 1474.0, None, 2489);
        check("openai/gpt-5-mini", 1280.0, 720.0, None, 1104);
        check("ft:gpt-4.1-nano:me::1", 128.0, 64.0, None, 20);
        check("gpt-5.6-terra", 640.0, 480.0, Some(ImageDetail::High), 360);
        check("gpt-5.6-terra", 640.0, 480.0, Some(ImageDetail::Low), 231);
        check("gpt-6-astra", 6400.0, 1440.0, None, 10_800);
        check("gpt-6-astra", 1.0, 1e9, None, 2458);
        check("my-deployment", 32.0, 32.0, None, 2);
    }

    #[test]
    fn an_image_that_nobody_can_measure_is_as_large_as_can_be() {
        #[track_caller]
        fn check(model: &str, detail: Option<ImageDetail>, expected: u64) {
            let source = ImageSource::Url { url: "https://example.org/a.png".to_owned() };
            let rule = Rule::of(&model.into());
            let count = rule.count(&source, detail, Measure::of(&OpenAIModel::new(model).spec()));
            assert_eq!(count, Estimate { tokens: expected, error: expected });
            assert_eq!(rule.count(&source, detail, Measure::Bytes), Estimate::exactly(expected));
        }
        check("gpt-4o", None, 1445);
        check("gpt-4o", Some(ImageDetail::Low), 85);
        check("gpt-4.1-mini", None, 2489);
        check("gpt-5-nano", Some(ImageDetail::High), 3779);
        check("gpt-5.6-terra", None, 36_000);
        check("gpt-5.6-terra", Some(ImageDetail::High), 3_000);
        check("gpt-5.6-terra", Some(ImageDetail::Low), 308);
    }
}
