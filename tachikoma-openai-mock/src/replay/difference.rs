//! Compares a request with a recorded one.

use serde_json::Value;

/// What stands for a secret in a recording.
const MASK: &str = "***";

/// The longest value in a message, in characters.
const LONGEST: usize = 80;

/// How much another method or path counts.
const OTHER_ENDPOINT: usize = 1 << 32;

/// The starts of words that are keys.
const KEYS: &[&str] = &["sk-", "sk_", "eyJ", "Bearer"];

/// The first difference, for a message.
pub(super) struct Difference {
    /// Where it is, as a JSON path.
    pub(super) path: String,
    pub(super) recorded: String,
    pub(super) sent: String,
}

/// The differences between two requests.
pub(super) struct Differences {
    /// Whether texts in the recording are replaced by characters of the same number.
    texts_redacted: bool,
    weight: usize,
    first: Option<Difference>,
}

impl Differences {
    pub(super) fn new(texts_redacted: bool) -> Self {
        Self { texts_redacted, weight: 0, first: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.weight == 0
    }

    /// How far the requests are from each other.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    pub(super) fn into_first(self) -> Option<Difference> {
        self.first
    }

    /// Compares a part of the request line.
    pub(super) fn compare_line(&mut self, name: &str, recorded: &str, sent: &str) {
        if !matches_masked(recorded, sent) {
            self.weight += OTHER_ENDPOINT;
            self.add(|| name.to_owned(), Some(&recorded.into()), Some(&sent.into()), 0);
        }
    }

    /// Compares two JSON values; the order of fields is irrelevant.
    pub(super) fn compare(&mut self, path: &str, recorded: &Value, sent: &Value) {
        match (recorded, sent) {
            (Value::Object(recorded), Value::Object(sent)) => {
                for (name, value) in recorded {
                    let path = field(path, name);
                    match sent.get(name) {
                        Some(other) => self.compare(&path, value, other),
                        None => self.add(|| path, Some(value), None, size(value)),
                    }
                }
                for (name, value) in sent.iter().filter(|(name, _)| !recorded.contains_key(*name)) {
                    self.add(|| field(path, name), None, Some(value), size(value));
                }
            }
            (Value::Array(recorded), Value::Array(sent)) => {
                for index in 0..recorded.len().max(sent.len()) {
                    let path = format!("{path}[{index}]");
                    match (recorded.get(index), sent.get(index)) {
                        (Some(value), Some(other)) => self.compare(&path, value, other),
                        (value, other) => {
                            let size = value.or(other).map_or(0, size);
                            self.add(|| path, value, other, size);
                        }
                    }
                }
            }
            (Value::String(recorded), Value::String(sent)) if self.is_same_text(recorded, sent) => {}
            (Value::Number(recorded), Value::Number(sent)) if recorded.as_f64() == sent.as_f64() => {}
            _ if recorded == sent => {}
            _ => self.add(|| path.to_owned(), Some(recorded), Some(sent), size(recorded).max(size(sent))),
        }
    }

    fn is_same_text(&self, recorded: &str, sent: &str) -> bool {
        let is_redacted = || self.texts_redacted && recorded.bytes().all(|byte| byte == b'x');
        matches_masked(recorded, sent) || is_redacted() && recorded.len() == sent.chars().count()
    }

    fn add(
        &mut self,
        path: impl FnOnce() -> String,
        recorded: Option<&Value>,
        sent: Option<&Value>,
        weight: usize,
    ) {
        self.weight += weight;
        self.first.get_or_insert_with(|| Difference {
            path: path(),
            recorded: recorded.map_or_else(|| "missing".to_owned(), short),
            sent: sent.map_or_else(|| "missing".to_owned(), short),
        });
    }
}

/// Whether a text is the recorded one, in which secrets are masked.
fn matches_masked(recorded: &str, sent: &str) -> bool {
    if recorded == sent {
        return true;
    }
    let parts: Vec<&str> = recorded.split(MASK).collect();
    let [first, middle @ .., last] = parts.as_slice() else { return false };
    let Some(mut rest) = sent.strip_prefix(first) else { return false };
    for part in middle {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The number of values in it, at least 1.
fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(fields) => 1 + fields.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

fn field(path: &str, name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    match name.chars().all(is_plain) {
        true => format!("{path}.{name}"),
        false => format!("{path}[{}]", Value::from(name)),
    }
}

/// The value as JSON, without keys, and cut.
fn short(value: &Value) -> String {
    let text = value.to_string();
    let is_inside = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let words = text.split_inclusive(|c| !is_inside(c)).map(|word| {
        let key = word.trim_end_matches(|c| !is_inside(c));
        match KEYS.iter().any(|start| key.starts_with(start) && key.len() > start.len()) {
            true => word.replacen(key, MASK, 1),
            false => word.to_owned(),
        }
    });
    let masked: String = words.collect();
    match masked.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", masked.get(..end).unwrap_or_default()),
        None => masked,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The weight and the first difference.
    fn compare(recorded: Value, sent: Value, texts_redacted: bool) -> (usize, String) {
        let mut differences = Differences::new(texts_redacted);
        differences.compare("$", &recorded, &sent);
        let weight = differences.weight();
        let text = differences.into_first().map(|first| {
            let Difference { path, recorded, sent } = first;
            format!("{path}: {recorded} / {sent}")
        });
        (weight, text.unwrap_or_default())
    }

    #[test]
    fn the_first_difference_has_a_path_and_both_values() {
        let check = |recorded: Value, sent: Value, weight: usize, text: &str| {
            assert_eq!(compare(recorded, sent, false), (weight, text.to_owned()));
        };
        check(json!({"a": 1, "b": [2.0]}), json!({"b": [2], "a": 1.0}), 0, "");
        check(json!({"a": [{"b": "x"}]}), json!({"a": [{"b": "y"}]}), 1, r#"$.a[0].b: "x" / "y""#);
        check(json!({"a": {"b": 1}}), json!({}), 2, r#"$.a: {"b":1} / missing"#);
        check(json!([1]), json!([1, {"x y": 2}]), 2, r#"$[1]: missing / {"x y":2}"#);
        check(json!({"a b": 1}), json!({"a b": null}), 1, r#"$["a b"]: 1 / null"#);
        check(json!("a"), json!("my sk-0123456789 here"), 1, r#"$: "a" / "my *** here""#);
        let (_, text) = compare(json!("é".repeat(200)), json!(1), false);
        assert_eq!(text.chars().filter(|c| *c == 'é').count(), LONGEST - 1);
    }

    #[test]
    fn masks_match_any_secret() {
        let check = |recorded: &str, sent: &str, expected: bool| {
            assert_eq!(matches_masked(recorded, sent), expected, "{recorded} {sent}");
        };
        check("***", "anything", true);
        check("/proxy/***/v1", "/proxy/sk-1/v1", true);
        check("/proxy/***/v1", "/proxy/v1", false);
        check("a *** b *** c", "a 1 b 2 c", true);
        check("a *** b *** c", "a 1 2 c", false);
        check("a", "b", false);
    }

    #[test]
    fn redacted_texts_match_by_their_length() {
        assert_eq!(compare(json!({"a": "xxx"}), json!({"a": "é你!"}), true).0, 0);
        assert_eq!(compare(json!({"a": "xxx"}), json!({"a": "four"}), true).0, 1);
        assert_eq!(compare(json!({"a": "xxx"}), json!({"a": "abc"}), false).0, 1);
    }
}
