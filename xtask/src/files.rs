//! The files of `openapi/`: where they are, their one canonical form, and how they are replaced.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::schema::sorted;

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// A file of `openapi/` by its name.
pub(crate) fn path(name: &str) -> PathBuf {
    root().join("openapi").join(name)
}

/// Reads a file of `openapi/`.
pub(crate) fn read(name: &str) -> Result<String> {
    fs::read_to_string(path(name)).with_context(|| format!("cannot read openapi/{name}"))
}

/// The operationIds of `operations.txt`: one a line, `#` begins a comment.
pub(crate) fn operations(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// The canonical text of a JSON file: sorted keys, two spaces, a final newline.
pub(crate) fn canonical(value: Value) -> Result<String> {
    Ok(serde_json::to_string_pretty(&sorted(value))? + "\n")
}

/// The name of a file from the repository's root.
pub(crate) fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Replaces those files whose text differs; all are complete on disk before the first is put in place, and none is changed
/// where one cannot be written. Returns for each whether it was written.
pub(crate) fn replace(files: &[(&Path, &str)]) -> Result<Vec<bool>> {
    let differs = |(path, text): &&(&Path, &str)| fs::read_to_string(path).ok().as_deref() != Some(*text);
    let changed: Vec<&(&Path, &str)> = files.iter().filter(differs).collect();
    let staged = stage(&changed);
    if staged.is_err() {
        changed.iter().for_each(|(path, _)| _ = fs::remove_file(fresh(path)));
    }
    staged?;
    for (path, _) in &changed {
        fs::rename(fresh(path), path).with_context(|| format!("cannot replace {}", name(path)))?;
    }
    Ok(files.iter().map(|file| changed.contains(&file)).collect())
}

fn stage(files: &[&(&Path, &str)]) -> Result<()> {
    for (path, text) in files {
        let written = fs::File::create(fresh(path)).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.with_context(|| format!("cannot write {}; nothing was changed", name(path)))?;
    }
    Ok(())
}

/// Where a file is written before it takes its place: beside it, for a rename is only then one step.
fn fresh(path: &Path) -> PathBuf {
    path.with_file_name(format!(".{}.new", path.file_name().unwrap_or_default().to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operations_are_lines_without_comments() {
        let text = "# chat\ncreateChatCompletion\n\n  listModels # both\n";
        assert_eq!(operations(text), ["createChatCompletion", "listModels"]);
    }

    #[test]
    fn canonical_text_sorts_keys_at_every_depth() {
        let text = canonical(json!({ "b": [{ "d": 1, "c": 2 }], "a": {} })).unwrap();
        assert_eq!(
            text,
            "{\n  \"a\": {},\n  \"b\": [\n    {\n      \"c\": 2,\n      \"d\": 1\n    }\n  ]\n}\n"
        );
    }

    #[test]
    fn only_what_differs_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let write = |a: &str, b: &str| replace(&[(&path("a"), a), (&path("b"), b)]).unwrap();
        assert_eq!(write("1", "1"), [true, true]);
        assert_eq!(write("1", "2"), [false, true]);
        assert_eq!(fs::read_to_string(path("b")).unwrap(), "2");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left");
    }

    #[test]
    fn all_files_are_replaced_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("missing/b"));
        fs::write(&a, "1").unwrap();
        let error = replace(&[(&a, "2"), (&b, "2")]).unwrap_err();
        assert!(error.to_string().contains("missing/b; nothing was changed"), "{error}");
        assert_eq!(fs::read_to_string(&a).unwrap(), "1");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }
}
