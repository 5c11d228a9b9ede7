//! R24: `x-codex-*` hints, which the overlay writes and a rule consumes. An unused one is an error.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::{Components, Tally};
use crate::schema::{self, Map, Place};

/// What every hint starts with.
pub(super) const PREFIX: &str = "x-codex-";
/// The variant name of a union branch.
pub(super) const NAME: &str = "x-codex-name";
/// Properties that are required in spite of the document.
pub(super) const REQUIRED: &str = "x-codex-required";
/// The properties that an object keeps, beside those that a request requires: a newer one changes no literal of the adapter, and
/// no response fails for a field that the adapter does not read.
pub(super) const KEEP: &str = "x-codex-keep";
/// Whether a request object carries further fields of the caller.
pub(super) const EXTRA: &str = "x-codex-extra";
/// Traits that build.rs derives on the type.
pub(super) const DERIVE: &str = "x-codex-derive";
/// The type of this crate that build.rs puts in the place of the generated one.
pub(super) const TYPE: &str = "x-codex-type";
/// Whether a component belongs to responses although nothing refers to it: the adapter parses such JSON by its own look at the
/// type.
pub(super) const ROOT: &str = "x-codex-root";
/// A JSON merge patch for the response side.
pub(super) const RESPONSE: &str = "x-codex-response";

/// Which hints there are, by place, and which were consumed. A hint travels as `{at, is}`, so that a copy (a split
/// component, an inlined alias) counts for its origin.
#[derive(Debug, Default)]
pub(super) struct Hints {
    seen: BTreeSet<String>,
    used: BTreeSet<String>,
}

impl Hints {
    /// Notes every hint under `schema` that it does not know yet, and refuses unknown and misshapen ones.
    pub(super) fn mark(&mut self, schema: &mut Value, path: &str) -> Result<()> {
        schema::bottom_up(schema, Place { path, branch: false }, &mut |schema, place| {
            let Some(object) = schema.as_object_mut() else { return Ok(()) };
            let marked = |value: &Value| value.get("at").is_some() && value.get("is").is_some();
            for (key, value) in
                object.iter_mut().filter(|(key, value)| key.starts_with(PREFIX) && !marked(value))
            {
                let fits = match key.as_str() {
                    NAME | TYPE => value.is_string(),
                    EXTRA | ROOT => value.is_boolean(),
                    REQUIRED | KEEP | DERIVE => {
                        value.as_array().is_some_and(|list| list.iter().all(Value::is_string))
                    }
                    RESPONSE => value.is_object(),
                    _ => bail!("{}: no such hint, {key}; openapi/README.md lists them", place.path),
                };
                if !fits {
                    bail!("{}: {key} cannot be {value}; openapi/README.md lists its values", place.path);
                }
                let at = format!("{}{}", place.path, schema::step(key));
                self.seen.insert(at.clone());
                *value = json!({ "at": at, "is": value.take() });
            }
            Ok(())
        })
    }

    /// Takes a hint off `schema`: it is consumed.
    pub(super) fn take(&mut self, schema: &mut Map, hint: &str) -> Option<Value> {
        let mut marked = schema.remove(hint)?;
        self.used.insert(marked.get("at")?.as_str()?.to_owned());
        marked.get_mut("is").map(Value::take)
    }

    /// [`Hints::take`] for a list of strings.
    pub(super) fn take_list(&mut self, schema: &mut Map, hint: &str) -> Vec<String> {
        let list = self.take(schema, hint);
        let strings = list.as_ref().and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        strings.map(str::to_owned).collect()
    }

    /// Notes that these were consumed.
    pub(super) fn consume(&mut self, hints: Vec<String>) {
        self.used.extend(hints);
    }

    /// Hands the derives and types on to build.rs, removes those that other copies consumed, and refuses unused ones.
    pub(super) fn finish(mut self, components: &mut Components, tally: &mut Tally) -> Result<()> {
        for component in components.values_mut() {
            let Some(object) = component.schema.as_object_mut() else { continue };
            let derives = self.take_list(object, DERIVE);
            let own_type = self.take(object, TYPE);
            schema::bottom_up(&mut component.schema, Place { path: "", branch: false }, &mut |schema, _| {
                if let Some(object) = schema.as_object_mut() {
                    object.retain(|key, _| !key.starts_with(PREFIX));
                }
                Ok(())
            })?;
            if let Some(object) = component.schema.as_object_mut().filter(|_| !derives.is_empty()) {
                object.insert(DERIVE.to_owned(), json!(derives));
            }
            if let Some((object, own_type)) = component.schema.as_object_mut().zip(own_type) {
                object.insert(TYPE.to_owned(), own_type);
            }
        }
        tally.add("R24", self.used.len());
        let idle: Vec<&str> = self.seen.difference(&self.used).map(String::as_str).collect();
        if !idle.is_empty() {
            bail!(
                "no rule uses these hints where they stand; move or drop them in openapi/overlay.yaml:\n{}",
                idle.join("\n")
            );
        }
        Ok(())
    }
}

