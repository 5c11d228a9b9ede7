//! R9, R10: every type a name, every branch of a union a variant name.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::hints::{self, Hints};
use super::unions::{self, Tags};
use super::{Component, Components, Tally, objects};
use crate::schema;

/// `response.output_text.delta` -> `ResponseOutputTextDelta`.
pub(super) fn pascal(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words
        .map(|word| {
            word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect::<String>()
        })
        .collect()
}

/// R9: makes a component of every inline object, enum and union, named by the path to it (a union branch by its title).
pub(super) fn hoist(components: Components, hints: &mut Hints, tally: &mut Tally) -> Result<Components> {
    let mut done = Components::new();
    let mut hoisted = Components::new();
    for (name, mut component) in components {
        let mut schema = component.schema.take();
        hoist_children(&mut schema, &name, &component, &mut hoisted, hints)?;
        component.schema = schema;
        done.insert(name, component);
    }
    tally.add("R9", hoisted.len());
    for (name, component) in hoisted {
        if done.contains_key(&name) {
            bail!(
                "{}: its type would be called {name}, which exists already; set {} there",
                component.path,
                hints::NAME
            );
        }
        done.insert(name, component);
    }
    Ok(done)
}

fn hoist_children(
    schema: &mut Value,
    name: &str,
    parent: &Component,
    hoisted: &mut Components,
    hints: &mut Hints,
) -> Result<()> {
    for (keyword, suffix, child) in schema::children_mut(schema) {
        // On a branch the hint names the variant too, and is taken there.
        let named_here = keyword != "oneOf" && !objects::is_alias(child);
        let own = child.as_object_mut().filter(|_| named_here);
        let part = own.and_then(|object| hints.take(object, hints::NAME));
        let part = part.as_ref().and_then(Value::as_str).map(str::to_owned);
        let child_name = format!("{name}{}", part.unwrap_or_else(|| name_part(keyword, &suffix, child)));
        let mut place = parent.clone();
        place.path.push_str(&suffix);
        hoist_children(child, &child_name, &place, hoisted, hints)?;
        if objects::is_alias(child) {
            continue;
        }
        let mut reference = schema::reference(&child_name);
        if let (Some(reference), Some(object)) = (reference.as_object_mut(), child.as_object_mut()) {
            for key in ["nullable", hints::NAME] {
                reference.extend(object.remove(key).map(|value| (key.to_owned(), value)));
            }
            object.remove("title");
        }
        let schema = std::mem::replace(child, reference);
        if let Some(other) = hoisted.insert(child_name.clone(), Component { schema, ..place.clone() }) {
            bail!(
                "{} and {} would both be the type {child_name}; set {} on one",
                place.path,
                other.path,
                hints::NAME
            );
        }
    }
    Ok(())
}

/// What a schema adds to the name of the type that it stands in.
fn name_part(keyword: &str, suffix: &str, schema: &Value) -> String {
    match keyword {
        "items" => "Item".to_owned(),
        "additionalProperties" => "Value".to_owned(),
        "oneOf" => branch_part(schema),
        _ => pascal(suffix.strip_prefix(".properties").unwrap_or(suffix)),
    }
}

/// A hint, else the title, else the one value of a tag, else the kind.
fn branch_part(schema: &Value) -> String {
    let hint = schema.get(hints::NAME).and_then(|hint| hint.get("is")?.as_str()).map(str::to_owned);
    let title = || schema.get("title").and_then(Value::as_str).map(pascal);
    let tag = || {
        let properties = schema.get("properties")?.as_object()?.iter();
        let constant = |(name, property): (&String, _)| match schema::enum_values(property)?.as_slice() {
            [value] => Some((name != "type", name.clone(), pascal(value))),
            _ => None,
        };
        properties.filter_map(constant).min().map(|(_, _, value)| value)
    };
    hint.or_else(title).or_else(tag).unwrap_or_else(|| kind(schema))
}

fn kind(schema: &Value) -> String {
    let kind = schema.get("type").and_then(Value::as_str);
    match kind {
        Some("string") if schema.get("enum").is_some() => "Enum".to_owned(),
        Some("string") => "Text".to_owned(),
        Some("object") if schema.get("properties").is_none() => "Map".to_owned(),
        Some(other) => pascal(other),
        None => "Any".to_owned(),
    }
}

/// R10: wraps every branch of every union in its variant name.
pub(super) fn name_branches(
    components: &mut Components,
    tags: &Tags,
    hints: &mut Hints,
    tally: &mut Tally,
) -> Result<()> {
    let known = components.clone();
    for (name, component) in components.iter_mut() {
        let Some(object) = component.schema.as_object_mut() else { continue };
        object.remove("discriminator");
        let Some(Value::Array(branches)) = object.get_mut("oneOf") else { continue };
        let mut names = variant_names(name, branches, tags.of_union(name), &known);
        for (branch, variant) in branches.iter_mut().zip(&mut names) {
            if let Some(Value::String(hint)) =
                branch.as_object_mut().and_then(|map| hints.take(map, hints::NAME))
            {
                *variant = hint;
            }
            title(branch, variant);
            tally.add("R10", 1);
        }
        let distinct: BTreeSet<&String> = names.iter().collect();
        if distinct.len() < names.len() {
            bail!(
                "{}: two of the variants {names:?} have one name; set {} on a branch",
                component.path,
                hints::NAME
            );
        }
    }
    Ok(())
}

