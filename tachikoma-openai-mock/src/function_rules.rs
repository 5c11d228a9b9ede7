//! OpenAI's rules for the functions and the response format of a request: their names and their schemas.

use std::collections::HashSet;

use crate::body::unreadable;
use crate::errors::ApiError;
use crate::strict_schema::{self, Node};

const LONGEST_NAME: usize = 64;

/// Refuses names that are not valid or given twice, and schemas that OpenAI does not accept.
pub(crate) fn check(body: &[u8]) -> Result<(), ApiError> {
    let body: Node = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    check_tools(body.get("tools"), "tools")?;
    for (path, place) in [
        (["response_format", "json_schema"], "response_format.json_schema"),
        (["text", "format"], "text.format"),
    ] {
        if let Some(format) = body.at(&path) {
            check_format(format, place)?;
        }
    }
    Ok(())
}

/// The tools of a request, or of a namespace: each name is there once.
fn check_tools(tools: Option<&Node>, list: &str) -> Result<(), ApiError> {
    let mut names = HashSet::new();
    for (index, tool) in tools.map(Node::items).unwrap_or_default().iter().enumerate() {
        let place = format!("{list}[{index}]");
        let Some(kind @ ("function" | "custom" | "namespace")) = tool.get("type").and_then(Node::as_str)
        else {
            continue;
        };
        // In Chat Completions the function is inside the tool, in Responses it is the tool.
        let (function, place) = match tool.get(kind) {
            Some(function) => (function, format!("{place}.{kind}")),
            None => (tool, place),
        };
        let param = format!("{place}.name");
        let name = check_name(function, &param)?;
        if !name.is_empty() && !names.insert(name) {
            let message =
                format!("Invalid '{param}': the names of tools must be unique, but '{name}' is given twice.");
            return Err(ApiError::invalid(message).param(param).code("invalid_value"));
        }
        match kind {
            "function" => check_parameters(function, name, &format!("{place}.parameters"))?,
            "namespace" => check_tools(tool.get("tools"), &format!("{place}.tools"))?,
            _ => {}
        }
    }
    Ok(())
}

fn check_parameters(function: &Node, name: &str, param: &str) -> Result<(), ApiError> {
    let outcome = match function.get("parameters").filter(|parameters| **parameters != Node::Null) {
        Some(parameters) if is_strict(function) => strict_schema::check_strict(parameters),
        Some(parameters) => strict_schema::check_parameters(parameters),
        None if is_strict(function) => return Err(ApiError::missing_parameter(param)),
        None => Ok(()),
    };
    outcome.map_err(|why| {
        ApiError::invalid(format!("Invalid schema for function '{name}': {why}"))
            .param(param)
            .code("invalid_function_parameters")
    })
}

fn check_format(format: &Node, place: &str) -> Result<(), ApiError> {
    let name = check_name(format, &format!("{place}.name"))?;
    if !is_strict(format) {
        return Ok(());
    }
    let param = format!("{place}.schema");
    let schema = format.get("schema").ok_or_else(|| ApiError::missing_parameter(&param))?;
    strict_schema::check_strict(schema).map_err(|why| {
        let error = ApiError::invalid(format!("Invalid schema for response_format '{name}': {why}"));
        match place {
            "text.format" => error.param(param).code("invalid_json_schema"),
            _ => error.param("response_format"),
        }
    })
}

fn is_strict(owner: &Node) -> bool {
    owner.get("strict") == Some(&Node::Bool(true))
}

/// The name, or an empty one if it is missing: the schema decides whether it is required.
fn check_name<'a>(owner: &'a Node, param: &str) -> Result<&'a str, ApiError> {
    let name = owner.get("name").and_then(Node::as_str);
    name.map_or(Ok(()), |name| check_tool_name(name, param))?;
    Ok(name.unwrap_or_default())
}

/// Refuses a name that no tool can have.
pub(crate) fn check_tool_name(name: &str, param: &str) -> Result<(), ApiError> {
    let refuse = |reason: String, code: &str| {
        Err(ApiError::invalid(format!("Invalid '{param}': {reason}")).param(param).code(code))
    };
    let length = name.chars().count();
    if name.is_empty() {
        let reason =
            "empty string. Expected a string with minimum length 1, but got an empty string instead.";
        return refuse(reason.to_owned(), "empty_string");
    }
    if length > LONGEST_NAME {
        let reason = format!(
            "string too long. Expected a string with maximum length {LONGEST_NAME}, but got a string with length \
             {length} instead."
        );
        return refuse(reason, "string_above_max_length");
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
        let reason =
            "string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.";
        return refuse(reason.to_owned(), "invalid_value");
    }
    Ok(())
}
