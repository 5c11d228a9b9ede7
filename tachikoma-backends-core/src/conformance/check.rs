//! The single checks.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::panic::AssertUnwindSafe;

use futures::{FutureExt, StreamExt};
use serde_json::Value;

use super::report::ConformanceReport;
use super::stream;
use crate::{Backend, BackendError, CompletionRequest, CompletionResponse, ErrorDetails, Message, ToolCall};

/// The name of a model that no provider has.
const UNKNOWN_MODEL: &str = "no-such-model";

/// The checks of one backend, with what they have found.
pub(super) struct Check<'a> {
    backend: &'a dyn Backend,
    pub(super) report: ConformanceReport,
}

type Outcome = Result<CompletionResponse, BackendError>;

impl<'a> Check<'a> {
    pub(super) fn new(backend: &'a dyn Backend) -> Self {
        Self { backend, report: ConformanceReport::default() }
    }

    /// What the backend states about itself.
    pub(super) fn description(&mut self) {
        self.report.begin("info");
        let backend = self.backend;
        self.call(|report| {
            let default_model = backend.info().default_model.as_str();
            if backend.name().is_empty() {
                report.violation("the backend has no name");
            }
            if !default_model.is_empty() && !backend.supports_model(default_model) {
                report.violation(format_args!("the default model {default_model:?} is not supported"));
            }
            for model in backend.info().available_models.iter().filter(|model| !backend.supports_model(model))
            {
                report.violation(format_args!("the available model {model:?} is not supported"));
            }
            backend.supports_model("");
            backend.supports_model(UNKNOWN_MODEL);
            backend.capabilities();
        });
    }

    /// Token counts grow with the text. A single token more or less is the tokenizer's business.
    pub(super) fn token_counts(&mut self) {
        self.report.begin("count_tokens");
        let backend = self.backend;
        self.call(|report| {
            let sentence = "The quick brown fox jumps over the lazy dog. ";
            let [empty, once, tenfold] =
                [0, 1, 10].map(|times| backend.count_tokens(&sentence.repeat(times)));
            if !(empty < once && once < tenfold) {
                report.violation(format_args!(
                    "no text has {empty} tokens, a sentence {once}, ten sentences {tenfold}: counts have to grow with the text"
                ));
            }
            for text in ["\0\u{1b}\u{202e}", "\u{1f468}\u{200d}\u{1f469}\u{1f3fd} é 漢字", "<|endoftext|>"] {
                backend.count_tokens(text);
            }
        });
    }

    pub(super) async fn health(&mut self) {
        self.report.begin("health_check");
        let backend = self.backend;
        if let Some(Err(error)) = self.guard(async { backend.health_check().await }).await {
            self.well_formed(&error);
        }
    }

    /// Any outcome is right that keeps the contract.
    pub(super) async fn unknown_model(&mut self) {
        let request =
            CompletionRequest::new(vec![Message::user("Hi")]).with_model(UNKNOWN_MODEL).with_max_retries(0);
        for outcome in
            [self.complete("unknown model", &request).await, self.stream("unknown model", &request).await]
        {
            if let Some(Err(error)) = outcome {
                self.well_formed(&error);
            }
        }
    }

    pub(super) async fn text(&mut self, request: &CompletionRequest, expected: &str) {
        let whole = self.complete("text", request).await;
        let whole = self.text_response(whole, expected);
        let streamed = self.stream("text", request).await;
        let streamed = self.text_response(streamed, expected);
        self.same("text", whole, streamed);
    }

    fn text_response(&mut self, outcome: Option<Outcome>, expected: &str) -> Option<CompletionResponse> {
        let response = self.response(outcome?)?;
        if response.content.as_deref() != Some(expected) {
            self.report
                .violation(format_args!("the content is {:?} instead of {expected:?}", response.content));
        }
        if !response.tool_calls.is_empty() {
            self.report.violation("the response has tool calls instead of text alone");
        }
        Some(response)
    }

