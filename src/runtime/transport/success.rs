//! Responses with a successful status that the API's document does not list, such as 201.

use progenitor_client::{ByteStream, Error as ClientError, ResponseValue};
use reqwest::StatusCode;

/// A body that the generated client reads for status 200.
pub(crate) trait FromResponse: Sized {
    /// Reads it as the generated client would.
    ///
    /// # Errors
    /// The body does not match.
    fn from_response(
        response: reqwest::Response,
    ) -> impl Future<Output = Result<ResponseValue<Self>, ClientError<()>>> + Send;
}

impl FromResponse for ByteStream {
    async fn from_response(response: reqwest::Response) -> Result<ResponseValue<Self>, ClientError<()>> {
        Ok(ResponseValue::stream(response))
    }
}

/// Whether a response of this status has the result in its body. Gateways return 201, 202 or 206 as well.
fn has_content(status: StatusCode) -> bool {
    status.is_success() && !matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT)
}

/// Accepts a response with another successful status than the documented one.
///
/// # Errors
/// It is not successful, or its body does not match.
pub(super) async fn accept<T: FromResponse>(
    result: Result<ResponseValue<T>, ClientError<()>>,
) -> Result<ResponseValue<T>, ClientError<()>> {
    match result {
        Err(ClientError::UnexpectedResponse(response)) if has_content(response.status()) => {
            T::from_response(response).await
        }
        result => result,
    }
}
