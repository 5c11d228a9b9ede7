//! Compaction and exact token counts against the mock, and the property that no text of the user is lost.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use serde_json::{Value, json};
use tachikoma_backend_codex::{
    Api, Backend, CodexBackend, CodexBackendConfig, CompletionRequest, ContentPart, ErrorCategory, Message,
    Role, ToolCall, ToolDefinition, ToolRunner,
};
use tachikoma_backends_core::{CompactedConversation, ToolParameters};
use tachikoma_openai_mock::{MockConfig, MockServer, Reply};

use crate::server;

fn config(url: impl Into<String>, api: Api) -> CodexBackendConfig {
    CodexBackendConfig::new("sk-test").with_base_url(url).with_max_retries(0).with_api(api)
}

#[cfg(feature = "websocket")]
fn over_websocket(config: CodexBackendConfig) -> CodexBackendConfig {
    config.with_websocket(tachikoma_backend_codex::WebSocket::Always)
}

#[cfg(not(feature = "websocket"))]
fn over_websocket(config: CodexBackendConfig) -> CodexBackendConfig {
    config
}

fn backend(url: impl Into<String>, api: Api) -> CodexBackend {
    CodexBackend::new(config(url, api)).unwrap()
}

fn conversation() -> Vec<Message> {
    vec![
        Message::system("Be brief."),
        Message::user("First."),
        Message::assistant("A long response. ".repeat(100)),
        Message::user(vec![
            ContentPart::text("Second."),
            ContentPart::image_url("https://example.org/a.png"),
        ]),
    ]
}

fn input(body: &Value) -> &Vec<Value> {
    body["input"].as_array().unwrap()
}

#[tokio::test]
async fn the_next_request_sends_the_output_of_the_endpoint() {
    let mock = MockServer::start().await.unwrap();
    let backend = backend(mock.base_url(), Api::Responses);
    let request = CompletionRequest::new(conversation()).with_model("gpt-5.6-terra");
    let CompactedConversation { messages, usage, model, request_id, .. } =
        backend.try_compact(request.clone()).await.unwrap();
    assert!(usage.is_some_and(|usage| usage.prompt_tokens > 0) && request_id.is_some());
    assert_eq!((model.as_str(), mock.counters().compactions), ("gpt-5.6-terra", 1));
    let own: Vec<_> = conversation().into_iter().filter(|message| message.role != Role::Assistant).collect();
    let mut plain = messages.clone();
    plain.iter_mut().for_each(|message| message.provider_state = None);
    assert_eq!(plain, own);
    let sent = mock.requests().pop().unwrap();
    assert_eq!(
        (sent.path.as_str(), &sent.body.as_ref().unwrap()["instructions"]),
        ("/v1/responses/compact", &json!("Be brief."))
    );

    // The local count is that of what is sent: without the long response.
    let next = request.clone().with_messages(messages).with_message(Message::user("Third."));
    let count = |request: &CompletionRequest| backend.count_request_tokens(request).messages;
    assert!(count(&next) * 4 < count(&request), "{} {}", count(&next), count(&request));
    backend.try_complete(next.clone()).await.unwrap();
    let body = mock.requests().pop().unwrap().body.unwrap();
    let kinds: Vec<_> =
        input(&body).iter().map(|item| item["type"].as_str().or(item["role"].as_str()).unwrap()).collect();
    assert!(matches!(kinds[..], [_, "message", "message", "compaction", "user"]), "{kinds:?}");

    // Another model of the same server gets plain turns.
    let other = backend.preview(&next.with_model("gpt-5.2")).unwrap().body;
    assert_eq!(user_texts(&other), ["First.", "Second.", "Third."]);
    assert!(!other.to_string().contains("compaction"));
}

