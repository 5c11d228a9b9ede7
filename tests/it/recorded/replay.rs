//! Every recorded request becomes a core request, and that the same body again.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig};

use super::normal::{difference, normal_chat, normal_responses};
use super::requests;
use crate::exchanges::{self, Exchange};
use crate::server;

const KEY: &str = "sk-test";

/// Why a difference is right: the host, the beginning of the path (without indices) and of what is there, and the reason.
const REASONS: &[(&str, &str, &str, &str)] = &[
    (
        "api.openai.com",
        ".input[].content",
        "\"Tell me a 300-word story",
        "a compaction item, which comes after it, replaces it",
    ),
    (
        "api.openai.com",
        ".reasoning_effort",
        "\"none\" is added",
        "with tools, Chat Completions takes newer models only without reasoning; it is the default of the others",
    ),
    (
        "openai",
        "",
        "refused: invalid_request: max_tokens is 8: the Responses API takes 16",
        "the recording is of vLLM under OpenAI's name; OpenAI refuses it",
    ),
    (
        "bedrock-mantle.us-east-1.api.aws",
        ".response_format",
        "{\"json_schema\"",
        "llama.cpp reads only the field of Chat Completions, which other servers ignore",
    ),
];

/// The least share of requests that must be equal, in percent.
const LEAST_EQUAL: usize = 98;

/// The base URL of an exchange's server, and its host. OpenAI's own server is also recorded by its name alone.
fn base_url(exchange: &Exchange) -> String {
    let host = match exchange.host.as_str() {
        "openai" => "api.openai.com",
        host => host,
    };
    let path = exchange.path.split('?').next().unwrap_or_default();
    let base = path.trim_end_matches("/chat/completions").trim_end_matches("/responses");
    format!("https://{host}{base}")
}

/// Backends by base URL and API, since making one takes longer than a comparison.
type Backends = BTreeMap<(String, bool), CodexBackend>;

/// # Errors
/// The path of the first difference and what is there, or why nothing would be sent.
fn compare(exchange: &Exchange, backends: &mut Backends) -> Result<(), (String, String)> {
    let (api, normal): (_, fn(&Value) -> Value) = match exchange.is_responses() {
        true => (Api::Responses, normal_responses),
        false => (Api::ChatCompletions, normal_chat),
    };
    let (body, url) = (&exchange.request, base_url(exchange));
    let origin = server::state_origin(api, &url, KEY, body["model"].as_str().unwrap_or_default());
    let request = requests::from_body(body, exchange.is_responses(), &origin)
        .map_err(|why| (String::new(), format!("not a core request: {why}")))?;
    let backend = backends.entry((url.clone(), exchange.is_responses())).or_insert_with(|| {
        CodexBackend::new(CodexBackendConfig::new(KEY).with_base_url(url).with_api(api)).unwrap()
    });
    let preview = backend.preview(&request);
    let preview = preview.map_err(|error| (String::new(), format!("refused: {error}")))?;
    match difference(&normal(body), &normal(&preview.body)) {
        None => Ok(()),
        Some(found) => Err(found),
    }
}

/// A path without the indices, which differ from request to request.
fn without_indices(path: &str) -> String {
    let parts = path.split('[').map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit()));
    parts.collect::<Vec<_>>().join("[")
}

/// Whether a difference has a reason: one in the table, or the server refused the request as well.
fn is_justified(exchange: &Exchange, path: &str, what: &str) -> bool {
    let in_table = REASONS.iter().any(|(host, prefix, beginning, _)| {
        *host == exchange.host && path.starts_with(prefix) && what.starts_with(beginning)
    });
    in_table || what.starts_with("refused") && exchange.status >= 300
}

#[test]
fn every_recorded_request_can_be_expressed() {
    let exchanges = exchanges::read();
    let exchanges: Vec<_> = exchanges.iter().filter(|exchange| exchange.request.is_object()).collect();
    let mut counts: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut backends, mut equal, mut report) = (Backends::new(), 0, String::new());
    for exchange in &exchanges {
        let api = if exchange.is_responses() { "Responses" } else { "Chat Completions" };
        let (equal_here, all) = counts.entry((&exchange.host, api)).or_default();
        *all += 1;
        match compare(exchange, &mut backends) {
            Ok(()) => (equal, *equal_here) = (equal + 1, *equal_here + 1),
            Err((path, what)) => {
                let path = without_indices(&path);
                let label = if is_justified(exchange, &path, &what) { "justified" } else { "UNLISTED" };
                let what: String = what.chars().take(140).collect();
                let key = format!("{label}: {} {path}: {what}", exchange.host);
                groups.entry(key).or_default().push(format!("{} {}", exchange.status, exchange.source));
            }
        }
    }
    for ((host, api), (equal, all)) in &counts {
        report.push_str(&format!("{equal:5} of {all:5}  {api:16}  {host}\n"));
    }
    for (key, sources) in &groups {
        report.push_str(&format!("{:5}  {key} (for example {})\n", sources.len(), sources[0]));
    }
    report.push_str(&format!("{equal} of {} requests are equal", exchanges.len()));
    println!("{report}");
    assert!(equal * 100 >= LEAST_EQUAL * exchanges.len(), "too few are equal:\n{report}");
    assert!(!groups.keys().any(|key| key.starts_with("UNLISTED")), "a difference has no reason:\n{report}");
}

