//! What stays with the backend that made it.

use super::*;

/// A backend that makes state of this origin, and replies with its name.
fn stateful(name: &'static str, origin: &'static str) -> ScriptedBackend {
    let state = ProviderState::new(origin, json!(name));
    scripted(name).with_default_reply(CompletionResponse::new(name).with_provider_state(state))
}

fn state_of(backend: &ScriptedBackend, message: usize) -> Option<ProviderState> {
    backend.last_request().unwrap().messages[message].provider_state.clone()
}

#[test]
fn state_goes_back_only_to_the_backend_that_made_it() {
    // Both have the same name, and make state of the same origin.
    let first = Arc::new(stateful("same", "same/v1").with_reply(busy()));
    let second = Arc::new(stateful("same", "same/v1"));
    let fallback = pair(&first, &second).with_cool_down(no_cool_down());
    let mut request = hi();
    let turn =
        |request: &CompletionRequest| block_on(fallback.complete(request.clone())).unwrap().to_message();
    let by_second = turn(&request);
    assert_eq!(by_second.provider_state.as_ref().unwrap().route, ["same#2"]);
    request = request.with_message(by_second).with_message(Message::user("And?"));
    let by_first = turn(&request);
    assert_eq!(state_of(&first, 1), None);
    request = request.with_message(by_first).with_message(Message::user("And?"));
    first.push_reply(busy());
    turn(&request);
    let made = Some(ProviderState::new("same/v1", json!("same")));
    assert_eq!((state_of(&first, 1), state_of(&first, 3)), (None, made.clone()));
    assert_eq!((state_of(&second, 1), state_of(&second, 3)), (made, None));
    // It survives serialization, and a new fallback of the same backends.
    let json = serde_json::to_string(&request).unwrap();
    assert_eq!(serde_json::from_str::<CompletionRequest>(&json).unwrap(), request);
}

#[test]
fn a_backend_has_one_state_in_all_its_entries() {
    let backend: Arc<ScriptedBackend> = Arc::new(stateful("a", "x").with_reply(busy()));
    let fallback = Fallback::new(Arc::clone(&backend))
        .with_fallback(FallbackEntry::new(Arc::clone(&backend) as Arc<dyn Backend>).with_model("small"));
    let turn = block_on(fallback.complete(hi())).unwrap().to_message();
    let request = hi().with_message(turn).with_message(Message::user("And?"));
    block_on(fallback.complete(request)).unwrap();
    assert_eq!(state_of(&backend, 1), Some(ProviderState::new("x", json!("a"))));
}

#[test]
fn state_from_elsewhere_goes_by_its_origin() {
    for (origin, expected) in [
        ("codex/responses https://api.openai.com 1 m", true),
        ("codex", true),
        ("codex2/responses", false),
        ("codex-2", false),
        ("claude", false),
        ("", false),
        ("tachikoma/summary", true),
    ] {
        let backend = failing("codex", []);
        let state = ProviderState::new(origin, json!(1));
        let turn = Message::assistant("Hello").with_provider_state(state.clone());
        let request = hi().with_message(turn).with_message(Message::user("And?"));
        block_on(Fallback::new(Arc::clone(&backend)).complete(request)).unwrap();
        assert_eq!(state_of(&backend, 1), expected.then_some(state), "{origin}");
    }
}

#[test]
fn a_fallback_may_hold_another() {
    let first = Arc::new(stateful("a", "a/v1"));
    let second = Arc::new(stateful("b", "b/v1"));
    let inner = pair(&first, &second).with_name("inner");
    let outer = Fallback::new(Arc::new(inner)).with_fallback(Arc::clone(&second));
    let turn = block_on(outer.complete(hi())).unwrap().to_message();
    assert_eq!(turn.provider_state.as_ref().unwrap().route, ["a", "inner"]);
    let request = hi().with_message(turn).with_message(Message::user("And?"));
    block_on(outer.complete(request.clone())).unwrap();
    assert_eq!(state_of(&first, 1), Some(ProviderState::new("a/v1", json!("a"))));
    first.push_reply(busy());
    block_on(outer.complete(request)).unwrap();
    assert_eq!(state_of(&second, 1), None);
}

