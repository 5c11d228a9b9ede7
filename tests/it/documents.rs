//! Random documents of the vendored schemas, whole and damaged, decode.

mod damage;
mod generator;

use std::collections::BTreeMap;
use std::path::Path;

use futures::executor::block_on;
use serde_json::{Value, json};
use tachikoma_backend_codex::internals;
use tachikoma_backends_core::{BackendError, CollectingStream};

use self::damage::Damage;
use self::generator::Generator;

const DOCUMENTS: u64 = 1000;

fn vendored() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/closure.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn whole(document: &Value) -> Result<(), BackendError> {
    internals::chat_response(document.to_string().as_bytes())?;
    Ok(())
}

fn streamed(document: &Value) -> Result<(), BackendError> {
    let body = format!("data: {document}\n\ndata: [DONE]\n\n");
    block_on(CollectingStream::new(internals::chat_stream([body.as_bytes()])).collect())?;
    Ok(())
}

/// Gives a random document what every answer has: a first choice, and a name for each tool call.
fn complete(document: &mut Value, message: &str) {
    let choices = document["choices"].as_array_mut().unwrap();
    if choices.is_empty() {
        choices.push(json!({"index": 0, "finish_reason": "stop", "logprobs": null, message: {"role": "assistant", "content": "Hi", "refusal": null}}));
    }
    choices[0]["index"] = json!(0);
    for choice in choices {
        let message = choice[message].as_object_mut().unwrap();
        if let Some(call) = message.get_mut("function_call") {
            call["name"] = json!("now");
        }
        for call in message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
            let kind = if call.get("custom").is_some() { "custom" } else { "function" };
            call[kind]["name"] = json!("now");
        }
    }
}
#[test]
fn explore() {
    for (root, message, decode) in [
        ("CreateChatCompletionResponse", "message", whole as fn(&Value) -> Result<(), BackendError>),
        ("CreateChatCompletionStreamResponse", "delta", streamed),
    ] {
        let vendored = vendored();
        let mut seen: BTreeMap<String, (usize, String)> = BTreeMap::new();
        for seed in 0..DOCUMENTS {
            let mut generator = Generator::new(&vendored, seed);
            let mut document = generator.make(root);
            complete(&mut document, message);
            if let Err(e) = decode(&document) {
                seen.entry(format!("WHOLE {}", e)).or_insert((0, document.to_string())).0 += 1;
            }
            for damage in Damage::ALL {
                let mut damaged = document.clone();
                let Some(path) = damage.apply(&mut damaged, generator.random()) else { continue };
                if let Err(e) = decode(&damaged) {
                    seen.entry(format!("{damage:?} {path}")).or_insert((0, format!("{e}"))).0 += 1;
                }
            }
        }
        for (k, v) in seen {
            println!("{k}: {} {}", v.0, v.1);
        }
    }
}
