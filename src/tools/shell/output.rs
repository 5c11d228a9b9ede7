//! What a shell returns.

use std::process::Output;

use serde::{Serialize, Serializer};

use crate::openai::types;

/// The output of one command. The result of a call of the [`ShellTool`](crate::tools::ShellTool) is a list of them, one for each
/// command.
///
/// ```
/// use tachikoma_backend_codex::tools::ShellOutput;
///
/// let outputs = vec![ShellOutput::exit(0, "a.txt\n", ""), ShellOutput::timeout("", "waiting")];
/// assert_eq!(
///     serde_json::to_value(outputs)?,
///     serde_json::json!([
///         {"stdout": "a.txt\n", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}},
///         {"stdout": "", "stderr": "waiting", "outcome": {"type": "timeout"}},
///     ]),
/// );
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShellOutput {
    /// What the command printed.
    pub stdout: String,
    /// What it printed as errors.
    pub stderr: String,
    /// How it ended.
    pub outcome: ShellOutcome,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ShellOutcome {
    /// With this exit code.
    Exit(i32),
    /// Its time was over.
    Timeout,
}

impl ShellOutput {
    /// The output of a command that ended with this exit code.
    pub fn exit(code: i32, stdout: impl Into<String>, stderr: impl Into<String>) -> Self {
        Self { stdout: stdout.into(), stderr: stderr.into(), outcome: ShellOutcome::Exit(code) }
    }

    /// The output of a command whose time was over.
    pub fn timeout(stdout: impl Into<String>, stderr: impl Into<String>) -> Self {
        Self { stdout: stdout.into(), stderr: stderr.into(), outcome: ShellOutcome::Timeout }
    }
}

/// What is not UTF-8 is replaced by U+FFFD. A process that a signal ended has the exit code -1.
impl From<Output> for ShellOutput {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self::exit(output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }
}

/// As an entry of the `output` of a `shell_call_output`.
impl Serialize for ShellOutput {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use types::FunctionShellCallOutputOutcomeParam as Outcome;
        let outcome = match self.outcome {
            ShellOutcome::Exit(code) => Outcome::Exit(types::FunctionShellCallOutputExitOutcomeParam {
                exit_code: code.into(),
                type_: types::FunctionShellCallOutputExitOutcomeParamType::Exit,
            }),
            ShellOutcome::Timeout => Outcome::Timeout(types::FunctionShellCallOutputTimeoutOutcomeParam {
                type_: types::FunctionShellCallOutputTimeoutOutcomeParamType::Timeout,
            }),
        };
        let (stdout, stderr) = (self.stdout.clone(), self.stderr.clone());
        types::FunctionShellCallOutputContentParam { outcome, stderr, stdout }.serialize(serializer)
    }
}
