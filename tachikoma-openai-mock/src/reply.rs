//! Scripted replies: responses that a test chooses, whatever its request is.

use std::fmt::Display;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::answer::{Answer, Call};
use crate::errors::{ApiError, ErrorBody};
use crate::output::OutputItem;

/// A scripted reply to one request for a chat completion or a response. See [`MockConfig::with_reply`](crate::MockConfig::with_reply)
/// and [`MockServer::push_reply`](crate::MockServer::push_reply).
///
/// It is sent unchanged: limits, `stop` and a format have no effect on it. A request that asks
/// for a stream gets it as a stream.
#[derive(Debug, Clone)]
pub struct Reply {
    pub(crate) content: Content,
    pub(crate) headers: Vec<(String, String)>,
}

/// The scripted headers of a response.
pub(crate) type Headers = Vec<(String, String)>;

#[derive(Debug, Clone)]
pub(crate) enum Content {
    Answer(Box<Answer>),
    Http { status: u16, body: String },
}

impl Reply {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::answer(Answer::text(text))
    }

    /// This JSON value, as text.
    ///
    /// ```
    /// # use tachikoma_openai_mock::Reply;
    /// Reply::json(serde_json::json!({"city": "Oslo", "days": 3}));
    /// ```
    pub fn json(value: impl Into<Value>) -> Self {
        Self::text(value.into().to_string())
    }

    /// The model declines to answer.
    pub fn refusal(text: impl Into<String>) -> Self {
        Self::answer(Answer { refusal: Some(text.into()), ..Answer::default() })
    }

    /// A call of the function `name`. The arguments are a `serde_json::Value`, or a text that is sent
    /// unchanged, valid JSON or not.
    pub fn tool_call(name: impl Into<String>, arguments: impl Display) -> Self {
        Self::answer(Answer::default()).and_tool_call(name, arguments)
    }

    /// Calls of several functions, each a name and arguments as in [`tool_call`](Self::tool_call).
    ///
    /// ```
    /// # use tachikoma_openai_mock::Reply;
    /// # use serde_json::json;
    /// Reply::tool_calls([("read_file", json!({"path": "a.txt"})), ("list_files", json!({}))]);
    /// ```
    pub fn tool_calls<N: Into<String>, A: Display>(calls: impl IntoIterator<Item = (N, A)>) -> Self {
        let none = Self::answer(Answer::default());
        calls.into_iter().fold(none, |reply, (name, arguments)| reply.and_tool_call(name, arguments))
    }

    /// These output items in this order: messages with citations, reasoning, calls of every tool. See [`OutputItem`].
    pub fn items(items: impl IntoIterator<Item = OutputItem>) -> Self {
        items.into_iter().fold(Self::answer(Answer::default()), Self::and_item)
    }

    /// A plain HTTP response: this status and this body.
    ///
    /// ```
    /// # use tachikoma_openai_mock::Reply;
    /// Reply::http(503, "<html>Bad gateway</html>").with_header("content-type", "text/html");
    /// ```
    pub fn http(status: u16, body: impl Into<String>) -> Self {
        Self { content: Content::Http { status, body: body.into() }, headers: Vec::new() }
    }

    /// An error in OpenAI's shape, with the `type` that goes with the status.
    ///
    /// ```
    /// # use tachikoma_openai_mock::Reply;
    /// Reply::error(429, "rate_limit_exceeded", "Slow down.").with_header("retry-after", "2");
    /// ```
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::http(status, ErrorBody::new(status, message).code(code).to_json())
            .with_header("content-type", "application/json")
    }

    /// A response that has begun and then fails with this error: `response.failed` at the end of a stream, the status `failed`. In Chat
    /// Completions it is an empty answer.
    ///
    /// ```
    /// # use tachikoma_openai_mock::Reply;
    /// Reply::failed("server_error", "Something broke.").with_reasoning("Hm.");
    /// ```
    pub fn failed(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::answer(Answer { failure: Some((code.into(), message.into())), ..Answer::default() })
    }

    /// Adds a call. An HTTP response or an error does not change.
    pub fn and_tool_call(self, name: impl Into<String>, arguments: impl Display) -> Self {
        self.edit(|answer| {
            answer.calls.push(Call::function(name, arguments.to_string()));
            answer.finish_reason = "tool_calls".to_owned();
        })
    }

    /// Adds an item, after the text, the calls and the items before it. An HTTP response or an error does not change.
    pub fn and_item(self, item: OutputItem) -> Self {
        self.edit(|answer| {
            if item.is_client_call() {
                answer.finish_reason = "tool_calls".to_owned();
            }
            answer.items.push(item);
        })
    }

    /// Adds reasoning, as `reasoning_content` or an item of its own. An HTTP response or an error does not change.
    pub fn with_reasoning(self, text: impl Into<String>) -> Self {
        self.edit(|answer| answer.reasoning = Some(text.into()))
    }

    /// Ends with this `finish_reason`, whether OpenAI documents it or not. In the Responses API, any but `stop` and
    /// `tool_calls` makes the response incomplete for this reason, with `max_output_tokens` in place of `length`. An HTTP
    /// response or an error does not change.
    pub fn with_finish_reason(self, reason: impl Into<String>) -> Self {
        self.edit(|answer| answer.finish_reason = reason.into())
    }

    /// Adds a header to the response, in place of the one that the server would send.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    fn answer(answer: Answer) -> Self {
        Self { content: Content::Answer(Box::new(answer)), headers: Vec::new() }
    }

    fn edit(mut self, change: impl FnOnce(&mut Answer)) -> Self {
        if let Content::Answer(answer) = &mut self.content {
            change(answer);
        }
        self
    }
}

/// The response of [`Reply::http`].
pub(crate) fn http(status: u16, body: String, headers: Vec<(String, String)>) -> Result<Response, ApiError> {
    let status = StatusCode::from_u16(status).map_err(|error| unsendable(&error))?;
    with_headers((status, body).into_response(), headers)
}

/// Adds the scripted headers to a response.
pub(crate) fn with_headers(
    mut response: Response,
    headers: Vec<(String, String)>,
) -> Result<Response, ApiError> {
    for (name, value) in headers {
        let name: HeaderName = name.parse().map_err(|error| unsendable(&error))?;
        let value = HeaderValue::try_from(value).map_err(|error| unsendable(&error))?;
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

fn unsendable(error: &dyn Display) -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, format!("The scripted reply cannot be sent: {error}."))
}
