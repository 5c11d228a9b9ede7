//! What the backend knows of models: by the settings, by the server's list, by the table.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tachikoma_backend_codex::models::{FactSource, ModelFacts, ModelTable, Price};
use tachikoma_backend_codex::{
    Backend, CodexBackend, CodexBackendConfig, CompletionRequest, CompletionResponse, ErrorCategory,
    InputLimit, Usage, WireApi,
};

use crate::server;

fn backend(url: &str) -> CodexBackend {
    CodexBackend::new(config(url)).unwrap()
}

fn config(url: &str) -> CodexBackendConfig {
    CodexBackendConfig::new("sk-test").with_base_url(url).with_max_retries(0)
}

fn list(models: &Value) -> Vec<u8> {
    let body = json!({ "object": "list", "data": models }).to_string();
    server::http(200, "application/json", body.as_bytes())
}

#[tokio::test]
async fn sources_of_facts_in_their_order() {
    let url = server::start(list(&json!([
        {"id": "local", "meta": {"n_ctx_train": 131_072, "n_ctx": 4096}, "new": [1]},
        {"id": "gpt-5.6-terra", "max_model_len": 32_768, "shutdown_date": "2030-01-02"},
        {"id": "set", "max_model_len": 32_768},
        {"id": "gpt-5.6-nova", "object": "model", "created": 1, "owned_by": "openai"},
    ])))
    .await;
    let facts = ModelFacts::new().with_context_window(2048).with_tools(false);
    let backend = CodexBackend::new(config(&url).with_model_facts("set", facts)).unwrap();
    assert_eq!(backend.capabilities_for("local").max_context_tokens, 0);
    let models = backend.list_models().await.unwrap();
    let ids: Vec<_> = models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["local", "gpt-5.6-terra", "set", "gpt-5.6-nova"]);
    for (index, fact, source) in [
        (0, "context_window", Some(FactSource::Server)),
        (0, "max_output_tokens", None),
        (0, "tools", None),
        (1, "context_window", Some(FactSource::Server)),
        (1, "shutdown", Some(FactSource::Server)),
        (1, "max_input_tokens", None),
        (1, "tools", Some(FactSource::Table)),
        (1, "prices", Some(FactSource::Table)),
        (2, "context_window", Some(FactSource::Settings)),
        (2, "tools", Some(FactSource::Settings)),
        (3, "penalties", Some(FactSource::Family)),
        (3, "context_window", None),
        (3, "no_such_fact", None),
    ] {
        assert_eq!(models[index].source(fact), source, "{} {fact}", models[index].id);
        assert_eq!(models[index].sources().find(|(name, _)| *name == fact).map(|(_, source)| source), source);
    }
    let windows: Vec<_> = models.iter().map(|model| model.spec.context_window).collect();
    assert_eq!(windows, [Some(4096), Some(32_768), Some(2048), None]);
    for (model, context, output) in
        [("local", 4096, 0), ("gpt-5.6-terra", 32_768, 0), ("set", 2048, 0), ("gpt-5.6-nova", 0, 128_000)]
    {
        let capabilities = backend.capabilities_for(model);
        assert_eq!(
            (capabilities.max_context_tokens, capabilities.max_output_tokens),
            (context, output),
            "{model}"
        );
    }
    assert!(!backend.capabilities_for("set").tool_calling);
    assert_eq!(backend.model_info("local"), models[0]);
}

#[tokio::test]
async fn a_failed_list_leaves_the_earlier_one() {
    let response = Arc::new(Mutex::new(list(&json!([{"id": "a", "context_window": 100}]))));
    let url = server::start_changing(Arc::clone(&response)).await;
    let backend = backend(&url);
    backend.list_models().await.unwrap();
    *response.lock().unwrap() = server::http(500, "application/json", b"{}");
    assert_eq!(backend.list_models().await.unwrap_err().category(), ErrorCategory::Server);
    assert_eq!(backend.capabilities_for("a").max_context_tokens, 100);
    *response.lock().unwrap() = list(&json!([{"id": "b"}]));
    assert_eq!(backend.list_models().await.unwrap().len(), 1);
    assert_eq!(backend.capabilities_for("a").max_context_tokens, 0);
}

