//! Images, files and recordings, as both APIs encode them.

use tachikoma_backends_core::{ContentPart, MediaSource};

/// The URL of an image, which both APIs accept. `None` for an id, and for an unknown kind of source.
pub(crate) fn image_url(source: MediaSource) -> Option<String> {
    Some(match source {
        MediaSource::Url { url } => url,
        MediaSource::Base64 { media_type, data } => data_url(&media_type, &data),
        _ => return None,
    })
}

/// The URL of an image, or its id; neither for an unknown kind of source.
pub(crate) fn image_url_or_id(source: MediaSource) -> (Option<String>, Option<String>) {
    match source {
        MediaSource::Id { id } => (None, Some(id)),
        source => (image_url(source), None),
    }
}

/// The base64 of a recording and its format, such as `wav`. `None` for a source elsewhere.
pub(crate) fn audio(source: MediaSource) -> Option<(String, String)> {
    let (media_type, data) = match source {
        MediaSource::Base64 { media_type, data } => (media_type, data),
        MediaSource::Url { url } => {
            let (description, data) = url.strip_prefix("data:")?.split_once(',')?;
            (description.split(';').next()?.to_owned(), data.to_owned())
        }
        _ => return None,
    };
    let format = match media_type.rsplit('/').next().unwrap_or_default() {
        "mpeg" => "mp3",
        "x-wav" | "wave" => "wav",
        other => other,
    };
    Some((data, format.to_owned()))
}

fn data_url(media_type: &str, data: &str) -> String {
    format!("data:{media_type};base64,{data}")
}

/// The fields of a file, which both APIs have under other names.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct FileFields {
    pub(crate) data: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) name: Option<String>,
}

impl FileFields {
    /// `None` for an unknown kind of source.
    pub(crate) fn new(source: MediaSource, name: Option<String>) -> Option<Self> {
        Some(match source {
            // OpenAI rejects data without a name.
            MediaSource::Base64 { media_type, data } => Self {
                data: Some(data_url(&media_type, &data)),
                name: name.or_else(|| Some(default_name(&media_type))),
                ..Self::default()
            },
            MediaSource::Url { url } if url.starts_with("data:") => {
                let media_type = url.trim_start_matches("data:").split([';', ',']).next();
                let name = name.or_else(|| media_type.map(default_name));
                Self { data: Some(url), name, ..Self::default() }
            }
            MediaSource::Url { url } => Self { url: Some(url), name, ..Self::default() },
            // The upload has a name already.
            MediaSource::Id { id } => Self { id: Some(id), ..Self::default() },
            _ => return None,
        })
    }
}

fn default_name(media_type: &str) -> String {
    let extension = match media_type.rsplit('/').next().unwrap_or_default() {
        "plain" => "txt",
        "markdown" => "md",
        other if !other.is_empty() && other.chars().all(|c| c.is_ascii_alphanumeric()) => other,
        _ => return "file".to_owned(),
    };
    format!("file.{extension}")
}

/// The kind of a part, for error messages.
pub(crate) fn kind(part: &ContentPart) -> &'static str {
    match part {
        ContentPart::Text { .. } => "text",
        ContentPart::Image { .. } => "an image",
        ContentPart::File { .. } => "a file",
        ContentPart::Audio { .. } => "a recording",
        _ => "a part of this kind",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files() {
        #[track_caller]
        fn check(part: ContentPart, expected: [Option<&str>; 4]) {
            let ContentPart::File { source, name, .. } = part else { panic!("not a file") };
            let FileFields { data, id, url, name } = FileFields::new(source, name).unwrap();
            assert_eq!([data, id, url, name].each_ref().map(Option::as_deref), expected);
        }
        let data = "data:application/pdf;base64,AAAA";
        let pdf = Some(data);
        check(ContentPart::file_base64("application/pdf", "AAAA"), [pdf, None, None, Some("file.pdf")]);
        let named = ContentPart::file_base64("application/pdf", "AAAA").with_name("a.pdf");
        check(named, [pdf, None, None, Some("a.pdf")]);
        check(ContentPart::file_url(data), [pdf, None, None, Some("file.pdf")]);
        let url = "https://example.org/a.pdf";
        check(ContentPart::file_url(url), [None, None, Some(url), None]);
        check(ContentPart::file_id("file-1").with_name("a.pdf"), [None, Some("file-1"), None, None]);
    }

    #[test]
    fn names_by_media_type() {
        for (media_type, expected) in [
            ("application/pdf", "file.pdf"),
            ("text/plain", "file.txt"),
            ("text/csv", "file.csv"),
            ("application/vnd.ms-excel", "file"),
            ("", "file"),
        ] {
            assert_eq!(default_name(media_type), expected);
        }
    }
}
