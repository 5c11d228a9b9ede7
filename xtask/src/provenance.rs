//! `provenance.json`: what the generated files were made of, and what was done to it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::prune::GENERATED_BY;

/// The record beside the generated files.
#[derive(Debug, Deserialize, Serialize, PartialEq)]
pub(crate) struct Provenance {
    generated_by: String,
    pub(crate) upstream: Upstream,
    pub(crate) operations: Vec<String>,
    pub(crate) closure: Size,
    pub(crate) lowered: Size,
    /// Places that overlay.yaml patched.
    overlay_patches: usize,
    /// How often each rule of the lowering changed something.
    rules: BTreeMap<String, usize>,
}

/// The document as its owner publishes it.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
pub(crate) struct Upstream {
    /// A URL or a package.
    pub(crate) source: String,
    /// The document's own date.
    pub(crate) date: Option<String>,
    pub(crate) sha256: String,
    pub(crate) openapi: String,
    version: String,
    #[serde(flatten)]
    pub(crate) size: Size,
}

/// How large a document is.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
pub(crate) struct Size {
    pub(crate) bytes: usize,
    pub(crate) paths: usize,
    pub(crate) schemas: usize,
}

impl Size {
    pub(crate) fn of(document: &Value, text: &str) -> Self {
        let count = |pointer| document.pointer(pointer).and_then(Value::as_object).map_or(0, |map| map.len());
        Self { bytes: text.len(), paths: count("/paths"), schemas: count("/components/schemas") }
    }
}

impl Upstream {
    pub(crate) fn new(
        source: String,
        date: Option<String>,
        sha256: String,
        document: &Value,
        text: &str,
    ) -> Self {
        let field =
            |pointer| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (openapi, version) = (field("/openapi"), field("/info/version"));
        Self { source, date, sha256, openapi, version, size: Size::of(document, text) }
    }
}

impl Provenance {
    pub(crate) fn new(
        upstream: Upstream,
        operations: Vec<String>,
        (closure, lowered): (Size, Size),
        overlay_patches: usize,
        rules: BTreeMap<String, usize>,
    ) -> Self {
        let generated_by = GENERATED_BY.to_owned();
        Self { generated_by, upstream, operations, closure, lowered, overlay_patches, rules }
    }
}