/// Kinds of requests that few recordings hold.
#[test]
fn bodies_of_every_kind_can_be_expressed() {
    let (mut backends, mut failures) = (Backends::new(), String::new());
    let mut check = |path: &str, fields: Value| {
        let mut request = json!({"model": "gpt-5.4"});
        request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let exchange = Exchange {
            source: String::new(),
            host: if path.starts_with("/api") { "openrouter" } else { "openai" }.to_owned(),
            path: path.to_owned(),
            request,
            status: 200,
            body: String::new(),
        };
        if let Err((place, what)) = compare(&exchange, &mut backends) {
            failures.push_str(&format!("{place}: {what} in {path} {fields}\n"));
        }
    };
    let tool = json!({"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}});
    let grammar = json!({"type": "grammar", "grammar": {"syntax": "regex", "definition": "a+"}});
    let user = json!({"role": "user", "content": "Hi"});
    let pdf = "data:application/pdf;base64,JVBERi0xLjQK";
    for fields in [
        json!({"messages": [user], "tools": [tool, {"type": "custom", "custom": {"name": "c", "format": grammar}}],
            "reasoning_effort": "none",
            "tool_choice": {"type": "custom", "custom": {"name": "c"}}}),
        json!({"messages": [user], "tools": [tool], "reasoning_effort": "none", "tool_choice": {"type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}}}),
        json!({"messages": [user, {"role": "assistant", "content": null, "tool_calls": [
            {"id": "c1", "type": "custom", "custom": {"name": "c", "input": "aaa"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "1"}],
            "reasoning_effort": "none", "tools": [{"type": "custom", "custom": {"name": "c"}}]}),
        json!({"model": "gpt-5.6-terra", "messages": [{"role": "user", "content": [
            {"type": "file", "file": {"file_id": "file-1"}, "prompt_cache_breakpoint": {"mode": "explicit"}},
            {"type": "file", "file": {"file_data": pdf, "filename": "a.pdf"}}]}],
            "prompt_cache_options": {"mode": "explicit", "ttl": "30m"}, "prompt_cache_key": "k"}),
        json!({"messages": [user], "prediction": {"type": "content", "content": "Hi"},
            "metadata": {"a": "b"}, "safety_identifier": "u", "verbosity": "low", "service_tier": "flex",
            "reasoning_effort": "none", "logprobs": true, "top_logprobs": 2, "temperature": 0}),
        json!({"model": "gpt-4.1", "messages": [user], "logit_bias": {"1": 2}, "seed": 1, "stop": "END"}),
    ] {
        check("/v1/chat/completions", fields);
    }
    for fields in [
        json!({"messages": [user, {"role": "assistant", "content": "", "reasoning_details": [{"type": "reasoning.text",
            "text": "t"}], "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"},
            "extra_content": {"google": {"thought_signature": "s"}}}]},
            {"role": "tool", "tool_call_id": "c1", "name": "f", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}],
            "tools": [tool, {"type": "openrouter:web_search"}], "plugins": [{"id": "web"}], "reasoning_effort": "default"}),
        json!({"messages": [user, {"role": "assistant", "content": [{"type": "thinking", "thinking": "t"}], "prefix": true}]}),
        json!({"messages": [{"role": "user", "content": [{"type": "video_url", "video_url": {"url": "u"}},
            {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
            {"type": "image_url", "image_url": "u"}]}]}),
    ] {
        check("/api/v1/chat/completions", fields);
    }
    let call =
        json!({"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}"});
    let output = json!({"type": "function_call_output", "call_id": "c1", "output": "1"});
    let hosted = json!([{"type": "web_search", "filters": {"allowed_domains": ["example.org"]}},
        {"type": "mcp", "server_label": "s", "server_url": "https://example.org", "require_approval": "never"},
        {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "defer_loading": true},
        {"type": "custom", "name": "c", "format": {"type": "grammar", "syntax": "lark", "definition": "start: \"a\""}}]);
    for fields in [
        json!({"input": "Hi", "tools": hosted, "tool_choice": {"type": "mcp", "server_label": "s"}}),
        json!({"input": "Hi", "tools": hosted, "tool_choice": {"type": "allowed_tools", "mode": "required",
            "tools": [{"type": "web_search"}, {"type": "function", "name": "f"}, {"type": "custom", "name": "c"}]}}),
        json!({"instructions": "Be brief", "input": [user, {"type": "reasoning", "id": "rs_1", "summary": [],
            "encrypted_content": "x"}, call, output]}),
        json!({"input": [user, {"type": "custom_tool_call", "call_id": "c1", "name": "c", "input": "aaa"},
            {"type": "custom_tool_call_output", "call_id": "c1", "output": "1"}]}),
        json!({"input": [user, {"type": "shell_call", "id": "sh_1", "call_id": "s1", "status": "completed",
            "action": {"commands": ["ls"]}}, {"type": "shell_call_output", "call_id": "s1", "output": []}, user]}),
        json!({"input": [user, {"type": "item_reference", "id": "msg_1"}, {"role": "assistant", "content": "a"}, call,
            {"role": "assistant", "content": "b"}, output]}),
        json!({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "file-1", "detail": "original"},
            {"type": "input_file", "file_url": "https://example.org/a.pdf"},
            {"type": "input_file", "file_data": pdf, "filename": "a.pdf"}]}]}),
        json!({"input": "Hi", "reasoning": {"effort": "low", "summary": "auto"}, "truncation": "auto",
            "text": {"verbosity": "low", "format": {"type": "json_object"}}}),
        json!({"input": "Hi", "reasoning": {"effort": "low", "context": "all_turns"}, "conversation": "conv_1",
            "context_management": [{"type": "compaction", "compact_threshold": 1000}], "background": true}),
    ] {
        check("/v1/responses", fields);
    }
    assert!(failures.is_empty(), "{failures}");
}