fn title(branch: &mut Value, variant: &str) {
    let wrapped = schema::target(branch).map(|name| json!({ "allOf": [schema::reference(name)] }));
    if let Some(wrapped) = wrapped {
        *branch = wrapped;
    }
    if let Some(object) = branch.as_object_mut() {
        object.insert("title".into(), json!(variant));
    }
}

fn variant_names(union: &str, branches: &[Value], tag: Option<&str>, components: &Components) -> Vec<String> {
    let members: Vec<&str> = branches.iter().filter_map(schema::target).collect();
    let by_tag = tag.and_then(|tag| tag_names(&members, tag, components));
    let prefix = match members.as_slice() {
        [one] => common_words(&[union, one]),
        many => common_words(many),
    };
    let arrays = branches.iter().filter(|branch| kind(branch) == "Array").count();
    let name = |branch: &Value| match schema::target(branch) {
        Some(member) => by_tag
            .as_ref()
            .and_then(|names| names.iter().find(|(name, _)| name == member))
            .map(|(_, variant)| variant.clone())
            .unwrap_or_else(|| member.get(prefix..).unwrap_or(member).to_owned()),
        None if arrays > 1 && kind(branch) == "Array" => array_name(branch),
        None => kind(branch),
    };
    branches.iter().map(name).collect()
}

/// The names of the object members by their tag, if each has one value and no two the same.
fn tag_names(members: &[&str], tag: &str, components: &Components) -> Option<Vec<(String, String)>> {
    let is_object =
        |name: &&&str| components.get(**name).is_some_and(|item| item.schema.get("properties").is_some());
    let names: Option<Vec<(String, String)>> = members
        .iter()
        .filter(is_object)
        .map(|member| match unions::tag_values(components, member, tag)?.as_slice() {
            [value] => Some(((*member).to_owned(), pascal(value))),
            _ => None,
        })
        .collect();
    let names = names?;
    let distinct: BTreeSet<&String> = names.iter().map(|(_, variant)| variant).collect();
    (distinct.len() == names.len()).then_some(names)
}

/// How many leading bytes the names have in common, in whole words, leaving something of each.
fn common_words(names: &[&str]) -> usize {
    let starts = |name: &str| -> Vec<usize> {
        name.char_indices().filter(|(_, c)| c.is_uppercase()).map(|(index, _)| index).collect()
    };
    let Some((first, rest)) = names.split_first() else { return 0 };
    let shared = |end: &usize| {
        let prefix = first.get(..*end).unwrap_or_default();
        rest.iter().all(|name| name.starts_with(prefix) && starts(name).contains(end))
    };
    starts(first).into_iter().filter(shared).max().unwrap_or_default()
}

