//! OpenAI's rules for the JSON schemas of functions and response formats, above all with `strict: true`. Sources: OpenAI's guide to structured outputs, and the errors of its API that users have published.

mod limits;
mod node;
mod rules;
mod union;

pub(crate) use node::Node;
use rules::Check;

/// Checks a JSON schema by OpenAI's rules for `strict: true`, as the mock checks those in requests.
///
/// It takes the schema's text, not a [`serde_json::Value`], because the order of keys counts: the objects of an `anyOf` may
/// not begin with the same key. It shares no code with libraries that make schemas strict, so it can test them. The rules:
///
/// - The root is an object without `anyOf`. Every object has `properties`, `additionalProperties: false`, and all of its
///   properties and nothing else in `required`; every array has `items`.
/// - Every schema has a `type`, an `anyOf` or a `$ref`; an `enum` or `const` alone is not enough, and its values have the
///   type. `format` is one of nine. Keywords outside OpenAI's subset are refused, `allOf` and `default` for instance.
/// - A `$ref` stands alone and leads to the root or to a definition at the root.
/// - The objects of an `anyOf`, through references and unions inside it, begin with different keys, or with a key whose
///   `const` or `enum` values differ.
/// - At most 5,000 properties, 10 levels of objects, 1,000 enum values, 15,000 characters in a string enum with more than 250
///   values, and 120,000 in all names and string constants. The root is level 1, arrays are not counted, and a definition
///   is counted once, from level 1.
/// - No object has a key twice.
///
/// # Errors
/// OpenAI's message after `Invalid schema for response_format 'name': `, in its own words if they are documented. Only the
/// first violation is reported.
///
/// ```
/// use tachikoma_openai_mock::check_strict_schema;
///
/// let schema = r#"{
///     "type": "object",
///     "properties": {"city": {"type": "string"}, "days": {"type": ["integer", "null"]}},
///     "required": ["city", "days"],
///     "additionalProperties": false
/// }"#;
/// assert_eq!(check_strict_schema(schema), Ok(()));
///
/// let open = schema.replace(r#""additionalProperties": false"#, r#""additionalProperties": true"#);
/// assert_eq!(
///     check_strict_schema(&open).unwrap_err(),
///     "In context=(), 'additionalProperties' is required to be supplied and to be false."
/// );
/// ```
pub fn check_strict_schema(schema: &str) -> Result<(), String> {
    let root: Node =
        serde_json::from_str(schema).map_err(|error| format!("schema is not valid JSON: {error}."))?;
    check_strict(&root)
}

/// Checks a schema with `strict: true`.
pub(crate) fn check_strict(root: &Node) -> Check {
    rules::check_root(root)?;
    walk(root, &mut Vec::new(), &|schema, path| rules::check_strict(root, schema, path))?;
    walk(root, &mut Vec::new(), &|schema, _| union::check(root, schema))?;
    limits::check(root)
}

/// Checks the parameters of a function without `strict: true`.
pub(crate) fn check_parameters(root: &Node) -> Check {
    rules::check_root(root)?;
    rules::check_properties(root, &[])?;
    walk(root, &mut Vec::new(), &rules::check_items)
}

/// Calls `check` with every schema inside this one, each with the path of keys that leads to it.
fn walk(schema: &Node, path: &mut Vec<String>, check: &impl Fn(&Node, &[String]) -> Check) -> Check {
    check(schema, path)?;
    for child in subschemas(schema) {
        let depth = path.len();
        path.push(child.keyword.to_owned());
        path.extend(child.name);
        walk(child.schema, path, check)?;
        path.truncate(depth);
    }
    Ok(())
}

struct Subschema<'a> {
    keyword: &'static str,
    /// The name of a property or definition, or the index of a branch.
    name: Option<String>,
    schema: &'a Node,
}

impl Subschema<'_> {
    fn is_definition(&self) -> bool {
        ["$defs", "definitions"].contains(&self.keyword)
    }
}

/// The schemas directly inside a schema.
fn subschemas(schema: &Node) -> Vec<Subschema<'_>> {
    let mut found = Vec::new();
    for keyword in ["properties", "$defs", "definitions"] {
        let entries = schema.get(keyword).map(Node::entries).unwrap_or_default();
        found.extend(entries.iter().map(|(name, schema)| Subschema {
            keyword,
            name: Some(name.clone()),
            schema,
        }));
    }
    for keyword in ["anyOf", "oneOf", "allOf"] {
        let branches = schema.get(keyword).map(Node::items).unwrap_or_default().iter().enumerate();
        found.extend(branches.map(|(index, schema)| Subschema {
            keyword,
            name: Some(index.to_string()),
            schema,
        }));
    }
    found.extend(schema.get("items").map(|schema| Subschema { keyword: "items", name: None, schema }));
    found
}
