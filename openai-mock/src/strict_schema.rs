//! What OpenAI demands of a JSON schema that is to be followed with `strict: true`: every object lists all of its
//! properties as required and allows no others.

use serde_json::{Map, Value};

use crate::errors::ApiError;

/// Refuses strict tools and response formats whose schema is not as strict.
pub(crate) fn check(body: &Value) -> Result<(), ApiError> {
    let strict = |owner: &Value| owner.get("strict") == Some(&Value::Bool(true));
    let name = |owner: &Value| owner.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let tools = body.get("tools").and_then(Value::as_array).into_iter().flatten();
    for (index, tool) in tools.enumerate() {
        // In Chat Completions the function is inside the tool, in Responses it is the tool.
        let (function, place) = match tool.get("function") {
            Some(function) => (function, ".function"),
            None => (tool, ""),
        };
        if strict(function) {
            let param = format!("tools[{index}]{place}.parameters");
            let schema = function.get("parameters").ok_or_else(|| ApiError::missing_parameter(&param))?;
            check_root(schema).map_err(|why| {
                ApiError::invalid(format!("Invalid schema for function '{}': {why}", name(function)))
                    .param(param)
                    .code("invalid_function_parameters")
            })?;
        }
    }
    let formats = [
        ("/response_format/json_schema", "response_format.json_schema.schema"),
        ("/text/format", "text.format.schema"),
    ];
    for (place, param) in formats {
        let Some(format) = body.pointer(place).filter(|format| strict(format)) else { continue };
        let schema = format.get("schema").ok_or_else(|| ApiError::missing_parameter(param))?;
        check_root(schema).map_err(|why| {
            let error =
                ApiError::invalid(format!("Invalid schema for response_format '{}': {why}", name(format)));
            match param {
                "text.format.schema" => error.param(param).code("invalid_json_schema"),
                _ => error.param("response_format"),
            }
        })?;
    }
    Ok(())
}

fn check_root(schema: &Value) -> Result<(), String> {
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        let kind = schema.get("type").map_or("None".to_owned(), Value::to_string);
        return Err(format!("schema must be a JSON Schema of 'type: \"object\"', got 'type: {kind}'."));
    }
    walk(schema, &mut Vec::new())
}

fn walk<'a>(schema: &'a Value, path: &mut Vec<&'a str>) -> Result<(), String> {
    let Some(keywords) = schema.as_object() else { return Ok(()) };
    check_object(keywords).map_err(|why| {
        let steps: Vec<String> = path.iter().map(|step| format!("'{step}'")).collect();
        format!("In context=({}), {why}", steps.join(", "))
    })?;
    for (keyword, value) in keywords {
        path.push(keyword);
        match (keyword.as_str(), value) {
            ("properties" | "$defs" | "definitions", Value::Object(named)) => {
                for (name, child) in named {
                    path.push(name);
                    walk(child, path)?;
                    path.pop();
                }
            }
            ("anyOf", Value::Array(branches)) => {
                for branch in branches {
                    walk(branch, path)?;
                }
            }
            ("items", child) => walk(child, path)?,
            _ => {}
        }
        path.pop();
    }
    Ok(())
}

fn check_object(keywords: &Map<String, Value>) -> Result<(), String> {
    let properties = keywords.get("properties").and_then(Value::as_object);
    if properties.is_none() && keywords.get("type").and_then(Value::as_str) != Some("object") {
        return Ok(());
    }
    if keywords.get("additionalProperties") != Some(&Value::Bool(false)) {
        return Err("'additionalProperties' is required to be supplied and to be false.".to_owned());
    }
    let required = keywords.get("required").and_then(Value::as_array);
    let listed = |name: &&String| {
        required.is_some_and(|required| required.iter().any(|listed| listed.as_str() == Some(name.as_str())))
    };
    match properties.into_iter().flat_map(Map::keys).find(|name| !listed(name)) {
        None => Ok(()),
        Some(missing) => Err(format!(
            "'required' is required to be supplied and to be an array including every key in properties. \
             Missing '{missing}'."
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn strict_schemas_are_closed_and_complete_at_every_depth() {
        let check = |schema: Value, expected: Result<(), &str>| {
            assert_eq!(check_root(&schema), expected.map_err(str::to_owned));
        };
        const OPEN: &str = "'additionalProperties' is required to be supplied and to be false.";
        const MISSING: &str = "'required' is required to be supplied and to be an array including every key in properties. Missing 'a'.";
        let closed = |fields: Value| {
            let names: Vec<_> = fields.as_object().unwrap().keys().cloned().collect();
            json!({"type": "object", "properties": fields, "required": names, "additionalProperties": false})
        };
        let open = || json!({"type": "object", "properties": {}, "required": []});
        check(closed(json!({})), Ok(()));
        check(json!({"type": "object", "additionalProperties": false}), Ok(()));
        check(closed(json!({"a": {"type": ["string", "null"]}, "b": closed(json!({"c": {}}))})), Ok(()));
        check(json!({}), Err("schema must be a JSON Schema of 'type: \"object\"', got 'type: None'."));
        check(
            json!({"type": "array"}),
            Err("schema must be a JSON Schema of 'type: \"object\"', got 'type: \"array\"'."),
        );
        check(open(), Err(&format!("In context=(), {OPEN}")));
        check(
            json!({"type": "object", "properties": {"a": {}}, "additionalProperties": false}),
            Err(&format!("In context=(), {MISSING}")),
        );
        check(closed(json!({"a": open()})), Err(&format!("In context=('properties', 'a'), {OPEN}")));
        check(
            closed(json!({"a": {"type": "array", "items": open()}})),
            Err(&format!("In context=('properties', 'a', 'items'), {OPEN}")),
        );
        check(
            closed(json!({"a": {"anyOf": [{"type": "null"}, open()]}})),
            Err(&format!("In context=('properties', 'a', 'anyOf'), {OPEN}")),
        );
        check(
            json!({"type": "object", "additionalProperties": false, "$defs": {"X": open()}}),
            Err(&format!("In context=('$defs', 'X'), {OPEN}")),
        );
    }
}
