//! The one reader of JSON that a model wrote: responses as types, and the arguments of tools.

use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use crate::schema::{AddedNulls, pointer};

/// How many characters of the text an error quotes.
const EXCERPT: usize = 60;
/// How many nulls that a type refuses are looked for.
const MAX_REFUSED_NULLS: usize = 64;

/// Why a text is not a `T`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ParseError {
    /// Where it does not fit, as in `pets[0].name`; empty for the whole of it.
    pub(crate) path: String,
    /// Why, with the place in the text.
    pub(crate) reason: String,
    /// What is in the text at that place.
    pub(crate) excerpt: String,
}

/// Reads JSON, also from a code fence. A strict schema has no properties that can be left out: where it has null for them, null means
/// that they are not there. Without a schema, null means that where the type does not take it. A key that an object has twice is an
/// error.
pub(crate) fn parse<T: DeserializeOwned>(
    text: &str,
    strict: Option<(&Value, &AddedNulls)>,
) -> Result<T, ParseError> {
    let text = without_fence(text);
    let mut json = serde_json::Deserializer::from_str(text);
    let whole = UniqueKeys.deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    let mut value = whole.map_err(|error| ParseError::new("", &error, text))?;
    if let Some((schema, added)) = strict {
        let before = value.clone();
        added.remove_from(&mut value, schema);
        if value != before {
            return from_value(&value).map_err(|(path, error)| ParseError::new(&path, &error, text));
        }
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let error = match serde_path_to_error::deserialize(&mut json) {
        Ok(parsed) => return Ok(parsed),
        Err(error) => error,
    };
    if strict.is_none()
        && let Some(parsed) = without_refused_nulls(value)
    {
        return Ok(parsed);
    }
    Err(ParseError::new(&error.path().to_string(), error.inner(), text))
}

fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, (String, serde_json::Error)> {
    serde_path_to_error::deserialize(value).map_err(|error| (error.path().to_string(), error.into_inner()))
}

impl ParseError {
    fn new(path: &str, error: &serde_json::Error, text: &str) -> Self {
        let path = if path == "." || !error.is_data() { String::new() } else { path.to_owned() };
        let offset = match error.line() {
            0 => 0,
            line => {
                let before: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
                before + error.column()
            }
        };
        Self { path, reason: error.to_string(), excerpt: excerpt(text, offset) }
    }
}

/// What is in the text around a place.
fn excerpt(text: &str, offset: usize) -> String {
    let before = (0..=offset.min(text.len())).rev().find_map(|end| text.get(..end)).unwrap_or_default();
    let skipped = before.chars().count().saturating_sub(EXCERPT / 2);
    let mut rest = text.chars().skip(skipped);
    let start = if skipped > 0 { "..." } else { "" };
    let middle: String = rest.by_ref().take(EXCERPT).collect();
    let end = if rest.next().is_some() { "..." } else { "" };
    format!("{start}{middle}{end}")
}

/// The only fenced block of a text that is not JSON itself; else the whole text.
fn without_fence(text: &str) -> &str {
    let text = text.trim();
    if text.starts_with(['{', '[', '"']) {
        return text;
    }
    let mut lines = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with("```") {
            lines.push((offset, offset + line.len()));
        }
        offset += line.len();
    }
    match lines.as_slice() {
        [(_, begin), (end, _)] => text.get(*begin..*end).map_or(text, str::trim),
        _ => text,
    }
}

/// Builds a value of JSON in which each object has each key once.
struct UniqueKeys;

impl<'de> DeserializeSeed<'de> for UniqueKeys {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(UniqueKeys)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(UniqueKeys)?;
            if fields.contains_key(&key) {
                return Err(A::Error::custom(format_args!("duplicate key {key:?}")));
            }
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }
}

/// A `T` of a value, without the nulls that the type refuses. Each is looked for separately: one that the type takes stays.
fn without_refused_nulls<T: DeserializeOwned>(mut value: Value) -> Option<T> {
    for _ in 0..MAX_REFUSED_NULLS {
        let place = match refusal::<T>(&value) {
            Ok(parsed) => return Some(parsed),
            Err(place) => place,
        };
        if value.pointer(&place)?.is_null() {
            remove(&mut value, &place)?;
            continue;
        }
        // serde reads tagged, untagged and flattened types from a buffer, so that the place within is not known.
        let mut nulls = Vec::new();
        collect_nulls(value.pointer(&place)?, &place, &mut nulls);
        if nulls.is_empty() || nulls.len() > MAX_REFUSED_NULLS {
            return None;
        }
        let without = |kept: Option<usize>, refused: &[usize]| {
            let mut value = value.clone();
            for (position, null) in nulls.iter().enumerate() {
                let is_kept = kept.is_some_and(|kept| position <= kept) && !refused.contains(&position);
                if !is_kept {
                    remove(&mut value, null);
                }
            }
            value
        };
        let fits = |value: &Value| refusal::<T>(value).map_or_else(|at| !at.starts_with(&place), |_| true);
        if !fits(&without(None, &[])) {
            return None;
        }
        let mut refused = Vec::new();
        for position in 0..nulls.len() {
            if !fits(&without(Some(position), &refused)) {
                refused.push(position);
            }
        }
        value = without(Some(nulls.len()), &refused);
    }
    None
}

/// A `T`, or the deepest place in the value that an error names, as a JSON Pointer.
fn refusal<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let mut place = String::new();
        for segment in error.path() {
            let step = match segment {
                Segment::Seq { index } => index.to_string(),
                Segment::Map { key } => key.clone(),
                Segment::Enum { variant } => variant.clone(),
                Segment::Unknown => break,
            };
            let next = pointer(&place, &step);
            if value.pointer(&next).is_none() {
                break;
            }
            place = next;
        }
        place
    })
}

