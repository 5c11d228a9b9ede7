//! Every recorded request becomes a core request, and that the same body again.

use std::collections::BTreeMap;

use serde_json::Value;
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig};

use super::normal::{difference, normal_chat, normal_responses};
use super::requests;
use crate::exchanges::{self, Exchange};

const KEY: &str = "sk-test";

/// Why a difference is right: the host, the beginning of the path (without indices) and of what is there, and the reason.
const REASONS: &[(&str, &str, &str, &str)] = &[
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

/// The origin of provider state, which does not change from release to release, since conversations are stored.
fn state_origin(exchange: &Exchange, base_url: &str, model: &str) -> String {
    let api = if exchange.is_responses() { "codex/responses" } else { "codex/chat" };
    let server: String = base_url.split_inclusive('/').take(3).collect();
    let account = [base_url, "", "", KEY].into_iter().flat_map(|part| part.bytes().chain([0]));
    let hash = account.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{api} {} {:08x} {model}", server.trim_end_matches('/'), hash >> 32)
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
    let origin = state_origin(exchange, &url, body["model"].as_str().unwrap_or_default());
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
