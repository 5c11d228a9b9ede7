//! The events that are read, and what each is.

/// Makes the enum and the way from an event's name: one row a name. Several names may mean the same event.
macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident = $($name:literal)|+,)*) => {
        /// An event that is read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum EventKind { $($(#[$doc])* $variant,)* }

        impl EventKind {
            /// The names of all of them.
            #[cfg(test)]
            pub(super) const NAMES: &[&str] = &[$($($name,)+)*];

            /// The event of this name, if it is read.
            pub(super) fn from_name(name: &str) -> Option<Self> {
                Some(match name {
                    $($($name)|+ => Self::$variant,)*
                    _ => return None,
                })
            }
        }
    };
}

events! {
    /// The response has begun: it names itself.
    Begun = "response.created" | "response.queued" | "response.in_progress",
    ItemAdded = "response.output_item.added",
    ItemDone = "response.output_item.done",
    /// A part of a message, as a whole.
    Part = "response.content_part.added" | "response.content_part.done",
    /// A part of a summary, as a whole.
    SummaryPart = "response.reasoning_summary_part.added" | "response.reasoning_summary_part.done",
    TextDelta = "response.output_text.delta",
    TextDone = "response.output_text.done",
    RefusalDelta = "response.refusal.delta",
    RefusalDone = "response.refusal.done",
    SummaryDelta = "response.reasoning_summary_text.delta" | "response.reasoning_summary.delta",
    SummaryDone = "response.reasoning_summary_text.done" | "response.reasoning_summary.done",
    ReasoningDelta = "response.reasoning_text.delta" | "response.reasoning.delta",
    ReasoningDone = "response.reasoning_text.done" | "response.reasoning.done",
    ArgumentsDelta = "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta",
    ArgumentsDone = "response.function_call_arguments.done" | "response.custom_tool_call_input.done",
    /// The response is over; its status tells how it ended.
    Ended = "response.completed" | "response.done",
    Incomplete = "response.incomplete",
    Failed = "response.failed",
    Cancelled = "response.cancelled" | "response.canceled",
    Error = "error",
}
