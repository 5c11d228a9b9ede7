//! The limits on the size of a strict schema. A definition is counted once, not at each reference.

use super::node::Node;
use super::rules::Check;
use super::subschemas;

const PROPERTIES: usize = 5_000;

/// Objects inside one another, the root included. Arrays and unions between them do not count.
const LEVELS: usize = 10;

const ENUM_VALUES: usize = 1_000;

/// An enum of strings with more values than this is limited to [`ENUM_CHARACTERS`].
const SMALL_ENUM: usize = 250;

const ENUM_CHARACTERS: usize = 15_000;

/// In the names of properties and definitions, and in the strings of `enum` and `const`.
const CHARACTERS: usize = 120_000;

#[derive(Default)]
struct Size {
    properties: usize,
    levels: usize,
    enum_values: usize,
    /// Of the largest enum with more than [`SMALL_ENUM`] values.
    enum_characters: usize,
    characters: usize,
}

/// Refuses a schema that is too large.
pub(super) fn check(root: &Node) -> Check {
    let mut size = Size::default();
    size.add(root, 0);
    let Size { properties, levels, enum_values, enum_characters, characters } = size;
    let advice =
        "Consider reducing the number of enums, or use 'strict: false' to opt out of structured outputs.";
    if properties > PROPERTIES {
        return Err(format!("{properties} parameters exceeds limit of {PROPERTIES}."));
    }
    if levels > LEVELS {
        return Err(format!("{levels} levels of nesting exceeds limit of {LEVELS}."));
    }
    if enum_values > ENUM_VALUES {
        return Err(format!(
            "Expected at most {ENUM_VALUES} enum values in total within a single schema when using structured \
             outputs, but received {enum_values}. {advice}"
        ));
    }
    if enum_characters > ENUM_CHARACTERS {
        return Err(format!(
            "Expected at most {ENUM_CHARACTERS} total characters across enum values when there are more than \
             {SMALL_ENUM} enum values, but received {enum_characters}. {advice}"
        ));
    }
    if characters > CHARACTERS {
        return Err(format!(
            "Expected at most {CHARACTERS} total characters across property names, definition names, enum values \
             and const values, but received {characters}."
        ));
    }
    Ok(())
}

impl Size {
    fn add(&mut self, schema: &Node, levels: usize) {
        let levels = levels + usize::from(schema.get("properties").is_some());
        self.levels = self.levels.max(levels);
        self.properties += schema.get("properties").map_or(0, |properties| properties.entries().len());
        for names in ["properties", "$defs", "definitions"].iter().filter_map(|keyword| schema.get(keyword)) {
            self.characters += names.entries().iter().map(|(name, _)| length(name)).sum::<usize>();
        }
        let values = schema.get("enum").map(Node::items).unwrap_or_default();
        let in_enum: usize = values.iter().filter_map(Node::as_str).map(length).sum();
        self.enum_values += values.len();
        if values.len() > SMALL_ENUM {
            self.enum_characters = self.enum_characters.max(in_enum);
        }
        self.characters += in_enum + schema.get("const").and_then(Node::as_str).map_or(0, length);
        for child in subschemas(schema) {
            self.add(child.schema, if child.is_definition() { 0 } else { levels });
        }
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}
