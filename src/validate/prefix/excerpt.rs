//! Excerpts of two values around their first difference.

use serde_json::Value;

/// The length of an excerpt, in characters, and how much of it precedes the difference.
const LENGTH: usize = 80;
const BEFORE: usize = 24;

/// Excerpts of two values, as JSON.
pub(super) fn both(earlier: Option<&Value>, later: Option<&Value>) -> (Option<String>, Option<String>) {
    let (earlier, later) = (earlier.map(Value::to_string), later.map(Value::to_string));
    let start = match (&earlier, &later) {
        (Some(earlier), Some(later)) => first_difference(earlier, later).saturating_sub(BEFORE),
        _ => 0,
    };
    (earlier.map(|text| excerpt(&text, start)), later.map(|text| excerpt(&text, start)))
}

/// How many characters two texts have in common at their beginning.
pub(super) fn first_difference(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count()
}

fn excerpt(text: &str, start: usize) -> String {
    let mut rest = text.chars().skip(start);
    let mut excerpt = String::from(if start > 0 { "…" } else { "" });
    excerpt.extend(rest.by_ref().take(LENGTH));
    if rest.next().is_some() {
        excerpt.push('…');
    }
    excerpt
}
