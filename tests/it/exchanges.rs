//! Recorded exchanges with real servers, if present.

use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::Value;

/// A recorded exchange.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) source: String,
    pub(crate) host: String,
    pub(crate) path: String,
    /// The body that was sent; null if it was not JSON.
    pub(crate) request: Value,
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Exchange {
    /// Whether it is of the Responses API.
    pub(crate) fn is_responses(&self) -> bool {
        self.path.contains("/responses")
    }

    /// Whether the body is one JSON document.
    pub(crate) fn is_whole(&self) -> bool {
        self.body.trim_start().starts_with(['{', '['])
    }
}

/// All recorded exchanges; without recordings none, with a note on standard error.
pub(crate) fn read() -> Vec<Exchange> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/recorded/exchanges.jsonl.gz");
    let Ok(packed) = std::fs::read(&path) else {
        eprintln!("skipped: {} does not exist", path.display());
        return Vec::new();
    };
    let mut text = String::new();
    GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
    let exchanges = text.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let field = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        Exchange {
            source: field("src"),
            host: field("host"),
            path: field("path"),
            request: line["request"].clone(),
            status: line["status"].as_u64().unwrap().try_into().unwrap(),
            body: field("body"),
        }
    });
    exchanges.collect()
}
