//! Responses as Rust types, from any backend.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Stream, StreamExt};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::parse::{ParseError, parse};
use crate::schema::strict_schema_of;
use crate::{
    BackendError, CollectError, CollectingStream, CompletionChunk, CompletionResponse, CompletionStream,
    FinishReason,
};

/// A response that is a `T`: see [`BackendExt::complete_as`](crate::BackendExt::complete_as).
///
/// ```
/// use tachikoma_backends_core::{CompletionResponse, Structured, StructuredError, Usage};
///
/// #[derive(schemars::JsonSchema, serde::Deserialize)]
/// struct City { name: String, #[serde(default)] rank: u8 }
///
/// // The last response of a `ToolRunner`, for example.
/// let text = r#"{"name": "Oslo", "rank": null}"#;
/// let response = CompletionResponse::new(text).with_usage(Usage::new(20, 8));
/// let Structured { value, response, .. } = Structured::<City>::from_response(response)?;
/// assert_eq!((value.name.as_str(), value.rank), ("Oslo", 0));
/// assert_eq!(response.usage.map(|usage| usage.total_tokens), Some(28));
/// # Ok::<(), StructuredError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Structured<T> {
    /// The value.
    pub value: T,
    /// The response that it was read from, with its usage and ids.
    pub response: CompletionResponse,
}

impl<T: JsonSchema + DeserializeOwned> Structured<T> {
    /// Reads a response to a request with [`ResponseFormat::json_schema::<T>()`](crate::ResponseFormat::json_schema), for example
    /// the last one of a [`ToolRunner`](crate::ToolRunner). JSON in a code fence is read too, which models write that no schema
    /// binds. Null for a field that could be left out means that the field is not there.
    ///
    /// # Errors
    /// [`StructuredError`], with the response in it: it was cut, else it is a refusal, else it calls tools, else its text does not
    /// fit.
    pub fn from_response(response: CompletionResponse) -> Result<Self, StructuredError> {
        let response = Box::new(response);
        if response.finish_reason.is_cut() || !response.incomplete_tool_calls.is_empty() {
            return Err(StructuredError::Cut { response });
        }
        if response.refusal.is_some() {
            return Err(StructuredError::Refused { response });
        }
        if !response.tool_calls.is_empty() {
            return Err(StructuredError::ToolCalls { response });
        }
        let strict = strict_schema_of::<T>().ok().map(|strict| (strict.added_nulls(), strict.schema));
        let strict = strict.as_ref().map(|(added, schema)| (schema, added));
        match parse(response.content.as_deref().unwrap_or_default(), strict) {
            Ok(value) => Ok(Self { value, response: *response }),
            Err(ParseError { path, reason, excerpt }) => {
                let reason = format!("{reason}, near {excerpt:?}");
                Err(StructuredError::Mismatch { path, reason, response })
            }
        }
    }
}

/// Why a response is not a `T`, with what the model wrote.
///
/// ```
/// use tachikoma_backends_core::{CompletionResponse, Structured, StructuredError};
///
/// #[derive(Debug, schemars::JsonSchema, serde::Deserialize)]
/// struct Pet { age: u8 }
///
/// let response = CompletionResponse::new(r#"{"age": "two"}"#);
/// let error = Structured::<Pet>::from_response(response).unwrap_err();
/// let StructuredError::Mismatch { path, .. } = &error else { panic!("{error}") };
/// assert_eq!(path, "age");
/// // What the model wrote is there, to be repaired or sent back.
/// assert_eq!(error.response().and_then(|response| response.content.as_deref()), Some(r#"{"age": "two"}"#));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StructuredError {
    /// The model declined: its text is the response's `refusal`.
    Refused {
        /// The response.
        response: Box<CompletionResponse>,
    },
    /// The response was cut, by the limit on tokens or by the content filter: its beginning is its `content`.
    Cut {
        /// The response.
        response: Box<CompletionResponse>,
    },
    /// The model wants tools to be run before it answers.
    ToolCalls {
        /// The response.
        response: Box<CompletionResponse>,
    },
    /// The text is not JSON, or does not fit `T`.
    Mismatch {
        /// Where it does not fit, as in `pets[0].name`; empty for the whole of it.
        path: String,
        /// Why, with an excerpt of the text.
        reason: String,
        /// The response: its `content` is the raw text.
        response: Box<CompletionResponse>,
    },
    /// The stream ended before the response did.
    Interrupted {
        /// Why.
        error: BackendError,
        /// What had arrived.
        response: Box<CompletionResponse>,
    },
    /// There was no response, or `T` has no strict schema.
    Backend(BackendError),
}

