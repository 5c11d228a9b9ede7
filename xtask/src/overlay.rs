//! Applies `openapi/overlay.yaml`, an OpenAPI Overlay 1.0: hand patches that name their targets by JSONPath.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;
use serde_json_path::JsonPath;

/// An overlay document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Overlay {
    overlay: String,
    #[serde(rename = "info")]
    _info: Value,
    actions: Vec<Action>,
}

/// One patch: what it aims at, and either what is merged into it or that it goes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Action {
    target: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    update: Option<Value>,
    #[serde(default)]
    remove: bool,
}

impl Overlay {
    /// Reads an overlay from YAML.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let overlay: Self =
            serde_saphyr::from_str(text).context("openapi/overlay.yaml is not an OpenAPI Overlay")?;
        if !overlay.overlay.starts_with("1.") {
            bail!("openapi/overlay.yaml has `overlay: {}`; only version 1 is supported", overlay.overlay);
        }
        Ok(overlay)
    }

    /// Applies every action in order; returns how many places were patched.
    pub(crate) fn apply(&self, document: &mut Value) -> Result<usize> {
        let mut patched = 0;
        for (index, action) in self.actions.iter().enumerate() {
            patched += action.apply(document).with_context(|| {
                let why = action
                    .description
                    .as_deref()
                    .map(|text| format!(" ({})", text.trim()))
                    .unwrap_or_default();
                format!("openapi/overlay.yaml: action {} on {}{why}", index + 1, action.target)
            })?;
        }
        Ok(patched)
    }
}

impl Action {
    fn apply(&self, document: &mut Value) -> Result<usize> {
        let path = JsonPath::parse(&self.target).context("the target is not a JSONPath")?;
        let mut pointers: Vec<String> =
            path.query_located(document).locations().map(|location| location.to_json_pointer()).collect();
        if pointers.is_empty() {
            bail!(
                "matches nothing in the document; correct the target, or drop the action if upstream made it needless"
            );
        }
        // From the back, so that removing one array element does not move the next.
        pointers.reverse();
        for pointer in &pointers {
            match (&self.update, self.remove) {
                (Some(update), false) => {
                    merge(document.pointer_mut(pointer).context("lost its target")?, update)
                }
                (None, true) => remove(document, pointer)?,
                _ => bail!("needs either `update` or `remove: true`"),
            }
        }
        Ok(pointers.len())
    }
}

/// Objects are merged key by key, arrays grow at their end, anything else is replaced.
fn merge(target: &mut Value, update: &Value) {
    match (target, update) {
        (Value::Object(target), Value::Object(update)) => {
            for (key, value) in update {
                match target.get_mut(key) {
                    Some(present) => merge(present, value),
                    None => {
                        target.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (Value::Array(target), Value::Array(more)) => target.extend(more.iter().cloned()),
        (Value::Array(target), one) => target.push(one.clone()),
        (target, other) => *target = other.clone(),
    }
}

fn remove(document: &mut Value, pointer: &str) -> Result<()> {
    let (parent, key) = pointer.rsplit_once('/').context("the document itself cannot be removed")?;
    match document.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.remove(&key.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(list)) => {
            let index: usize = key.parse()?;
            if index < list.len() {
                list.remove(index);
            }
        }
        _ => bail!("lost its target"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn apply(actions: &str, document: &mut Value) -> Result<usize> {
        Overlay::parse(&format!("overlay: 1.0.0\ninfo: {{}}\nactions:\n{actions}"))?.apply(document)
    }

    fn check_applied(actions: &str, mut document: Value, expected: Value) {
        apply(actions, &mut document).unwrap();
        assert_eq!(document, expected);
    }

    #[test]
    fn updates_merge_into_every_target() {
        check_applied(
            "- {target: '$.a[*]', update: {x: {y: 1}, list: [2]}}",
            json!({ "a": [{ "x": { "z": 0 }, "list": [1] }, {}] }),
            json!({ "a": [{ "x": { "y": 1, "z": 0 }, "list": [1, 2] }, { "x": { "y": 1 }, "list": [2] }] }),
        );
        check_applied("- {target: $.a, update: 2}", json!({ "a": [1] }), json!({ "a": [1, 2] }));
    }

    #[test]
    fn removals_take_every_target_out() {
        let list = json!({ "a": [{ "x": 1 }, 2, { "x": 3 }] });
        check_applied("- {target: '$.a[?@.x]', remove: true}", list, json!({ "a": [2] }));
        let escaped = json!({ "paths": { "/a~b": 1 } });
        check_applied("- {target: \"$.paths['/a~b']\", remove: true}", escaped, json!({ "paths": {} }));
    }

    #[test]
    fn actions_follow_each_other() {
        check_applied(
            "- {target: $.a, remove: true}\n- {target: $, update: {a: new}}",
            json!({ "a": { "old": 1 } }),
            json!({ "a": "new" }),
        );
    }

    #[test]
    fn an_action_that_cannot_be_applied_is_named() {
        let check = |actions: &str, why: &str| {
            let error = format!("{:#}", apply(actions, &mut json!({ "a": 1 })).unwrap_err());
            assert!(error.contains(why), "{error}");
        };
        check(
            "- {target: $, update: {}}\n- {target: $.b, remove: true, description: No b.}",
            "action 2 on $.b (No b.): matches nothing in the document",
        );
        check("- {target: '$[', remove: true}", "the target is not a JSONPath");
        check("- {target: $.a}", "needs either `update` or `remove: true`");
        check("- {target: $.a, remove: true, update: 1}", "needs either `update` or `remove: true`");
        check("- {target: $, remove: true}", "the document itself cannot be removed");
        check("- {target: $, updates: {}}", "not an OpenAPI Overlay");
        let error = Overlay::parse("overlay: 2.0.0\ninfo: {}\nactions: []").unwrap_err();
        assert!(error.to_string().contains("only version 1 is supported"));
    }
}
