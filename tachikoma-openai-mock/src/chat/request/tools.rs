//! The tools of a chat request, and the choice among them.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{Callable, Input};

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a function or a custom tool")]
pub(super) enum Tool {
    Function { function: ToolFunction },
    Custom { custom: ToolFunction },
}

/// A function, or a custom tool, which has no parameters.
#[derive(Debug, Deserialize)]
pub(super) struct ToolFunction {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) parameters: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected 'none', 'auto', 'required' or a tool to call")]
pub(super) enum ToolChoice {
    Mode(Mode),
    Named(Chosen),
    Allowed { allowed_tools: AllowedTools },
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    None,
    Auto,
    Required,
}

#[derive(Debug, Deserialize)]
pub(super) struct AllowedTools {
    tools: Vec<Chosen>,
}

/// A tool that may be called.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a function or a custom tool")]
pub(super) enum Chosen {
    Function { function: ToolName },
    Custom { custom: ToolName },
}

#[derive(Debug, Deserialize)]
pub(super) struct ToolName {
    name: String,
}

impl ToolChoice {
    /// The tools that it names; a mode names none.
    pub(super) fn named(&self) -> Option<&[Chosen]> {
        match self {
            Self::Mode(_) => None,
            Self::Named(chosen) => Some(std::slice::from_ref(chosen)),
            Self::Allowed { allowed_tools } => Some(&allowed_tools.tools),
        }
    }

    pub(super) fn allows(&self, tool: &Tool) -> bool {
        match self.named() {
            None => *self != Mode::None,
            Some(chosen) => chosen.iter().any(|chosen| chosen.is(tool)),
        }
    }
}

impl PartialEq<Mode> for ToolChoice {
    fn eq(&self, mode: &Mode) -> bool {
        matches!(self, Self::Mode(own) if own == mode)
    }
}

impl Chosen {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Function { function: ToolName { name } } | Self::Custom { custom: ToolName { name } } => {
                name
            }
        }
    }

    pub(super) fn is(&self, tool: &Tool) -> bool {
        let is_custom = matches!(self, Self::Custom { .. });
        is_custom == matches!(tool, Tool::Custom { .. }) && self.name() == tool.function().name
    }
}

impl Tool {
    pub(super) fn function(&self) -> &ToolFunction {
        match self {
            Self::Function { function } | Self::Custom { custom: function } => function,
        }
    }

    pub(super) fn callable(&self) -> Callable {
        let ToolFunction { name, parameters, .. } = self.function();
        let input = match self {
            Self::Function { .. } => {
                Input::Arguments(parameters.clone().unwrap_or_else(|| json!({"type": "object"})))
            }
            Self::Custom { .. } => Input::FreeForm,
        };
        Callable { name: name.clone(), namespace: None, input }
    }
}
