//! The limits on the size of schemas with `strict: true`.

use std::fmt::Write;

use crate::strict_schema::{STRING, object, passes, property_passes, refused, union, with};

#[test]
fn a_schema_has_at_most_5000_properties() {
    let fields = |number: usize| {
        let names: Vec<String> = (0..number).map(|index| format!("p{index}")).collect();
        object(&names.iter().map(|name| (name.as_str(), STRING)).collect::<Vec<_>>())
    };
    passes(&fields(5_000));
    refused(&fields(5_001), "5001 parameters exceeds limit of 5000.");
    refused(
        &with(&fields(2_500), &format!(r#""$defs": {{"X": {}}}"#, fields(2_501))),
        "5001 parameters exceeds limit of 5000.",
    );
}

#[test]
fn objects_nest_10_levels_deep() {
    let nested = |levels: usize| (1..levels).fold(object(&[]), |inner, _| object(&[("a", &inner)]));
    passes(&nested(10));
    refused(&nested(11), "11 levels of nesting exceeds limit of 10.");
    refused(&nested(14), "14 levels of nesting exceeds limit of 10.");
    let array = |inner: String| format!(r#"{{"type": "array", "items": {inner}}}"#);
    passes(&object(&[("a", &array(array(nested(9))))]));
    refused(&object(&[("a", &array(nested(10)))]), "11 levels of nesting exceeds limit of 10.");
    refused(&object(&[("a", &union(&[&nested(10)]))]), "11 levels of nesting exceeds limit of 10.");
    // A definition begins anew, wherever it is referred to.
    let deep = (1..10).fold(r##"{"$ref": "#/$defs/X"}"##.to_owned(), |inner, _| object(&[("a", &inner)]));
    passes(&with(&deep, &format!(r#""$defs": {{"X": {}}}"#, nested(10))));
    refused(
        &with(&deep, &format!(r#""$defs": {{"X": {}}}"#, nested(11))),
        "11 levels of nesting exceeds limit of 10.",
    );
}

/// An enum of strings, each of this length.
fn enumeration(number: usize, length: usize) -> String {
    let values = (0..number).fold(String::new(), |mut values, index| {
        let comma = if index == 0 { "" } else { ", " };
        write!(values, r#"{comma}"{index:0length$}""#).unwrap();
        values
    });
    format!(r#"{{"type": "string", "enum": [{values}]}}"#)
}

#[test]
fn enums_are_limited() {
    const ADVICE: &str =
        "Consider reducing the number of enums, or use 'strict: false' to opt out of structured outputs.";
    property_passes(&enumeration(1_000, 3));
    passes(&object(&[("a", &enumeration(500, 3)), ("b", &enumeration(500, 3))]));
    refused(
        &object(&[("a", &enumeration(500, 3)), ("b", &enumeration(501, 3))]),
        &format!(
            "Expected at most 1000 enum values in total within a single schema when using structured outputs, but \
             received 1001. {ADVICE}"
        ),
    );
    property_passes(&enumeration(300, 50));
    property_passes(&enumeration(250, 400));
    let characters = |received: usize| {
        format!(
            "Expected at most 15000 total characters across enum values when there are more than 250 enum values, but \
             received {received}. {ADVICE}"
        )
    };
    refused(&object(&[("a", &enumeration(251, 60))]), &characters(15_060));
    // Each enum has the limit for itself.
    passes(&object(&[("a", &enumeration(251, 59)), ("b", &enumeration(251, 59))]));
}

#[test]
fn names_and_constants_are_limited_together() {
    let refused_with = |schema: &str, received: usize| {
        refused(
            schema,
            &format!(
                "Expected at most 120000 total characters across property names, definition names, enum values and \
                 const values, but received {received}."
            ),
        );
    };
    // Characters, not bytes.
    let long = "ä".repeat(60_000);
    let constant = |length: usize| format!(r#"{{"type": "string", "const": "{}"}}"#, "x".repeat(length));
    passes(&object(&[(&long, &constant(60_000))]));
    refused_with(&object(&[(&long, &constant(60_001))]), 120_001);
    refused_with(&object(&[("a", &enumeration(200, 600))]), 120_001);
    refused_with(
        &with(&object(&[(&long, STRING)]), &format!(r#""$defs": {{"b{long}": {STRING}}}"#)),
        120_001,
    );
    // Descriptions are not counted.
    property_passes(&format!(r#"{{"type": "string", "description": "{}"}}"#, "x".repeat(200_000)));
}