#[tokio::test]
async fn a_server_without_the_endpoint_is_asked_for_a_summary() {
    let summary = json!({"status": "completed", "usage": {"input_tokens": 9, "output_tokens": 3}, "output": [
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "It was long."}]},
    ]});
    for status in [404, 405] {
        let missing = server::http(status, "application/json", br#"{"error": {"message": "No such path."}}"#);
        let response = server::http(200, "application/json", summary.to_string().as_bytes());
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let responses = Arc::new(Mutex::new(VecDeque::from([missing, response])));
        let url = server::start_recording(responses, Arc::clone(&bodies)).await;
        let backend = backend(url, Api::Responses);
        let compacted = backend.compact(CompletionRequest::new(conversation())).await.unwrap();
        let texts: Vec<_> = compacted.messages.iter().map(Message::text).collect();
        assert_eq!(texts.len(), 4);
        assert!(texts[2].ends_with("It was long."), "{texts:?}");
        assert_eq!((&texts[1], &texts[3]), (&"First.".to_owned(), &"Second.".to_owned()));
        assert_eq!(compacted.usage.map(|usage| usage.total_tokens), Some(12));
        assert_eq!(bodies.lock().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_conversation_that_the_server_keeps() {
    let mock = MockServer::start().await.unwrap();
    let backend = backend(mock.base_url(), Api::Responses);
    let request = CompletionRequest::user("Second.").with_model("gpt-5.6-terra");
    let error = backend.try_compact(request.clone().with_extra("conversation", "conv_1")).await.unwrap_err();
    assert_eq!((error.category(), mock.requests().len()), (ErrorCategory::InvalidRequest, 0));

    // What only the server had of the user is in the result as well.
    let first = CompletionRequest::user("First.").with_model("gpt-5.6-terra").with_store(true);
    let id = backend.try_complete(first).await.unwrap().id.unwrap();
    let compacted = backend.try_compact(request.with_extra("previous_response_id", id)).await.unwrap();
    let texts: Vec<_> = compacted.messages.iter().map(Message::text).collect();
    assert_eq!(texts, ["First.", "Second."]);
    let next = CompletionRequest::new(compacted.messages).with_model("gpt-5.6-terra");
    let body = backend.preview(&next).unwrap().body;
    assert_eq!((input(&body).len(), user_texts(&body)), (3, texts));
}

#[tokio::test]
async fn chat_completions_compacts_by_a_summary() {
    let mock = MockServer::builder().with_reply(Reply::text("It was long.")).start().await.unwrap();
    let chat = backend(mock.base_url(), Api::ChatCompletions);
    let mut request = CompletionRequest::new(conversation());
    request.messages[3] = Message::user("Second.");
    let compacted = chat.compact(request).await.unwrap();
    assert_eq!((compacted.messages.len(), mock.counters().compactions), (4, 0));
    assert_eq!(mock.requests().pop().unwrap().path, "/v1/chat/completions");
}

#[tokio::test]
async fn errors_of_the_endpoint_are_those_of_the_server() {
    for (status, category) in
        [(401, ErrorCategory::Authentication), (429, ErrorCategory::RateLimit), (500, ErrorCategory::Server)]
    {
        let body = br#"{"error": {"message": "Not with sk-test-123456."}}"#;
        let url = server::start(server::http(status, "application/json", body)).await;
        let config = CodexBackendConfig::new("sk-test-123456").with_base_url(url).with_max_retries(0);
        let backend = CodexBackend::new(config.with_api(Api::Responses)).unwrap();
        let request = CompletionRequest::new(conversation());
        for error in [
            backend.try_compact(request.clone()).await.unwrap_err(),
            backend.count_request_tokens_exact(&request).await.unwrap_err(),
        ] {
            assert_eq!((error.category(), error.message()), (category, "Not with ***."));
        }
    }
}

#[tokio::test]
async fn the_exact_count_is_what_the_response_reports() {
    let mock = MockServer::start().await.unwrap();
    let backend = backend(mock.base_url(), Api::Responses);
    let tool = ToolDefinition::new("now", "The time", ToolParameters::new());
    let request = CompletionRequest::new(conversation()).with_model("gpt-5.6-terra").with_tool(tool);
    let request = request.with_max_tokens(100).with_store(true).with_compaction_threshold(100_000);
    let exact = backend.count_request_tokens_exact(&request).await.unwrap();
    let sent = mock.requests().pop().unwrap();
    assert_eq!(sent.path, "/v1/responses/input_tokens");
    let fields: Vec<_> = sent.body.as_ref().unwrap().as_object().unwrap().keys().collect();
    assert_eq!(fields, ["input", "model", "tools"]);
    let response = backend.try_complete(request.clone()).await.unwrap();
    assert_eq!(response.usage.map(|usage| usage.prompt_tokens), Some(exact));

    // The local count of the next request, with what is known of this one.
    let earlier = backend.count_request_tokens(&request);
    let next = request.with_message(response.to_message()).with_message(Message::user("Third."));
    let count = backend.count_request_tokens(&next);
    let corrected = count.corrected_by(&earlier, &response.usage.unwrap());
    assert_eq!(corrected.tokens, exact + count.tokens - earlier.tokens);
    assert!(corrected.error < count.error);
    assert_eq!(earlier.corrected_by(&count, &response.usage.unwrap()), earlier);
    assert_eq!(count.corrected_by(&earlier, &Default::default()), count);
}

#[tokio::test]
async fn a_run_continues_after_the_context_was_full() {
    let calls = (0..4).map(|n| Reply::tool_call("read", json!({"file": n})));
    let replies = calls.chain([Reply::text("Done.")]);
    let builder = replies.fold(MockServer::builder(), MockConfig::with_reply);
    let mock = builder.with_context_tokens(3_000).start().await.unwrap();
    let backend = backend(mock.base_url(), Api::Responses);
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct File {
        file: u32,
    }
    let tool = ToolDefinition::from_type::<File>("read", "Reads a file");
    let runner = ToolRunner::new()
        .with_tool(tool, async |File { file }: File| format!("{file}{}", " word".repeat(1_500)))
        .with_compaction(1_000_000);
    let request = CompletionRequest::user("Read four files.").with_model("gpt-5.6-terra");
    let run = runner.run(&backend, request).await.unwrap();
    assert_eq!(run.steps, 5);
    assert!(mock.counters().compactions >= 1);
    let whole = run.uncompacted.unwrap();
    assert_eq!(whole.iter().filter(|message| message.role == Role::Tool).count(), 4);
    assert!(run.messages.iter().any(|message| message.text() == "Read four files."));
}

/// The texts of the user's messages in a body of either API.
fn user_texts(body: &Value) -> Vec<String> {
    let items = body["input"].as_array().or(body["messages"].as_array()).unwrap();
    let text = |item: &Value| match &item["content"] {
        Value::String(text) => text.clone(),
        parts => parts.as_array().into_iter().flatten().filter_map(|part| part["text"].as_str()).collect(),
    };
    items.iter().filter(|item| item["role"] == "user").map(text).collect()
}

/// What happens in a conversation; the number is that of the backend.
#[derive(Clone, Debug)]
enum Step {
    User {
        words: usize,
    },
    Ask {
        backend: usize,
        threshold: bool,
    },
    Call,
    Compact {
        backend: usize,
    },
    /// Between a call and its result.
    CompactWithin {
        backend: usize,
    },
}

const BACKENDS: usize = 5;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (0..1_500usize).prop_map(|words| Step::User { words }),
        3 => (0..BACKENDS, any::<bool>()).prop_map(|(backend, threshold)| Step::Ask { backend, threshold }),
        1 => Just(Step::Call),
        2 => (0..BACKENDS).prop_map(|backend| Step::Compact { backend }),
        1 => (0..BACKENDS).prop_map(|backend| Step::CompactWithin { backend }),
    ];
    proptest::collection::vec(step, 1..14)
}

/// A conversation that goes on over several backends, and what the user wrote in it.
struct Conversation {
    backends: Vec<(CodexBackend, &'static str)>,
    messages: Vec<Message>,
    written: Vec<String>,
    /// Whether the server compacted while it responded, so that it has earlier messages of the user in its own form only.
    is_replaced: bool,
}

/// Whether a turn of the model holds a compaction item.
fn has_compaction_item(message: &Message) -> bool {
    let items = message.provider_state.as_ref().and_then(|state| state.data.as_array());
    items.into_iter().flatten().any(|item| item["type"] == "compaction")
}

impl Conversation {
    /// The same server with two models, as another account, over the other API, and over a WebSocket.
    fn new(url: &str) -> Self {
        let responses = || config(url, Api::Responses);
        let backends = [
            (responses(), "gpt-5.6-terra"),
            (responses(), "gpt-5.2"),
            (responses().with_organization("org-2"), "gpt-5.6-terra"),
            (config(url, Api::ChatCompletions), "gpt-5.6-terra"),
            (over_websocket(responses()), "gpt-5.6-terra"),
        ];
        let backends = backends.map(|(config, model)| (CodexBackend::new(config).unwrap(), model));
        let mut conversation = Self {
            backends: backends.into(),
            messages: vec![Message::system("Be brief.")],
            written: vec![],
            is_replaced: false,
        };
        conversation.user(1);
        conversation
    }

    fn user(&mut self, words: usize) {
        let text = format!("Message {}:{}", self.written.len(), " word".repeat(words));
        self.messages.push(Message::user(text.as_str()));
        self.written.push(text);
    }

    fn request(&self, backend: usize) -> (&CodexBackend, CompletionRequest) {
        let (backend, model) = &self.backends[backend];
        let tool = ToolDefinition::new("ls", "Lists files", ToolParameters::new());
        (backend, CompletionRequest::new(self.messages.clone()).with_model(*model).with_tool(tool))
    }

    async fn compact(&mut self, backend: usize) {
        let (backend, request) = self.request(backend);
        let compacted = backend.compact(request).await.unwrap();
        self.messages = compacted.messages;
    }

    fn call(&mut self) -> Message {
        let id = format!("call_{}", self.messages.len());
        let call = ToolCall::new(id.as_str(), "ls", "{}");
        self.messages.push(Message::assistant_with_tool_calls("", vec![call]));
        Message::tool_result(id, "a.txt")
    }

    async fn step(&mut self, step: &Step) {
        match *step {
            Step::User { words } => self.user(words),
            Step::Ask { backend, threshold } => {
                let (backend, request) = self.request(backend);
                let threshold = threshold && backend.config().api() == Api::Responses;
                let request = if threshold { request.with_compaction_threshold(1_000) } else { request };
                let response = backend.try_complete(request).await.unwrap();
                self.messages.push(response.to_message());
                self.is_replaced |= self.messages.last().is_some_and(has_compaction_item);
                let results =
                    response.tool_calls.iter().map(|call| Message::tool_result(call.id.as_str(), "a.txt"));
                self.messages.extend(results);
                self.user(1);
            }
            Step::Call => {
                let result = self.call();
                self.messages.push(result);
            }
            Step::Compact { backend } => self.compact(backend).await,
            Step::CompactWithin { backend } => {
                let result = self.call();
                self.compact(backend).await;
                self.messages.push(result);
            }
        }
    }

    /// What the user wrote is in the caller's messages, and in what is sent, unless a compaction of the server replaced it.
    fn check(&self) {
        let own = |messages: &[Message]| -> Vec<String> {
            let users = messages.iter().filter(|message| message.role == Role::User).map(Message::text);
            users.filter(|text| text.starts_with("Message ")).collect()
        };
        assert_eq!(own(&self.messages), self.written);
        let is_compaction = |item: &Value| item["type"] == "compaction";
        for backend in 0..BACKENDS {
            let (backend, request) = self.request(backend);
            let body = backend.preview(&request).unwrap().body;
            let sent = user_texts(&body);
            let written: Vec<_> = sent.iter().filter(|text| text.starts_with("Message ")).collect();
            let items = body["input"].as_array().map(Vec::as_slice).unwrap_or_default();
            if self.is_replaced && items.iter().any(is_compaction) {
                // What follows the newest compaction is sent, and no more than the user wrote.
                let newest = self.messages.iter().rposition(|message| {
                    message
                        .provider_state
                        .as_ref()
                        .is_some_and(|state| state.data.to_string().contains("\"compaction\""))
                });
                let later = own(&self.messages[newest.unwrap() + 1..]);
                assert!(later.iter().all(|text| sent.contains(text)), "{body:#}");
                assert!(written.iter().all(|text| self.written.contains(text)), "{body:#}");
            } else {
                assert_eq!(written, self.written.iter().collect::<Vec<_>>(), "{body:#}");
            }
            let text = body.to_string();
            assert!(text.contains("Be brief."), "{body:#}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    /// The mock rejects a result without its call and a call without its result.
    #[test]
    fn no_text_of_the_user_is_lost(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mock = MockServer::start().await.unwrap();
            let mut conversation = Conversation::new(mock.base_url());
            for step in &steps {
                conversation.step(step).await;
                conversation.check();
            }
        });
    }
}
