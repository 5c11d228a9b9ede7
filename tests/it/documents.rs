//! Random documents of the vendored schemas are parsed, whole and with any one field damaged.

mod chat;
mod damage;
mod generator;
mod responses;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use tachikoma_backends_core::{BackendError, CompletionResponse};

use self::damage::Damage;
use self::generator::Generator;

/// A kind of response: how a document of it is generated, which fields it needs, and how it is read.
struct Kind {
    name: &'static str,
    /// How many documents are generated; each gets every kind of damage.
    documents: u64,
    generate: fn(&mut Generator<'_>) -> Value,
    read: fn(&Value) -> Result<CompletionResponse, BackendError>,
    /// How the parsed response differs from the document. The path is that of the damage; the other document is undamaged.
    difference: fn(&Value, CompletionResponse, &str, &Value) -> Option<String>,
    /// The path of a damage, as written in the lists below.
    path: fn(&str) -> String,
    /// The fields whose absence, null or other empty value may fail a response: without them it has no content, or a call
    /// cannot be made. All others never fail it.
    needed: &'static [&'static str],
    /// The fields of content: with another type they may fail a response too, since the content would be lost.
    content: &'static [&'static str],
    /// The fields that name a type, or how the response ended. Unknown values there may mean anything.
    labels: &'static [&'static str],
}

const KINDS: [&Kind; 4] = [&chat::BODY, &chat::STREAM, &responses::BODY, &responses::STREAM];

impl Kind {
    /// Whether the response may fail for this damage.
    fn is_justified(&self, damage: Damage, path: &str) -> bool {
        let is_in = |list: &[&str]| list.contains(&path);
        match damage {
            Damage::Removed | Damage::Null | Damage::Falsy => is_in(self.needed),
            Damage::WrongType => is_in(self.needed) || is_in(self.content) || is_in(self.labels),
            Damage::UnknownWord => is_in(self.labels),
            Damage::UnknownField => false,
        }
    }

    /// Reads a document that was damaged at a path.
    ///
    /// # Errors
    /// Why it fails, which may be justified, or how the response differs from the document, which never is.
    fn check(&self, document: &Value, path: &str, whole: &Value) -> Result<(), Wrong> {
        let read = (self.read)(document).map_err(|error| Wrong::Fails(error.to_string()))?;
        (self.difference)(document, read, path, whole).map_or(Ok(()), |how| Err(Wrong::Differs(how)))
    }
}

/// A wrong reading of a document.
enum Wrong {
    Fails(String),
    Differs(String),
}

impl Wrong {
    fn into_text(self) -> String {
        match self {
            Self::Fails(why) | Self::Differs(why) => why,
        }
    }
}

/// A number or `true` in place of a text is read as text or is an error; an empty value is no text.
fn text_difference(name: &str, field: &Value, read: Option<&str>) -> Option<String> {
    let read = read.unwrap_or_default();
    let expected = match field {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "true".to_owned(),
        Value::Number(number) if number.as_f64() != Some(0.0) => number.to_string(),
        // Parts of unknown types are counted, and their texts may be read.
        Value::Array(items) if !items.is_empty() => return None,
        Value::Object(fields) if !fields.is_empty() => return None,
        _ => String::new(),
    };
    (read != expected).then(|| format!("the {name} is {field}, read as {read:?}"))
}

/// By kind of failure: the shortest document, with its seed and error.
type Failures = BTreeMap<String, (String, u64, String)>;

fn record(failures: &mut Failures, what: String, seed: u64, document: &Value, error: String) {
    let document = document.to_string();
    if failures.get(&what).is_none_or(|(shortest, ..)| document.len() < shortest.len()) {
        failures.insert(what, (document, seed, error));
    }
}

fn report(failures: Failures) -> String {
    let one = |(what, (document, seed, error))| format!("{what}\n  seed {seed}: {error}\n  {document}\n");
    failures.into_iter().map(one).collect()
}

