//! The kinds of tools that a request can offer.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::{ToolDefinition, check_name};
use crate::BackendError;
use crate::setters::setters;

/// A tool of a request, of any kind.
///
/// In serde, a function is a [`ToolDefinition`], a custom tool has the `type` `custom`, and a hosted tool the provider's own
/// `type`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum ToolSpec {
    /// A function, which the caller runs.
    Function(ToolDefinition),
    /// A tool whose input is free text, which the caller runs.
    Custom(CustomTool),
    /// A tool of the provider, mostly run there.
    Hosted(HostedTool),
}

impl ToolSpec {
    /// The name of a function or custom tool; the type of a hosted one.
    pub fn name(&self) -> &str {
        match self {
            Self::Function(tool) => &tool.name,
            Self::Custom(tool) => &tool.name,
            Self::Hosted(tool) => &tool.kind,
        }
    }

    /// The function, if this is one.
    pub fn as_function(&self) -> Option<&ToolDefinition> {
        match self {
            Self::Function(tool) => Some(tool),
            _ => None,
        }
    }

    /// Checks what every provider requires.
    ///
    /// # Errors
    /// [`BackendError::InvalidRequest`] that names the problem: see [`ToolDefinition::validate`].
    pub fn validate(&self) -> Result<(), BackendError> {
        let wrong = |reason: String| {
            let message = format!("tool {:?}: {reason}", self.name());
            BackendError::InvalidRequest(message.into())
        };
        match self {
            Self::Function(tool) => tool.validate(),
            Self::Custom(tool) => match &tool.format {
                CustomToolFormat::Grammar { definition, .. } if definition.trim().is_empty() => {
                    Err(wrong("the grammar is empty".to_owned()))
                }
                _ => check_name(&tool.name).map_err(wrong),
            },
            Self::Hosted(tool) if tool.kind.is_empty() => Err(wrong("the type is empty".to_owned())),
            Self::Hosted(_) => Ok(()),
        }
    }
}

impl<'de> Deserialize<'de> for ToolSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::deserialize(deserializer)?;
        let kind = fields.get("type").and_then(Value::as_str).unwrap_or("function");
        let tool = match kind {
            "function" => {
                fields.remove("type");
                serde_json::from_value(fields.into()).map(Self::Function)
            }
            "custom" => serde_json::from_value(fields.into()).map(Self::Custom),
            _ => serde_json::from_value(fields.into()).map(Self::Hosted),
        };
        tool.map_err(serde::de::Error::custom)
    }
}

impl From<ToolDefinition> for ToolSpec {
    fn from(tool: ToolDefinition) -> Self {
        Self::Function(tool)
    }
}

impl From<CustomTool> for ToolSpec {
    fn from(tool: CustomTool) -> Self {
        Self::Custom(tool)
    }
}

impl From<HostedTool> for ToolSpec {
    fn from(tool: HostedTool) -> Self {
        Self::Hosted(tool)
    }
}

/// A tool whose input is free text, such as a patch or a program: the model writes it without the quoting of JSON.
///
/// A server without such tools gets a function with one text parameter, `input`, in its place.
///
/// ```
/// use tachikoma_backends_core::{CustomTool, GrammarSyntax, Tool, ToolCall, ToolRunner};
///
/// let sql = CustomTool::new("query", "Runs a query on the database")
///     .with_grammar(GrammarSyntax::Regex, "SELECT .+ FROM [a-z]+");
/// let runner = ToolRunner::new().with(Tool::custom(sql, |query: String| format!("0 rows for {query}")));
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let call = ToolCall::custom("call_1", "query", "SELECT name FROM cities");
/// let results = runner.run_calls(&[call]).await;
/// assert_eq!(results[0].content.to_text(), "0 rows for SELECT name FROM cities");
/// # });
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "custom")]
#[non_exhaustive]
pub struct CustomTool {
    /// Letters, digits, `_` and `-`; 64 characters at most.
    pub name: String,
    /// What it does and when to use it, for the model.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What the input looks like.
    #[serde(default)]
    pub format: CustomToolFormat,
    /// Further fields of the tool, which are sent unchanged.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

impl CustomTool {
    /// A tool of this name and description, whose input is any text.
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self { name: name.into(), description: description.into(), ..Self::default() }
    }

    setters! {
        with_format(format: CustomToolFormat);
        with_extra(extra: Map<String, Value>);
    }

    /// The same tool, whose input follows this grammar.
    #[must_use]
    pub fn with_grammar(self, syntax: GrammarSyntax, definition: impl Into<String>) -> Self {
        self.with_format(CustomToolFormat::Grammar { syntax, definition: definition.into() })
    }
}

/// What the input of a custom tool looks like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum CustomToolFormat {
    /// Any text.
    #[default]
    Text,
    /// Text that follows a grammar.
    Grammar {
        /// The language of the grammar.
        syntax: GrammarSyntax,
        /// The grammar.
        definition: String,
    },
}

/// The language of a grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GrammarSyntax {
    /// A context-free grammar of the Lark parser.
    Lark,
    /// A regular expression.
    Regex,
}

impl GrammarSyntax {
    /// Its name in requests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lark => "lark",
            Self::Regex => "regex",
        }
    }
}

/// A tool of the provider, by the provider's type and settings of it. A backend's crate has constructors for those of its
/// provider.
///
/// `Debug` masks the text of settings that may hold secrets: `authorization`, `domain_secrets` and `headers`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HostedTool {
    /// The provider's type of it, such as `web_search`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its settings, which are sent unchanged beside the type.
    #[serde(flatten)]
    pub settings: Map<String, Value>,
}

/// Settings that may hold secrets.
const SECRET_SETTINGS: [&str; 3] = ["authorization", "domain_secrets", "headers"];

impl fmt::Debug for HostedTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, settings } = self.masked();
        f.debug_struct("HostedTool").field("kind", &kind).field("settings", &settings).finish()
    }
}

fn masked_settings(settings: &Map<String, Value>, is_secret: bool) -> Map<String, Value> {
    let mask = |(name, value): (&String, &Value)| {
        let is_secret = is_secret || SECRET_SETTINGS.contains(&name.to_ascii_lowercase().as_str());
        (name.clone(), masked(value, is_secret))
    };
    settings.iter().map(mask).collect()
}

fn masked(value: &Value, is_secret: bool) -> Value {
    match value {
        Value::Object(fields) => masked_settings(fields, is_secret).into(),
        Value::Array(items) => items.iter().map(|item| masked(item, is_secret)).collect(),
        Value::String(_) if is_secret => "...".into(),
        other => other.clone(),
    }
}

impl HostedTool {
    /// A tool of this type, without settings.
    pub fn new(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), settings: Map::new() }
    }

    setters! {
        with_settings(settings: Map<String, Value>);
    }

    /// Adds one setting.
    #[must_use]
    pub fn with_setting(mut self, setting: impl Into<String>, value: impl Into<Value>) -> Self {
        self.settings.insert(setting.into(), value.into());
        self
    }

    /// The same tool for logs: the text of settings that may hold secrets is masked, as in `Debug`.
    #[must_use]
    pub fn masked(&self) -> Self {
        Self { kind: self.kind.clone(), settings: masked_settings(&self.settings, false) }
    }

    /// The tool as JSON.
    pub fn into_json(self) -> Map<String, Value> {
        let kind = ("type".to_owned(), Value::String(self.kind));
        [kind].into_iter().chain(self.settings).collect()
    }
}
