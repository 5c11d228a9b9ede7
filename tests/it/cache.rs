//! The cache of prompts: the report on a conversation, and what breaks a prefix between two requests.

use serde_json::json;
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig, CodexError, PrefixBreakCause};
use tachikoma_backends_core::{
    CompletionRequest, CompletionResponse, Message, ToolDefinition, ToolParameters, Usage,
};
use tachikoma_openai_mock::{MockServer, Reply};

fn backend(configure: impl FnOnce(CodexBackendConfig) -> CodexBackendConfig) -> CodexBackend {
    CodexBackend::new(configure(CodexBackendConfig::new("sk-test").with_model("gpt-5.6-terra"))).unwrap()
}

#[test]
fn a_report_has_what_the_cache_saved() {
    let backend = backend(|config| config);
    let usage = |prompt, cached, written| {
        let usage = Usage::new(prompt, 10_000);
        Some(usage.with_cached_tokens(cached).with_cache_write_tokens(written))
    };
    let response = |model: &str, tier: Option<&str>, usage: Option<Usage>| {
        let mut response = CompletionResponse::default().with_model(model).with_usage(usage);
        response.service_tier = tier.map(str::to_owned);
        response
    };
    for (response, expected) in [
        // A write costs 1.25 times the input, a read a tenth of it.
        (response("", None, usage(100_000, 0, 100_000)), Some((0.37, -0.05))),
        (response("", Some("default"), usage(100_000, 100_000, 0)), Some((0.14, 0.18))),
        (response("gpt-5.6-terra", Some("flex"), usage(100_000, 50_000, 0)), Some((0.115, 0.045))),
        (response("", None, usage(100_000, 0, 0)), Some((0.32, 0.0))),
        // Long inputs have another price.
        (response("", None, usage(300_000, 300_000, 0)), Some((0.3, 1.08))),
        // Writes without a fee.
        (response("gpt-4o", None, usage(100_000, 40_000, 60_000)), Some((0.3, 0.05))),
        (response("", Some("scale"), usage(100, 0, 0)), None),
        (response("my-model", None, usage(100, 50, 0)), None),
        (response("chat-latest", None, usage(100, 0, 50)), None),
        (response("", None, None), None),
    ] {
        let report = backend.cache_report([&response]);
        let text = |usd: f64| format!("{usd:.6}").replace("-0.000000", "0.000000");
        let found = report.steps[0].cost.map(|cost| (text(cost.usd), text(cost.saved_usd())));
        assert_eq!(found, expected.map(|(usd, saved)| (text(usd), text(saved))), "{response:?}");
        // The cost is that of `cost`.
        let cost = backend.cost(&response).map(|cost| cost.usd);
        assert_eq!(report.total().cost.map(|cost| cost.usd), cost.ok());
    }
    let responses = [
        response("", None, usage(100_000, 0, 100_000)),
        response("", None, None),
        response("my-model", None, usage(100_000, 100_000, 0)),
    ];
    let total = backend.cache_report(&responses).total();
    assert_eq!((total.hit_ratio(), total.unreported_steps, total.unpriced_steps), (Some(0.5), 1, 2));
}

/// Ends a conversation and continues it, as an application does.
fn and_then(earlier: &CompletionRequest) -> CompletionRequest {
    let mut later = earlier.clone();
    later.messages.extend([Message::assistant("An answer"), Message::user("And then?")]);
    later
}

fn tool(name: &str) -> ToolDefinition {
    ToolDefinition::new(name, "Looks", ToolParameters::new())
}

#[test]
fn a_conversation_that_grows_breaks_no_prefix_and_one_that_changes_does() -> Result<(), CodexError> {
    type Change = fn(&mut CompletionRequest);
    let earlier = CompletionRequest::new(vec![Message::system("It is 10:03."), Message::user("Hi")])
        .with_tools([tool("a"), tool("b")]);
    let cases: &[(Change, Option<(usize, PrefixBreakCause)>)] = &[
        (|_| {}, None),
        (|request| request.max_tokens = Some(100), None),
        (|request| request.tools.reverse(), Some((0, PrefixBreakCause::ToolOrder))),
        (|request| request.messages[0] = Message::system("It is 10:04."), Some((0, PrefixBreakCause::Time))),
        (|request| _ = request.messages.remove(1), Some((1, PrefixBreakCause::Edit))),
        (|request| request.model = Some("gpt-5.1".into()), Some((0, PrefixBreakCause::Model))),
    ];
    for api in [Api::ChatCompletions, Api::Responses] {
        let backend = backend(|config| config.with_api(api).with_base_url("http://localhost:1/v1"));
        for (i, (change, expected)) in cases.iter().enumerate() {
            let mut later = and_then(&earlier);
            change(&mut later);
            let found =
                backend.prefix_break(&earlier, &later)?.map(|found| (found.matching_items, found.cause));
            assert_eq!(found, *expected, "{api:?} {i}");
        }
    }
    let backend = backend(|config| config);
    assert!(backend.prefix_break(&earlier, &CompletionRequest::new(vec![])).is_err());
    Ok(())
}

#[tokio::test]
async fn dropped_reasoning_breaks_a_prefix() {
    let mock = MockServer::start().await.unwrap();
    let backend = backend(|config| config.with_api(Api::Responses).with_base_url(mock.base_url()));
    let body = json!({"id": "r", "status": "completed", "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
        {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "a", "arguments": "{}", "status": "completed"},
    ]});
    mock.push_reply(Reply::http(200, body.to_string()));
    let mut request = CompletionRequest::new(vec![Message::user("Hi")]).with_tools([tool("a")]);
    let response = backend.try_complete(request.clone()).await.unwrap();
    request.messages.extend([response.to_message(), Message::tool_result("c", "Snow")]);
    let mut later = and_then(&request);
    assert_eq!(backend.prefix_break(&request, &later).unwrap(), None);
    later.messages[1].provider_state = None;
    let found = backend.prefix_break(&request, &later).unwrap().unwrap();
    assert_eq!((found.path.as_str(), found.matching_items), ("/input/1", 1));
    assert_eq!(found.cause, PrefixBreakCause::State);
}
