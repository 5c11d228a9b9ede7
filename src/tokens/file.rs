//! The tokens of files, recordings and other parts. Servers extract its text, and from a PDF an image of each page as well, so that only a coarse bound can
//! be stated before.

use serde_json::{Map, Value};
use tachikoma_backends_core::MediaSource;

use super::Estimate;
use crate::models::ModelSpec;

/// How many bytes of a text are a token, as in estimates of texts.
const TEXT: u64 = 4;
/// How many bytes of a document are a token, not measured: a page of a PDF is taken to have 50 kB and 2,500 tokens, with its image.
const DOCUMENT: u64 = 20;

/// How many bytes of a recording are a token: at the most of 48 kB a second, and at the least of 1 kB.
const AUDIO_MOST: u64 = 4800;
const AUDIO_LEAST: u64 = 100;

/// What a model of unknown limits is taken to read, in tokens.
const USUAL_INPUT: u32 = 128_000;

/// A document has a token for every 20 bytes, a text for every 4, and neither has more than one for each byte. What is elsewhere
/// counts for nothing, and has at most what the model reads.
pub(super) fn count(source: &MediaSource, spec: &ModelSpec) -> Estimate {
    let (media_type, data) = match source {
        MediaSource::Base64 { media_type, data } => (media_type.as_str(), data.as_str()),
        MediaSource::Url { url } => match url.strip_prefix("data:").and_then(|rest| rest.split_once(',')) {
            Some((description, data)) => (description.split(';').next().unwrap_or_default(), data),
            None => return elsewhere(spec),
        },
        _ => return elsewhere(spec),
    };
    // Four characters of base64 are three bytes.
    let bytes = (data.len() as u64).div_ceil(4) * 3;
    let is_text =
        media_type.starts_with("text/") || matches!(media_type, "application/json" | "application/xml");
    let tokens = bytes.div_ceil(if is_text { TEXT } else { DOCUMENT });
    Estimate { tokens, error: bytes - tokens }
}

/// Models hear ten tokens a second, by OpenAI's guide on audio: a token has 100 bytes at the least, in the sparest format.
pub(super) fn count_audio(source: &MediaSource, spec: &ModelSpec) -> Estimate {
    let data = match source {
        MediaSource::Base64 { data, .. } => data.as_str(),
        MediaSource::Url { url } if url.starts_with("data:") => url.as_str(),
        _ => return elsewhere(spec),
    };
    let bytes = (data.len() as u64).div_ceil(4) * 3;
    Estimate::between(bytes.div_ceil(AUDIO_MOST), bytes.div_ceil(AUDIO_LEAST))
}

/// What only some server has may be anything, up to what the model reads.
pub(super) fn count_other(part: &Map<String, Value>, spec: &ModelSpec) -> Estimate {
    let bytes = Value::Object(part.clone()).to_string().len() as u64;
    let has_url = part.values().any(|value| value.to_string().contains("http"));
    let most = elsewhere(spec).error;
    Estimate::between(0, if has_url { most } else { bytes.min(most) })
}

fn elsewhere(spec: &ModelSpec) -> Estimate {
    let most = spec.input_limit().unwrap_or(USUAL_INPUT);
    Estimate { tokens: 0, error: most.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::OpenAIModel;

    #[test]
    fn files_are_bounded_by_their_bytes_or_by_the_model() {
        #[track_caller]
        fn check(source: MediaSource, model: &str, (tokens, error): (u64, u64)) {
            assert_eq!(
                count(&source, &OpenAIModel::new(model).spec()),
                Estimate { tokens, error },
                "{source:?}"
            );
        }
        let base64 = |media_type: &str, length: usize| MediaSource::Base64 {
            media_type: media_type.to_owned(),
            data: "A".repeat(length),
        };
        let url = |url: &str| MediaSource::Url { url: url.to_owned() };
        check(base64("application/pdf", 400), "gpt-4o", (15, 285));
        check(base64("text/plain", 400), "gpt-4o", (75, 225));
        check(base64("application/pdf", 0), "gpt-4o", (0, 0));
        check(url("data:text/csv;base64,AAAA"), "gpt-4o", (1, 2));
        check(url("https://example.org/a.pdf"), "gpt-4o", (0, 128_000));
        check(MediaSource::Id { id: "file-1".to_owned() }, "gpt-5.6-terra", (0, 922_000));
        check(MediaSource::Id { id: "file-1".to_owned() }, "my-deployment", (0, 128_000));
    }
}
