//! [`JsonSchema`]: a schema in a request.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use tachikoma_backends_core::OrderedSchema;

/// A JSON Schema, serialized with its properties in order, and with `properties` for an object: OpenAI rejects the schema of a
/// tool without parameters otherwise.
#[cfg_attr(
    not(feature = "openai-types"),
    expect(unreachable_pub, reason = "the generated types that contain it are public with that feature")
)]
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(transparent)]
pub struct JsonSchema(Value);

impl From<Map<String, Value>> for JsonSchema {
    fn from(mut schema: Map<String, Value>) -> Self {
        if schema.get("type").is_some_and(|kind| kind == "object") {
            schema.entry("properties").or_insert_with(|| Value::Object(Map::new()));
        }
        Self(Value::Object(schema))
    }
}

impl Serialize for JsonSchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        OrderedSchema(&self.0).serialize(serializer)
    }
}
