//! The parts of a message's content.

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::setters::setters;

/// A part of a message.
///
/// ```
/// use tachikoma_backends_core::{ContentPart, ImageDetail, Message};
///
/// let question = Message::user(vec![
///     ContentPart::file_id("file-1").with_cache_breakpoint(),
///     ContentPart::image_url("https://example.com/signature.png").with_detail(ImageDetail::Low),
///     ContentPart::text("Who has signed the contract?"),
/// ]);
/// assert_eq!(question.text(), "Who has signed the contract?");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ContentPart {
    /// Text.
    Text {
        /// The text.
        text: String,
        /// How it is sent.
        #[serde(flatten)]
        options: PartOptions,
    },
    /// An image.
    Image {
        /// Where it is.
        source: MediaSource,
        /// How closely the model should look; the provider decides where this is `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<ImageDetail>,
        /// How it is sent.
        #[serde(flatten)]
        options: PartOptions,
    },
    /// A file for the model to read, for example a PDF.
    File {
        /// Where it is.
        source: MediaSource,
        /// Its name, by which the model may speak of it and the provider may know its type.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// How it is sent.
        #[serde(flatten)]
        options: PartOptions,
    },
    /// A recording for the model to hear.
    Audio {
        /// Where it is.
        source: MediaSource,
        /// How it is sent.
        #[serde(flatten)]
        options: PartOptions,
    },
    /// A kind of content that only some server has, as that server expects it: it is sent unchanged.
    Other {
        /// The part as JSON, with its `type`.
        part: Map<String, Value>,
    },
}

/// How a part is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PartOptions {
    /// Whether the prompt up to the end of this part should be kept in the provider's cache, where the model takes such
    /// breakpoints.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cache_breakpoint: bool,
    /// Further fields of the part, which are sent unchanged: `cache_control` for OpenRouter.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

impl PartOptions {
    setters! {
        with_cache_breakpoint(cache_breakpoint: bool);
        with_extra(extra: Map<String, Value>);
    }

    /// Whether none of them is set.
    pub fn is_default(&self) -> bool {
        !self.cache_breakpoint && self.extra.is_empty()
    }
}

