//! Lists of each form, in `tests/models`, against a small table; and the real table against the facts that it was made from.

use std::fs;

use serde_json::json;

use super::compare::{Class, Report, compare};
use super::known::Known;
use super::listing::{Form, Listing, TableRow};
use super::*;
use crate::files;

/// The day after the one on which the row `gone` was shut down.
const ON: Date = Date::constant(2030, 1, 2);

fn table() -> Vec<TableRow> {
    let row = |id: &str, names: &[&str], facts: Value| TableRow {
        id: id.to_owned(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        facts: serde_json::from_value(facts).unwrap(),
    };
    vec![
        row(
            "alpha",
            &["alpha", "alpha-2030-01-02"],
            json!({
                "context_window": 400_000, "max_input_tokens": 272_000, "max_output_tokens": 128_000, "tools": true,
                "image_input": true, "audio_input": false, "file_input": false, "reasoning": true, "chat": true, "responses": true,
                "efforts": ["low", "high"], "encoding": "o200k_base", "sampling": "rejected", "price.input": 1.25,
                "price.cached_input": 0.125, "price.output": 10.0, "price.flex.input": 0.625, "price.flex.output": 5.0,
            }),
        ),
        row(
            "beta",
            &["beta", "beta-alias"],
            json!({
                "context_window": 8192, "max_output_tokens": 4096, "max_input_tokens": 8192, "tools": true, "image_input": false,
                "reasoning": false, "chat": true, "responses": false, "encoding": "cl100k_base", "sampling": "allowed",
                "price.input": 0.3, "price.output": 0.6,
            }),
        ),
        row("open", &["open"], json!({ "sampling": "allowed" })),
        row(
            "gone",
            &["gone"],
            json!({
                "context_window": 10, "max_input_tokens": 10, "max_output_tokens": 10, "price.input": 1.0, "price.output": 2.0,
                "shutdown": "2030-01-01",
            }),
        ),
    ]
}

fn listing(file: &str) -> Listing {
    let text = fs::read_to_string(files::root().join("tests/models").join(file)).unwrap();
    Listing::read(&serde_json::from_str(&text).unwrap()).unwrap()
}

/// The findings as short texts.
fn findings(report: &Report) -> Vec<String> {
    let text = |finding: &compare::Finding| {
        let fact = finding.fact.as_deref().unwrap_or("-");
        format!("{:?} {} {fact} {} {}", finding.class, finding.model, finding.here, finding.there)
    };
    report.findings.iter().map(text).collect()
}

#[track_caller]
fn check(file: &str, form: Form, agreeing: &[&str], planted: &[&str]) {
    for (suffix, expected) in [("", agreeing), ("-planted", planted)] {
        let listing = listing(&format!("{file}{suffix}.json"));
        assert_eq!(listing.form, form);
        let report = compare(&table(), &listing, &Known::default(), ON);
        assert_eq!(findings(&report), expected, "{file}{suffix}");
        assert_eq!(report.exit_code(), u8::from(!expected.is_empty()));
    }
}

#[test]
fn planted_differences_are_reported_and_no_others() {
    let open_is_missing = "MissingThere open - null null";
    check(
        "models-dev",
        Form::ModelsDev,
        &[open_is_missing],
        &[
            "MissingHere delta - null null",
            "Limits alpha max_output_tokens 128000 64000",
            "Limits open context_window null 1000",
            "Limits open max_output_tokens null 100",
            "Prices alpha price.cached_input 0.125 0.25",
            "Prices open price.input null 1.0",
            "Prices open price.output null 2.0",
            "Capabilities beta tools true false",
            "Dates beta deprecated null true",
        ],
    );
    check(
        "litellm",
        Form::LiteLlm,
        &[open_is_missing],
        &[
            "MissingHere delta - null null",
            "MissingThere beta - null null",
            open_is_missing,
            "Limits alpha max_input_tokens 272000 300000",
            "Prices alpha price.flex.input 0.625 1.0",
            "Capabilities alpha chat true false",
            "Capabilities alpha image_input true false",
            "Dates gone shutdown \"2030-01-01\" \"2030-01-03\"",
        ],
    );
    check(
        "facts",
        Form::Facts,
        &[],
        &[
            "MissingHere delta - null null",
            "Limits alpha context_window 400000 500000",
            "Limits open max_output_tokens null 77",
            "Prices beta price.output 0.6 0.7",
            "Capabilities alpha efforts [\"low\",\"high\"] [\"low\"]",
            "Capabilities alpha encoding \"o200k_base\" \"cl100k_base\"",
            "Capabilities beta sampling \"allowed\" \"only_without_reasoning\"",
            "Dates beta shutdown null \"2031-05-06\"",
        ],
    );
    check(
        "server",
        Form::Server,
        &[],
        &[
            "MissingHere delta - null null",
            open_is_missing,
            "Limits beta context_window 8192 4096",
            "Dates alpha shutdown null \"2031-01-01\"",
        ],
    );
}

#[test]
fn the_report_lists_each_class() {
    let report = compare(&table(), &listing("facts-planted.json"), &Known::default(), ON);
    insta::assert_snapshot!(report.text());
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["form"], "facts");
    assert_eq!(
        json["findings"][1],
        json!({"class": "limits", "model": "alpha", "fact": "context_window", "here": 400_000, "there": 500_000})
    );
    assert_eq!(json["findings"].as_array().unwrap().len(), report.findings.len());
    assert!(Class::ALL.is_sorted());
}

