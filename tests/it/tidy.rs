//! Holds the structure: who may import whom, and the size of files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use syn::visit::Visit;

/// Which rooms of this crate each room may import, beside itself. Data flows one way; nothing imports `backend`, and `runtime`
/// imports nothing.
const IMPORTS: &[(&str, &[&str])] = &[
    ("runtime", &[]),
    ("openai", &["runtime"]),
    ("models", &["runtime"]),
    ("target", &["models"]),
    ("validate", &["models", "target"]),
    ("tokens", &["models", "target"]),
    ("tools", &["openai"]),
    ("auth", &["runtime"]),
    ("server", &["auth", "runtime"]),
    ("api", &["models", "openai", "runtime", "server", "target", "tokens", "validate"]),
    ("config", &["auth", "models", "runtime", "server", "target"]),
    (
        "backend",
        &["api", "auth", "config", "models", "openai", "runtime", "server", "target", "tokens", "validate"],
    ),
];

/// Rooms without I/O, and crates that do it.
const PURE: &[&str] = &["models", "target", "validate", "tokens"];
const IO: &[&str] = &["reqwest", "tokio", "progenitor_client"];

/// Words of one provider, which `runtime` must not hold outside its tests.
const PROVIDER_WORDS: &[&str] =
    &["openai", "azure", "gpt", "codex", "chat_completions", "chat completions", "responses api"];

/// Longest hand-written file, in lines; tests and tables aside.
const MAX_LINES: usize = 400;

/// Files that are tables: as long as the data.
const TABLES: &[&str] = &["src/models/table.rs", "src/runtime/error_body/tables.rs"];

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
                // What cargo builds of a package outside the workspace.
                folders.extend((path.file_name() != Some("target".as_ref())).then_some(path));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The files of the two libraries that users call.
pub(crate) fn library_files() -> impl Iterator<Item = PathBuf> {
    ["src", "tachikoma-backends-core/src"].into_iter().flat_map(rust_files)
}

/// The lines of a file before its tests.
pub(crate) fn code(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().take_while(|line| *line != "#[cfg(test)]").map(str::to_owned).collect()
}

pub(crate) fn name(path: &Path) -> String {
    // With the separator of the tables below, on Windows as well.
    path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/")
}

/// The first two names of every path in a file that begins at a crate: of `use` items, and of paths within code.
fn paths(file: &syn::File) -> BTreeSet<(String, String)> {
    #[derive(Default)]
    struct Paths(BTreeSet<(String, String)>);
    impl Paths {
        fn add(&mut self, first: &str, rest: &syn::UseTree) {
            match rest {
                syn::UseTree::Path(path) => _ = self.0.insert((first.to_owned(), path.ident.to_string())),
                syn::UseTree::Name(name) => _ = self.0.insert((first.to_owned(), name.ident.to_string())),
                syn::UseTree::Rename(name) => _ = self.0.insert((first.to_owned(), name.ident.to_string())),
                syn::UseTree::Glob(_) => _ = self.0.insert((first.to_owned(), "*".to_owned())),
                syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.add(first, tree)),
            }
        }
    }
    impl<'ast> Visit<'ast> for Paths {
        fn visit_item(&mut self, item: &'ast syn::Item) {
            // Tests may use what they test with.
            if !attributes(item).iter().any(is_test) {
                syn::visit::visit_item(self, item);
            }
        }

        fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
            if let syn::UseTree::Path(path) = &item.tree {
                self.add(&path.ident.to_string(), &path.tree);
            }
        }

        fn visit_path(&mut self, path: &'ast syn::Path) {
            let mut names = path.segments.iter().map(|segment| segment.ident.to_string());
            if let (Some(first), Some(second)) = (names.next(), names.next()) {
                self.0.insert((first, second));
            }
            syn::visit::visit_path(self, path);
        }
    }
    let mut found = Paths::default();
    found.visit_file(file);
    found.0
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// `#[cfg(test)]`, `#[cfg(doc)]`.
fn is_test(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test") || path.is_ident("doc"))
}

/// The files of `src/` with their rooms, but for those that hold tests alone.
pub(crate) fn sources() -> Vec<(String, PathBuf)> {
    let room =
        |path: &PathBuf| name(path).trim_start_matches("src/").split(['/', '.']).next().unwrap().to_owned();
    let is_test = |path: &PathBuf| {
        Path::new(&name(path)).components().any(|part| part.as_os_str() == "tests")
            || path.file_stem().unwrap().to_str().unwrap().ends_with("tests")
    };
    let files = rust_files("src").into_iter().filter(|path| !is_test(path));
    let files = files.map(|path| (room(&path), path));
    files.filter(|(room, _)| !matches!(room.as_str(), "lib" | "internals")).collect()
}

#[test]
fn imports_go_one_way() {
    let mut seen = 0;
    for (room, path) in sources() {
        let file = name(&path);
        let (_, allowed) = IMPORTS
            .iter()
            .find(|(known, _)| *known == room)
            .unwrap_or_else(|| panic!("{file}: state in tests/it/tidy.rs what the room {room} may import"));
        let source = syn::parse_file(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for (first, second) in paths(&source) {
            assert!(
                !(PURE.contains(&room.as_str()) && IO.contains(&first.as_str())),
                "{file} uses {first}, but {room} is without I/O"
            );
            // Above a room there is only the crate.
            assert!((&*first, &*second) != ("super", "super"), "{file}: use `crate::` for another module");
            let is_crate = first == "crate" || first == "super" && file == format!("src/{room}.rs");
            if !is_crate {
                continue;
            }
            // Of the crate's root only the error is a name that rooms use; `runtime` knows no name of it.
            let import = if second == "CodexError" { "runtime".to_owned() } else { second };
            seen += 1;
            assert!(
                import == room || allowed.contains(&import.as_str()),
                "{file} imports crate::{import}; {room} may import only {allowed:?}"
            );
        }
    }
    assert!(seen > 100, "the imports are not found any more: {seen}");
}

#[test]
fn the_runtime_knows_no_provider() {
    let mut files = 0;
    for (_, path) in sources().into_iter().filter(|(room, _)| room == "runtime") {
        files += 1;
        let file = name(&path);
        let mut is_example = false;
        for (number, line) in code(&path).iter().enumerate() {
            // The examples of the documentation import the crate by its name.
            is_example ^= line.trim_start().starts_with("/// ```");
            if is_example {
                continue;
            }
            let line = line.to_lowercase();
            let word = PROVIDER_WORDS.iter().find(|word| line.contains(**word));
            assert_eq!(word, None, "{file}:{}: {line}", number + 1);
        }
    }
    assert!(files > 15, "the files of the runtime are not found any more: {files}");
}

#[test]
fn rooms_are_few() {
    let rooms: BTreeSet<String> = sources().into_iter().map(|(room, _)| room).collect();
    assert!(rooms.len() <= 12, "{rooms:?}");
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    for folder in [
        "src",
        "xtask/src",
        "tachikoma-backends-core/src",
        "tachikoma-openai-mock/src",
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
