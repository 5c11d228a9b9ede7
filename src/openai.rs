//! The generated client and its types: what `build.rs` makes of `openapi/openai.json`.
//!
//! Private, so that a refresh of the document is no change of this crate's interface.

#![allow(clippy::all, clippy::restriction, reason = "generated code")]
#![allow(dead_code, missing_docs, unreachable_pub, reason = "the adapter uses a part of it")]

mod json_schema;

#[cfg_attr(
    not(feature = "openai-types"),
    expect(unreachable_pub, reason = "the generated types, which hold it, are public with that feature")
)]
pub use self::json_schema::JsonSchema;
use crate::runtime::transport::Attempt;

include!(concat!(env!("OUT_DIR"), "/openai.rs"));

impl ClientHooks<Attempt> for Client {
    /// Puts the attempt's own headers and query on the request, in the place of the ones that the generator writes.
    async fn pre<E>(&self, request: &mut reqwest::Request, _: &OperationInfo) -> Result<(), Error<E>> {
        // The document's `info.version`, which no server asks for and Azure would misread.
        request.headers_mut().remove("api-version");
        self.inner().apply(request);
        Ok(())
    }

    /// Looks at where a response came from before it is read.
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
