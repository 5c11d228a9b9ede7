//! The guard rule: no branch of a lenient union may swallow what belongs to a later one.

use serde_json::Value;

use crate::schema;

/// A branch that takes what belongs to later ones.
#[derive(Debug, PartialEq)]
pub(super) struct Violation {
    /// The component that is the union.
    pub(super) union: String,
    /// The component that is the branch.
    pub(super) branch: String,
}

/// The violations in a lowered document.
///
/// A branch without a required, closed tag accepts every object (all else is optional), so only the last object branch
/// may lack one, and a union that ends in `Unknown` may not be a branch of another before its end.
pub(super) fn check(document: &Value) -> Vec<Violation> {
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
    let of = |name: &str| schemas.and_then(|map| map.get(name));
    let mut found = Vec::new();
    for (name, schema) in schemas.into_iter().flatten() {
        let Some(branches) = schema::branches(schema).filter(|list| list.last().is_some_and(is_unknown))
        else {
            continue;
        };
        let target = |branch: &Value| schema::target(branch.pointer("/allOf/0")?).map(str::to_owned);
        let members: Vec<(String, &Value)> = branches
            .iter()
            .filter_map(target)
            .filter_map(|name| of(&name).map(|member| (name, member)))
            .filter(|(_, member)| member.get("properties").is_some() || swallows(member))
            .collect();
        let but_last = members.len().saturating_sub(1);
        let untagged = members.into_iter().take(but_last).filter(|(_, member)| !is_tagged(member, &of));
        found.extend(untagged.map(|(branch, _)| Violation { union: name.clone(), branch }));
    }
    found
}

fn is_unknown(branch: &Value) -> bool {
    branch.get("title").is_some_and(|title| title == "Unknown")
}

fn swallows(schema: &Value) -> bool {
    schema::branches(schema).is_some_and(|branches| branches.last().is_some_and(is_unknown))
}

fn is_tagged<'a>(schema: &Value, of: &impl Fn(&str) -> Option<&'a Value>) -> bool {
    let required =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let closed = |name: &str| {
        let property = schema.get("properties")?.get(name)?;
        schema::enum_values(of(schema::target(property)?)?)
    };
    required.into_iter().any(|name| closed(name).is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::lower::tests::{object, reference, refused};

    /// Checks a union `It` of these branches: which of them swallow later ones.
    fn check_guard(members: Value, branches: &[&str], expected: &[&str]) {
        let wrapped = |name: &&str| json!({ "title": name, "allOf": [reference(name)] });
        let mut branches: Vec<Value> = branches.iter().map(wrapped).collect();
        branches.push(json!({ "title": "Unknown" }));
        let mut schemas = members;
        schemas["It"] = json!({ "oneOf": branches });
        schemas["Kind"] = json!({ "type": "string", "enum": ["a"] });
        let found = check(&json!({ "components": { "schemas": schemas } }));
        let violation = |branch: &&str| Violation { union: "It".to_owned(), branch: (*branch).to_owned() };
        assert_eq!(found, expected.iter().map(violation).collect::<Vec<_>>());
    }

    #[test]
    fn a_branch_that_would_swallow_the_next_is_named() {
        let tagged = json!({ "properties": { "type": reference("Kind") }, "required": ["type"] });
        let untagged = json!({ "properties": { "a": { "type": "string" } } });
        let optional = json!({ "properties": { "type": reference("Kind") } });
        let open = json!({ "properties": { "type": { "type": "string" } }, "required": ["type"] });
        let union = json!({ "oneOf": [{ "title": "Unknown" }] });
        for bad in [&untagged, &optional, &open, &union] {
            check_guard(json!({ "A": bad, "B": tagged }), &["A", "B"], &["A"]);
            check_guard(json!({ "A": tagged, "B": bad }), &["A", "B"], &[]);
        }
        let scalar = json!({ "type": "string", "enum": ["a"] });
        check_guard(json!({ "A": tagged, "B": tagged, "C": scalar }), &["A", "B", "C"], &[]);
        check_guard(json!({ "A": untagged, "C": scalar }), &["A", "C"], &[]);
    }

    #[test]
    fn the_lowering_refuses_such_a_union() {
        let fields = object(json!({ "a": { "type": "string" } }));
        let response = object(json!({ "it": { "oneOf": [reference("A"), reference("B")] } }));
        let error = refused(json!({ "Answer": response, "A": fields, "B": fields }));
        assert!(
            error.starts_with("$.components.schemas.Answer.properties.it: its branch A has no required tag"),
            "{error}"
        );
    }
}
