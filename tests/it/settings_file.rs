//! The configuration in a file: what is read, written and rejected, and the errors.

use std::time::Duration;

use serde_json::{Value, json};
use tachikoma_backend_codex::{Api, Azure, CodexBackend, CodexBackendConfig, Credentials};

/// Every field but the credentials, none at its default.
const ALL: &str = r#"
base_url = "http://localhost:8080/v1"
organization = "org-1"
project = "proj_1"
model = "gpt-4o"
api = "responses"
max_tokens = 100
input_limit = "refuse"
record_content = true
stream_usage = false
websocket = "auto"
resume = true
server_state = true

[reliability]
max_retries = 4
min_retry_wait = "20ms"
max_retry_wait = "1m 1s"
retry_budget = 0.5
retry_if_maybe_processed = false
connect_timeout = "500ms"
response_timeout = "120s"
first_content_timeout = "10s"
idle_timeout = "11s"
progress_timeout = "12s"
total_timeout = "1h"
token_timeout = "13s"
max_event_bytes = 1000
max_body_bytes = 2000
max_tool_calls = 3

[default_headers]
x-title = "a"

[models.my-model]
base_model = "gpt-5.6-terra"
context_window = 200000
tools = false
efforts = ["low", "high"]
shutdown = "2030-01-02"

[models.my-model.prices.standard]
input = 1.5
cached_input = 0.5
output = 2.5
covers_long_context = true
"#;

fn read(text: &str) -> Result<CodexBackendConfig, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

/// The configuration as JSON, whose keys are sorted.
fn written(config: &CodexBackendConfig) -> Value {
    serde_json::to_value(config).unwrap()
}

#[test]
fn every_setting_survives_a_round_trip() {
    let config = read(ALL).unwrap();
    assert_eq!(config.base_url(), "http://localhost:8080/v1");
    assert_eq!((config.organization(), config.project()), (Some("org-1"), Some("proj_1")));
    assert_eq!((config.api(), config.max_tokens()), (Api::Responses, Some(100)));
    assert_eq!(config.default_headers()["x-title"], "a");
    assert_eq!(config.reliability().max_retry_wait, Duration::from_secs(61));
    assert_eq!(config.reliability().connect_timeout, Duration::from_millis(500));
    assert_eq!(config.reliability().total_timeout, Some(Duration::from_secs(3600)));

    let file: toml::Table = ALL.parse().unwrap();
    let written = written(&config);
    for (name, value) in &file {
        let expected = serde_json::to_string(value).unwrap().replace("120s", "2m");
        assert_eq!(written[name].to_string(), expected, "{name}");
    }
    assert_eq!(written.as_object().unwrap().len(), file.len(), "a field is missing in this test: {written}");

    for text in [serde_json::to_string(&config).unwrap(), written.to_string()] {
        let again: CodexBackendConfig = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_value(&again).unwrap(), written);
    }
    let again = read(&toml::to_string(&config).unwrap()).unwrap();
    assert_eq!(serde_json::to_value(&again).unwrap(), written);
}

/// With each commented setting enabled in turn.
#[test]
fn the_documented_file_is_valid() {
    let text = include_str!("../../examples/settings.toml");
    let config = read(text).unwrap();
    assert_eq!(
        (config.reliability().max_retries, config.reliability().response_timeout),
        (4, Duration::from_secs(120))
    );
    let (base, azure) = text.split_once("# [azure]\n").unwrap();
    for setting in base.lines().filter_map(|line| line.strip_prefix("# ")).filter(|line| line.contains(" = "))
    {
        let text = base.replace(&format!("# {setting}"), setting);
        let is_credential = setting.starts_with("api_key");
        let text = if is_credential { text.replace("no_credentials = true", "") } else { text };
        read(&text).unwrap_or_else(|error| panic!("{error}"));
    }
    let azure = read(&format!("[azure]\n{}", azure.replace("# ", ""))).unwrap();
    assert_eq!(azure.azure().unwrap().deployment(), Some("my-deployment"));
}

#[test]
fn defaults_are_those_of_a_new_configuration() {
    assert_eq!(written(&read("").unwrap()), written(&CodexBackendConfig::new("k")));
}