#[tokio::test]
async fn lists_are_limited_like_other_bodies() {
    let models: Vec<_> = (0..100).map(|i| json!({ "id": format!("model-{i}") })).collect();
    let url = server::start(list(&Value::from(models))).await;
    for (max_body_bytes, is_read) in [(100, false), (10_000, true)] {
        let backend = CodexBackend::new(config(&url).with_max_body_bytes(max_body_bytes)).unwrap();
        let listed = backend.list_models().await;
        assert_eq!(listed.is_ok(), is_read, "{max_body_bytes}: {listed:?}");
        let health = backend.health_check().await;
        assert_eq!(health.is_ok(), is_read, "{max_body_bytes}: {health:?}");
    }
}

#[tokio::test]
async fn requests_use_the_facts_of_all_sources() {
    let url = server::start(list(&json!([{"id": "small", "max_model_len": 100}]))).await;
    let long = CompletionRequest::user("word ".repeat(500));
    for (model, table, expected) in [
        ("small", ModelTable::new(), true),
        (
            "small",
            ModelTable::new().with_model("small", ModelFacts::new().with_context_window(100_000)),
            false,
        ),
        ("large", ModelTable::new(), false),
        ("large", ModelTable::new().with_model("large", ModelFacts::new().with_max_input_tokens(100)), true),
        // Of its family, whose limits are not its own.
        ("gpt-5.6-nova", ModelTable::new(), false),
        (
            "gpt-5.6-nova",
            ModelTable::new().with_model("gpt-5.6-nova", ModelFacts::new().with_context_window(100)),
            true,
        ),
    ] {
        let config = config(&url).with_models(table).with_input_limit(InputLimit::Refuse);
        let backend = CodexBackend::new(config).unwrap();
        backend.list_models().await.unwrap();
        let refused = backend.preview(&long.clone().with_model(model)).is_err_and(|error| {
            error.category() == ErrorCategory::ContextLength && error.to_string().contains("100 ")
        });
        assert_eq!(refused, expected, "{model}");
    }
}

#[test]
fn an_unknown_model_follows_its_base_model() {
    let facts = ModelFacts::new().with_base_model("o3").with_responses(false);
    let config = CodexBackendConfig::new("sk-test").with_model_facts("my-deployment", facts);
    let backend = CodexBackend::new(config).unwrap();
    let request =
        CompletionRequest::user("Hi").with_model("my-deployment").with_max_tokens(7u32).with_temperature(0.5);
    let preview = backend.preview(&request).unwrap();
    assert_eq!(preview.api, WireApi::ChatCompletions);
    assert_eq!(preview.body["max_completion_tokens"], 7);
    assert_eq!(preview.body.get("temperature"), None);
    let error = backend.preview(&request.clone().with_max_tokens(100_001u32)).unwrap_err().to_string();
    assert!(error.contains("my-deployment answers with 100000 at most"), "{error}");
    let info = backend.info();
    assert!(info.available_models.iter().any(|id| id == "my-deployment"));
}