    pub(super) async fn tool_calls(&mut self, request: &CompletionRequest, expected: &[(String, Value)]) {
        let whole = self.complete("tool calls", request).await;
        let whole = self.tool_call_response(whole, expected);
        let streamed = self.stream("tool calls", request).await;
        let streamed = self.tool_call_response(streamed, expected);
        self.same("tool calls", whole, streamed);
    }

    fn tool_call_response(
        &mut self,
        outcome: Option<Outcome>,
        expected: &[(String, Value)],
    ) -> Option<CompletionResponse> {
        let response = self.response(outcome?)?;
        let calls = &response.tool_calls;
        let parsed: Vec<_> = calls
            .iter()
            .map(|call| (call.name.clone(), serde_json::from_str(&call.arguments).unwrap_or(Value::Null)))
            .collect();
        if parsed != expected {
            self.report.violation(format_args!("the tool calls are {parsed:?} instead of {expected:?}"));
        }
        let ids: BTreeSet<&str> = calls.iter().map(|call| call.id.as_str()).collect();
        if ids.len() != calls.len() || ids.contains("") {
            self.report.violation("the ids of the tool calls are empty or not unique");
        }
        Some(response)
    }

    /// A whole response. Its usage, where there is one, has to add up.
    fn response(&mut self, outcome: Outcome) -> Option<CompletionResponse> {
        let response = match outcome {
            Ok(response) => response,
            Err(error) => {
                self.report.violation(format_args!("there is an error instead of a response: {error}"));
                return None;
            }
        };
        if !response.finish_reason.ends_turn() {
            let reason = response.finish_reason.as_str();
            self.report.violation(format_args!("the finish reason of a whole response is {reason:?}"));
        }
        if !response.incomplete_tool_calls.is_empty() {
            self.report.violation("a whole response has incomplete tool calls");
        }
        if let Some(usage) = response.usage
            && usage.total_tokens < usage.prompt_tokens.saturating_add(usage.completion_tokens)
        {
            self.report.violation("the total of the usage is less than the tokens of prompt and response");
        }
        Some(response)
    }

    /// Ids and usage may differ, since the request was sent twice.
    fn same(&mut self, check: &str, whole: Option<CompletionResponse>, streamed: Option<CompletionResponse>) {
        let (Some(whole), Some(streamed)) = (whole, streamed) else { return };
        self.report.begin(format!("{check}, complete and complete_stream"));
        let calls = |calls: &[ToolCall]| -> Vec<(String, String)> {
            calls.iter().map(|call| (call.name.clone(), call.arguments.clone())).collect()
        };
        self.equal("content", &whole.content, &streamed.content);
        self.equal("commentary", &whole.commentary, &streamed.commentary);
        self.equal("refusal", &whole.refusal, &streamed.refusal);
        self.equal("finish_reason", &whole.finish_reason, &streamed.finish_reason);
        self.equal("tool_calls", &calls(&whole.tool_calls), &calls(&streamed.tool_calls));
    }

    fn equal<T: PartialEq + fmt::Debug>(&mut self, field: &str, whole: &T, streamed: &T) {
        if whole != streamed {
            self.report.violation(format_args!("{field} differs: {whole:?} and {streamed:?}"));
        }
    }

    /// The request is sent without retries, which would hide or repeat the failure.
    pub(super) async fn error(&mut self, request: &CompletionRequest, expected: &BackendError) {
        let request = request.clone().with_max_retries(0);
        let check = format!("{} error", expected.category());
        let whole = self.complete(&check, &request).await;
        self.expected_error(whole, expected);
        let streamed = self.stream(&check, &request).await;
        self.expected_error(streamed, expected);
    }

