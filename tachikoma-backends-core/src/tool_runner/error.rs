//! Why a run ended without a final response.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::{BackendError, CompletionResponse, FinishReason, Message, Usage};

/// A run that ended without a final response.
///
/// Its [`messages`](Self::messages) are always a conversation that can be sent again: every tool call in it has its result.
#[derive(Clone, Debug)]
pub struct ToolRunError(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    kind: ToolRunErrorKind,
    messages: Vec<Message>,
    uncompacted: Option<Vec<Message>>,
    partial: Option<CompletionResponse>,
    usage: Option<Usage>,
    steps: usize,
}

impl ToolRunError {
    pub(super) fn new(
        kind: ToolRunErrorKind,
        (messages, uncompacted): (Vec<Message>, Option<Vec<Message>>),
        partial: Option<CompletionResponse>,
        usage: Option<Usage>,
        steps: usize,
    ) -> Self {
        Self(Box::new(Inner { kind, messages, uncompacted, partial, usage, steps }))
    }

    /// Why the run ended.
    pub fn kind(&self) -> &ToolRunErrorKind {
        &self.0.kind
    }

    /// The conversation up to where the run ended, without [`partial`](Self::partial).
    pub fn messages(&self) -> &[Message] {
        &self.0.messages
    }

    /// The conversation up to where the run ended, to go on with.
    pub fn into_messages(self) -> Vec<Message> {
        self.0.messages
    }

    /// The whole conversation, where [`messages`](Self::messages) were compacted.
    pub fn uncompacted(&self) -> Option<&[Message]> {
        self.0.uncompacted.as_deref()
    }

    /// The response that was cut, or what had arrived of it when its stream broke or the run was cancelled. None of its
    /// calls was run.
    pub fn partial(&self) -> Option<&CompletionResponse> {
        self.0.partial.as_ref()
    }

    /// The usage of all responses and compactions together, as far as the server reported it.
    pub fn usage(&self) -> Option<Usage> {
        self.0.usage
    }

    /// How many responses the model gave, an incomplete one included.
    pub fn steps(&self) -> usize {
        self.0.steps
    }
}

impl fmt::Display for ToolRunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.kind, f)
    }
}

impl Error for ToolRunError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.kind.source()
    }
}

/// Why a run ended.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum ToolRunErrorKind {
    /// The backend failed.
    #[error("{0}")]
    Backend(#[source] BackendError),
    /// The response was cut, or holds tool calls that are not known to be whole. None of its calls was run.
    #[error(
        "the response is incomplete (finish reason {}), so no tool call of it was run; ask again with into_messages(){}",
        .finish_reason.as_str(), if *.finish_reason == FinishReason::Length { " and a higher max_tokens" } else { "" }
    )]
    Incomplete {
        /// Why the response ended.
        finish_reason: FinishReason,
    },
    /// The model called tools in every response that it may give.
    #[error(
        "the model still calls tools after {max_steps} responses; raise with_max_steps, or go on with into_messages()"
    )]
    StepLimit {
        /// How many responses it may give.
        max_steps: usize,
    },
    /// The tokens are used up, or unknown.
    #[error("{}", budget_text("tokens", &budget, spent.as_ref()))]
    TokenBudget {
        /// How many may be used.
        budget: u64,
        /// How many were used; `None` where the server did not report it.
        spent: Option<u64>,
    },
    /// The money is used up, or its amount unknown.
    #[error("{}", budget_text("US dollars", &budget_usd, spent_usd.as_ref()))]
    CostBudget {
        /// How much may be spent, in US dollars.
        budget_usd: f64,
        /// How much was spent, in US dollars; `None` where the cost of a response is unknown.
        spent_usd: Option<f64>,
    },
    /// The time is used up.
    #[error(
        "the run did not end within its time budget of {budget:?}; raise it, or go on with into_messages()"
    )]
    TimeBudget {
        /// How long the run may take.
        budget: Duration,
    },
    /// The caller cancelled the run.
    #[error("the run was cancelled; go on with into_messages()")]
    Cancelled,
    /// The approval ended the run.
    #[error("the run was stopped: {reason}; go on with into_messages()")]
    Stopped {
        /// The approval's reason.
        reason: String,
    },
}

fn budget_text(unit: &str, budget: &impl fmt::Display, spent: Option<&impl fmt::Display>) -> String {
    match spent {
        Some(spent) => format!(
            "the run has used {spent} {unit} of its budget of {budget}; raise it, or go on with into_messages()"
        ),
        None => format!(
            "the budget of {budget} {unit} cannot be kept, since a response came without its usage or cost; run without \
             this budget, or go on with into_messages()"
        ),
    }
}
