//! Answers as Rust types.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Stream, StreamExt};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tachikoma_backends_core::{
    BackendError, CollectingStream, CompletionChunk, CompletionResponse, CompletionStream, FinishReason,
};

use crate::error::CodexError;

/// An answer that is a `T`: see [`CodexBackend::complete_as`](crate::CodexBackend::complete_as).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Structured<T> {
    /// What the model answered.
    pub value: T,
    /// The answer that it was read from, with its usage and ids.
    pub response: CompletionResponse,
}

impl<T: DeserializeOwned> Structured<T> {
    /// Reads an answer to a request with a JSON Schema, for example the last one of a
    /// [`ToolRunner`](tachikoma_backends_core::ToolRunner).
    ///
    /// # Errors
    /// [`StructuredError`], with the answer in it.
    pub fn from_response(response: CompletionResponse) -> Result<Self, StructuredError> {
        let response = Box::new(response);
        if response.finish_reason.is_cut() {
            return Err(StructuredError::Cut { response });
        }
        let text = match (&response.content, &response.refusal) {
            (Some(text), _) => text,
            (None, Some(_)) => return Err(StructuredError::Refused { response }),
            (None, None) if !response.tool_calls.is_empty() => {
                return Err(StructuredError::ToolCalls { response });
            }
            (None, None) => "",
        };
        match parse(text) {
            Ok(value) => Ok(Self { value, response: *response }),
            Err((path, reason)) => Err(StructuredError::Mismatch { path, reason, response }),
        }
    }
}

/// Reads JSON; else where it does not fit, and why. A strict schema has no fields that can be left out: the model says null
/// instead, which a field with a default does not take.
fn parse<T: DeserializeOwned>(text: &str) -> Result<T, (String, String)> {
    let mut json = serde_json::Deserializer::from_str(text);
    let parsed = serde_path_to_error::deserialize(&mut json);
    let error = match parsed.map(|value| (value, json.end())) {
        Ok((value, Ok(()))) => return Ok(value),
        Ok((_, Err(error))) => return Err((String::new(), error.to_string())),
        Err(error) => error,
    };
    if let Ok(mut document) = serde_json::from_str(text) {
        drop_nulls(&mut document);
        if let Ok(value) = serde_json::from_value(document) {
            return Ok(value);
        }
    }
    let path = error.path().to_string();
    Err((if path == "." { String::new() } else { path }, error.into_inner().to_string()))
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Why there is no `T`. Whatever the model said is kept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StructuredError {
    /// The model declined: its words are the answer's `refusal`.
    Refused {
        /// The answer.
        response: Box<CompletionResponse>,
    },
    /// The answer was cut, by the limit on tokens or by the content filter: its beginning is the answer's `content`.
    Cut {
        /// The answer.
        response: Box<CompletionResponse>,
    },
    /// The model wants tools to be run before it answers.
    ToolCalls {
        /// The answer.
        response: Box<CompletionResponse>,
    },
    /// The answer is no JSON, or does not fit `T`.
    Mismatch {
        /// Where it does not fit, as in `pets[0].name`; empty for the whole of it.
        path: String,
        /// Why.
        reason: String,
        /// The answer: its `content` is the raw text.
        response: Box<CompletionResponse>,
    },
    /// There was no whole answer, or `T` has no strict schema.
    Backend(BackendError),
}

impl StructuredError {
    /// The answer, where there was a whole one.
    pub fn response(&self) -> Option<&CompletionResponse> {
        match self {
            Self::Refused { response }
            | Self::Cut { response }
            | Self::ToolCalls { response }
            | Self::Mismatch { response, .. } => Some(response),
            Self::Backend(_) => None,
        }
    }
}

impl fmt::Display for StructuredError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { response } => {
                write!(f, "the model declined to answer: {}", response.refusal.as_deref().unwrap_or_default())
            }
            Self::Cut { response } => match response.finish_reason {
                FinishReason::Length => {
                    f.write_str("the answer was cut by the limit on tokens; raise max_tokens or ask for less")
                }
                FinishReason::ContentFilter => {
                    f.write_str("the answer was cut by the provider's content filter")
                }
                _ => f.write_str("the answer was cut: the server failed while answering; ask again"),
            },
            Self::ToolCalls { response } => {
                let names: Vec<&str> = response.tool_calls.iter().map(|call| call.name.as_str()).collect();
                write!(
                    f,
                    "the model called {} before it answered; run the tools and ask again",
                    names.join(", ")
                )
            }
            Self::Mismatch { path, reason, .. } if path.is_empty() => {
                write!(f, "the answer does not fit the type: {reason}")
            }
            Self::Mismatch { path, reason, .. } => {
                write!(f, "the answer does not fit the type at {path}: {reason}")
            }
            Self::Backend(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StructuredError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Backend(error) => Some(error),
            _ => None,
        }
    }
}

impl From<BackendError> for StructuredError {
    fn from(error: BackendError) -> Self {
        Self::Backend(error)
    }
}

impl From<CodexError> for StructuredError {
    fn from(error: CodexError) -> Self {
        Self::Backend(error.into())
    }
}

/// A streamed answer that ends in a `T`: the chunks as they come, then [`finish`](Self::finish). See
/// [`CodexBackend::complete_stream_as`](crate::CodexBackend::complete_stream_as).
pub struct StructuredStream<T> {
    chunks: CollectingStream,
    is_a: PhantomData<fn() -> T>,
}

impl<T> StructuredStream<T> {
    pub(crate) fn new(chunks: CompletionStream) -> Self {
        Self { chunks: CollectingStream::new(chunks), is_a: PhantomData }
    }
}

impl<T: DeserializeOwned> StructuredStream<T> {
    /// Reads the rest of the stream and returns what it is.
    ///
    /// # Errors
    /// As [`Structured::from_response`], and what ended the stream before its time.
    pub async fn finish(self) -> Result<Structured<T>, StructuredError> {
        Structured::from_response(self.chunks.collect().await.map_err(BackendError::from)?)
    }
}

impl<T> Stream for StructuredStream<T> {
    type Item = Result<CompletionChunk, BackendError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.chunks.poll_next_unpin(context)
    }
}

impl<T> fmt::Debug for StructuredStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StructuredStream").field(&self.chunks).finish()
    }
}
