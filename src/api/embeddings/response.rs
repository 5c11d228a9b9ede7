//! Converts the generated response to vectors.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use tachikoma_backends_core::{ErrorCategory, Usage};

use super::EmbeddingRequest;
use crate::api::{ClientResult, Protocol, ResponseContext, body, usage};
use crate::openai::Client;
use crate::runtime::{json, transport::Bytes};

use crate::CodexError;
use crate::openai::types;

/// Vectors, one for each text of the request, in the same order.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct EmbeddingResponse {
    /// The vectors. OpenAI's have length 1, so that the dot product of two is the cosine of the angle between them.
    pub embeddings: Vec<Vec<f32>>,
    /// The model, as the server names it; empty where it does not.
    pub model: String,
    /// The tokens used, where the server reports them.
    pub usage: Option<Usage>,
    /// The request id, to quote to OpenAI's support.
    pub request_id: Option<String>,
}

/// `POST /embeddings`, and what decoding the response needs from its request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Embeddings {
    vectors: usize,
    dimensions: Option<u32>,
}

impl Embeddings {
    /// The endpoint, for this request.
    pub(crate) fn new(request: &EmbeddingRequest) -> Self {
        Self { vectors: request.input.len(), dimensions: request.dimensions }
    }
}

impl Protocol for Embeddings {
    type Response = EmbeddingResponse;

    fn path(&self) -> &'static str {
        "embeddings"
    }

    fn is_in_deployment(&self) -> bool {
        true
    }

    fn call(&self, client: Client, body: Bytes) -> BoxFuture<'static, ClientResult> {
        async move { client.create_embedding(body).await }.boxed()
    }

    fn decode(&self, body: &[u8], _: ResponseContext) -> Result<EmbeddingResponse, CodexError> {
        decode(body, *self)
    }
}

/// Decodes the body of a response, whatever the order of its vectors.
///
/// # Errors
/// It is an error object, or does not hold one vector of the right length for each text.
fn decode(body: &[u8], expected: Embeddings) -> Result<EmbeddingResponse, CodexError> {
    let Embeddings { vectors, dimensions } = expected;
    let types::CreateEmbeddingResponse { data, model, usage } = body::read_body(body)?;
    let data = data.ok_or_else(|| body::absent(&serde_json::from_slice(body).unwrap_or_default(), "data"))?;
    let mut found: Vec<Option<Vec<f32>>> = vec![None; vectors];
    for (position, item) in data.into_iter().enumerate() {
        let index = match item.index {
            // Servers that do not number vectors keep the order.
            None => position,
            Some(index) => json::index(Some(&index))
                .ok_or_else(|| invalid(format!("data[{position}] has the invalid index {index}")))?,
        };
        let place = found.get_mut(index).ok_or_else(|| {
            invalid(format!("it has a vector with the index {index}, but {vectors} were requested"))
        })?;
        if place.is_some() {
            return Err(invalid(format!("it has two vectors with the index {index}")));
        }
        let vector =
            vector(item.embedding).map_err(|problem| invalid(format!("the vector {index} {problem}")))?;
        *place = Some(vector);
    }
    let mut embeddings: Vec<Vec<f32>> = Vec::with_capacity(found.len());
    for (index, vector) in found.into_iter().enumerate() {
        let vector =
            vector.ok_or_else(|| invalid(format!("the vector with the index {index} is missing")))?;
        let length = vector.len();
        let requested = dimensions.and_then(|length| usize::try_from(length).ok());
        if let Some(requested) = requested.filter(|requested| *requested != length) {
            return Err(invalid(format!(
                "the vector {index} has {length} numbers, but {requested} were requested"
            ))
            .with_hint("The server or the model may not support `dimensions`."));
        }
        if let Some(first) = embeddings.first().filter(|first| first.len() != length) {
            let message = format!("the vector {index} has {length} numbers, the first one {}", first.len());
            return Err(invalid(message));
        }
        embeddings.push(vector);
    }
    let usage = usage.and_then(|usage| usage::read(&usage, &usage::CHAT));
    let model = json::into_text(model);
    Ok(EmbeddingResponse { embeddings, model: model.unwrap_or_default(), usage, request_id: None })
}

fn invalid(problem: String) -> CodexError {
    CodexError::new(ErrorCategory::Parse, format!("the server's response is invalid: {problem}"))
}

