//! Tools and the choice among them.

use serde_json::{Value, json};
use tachikoma_backends_core::{
    AllowedTool, CustomTool, CustomToolFormat, HostedTool, ToolChoice, ToolDefinition, ToolParameters,
    ToolSpec,
};

use super::{Fields, take};

/// # Errors
/// The tool is not an object.
pub(super) fn tool(tool: Value, is_responses: bool) -> Result<ToolSpec, String> {
    let Value::Object(mut fields) = tool else { return Err(format!("the tool {tool} is not an object")) };
    fields.retain(|_, value| !value.is_null());
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or("function").to_owned();
    let whole = fields.clone();
    let parsed = match (kind.as_str(), is_responses) {
        ("function", true) => function(fields, None),
        ("custom", true) => custom(fields, None),
        ("function" | "custom", false) => match fields.remove(&kind) {
            Some(Value::Object(inner)) if kind == "function" => function(inner, Some(fields)),
            Some(Value::Object(inner)) => custom(inner, Some(fields)),
            _ => None,
        },
        _ => None,
    };
    Ok(parsed.unwrap_or_else(|| hosted(whole).into()))
}

/// A function from the fields that hold its name; `outer` are those around them in Chat Completions.
fn function(mut fields: Fields, outer: Option<Fields>) -> Option<ToolSpec> {
    fields.retain(|_, value| !value.is_null());
    let name: String = take(&mut fields, "name")?;
    let description: Option<String> = take(&mut fields, "description");
    let parameters = match fields.remove("parameters") {
        Some(schema) => ToolParameters::try_from(schema).ok()?,
        None => ToolParameters::default(),
    };
    let mut tool = ToolDefinition::new(name, description.unwrap_or_default(), parameters);
    tool.strict = take(&mut fields, "strict");
    tool.extra = extra(fields, outer)?;
    Some(tool.into())
}

fn custom(mut fields: Fields, outer: Option<Fields>) -> Option<ToolSpec> {
    fields.retain(|_, value| !value.is_null());
    let name: String = take(&mut fields, "name")?;
    let description: Option<String> = take(&mut fields, "description");
    let mut tool = CustomTool::new(name, description.unwrap_or_default());
    if let Some(mut format) = fields.remove("format") {
        // Chat Completions has the grammar in an object of its own.
        if let Some(Value::Object(grammar)) = format.get("grammar").cloned() {
            format = json!({"type": "grammar"});
            format.as_object_mut()?.extend(grammar);
        }
        tool.format = serde_json::from_value::<CustomToolFormat>(format).ok()?;
    }
    tool.extra = extra(fields, outer)?;
    Some(tool.into())
}

/// The further fields of a tool. Those within the inner object of Chat Completions have no place in the core.
fn extra(inner: Fields, outer: Option<Fields>) -> Option<Fields> {
    let mut extra = match outer {
        Some(outer) if inner.is_empty() => outer,
        Some(_) => return None,
        None => inner,
    };
    extra.remove("type");
    Some(extra)
}

fn hosted(mut fields: Fields) -> HostedTool {
    let kind: String = take(&mut fields, "type").unwrap_or_default();
    HostedTool::new(kind).with_settings(fields)
}

/// The choice, if the core has it.
pub(super) fn choice(choice: &Value) -> Option<ToolChoice> {
    let Value::Object(fields) = choice else {
        return Some(match choice.as_str()? {
            "auto" => ToolChoice::Auto,
            "required" | "any" => ToolChoice::Required,
            "none" => ToolChoice::None,
            _ => return None,
        });
    };
    match fields.get("type")?.as_str()? {
        "function" | "custom" => Some(ToolChoice::tool(name(choice)?)),
        "allowed_tools" => {
            let allowed = fields.get("allowed_tools").unwrap_or(choice);
            let tools = allowed.get("tools")?.as_array()?.iter().map(allowed_tool);
            let required = allowed.get("mode")?.as_str()? == "required";
            Some(ToolChoice::Allowed { tools: tools.collect::<Option<_>>()?, required })
        }
        _ => Some(ToolChoice::Hosted(hosted(fields.clone()))),
    }
}

fn allowed_tool(tool: &Value) -> Option<AllowedTool> {
    Some(match tool.get("type")?.as_str()? {
        "function" | "custom" => AllowedTool::Tool { name: name(tool)? },
        _ => AllowedTool::Hosted(hosted(tool.as_object()?.clone())),
    })
}

/// The name of a function or a custom tool in either API's form.
fn name(tool: &Value) -> Option<String> {
    let holder = ["function", "custom"].iter().find_map(|field| tool.get(*field)).unwrap_or(tool);
    holder.get("name")?.as_str().map(str::to_owned)
}
