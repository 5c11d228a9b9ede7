//! The files of `openapi/`: where they are, their one canonical form, and how they are replaced.

use std::fs;
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

/// Replaces those files whose text differs; all are complete on disk before the first is put in place. Says for each
/// whether it was written.
pub(crate) fn replace(folder: &Path, files: &[(&str, &str)]) -> Result<Vec<bool>> {
    let differs =
        |(name, text): &&(&str, &str)| fs::read_to_string(folder.join(name)).ok().as_deref() != Some(*text);
    let changed: Vec<&(&str, &str)> = files.iter().filter(differs).collect();
    let fresh = |name: &str| folder.join(format!(".{name}.new"));
    for (name, text) in &changed {
        fs::write(fresh(name), text).with_context(|| format!("cannot write openapi/{name}"))?;
    }
    for (name, _) in &changed {
        fs::rename(fresh(name), folder.join(name))
            .with_context(|| format!("cannot replace openapi/{name}"))?;
    }
    Ok(files.iter().map(|file| changed.contains(&file)).collect())
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
        let write = |files: &[(&str, &str)]| replace(folder.path(), files).unwrap();
        assert_eq!(write(&[("a", "1"), ("b", "1")]), [true, true]);
        assert_eq!(write(&[("a", "1"), ("b", "2")]), [false, true]);
        assert_eq!(fs::read_to_string(folder.path().join("b")).unwrap(), "2");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left");
    }
}
