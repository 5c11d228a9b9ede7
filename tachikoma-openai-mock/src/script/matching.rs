//! [`Match`]: the requests that a reply is for.

use serde::Deserialize;
use serde_json::Value;

use crate::answer::Prompt;

/// The requests that a [`Reply`](crate::Reply) is for: those that meet every condition. Without a condition, all requests do.
///
/// ```
/// # use tachikoma_openai_mock::{Endpoint, Match};
/// Match::user_message("weather").and_endpoint(Endpoint::Responses).and_model("gpt-4o");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// The endpoint.
    endpoint: Option<Endpoint>,
    /// The name of the model.
    model: Option<String>,
    /// What the last user message contains.
    user_message: Option<String>,
    /// Whether the conversation ends with the result of a tool.
    tool_result: Option<bool>,
    /// Fields of the body. An object may have more than those that are given.
    body: Option<Value>,
}

/// The two endpoints that take scripted replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Endpoint {
    /// `POST /v1/chat/completions`.
    Chat,
    /// `POST /v1/responses`, and requests over a WebSocket.
    Responses,
}

/// A request, as far as a reply can depend on it.
pub(crate) struct ScriptRequest<'a> {
    pub(crate) endpoint: Endpoint,
    pub(crate) model: &'a str,
    pub(crate) prompt: &'a Prompt,
    pub(crate) body: &'a [u8],
}

impl Match {
    /// Requests to this endpoint.
    pub fn endpoint(endpoint: Endpoint) -> Self {
        Self::default().and_endpoint(endpoint)
    }

    /// Requests for the model with this name.
    pub fn model(name: impl Into<String>) -> Self {
        Self::default().and_model(name)
    }

    /// Requests whose last user message contains this text, in the same case.
    pub fn user_message(contains: impl Into<String>) -> Self {
        Self::default().and_user_message(contains)
    }

    /// Requests that end with the result of a tool, or with `false` those that do not.
    pub fn tool_result(is_last: bool) -> Self {
        Self::default().and_tool_result(is_last)
    }

    /// Requests with these fields in their body. An object needs the fields that are given and may have others; everything else is
    /// equal.
    pub fn body(fields: Value) -> Self {
        Self::default().and_body(fields)
    }

    /// Also as [`endpoint`](Self::endpoint).
    pub fn and_endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    /// Also as [`model`](Self::model).
    pub fn and_model(mut self, name: impl Into<String>) -> Self {
        self.model = Some(name.into());
        self
    }

    /// Also as [`user_message`](Self::user_message).
    pub fn and_user_message(mut self, contains: impl Into<String>) -> Self {
        self.user_message = Some(contains.into());
        self
    }

    /// Also as [`tool_result`](Self::tool_result).
    pub fn and_tool_result(mut self, is_last: bool) -> Self {
        self.tool_result = Some(is_last);
        self
    }

    /// Also as [`body`](Self::body).
    pub fn and_body(mut self, fields: Value) -> Self {
        self.body = Some(fields);
        self
    }

    /// The first condition that a request does not meet.
    pub(super) fn mismatch(&self, request: &ScriptRequest<'_>) -> Option<String> {
        let ScriptRequest { endpoint, model, prompt, body } = request;
        let has_result = !prompt.results.is_empty();
        if self.endpoint.is_some_and(|wanted| wanted != *endpoint) {
            return Some(format!("the request is for the endpoint {endpoint:?}").to_lowercase());
        }
        if self.model.as_ref().is_some_and(|wanted| wanted != model) {
            return Some(format!("the model is {model:?}"));
        }
        if let Some(text) = self.user_message.as_ref().filter(|text| !prompt.user.contains(*text)) {
            return Some(format!("the last user message does not contain {text:?}"));
        }
        if self.tool_result.is_some_and(|wanted| wanted != has_result) {
            let verb = if has_result { "ends" } else { "does not end" };
            return Some(format!("the conversation {verb} with the result of a tool"));
        }
        let wanted = self.body.as_ref()?;
        let sent = serde_json::from_slice(body).unwrap_or_default();
        differing_field(wanted, &sent, "").map(|field| format!("the field {field:?} of the body is another"))
    }
}

/// The path of the first field that is not in `sent` as it is in `wanted`.
fn differing_field(wanted: &Value, sent: &Value, path: &str) -> Option<String> {
    let (Value::Object(wanted), Value::Object(sent)) = (wanted, sent) else {
        return (wanted != sent).then(|| path.to_owned());
    };
    wanted.iter().find_map(|(name, value)| {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        differing_field(value, sent.get(name).unwrap_or(&Value::Null), &path)
    })
}
