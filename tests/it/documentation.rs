//! The items that programs use most have an example of their own, and it runs.

use std::collections::BTreeMap;

use crate::tidy;

/// The public names that occur most in `examples/`, the README and `tests/it/`, and a few that users meet as early.
/// `Error` is `CodexError` at the root.
const MOST_USED: &[&str] = &[
    "AccessToken", "Api", "ApiKey", "Approval", "Azure", "Backend", "BackendError", "BackendExt",
    "BackgroundStatus", "CodexBackend", "CodexBackendConfig", "CollectingStream", "CompletionChunk",
    "CompletionRequest", "CompletionResponse", "ContentPart", "Credentials", "CustomTool",
    "EmbeddingRequest", "Error", "ErrorCategory", "ErrorDetails", "Fallback", "FinishReason", "Gate",
    "InputLimit", "Message", "OpenAIModel", "OutputItem", "RateLimits", "ReasoningEffort", "Recorder",
    "Reliability", "ResponseFormat", "Role", "ScriptedBackend", "Structured", "StructuredError",
    "TokenError", "Tool", "ToolCall", "ToolChoice", "ToolDefinition", "ToolParameter", "ToolParameters",
    "ToolRunEvent", "ToolRunner", "Usage", "WebSocket",
];

/// Whether rustdoc compiles and runs a block with these words after its fence.
fn runs(words: &str) -> bool {
    words.split([',', ' ']).all(|word| matches!(word, "" | "rust" | "edition2024"))
}

/// The words after the opening fences of a documentation.
fn fences<'a>(documentation: &[&'a str]) -> Vec<&'a str> {
    documentation.iter().filter_map(|line| line.trim().strip_prefix("```")).step_by(2).collect()
}

/// The name of the item that a line begins; in a macro that makes enums, a row begins with the name alone.
fn item(line: &str, is_macro: bool) -> Option<&str> {
    let kinds = ["pub struct ", "pub enum ", "pub trait ", "pub type "];
    let name = kinds.iter().find_map(|kind| line.strip_prefix(kind));
    let name = name.or_else(|| line.strip_prefix("    ").filter(|row| is_macro && row.ends_with(" {")))?;
    let end = name.find(|c: char| !c.is_alphanumeric())?;
    Some(&name[..end]).filter(|name| name.starts_with(char::is_uppercase))
}

/// Each item of a source with the fences in its documentation.
fn items(source: &str) -> Vec<(&str, Vec<&str>)> {
    let (mut found, mut documentation) = (Vec::new(), Vec::new());
    let (mut is_attribute, mut is_macro) = (false, false);
    for line in source.lines() {
        let text = line.trim_start();
        if let Some(text) = text.strip_prefix("///") {
            documentation.push(text);
        } else if is_attribute || text.starts_with("#[") {
            is_attribute = !text.ends_with(']');
        } else {
            found.extend(item(line, is_macro).map(|name| (name, fences(&documentation))));
            documentation.clear();
            is_macro = line.ends_with("! {") || is_macro && line != "}";
        }
    }
    found
}

#[test]
fn the_most_used_items_have_an_example_that_runs() {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in tidy::library_files() {
        let source = std::fs::read_to_string(&path).unwrap();
        for (name, fences) in items(&source).into_iter().filter(|(name, _)| MOST_USED.contains(name)) {
            let known = found.insert(name.to_owned(), fences.into_iter().map(str::to_owned).collect());
            assert_eq!(known, None, "{name} is defined twice, the second time in {}", tidy::name(&path));
        }
    }
    for name in MOST_USED {
        let fences = found.get(*name).unwrap_or_else(|| {
            panic!("{name} is not found in the sources: correct its name in tests/it/documentation.rs")
        });
        assert!(
            fences.iter().any(|words| runs(words)),
            "{name} has no example that runs, only {fences:?}: add a ``` block that asserts something to its documentation"
        );
    }
}

#[test]
fn examples_that_do_not_run_do_not_count() {
    let source = r#"
/// A thing.
///
/// ```no_run
/// thing();
/// ```
#[derive(
    Debug,
)]
pub struct Thing(u8);

named! {
    /// Another.
    ///
    /// ```
    /// assert!(other());
    /// ```
    #[serde(transparent)]
    Other {
        /// Not this one.
        A,
    }
}

/// ```rust,ignore
/// ```
///
/// ```text
/// ```
pub enum Third {}
impl Third {
    /// ```
    /// ```
    pub fn method() {}
}
"#;
    let outcomes: Vec<_> =
        items(source).into_iter().map(|(name, fences)| (name, fences.into_iter().any(runs))).collect();
    assert_eq!(outcomes, [("Thing", false), ("Other", true), ("Third", false)]);
}
