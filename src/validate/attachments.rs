//! What can be wrong with images and files, whichever the model.

use tachikoma_backends_core::{CompletionRequest, ContentPart, MediaSource, MessageContent};

/// The only type of file that OpenAI takes on Chat Completions, by its guide on file inputs.
const PDF: &str = "application/pdf";

/// All parts of a conversation that are not text, with the places of their messages.
fn attachments(request: &CompletionRequest) -> impl Iterator<Item = (usize, &ContentPart)> {
    request.messages.iter().enumerate().flat_map(|(i, message)| {
        let parts = match &message.content {
            MessageContent::Parts(parts) => parts.as_slice(),
            MessageContent::Text(_) => &[],
        };
        parts.iter().filter(|part| !matches!(part, ContentPart::Text { .. })).map(move |part| (i, part))
    })
}

pub(super) fn has_images(request: &CompletionRequest) -> bool {
    attachments(request).any(|(_, part)| matches!(part, ContentPart::Image { .. }))
}

fn files(request: &CompletionRequest) -> impl Iterator<Item = (usize, &MediaSource)> {
    attachments(request).filter_map(|(i, part)| match part {
        ContentPart::File { source, .. } => Some((i, source)),
        _ => None,
    })
}

pub(super) fn has_files(request: &CompletionRequest) -> bool {
    files(request).next().is_some()
}

/// Finds sources that no server can read.
pub(super) fn sources(request: &CompletionRequest, found: &mut Vec<String>) {
    for (i, part) in attachments(request) {
        let (kind, example, data) = match part {
            ContentPart::Image { source: MediaSource::Base64 { media_type, data }, .. } => {
                ("an image", "image/png", Some((media_type, data)))
            }
            ContentPart::File { source: MediaSource::Base64 { media_type, data }, .. } => {
                ("a file", PDF, Some((media_type, data)))
            }
            ContentPart::Image { source: MediaSource::Url { url }, .. } if url.is_empty() => {
                ("an image", "", None)
            }
            ContentPart::File {
                source: MediaSource::Url { url: place } | MediaSource::Id { id: place },
                ..
            } if place.is_empty() => ("a file", "", None),
            _ => continue,
        };
        let Some((media_type, data)) = data else {
            found.push(format!("messages[{i}] has {kind} with an empty source: give its URL or id"));
            continue;
        };
        if !is_media_type(media_type) || (kind == "an image" && !media_type.starts_with("image/")) {
            found.push(format!(
                "messages[{i}] has {kind} of media type {media_type:?}: use one such as {example:?}"
            ));
        }
        if data.is_empty() {
            found.push(format!("messages[{i}] has {kind} without data: give its bytes in base64"));
        } else if data.starts_with("data:") {
            let noun = kind.rsplit(' ').next().unwrap_or_default();
            found.push(format!(
                "messages[{i}] has {kind} whose base64 data begins with \"data:\": give the data alone, \
                 or the whole as the {noun}'s URL"
            ));
        }
    }
}

fn is_media_type(media_type: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '_'))
    };
    media_type.split_once('/').is_some_and(|(kind, subtype)| is_name(kind) && is_name(subtype))
}

/// Finds files that OpenAI does not take on Chat Completions.
pub(super) fn chat_files(request: &CompletionRequest, found: &mut Vec<String>) {
    for (i, source) in files(request) {
        match source {
            MediaSource::Url { url } if !url.starts_with("data:") => found.push(format!(
                "messages[{i}] has a file by its URL, which Chat Completions does not fetch: send its bytes with \
                 ContentPart::file_base64, upload it and send its id, or use the Responses API"
            )),
            MediaSource::Base64 { media_type, .. } if media_type != PDF => found.push(format!(
                "messages[{i}] has a file of media type {media_type:?}, but Chat Completions takes PDF alone: \
                 send its text in the message, or use the Responses API"
            )),
            _ => {}
        }
    }
}

