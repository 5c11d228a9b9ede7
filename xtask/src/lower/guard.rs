//! The guard rule: no branch of a lenient union may swallow what belongs to a later one.

use serde_json::Value;

use crate::schema;

/// The violations in a lowered document, each with its path.
///
/// A branch without a required, closed tag accepts every object (all else is optional), so only the last object branch
/// may lack one, and a union that ends in `Unknown` may not be a branch of another before its end.
pub(super) fn check(document: &Value) -> Vec<String> {
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
    let of = |name: &str| schemas.and_then(|map| map.get(name));
    let mut found = Vec::new();
    for (name, schema) in schemas.into_iter().flatten() {
        let Some(branches) = schema::branches(schema).filter(|list| list.last().is_some_and(is_unknown))
        else {
            continue;
        };
        let members: Vec<(usize, &str, &Value)> = branches
            .iter()
            .enumerate()
            .filter_map(|(index, branch)| {
                let name = schema::target(branch.pointer("/allOf/0")?)?;
                Some((index, name, of(name)?))
            })
            .filter(|(_, _, member)| member.get("properties").is_some() || swallows(member))
            .collect();
        let but_last = members.split_last().map_or(&[][..], |(_, rest)| rest);
        for (index, member, _) in but_last.iter().filter(|(_, _, member)| !is_tagged(member, &of)) {
            found.push(format!(
                "{}.oneOf[{index}]: {member} has no required tag with closed values, so it would swallow the branches \
                 after it; give it one in openapi/overlay.yaml, or remove the branch",
                schema::component_path(name)
            ));
        }
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

    fn check_guard(members: Value, branches: &[&str], expected: &[&str]) {
        let wrapped = |name: &&str| json!({ "title": name, "allOf": [reference(name)] });
        let mut branches: Vec<Value> = branches.iter().map(wrapped).collect();
        branches.push(json!({ "title": "Unknown" }));
        let mut schemas = members;
        schemas["It"] = json!({ "oneOf": branches });
        schemas["Kind"] = json!({ "type": "string", "enum": ["a"] });
        let found = check(&json!({ "components": { "schemas": schemas } }));
        let places: Vec<&str> = found.iter().filter_map(|text| text.split(" has no").next()).collect();
        assert_eq!(places, expected);
    }

    #[test]
    fn a_branch_that_would_swallow_the_next_is_named_with_its_path() {
        let tagged = json!({ "properties": { "type": reference("Kind") }, "required": ["type"] });
        let untagged = json!({ "properties": { "a": { "type": "string" } } });
        let optional = json!({ "properties": { "type": reference("Kind") } });
        let open = json!({ "properties": { "type": { "type": "string" } }, "required": ["type"] });
        let union = json!({ "oneOf": [{ "title": "Unknown" }] });
        for bad in [&untagged, &optional, &open, &union] {
            let place = "$.components.schemas.It.oneOf[0]: A";
            check_guard(json!({ "A": bad, "B": tagged }), &["A", "B"], &[place]);
            check_guard(json!({ "A": tagged, "B": bad }), &["A", "B"], &[]);
        }
        let scalar = json!({ "type": "string", "enum": ["a"] });
        check_guard(json!({ "A": tagged, "B": tagged, "C": scalar }), &["A", "B", "C"], &[]);
        check_guard(json!({ "A": untagged, "C": scalar }), &["A", "C"], &[]);
    }

    #[test]
    fn the_lowering_refuses_such_a_union() {
        let fields = object(json!({ "a": { "type": "string" } }));
        let answer = object(json!({ "it": { "oneOf": [reference("A"), reference("B")] } }));
        let error = refused(json!({ "Answer": answer, "A": fields, "B": fields }));
        assert!(
            error.starts_with("$.components.schemas.AnswerIt.oneOf[0]: A has no required tag"),
            "{error}"
        );
    }
}