/// The request side's view of a schema: no patches for the other side.
pub(super) fn drop_response_patches(schema: &mut Value) -> Result<()> {
    schema::bottom_up(schema, Place { path: "", branch: false }, &mut |schema, _| {
        if let Some(object) = schema.as_object_mut() {
            object.remove(RESPONSE);
        }
        Ok(())
    })
}

/// The response side's view of a schema: its patches applied. Returns them, to be consumed if that side has the schema.
pub(super) fn apply_response_patches(schema: &mut Value) -> Result<Vec<String>> {
    let mut hints = Hints::default();
    schema::bottom_up(schema, Place { path: "", branch: false }, &mut |schema, _| {
        let patch = schema.as_object_mut().and_then(|object| hints.take(object, RESPONSE));
        if let Some(patch) = patch {
            merge_patch(schema, &patch);
        }
        Ok(())
    })?;
    Ok(hints.used.into_iter().collect())
}

/// RFC 7396: objects are merged, null removes, anything else replaces.
fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(object) = target.as_object_mut() else { return };
    for (key, value) in patch {
        if value.is_null() {
            object.remove(key);
        } else {
            merge_patch(object.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::tests::{lowered, object, reference, refused};

    #[test]
    fn r24_unknown_misshapen_and_idle_hints_are_refused_with_their_paths() {
        let check = |hint: &str, value: Value, why: &str| {
            let mut question = object(json!({ "a-b": { "type": "string" } }));
            question["properties"]["a-b"][hint] = value;
            let error = refused(json!({ "Question": question }));
            assert!(error.contains("$.components.schemas.Question.properties['a-b']"), "{error}");
            assert!(error.contains(why), "{error}");
        };
        check("x-codex-color", json!("red"), "no such hint, x-codex-color");
        check("x-codex-name", json!(["N"]), "x-codex-name cannot be [\"N\"]");
        check("x-codex-required", json!("id"), "x-codex-required cannot be");
        check("x-codex-name", json!("N"), "no rule uses these hints");
        check("x-codex-required", json!(["id"]), "no rule uses these hints");
        check("x-codex-response", json!({ "type": "integer" }), "no rule uses these hints");
    }

    #[test]
    fn r24_a_hint_on_a_branch_that_a_rule_drops_is_idle() {
        let closed = json!({ "type": "string", "enum": ["a"], "x-codex-name": "Mode" });
        let union = json!({ "oneOf": [{ "type": "string" }, closed] });
        let error = refused(json!({ "Question": object(json!({ "it": union })) }));
        assert!(
            error.ends_with("$.components.schemas.Question.properties.it.oneOf[1]['x-codex-name']"),
            "{error}"
        );
    }

    #[test]
    fn r24_a_patch_for_answers_leaves_requests_alone() {
        let both = object(json!({ "it": reference("Shared") }));
        let shared = object(json!({ "a": { "type": "string" }, "b": reference("Deep") }));
        let mut patched = shared.clone();
        patched["x-codex-response"] = json!({ "properties": { "a": { "type": "boolean" }, "b": null } });
        let deep = object(json!({ "c": { "type": "string" } }));
        let found = lowered(json!({ "Question": both, "Answer": both, "Shared": patched, "Deep": deep }));
        assert_eq!(found["SharedParam"], shared);
        assert_eq!(found["Shared"], object(json!({ "a": { "type": "boolean", "nullable": true } })));
        assert_eq!(found.get("DeepParam"), None, "only requests reach it now");
    }

    #[test]
    fn r24_a_patch_for_answers_may_bring_hints() {
        let mut response = object(json!({ "id": { "type": "string" } }));
        response["x-codex-response"] = json!({ "x-codex-required": ["id"] });
        assert_eq!(lowered(json!({ "Answer": response }))["Answer"]["required"], json!(["id"]));
        response["x-codex-response"] = json!({ "x-codex-color": "red" });
        let error = refused(json!({ "Answer": response }));
        assert!(error.contains("$.components.schemas.Answer: no such hint, x-codex-color"), "{error}");
    }

    #[test]
    fn r24_derives_are_handed_to_the_build_script() {
        let mut question = object(json!({ "a": { "type": "string" } }));
        question["x-codex-derive"] = json!(["Default"]);
        assert_eq!(lowered(json!({ "Question": question }))["Question"], question);
    }

    #[test]
    fn a_merge_patch_merges_replaces_and_removes() {
        let check = |mut target: Value, patch: Value, expected: Value| {
            merge_patch(&mut target, &patch);
            assert_eq!(target, expected);
        };
        let nested = json!({ "a": { "b": null, "d": 3 } });
        check(json!({ "a": { "b": 1, "c": 2 } }), nested, json!({ "a": { "c": 2, "d": 3 } }));
        check(json!({ "a": [1] }), json!({ "a": [2] }), json!({ "a": [2] }));
        check(json!("a"), json!({ "b": { "c": null } }), json!({ "b": {} }));
    }
}
