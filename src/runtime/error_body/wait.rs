//! Waits in the text or the JSON of an error.

use std::time::Duration;

use serde_json::Value;

use crate::runtime::rate_limit;

/// Phrases before a wait. Some are also used before other numbers: then the number needs a unit.
const PHRASES: &[(&str, bool)] = &[
    ("retry after ", false),
    ("retry in ", false),
    ("try again in ", false),
    ("try again after ", false),
    ("retry again in ", false),
    ("retry again after ", false),
    ("retrying in ", false),
    ("wait for ", true),
    ("wait ", true),
    ("available in ", true),
    ("available again in ", true),
    ("reset in ", true),
    ("resets in ", true),
    ("reset after ", true),
    ("resets after ", true),
];

/// Words between the phrase and the number.
const FILLERS: &[&str] =
    &["about ", "approximately ", "around ", "at least ", "another ", "up to ", "for ", "~", "≈", "another "];

/// Units in seconds.
const UNITS: &[(&[&str], f64)] = &[
    (&["ms", "msec", "msecs", "millis", "millisecond", "milliseconds"], 0.001),
    (&["s", "sec", "secs", "second", "seconds"], 1.0),
    (&["m", "min", "mins", "minute", "minutes"], 60.0),
    (&["h", "hr", "hrs", "hour", "hours"], 3600.0),
    (&["d", "day", "days"], 86_400.0),
];

/// Finds the wait in a text: "retry after 12 seconds", "try again in 1.4s", "wait 2 minutes and 5 seconds".
pub(super) fn find_in_text(text: &str) -> Option<Duration> {
    let text = text.to_lowercase();
    PHRASES.iter().find_map(|(phrase, needs_unit)| {
        text.match_indices(phrase).find_map(|(at, _)| {
            let rest = text.get(at.saturating_add(phrase.len())..).unwrap_or_default().trim_start();
            let rest = FILLERS.iter().fold(rest, |rest, filler| rest.strip_prefix(filler).unwrap_or(rest));
            rate_limit::to_wait(parse_seconds(rest, *needs_unit)?)
        })
    })
}

/// Parses the wait in a JSON value: "34s", "20", 20, `{"seconds": 34}`. A bare number counts for `factor` seconds.
pub(super) fn from_json(value: &Value, factor: f64) -> Option<Duration> {
    match value {
        Value::Number(number) => rate_limit::to_wait(number.as_f64()? * factor),
        Value::String(text) => {
            let text = text.trim().to_lowercase();
            match text.parse::<f64>() {
                Ok(number) => rate_limit::to_wait(number * factor),
                Err(_) => rate_limit::to_wait(parse_seconds(&text, true)?),
            }
        }
        Value::Object(fields) => rate_limit::to_wait(fields.get("seconds")?.as_f64()?),
        _ => None,
    }
}

/// Parses the sum of the durations at the start of a text, in seconds: "6m30s", "1 minute and 5 seconds", "12".
fn parse_seconds(text: &str, needs_unit: bool) -> Option<f64> {
    let (mut rest, mut sum) = (text, None);
    while let Some((number, after)) = parse_number(rest) {
        let word = after.trim_start();
        let end = word.find(|c: char| !c.is_alphabetic()).unwrap_or(word.len());
        let (unit, after_unit) = word.split_at_checked(end)?;
        match UNITS.iter().find(|(names, _)| names.contains(&unit)) {
            Some((_, factor)) => sum = Some(sum.unwrap_or_default() + number * factor),
            // A bare number counts for seconds, unless it is the beginning of something else.
            None if unit.is_empty() && sum.is_none() && !needs_unit => {
                let is_end = word.is_empty() || word.starts_with(['.', ',', ';', ')', '!', '"', '\'']);
                return is_end.then_some(number);
            }
            None => break,
        }
        let next = after_unit.trim_start_matches([' ', ',']);
        rest = next.strip_prefix("and ").unwrap_or(next);
    }
    sum
}

/// Parses the number at the start of a text, and returns the rest.
fn parse_number(text: &str) -> Option<(f64, &str)> {
    for word in ["a ", "an ", "one "] {
        if let Some(rest) = text.strip_prefix(word) {
            return Some((1.0, rest));
        }
    }
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ','))).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    let trimmed = digits.trim_end_matches(['.', ',']);
    // "retry after 12. See": the stop belongs to the sentence.
    let rest = if trimmed.len() < digits.len() { text.get(trimmed.len()..)? } else { rest };
    Some((trimmed.replace(',', "").parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_state_a_wait() {
        for (text, expected) in [
            ("Please retry after 12 seconds.", Some(12.0)),
            ("Please try again in 1.4s. Visit", Some(1.4)),
            ("Please try again in 120ms.", Some(0.12)),
            ("Please try again in 500 milliseconds", Some(0.5)),
            ("Please try again in 6m30s.", Some(390.0)),
            ("Please try again in 7m12.3s.", Some(432.3)),
            ("Please try again in 2 minutes", Some(120.0)),
            ("Try again in 2 minutes and 5 seconds", Some(125.0)),
            ("Try again in 1 hour, 2 minutes", Some(3720.0)),
            ("Please try again in a minute.", Some(60.0)),
            ("Please try again in 1h", Some(3600.0)),
            ("Please try again in 2 days", Some(172_800.0)),
            ("Please retry after 12.", Some(12.0)),
            ("Please retry in 34.074824224s.", Some(34.074824224)),
            ("please try again after 1 seconds", Some(1.0)),
            ("Please wait 20 seconds and try again", Some(20.0)),
            ("Please wait for 1,200 seconds before retrying", Some(1200.0)),
            ("Retry in about 5 minutes", Some(300.0)),
            ("Your limit resets in 2h 5m", Some(7500.0)),
            ("PLEASE RETRY AFTER 3 SECONDS", Some(3.0)),
            ("Please wait before you retry. Retry after 4 s", Some(4.0)),
            ("Please retry after a while", None),
            ("Please try again later", None),
            ("Please wait 3 turns", None),
            ("retry after 2026-11-28", None),
            ("retry after 5 attempts", None),
            ("try again in ", None),
            ("try again in 99999999999999999999999999999999999999 seconds", None),
        ] {
            let found = find_in_text(text).map(|wait| wait.as_secs_f64());
            assert_eq!(
                found.map(|wait| (wait * 1e6).round()),
                expected.map(|wait: f64| (wait * 1e6).round()),
                "{text}"
            );
        }
    }

    #[test]
    fn values_state_a_wait() {
        for (value, expected) in [
            (json!("34s"), Some(34.0)),
            (json!("34.5s"), Some(34.5)),
            (json!("20"), Some(20.0)),
            (json!(20), Some(20.0)),
            (json!(0.5), Some(0.5)),
            (json!({"seconds": 34, "nanos": 0}), Some(34.0)),
            (json!("20 seconds"), Some(20.0)),
            (json!("soon"), None),
            (json!("NaN"), None),
            (json!(-1), None),
            (json!(true), None),
            (json!({}), None),
        ] {
            assert_eq!(from_json(&value, 1.0).map(|wait| wait.as_secs_f64()), expected, "{value}");
        }
        assert_eq!(from_json(&json!(250), 0.001), Some(Duration::from_millis(250)));
    }
}