#[test]
fn a_known_difference_is_one_until_the_list_changes() {
    let known = |text: &str| serde_json::from_str::<Known>(text).unwrap();
    let count = |known: &Known| {
        let report = compare(&table(), &listing("facts-planted.json"), known, ON);
        (report.findings.len(), report.known)
    };
    assert_eq!(count(&known("[]")), (8, 0));
    let entry = |extra: &str| {
        known(&format!(
            r#"[{{"models": ["alpha"], "fact": "context_window", {extra} "reason": "measured"}}]"#
        ))
    };
    assert_eq!(count(&entry("")), (7, 1));
    assert_eq!(count(&entry(r#""there": 500000,"#)), (7, 1));
    assert_eq!(count(&entry(r#""there": 600000,"#)), (8, 0));
    assert_eq!(count(&entry(r#""form": "facts","#)), (7, 1));
    assert_eq!(count(&entry(r#""form": "LiteLLM","#)), (8, 0));
    assert_eq!(count(&known(r#"[{"models": ["delta"], "reason": "not for text"}]"#)), (7, 1));
    for text in [r#"[{"models": ["a"]}]"#, r#"[{"models": ["a"], "reason": "r", "reasn": 1}]"#] {
        assert!(serde_json::from_str::<Known>(text).is_err(), "{text}");
    }
    Known::read().unwrap();
}

#[test]
fn other_documents_are_refused() {
    for json in [
        json!({}),
        json!([]),
        json!(7),
        json!({"openapi": "3.1.0"}),
        json!({"models": []}),
        json!({"data": [{"id": "whisper-1"}]}),
        json!({"anthropic": {"models": {"a": {}}}}),
    ] {
        assert!(Listing::read(&json).is_err(), "{json}");
    }
}

#[cfg(in_repository)]
#[test]
fn the_exit_code_states_differences_and_errors() {
    let folder = tempfile::tempdir().unwrap();
    let check = |text: &str, expected: Result<u8, &str>| {
        let path = folder.path().join("list.json");
        fs::write(&path, text).unwrap();
        let options = Options { from: path.display().to_string(), json: true, on: Some(Date::MAX) };
        match (run(&options), expected) {
            (Ok(code), Ok(expected)) => assert_eq!(code, expected, "{text}"),
            (Err(error), Err(words)) => assert!(format!("{error:#}").contains(words), "{error:#}"),
            (other, expected) => panic!("{text}: {other:?}, not {expected:?}"),
        }
    };
    check(r#"{"data": [{"id": "no-such-model"}]}"#, Ok(1));
    check(r#"{"openapi": "3.1.0"}"#, Err("it is neither models.dev's"));
    check("<html>", Err("it is a web page"));
    check("{", Err("is not JSON"));
    let names: Vec<_> = model_table::table().unwrap().iter().map(|row| json!({"id": row.id})).collect();
    check(&json!({"data": names}).to_string(), Ok(0));
    let missing = Options { from: folder.path().join("none").display().to_string(), json: false, on: None };
    assert!(run(&missing).unwrap_err().to_string().contains("cannot read"));
}

#[test]
fn values_of_another_type_are_unknown() {
    let json = json!({"openai": {"models": {"alpha": {
        "limit": {"context": "many", "input": -1, "output": null}, "cost": {"input": "1"}, "tool_call": "yes", "modalities": 1,
    }}}});
    let listing = Listing::read(&json).unwrap();
    assert!(listing.models["alpha"].is_empty(), "{listing:?}");
}

#[cfg(in_repository)]
#[test]
fn the_table_agrees_with_the_facts_that_it_was_made_from() {
    let Ok(text) = fs::read_to_string(files::root().join("../shared/facts/models.json")) else { return };
    let mut facts: Value = serde_json::from_str(&text).unwrap();
    let report = |facts: &Value| {
        let listing = Listing::read(facts).unwrap();
        let known = Known::read().unwrap();
        compare(&model_table::table().unwrap(), &listing, &known, Date::constant(2026, 11, 22))
    };
    assert_eq!(findings(&report(&facts)), <[&str; 0]>::default());
    let model =
        facts["models"].as_array_mut().unwrap().iter_mut().find(|model| model["id"] == "gpt-5.6-terra");
    let model = model.unwrap();
    model["context_window"] = json!(1);
    model["tools"] = json!(false);
    model["usd_per_1m_input_cached_output"] = json!([3.0, 0.2, 12.0]);
    model["shutdown_date"] = json!("2030-01-01");
    assert_eq!(
        findings(&report(&facts)),
        [
            "Limits gpt-5.6-terra context_window 1050000 1",
            "Prices gpt-5.6-terra price.input 2.0 3.0",
            "Capabilities gpt-5.6-terra tools true false",
            "Dates gpt-5.6-terra shutdown null \"2030-01-01\"",
        ]
    );
}
