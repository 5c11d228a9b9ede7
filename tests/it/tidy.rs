//! Holds the structure: who may import whom, and the size of files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Which modules of this crate each module may import, beside itself. Data flows one way; nothing imports `backend`.
const IMPORTS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("absorbed", &["auth"]),
    ("attachment", &[]),
    ("telemetry", &["auth", "error"]),
    ("encode", &["error"]),
    ("extra", &["encode", "error"]),
    ("models", &["error"]),
    ("target", &["models"]),
    ("validate", &["models", "target"]),
    ("tokens", &["models", "target"]),
    ("decode", &["absorbed", "error"]),
    ("auth", &["error", "models"]),
    ("config", &["auth", "error", "models", "target"]),
    ("openai", &["transport"]),
    ("transport", &["openai", "auth", "config", "decode", "error"]),
    ("chat", &["absorbed", "attachment", "openai", "models", "decode", "error", "extra", "target"]),
    (
        "responses",
        &["absorbed", "attachment", "encode", "openai", "models", "decode", "error", "extra", "target"],
    ),
    ("embeddings", &["openai", "models", "decode", "error", "extra", "tokens", "validate"]),
    (
        "backend",
        &[
            "absorbed",
            "auth",
            "chat",
            "config",
            "decode",
            "embeddings",
            "encode",
            "error",
            "models",
            "openai",
            "responses",
            "target",
            "telemetry",
            "tokens",
            "transport",
            "validate",
        ],
    ),
];

/// Longest hand-written file, in lines; tests and tables aside.
const MAX_LINES: usize = 400;

/// Files that are tables: as long as the data.
const TABLES: &[&str] = &["src/models.rs", "src/decode/error_body/tables.rs"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The lines of a file before its tests.
fn code(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().take_while(|line| *line != "#[cfg(test)]").map(str::to_owned).collect()
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned()
}

/// The crate's modules named in `crate::a`, `crate::{a, b::c}`.
fn imports(lines: &[String]) -> BTreeSet<String> {
    let text: String = lines.iter().filter(|line| !line.trim_start().starts_with("//")).cloned().collect();
    let mut found = BTreeSet::new();
    for rest in text.split("crate::").skip(1) {
        let group = match rest.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap_or_default().split(',').collect(),
            None => vec![rest],
        };
        for path in group {
            let module: String =
                path.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            found.insert(module);
        }
    }
    found
}

#[test]
fn imports_go_one_way() {
    let mut seen = 0;
    for path in rust_files("src") {
        let file = name(&path);
        let module = file.trim_start_matches("src/").split(['/', '.']).next().unwrap().to_owned();
        if matches!(module.as_str(), "lib" | "internals") {
            continue;
        }
        let (_, allowed) = IMPORTS
            .iter()
            .find(|(known, _)| *known == module)
            .unwrap_or_else(|| panic!("{file}: say in tests/it/tidy.rs what the module {module} may import"));
        for import in imports(&code(&path)) {
            // Names of types and functions are re-exports of the crate's root: only docs use them.
            let is_module = IMPORTS.iter().any(|(known, _)| *known == import);
            seen += usize::from(is_module);
            assert!(
                !is_module || import == module || allowed.contains(&import.as_str()),
                "{file} imports {import}; {module} may import only {allowed:?}"
            );
        }
    }
    assert!(seen > 20, "the imports are not found any more: {seen}");
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    for folder in [
        "src",
        "xtask/src",
        "tachikoma-backends-core/src",
        "openai-mock/src",
        "benches/src",
        "benches/compare/src",
        "examples",
        "tests/it",
    ] {
        for path in rust_files(folder) {
            let file = name(&path);
            let text = std::fs::read_to_string(&path).unwrap();
            let starts = text.starts_with("//!") || text.starts_with("#![doc");
            assert!(starts, "{file} does not start with a //! line that says what it is for");
            let lines = code(&path).len();
            if !TABLES.contains(&file.as_str()) && !file.starts_with("tests/") {
                assert!(
                    lines <= MAX_LINES,
                    "{file} has {lines} lines: which two reasons to change does it have?"
                );
            }
        }
    }
}

#[test]
fn the_build_script_stays_small() {
    let lines = code(&root().join("build.rs")).len();
    assert!(lines <= 60, "build.rs has {lines} lines");
}
