//! Random documents of the vendored schemas decode, whole and with any one field damaged.

mod damage;
mod generator;

use std::collections::BTreeMap;
use std::path::Path;

use futures::executor::block_on;
use serde_json::{Value, json};
use tachikoma_backend_codex::internals;
use tachikoma_backends_core::{BackendError, CollectingStream, CompletionResponse};

use self::damage::Damage;
use self::generator::Generator;

/// How many documents of each schema; every kind of damage is done to each.
const DOCUMENTS: u64 = 1000;

/// The fields whose absence, or null, may fail an answer.
const NEEDED: &[&str] = &[
    "/choices",
    "/choices/*/message",
    // A call that cannot be told from others by name cannot be made.
    "/choices/*/message/function_call/name",
    "/choices/*/message/tool_calls/*/custom",
    "/choices/*/message/tool_calls/*/custom/name",
    "/choices/*/message/tool_calls/*/function",
    "/choices/*/message/tool_calls/*/function/name",
];

/// The fields whose value, where it is of another type, may fail an answer beside the `NEEDED` ones: what the model said would
/// be lost silently.
const SAID: &[&str] = &[
    "/choices/*/message/content",
    "/choices/*/message/refusal",
    "/choices/*/message/function_call",
    "/choices/*/message/tool_calls",
    "/choices/*/message/tool_calls/*/custom/input",
];

/// The fields that no answer needs, but that fail one all the same where their value is of another type. Nothing justifies them:
/// whoever opens one up takes it from the list.
const TOO_STRICT: &[&str] = &[
    "/choices/*/finish_reason",
    "/choices/*/index",
    "/choices/*/message/tool_calls/*/id",
    "/choices/*/message/tool_calls/*/index",
    "/id",
    "/model",
    "/service_tier",
    "/usage",
    "/usage/completion_tokens",
    "/usage/completion_tokens_details",
    "/usage/completion_tokens_details/reasoning_tokens",
    "/usage/prompt_tokens",
    "/usage/prompt_tokens_details",
    "/usage/prompt_tokens_details/cached_tokens",
    "/usage/total_tokens",
];

/// Whether the answer may fail for this damage.
fn is_justified(damage: Damage, path: &str) -> bool {
    match damage {
        Damage::Removed | Damage::Null => NEEDED.contains(&path),
        Damage::WrongType => NEEDED.contains(&path) || SAID.contains(&path),
        Damage::UnknownWord | Damage::UnknownField => false,
    }
}

/// A kind of answer: its schema, the field of a choice that holds the message, and how it is read.
struct Answer {
    schema: &'static str,
    message: &'static str,
    read: fn(&Value) -> Result<CompletionResponse, BackendError>,
}

const ANSWERS: [Answer; 2] = [
    Answer {
        schema: "CreateChatCompletionResponse",
        message: "message",
        read: |document| Ok(internals::chat_response(document.to_string().as_bytes())?),
    },
    Answer {
        schema: "CreateChatCompletionStreamResponse",
        message: "delta",
        read: |document| {
            let body = format!("data: {document}\n\ndata: [DONE]\n\n");
            Ok(block_on(CollectingStream::new(internals::chat_stream([body.as_bytes()])).collect())?)
        },
    },
];

impl Answer {
    /// A document with what every answer has: a first choice, and a name for each tool call.
    fn make(&self, generator: &mut Generator<'_>) -> Value {
        let mut document = generator.make(self.schema);
        let choices = document["choices"].as_array_mut().unwrap();
        if choices.is_empty() {
            choices.push(json!({self.message: {}}));
        }
        for (index, choice) in choices.iter_mut().enumerate() {
            choice["index"] = json!(index);
            let message = choice[self.message].as_object_mut().unwrap();
            if let Some(call) = message.get_mut("function_call") {
                call["name"] = json!("now");
            }
            for call in message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
                let kind = if call.get("custom").is_some() { "custom" } else { "function" };
                call[kind]["name"] = json!("now");
            }
        }
        document
    }

    /// Reads a document.
    ///
    /// # Errors
    /// It cannot be read, or what is read is not what it says.
    fn check(&self, document: &Value) -> Result<(), String> {
        let read = (self.read)(document).map_err(|error| error.to_string())?;
        let message = &document["choices"][0][self.message];
        for (field, read) in [("content", read.content), ("refusal", read.refusal)] {
            let said = message[field].as_str().unwrap_or_default();
            if said != read.as_deref().unwrap_or_default() {
                return Err(format!("the {field} is {said:?}, read as {read:?}"));
            }
        }
        let calls = |field: &str| message[field].as_array().map_or(0, Vec::len);
        let (said, read) = (calls("tool_calls"), read.tool_calls.len() + read.incomplete_tool_calls.len());
        // Fragments of a stream may be of one call, and `function_call` is another way to say it.
        let may_be = if self.message == "delta" || said == 0 { read <= said + 1 } else { read == said };
        may_be.then_some(()).ok_or_else(|| format!("{said} tool calls are read as {read}"))
    }
}