#[tokio::test]
async fn costs_follow_the_prices_of_settings_and_server() {
    let pricing = json!({"prompt": "0.000001", "completion": "0.000002"});
    let url =
        server::start(list(&json!([{"id": "a", "pricing": pricing}, {"id": "b", "pricing": pricing}]))).await;
    let facts = ModelFacts::new().with_prices(Price::new(10.0, 20.0).with_cached_input(1.0));
    let config = config(&url).with_model_facts("b", facts.clone()).with_model_facts("gpt-5.6-terra", facts);
    let backend = CodexBackend::new(config).unwrap();
    backend.list_models().await.unwrap();
    let usage = Usage::new(100_000, 10_000).with_cached_tokens(50_000u32);
    for (model, expected) in [
        ("a", Some("0.120000")),
        ("b", Some("0.750000")),
        ("b-2030-01-02", Some("0.750000")),
        ("b-0102", None),
        ("gpt-5.6-terra", Some("0.750000")),
        ("c", None),
    ] {
        let response = CompletionResponse::default().with_model(model).with_usage(usage);
        let cost = backend.cost(&response);
        assert_eq!(cost.as_ref().ok().map(|cost| format!("{:.6}", cost.usd)).as_deref(), expected, "{model}");
        assert!(cost.is_ok_and(|cost| cost.is_complete()) || expected.is_none());
        let report = backend.cache_report([&response]).total();
        assert_eq!(report.cost.is_some(), expected.is_some(), "{model}");
    }
    let error = backend.cost(&CompletionResponse::default().with_model("c").with_usage(usage)).unwrap_err();
    assert!(error.to_string().contains("with_model_facts"), "{error}");
}

#[test]
fn facts_that_cannot_be_true_are_refused() {
    for (facts, words) in [
        (ModelFacts::new().with_base_model("no-such-model"), "base model \"no-such-model\""),
        (ModelFacts::new().with_context_window(0), "context_window of 0"),
        (
            ModelFacts::new().with_context_window(10).with_max_output_tokens(11),
            "more than its context_window",
        ),
        (ModelFacts::new().with_prices(Price::new(-1.0, 1.0)), "a price"),
        (ModelFacts::new().with_prices(Price::new(1.0, f64::NAN)), "a price"),
    ] {
        let config = CodexBackendConfig::new("sk-test").with_model_facts("my-model", facts);
        let error = CodexBackend::new(config).unwrap_err();
        assert_eq!(error.category(), ErrorCategory::Configuration);
        assert!(error.to_string().contains("\"my-model\"") && error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_table_is_read_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("models.json");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        ModelTable::from_file(&path)
    };
    let table = read(
        r#"{"a": {"context_window": 9, "tools": false, "efforts": ["high", "low"], "shutdown": "2030-01-02",
                  "sampling": "rejected", "encoding": "o200k_base", "token_parameter": "max_completion_tokens",
                  "prices": {"standard": {"input": 1, "output": 2}, "flex": {"input": 0.5, "output": 1}},
                  "long_context": {"from": 5, "input_factor": 2, "output_factor": 1.5}}}"#,
    )
    .unwrap();
    let config = CodexBackendConfig::new("sk-test").with_models(table.clone());
    let spec = CodexBackend::new(config).unwrap().model_info("a").spec;
    assert_eq!(spec.shutdown.map(|day| day.to_string()).as_deref(), Some("2030-01-02"));
    assert_eq!(spec.efforts.iter().map(|effort| effort.as_str()).collect::<Vec<_>>(), ["low", "high"]);
    let written = serde_json::to_string(&table).unwrap();
    assert_eq!(ModelTable::parse(&written).unwrap(), table);
    assert_eq!(read(&format!("\u{feff}{written}")).unwrap(), table);
    for (text, words) in [
        ("", vec!["models.json", "EOF"]),
        ("{} {}", vec!["trailing"]),
        (
            r#"{"a": {"context_windw": 9}}"#,
            vec!["models.json", "a.context_windw", "unknown field", "`context_window`"],
        ),
        (r#"{"a": {"tools": "yes"}}"#, vec!["a.tools", "a boolean"]),
        (r#"{"a": {"shutdown": "2030-02-30"}}"#, vec!["a.shutdown", "2030-02-30", "is not a valid day"]),
        (r#"{"a": {"prices": {"input": 1}}}"#, vec!["a.prices", "unknown field `input`"]),
    ] {
        let error = read(text).unwrap_err();
        assert_eq!(error.category(), ErrorCategory::Configuration);
        for words in words {
            assert!(error.to_string().contains(words), "{words:?} is not in {error}");
        }
    }
    assert!(
        ModelTable::from_file(folder.path().join("none.json")).unwrap_err().to_string().contains("none.json")
    );
}
