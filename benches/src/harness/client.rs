//! What is measured: a client of the server. The smallest one reads the bytes and drops them.

use bytes::Bytes;
use futures::{Stream, StreamExt};
use reqwest::header::CONTENT_TYPE;
use serde_json::json;

use super::Failure;

/// The API of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Chat,
    Responses,
}

/// Where a client sends its requests.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Ends in `/v1`.
    pub(crate) url: String,
    pub(crate) api: Api,
}

/// A client of the server.
pub(crate) trait Client {
    /// Its name in the tables.
    const NAME: &'static str;
    /// A request that is ready to be sent. Building it is not measured.
    type Request;
    /// An item of its streams.
    type Chunk;
    type Error: Into<Failure>;

    fn new(target: Target) -> Result<Self, Failure>
    where
        Self: Sized;

    /// A conversation of these user messages.
    fn request(&self, messages: Vec<String>, stream: bool) -> Result<Self::Request, Failure>;

    /// Begins a stream.
    async fn stream(
        &self,
        request: Self::Request,
    ) -> Result<impl Stream<Item = Result<Self::Chunk, Self::Error>> + Unpin + use<Self>, Failure>;

    /// The length of the text and the arguments in a chunk, in bytes; `None` if the client does not parse it.
    fn text_length(chunk: &Self::Chunk) -> Option<usize>;

    /// The text in a chunk of a paced stream.
    fn text(chunk: &Self::Chunk) -> &str;

    /// Asks for a whole response and returns the length of its text.
    async fn whole(&self, request: Self::Request) -> Result<Option<usize>, Failure>;
}

/// Reads the bytes and drops them, through the same HTTP client that the others use.
#[derive(Debug)]
pub(crate) struct DrainOnly {
    http: reqwest::Client,
    target: Target,
}

impl DrainOnly {
    async fn send(&self, body: Bytes) -> Result<reqwest::Response, Failure> {
        let path = if self.target.api == Api::Chat { "chat/completions" } else { "responses" };
        let request = self.http.post(format!("{}/{path}", self.target.url));
        let response = request.header(CONTENT_TYPE, "application/json").body(body).send().await?;
        Ok(response.error_for_status()?)
    }
}

impl Client for DrainOnly {
    const NAME: &'static str = "drain-only";
    type Request = Bytes;
    type Chunk = Bytes;
    type Error = reqwest::Error;

    fn new(target: Target) -> Result<Self, Failure> {
        Ok(Self { http: reqwest::Client::builder().build()?, target })
    }

    fn request(&self, messages: Vec<String>, stream: bool) -> Result<Bytes, Failure> {
        let messages: Vec<_> =
            messages.into_iter().map(|text| json!({"role": "user", "content": text})).collect();
        let body = json!({"model": "gpt-5.6-terra", "messages": messages, "stream": stream});
        Ok(serde_json::to_vec(&body)?.into())
    }

    async fn stream(
        &self,
        request: Bytes,
    ) -> Result<impl Stream<Item = Result<Bytes, reqwest::Error>> + Unpin + use<>, Failure> {
        Ok(Box::pin(self.send(request).await?.bytes_stream()))
    }

    fn text_length(_: &Bytes) -> Option<usize> {
        None
    }

    fn text(chunk: &Bytes) -> &str {
        let text = std::str::from_utf8(chunk).unwrap_or_default();
        let text = text.split_once("\"content\":\"").map_or("", |(_, rest)| rest);
        text.split_once('"').map_or("", |(text, _)| text)
    }

    async fn whole(&self, request: Bytes) -> Result<Option<usize>, Failure> {
        let mut bytes = self.stream(request).await?;
        while bytes.next().await.transpose()?.is_some() {}
        Ok(None)
    }
}
