//! Scripted replies: responses that a test chooses, whatever its request is.

use std::fmt::Display;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::answer::{Answer, Call, TokenUsage};
use crate::errors::{ApiError, ErrorBody};
use crate::fault::{Fault, Kind};
use crate::output::OutputItem;
use crate::script::Match;
use crate::server::Shared;

/// A scripted reply to a request for a chat completion or a response. See [`MockConfig::with_reply`](crate::MockConfig::with_reply),
/// [`MockServer::push_reply`](crate::MockServer::push_reply) and [`Script`](crate::Script).
///
/// It is sent unchanged: limits, `stop` and a format have no effect on it. A request that asks
/// for a stream gets it as a stream. It is used once, by the first request that it fits, unless [`times`](Self::times),
/// [`always`](Self::always) or [`when`](Self::when) say otherwise.
#[derive(Debug, Clone)]
pub struct Reply {
    pub(crate) content: Content,
    pub(crate) delivery: Delivery,
    pub(crate) condition: Match,
    /// How often it may still be used; without a number, always.
    pub(crate) left: Option<u64>,
}

/// How a scripted reply is sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Delivery {
    pub(crate) headers: Headers,
    /// The time before the first chunk of a stream, or before a whole response.
    pub(crate) delay: Duration,
    /// The time before each other chunk, in place of the server's.
    pub(crate) chunk_delay: Option<Duration>,
    pub(crate) fault: Option<Kind>,
}

/// The fault of the reply that a response was made from.
#[derive(Debug, Clone)]
pub(crate) struct ScriptedFault(pub(crate) Kind);

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
        Self::new(Content::Http { status, body: body.into() })
    }

    /// An error in OpenAI's shape, with the `type` that goes with the status.
    ///
    /// ```
    /// # use tachikoma_openai_mock::Reply;
    /// Reply::error(429, "rate_limit_exceeded", "Slow down.").with_header("retry-after", "2");
    /// ```
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::any_error(status, Some(code), message)
    }

    /// An error in OpenAI's shape, with or without a code.
    pub(crate) fn any_error(status: u16, code: Option<&str>, message: &str) -> Self {
        let body = ErrorBody::new(status, message);
        let body = code.into_iter().fold(body, ErrorBody::code);
        Self::http(status, body.to_json()).with_header("content-type", "application/json")
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
        self.delivery.headers.push((name.into(), value.into()));
        self
    }

    /// Reports these numbers of tokens, in place of those by the [counting rule](crate::reference#tokens). An HTTP response or an error does
    /// not change.
    pub fn with_usage(self, usage: TokenUsage) -> Self {
        self.edit(|answer| answer.usage = Some(usage))
    }

    /// Waits this long before the first chunk of a stream, or before a whole response.
    pub fn with_delay(mut self, delay: Duration) -> Self {
        self.delivery.delay = delay;
        self
    }

    /// Waits this long before each chunk of a stream but the first, in place of
    /// [`MockConfig::with_chunk_delay`](crate::MockConfig::with_chunk_delay).
    pub fn with_chunk_delay(mut self, delay: Duration) -> Self {
        self.delivery.chunk_delay = Some(delay);
        self
    }

    /// Injects a fault into the response: `truncate`, `stall`, `garbage`, `error`, `split`, `slow`, `content-type` or `duplicate`,
    /// and over a WebSocket `connection-limit`. The others, which take the place of a response, have no effect here, nor have
    /// `times` and `probability`.
    ///
    /// ```
    /// # use tachikoma_openai_mock::Reply;
    /// Reply::text("A long text.").with_fault("truncate=2,reset".parse()?);
    /// # Ok::<_, tachikoma_openai_mock::InvalidFault>(())
    /// ```
    pub fn with_fault(mut self, fault: Fault) -> Self {
        self.delivery.fault = Some(fault.kind);
        self
    }

    /// Keeps the reply for requests that match; others get the next one.
    ///
    /// ```
    /// # use tachikoma_openai_mock::{Match, Reply};
    /// Reply::text("Sunny.").when(Match::tool_result(true).and_model("gpt-4o"));
    /// ```
    pub fn when(mut self, condition: Match) -> Self {
        self.condition = condition;
        self
    }

    /// Uses the reply for this number of requests instead of one; 0 is as 1.
    pub fn times(mut self, times: u64) -> Self {
        self.left = Some(times.max(1));
        self
    }

    /// Uses the reply for every request that it fits. Replies behind it are only for requests that it does not fit.
    pub fn always(mut self) -> Self {
        self.left = None;
        self
    }

    fn answer(answer: Answer) -> Self {
        Self::new(Content::Answer(Box::new(answer)))
    }

    fn new(content: Content) -> Self {
        Self { content, delivery: Delivery::default(), condition: Match::default(), left: Some(1) }
    }

    fn edit(mut self, change: impl FnOnce(&mut Answer)) -> Self {
        if let Content::Answer(answer) = &mut self.content {
            change(answer);
        }
        self
    }
}

impl Delivery {
    /// Adds the headers to a response, and marks it with the fault, which is injected on its way out.
    pub(crate) fn finish(self, response: Response) -> Result<Response, ApiError> {
        let mut response = with_headers(response, self.headers)?;
        if let Some(fault) = self.fault {
            response.extensions_mut().insert(ScriptedFault(fault));
        }
        Ok(response)
    }
}

/// The response of [`Reply::http`], after its delay.
pub(crate) async fn http(
    shared: &Shared,
    status: u16,
    body: String,
    delivery: Delivery,
) -> Result<Response, ApiError> {
    let status = StatusCode::from_u16(status).map_err(|error| unsendable(&error))?;
    shared.pause(delivery.delay).await;
    delivery.finish((status, body).into_response())
}

/// Adds the scripted headers to a response.
fn with_headers(mut response: Response, headers: Vec<(String, String)>) -> Result<Response, ApiError> {
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
