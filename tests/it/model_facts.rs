//! Holds the rule that facts of models stand in `src/models/` alone, so that a new model is one row in one file.

use super::tidy::{code, name, sources};

/// How string literals begin that name a model of OpenAI, a family of them, or a fine-tuned model.
const MODEL_NAMES: &[&str] = &[
    "gpt-", "chatgpt", "o1", "o3", "o4", "text-embedding", "codex-mini", "computer-use-preview", "ft:",
    "openai/gpt",
];

/// The name of a model that a line of code holds as a string.
fn model_name(line: &str) -> Option<&'static str> {
    let is_comment = line.trim_start().starts_with("//");
    MODEL_NAMES.iter().copied().find(|name| !is_comment && line.contains(&format!("\"{name}")))
}

#[test]
fn only_the_models_room_names_models() {
    let mut files = 0;
    for (_, path) in sources().into_iter().filter(|(room, _)| room != "models") {
        files += 1;
        for (number, line) in code(&path).iter().enumerate() {
            let file = name(&path);
            assert_eq!(
                model_name(line),
                None,
                "{file}:{}: make it a fact in src/models/, and ask `ModelSpec` for it: {line}",
                number + 1
            );
        }
    }
    assert!(files > 80, "the files of src are not found any more: {files}");
}

#[test]
fn names_of_models_are_recognised() {
    assert_eq!(model_name("    if id.starts_with(\"gpt-5\") {"), Some("gpt-"));
    assert_eq!(model_name("    (\"o3\", tiles(75, 150)),"), Some("o3"));
    assert_eq!(model_name("/// config.with_model(\"gpt-4o\")"), None);
    assert_eq!(model_name("    name: \"codex\".to_owned(),"), None);
}
