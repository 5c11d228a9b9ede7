//! What probably caused a difference between two prompts.

use serde_json::Value;

use super::excerpt::first_difference;
use super::item::{self, Difference};
use super::{Found, Pointer, PrefixBreakCause};

/// Fields of a message that hold its reasoning, on servers of Chat Completions.
const REASONING: &[&str] = &["reasoning", "reasoning_content", "reasoning_details"];

/// The first difference between two lists of tools, in every respect.
pub(super) fn of_tools<'a>(path: Pointer, earlier: &'a [Value], later: &'a [Value]) -> Option<Found<'a>> {
    let has = |tools: &[Value], tool: &Value| tools.iter().any(|other| name(other) == name(tool));
    (0..earlier.len().max(later.len())).find_map(|index| {
        let path = path.index(index);
        let (one, other) = match (earlier.get(index), later.get(index)) {
            (Some(one), Some(other)) if name(one) == name(other) => {
                let (found, is_order) = item::strict_difference(path, one, other)?;
                let cause = match is_order {
                    true => PrefixBreakCause::KeyOrder,
                    false => of_text(&found).unwrap_or(PrefixBreakCause::ToolDefinition),
                };
                return Some((found, cause));
            }
            values => values,
        };
        let is_moved =
            one.is_some_and(|tool| has(later, tool)) && other.is_some_and(|tool| has(earlier, tool));
        let cause = if is_moved { PrefixBreakCause::ToolOrder } else { PrefixBreakCause::ToolSet };
        Some((Difference { path, earlier: one, later: other }, cause))
    })
}

/// What distinguishes a tool from others: its type, and its name or the label of its server.
fn name(tool: &Value) -> [Option<&Value>; 3] {
    let kind = tool.get("type");
    let inner = kind.and_then(Value::as_str).and_then(|kind| tool.get(kind));
    let name = tool.get("name").or_else(|| inner?.get("name"));
    [kind, name, tool.get("server_label")]
}

/// The cause of a difference between the conversations at this index.
pub(super) fn of_item(
    found: &Difference<'_>,
    index: usize,
    earlier: &[Value],
    later: &[Value],
) -> PrefixBreakCause {
    let (Some(one), Some(other)) = (earlier.get(index), later.get(index)) else {
        return PrefixBreakCause::Removal;
    };
    let is = |item: &Value, field: &str, value: &str| item.get(field).is_some_and(|found| found == value);
    let is_reasoning = |item: &Value| is(item, "type", "reasoning");
    let has_moved =
        |item: &Value, items: &[Value]| items.iter().skip(index + 1).any(|next| item::is_same(item, next));
    let is_field_of_reasoning = REASONING.contains(&found.path.last());
    if is_reasoning(one) && !is_reasoning(other) || is_field_of_reasoning && found.later.is_none() {
        return PrefixBreakCause::State;
    }
    if found.path.last() == "detail" {
        return PrefixBreakCause::ImageDetail;
    }
    if has_moved(other, earlier) {
        return PrefixBreakCause::Removal;
    }
    if has_moved(one, later) {
        return PrefixBreakCause::Insertion;
    }
    let is_instruction = is(one, "role", "system") || is(one, "role", "developer");
    of_text(found).unwrap_or(match is_instruction {
        true => PrefixBreakCause::Instructions,
        false => PrefixBreakCause::Edit,
    })
}

/// The cause of a difference between two texts, where it is recognized.
pub(super) fn of_text(found: &Difference<'_>) -> Option<PrefixBreakCause> {
    let (Some(Value::String(earlier)), Some(Value::String(later))) = (found.earlier, found.later) else {
        return None;
    };
    let json = |text: &str| serde_json::from_str::<Value>(text).ok();
    if json(earlier).is_some_and(|value| json(later) == Some(value)) {
        return Some(PrefixBreakCause::JsonFormat);
    }
    let at = first_difference(earlier, later);
    (is_time(earlier, at) && is_time(later, at)).then_some(PrefixBreakCause::Time)
}

/// Whether the character at this index belongs to a date or a time: `2026-11-28`, `10:03`, a month or day of the week by its
/// English name, or seconds or milliseconds since 1970.
fn is_time(text: &str, at: usize) -> bool {
    let chars: Vec<char> = text.chars().collect();
    let (before, after) = chars.split_at(at.min(chars.len()));
    let run = |is_part: fn(&char) -> bool| -> String {
        let start = before.iter().rev().take_while(|c| is_part(c)).count();
        let end = after.iter().take_while(|c| is_part(c)).count();
        chars.iter().skip(before.len() - start).take(start + end).collect()
    };
    let numbers = run(|c| c.is_ascii_digit() || matches!(c, ':' | '-' | '/' | '.' | '+' | 'T' | 'Z'));
    let mut parts = numbers.split(['T', 'Z', '+']);
    let digits = run(char::is_ascii_digit);
    let is_since_1970 = matches!(digits.len(), 10 | 13) && digits.starts_with('1');
    // A day of the month beside the month's name.
    let gap = before.iter().rev().take_while(|c| !c.is_alphabetic()).count();
    let word: Vec<char> = before.iter().rev().skip(gap).take_while(|c| c.is_alphabetic()).copied().collect();
    let is_day = !digits.is_empty() && gap <= 4 && is_name(&word.iter().rev().collect::<String>());
    parts.any(|text| is_clock(text) || is_date(text))
        || is_since_1970
        || is_day
        || is_name(&run(|c| c.is_alphabetic()))
}

/// Hours and minutes, and maybe seconds.
fn is_clock(text: &str) -> bool {
    let text = text.split('.').next().unwrap_or_default();
    let lengths: Vec<usize> = text.split(':').map(str::len).collect();
    matches!(*lengths, [1 | 2, 2] | [1 | 2, 2, 2]) && text.chars().all(|c| c.is_ascii_digit() || c == ':')
}

/// A year, a month and a day in any order.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.trim_end_matches('.').split(['-', '/', '.']).collect();
    let is_number = |text: &&str| (1..=4).contains(&text.len()) && text.chars().all(|c| c.is_ascii_digit());
    parts.len() == 3 && parts.iter().all(is_number) && parts.iter().any(|text| text.len() == 4)
}

/// Whether a word is the English name of a month or a day of the week, or its beginning.
fn is_name(word: &str) -> bool {
    const NAMES: [&str; 19] = [
        "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
        "november", "december", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
    ];
    let word = word.to_lowercase();
    word.len() >= 3 && NAMES.iter().any(|name| name.starts_with(&word))
}
