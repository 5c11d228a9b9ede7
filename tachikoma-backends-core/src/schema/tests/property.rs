//! For any type: its strict schema obeys OpenAI's rules and accepts the type's values, and what was written by that schema is read as
//! the value that was meant.

use fastrand::Rng;
use serde_json::Value;

use super::types::Types;
use crate::{OrderedSchema, ToolCall, ToolDefinition};

/// How many types are made, and values of each.
const TYPES: u64 = 1_000;
const VALUES: usize = 6;

/// `TYPES_SEED` makes other types.
fn seed() -> u64 {
    std::env::var("TYPES_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

#[test]
fn schemas_and_the_reader_agree_for_any_type() {
    for number in 0..TYPES {
        let mut rng = Rng::with_seed(seed().wrapping_mul(1_000_003).wrapping_add(number));
        let types = Types::random(&mut rng);
        let schema = types.schema();
        let parameters = schema.clone().try_into().unwrap();
        let tool = ToolDefinition::new("f", "", parameters)
            .into_strict()
            .unwrap_or_else(|error| panic!("type {number}: {error}\n{schema:#}"));
        let strict = tool.parameters.to_json_schema();
        let again = crate::strict_schema(strict.clone()).unwrap();
        assert_eq!((&again.schema, again.changes.len()), (&strict, 0), "type {number} {schema:#}");
        let text = serde_json::to_string(&OrderedSchema(&strict)).unwrap();
        if let Err(error) = tachikoma_openai_mock::check_strict_schema(&text) {
            panic!("type {number}: {error}\n{schema:#}\n{text}");
        }
        let validator = jsonschema::validator_for(&strict).unwrap();
        for _ in 0..VALUES {
            let written = types.value(&mut rng);
            if let Err(error) = validator.validate(&written.strict) {
                panic!("type {number}: {error}\n{schema:#}\n{strict:#}\n{:#}", written.strict);
            }
            let call = ToolCall::new("call_1", "f", written.strict.to_string());
            let read: Value = tool.parse_arguments(&call).unwrap();
            assert_eq!(read, written.plain, "type {number}\n{schema:#}\n{strict:#}\n{:#}", written.strict);
        }
    }
}