/// The shortest document that failed in one way, with its seed and error.
type Failures = BTreeMap<String, (String, u64, String)>;

fn note(failures: &mut Failures, what: String, seed: u64, document: &Value, error: String) {
    let document = document.to_string();
    if failures.get(&what).is_none_or(|(shortest, ..)| document.len() < shortest.len()) {
        failures.insert(what, (document, seed, error));
    }
}

fn shown(failures: Failures) -> String {
    let one = |(what, (document, seed, error))| format!("{what}\n  seed {seed}: {error}\n  {document}\n");
    failures.into_iter().map(one).collect()
}

fn vendored() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/closure.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn random_answers_are_read_whatever_field_is_damaged() {
    let (vendored, mut failures, mut strict) = (vendored(), Failures::new(), Failures::new());
    for (answer, seed) in ANSWERS.iter().flat_map(|answer| (0..DOCUMENTS).map(move |seed| (answer, seed))) {
        let mut generator = Generator::new(&vendored, seed);
        let document = answer.make(&mut generator);
        if let Err(error) = answer.check(&document) {
            note(&mut failures, format!("{} undamaged", answer.schema), seed, &document, error);
        }
        for damage in Damage::ALL {
            let mut damaged = document.clone();
            let Some(path) = damage.apply(&mut damaged, generator.random()) else { continue };
            let Err(error) = answer.check(&damaged) else { continue };
            let path = path.replace("/delta", "/message");
            let what = format!("{} {damage:?} {path}", answer.schema);
            if damage == Damage::WrongType && TOO_STRICT.contains(&path.as_str()) {
                note(&mut strict, path, seed, &damaged, error);
            } else if !is_justified(damage, &path) {
                note(&mut failures, what, seed, &damaged, error);
            }
        }
    }
    assert!(failures.is_empty(), "{}", shown(failures));
    let opened: Vec<_> = TOO_STRICT.iter().filter(|path| !strict.contains_key(**path)).collect();
    assert!(opened.is_empty(), "these are read now: take them from TOO_STRICT: {opened:?}");
}

#[test]
fn a_seed_makes_the_same_document_again() {
    let vendored = vendored();
    let make = |seed| ANSWERS[0].make(&mut Generator::new(&vendored, seed));
    assert_eq!(make(7), make(7));
    assert_ne!(make(7), make(8));
}

/// Every construct that the generator knows, one schema each.
#[test]
fn what_is_made_follows_the_schema() {
    #[track_caller]
    fn check(schema: Value, is_one: impl Fn(&Value) -> bool) {
        let document = json!({"components": {"schemas": {"A": schema, "Word": {"enum": ["a", "b"]}}}});
        for seed in 0..100 {
            let made = Generator::new(&document, seed).make("A");
            assert!(is_one(&made), "seed {seed}: {made} of {schema}");
        }
    }
    let word = json!({"$ref": "#/components/schemas/Word"});
    let is_word = |value: &Value| *value == "a" || *value == "b";
    check(json!({"const": 7}), |made| *made == 7);
    check(word.clone(), is_word);
    check(json!({"type": "null"}), Value::is_null);
    check(json!({"type": ["boolean", "null"]}), |made| made.is_boolean() || made.is_null());
    check(json!({"type": "string", "nullable": true}), |made| made.is_string() || made.is_null());
    check(json!({"type": "string", "minLength": 3, "maxLength": 4}), |made| {
        (3..=4).contains(&made.as_str().unwrap().chars().count())
    });
    check(json!({"type": "integer", "minimum": -2, "maximum": 5}), |made| {
        (-2.0..=5.0).contains(&made.as_f64().unwrap()) && made.as_f64().unwrap().fract() == 0.0
    });
    check(json!({"type": "number", "minimum": 0, "maximum": 1}), |made| {
        (0.0..=1.0).contains(&made.as_f64().unwrap())
    });
    check(json!({"type": "array", "items": word, "minItems": 1, "maxItems": 2}), |made| {
        (1..=2).contains(&made.as_array().unwrap().len()) && made.as_array().unwrap().iter().all(is_word)
    });
    check(json!({"anyOf": [word, {"type": "null"}]}), |made| is_word(made) || made.is_null());
    check(json!({"type": "object", "additionalProperties": word}), |made| {
        made.as_object().unwrap().values().all(is_word)
    });
    let object = json!({"properties": {"a": word, "b": word}, "required": ["a"]});
    check(object.clone(), |made| is_word(&made["a"]) && (made.get("b").is_none() || is_word(&made["b"])));
    check(json!({"allOf": [object, {"properties": {"c": word}, "required": ["c"]}]}), |made| {
        is_word(&made["a"]) && is_word(&made["c"])
    });
}
