//! The generated items that the adapter uses, and the models of the document, so that a refresh shows what it does to them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tachikoma_backend_codex::internals::model_names;

/// What `build.rs` made of the document; laid out by `prettyplease`, hence one item from its head to a brace in its column.
const GENERATED: &str = concat!(env!("OUT_DIR"), "/openai.rs");

#[test]
fn what_the_adapter_uses() {
    let generated = fs::read_to_string(GENERATED).unwrap();
    let used = words_of_the_adapter(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let mut items: Vec<String> = Vec::new();
    let mut lines = generated.lines();
    while let Some(line) = lines.next() {
        let Some(name) = name(line).filter(|name| used.contains(*name)) else { continue };
        let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
        // A function's body is no surface.
        let last =
            |next: &str| next == end || next.ends_with(';') || (is_function(line) && next.ends_with('{'));
        let mut item = vec![line];
        while !last(item[item.len() - 1]) {
            item.push(lines.next().unwrap_or_else(|| panic!("{name} has no end")));
        }
        items.push(tidy(&item));
    }
    items.sort();
    assert!(items.len() > 20, "the generated items are not found any more: {}", items.len());
    insta::assert_snapshot!(items.join("\n"));
}

/// Missing in the table is a model to add; missing in the document is a model that is newer than it, that has an id of its
/// own on other servers (`gpt-oss-*`, `gpt-35-turbo`, `gpt-5-chat`), or that only the Responses API has.
#[test]
fn the_models_of_the_document_and_of_the_table() {
    let closure = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/closure.json");
    let document: Value = serde_json::from_str(&fs::read_to_string(closure).unwrap()).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let named: BTreeSet<_> = schemas
        .iter()
        .filter(|(name, _)| name.starts_with("ModelIds"))
        .flat_map(|(_, schema)| schema["anyOf"].as_array().into_iter().flatten())
        .flat_map(|branch| branch["enum"].as_array().into_iter().flatten())
        .map(|id| id.as_str().unwrap().to_owned())
        .collect();
    assert!(named.len() > 50, "the document's enum is not found any more: {named:?}");
    let table: BTreeSet<_> = model_names().collect();
    let list = |ids: Vec<&String>| ids.iter().map(|id| format!("  {id}\n")).collect::<String>();
    insta::assert_snapshot!(format!(
        "missing in the table:\n{}missing in the document:\n{}",
        list(named.difference(&table).collect()),
        list(table.difference(&named).collect()),
    ));
}

/// The name of the item that a line begins.
fn name(line: &str) -> Option<&str> {
    let head = ["pub struct ", "pub enum ", "pub type ", "pub async fn "];
    let rest = head.iter().find_map(|head| line.trim_start().strip_prefix(head))?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

fn is_function(head: &str) -> bool {
    head.contains(" fn ")
}

/// An item without attributes (but for its names on the wire) and paths, one field or variant a line.
fn tidy(item: &[&str]) -> String {
    let kept = |line: &&str| {
        !line.starts_with("///")
            && (!line.starts_with("#[") || line.contains("rename") || line.contains("flatten"))
    };
    let text: Vec<&str> = item.iter().map(|line| line.trim()).filter(kept).collect();
    let mut text = text.join(" ").replace("::serde_json::", "");
    for module in ["option", "string", "vec", "collections", "boxed"] {
        text = text.replace(&format!("::std::{module}::"), "");
    }
    let (mut depth, mut out) = (0, String::new());
    for c in text.chars() {
        match c {
            '{' | '(' | '<' | '[' => depth += 1,
            '}' | ')' | '>' | ']' => depth -= 1,
            _ => {}
        }
        match c {
            ',' if depth == 1 && !is_function(item[0]) => out.push_str(",\n   "),
            '{' if depth == 1 && !is_function(item[0]) => out.push_str("{\n   "),
            c => out.push(c),
        }
    }
    out.replace("\n    }", "\n}")
        .replace("< ", "<")
        .replace(", >", ">")
        .replace("( ", "(")
        .replace(", )", ")")
}

/// Every name in the files that import generated items.
fn words_of_the_adapter(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        if text.contains("crate::openai") {
            let code = text.lines().take_while(|line| *line != "#[cfg(test)]");
            let code = code.filter(|line| !line.trim_start().starts_with("//"));
            let words = code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'));
            found.extend(words.map(str::to_owned));
        }
    }
    found
}