#[test]
fn a_retry_budget_is_a_share_or_off() {
    for (text, expected) in [("0.5", Some(0.5)), ("1", Some(1.0)), ("0", Some(0.0)), ("\"off\"", None)] {
        let config = read(&format!("[reliability]\nretry_budget = {text}")).unwrap();
        assert_eq!(config.reliability().retry_budget, expected, "{text}");
        let again: CodexBackendConfig = serde_json::from_value(written(&config)).unwrap();
        assert_eq!(again.reliability().retry_budget, expected, "{text}");
        assert_eq!(
            read(&toml::to_string(&config).unwrap()).unwrap().reliability().retry_budget,
            expected,
            "{text}"
        );
    }
    for wrong in ["\"on\"", "true", "[]"] {
        let error = read(&format!("[reliability]\nretry_budget = {wrong}")).unwrap_err();
        assert!(error.contains("a share such as 0.2, or \"off\""), "{error}");
    }
    for wrong in [-0.1, f64::NAN, f64::INFINITY] {
        let error = CodexBackend::new(CodexBackendConfig::new("k").with_retry_budget(wrong)).unwrap_err();
        assert!(
            error.to_string().starts_with("configuration") && error.to_string().contains("with_retry_budget"),
            "{error}"
        );
    }
}

#[test]
fn azure_and_credentials_without_secrets_are_written() {
    let azure = json!({"endpoint": "https://r.example", "api_version": "2024-10-21", "deployment": "d"});
    for (field, value) in [
        ("azure", azure),
        ("azure", json!({"endpoint": "https://r.example"})),
        ("api_key_file", json!("/run/secrets/openai")),
        ("api_key_command", json!(["pass", "show", "openai"])),
        ("no_credentials", json!(true)),
    ] {
        let config: CodexBackendConfig = serde_json::from_value(json!({ field: value })).unwrap();
        assert_eq!(written(&config)[field], value);
        assert_eq!(written(&config).get("base_url").is_none(), field == "azure");
    }
}

#[test]
fn secrets_are_read_but_not_written() {
    let config =
        read("api_key = \"sk-secret\"\n[default_headers]\nAuthorization = \"Bearer sk-secret\"").unwrap();
    CodexBackend::new(config.clone()).unwrap();
    for config in [
        config,
        CodexBackendConfig::new(Credentials::token("sk-secret")),
        CodexBackendConfig::new("k").with_base_url("http://user:sk-secret@localhost"),
        CodexBackendConfig::new("k").with_azure(Azure::new("https://user:sk-secret@localhost")),
        CodexBackendConfig::new("k").with_header("x-gateway-token", "sk-secret"),
    ] {
        let texts = [written(&config).to_string(), toml::to_string(&config).unwrap(), format!("{config:?}")];
        assert!(!texts.concat().contains("secret\""), "{texts:?}");
        assert!(!texts.concat().contains("sk-secret"), "{texts:?}");
    }
}

#[test]
fn a_file_without_credentials_builds_no_backend() {
    let config = read("model = \"gpt-4o\"").unwrap();
    let error = CodexBackend::new(config.clone()).unwrap_err().to_string();
    assert!(error.contains("no credentials are set") && error.contains("api_key_file"), "{error}");
    CodexBackend::new(config.with_credentials("sk-later")).unwrap();
}

#[test]
fn errors_name_the_wrong_setting() {
    #[track_caller]
    fn check(text: &str, words: &[&str]) {
        let error = read(text).unwrap_err();
        for words in words {
            assert!(error.contains(words), "{words:?} is not in {error}");
        }
    }
    check("bas_url = \"http://localhost\"", &["line 1", "unknown field `bas_url`", "`base_url`"]);
    check(
        "[reliability]\nidle_timeout = \"5 parsecs\"",
        &["line 2", "5 parsecs", "a duration with its unit, like \"120s\""],
    );
    check("[reliability]\nidle_timeout = 5", &["line 2", "integer `5`", "a duration with its unit"]);
    check("[reliability]\nmax_retries = -1", &["line 2", "-1"]);
    check("[reliability]\nretries = 1", &["line 2", "unknown field `retries`", "`max_retries`"]);
    check("api = \"chat\"", &["unknown variant `chat`", "chat_completions"]);
    check("api_key = \"k\"\napi_key_file = \"f\"", &["api_key and api_key_file are set together"]);
    check("api_key = \"k\"\nno_credentials = true", &["api_key and no_credentials are set together"]);
    check("base_url = \"u\"\n[azure]\nendpoint = \"e\"", &["base_url and azure are set together"]);
    check("[azure]\nversion = \"v\"", &["unknown field `version`", "`api_version`"]);
    check("[azure]\napi_version = \"v\"", &["missing field `endpoint`"]);
    check("[models.a]\ncontext_windw = 9", &["line 2", "unknown field `context_windw`", "`context_window`"]);
    check("[models.\"a.b\"]\ntools = 1", &["line 2", "integer `1`", "a boolean"]);
    check("[models.a]\nshutdown = \"soon\"", &["line 2", "\"soon\" is not a valid day"]);
    check("[models.a]\nprices.standard = { input = 1.0 }", &["line 2", "missing field `output`"]);
    check("[default_headers]\n\"x team\" = \"a\"", &["\"x team\" is not a valid header name"]);
}