fn array_name(schema: &Value) -> String {
    let item = match schema.get("items") {
        Some(items) if kind(items) == "Array" => array_name(items),
        Some(items) if items.get("type") == Some(&json!("string")) => "String".to_owned(),
        Some(items) => schema::target(items).map_or_else(|| kind(items), str::to_owned),
        None => "Any".to_owned(),
    };
    format!("{item}Array")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::tests::{lowered, object, reference, refused, tagged};

    #[test]
    fn names_are_pascal_case() {
        let check = |text: &str, expected: &str| assert_eq!(pascal(text), expected);
        check("response.output_text.delta", "ResponseOutputTextDelta");
        check("Text content", "TextContent");
        check("Error-2", "Error2");
        check("createChatCompletion", "CreateChatCompletion");
        check("['a-b']", "AB");
    }

    #[test]
    fn common_words_are_whole_and_leave_something() {
        let check = |names: &[&str], expected: usize| assert_eq!(common_words(names), expected, "{names:?}");
        check(&["ToolChoice", "ToolCall"], 4);
        check(&["Tool", "ToolCall"], 0);
        check(&["Toolbox", "Tool"], 0);
        check(&["A", "B"], 0);
        check(&["MessageRoleUser", "MessageRoleTool", "MessageText"], 7);
        check(&[], 0);
    }

    /// The lowered schemas, the request having these properties.
    fn sent(properties: Value) -> Value {
        lowered(json!({ "Question": object(properties) }))
    }

    fn fields() -> Value {
        object(json!({ "x": { "type": "string" } }))
    }

    #[test]
    fn r9_every_inline_type_gets_the_name_of_its_path() {
        let found = sent(json!({
            "a_list": { "type": "array", "items": { "type": "array", "items": fields() } },
            "map": { "type": "object", "additionalProperties": fields() },
            "deep": object(json!({ "kind": { "type": "string", "enum": ["a"] } })),
        }));
        let names: BTreeSet<&str> = found.as_object().unwrap().keys().map(String::as_str).collect();
        let expected =
            ["Question", "QuestionAListItemItem", "QuestionDeep", "QuestionDeepKind", "QuestionMapValue"];
        assert_eq!(names, BTreeSet::from_iter(expected.into_iter().chain(["Answer", "ErrorResponse"])));
        let value = found.pointer("/Question/properties/map/additionalProperties");
        assert_eq!(value, Some(&reference("QuestionMapValue")));
    }

    #[test]
    fn r9_an_inline_branch_is_named_by_hint_title_tag_or_kind() {
        let with = |mut schema: Value, key: &str, value: &str| {
            schema[key] = json!(value);
            schema
        };
        let found = sent(json!({ "it": { "oneOf": [
            tagged("a"),
            with(tagged("b"), "title", "Grammar format"),
            with(tagged("c"), "x-codex-name", "Mine"),
            fields(),
            { "type": "string", "enum": ["e"] },
        ] } }));
        let names = found.as_object().unwrap().keys().filter_map(|name| name.strip_prefix("QuestionIt"));
        let names: BTreeSet<&str> = names.filter(|name| !name.ends_with("Type")).collect();
        assert_eq!(names, BTreeSet::from(["", "A", "Enum", "GrammarFormat", "Mine", "Object"]));
    }

    #[test]
    fn r9_two_types_of_one_name_are_refused_until_a_hint_parts_them() {
        let clash = |inner: Value| json!({ "Question": object(json!({ "it": inner, "other": reference("QuestionIt") })), "QuestionIt": fields() });
        let other = || object(json!({ "y": { "type": "string" } }));
        let error = refused(clash(other()));
        let expected = "$.components.schemas.Question.properties.it: its type would be called QuestionIt";
        assert!(error.starts_with(expected), "{error}");
        let mut hinted = other();
        hinted["x-codex-name"] = json!("Its");
        assert!(lowered(clash(hinted)).get("QuestionIts").is_some());
        let error = refused(json!({ "Question": object(json!({ "a_b": fields(), "a-b": fields() })) }));
        assert!(error.contains("would both be the type QuestionAB"), "{error}");
    }

    fn check_variants(branches: Value, members: [Value; 2], expected: &[&str]) {
        let [file, text] = members;
        let found = lowered(json!({
            "Question": object(json!({ "it": { "oneOf": branches }, "f": reference("ItemFile"), "t": reference("ItemText") })),
            "ItemFile": file,
            "ItemText": text,
        }));
        let branches = found.pointer("/QuestionIt/oneOf").unwrap().as_array().unwrap();
        let titles: Vec<&str> = branches.iter().map(|branch| branch["title"].as_str().unwrap()).collect();
        assert_eq!(titles, expected);
    }

    #[test]
    fn r10_variants_are_named_by_tag_else_by_type() {
        let refs = json!([reference("ItemFile"), reference("ItemText")]);
        check_variants(refs.clone(), [tagged("a.b"), tagged("c")], &["AB", "C"]);
        check_variants(refs.clone(), [tagged("a"), tagged("a")], &["File", "Text"]);
        check_variants(refs, [tagged("a"), fields()], &["File", "Text"]);
        check_variants(
            json!([reference("ItemText"), { "type": "integer" }]),
            [fields(), fields()],
            &["ItemText", "Integer"],
        );
    }

    #[test]
    fn r10_scalars_and_lists_are_named_by_kind() {
        let check =
            |branches: Value, expected: &[&str]| check_variants(branches, [fields(), fields()], expected);
        let list = |items: &Value| json!({ "type": "array", "items": items });
        let (text, whole) = (json!({ "type": "string" }), json!({ "type": "integer" }));
        check(json!([text, list(&text)]), &["Text", "Array"]);
        check(
            json!([text, list(&text), list(&whole), list(&list(&whole)), list(&reference("ItemFile"))]),
            &["Text", "StringArray", "IntegerArray", "IntegerArrayArray", "ItemFileArray"],
        );
        check(
            json!([{ "type": "boolean" }, { "type": "number" }, { "type": "object" }]),
            &["Boolean", "Number", "Map"],
        );
    }

    #[test]
    fn r10_two_variants_of_one_name_are_refused() {
        let map = |value: &str| json!({ "type": "object", "additionalProperties": { "type": value } });
        let union = json!({ "oneOf": [map("string"), map("integer")] });
        let error = refused(json!({ "Question": object(json!({ "it": union })) }));
        let expected = "$.components.schemas.Question.properties.it: two of the variants [\"Map\", \"Map\"]";
        assert!(error.starts_with(expected), "{error}");
    }
}