impl StructuredError {
    /// The response, as far as there was one.
    pub fn response(&self) -> Option<&CompletionResponse> {
        match self {
            Self::Refused { response }
            | Self::Cut { response }
            | Self::ToolCalls { response }
            | Self::Mismatch { response, .. }
            | Self::Interrupted { response, .. } => Some(response),
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
            Self::Cut { response } => f.write_str(match response.finish_reason {
                FinishReason::Length => {
                    "the response was cut by the limit on tokens; raise max_tokens or ask for less"
                }
                FinishReason::ContentFilter => "the response was cut by the provider's content filter",
                _ => "the response was cut before its end; ask again",
            }),
            Self::ToolCalls { response } => {
                let names: Vec<&str> = response.tool_calls.iter().map(|call| call.name.as_str()).collect();
                write!(
                    f,
                    "the model called {} before it answered; run the tools and ask again",
                    names.join(", ")
                )
            }
            Self::Mismatch { path, reason, .. } if path.is_empty() => {
                write!(f, "the response does not fit the type: {reason}")
            }
            Self::Mismatch { path, reason, .. } => {
                write!(f, "the response does not fit the type at {path}: {reason}")
            }
            Self::Interrupted { error, .. } | Self::Backend(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StructuredError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Backend(error) | Self::Interrupted { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<BackendError> for StructuredError {
    fn from(error: BackendError) -> Self {
        Self::Backend(error)
    }
}

impl From<CollectError> for StructuredError {
    fn from(CollectError { error, partial }: CollectError) -> Self {
        Self::Interrupted { error, response: partial }
    }
}

/// A streamed response that ends in a `T`: the chunks as they come, then [`finish`](Self::finish). See
/// [`BackendExt::complete_stream_as`](crate::BackendExt::complete_stream_as).
pub struct StructuredStream<T> {
    chunks: CollectingStream,
    value: PhantomData<fn() -> T>,
}

impl<T> StructuredStream<T> {
    /// Reads the stream of a response to a request with
    /// [`ResponseFormat::json_schema::<T>()`](crate::ResponseFormat::json_schema).
    pub fn new(chunks: CompletionStream) -> Self {
        Self { chunks: CollectingStream::new(chunks), value: PhantomData }
    }
}

impl<T: JsonSchema + DeserializeOwned> StructuredStream<T> {
    /// Reads the rest of the stream and returns the value.
    ///
    /// # Errors
    /// As [`Structured::from_response`], and what ended the stream before the response was whole.
    pub async fn finish(self) -> Result<Structured<T>, StructuredError> {
        Structured::from_response(self.chunks.collect().await?)
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

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use futures::stream;
    use serde::Deserialize;

    use super::*;
    use crate::ToolCall;

    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    struct City {
        name: String,
        #[serde(default)]
        rank: u8,
    }

    /// Reads a response whole and from its chunks; both agree.
    fn read(response: CompletionResponse) -> Result<City, String> {
        let whole = Structured::<City>::from_response(response.clone());
        let chunks = stream::iter(response.into_chunks().map(Ok)).boxed();
        let streamed = block_on(StructuredStream::<City>::new(chunks).finish());
        let [whole, streamed] = [whole, streamed].map(|outcome| match outcome {
            Ok(structured) => Ok(structured.value),
            Err(error) => {
                assert!(error.response().is_some(), "{error}");
                Err(error.to_string())
            }
        });
        assert_eq!(whole, streamed);
        whole
    }

    #[test]
    fn a_response_is_cut_else_a_refusal_else_calls_else_text() {
        let call = || vec![ToolCall::new("call_1", "look", "{}")];
        let city = || CompletionResponse {
            content: Some(r#"{"name": "Oslo", "rank": null}"#.into()),
            ..CompletionResponse::default()
        };
        let commentary = || CompletionResponse { commentary: Some("Let me see.".into()), ..city() };
        let refusal = || CompletionResponse { refusal: Some("No.".into()), ..commentary() };
        let calls =
            || CompletionResponse { tool_calls: call(), finish_reason: FinishReason::ToolUse, ..refusal() };
        let oslo = || Ok(City { name: "Oslo".into(), rank: 0 });
        let cut_by_limit = "the response was cut by the limit on tokens; raise max_tokens or ask for less";
        let called = "the model called look before it answered; run the tools and ask again";
        for (response, expected) in [
            (city(), oslo()),
            // The commentary is not part of the answer.
            (commentary(), oslo()),
            (refusal(), Err("the model declined to answer: No.")),
            (calls(), Err("the model declined to answer: No.")),
            (CompletionResponse { refusal: None, ..calls() }, Err(called)),
            (CompletionResponse { content: Some("I look.".into()), refusal: None, ..calls() }, Err(called)),
            (CompletionResponse { finish_reason: FinishReason::Length, ..calls() }, Err(cut_by_limit)),
            (
                CompletionResponse { finish_reason: FinishReason::ContentFilter, ..city() },
                Err("the response was cut by the provider's content filter"),
            ),
            (
                CompletionResponse {
                    incomplete_tool_calls: call(),
                    finish_reason: FinishReason::Other,
                    ..city()
                },
                Err("the response was cut before its end; ask again"),
            ),
            (
                CompletionResponse { content: None, ..city() },
                Err(
                    "the response does not fit the type: EOF while parsing a value at line 1 column 0, near \"\"",
                ),
            ),
        ] {
            assert_eq!(read(response.clone()), expected.map_err(str::to_owned), "{response:?}");
        }
    }

    #[test]
    fn a_broken_stream_keeps_what_had_arrived() {
        let chunks = [
            Ok(CompletionChunk { delta: "{\"na".into(), ..CompletionChunk::default() }),
            Err(BackendError::Network("reset".into())),
        ];
        let stream = StructuredStream::<City>::new(stream::iter(chunks).boxed());
        let error = block_on(stream.finish()).unwrap_err();
        assert_eq!(error.to_string(), "network failure: reset");
        assert_eq!(error.response().and_then(|response| response.content.as_deref()), Some("{\"na"));
    }
}
