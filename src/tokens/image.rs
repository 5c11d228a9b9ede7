//! The tokens of an image, by its size and its model's [rule](ImageTokens).

use tachikoma_backends_core::{ImageDetail, MediaSource};

use super::{Estimate, Measure};
use crate::models::{ImageTokens, ModelSpec, PatchLimit};

/// An image in tiles is scaled down until its longer side has no more pixels than this.
const TILED_LONG_SIDE: f64 = 2048.0;

/// It is then scaled down until its shorter side has no more pixels than this.
const TILED_SHORT_SIDE: f64 = 768.0;

const TILE: f64 = 512.0;
const PATCH: f64 = 32.0;

/// The most tiles that an image can have: 2048 by 768 pixels.
const MAX_TILES: u64 = 4 * 2;

/// The patches of an image of low detail, 512 by 512 pixels at most.
const LOW_PATCHES: u64 = 16 * 16;

/// How far the server's rounding was seen to be from ours, in tokens an image.
const ROUNDING: u64 = 2;

impl ImageTokens {
    /// The rule of a model, or of the newest models where it is not known.
    pub(super) fn of(spec: &ModelSpec) -> Self {
        spec.image_tokens.unwrap_or(Self::NEWEST)
    }

    /// The tokens of an image. One whose size is not known counts as large as it can be; the error goes down to the smallest.
    pub(super) fn count(
        self,
        source: &MediaSource,
        detail: Option<ImageDetail>,
        measure: Measure,
    ) -> Estimate {
        let most = self.most(detail);
        if measure == Measure::Bytes {
            return Estimate::exactly(most);
        }
        let unknown = Estimate { tokens: most, error: most };
        size(source).map_or(unknown, |(width, height)| self.sized(width, height, detail))
    }

    fn most(self, detail: Option<ImageDetail>) -> u64 {
        match (self, detail) {
            (Self::Tiles { base, .. }, Some(ImageDetail::Low)) => base,
            (Self::Tiles { base, tile }, _) => base + MAX_TILES * tile,
            (Self::Patches { rate, other_rate, .. }, _) => {
                let patches = self.limit(detail).map_or(LOW_PATCHES, |limit| limit.patches);
                (patches * rate.max(other_rate)).div_ceil(100)
            }
        }
    }

    /// How many patches an image may have; `None` where it is of low detail, or in tiles.
    fn limit(self, detail: Option<ImageDetail>) -> Option<PatchLimit> {
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
                let (width, height) = shrunk(width, height, TILED_LONG_SIDE / width.max(height));
                let (width, height) = shrunk(width, height, TILED_SHORT_SIDE / width.min(height));
                let tiles = covering(width.round(), TILE) * covering(height.round(), TILE);
                Estimate { tokens: base + tile * tiles, error: ROUNDING }
            }
            Self::Patches { rate, other_rate, .. } => {
                let patches = match self.limit(detail) {
                    Some(limit) => within(limit, width, height),
                    None => patches(shrunk(width, height, 512.0 / width.max(height))),
                };
                let tokens = |rate: u64| (patches * rate).div_ceil(100);
                Estimate { tokens: tokens(rate), error: tokens(rate).abs_diff(tokens(other_rate)) + ROUNDING }
            }
        }
    }
}

/// The patches of an image, scaled down to a limit.
fn within(limit: PatchLimit, width: f64, height: f64) -> u64 {
    let (width, height) = shrunk(width, height, limit.side / width.max(height));
    let unscaled = patches((width, height));
    if unscaled <= limit.patches {
        return unscaled;
    }
    #[allow(clippy::cast_precision_loss, reason = "a limit is small")]
    let factor = (PATCH * PATCH * limit.patches as f64 / (width * height)).sqrt();
    let (across, down) = (width * factor / PATCH, height * factor / PATCH);
    // A little smaller, so that whole patches stay within the limit.
    let factor = factor * (across.floor() / across).min(down.floor() / down);
    patches((width * factor, height * factor)).min(limit.patches)
}

fn patches((width, height): (f64, f64)) -> u64 {
    covering(width.round(), PATCH) * covering(height.round(), PATCH)
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

/// Width and height in pixels, where the image is within the request and has them in its header.
#[cfg(feature = "tokens")]
fn size(source: &MediaSource) -> Option<(f64, f64)> {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;

    /// A header is almost always within this many characters of base64, which are whole groups of four.
    const HEADER: usize = 64 << 10;

    let data = match source {
        MediaSource::Base64 { data, .. } => data.as_str(),
        MediaSource::Url { url } => url.strip_prefix("data:")?.split_once(";base64,")?.1,
        _ => return None,
    };
    let size_in = |data: &str| {
        let size = imagesize::blob_size(&BASE64_STANDARD.decode(data).ok()?).ok()?;
        #[allow(clippy::cast_precision_loss, reason = "no image is that large")]
        (size.width > 0 && size.height > 0).then_some((size.width as f64, size.height as f64))
    };
    data.get(..HEADER).and_then(size_in).or_else(|| size_in(data))
}

/// Without the feature, no image is read.
#[cfg(not(feature = "tokens"))]
fn size(_: &MediaSource) -> Option<(f64, f64)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::OpenAIModel;

    /// The examples of OpenAI's page and the sizes at which a measured count jumps.
    #[test]
    fn sizes() {
        #[track_caller]
        fn check(model: &str, width: f64, height: f64, detail: Option<ImageDetail>, expected: u64) {
            let count = ImageTokens::of(&OpenAIModel::new(model).spec()).sized(width, height, detail);
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
    fn an_image_of_unknown_size_counts_as_the_largest() {
        #[track_caller]
        fn check(model: &str, detail: Option<ImageDetail>, expected: u64) {
            let source = MediaSource::Url { url: "https://example.org/a.png".to_owned() };
            let spec = OpenAIModel::new(model).spec();
            let rule = ImageTokens::of(&spec);
            let count = rule.count(&source, detail, Measure::of(spec.encoding));
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
