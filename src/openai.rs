//! The client and types that `build.rs` generates from `openapi/openai.json`.
//!
//! Private, so that a refresh of the document does not change this crate's API. OpenAI's prose is not vendored, so that the generated
//! items have no documentation of their own: OpenAI's API reference describes each field by the same name.

#![allow(clippy::all, clippy::restriction, reason = "generated code")]
#![allow(dead_code, missing_docs, unreachable_pub, reason = "the adapter uses a part of it")]

mod json_schema;

#[cfg_attr(
    not(feature = "openai-types"),
    expect(unreachable_pub, reason = "the generated types that contain it are public with that feature")
)]
pub use self::json_schema::JsonSchema;
use crate::runtime::transport::Attempt;

include!(concat!(env!("OUT_DIR"), "/openai.rs"));

impl ClientHooks<Attempt> for Client {
    /// Sets the attempt's headers and query on the request, replacing the generated ones.
    async fn pre<E>(&self, request: &mut reqwest::Request, _: &OperationInfo) -> Result<(), Error<E>> {
        // The document's `info.version`, which servers do not need and Azure would misinterpret.
        request.headers_mut().remove("api-version");
        self.inner().apply(request);
        Ok(())
    }

    /// Sends the request by the attempt, which may record it.
    async fn exec(&self, request: reqwest::Request, _: &OperationInfo) -> reqwest::Result<reqwest::Response> {
        self.inner().execute(request).await
    }

    /// Checks the origin of a response before it is read.
    async fn post<E>(
        &self,
        result: &reqwest::Result<reqwest::Response>,
        _: &OperationInfo,
    ) -> Result<(), Error<E>> {
        result.as_ref().map_or(Ok(()), |response| self.inner().check_origin(response)).map_err(Error::Custom)
    }
}

/// The client of one attempt.
pub(crate) fn client(attempt: Attempt) -> Client {
    Client::new_with_client(&attempt.base.clone(), attempt.http.clone(), attempt)
}
