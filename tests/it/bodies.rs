//! Collects the request bodies of the scenarios for a validator of OpenAI's document, which is too slow and too large for a
//! test: two files of JSON Lines, one whose bodies must all be valid, one whose bodies must all be invalid.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The scenarios whose bodies are not valid by the document, and why they are sent anyway.
const NEWER_THAN_THE_DOCUMENT: &[(&str, &str)] = &[
    ("chat/request_extra", "a field for other servers (top_k), which the caller has set"),
    ("responses/request_effort_max", "the document does not list the effort yet"),
    ("responses/request_extra", "a field for other servers (top_k), which the caller has set"),
    (
        "responses/request_extra_on_messages_parts_and_tools",
        "fields that a later server may support are sent unchanged",
    ),
    ("responses/request_other_part", "a part that a later server may support is sent unchanged"),
    (
        "responses/request_words_newer_than_the_document",
        "enum values that a later server may support are sent unchanged",
    ),
    (
        "chat/request_words_newer_than_the_document",
        "enum values that a later server may support are sent unchanged",
    ),
];

/// The folders of the scenarios that hold a request to OpenAI's own server, as `<endpoint>/<name>`, in order. Other servers, whose
/// `base_url` is given, have fields that the document does not have.
fn scenarios() -> Vec<String> {
    let root = scenario("");
    let folders = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .collect()
    };
    let mut found: Vec<String> = folders(&root)
        .iter()
        .flat_map(|endpoint| folders(endpoint))
        .filter(|folder| folder.join("input.json").exists() && !folder.join("base_url").exists())
        .map(|folder| folder.strip_prefix(&root).unwrap().to_str().unwrap().to_owned())
        .collect();
    found.sort();
    found
}

fn scenario(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios").join(name)
}

/// The content of a snapshot after its header.
fn snapshot(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (_, json) = text.trim_start_matches("---\n").split_once("\n---\n").unwrap();
    serde_json::from_str(json).unwrap()
}

fn write(name: &str, bodies: &[Value]) {
    let lines: String = bodies.iter().map(|body| format!("{body}\n")).collect();
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), lines).unwrap();
}

#[test]
fn the_bodies_of_both_apis_are_collected() {
    for api in ["chat", "responses"] {
        collect(api);
    }
}

fn collect(api: &str) {
    let (mut valid, mut newer, mut rejected) = (Vec::new(), Vec::new(), 0);
    let is_of_api = |name: &&str| name.split('/').next() == Some(api);
    let scenarios: Vec<_> = scenarios().into_iter().filter(|name| is_of_api(&name.as_str())).collect();
    for name in &scenarios {
        let mut outcome = snapshot(&scenario(name).join("request.snap"));
        match outcome["body"].take() {
            Value::Null => {
                assert!(outcome["error"].is_string(), "{name} has neither a body nor an error");
                rejected += 1;
            }
            body if NEWER_THAN_THE_DOCUMENT.iter().any(|(newer, _)| newer == name) => newer.push(body),
            body => valid.push(body),
        }
    }
    let listed = NEWER_THAN_THE_DOCUMENT.iter().map(|(name, _)| *name).filter(is_of_api).count();
    assert_eq!(newer.len(), listed, "a scenario of NEWER_THAN_THE_DOCUMENT has no body");
    assert_eq!(valid.len() + newer.len() + rejected, scenarios.len());
    assert!(valid.len() > 15, "the scenarios are no longer found: {scenarios:?}");
    write(&format!("{api}-bodies-valid.jsonl"), &valid);
    write(&format!("{api}-bodies-newer-than-the-document.jsonl"), &newer);
}
