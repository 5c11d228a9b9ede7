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
            bail!("openapi/overlay.yaml says `overlay: {}`; only version 1 is known", overlay.overlay);
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
