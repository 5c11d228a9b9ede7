//! Converts the tools of a request to those of the Responses API.

use serde_json::{Map, Value, json};
use tachikoma_backends_core::{
    AllowedTool, CustomTool, CustomToolFormat, GrammarSyntax, ToolChoice, ToolDefinition, ToolSpec,
};

use super::input::unknown;
use crate::CodexError;
use crate::api::custom_tool;
use crate::openai::types;
use crate::openai::types::Tool;

/// # Errors
/// The tool is of a kind that this release does not know.
pub(super) fn tool(tool: ToolSpec, takes_custom: bool) -> Result<Tool, CodexError> {
    Ok(match tool {
        ToolSpec::Function(tool) => function(tool),
        ToolSpec::Custom(tool) if takes_custom => custom(tool)?,
        ToolSpec::Custom(tool) => function(custom_tool::function(tool)),
        ToolSpec::Hosted(tool) => Tool::Raw(tool.into_json()),
        _ => return Err(unknown("kind of tool")),
    })
}

fn function(tool: ToolDefinition) -> Tool {
    let ToolDefinition { name, description, parameters, strict, extra, .. } = tool;
    Tool::FunctionTool(types::FunctionTool {
        description: (!description.is_empty()).then_some(description),
        name,
        parameters: Some(parameters.into_json_schema().into()),
        // Unlike in Chat Completions the default is true, and a schema that is not made for it would be rejected.
        strict: Some(strict.unwrap_or(false)),
        type_: types::FunctionToolType::Function,
        extra,
    })
}

fn custom(tool: CustomTool) -> Result<Tool, CodexError> {
    use types::CustomToolParamFormat as Format;
    let CustomTool { name, description, format, extra, .. } = tool;
    let format = match format {
        CustomToolFormat::Text => None,
        CustomToolFormat::Grammar { syntax, definition } => {
            let syntax = match syntax {
                GrammarSyntax::Lark => types::GrammarSyntax1::Lark,
                GrammarSyntax::Regex => types::GrammarSyntax1::Regex,
                _ => return Err(unknown("syntax of a grammar")),
            };
            let type_ = types::CustomGrammarFormatParamType::Grammar;
            Some(Format::Grammar(types::CustomGrammarFormatParam { definition, syntax, type_ }))
        }
        _ => return Err(unknown("format of a custom tool")),
    };
    Ok(Tool::CustomToolParam(types::CustomToolParam {
        description: (!description.is_empty()).then_some(description),
        format,
        name,
        type_: types::CustomToolParamType::Custom,
        extra,
    }))
}

/// The choice, for a request whose custom tools `is_custom` knows.
///
/// # Errors
/// The choice is of a kind that this release does not know.
pub(super) fn choice(
    choice: ToolChoice,
    is_custom: impl Fn(&str) -> bool,
) -> Result<types::ToolChoiceParam, CodexError> {
    use types::ToolChoiceOptions as Mode;
    use types::ToolChoiceParam as Choice;
    Ok(match choice {
        ToolChoice::Auto => Choice::Mode(Mode::Auto),
        ToolChoice::Required => Choice::Mode(Mode::Required),
        ToolChoice::None => Choice::Mode(Mode::None),
        ToolChoice::Tool { name } if is_custom(&name) => {
            let type_ = types::ToolChoiceCustomType::Custom;
            Choice::Custom(types::ToolChoiceCustom { name, type_ })
        }
        ToolChoice::Tool { name } => {
            let type_ = types::ToolChoiceFunctionType::Function;
            Choice::Function(types::ToolChoiceFunction { name, type_ })
        }
        ToolChoice::Hosted(tool) => Choice::Raw(tool.into_json()),
        ToolChoice::Allowed { tools, required } => {
            use types::ToolChoiceAllowedMode as AllowedMode;
            let mode = if required { AllowedMode::Required } else { AllowedMode::Auto };
            let tools = tools.into_iter().map(|tool| allowed(tool, &is_custom)).collect::<Result<_, _>>()?;
            let type_ = types::ToolChoiceAllowedType::AllowedTools;
            Choice::Allowed(types::ToolChoiceAllowed { mode, tools, type_ })
        }
        _ => return Err(unknown("tool choice")),
    })
}

fn allowed(tool: AllowedTool, is_custom: impl Fn(&str) -> bool) -> Result<Map<String, Value>, CodexError> {
    let value = match tool {
        AllowedTool::Tool { name } if is_custom(&name) => json!({"type": "custom", "name": name}),
        AllowedTool::Tool { name } => json!({"type": "function", "name": name}),
        AllowedTool::Hosted(tool) => Value::Object(tool.into_json()),
        _ => return Err(unknown("allowed tool")),
    };
    Ok(value.as_object().cloned().unwrap_or_default())
}