fn remove(value: &mut Value, place: &str) -> Option<Value> {
    let (parent, key) = place.rsplit_once('/')?;
    value.pointer_mut(parent)?.as_object_mut()?.remove(&key.replace("~1", "/").replace("~0", "~"))
}

fn collect_nulls(value: &Value, at: &str, nulls: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                let place = pointer(at, key);
                if field.is_null() {
                    nulls.push(place);
                } else {
                    collect_nulls(field, &place, nulls);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect_nulls(item, &format!("{at}/{index}"), nulls);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    struct Search {
        text: String,
        #[serde(default)]
        limit: u8,
        #[serde(default)]
        filter: Option<Filter>,
        #[serde(default)]
        extra: Value,
        #[serde(flatten)]
        sort: Sort,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(tag = "by")]
    enum Filter {
        Size {
            #[serde(default)]
            min: u8,
            max: Option<u8>,
        },
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    struct Sort {
        #[serde(default)]
        descending: bool,
        #[serde(default)]
        field: Option<String>,
    }

    #[track_caller]
    fn check_nulls(written: Value, expected: Search) {
        assert_eq!(parse::<Search>(&written.to_string(), None).unwrap(), expected, "{written}");
    }

    #[test]
    fn without_a_schema_null_is_left_out_where_the_type_refuses_it() {
        let a = || Search { text: "a".into(), ..Search::default() };
        check_nulls(json!({"text": "a", "limit": null}), a());
        // An unrelated null decides nothing: this one is a value.
        check_nulls(
            json!({"text": "a", "limit": null, "extra": {"x": null}}),
            Search { extra: json!({"x": null}), ..a() },
        );
        check_nulls(json!({"text": "a", "extra": null}), a());
        check_nulls(
            json!({"text": "a", "descending": null, "field": null, "extra": {"x": null}}),
            Search { extra: json!({"x": null}), ..a() },
        );
        check_nulls(
            json!({"text": "a", "filter": {"by": "Size", "min": null, "max": null}, "limit": null}),
            Search { filter: Some(Filter::Size { min: 0, max: None }), ..a() },
        );
        // A field that has to be there is not: the error is about what was written.
        let error = parse::<Search>(r#"{"text": null}"#, None).unwrap_err();
        assert!(error.reason.starts_with("invalid type: null, expected a string"), "{error:?}");
    }

    #[test]
    fn keys_stand_once() {
        #[track_caller]
        fn check<T: DeserializeOwned + fmt::Debug>(text: &str, expected: &str) {
            let error = parse::<T>(text, None).unwrap_err();
            assert!(error.reason.starts_with(expected), "{error:?}");
        }
        check::<Value>(r#"{"a": 1, "a": 2}"#, "duplicate key \"a\" at line 1 column 16");
        check::<Value>(r#"[{"b": {"a": 1, "\u0061": 1}}]"#, "duplicate key \"a\"");
        check::<std::collections::BTreeMap<String, u8>>(r#"{"a": 1, "a": 1}"#, "duplicate key \"a\"");
        assert_eq!(parse::<Value>(r#"[{"a": 1}, {"a": 2}]"#, None).unwrap(), json!([{"a": 1}, {"a": 2}]));
    }

    #[test]
    fn a_code_fence_is_read() {
        for text in [
            "{\"n\": 1}",
            " \n{\"n\": 1}\n",
            "```json\n{\"n\": 1}\n```",
            "```\n{\"n\": 1}\n```\n",
            "Here it is:\n\n```json\n{\"n\":\n 1}\n```\nAsk for more.",
        ] {
            assert_eq!(parse::<Value>(text, None).unwrap(), json!({"n": 1}), "{text}");
        }
        // Fences within a text, and two blocks, are not one.
        let code = json!({"code": "```\n1\n```"});
        assert_eq!(parse::<Value>(&code.to_string(), None).unwrap(), code);
        assert!(parse::<Value>("```\n1\n```\n```\n2\n```", None).is_err());
        assert!(parse::<Value>("```\n{\"n\": 1}", None).is_err());
    }

    #[test]
    fn numbers_keep_their_digits() {
        assert_eq!(parse::<u128>("340282366920938463463374607431768211455", None).unwrap(), u128::MAX);
        assert_eq!(parse::<f64>("0.1", None).unwrap(), 0.1);
        assert_eq!(parse::<Vec<i64>>("[-9223372036854775808]", None).unwrap(), [i64::MIN]);
    }

    #[test]
    fn an_error_shows_what_is_there() {
        #[track_caller]
        fn check<T: DeserializeOwned + fmt::Debug>(text: &str, path: &str, reason: &str, excerpt: &str) {
            let error = parse::<T>(text, None).unwrap_err();
            let found = (error.path.as_str(), error.reason.as_str(), error.excerpt.as_str());
            assert_eq!(found, (path, reason, excerpt));
        }
        check::<Value>("Oslo", "", "expected value at line 1 column 1", "Oslo");
        check::<Value>("", "", "EOF while parsing a value at line 1 column 0", "");
        let lines = "[{\"field\": \"é\"},\n {\"field\": 1}]";
        let reason = "invalid type: integer `1`, expected a string at line 2 column 12";
        check::<Vec<Sort>>(lines, "[1].field", reason, lines);
        let long = format!("[{}, x]", vec!["1"; 100].join(","));
        let excerpt = "...1,1,1,1,1,1,1,1,1,1,1,1,1,1, x]";
        check::<Value>(&long, "", "expected value at line 1 column 203", excerpt);
    }
}
