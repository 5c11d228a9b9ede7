//! `POST /responses/input_tokens`: the number of input tokens of a request, counted by the server.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use tachikoma_backends_core::CompletionRequest;

use super::request;
use crate::CodexError;
use crate::api::{ClientResult, Protocol, ResponseContext, body, encode};
use crate::openai::{Client, types};
use crate::runtime::{json, transport::Bytes};
use crate::target::Target;

/// The fields of `extra` that the endpoint takes; those that do not change the input are left out.
const FURTHER_FIELDS: &[&str] =
    &["conversation", "instructions", "personality", "previous_response_id", "truncation"];

/// The endpoint.
pub(crate) struct InputTokens;

impl InputTokens {
    /// The body of a request.
    ///
    /// # Errors
    /// The request cannot be expressed in the Responses API.
    pub(crate) fn encode(request: CompletionRequest, target: &Target) -> Result<Bytes, CodexError> {
        let capacity = encode::capacity(&request.messages);
        let types::CreateResponse {
            input,
            model,
            parallel_tool_calls,
            reasoning,
            text,
            tool_choice,
            tools,
            truncation,
            mut extra,
            ..
        } = request::convert(request, target)?;
        extra.retain(|field, _| FURTHER_FIELDS.contains(&field.as_str()));
        if let Some(truncation) = truncation {
            extra.insert("truncation".to_owned(), Value::from(truncation.to_string()));
        }
        let body = types::TokenCountsBody {
            input,
            model,
            parallel_tool_calls,
            reasoning,
            text,
            tool_choice,
            tools,
            extra,
        };
        encode::json(&body, capacity)
    }
}

impl Protocol for InputTokens {
    /// In tokens.
    type Response = u32;

    fn path(&self) -> &'static str {
        "responses/input_tokens"
    }

    fn is_in_deployment(&self) -> bool {
        false
    }

    fn call(&self, client: Client, body: Bytes) -> BoxFuture<'static, ClientResult> {
        async move { client.getinputtokencounts(body).await }.boxed()
    }

    fn decode(&self, body: &[u8], _: ResponseContext) -> Result<u32, CodexError> {
        let types::TokenCountsResource { input_tokens } = body::read_body(body)?;
        let tokens = input_tokens.as_ref().and_then(json::count);
        tokens.ok_or_else(|| body::absent(&serde_json::from_slice(body).unwrap_or_default(), "input_tokens"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_count_in_any_form() {
        let check = |body: Value, expected: Result<u32, &str>| {
            let read = InputTokens.decode(body.to_string().as_bytes(), ResponseContext::default());
            match expected {
                Ok(expected) => assert_eq!(read.unwrap(), expected),
                Err(expected) => assert_eq!(read.unwrap_err().message(), expected),
            }
        };
        check(json!({"object": "response.input_tokens", "input_tokens": 11}), Ok(11));
        check(json!({"input_tokens": "11", "new": 1}), Ok(11));
        check(json!({"error": {"message": "Slow down."}}), Err("Slow down."));
        let body = json!({"input_tokens": -1}).to_string();
        assert!(InputTokens.decode(body.as_bytes(), ResponseContext::default()).is_err());
    }
}
