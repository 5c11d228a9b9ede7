//! Every recorded request becomes a core request, and that the same body again.

use std::collections::BTreeMap;

use serde_json::Value;
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig};

use super::normal::{difference, normal_chat, normal_responses};
use super::requests;
use crate::exchanges::{self, Exchange};

const KEY: &str = "sk-test";

/// Differences that have a reason, as (host, the path with `[]` for every index and what is there, why).
const REASONS: &[(&str, &str, &str)] = &[];

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

/// # Errors
/// The path of the first difference and what is there, or why nothing would be sent.
fn compare(exchange: &Exchange) -> Result<(), (String, String)> {
    let (api, normal): (_, fn(&Value) -> Value) = match exchange.is_responses() {
        true => (Api::Responses, normal_responses),
        false => (Api::ChatCompletions, normal_chat),
    };
    let (body, url) = (&exchange.request, base_url(exchange));
    let origin = state_origin(exchange, &url, body["model"].as_str().unwrap_or_default());
    let request = requests::from_body(body, exchange.is_responses(), &origin)
        .map_err(|why| (String::new(), format!("not a core request: {why}")))?;
    let config = CodexBackendConfig::new(KEY).with_base_url(url).with_api(api);
    let preview = CodexBackend::new(config).and_then(|backend| backend.preview(&request));
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

#[test]
fn every_recorded_request_can_be_expressed() {
    let exchanges = exchanges::read();
    let exchanges: Vec<_> = exchanges.iter().filter(|exchange| exchange.request.is_object()).collect();
    if exchanges.is_empty() {
        return;
    }
    let mut numbers: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
    let mut groups: BTreeMap<(String, String, String), Vec<String>> = BTreeMap::new();
    let mut equal = 0;
    for exchange in &exchanges {
        let compared = compare(exchange);
        let api = if exchange.is_responses() { "responses" } else { "chat" };
        let number = numbers.entry((&exchange.host, api)).or_default();
        number.1 += 1;
        match compared {
            Ok(()) => (equal, number.0) = (equal + 1, number.0 + 1),
            // What the server refuses as well need not be sent.
            Err((path, what)) => {
                let key = (without_indices(&path), what.chars().take(120).collect(), exchange.host.clone());
                groups.entry(key).or_default().push(format!("{} {}", exchange.status, exchange.source));
            }
        }
    }
    for ((host, api), (equal, all)) in &numbers {
        println!("{equal:4} of {all:4}  {api:9}  {host}");
    }
    println!("{equal} of {}", exchanges.len());
    for ((path, what, host), sources) in &groups {
        println!("{path}: {what}  [{host}] {} e.g. {}", sources.len(), sources[0]);
    }
    let _ = REASONS;
    assert!(equal * 100 >= LEAST_EQUAL * exchanges.len());
}
