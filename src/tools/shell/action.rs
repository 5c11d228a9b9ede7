//! What a shell should do.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a call of the [`ShellTool`](crate::tools::ShellTool) asks for.
///
/// ```
/// use std::time::Duration;
///
/// use tachikoma_backend_codex::ToolCall;
/// use tachikoma_backend_codex::tools::ShellAction;
///
/// let call = ToolCall::new("call_1", "shell", r#"{"commands": ["ls"], "timeout_ms": 500, "max_output_length": null}"#);
/// let action: ShellAction = call.parse_arguments_as()?;
/// assert_eq!(action.commands, ["ls"]);
/// assert_eq!(action.timeout(), Some(Duration::from_millis(500)));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ShellAction {
    /// The commands, which may run at the same time. The result has an output for each.
    pub commands: Vec<String>,
    /// How long they may run, in milliseconds.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// How much of their output is wanted, in characters.
    #[serde(default)]
    pub max_output_length: Option<u64>,
}

impl ShellAction {
    /// How long they may run.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout_ms.map(Duration::from_millis)
    }
}

/// What a call of the [`LocalShellTool`](crate::tools::LocalShellTool) asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LocalShellAction {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables of the environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// How long it may run, in milliseconds.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// The user that it runs as.
    #[serde(default)]
    pub user: Option<String>,
    /// The directory that it runs in.
    #[serde(default)]
    pub working_directory: Option<String>,
}

impl LocalShellAction {
    /// How long it may run.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout_ms.map(Duration::from_millis)
    }
}