    fn expected_error(&mut self, outcome: Option<Outcome>, expected: &BackendError) {
        let error = match outcome {
            None => return,
            Some(Ok(_)) => return self.report.violation("there is a response instead of an error"),
            Some(Err(error)) => error,
        };
        self.well_formed(&error);
        if error.category() != expected.category() {
            let (found, category) = (error.category(), expected.category());
            self.report.violation(format_args!("the category is {found} instead of {category}: {error}"));
        }
        let (found, expected) = (error.details(), expected.details());
        if !found.message.contains(&expected.message) {
            let text = format_args!("the message is {:?} instead of {:?}", found.message, expected.message);
            self.report.violation(text);
        }
        self.detail("status", &found.status, &expected.status);
        self.detail("code", &found.code, &expected.code);
        self.detail("param", &found.param, &expected.param);
        self.detail("request_id", &found.request_id, &expected.request_id);
        self.detail("retry_after", &found.retry_after, &expected.retry_after);
        self.detail("retryable", &Some(error.is_retryable()), &expected.retryable);
        if found.attempts > 1 {
            let attempts = found.attempts;
            self.report.violation(format_args!("{attempts} attempts were made though max_retries is 0"));
        }
    }

    fn detail<T: PartialEq + fmt::Debug>(&mut self, name: &str, found: &Option<T>, expected: &Option<T>) {
        if expected.is_some() && found != expected {
            self.report.violation(format_args!("{name} is {found:?} instead of {expected:?}"));
        }
    }

    fn well_formed(&mut self, error: &BackendError) {
        let ErrorDetails { message, .. } = error.details();
        if message.trim().is_empty() {
            self.report.violation(format_args!("the {} error has no message", error.category()));
        }
    }

    /// A stream that is dropped cancels its request, a future that is dropped does no harm, and the backend works on.
    pub(super) async fn cancellation(
        &mut self,
        request: &CompletionRequest,
        was_cancelled: impl AsyncFnOnce() -> bool,
    ) {
        self.report.begin("cancellation");
        let backend = self.backend;
        let opened = self.guard(async { backend.complete_stream(request.clone()).await }).await;
        match opened {
            Some(Ok(mut stream)) => {
                if let Some(None | Some(Err(_))) = self.guard(async { stream.next().await }).await {
                    self.report.violation("the stream that is to be cancelled has no first chunk");
                }
                drop(stream);
                if !was_cancelled().await {
                    self.report.violation("the request was not cancelled when its stream was dropped");
                }
            }
            Some(Err(error)) => {
                self.report.violation(format_args!("there is an error instead of a stream: {error}"));
            }
            None => {}
        }
        drop(backend.complete(request.clone()));
        if let Some(Err(error)) = self.complete("after a cancellation", request).await {
            self.report.violation(format_args!("the same request fails after a cancellation: {error}"));
        }
    }

    async fn complete(&mut self, check: &str, request: &CompletionRequest) -> Option<Outcome> {
        self.report.begin(format!("{check}, complete"));
        let (backend, request) = (self.backend, request.clone());
        self.guard(async move { backend.complete(request).await }).await
    }

    async fn stream(&mut self, check: &str, request: &CompletionRequest) -> Option<Outcome> {
        self.report.begin(format!("{check}, complete_stream"));
        let (backend, request) = (self.backend, request.clone());
        match self.guard(async move { backend.complete_stream(request).await }).await? {
            Ok(stream) => stream::read(stream, &mut self.report).await,
            Err(error) => Some(Err(error)),
        }
    }

    /// A panic is a violation.
    async fn guard<T>(&mut self, call: impl Future<Output = T>) -> Option<T> {
        match AssertUnwindSafe(call).catch_unwind().await {
            Ok(value) => Some(value),
            Err(panic) => {
                self.report.violation(format_args!("the backend panicked: {}", panic_message(&*panic)));
                None
            }
        }
    }

    fn call(&mut self, call: impl FnOnce(&mut ConformanceReport)) {
        let report = &mut self.report;
        if let Err(panic) = std::panic::catch_unwind(AssertUnwindSafe(|| call(report))) {
            self.report.violation(format_args!("the backend panicked: {}", panic_message(&*panic)));
        }
    }
}

/// The message of a panic.
pub(super) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}