/// Whether a file is in the request that OpenAI takes on the Responses API alone.
pub(crate) fn needs_responses(request: &CompletionRequest) -> bool {
    let mut found = Vec::new();
    chat_files(request, &mut found);
    !found.is_empty()
}

#[cfg(test)]
mod tests {
    use tachikoma_backends_core::Message;

    use super::super::{Basis, validate};
    use super::*;
    use crate::target::{Target, WireApi};

    fn of(part: ContentPart) -> CompletionRequest {
        CompletionRequest::new(vec![Message::user(vec![part])])
    }

    fn found(part: ContentPart, model: &str, api: WireApi) -> Vec<(Basis, String)> {
        let findings = validate(&of(part), &Target::for_model(model, api));
        findings.into_iter().map(|finding| (finding.basis, finding.message)).collect()
    }

    #[test]
    fn sources_that_no_server_reads() {
        let pdf = |media_type: &str, data: &str| ContentPart::file_base64(media_type, data);
        for (part, expected) in [
            (pdf("application/pdf", "AAAA"), None),
            (pdf("application/vnd.ms-excel", "AAAA"), None),
            (pdf("application/x_y+json", "AAAA"), None),
            (ContentPart::file_id("file-1"), None),
            (ContentPart::file_url("https://example.org/a.pdf"), None),
            (pdf("pdf", "AAAA"), Some("a file of media type \"pdf\": use one such as \"application/pdf\"")),
            (
                pdf("application/pdf;base64", "AAAA"),
                Some("a file of media type \"application/pdf;base64\": use one such as \"application/pdf\""),
            ),
            (pdf("application/pdf", ""), Some("a file without data: give its bytes in base64")),
            (
                pdf("application/pdf", "data:application/pdf;base64,AAAA"),
                Some(
                    "a file whose base64 data begins with \"data:\": give the data alone, or the whole as the file's URL",
                ),
            ),
            (ContentPart::file_id(""), Some("a file with an empty source: give its URL or id")),
            (ContentPart::file_url(""), Some("a file with an empty source: give its URL or id")),
            (ContentPart::image_url(""), Some("an image with an empty source: give its URL or id")),
        ] {
            let expected: Vec<_> = expected
                .map(|text| (Basis::Request, format!("messages[0] has {text}")))
                .into_iter()
                .collect();
            assert_eq!(found(part.clone(), "my-deployment", WireApi::Responses), expected, "{part:?}");
        }
    }

    #[test]
    fn chat_completions_takes_pdf_and_no_url() {
        for (part, is_taken) in [
            (ContentPart::file_base64("application/pdf", "AAAA"), true),
            (ContentPart::file_id("file-1"), true),
            (ContentPart::file_url("data:application/pdf;base64,AAAA"), true),
            (ContentPart::file_url("https://example.org/a.pdf"), false),
            (ContentPart::file_base64("text/csv", "AAAA"), false),
        ] {
            // Also of a model that only its family is known of.
            for model in ["gpt-5.6-terra", "gpt-5.6-nova", "my-deployment"] {
                let chat = found(part.clone(), model, WireApi::ChatCompletions);
                assert!(chat.iter().all(|(basis, _)| *basis == Basis::OpenAI), "{chat:?}");
                assert_eq!(chat.is_empty(), is_taken, "{part:?}: {chat:?}");
                assert_eq!(found(part.clone(), model, WireApi::Responses), [], "{part:?}");
            }
            assert_eq!(needs_responses(&of(part)), !is_taken);
        }
    }

    #[test]
    fn a_model_without_file_input() {
        let part = ContentPart::file_id("file-1");
        let refused =
            "gpt-3.5-turbo takes no files: send their text, or use a model that does, such as gpt-5.6-terra";
        let expected = [(Basis::OpenAI, refused.to_owned())];
        assert_eq!(found(part.clone(), "gpt-3.5-turbo", WireApi::Responses), expected);
        assert_eq!(found(part.clone(), "gpt-4o", WireApi::Responses), []);
        assert_eq!(found(part, "gpt-4.5-preview", WireApi::Responses), []);
    }
}