/// A vector as base64 of little-endian `f32` numbers, or as the numbers themselves.
fn vector(embedding: Option<Value>) -> Result<Vec<f32>, String> {
    let vector: Vec<f32> = match embedding {
        None | Some(Value::Null) => return Err("is missing".to_owned()),
        Some(Value::String(text)) => {
            let bytes =
                BASE64_STANDARD.decode(text).map_err(|error| format!("is not valid base64: {error}"))?;
            let (numbers, rest) = bytes.as_chunks::<4>();
            if !rest.is_empty() {
                return Err(format!("has {} bytes, which is not a multiple of 4", bytes.len()));
            }
            numbers.iter().map(|number| f32::from_le_bytes(*number)).collect()
        }
        Some(Value::Array(numbers)) => numbers
            .iter()
            .map(|number| {
                #[allow(clippy::cast_possible_truncation, reason = "vectors are f32 in base64 as well")]
                number
                    .as_f64()
                    .map(|number| number as f32)
                    .ok_or_else(|| format!("holds {number}, which is not a number"))
            })
            .collect::<Result<_, _>>()?,
        Some(_) => return Err("is neither base64 nor a list of numbers".to_owned()),
    };
    if vector.is_empty() { Err("is empty".to_owned()) } else { Ok(vector) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(body: Value, dimensions: Option<u32>, expected: Result<[&[f32]; 2], &str>) {
        let response = decode(body.to_string().as_bytes(), Embeddings { vectors: 2, dimensions });
        match expected {
            Ok(expected) => assert_eq!(response.unwrap().embeddings, expected),
            Err(expected) => assert_eq!(response.unwrap_err().message(), expected),
        }
    }

    #[test]
    fn vectors_in_any_form_and_order() {
        // 1.0 and -0.5, little-endian.
        let base64 = "AACAPwAAAL8=";
        check(
            json!({"data": [{"index": 1, "embedding": [3, 4.5]}, {"index": 0.0, "embedding": base64, "new": 1}]}),
            Some(2),
            Ok([&[1.0, -0.5], &[3.0, 4.5]]),
        );
        let unnumbered =
            json!({"data": [{"embedding": [1]}, {"embedding": [2], "index": null}], "usage": null});
        check(unnumbered, None, Ok([&[1.0], &[2.0]]));
    }

    #[test]
    fn a_response_has_its_usage() {
        let body = json!({"data": [{"embedding": [1]}], "model": "m", "usage": {"prompt_tokens": 2, "total_tokens": 2}});
        let response =
            decode(body.to_string().as_bytes(), Embeddings { vectors: 1, dimensions: None }).unwrap();
        let usage = Usage::new(2, 0);
        assert_eq!((response.model.as_str(), response.usage), ("m", Some(usage)));
    }

    #[test]
    fn invalid_responses() {
        let two = |first: Value, second: Value| json!({"data": [first, second]});
        let good = json!({"index": 0, "embedding": [1]});
        let of = |embedding: Value| two(good.clone(), json!({"index": 1, "embedding": embedding}));
        for (body, expected) in [
            (json!({"data": [good]}), "the vector with the index 1 is missing"),
            (json!({"data": []}), "the vector with the index 0 is missing"),
            (two(good.clone(), good.clone()), "it has two vectors with the index 0"),
            (
                two(good.clone(), json!({"index": 2, "embedding": [1]})),
                "it has a vector with the index 2, but 2 were requested",
            ),
            (two(good.clone(), json!({"index": -1, "embedding": [1]})), "data[1] has the invalid index -1"),
            (of(json!(null)), "the vector 1 is missing"),
            (of(json!([])), "the vector 1 is empty"),
            (of(json!({})), "the vector 1 is neither base64 nor a list of numbers"),
            (of(json!(["1"])), "the vector 1 holds \"1\", which is not a number"),
            (of(json!("AAA=")), "the vector 1 has 2 bytes, which is not a multiple of 4"),
            (of(json!("!")), "the vector 1 is not valid base64: Invalid symbol 33, offset 0."),
            (of(json!([1, 2])), "the vector 1 has 2 numbers, the first one 1"),
        ] {
            check(body, None, Err(&format!("the server's response is invalid: {expected}")));
        }
        let short = "the server's response is invalid: the vector 0 has 1 numbers, but 3 were requested";
        check(of(json!([1])), Some(3), Err(short));
        check(json!({"error": {"message": "Slow down."}}), None, Err("Slow down."));
    }
}
