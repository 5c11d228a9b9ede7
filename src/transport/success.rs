//! Responses with a successful status that OpenAI's document does not list, such as 201.

use progenitor_client::{ByteStream, Error, ResponseValue};
use reqwest::StatusCode;

use crate::openai::types;

/// A body that the generated client reads where the status is 200.
pub(crate) trait FromResponse: Sized {
    /// Reads it as the generated client would.
    ///
    /// # Errors
    /// The body does not fit.
    fn from_response(
        response: reqwest::Response,
    ) -> impl Future<Output = Result<ResponseValue<Self>, Error<()>>> + Send;
}

impl FromResponse for ByteStream {
    async fn from_response(response: reqwest::Response) -> Result<ResponseValue<Self>, Error<()>> {
        Ok(ResponseValue::stream(response))
    }
}

impl FromResponse for types::ListModelsResponse {
    async fn from_response(response: reqwest::Response) -> Result<ResponseValue<Self>, Error<()>> {
        ResponseValue::from_response(response).await
    }
}

/// Whether a response of this status has what was asked for in its body. Gateways answer 201, 202 or 206 as well.
fn has_content(status: StatusCode) -> bool {
    status.is_success() && !matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT)
}

/// Takes a response with another successful status than the documented one for what it is.
///
/// # Errors
/// It is not successful, or its body does not fit.
pub(super) async fn accept<T: FromResponse>(
    result: Result<ResponseValue<T>, Error<()>>,
) -> Result<ResponseValue<T>, Error<()>> {
    match result {
        Err(Error::UnexpectedResponse(response)) if has_content(response.status()) => {
            T::from_response(response).await
        }
        result => result,
    }
}