fn vendored() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/closure.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn random_responses_are_read_whatever_field_is_damaged() {
    let (vendored, mut failures) = (vendored(), Failures::new());
    for (kind, seed) in KINDS.iter().flat_map(|kind| (0..kind.documents).map(move |seed| (kind, seed))) {
        let mut generator = Generator::new(&vendored, seed);
        let document = (kind.generate)(&mut generator);
        if let Err(wrong) = kind.check(&document, "", &document) {
            record(&mut failures, format!("{} undamaged", kind.name), seed, &document, wrong.into_text());
            continue;
        }
        for damage in Damage::ALL {
            let mut damaged = document.clone();
            let Some(path) = damage.apply(&mut damaged, generator.random()) else { continue };
            let path = (kind.path)(&path);
            let Err(wrong) = kind.check(&damaged, &path, &document) else { continue };
            if matches!(wrong, Wrong::Differs(_)) || !kind.is_justified(damage, &path) {
                let what = format!("{} {damage:?} {path}", kind.name);
                record(&mut failures, what, seed, &damaged, wrong.into_text());
            }
        }
    }
    assert!(failures.is_empty(), "{} ways to fail\n{}", failures.len(), report(failures));
}

#[test]
fn a_seed_reproduces_its_document() {
    let vendored = vendored();
    let generate = |seed| (KINDS[0].generate)(&mut Generator::new(&vendored, seed));
    assert_eq!(generate(7), generate(7));
    assert_ne!(generate(7), generate(8));
}

/// Every construct that the generator supports, one schema each.
#[test]
fn generated_documents_follow_the_schema() {
    #[track_caller]
    fn check(schema: Value, is_one: impl Fn(&Value) -> bool) {
        let document = json!({"components": {"schemas": {"A": schema, "Word": {"enum": ["a", "b"]}}}});
        for seed in 0..100 {
            let generated = Generator::new(&document, seed).generate("A");
            assert!(is_one(&generated), "seed {seed}: {generated} of {schema}");
        }
    }
    let word = json!({"$ref": "#/components/schemas/Word"});
    let is_word = |value: &Value| *value == "a" || *value == "b";
    check(json!({"const": 7}), |generated| *generated == 7);
    check(word.clone(), is_word);
    check(json!({"type": "null"}), Value::is_null);
    check(json!({"type": ["boolean", "null"]}), |generated| generated.is_boolean() || generated.is_null());
    check(json!({"type": "string", "nullable": true}), |generated| {
        generated.is_string() || generated.is_null()
    });
    check(json!({"type": "string", "minLength": 3, "maxLength": 4}), |generated| {
        (3..=4).contains(&generated.as_str().unwrap().chars().count())
    });
    check(json!({"type": "integer", "minimum": -2, "maximum": 5}), |generated| {
        (-2.0..=5.0).contains(&generated.as_f64().unwrap()) && generated.as_f64().unwrap().fract() == 0.0
    });
    check(json!({"type": "number", "minimum": 0, "maximum": 1}), |generated| {
        (0.0..=1.0).contains(&generated.as_f64().unwrap())
    });
    check(json!({"type": "array", "items": word, "minItems": 1, "maxItems": 2}), |generated| {
        (1..=2).contains(&generated.as_array().unwrap().len())
            && generated.as_array().unwrap().iter().all(is_word)
    });
    check(json!({"anyOf": [word, {"type": "null"}]}), |generated| is_word(generated) || generated.is_null());
    check(json!({"type": "object", "additionalProperties": word}), |generated| {
        generated.as_object().unwrap().values().all(is_word)
    });
    let object = json!({"properties": {"a": word, "b": word}, "required": ["a"]});
    check(object.clone(), |generated| {
        is_word(&generated["a"]) && (generated.get("b").is_none() || is_word(&generated["b"]))
    });
    check(json!({"allOf": [object, {"properties": {"c": word}, "required": ["c"]}]}), |generated| {
        is_word(&generated["a"]) && is_word(&generated["c"])
    });
}
