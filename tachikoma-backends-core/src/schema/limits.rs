//! How large a strict schema may be, as OpenAI's guide to structured outputs has it (November 2026).

use serde_json::{Map, Value};

use super::pointer;

/// Properties in all.
const MAX_PROPERTIES: usize = 5_000;
/// Objects within objects.
const MAX_DEPTH: usize = 10;
/// Values of all enums together.
const MAX_ENUM_VALUES: usize = 1_000;
/// Characters in the names of properties and definitions and in the texts of enums and constants.
const MAX_NAME_CHARS: usize = 120_000;
/// Characters in the texts of one enum that has more values than this.
const MAX_LARGE_ENUM_CHARS: usize = 15_000;
const LARGE_ENUM_VALUES: usize = 250;

/// JSON within JSON: more is not looked at, so that no stack overflows.
pub(super) const MAX_LEVELS: usize = 256;

/// Whether a schema can be walked through by recursion.
pub(super) fn is_walkable(schema: &Value) -> bool {
    let mut open = vec![(schema, 1)];
    while let Some((value, level)) = open.pop() {
        if level > MAX_LEVELS {
            return false;
        }
        match value {
            Value::Object(fields) => open.extend(fields.values().map(|field| (field, level + 1))),
            Value::Array(items) => open.extend(items.iter().map(|item| (item, level + 1))),
            _ => {}
        }
    }
    true
}

/// Reports what is larger than OpenAI accepts.
pub(super) fn check(schema: &Value, problems: &mut Vec<String>) {
    let mut size = Size { problems, properties: 0, enum_values: 0, name_chars: 0 };
    size.schema(schema, "", 0);
    let Size { properties, enum_values, name_chars, .. } = size;
    for (count, limit, what) in [
        (properties, MAX_PROPERTIES, "properties"),
        (enum_values, MAX_ENUM_VALUES, "enum values"),
        (name_chars, MAX_NAME_CHARS, "characters in its names and enum values"),
    ] {
        if count > limit {
            problems.push(format!("its root has {count} {what}; OpenAI accepts {limit}"));
        }
    }
}

struct Size<'a> {
    problems: &'a mut Vec<String>,
    properties: usize,
    enum_values: usize,
    name_chars: usize,
}

impl Size<'_> {
    /// A schema that is so many objects deep.
    fn schema(&mut self, schema: &Value, at: &str, depth: usize) {
        let Some(schema) = schema.as_object() else { return };
        self.values(schema, at);
        let properties = schema.get("properties").and_then(Value::as_object);
        let depth = depth + usize::from(properties.is_some());
        if depth > MAX_DEPTH {
            self.problems
                .push(format!("{at} is nested deeper than the {MAX_DEPTH} levels that OpenAI accepts"));
            return;
        }
        self.properties += properties.map_or(0, Map::len);
        self.named(properties, &format!("{at}/properties"), depth);
        if let Some(items) = schema.get("items") {
            self.schema(items, &format!("{at}/items"), depth);
        }
        let branches = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten();
        for (index, branch) in branches.enumerate() {
            self.schema(branch, &format!("{at}/anyOf/{index}"), depth);
        }
        for keyword in ["$defs", "definitions"] {
            self.named(schema.get(keyword).and_then(Value::as_object), &format!("{at}/{keyword}"), 0);
        }
    }

    fn named(&mut self, schemas: Option<&Map<String, Value>>, at: &str, depth: usize) {
        for (name, schema) in schemas.into_iter().flatten() {
            self.name_chars += name.chars().count();
            self.schema(schema, &pointer(at, name), depth);
        }
    }

    fn values(&mut self, schema: &Map<String, Value>, at: &str) {
        let chars = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
        self.name_chars += schema.get("const").map_or(0, chars);
        let Some(values) = schema.get("enum").and_then(Value::as_array) else { return };
        let text_chars: usize = values.iter().map(chars).sum();
        self.enum_values += values.len();
        self.name_chars += text_chars;
        if values.len() > LARGE_ENUM_VALUES && text_chars > MAX_LARGE_ENUM_CHARS {
            self.problems.push(format!(
                "{at} lists {} values of {text_chars} characters; of more than {LARGE_ENUM_VALUES} values OpenAI \
                 accepts {MAX_LARGE_ENUM_CHARS} characters",
                values.len()
            ));
        }
    }
}
