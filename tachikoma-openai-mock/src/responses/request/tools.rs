//! The tools of a request for a response, and the choice among them.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{Callable, Input};

/// A function, a custom tool, a namespace of both, or a tool that OpenAI runs.
#[derive(Debug, Deserialize)]
pub(super) struct Tool {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    description: Option<String>,
    parameters: Option<Value>,
    server_label: Option<String>,
    /// Those of a namespace.
    #[serde(default)]
    tools: Vec<Tool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected 'none', 'auto', 'required' or what to call")]
pub(super) enum ToolChoice {
    Mode(Mode),
    Allowed { tools: Vec<Chosen> },
    One(Chosen),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    None,
    Auto,
    Required,
}

#[derive(Debug, Deserialize)]
pub(super) struct Chosen {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    server_label: Option<String>,
}

impl ToolChoice {
    /// The tools that it names; a mode names none.
    pub(super) fn named(&self) -> Option<&[Chosen]> {
        match self {
            Self::Mode(_) => None,
            Self::Allowed { tools } => Some(tools),
            Self::One(one) => Some(std::slice::from_ref(one)),
        }
    }

    fn allows(&self, tool: &Tool) -> bool {
        match self {
            Self::Mode(mode) => *mode != Mode::None,
            Self::Allowed { tools } => tools.iter().any(|chosen| chosen.is(tool)),
            Self::One(one) => one.is(tool),
        }
    }
}

impl Chosen {
    /// What an error calls it.
    pub(super) fn label(&self) -> &str {
        self.name.as_deref().or(self.server_label.as_deref()).unwrap_or(&self.kind)
    }

    /// Whether it is this tool, or one in this namespace. A tool that OpenAI runs has no name; the name that goes with an MCP server
    /// is that of a tool on it.
    pub(super) fn is(&self, tool: &Tool) -> bool {
        if tool.kind == "namespace" {
            return (self.kind == "namespace" && self.name == tool.name)
                || tool.tools.iter().any(|inner| self.is(inner));
        }
        let is_named = match self.kind.as_str() {
            "mcp" => self.server_label == tool.server_label,
            _ => self.name.is_none() || self.name == tool.name,
        };
        family(&self.kind) == family(&tool.kind) && is_named
    }
}

/// The versions of a tool are one tool.
fn family(kind: &str) -> &str {
    ["web_search", "computer"].into_iter().find(|family| kind.starts_with(family)).unwrap_or(kind)
}

impl Tool {
    /// The functions and custom tools in it that may be called.
    pub(super) fn callables(&self, choice: Option<&ToolChoice>) -> Vec<Callable> {
        if self.kind == "namespace" {
            let inner = self.tools.iter().flat_map(|tool| tool.callables(choice));
            return inner.map(|tool| Callable { namespace: self.name.clone(), ..tool }).collect();
        }
        let input = match self.kind.as_str() {
            _ if choice.is_some_and(|choice| !choice.allows(self)) => None,
            "function" => {
                Some(Input::Arguments(self.parameters.clone().unwrap_or_else(|| json!({"type": "object"}))))
            }
            "custom" => Some(Input::FreeForm),
            _ => None,
        };
        let name = self.name.clone().unwrap_or_default();
        input.map(|input| Callable { name, namespace: None, input }).into_iter().collect()
    }

    /// The bytes of its name, description and schema, if the model can call it.
    pub(super) fn bytes(&self) -> usize {
        let inner: usize = self.tools.iter().map(Self::bytes).sum();
        if !["function", "custom", "namespace"].contains(&self.kind.as_str()) {
            return inner;
        }
        let parameters = self.parameters.as_ref().map_or(0, |schema| schema.to_string().len());
        let texts = [&self.name, &self.description].into_iter().flatten();
        inner + parameters + texts.map(String::len).sum::<usize>()
    }
}
