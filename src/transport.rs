//! Sending through the generated client: headers, timeouts, retries, and the bytes of the answer.

mod body;
mod failure;
mod retry;
pub(crate) mod timeout;

use std::time::SystemTime;

use progenitor_client::{ByteStream, Error, ResponseValue};
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue, USER_AGENT};

pub(crate) use bytes::Bytes;

pub(crate) use self::body::Body;
use self::retry::{Decision, Policy};
use self::timeout::Timeout;
use crate::config::{CodexBackendConfig, Reliability};
use crate::decode::error_body;
use crate::error::CodexError;
use crate::openai;

/// What one attempt carries beside its body; the hooks of the generated client apply it.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) headers: HeaderMap,
}

/// The domains of OpenAI's servers and Azure's.
const OFFICIAL: &[&str] =
    &["openai.com", "openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com"];

/// The way to one server.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    http: reqwest::Client,
    url: Url,
    headers: HeaderMap,
    reliability: Reliability,
    is_official: bool,
}

impl Transport {
    /// # Errors
    /// The configuration holds what no request can carry.
    pub(crate) fn new(config: &CodexBackendConfig) -> Result<Self, CodexError> {
        let mut headers = config.credentials().headers()?;
        let agent = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        headers.extend(config.default_headers().clone());
        let http = match config.http_client() {
            Some(client) => client.clone(),
            None => reqwest::Client::builder()
                .connect_timeout(config.connect_timeout())
                .build()
                .map_err(failure::no_client)?,
        };
        let url = config.endpoint()?;
        let is_official = url.host_str().is_some_and(|host| {
            let is_within = |rest: &str| rest.is_empty() || rest.ends_with('.');
            OFFICIAL.iter().any(|domain| host.strip_suffix(domain).is_some_and(is_within))
        });
        Ok(Self { http, url, headers, reliability: config.reliability(), is_official })
    }

    /// Whether the server is OpenAI's or Azure's, of whose models the table speaks.
    pub(crate) fn is_official(&self) -> bool {
        self.is_official
    }

    /// The URL of an operation's path, for people.
    pub(crate) fn url_of(&self, path: &str) -> String {
        format!("{}/{path}", self.url.as_str().trim_end_matches('/'))
    }

    /// Runs an operation of the generated client, again where that may help, and returns its answer.
    ///
    /// # Errors
    /// The last attempt's, which says how many there were and why each failed.
    pub(crate) async fn send<T, Sending>(
        &self,
        max_retries: Option<u32>,
        operation: impl Fn(openai::Client) -> Sending,
    ) -> Result<ResponseValue<T>, CodexError>
    where
        Sending: Future<Output = Result<ResponseValue<T>, Error<()>>>,
    {
        let mut policy = Policy::new(self.reliability, max_retries);
        loop {
            let error = match self.attempt(&operation).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match policy.decide(error, fastrand::f64()) {
                Decision::Stop(error) => return Err(error),
                Decision::After(wait) => tokio::time::sleep(wait).await,
            }
        }
    }

    async fn attempt<T, Sending>(
        &self,
        operation: &impl Fn(openai::Client) -> Sending,
    ) -> Result<ResponseValue<T>, CodexError>
    where
        Sending: Future<Output = Result<ResponseValue<T>, Error<()>>>,
    {
        let attempt = Attempt { headers: self.headers.clone() };
        let url = self.url.as_str().trim_end_matches('/');
        let client = openai::Client::new_with_client(url, self.http.clone(), attempt);
        let answer = Timeout::Response.limit(self.reliability.response_timeout, operation(client)).await?;
        match answer {
            Ok(answer) => Ok(answer),
            Err(Error::UnexpectedResponse(response)) => {
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                let body = Body::of_error(response, &self.reliability).read_what_comes().await;
                Err(error_body::from_response(status, &headers, &body, SystemTime::now()))
            }
            Err(error) => Err(failure::of(error, &self.url)),
        }
    }

    /// The body of an answer, read under this server's limits.
    pub(crate) fn body(&self, answer: ResponseValue<ByteStream>) -> Body {
        Body::new(answer, &self.reliability)
    }
}
