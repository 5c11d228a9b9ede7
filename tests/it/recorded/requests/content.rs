//! The content of messages: text, or parts in either API's form.

use serde_json::Value;
use tachikoma_backends_core::{ContentPart, ImageDetail, MediaSource, MessageContent};

use super::{Fields, take};

/// # Errors
/// The content is neither a text nor a list of parts.
pub(super) fn content(content: Option<Value>) -> Result<MessageContent, String> {
    Ok(match content {
        None | Some(Value::Null) => MessageContent::default(),
        Some(Value::String(text)) => MessageContent::Text(text),
        Some(Value::Array(parts)) => {
            MessageContent::Parts(parts.into_iter().map(part).collect::<Result<_, _>>()?)
        }
        Some(other) => return Err(format!("the content {other} is neither a text nor a list")),
    })
}

fn part(part: Value) -> Result<ContentPart, String> {
    let Value::Object(mut fields) = part else { return Err(format!("the part {part} is not an object")) };
    fields.retain(|_, value| !value.is_null());
    Ok(known_part(fields.clone()).unwrap_or_else(|| ContentPart::other(fields)))
}

/// The part, if the core has a kind for it and a place for each of its fields.
fn known_part(mut fields: Fields) -> Option<ContentPart> {
    let mut part = match take::<String>(&mut fields, "type")?.as_str() {
        "text" | "input_text" => ContentPart::text(take::<String>(&mut fields, "text")?),
        "image_url" => {
            let mut image = object(&mut fields, "image_url")?;
            let source = url(take(&mut image, "url")?);
            image_part(source, &mut image).filter(|_| image.is_empty())?
        }
        "input_image" => {
            let source = id_or_url(&mut fields, "image_url")?;
            image_part(source, &mut fields)?
        }
        "file" => {
            let mut file = object(&mut fields, "file")?;
            file_part(&mut file, "file_data").filter(|_| file.is_empty())?
        }
        "input_file" if fields.contains_key("file_url") => file_part(&mut fields, "file_url")?,
        "input_file" => file_part(&mut fields, "file_data")?,
        "input_audio" => {
            let mut audio = object(&mut fields, "input_audio")?;
            let data: String = take(&mut audio, "data")?;
            let format: String = take(&mut audio, "format")?;
            ContentPart::audio_base64(format!("audio/{format}"), data)
        }
        _ => return None,
    };
    for (field, value) in fields {
        part = match field.as_str() {
            "prompt_cache_breakpoint" => part.with_cache_breakpoint(),
            _ => part.with_extra(field, value),
        };
    }
    Some(part)
}

fn object(fields: &mut Fields, name: &str) -> Option<Fields> {
    let mut inner = fields.remove(name)?.as_object()?.clone();
    inner.retain(|_, value| !value.is_null());
    Some(inner)
}

fn image_part(source: MediaSource, fields: &mut Fields) -> Option<ContentPart> {
    let image = ContentPart::image(source);
    Some(match fields.contains_key("detail") {
        true => image.with_detail(take::<ImageDetail>(fields, "detail")?),
        false => image,
    })
}

fn file_part(fields: &mut Fields, data: &str) -> Option<ContentPart> {
    let mut part = ContentPart::file(id_or_url(fields, data)?);
    if let Some(name) = take::<String>(fields, "filename") {
        part = part.with_name(name);
    }
    Some(part)
}

fn id_or_url(fields: &mut Fields, url_field: &str) -> Option<MediaSource> {
    match take::<String>(fields, "file_id") {
        Some(id) => Some(MediaSource::id(id)),
        None => Some(url(take(fields, url_field)?)),
    }
}

/// The source of a URL: a `data:` URL is within the request.
fn url(url: String) -> MediaSource {
    let inner = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    match inner {
        Some((media_type, data)) => MediaSource::base64(media_type, data),
        None => MediaSource::url(url),
    }
}