impl ContentPart {
    /// A part that is text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), options: PartOptions::default() }
    }

    /// An image from this source.
    pub fn image(source: MediaSource) -> Self {
        Self::Image { source, detail: None, options: PartOptions::default() }
    }

    /// An image that the provider fetches.
    pub fn image_url(url: impl Into<String>) -> Self {
        Self::image(MediaSource::url(url))
    }

    /// An image that is part of the request. `media_type` is for example `image/png`, `data` is base64.
    pub fn image_base64(media_type: impl Into<String>, data: impl Into<String>) -> Self {
        Self::image(MediaSource::base64(media_type, data))
    }

    /// An image that is part of the request, by its bytes. `media_type` is for example `image/png`.
    ///
    /// ```no_run
    /// # use tachikoma_backends_core::{CompletionRequest, ContentPart};
    /// let photo = ContentPart::image_bytes("image/jpeg", std::fs::read("photo.jpg")?);
    /// let request = CompletionRequest::user([ContentPart::text("Where is this?"), photo]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn image_bytes(media_type: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        Self::image(MediaSource::bytes(media_type, bytes))
    }

    /// An image that was uploaded to the provider before, by its id there.
    pub fn image_id(id: impl Into<String>) -> Self {
        Self::image(MediaSource::id(id))
    }

    /// A file from this source.
    pub fn file(source: MediaSource) -> Self {
        Self::File { source, name: None, options: PartOptions::default() }
    }

    /// A file that is part of the request. `media_type` is for example `application/pdf`, `data` is base64.
    pub fn file_base64(media_type: impl Into<String>, data: impl Into<String>) -> Self {
        Self::file(MediaSource::base64(media_type, data))
    }

    /// A file that is part of the request, by its bytes. `media_type` is for example `application/pdf`.
    pub fn file_bytes(media_type: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        Self::file(MediaSource::bytes(media_type, bytes))
    }

    /// A file that the provider fetches.
    pub fn file_url(url: impl Into<String>) -> Self {
        Self::file(MediaSource::url(url))
    }

    /// A file that was uploaded to the provider before, by its id there.
    pub fn file_id(id: impl Into<String>) -> Self {
        Self::file(MediaSource::id(id))
    }

    /// A recording from this source.
    pub fn audio(source: MediaSource) -> Self {
        Self::Audio { source, options: PartOptions::default() }
    }

    /// A recording that is part of the request. `media_type` is for example `audio/wav`, `data` is base64.
    pub fn audio_base64(media_type: impl Into<String>, data: impl Into<String>) -> Self {
        Self::audio(MediaSource::base64(media_type, data))
    }

    /// A recording that is part of the request, by its bytes. `media_type` is for example `audio/wav`.
    pub fn audio_bytes(media_type: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        Self::audio(MediaSource::bytes(media_type, bytes))
    }

    /// A kind of content that only some server has: its fields as that server expects them, `type` among them.
    pub fn other(part: Map<String, Value>) -> Self {
        Self::Other { part }
    }

    /// The text, if this is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    /// How it is sent; a part of another kind has all of it in its own fields.
    pub fn options(&self) -> Option<&PartOptions> {
        match self {
            Self::Text { options, .. }
            | Self::Image { options, .. }
            | Self::File { options, .. }
            | Self::Audio { options, .. } => Some(options),
            Self::Other { .. } => None,
        }
    }

    /// How it is sent, to change it.
    pub fn options_mut(&mut self) -> Option<&mut PartOptions> {
        match self {
            Self::Text { options, .. }
            | Self::Image { options, .. }
            | Self::File { options, .. }
            | Self::Audio { options, .. } => Some(options),
            Self::Other { .. } => None,
        }
    }

    fn with_options(mut self, change: impl FnOnce(&mut PartOptions)) -> Self {
        if let Some(options) = self.options_mut() {
            change(options);
        }
        self
    }

    /// The same part, at whose end the provider's cache should end, where the model takes such breakpoints. A part of
    /// another kind stays unchanged.
    #[must_use]
    pub fn with_cache_breakpoint(self) -> Self {
        self.with_options(|options| options.cache_breakpoint = true)
    }

    /// The same part with a further field, which is sent unchanged.
    #[must_use]
    pub fn with_extra(self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        match self {
            Self::Other { mut part } => {
                part.insert(field.into(), value.into());
                Self::Other { part }
            }
            part => part.with_options(|options| {
                options.extra.insert(field.into(), value.into());
            }),
        }
    }

    /// The same part, an image with this detail. Other parts stay unchanged.
    #[must_use]
    pub fn with_detail(mut self, level: ImageDetail) -> Self {
        if let Self::Image { detail, .. } = &mut self {
            *detail = Some(level);
        }
        self
    }

    /// The same part, a file with this name. Other parts stay unchanged.
    #[must_use]
    pub fn with_name(mut self, new: impl Into<String>) -> Self {
        if let Self::File { name, .. } = &mut self {
            *name = Some(new.into());
        }
        self
    }
}

/// Where an image, a file or a recording is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum MediaSource {
    /// Within the request.
    Base64 {
        /// For example `image/png`.
        media_type: String,
        /// The bytes in base64, without a `data:` prefix.
        data: String,
    },
    /// Somewhere the provider can reach.
    Url {
        /// `https:` or `data:`.
        url: String,
    },
    /// At the provider, where it was uploaded before.
    Id {
        /// The provider's id of it.
        id: String,
    },
}

impl MediaSource {
    /// Within the request.
    pub fn base64(media_type: impl Into<String>, data: impl Into<String>) -> Self {
        Self::Base64 { media_type: media_type.into(), data: data.into() }
    }

    /// Within the request, by its bytes, which become base64.
    ///
    /// ```
    /// # use tachikoma_backends_core::MediaSource;
    /// assert_eq!(MediaSource::bytes("text/plain", "Hi!"), MediaSource::base64("text/plain", "SGkh"));
    /// ```
    pub fn bytes(media_type: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        Self::base64(media_type, BASE64_STANDARD.encode(bytes))
    }

    /// Somewhere the provider can reach.
    pub fn url(url: impl Into<String>) -> Self {
        Self::Url { url: url.into() }
    }

    /// At the provider.
    pub fn id(id: impl Into<String>) -> Self {
        Self::Id { id: id.into() }
    }
}

/// How closely a model looks at an image: finer costs more tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ImageDetail {
    /// The provider decides.
    Auto,
    /// A small version of it.
    Low,
    /// All of it.
    High,
    /// All of it in its own size, where the model takes that.
    Original,
}
