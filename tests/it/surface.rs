//! The generated items that the adapter uses, so that a refresh of the document shows what it does to them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

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
        if text.contains("crate::openai::") {
            let code = text.lines().take_while(|line| *line != "#[cfg(test)]");
            let code = code.filter(|line| !line.trim_start().starts_with("//"));
            let words = code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'));
            found.extend(words.map(str::to_owned));
        }
    }
    found
}
