//! Types as users write them: what the strict schema accepts is read as the value that was meant.

use std::fmt::Debug;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{OrderedSchema, ToolCall, ToolDefinition, strict_schema, strict_schema_of};

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
struct Holds<T> {
    it: T,
}

/// Checks values that a model writes by the strict schema.
#[track_caller]
fn check<T: DeserializeOwned + JsonSchema + Debug + PartialEq>(rows: impl IntoIterator<Item = (Value, T)>) {
    let tool = ToolDefinition::from_type::<Holds<T>>("f", "").into_strict().unwrap();
    let schema = tool.parameters.to_json_schema();
    let again = strict_schema(schema.clone()).unwrap();
    assert_eq!((&again.schema, again.changes.len()), (&schema, 0), "what is strict stays unchanged");
    tachikoma_openai_mock::check_strict_schema(&serde_json::to_string(&OrderedSchema(&schema)).unwrap())
        .unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (it, expected) in rows {
        let written = json!({ "it": it });
        if let Err(error) = validator.validate(&written) {
            panic!("{error}: {written} does not fit {schema:#}");
        }
        let read: Holds<T> =
            tool.parse_arguments(&ToolCall::new("call_1", "f", written.to_string())).unwrap();
        assert_eq!(read.it, expected, "{written}");
    }
}

