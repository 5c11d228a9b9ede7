//! Schemas and values that are small and cost much.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{ToolCall, ToolDefinition, strict_schema};

/// Schemas that grow without an end where they are written out.
#[test]
fn hostile_schemas_are_refused_at_once() {
    let doubling = |keyword: &str, count: usize| {
        let mut definitions: Map<String, Value> = (0..count)
            .map(|n| {
                let next = json!({ "$ref": format!("#/$defs/D{}", n + 1) });
                (format!("D{n}"), json!({ keyword: [next, next], "title": "t", "type": "object" }))
            })
            .collect();
        let last = json!({ "type": "object", "properties": { "x": { "type": "string" } } });
        definitions.insert(format!("D{count}"), last);
        json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/D0" }, "b": { "allOf": [{ "$ref": "#/$defs/D0" }] } },
            "$defs": definitions })
    };
    for keyword in ["allOf", "anyOf"] {
        for count in [30, 1_000] {
            let error = strict_schema(doubling(keyword, count)).unwrap_err().to_string();
            let is_expected = ["joins more than", "follows more than", "alternatives"]
                .iter()
                .any(|words| error.contains(words));
            assert!(is_expected, "{keyword} {count}: {}", &error[..error.len().min(300)]);
        }
    }
    let deep =
        (0..1_000).fold(json!({ "type": "string" }), |inner, _| json!({ "type": "array", "items": inner }));
    let error = strict_schema(json!({ "type": "object", "properties": { "a": deep } })).unwrap_err();
    assert!(error.to_string().contains("it is nested deeper than 256 levels"), "{error}");
}

/// A tree of operations whose branches have the same fields: each of them is looked at once for each value.
#[test]
fn deep_values_of_a_recursive_union_are_read_at_once() {
    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(tag = "op")]
    #[expect(dead_code, reason = "only how it is read counts")]
    enum Expression {
        Add(Operands),
        Subtract(Operands),
        Multiply(Operands),
        Value { a: u8 },
    }
    #[derive(Debug, Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only how it is read counts")]
    struct Operands {
        a: Box<Expression>,
        b: Box<Expression>,
        #[serde(default)]
        rank: u8,
    }
    #[derive(Debug, Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only how it is read counts")]
    struct Whole {
        whole: Expression,
    }
    let tool = ToolDefinition::from_type::<Whole>("f", "").into_strict().unwrap();
    let value = || json!({ "op": "Value", "a": 1 });
    let deep =
        (0..50).fold(value(), |inner, _| json!({ "op": "Multiply", "a": inner, "b": value(), "rank": null }));
    let call = ToolCall::new("call_1", "f", json!({ "whole": deep }).to_string());
    tool.parse_arguments::<Whole>(&call).unwrap();
}