#[test]
fn what_one_server_keeps_goes_to_no_other() {
    let part = |part: ContentPart| CompletionRequest::user(vec![part]);
    let bound = [
        hi().with_extra("previous_response_id", "resp_1"),
        hi().with_extra("conversation", "conv_1"),
        part(ContentPart::file_id("file-1")),
        part(ContentPart::image_id("file-1")),
    ];
    for request in bound {
        let (first, second) = (failing("a", [busy()]), failing("b", []));
        let fallback = pair(&first, &second);
        let error = block_on(fallback.complete(request.clone())).unwrap_err();
        assert_eq!(error.category(), ErrorCategory::Overloaded);
        assert!(error.to_string().contains("b: not tried"), "{error}");
        // Its health changes nothing.
        assert_eq!(block_on(fallback.complete(request.clone())).unwrap().content.as_deref(), Some("a"));
        assert_eq!(counts([&first, &second]), [2, 0]);

        // An adjustment may replace what binds it.
        let second_entry = FallbackEntry::new(Arc::clone(&second) as Arc<dyn Backend>);
        let fallback = Fallback::new(failing("a", [busy()])).with_fallback(
            second_entry.with_adjustment(|request| hi().with_user(request.messages[0].text())),
        );
        assert_eq!(block_on(fallback.complete(request)).unwrap().content.as_deref(), Some("b"));
    }
    let free = hi().with_extra("conversation", serde_json::Value::Null).with_extra("top_k", 1);
    let fallback = pair(&failing("a", [busy()]), &failing("b", []));
    assert!(block_on(fallback.complete(free)).is_ok());
}

#[test]
fn the_next_backend_compacts_a_conversation() {
    let first = Arc::new(stateful("a", "a/v1"));
    let second = Arc::new(stateful("b", "b/v1"));
    let fallback = pair(&first, &second);
    let done = block_on(fallback.complete(hi())).unwrap().to_message();
    let call = Message {
        tool_calls: vec![ToolCall::new("call_1", "now", "{}")],
        ..block_on(fallback.complete(hi())).unwrap().to_message()
    };
    let request = hi().with_message(done).with_message(Message::user("Now?")).with_message(call.clone());
    let unchanged = hi().with_message(Message::user("Now?"));
    let compacted = block_on(fallback.compact(unchanged.clone())).unwrap();
    assert_eq!(compacted.messages, unchanged.messages);

    for by in ["b", "a"] {
        if by == "b" {
            first.push_reply(busy());
        }
        let fallback = pair(&first, &second).with_cool_down(no_cool_down());
        let compacted = block_on(fallback.compact(request.clone())).unwrap();
        let texts: Vec<_> = compacted.messages.iter().map(Message::text).collect();
        assert_eq!(texts.len(), 4, "{texts:#?}");
        assert!(texts[1].ends_with(by), "{texts:#?}");
        // The call has no result yet: it is not compacted, and keeps the state of its backend.
        assert_eq!(compacted.messages[3], call, "{by}");
        assert_eq!(compacted.messages[0], Message::user("Hi"));
    }
}

/// A backend that compacts by state of its own.
#[derive(Debug)]
struct Compacting(BackendInfo);

#[async_trait]
impl Backend for Compacting {
    fn info(&self) -> &BackendInfo {
        &self.0
    }
    async fn complete(&self, _: CompletionRequest) -> Result<CompletionResponse, BackendError> {
        Err(busy())
    }
    async fn complete_stream(&self, _: CompletionRequest) -> Result<CompletionStream, BackendError> {
        Err(busy())
    }
    async fn compact(&self, request: CompletionRequest) -> Result<CompactedConversation, BackendError> {
        let state = |_: &Message| ProviderState::new("own", json!("compacted"));
        Ok(CompactionRequest::new(request).with_state(vec![], Message::user("placeholder"), state))
    }
    async fn health_check(&self) -> Result<bool, BackendError> {
        Ok(true)
    }
}

#[test]
fn the_state_of_a_compaction_has_a_route() {
    let fallback = Fallback::new(Arc::new(Compacting(BackendInfo::new("own", "m"))));
    let request = hi().with_message(Message::assistant("Hello"));
    let compacted = block_on(fallback.compact(request)).unwrap();
    let states: Vec<_> =
        compacted.messages.iter().filter_map(|message| message.provider_state.as_ref()).collect();
    assert_eq!(states.len(), 1);
    assert_eq!((states[0].origin.as_str(), &*states[0].route), ("own", &["own".to_owned()][..]));
}
