//! Converts the tools of a request to those of Chat Completions.

use serde_json::{Map, Value, json};
use tachikoma_backends_core::{
    AllowedTool, CustomTool, CustomToolFormat, ErrorCategory, GrammarSyntax, HostedTool, ToolChoice,
    ToolDefinition, ToolSpec,
};

use super::message::unknown;
use crate::CodexError;
use crate::api::custom_tool;
use crate::openai::types;
use crate::openai::types::CreateChatCompletionRequestToolsItem as Tool;

/// # Errors
/// The tool cannot be expressed in Chat Completions.
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
    Tool::Function(types::ChatCompletionTool {
        function: types::FunctionObject {
            name,
            description: (!description.is_empty()).then_some(description),
            parameters: Some(parameters.into_json_schema().into()),
            strict,
        },
        type_: types::ChatCompletionToolType::Function,
        extra,
    })
}

fn custom(tool: CustomTool) -> Result<Tool, CodexError> {
    use types::CustomToolChatCompletionsCustomFormat as Format;
    use types::CustomToolChatCompletionsCustomFormatGrammarFormat as GrammarFormat;
    use types::CustomToolChatCompletionsCustomFormatGrammarFormatGrammar as Grammar;
    use types::CustomToolChatCompletionsCustomFormatGrammarFormatGrammarSyntax as Syntax;
    let CustomTool { name, description, format, extra, .. } = tool;
    let format = match format {
        CustomToolFormat::Text => None,
        CustomToolFormat::Grammar { syntax, definition } => {
            let syntax = match syntax {
                GrammarSyntax::Lark => Syntax::Lark,
                GrammarSyntax::Regex => Syntax::Regex,
                _ => return Err(unknown("syntax of a grammar")),
            };
            let type_ = types::CustomToolChatCompletionsCustomFormatGrammarFormatType::Grammar;
            Some(Format::Grammar(GrammarFormat { grammar: Grammar { definition, syntax }, type_ }))
        }
        _ => return Err(unknown("format of a custom tool")),
    };
    let description = (!description.is_empty()).then_some(description);
    Ok(Tool::Custom(types::CustomToolChatCompletions {
        custom: types::CustomToolChatCompletionsCustom { description, format, name },
        type_: types::CustomToolChatCompletionsType::Custom,
        extra,
    }))
}

/// The choice, for a request that offers `custom` tools by these names.
///
/// # Errors
/// The choice cannot be expressed in Chat Completions.
pub(super) fn choice(
    choice: ToolChoice,
    is_custom: impl Fn(&str) -> bool,
) -> Result<types::ChatCompletionToolChoiceOption, CodexError> {
    use types::ChatCompletionToolChoiceOption as Choice;
    use types::ChatCompletionToolChoiceOptionMode as Mode;
    Ok(match choice {
        ToolChoice::Auto => Choice::Mode(Mode::Auto),
        ToolChoice::Required => Choice::Mode(Mode::Required),
        ToolChoice::None => Choice::Mode(Mode::None),
        ToolChoice::Tool { name } if is_custom(&name) => {
            let custom = types::ChatCompletionNamedToolChoiceCustomCustom { name };
            let type_ = types::ChatCompletionNamedToolChoiceCustomType::Custom;
            Choice::Custom(types::ChatCompletionNamedToolChoiceCustom { custom, type_ })
        }
        ToolChoice::Tool { name } => {
            let function = types::ChatCompletionNamedToolChoiceFunction { name };
            let type_ = types::ChatCompletionNamedToolChoiceType::Function;
            Choice::Function(types::ChatCompletionNamedToolChoice { function, type_ })
        }
        ToolChoice::Allowed { tools, required } => {
            use types::ChatCompletionAllowedToolsMode as AllowedMode;
            let mode = if required { AllowedMode::Required } else { AllowedMode::Auto };
            let tools = tools.into_iter().map(|tool| allowed(tool, &is_custom)).collect::<Result<_, _>>()?;
            Choice::Allowed(types::ChatCompletionAllowedToolsChoice {
                allowed_tools: types::ChatCompletionAllowedTools { mode, tools },
                type_: types::ChatCompletionAllowedToolsChoiceType::AllowedTools,
            })
        }
        ToolChoice::Hosted(HostedTool { kind, .. }) => {
            let message = format!("Chat Completions has no choice of the hosted tool {kind:?}");
            return Err(CodexError::unsent(ErrorCategory::InvalidRequest, message)
                .with_hint("Use the Responses API, or give the choice in the extra field \"tool_choice\"."));
        }
        _ => return Err(unknown("tool choice")),
    })
}

fn allowed(tool: AllowedTool, is_custom: impl Fn(&str) -> bool) -> Result<Map<String, Value>, CodexError> {
    let value = match tool {
        AllowedTool::Tool { name } if is_custom(&name) => json!({"type": "custom", "custom": {"name": name}}),
        AllowedTool::Tool { name } => json!({"type": "function", "function": {"name": name}}),
        AllowedTool::Hosted(tool) => Value::Object(tool.into_json()),
        _ => return Err(unknown("allowed tool")),
    };
    Ok(value.as_object().cloned().unwrap_or_default())
}
