//! `POST /v1/embeddings`: vectors that follow from the text alone. They have length 1 and no meaning.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::body::RequestSchema;
use crate::errors::ApiError;
use crate::server::Shared;
use crate::{body, hash, models, tokens};

#[derive(Deserialize)]
struct EmbeddingRequest {
    model: String,
    input: Input,
    dimensions: Option<i64>,
    encoding_format: Option<Encoding>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string, an array of strings, or tokens")]
enum Input {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u32>),
    TokenLists(Vec<Vec<u32>>),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    Float,
    Base64,
}

#[derive(Serialize)]
pub(crate) struct Embeddings {
    object: &'static str,
    data: Vec<Embedding>,
    model: String,
    usage: Usage,
}

#[derive(Serialize)]
struct Embedding {
    object: &'static str,
    index: usize,
    embedding: Vector,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector {
    Float(Vec<f32>),
    Base64(String),
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: usize,
    total_tokens: usize,
}

pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    request: Bytes,
) -> Result<Json<Embeddings>, ApiError> {
    const MOST_DIMENSIONS: i64 = 3072;
    const MOST_INPUTS: usize = 2048;
    let request: EmbeddingRequest =
        body::read(&request, &["model", "input"], shared.config.schema(RequestSchema::Embeddings))?;
    models::check(&request.model)?;
    let usual = if request.model.contains("large") { MOST_DIMENSIONS } else { 1536 };
    let dimensions = request.dimensions.unwrap_or(usual);
    if !(1..=MOST_DIMENSIONS).contains(&dimensions) {
        let message =
            format!("Invalid value for 'dimensions' = {dimensions}. Must be 1 to {MOST_DIMENSIONS}.");
        return Err(ApiError::invalid(message).param("dimensions"));
    }
    let inputs = request.input.texts();
    if inputs.is_empty() || inputs.iter().any(|(text, _)| text.is_empty()) {
        let message = "Invalid 'input': input cannot be an empty string or an empty array.";
        return Err(ApiError::invalid(message).param("input"));
    }
    if inputs.len() > MOST_INPUTS {
        let message = format!("Invalid 'input': {} inputs. The most are {MOST_INPUTS}.", inputs.len());
        return Err(ApiError::invalid(message).param("input").code("array_above_max_length"));
    }

    let prompt_tokens = inputs.iter().map(|(_, tokens)| tokens).sum();
    let data = inputs.iter().enumerate().map(|(index, (text, _))| {
        let vector = vector(hash::hash(&[request.model.as_bytes(), text]), dimensions);
        let embedding = match request.encoding_format {
            Some(Encoding::Base64) => {
                let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
                Vector::Base64(BASE64_STANDARD.encode(bytes))
            }
            Some(Encoding::Float) | None => Vector::Float(vector),
        };
        Embedding { object: "embedding", index, embedding }
    });
    Ok(Json(Embeddings {
        object: "list",
        data: data.collect(),
        model: request.model,
        usage: Usage { prompt_tokens, total_tokens: prompt_tokens },
    }))
}

impl Input {
    /// The bytes that each vector is computed from, and their tokens.
    fn texts(self) -> Vec<(Vec<u8>, usize)> {
        let text = |text: String| (text.clone().into_bytes(), tokens::count(text.len()));
        let tokens =
            |tokens: Vec<u32>| (tokens.iter().flat_map(|token| token.to_le_bytes()).collect(), tokens.len());
        match self {
            Self::Text(one) => vec![text(one)],
            Self::Texts(several) => several.into_iter().map(text).collect(),
            Self::Tokens(one) => vec![tokens(one)],
            Self::TokenLists(several) => several.into_iter().map(tokens).collect(),
        }
    }
}

/// A vector of length 1. Fewer dimensions are the start of more, scaled to length 1 again, as with
/// OpenAI's models.
fn vector(seed: u64, dimensions: i64) -> Vec<f32> {
    let mut random = fastrand::Rng::with_seed(seed);
    let numbers: Vec<f64> = (0..dimensions).map(|_| random.f64() * 2.0 - 1.0).collect();
    let length = numbers.iter().map(|number| number * number).sum::<f64>().sqrt();
    numbers.iter().map(|number| (number / length) as f32).collect()
}
