//! Embeddings: requests, their validation, and responses.

mod check;
mod response;

use serde_json::{Map, Value};

pub(crate) use self::check::{check, too_long};
pub use self::response::EmbeddingResponse;
pub(crate) use self::response::Embeddings;
use crate::CodexError;
use crate::api::{encode, extra};
use crate::models::{EmbeddingModel, OpenAIModel};
use crate::openai::types;
use crate::runtime::transport::Bytes;

/// The texts to embed: one, several, or texts as token ids. Strings and lists of strings convert into it:
///
/// ```
/// # use tachikoma_backend_codex::EmbeddingInput;
/// assert_eq!(EmbeddingInput::from("a"), EmbeddingInput::from(["a"]));
/// assert_eq!(EmbeddingInput::from(vec!["a".to_owned(), "b".to_owned()]).len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmbeddingInput {
    /// Texts.
    Texts(Vec<String>),
    /// Texts as token ids of `cl100k_base`.
    Tokens(Vec<Vec<u32>>),
}

impl EmbeddingInput {
    /// The number of texts, and of vectors in the response.
    pub fn len(&self) -> usize {
        match self {
            Self::Texts(texts) => texts.len(),
            Self::Tokens(texts) => texts.len(),
        }
    }

    /// Whether there is nothing to embed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<&str> for EmbeddingInput {
    fn from(text: &str) -> Self {
        Self::Texts(vec![text.to_owned()])
    }
}

impl From<String> for EmbeddingInput {
    fn from(text: String) -> Self {
        Self::Texts(vec![text])
    }
}

impl<T: Into<String>> From<Vec<T>> for EmbeddingInput {
    fn from(texts: Vec<T>) -> Self {
        Self::Texts(texts.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<String>, const N: usize> From<[T; N]> for EmbeddingInput {
    fn from(texts: [T; N]) -> Self {
        Self::Texts(texts.into_iter().map(Into::into).collect())
    }
}

impl<T: AsRef<str>> From<&[T]> for EmbeddingInput {
    fn from(texts: &[T]) -> Self {
        Self::Texts(texts.iter().map(|text| text.as_ref().to_owned()).collect())
    }
}

/// How vectors are encoded in the response. The `f32` numbers are the same either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VectorEncoding {
    /// As base64, a quarter of the size. Numbers from a server that does not support it are read as well.
    #[default]
    Base64,
    /// As numbers, for servers that reject base64.
    Float,
}

/// A request for embeddings: see [`CodexBackend::embed`](crate::CodexBackend::embed). What is not set is left to the server.
///
/// ```
/// # use tachikoma_backend_codex::EmbeddingRequest;
/// let request = EmbeddingRequest::new(["a cat", "a dog"]).with_model("text-embedding-3-large").with_dimensions(256);
/// assert_eq!(request.input.len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EmbeddingRequest {
    /// The texts to embed: at most 2,048, of at most 8,192 tokens each.
    pub input: EmbeddingInput,
    /// The model; by default `text-embedding-3-small`. The backend's own model is not used, since it generates text.
    pub model: OpenAIModel,
    /// The length of a vector; by default that of the model. Shorter vectors are less accurate.
    pub dimensions: Option<u32>,
    /// A stable id of the end user, for the provider's abuse detection.
    pub user: Option<String>,
    /// How vectors are encoded in the response.
    pub encoding: VectorEncoding,
    /// Further fields of the request body, sent unchanged, for other servers.
    pub extra: Map<String, Value>,
    /// How often the backend may retry; by default as often as its own setting allows.
    pub max_retries: Option<u32>,
}

impl EmbeddingRequest {
    /// A request for the embeddings of these texts.
    pub fn new(input: impl Into<EmbeddingInput>) -> Self {
        Self {
            input: input.into(),
            model: EmbeddingModel::DEFAULT.id.into(),
            dimensions: None,
            user: None,
            encoding: VectorEncoding::default(),
            extra: Map::new(),
            max_retries: None,
        }
    }

    /// Sets [`model`](Self::model).
    #[must_use]
    pub fn with_model(mut self, model: impl Into<OpenAIModel>) -> Self {
        self.model = model.into();
        self
    }

    /// Sets [`dimensions`](Self::dimensions).
    #[must_use]
    pub fn with_dimensions(mut self, dimensions: u32) -> Self {
        self.dimensions = Some(dimensions);
        self
    }

    /// Sets [`user`](Self::user).
    #[must_use]
    pub fn with_user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Sets [`encoding`](Self::encoding).
    #[must_use]
    pub fn with_encoding(mut self, encoding: VectorEncoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Adds one field to [`extra`](Self::extra).
    #[must_use]
    pub fn with_extra(mut self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extra.insert(field.into(), value.into());
        self
    }

    /// Sets [`max_retries`](Self::max_retries).
    #[must_use]
    pub fn with_max_retries(mut self, max_retries: u32) -> Self {
        self.max_retries = Some(max_retries);
        self
    }
}

impl<T: Into<EmbeddingInput>> From<T> for EmbeddingRequest {
    fn from(input: T) -> Self {
        Self::new(input)
    }
}

/// The body of a request; `model` replaces the model's name in it.
///
/// # Errors
/// A field of `extra` is also set by the request itself.
pub(crate) fn encode(request: EmbeddingRequest, model: Option<&str>) -> Result<Bytes, CodexError> {
    let mut body = convert(request)?;
    if let Some(model) = model {
        model.clone_into(&mut body.model);
    }
    encode::json(&body, 0)
}

fn convert(request: EmbeddingRequest) -> Result<types::CreateEmbeddingRequest, CodexError> {
    const RESERVED: &[&str] = &["input", "model", "dimensions", "encoding_format", "user"];
    let EmbeddingRequest { input, model, dimensions, user, encoding, extra, max_retries: _ } = request;
    extra::reject_duplicate_fields(&extra, &Value::Null, RESERVED)?;
    Ok(types::CreateEmbeddingRequest {
        dimensions: dimensions.map(i64::from),
        encoding_format: Some(match encoding {
            VectorEncoding::Base64 => types::CreateEmbeddingRequestEncodingFormat::Base64,
            VectorEncoding::Float => types::CreateEmbeddingRequestEncodingFormat::Float,
        }),
        input: match input {
            EmbeddingInput::Texts(texts) => types::CreateEmbeddingRequestInput::StringArray(texts),
            EmbeddingInput::Tokens(texts) => types::CreateEmbeddingRequestInput::IntegerArrayArray(
                texts.into_iter().map(|tokens| tokens.into_iter().map(i64::from).collect()).collect(),
            ),
        },
        model: model.to_string(),
        user,
        extra,
    })
}