/// The names of the first properties of a union's branches, as sent.
#[track_caller]
fn first_keys<T: JsonSchema>() -> Vec<String> {
    let tool = ToolDefinition::from_type::<Holds<T>>("f", "").into_strict().unwrap();
    let schema = tool.parameters.to_json_schema();
    let union = schema.pointer("/properties/it").unwrap();
    let union = match union.get("$ref").and_then(Value::as_str) {
        Some(target) => schema.pointer(target.trim_start_matches('#')).unwrap(),
        None => union,
    };
    let branches = union["anyOf"].as_array().unwrap().iter();
    branches
        .map(|branch| {
            let branch = match branch.get("$ref").and_then(Value::as_str) {
                Some(target) => schema.pointer(target.trim_start_matches('#')).unwrap(),
                None => branch,
            };
            let text = serde_json::to_string(&OrderedSchema(branch)).unwrap();
            let (_, properties) = text.split_once("\"properties\":{\"").unwrap();
            properties.split_once('"').unwrap().0.to_owned()
        })
        .collect()
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
struct Path {
    path: String,
    #[serde(default)]
    lines: u8,
    note: Option<String>,
}

fn path(lines: u8, note: Option<&str>) -> Path {
    Path { path: "a".into(), lines, note: note.map(str::to_owned) }
}

#[test]
fn internally_tagged() {
    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    enum Action {
        Read(Path),
        Write {
            content: String,
            #[serde(default)]
            append: bool,
        },
        Stop,
        Nested(Inner),
    }
    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    #[serde(tag = "by")]
    enum Inner {
        Name { name: String },
        Size { size: u32 },
    }
    check([
        (json!({"kind": "read", "path": "a", "lines": null, "note": null}), Action::Read(path(0, None))),
        (json!({"kind": "read", "path": "a", "lines": 3, "note": "n"}), Action::Read(path(3, Some("n")))),
        (
            json!({"kind": "write", "content": "c", "append": null}),
            Action::Write { content: "c".into(), append: false },
        ),
        (json!({"kind": "stop"}), Action::Stop),
        (json!({"kind": "nested", "by": "Size", "size": 1}), Action::Nested(Inner::Size { size: 1 })),
    ]);
    // The last branch is one for each inner tag.
    let tool = ToolDefinition::from_type::<Holds<Action>>("f", "").into_strict().unwrap();
    let branches = tool.parameters.to_json_schema()["$defs"]["Action"]["anyOf"].as_array().unwrap().len();
    assert_eq!(branches, 4);
    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    #[serde(tag = "type")]
    enum Shape {
        Circle { area: f64 },
        Square { area: f64, side: f64 },
    }
    assert_eq!(first_keys::<Shape>(), ["type", "type"]);
    check([(json!({"area": 1.5, "type": "Circle"}), Shape::Circle { area: 1.5 })]);
}

#[test]
fn other_taggings() {
    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    #[serde(tag = "type", content = "args")]
    enum Adjacent {
        Read(Path),
        Maybe(Option<u8>),
        Stop,
    }
    check([
        (
            json!({"type": "Read", "args": {"path": "a", "lines": null, "note": null}}),
            Adjacent::Read(path(0, None)),
        ),
        (json!({"type": "Maybe", "args": null}), Adjacent::Maybe(None)),
        (json!({"type": "Stop"}), Adjacent::Stop),
    ]);
    // Sorted, the content comes before the tag.
    assert_eq!(first_keys::<Adjacent>(), ["type", "type", "type"]);
    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    enum External {
        Read(Path),
        Many(Vec<Path>),
        /// With a description
        Stop,
        Other,
    }
    check([
        (json!({"Read": {"path": "a", "lines": null, "note": null}}), External::Read(path(0, None))),
        (json!({"Many": [{"path": "a", "lines": null, "note": null}]}), External::Many(vec![path(0, None)])),
        (json!("Stop"), External::Stop),
        (json!("Other"), External::Other),
    ]);
    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    #[serde(untagged)]
    enum Untagged {
        Both {
            path: String,
            size: u8,
            #[serde(default)]
            deep: bool,
        },
        Read(Path),
        Number(f64),
        Text(String),
        Nothing,
    }
    check([
        (
            json!({"path": "a", "size": 1, "deep": null}),
            Untagged::Both { path: "a".into(), size: 1, deep: false },
        ),
        (json!({"path": "a", "lines": null, "note": null}), Untagged::Read(path(0, None))),
        (json!(1.5), Untagged::Number(1.5)),
        (json!("a"), Untagged::Text("a".into())),
        (json!(null), Untagged::Nothing),
    ]);
}

/// Two tags, one after the other, and a way back to the whole.
#[test]
fn nested_tags_and_recursion() {
    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    #[serde(tag = "kind")]
    enum Outer {
        Direct(Inner),
        Labelled {
            label: String,
            #[serde(flatten)]
            inner: Inner,
        },
        Stop,
    }
    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    #[serde(tag = "by")]
    enum Inner {
        Size {
            size: f64,
        },
        Next {
            #[serde(default)]
            deep: bool,
            next: Option<Box<Outer>>,
        },
    }
    let next = |next| Inner::Next { deep: false, next };
    check([
        (json!({"kind": "Direct", "by": "Size", "size": 1.5}), Outer::Direct(Inner::Size { size: 1.5 })),
        (
            json!({"kind": "Labelled", "label": "l", "by": "Next", "deep": null, "next":
                {"kind": "Direct", "by": "Next", "deep": null, "next": null}}),
            Outer::Labelled { label: "l".into(), inner: next(Some(Box::new(Outer::Direct(next(None))))) },
        ),
    ]);
    let schema = strict_schema_of::<Holds<Outer>>().unwrap().schema.to_string();
    assert!(schema.len() < 2_500, "{} bytes: {schema}", schema.len());
}

#[test]
fn a_branch_that_allows_no_other_fields_comes_before_one_with_more() {
    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Name {
        name: String,
    }
    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    struct Full {
        name: String,
        age: u8,
        #[serde(default)]
        rank: u8,
    }
    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    #[serde(untagged)]
    enum Person {
        Name(Name),
        Full(Full),
    }
    let full = Full { name: "a".into(), age: 1, rank: 0 };
    check([
        (json!({"name": "a"}), Person::Name(Name { name: "a".into() })),
        (json!({"name": "a", "age": 1, "rank": null}), Person::Full(full)),
    ]);
}

#[test]
fn branches_that_begin_alike_are_turned() {
    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    struct ByName {
        dir: String,
        name: String,
    }
    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    struct BySize {
        dir: String,
        size: u8,
        #[serde(default)]
        exact: bool,
    }
    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    #[serde(untagged)]
    enum Filter {
        Name(ByName),
        Size(BySize),
    }
    let first = first_keys::<Filter>();
    assert_ne!(first[0], first[1]);
    check([
        (
            json!({"dir": "d", "size": 1, "exact": null}),
            Filter::Size(BySize { dir: "d".into(), size: 1, exact: false }),
        ),
        (json!({"dir": "d", "name": "n"}), Filter::Name(ByName { dir: "d".into(), name: "n".into() })),
    ]);
}

#[test]
fn flattened_fields() {
    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    struct Common {
        id: u32,
        #[serde(default)]
        label: String,
    }
    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    #[serde(tag = "op")]
    enum Op {
        Add { n: i32 },
        Clear,
    }
    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    struct Step {
        first: bool,
        #[serde(flatten)]
        common: Common,
        #[serde(flatten)]
        op: Op,
    }
    let common = |label: &str| Common { id: 1, label: label.into() };
    check([
        (
            json!({"first": true, "id": 1, "label": null, "op": "Add", "n": 2}),
            Step { first: true, common: common(""), op: Op::Add { n: 2 } },
        ),
        (
            json!({"first": true, "id": 1, "label": "l", "op": "Clear"}),
            Step { first: true, common: common("l"), op: Op::Clear },
        ),
    ]);
    assert_eq!(first_keys::<Step>(), ["op", "op"]);
}

#[test]
fn options_lists_and_recursion() {
    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    enum Mood {
        Happy,
        Sad,
    }
    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    struct Node {
        name: String,
        moods: Option<Vec<Mood>>,
        #[serde(default)]
        children: Vec<Node>,
        parent: Option<Box<Node>>,
        #[serde(default = "seven")]
        rank: u8,
        #[serde(default = "some_seven")]
        limit: Option<u8>,
    }
    fn seven() -> u8 {
        7
    }
    fn some_seven() -> Option<u8> {
        Some(7)
    }
    let leaf = |name: &str| Node {
        name: name.into(),
        moods: None,
        children: vec![],
        parent: None,
        rank: 7,
        limit: None,
    };
    let empty = |name: &str| json!({"name": name, "moods": null, "children": null, "parent": null, "rank": null, "limit": null});
    let mut tree = empty("root");
    tree["moods"] = json!(["Sad", "Happy"]);
    tree["children"] = json!([empty("a"), empty("b")]);
    tree["parent"] = empty("p");
    tree["rank"] = json!(1);
    let expected = Node {
        moods: Some(vec![Mood::Sad, Mood::Happy]),
        children: vec![leaf("a"), leaf("b")],
        parent: Some(Box::new(leaf("p"))),
        rank: 1,
        ..leaf("root")
    };
    // Null is a value of `limit`, and stands for a field that is not there in `rank`.
    check([(empty("n"), leaf("n")), (tree, expected)]);
    // A list or null, as OpenAI wants it: apart.
    let tool = ToolDefinition::from_type::<Node>("f", "").into_strict().unwrap();
    let moods = &tool.parameters.to_json_schema()["properties"]["moods"];
    assert_eq!(moods["anyOf"][0]["type"], json!("array"));
    assert_eq!(moods["anyOf"][1], json!({"type": "null"}));
}
