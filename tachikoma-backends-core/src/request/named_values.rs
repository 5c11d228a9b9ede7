//! Fields of a request that are one of some names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::BackendError;

/// Writes an enum of named values, one row a value, with the conversions to and from text.
macro_rules! named_values {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $value:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $value)] $variant,)* }

        impl $name {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name in requests.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $value,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = BackendError;

            fn from_str(value: &str) -> Result<Self, BackendError> {
                Self::ALL.iter().copied().find(|known| known.as_str() == value).ok_or_else(|| {
                    let known: Vec<_> = Self::ALL.iter().map(|known| known.as_str()).collect();
                    let name = stringify!($name);
                    let message = format!("{value:?} is not a valid {name}; use one of {}", known.join(", "));
                    BackendError::InvalidRequest(message.into())
                })
            }
        }
    };
}

named_values! {
    /// How long a model may reason before its answer. Not every model knows every effort.
    ///
    /// ```
    /// use tachikoma_backends_core::{CompletionRequest, ReasoningEffort};
    ///
    /// // From the command line of a program, say.
    /// let effort: ReasoningEffort = "high".parse()?;
    /// let request = CompletionRequest::user("Prove it.").with_reasoning_effort(effort);
    /// assert!(request.reasoning_effort > Some(ReasoningEffort::Low));
    ///
    /// let error = "hihg".parse::<ReasoningEffort>().unwrap_err();
    /// assert!(error.to_string().contains("none, minimal, low, medium, high, xhigh, max"));
    /// # Ok::<(), tachikoma_backends_core::BackendError>(())
    /// ```
    ReasoningEffort {
        /// Not at all.
        None = "none",
        /// As little as it can.
        Minimal = "minimal",
        /// A little.
        Low = "low",
        /// As usual.
        Medium = "medium",
        /// Longer.
        High = "high",
        /// Much longer.
        XHigh = "xhigh",
        /// As long as it can.
        Max = "max",
    }
}

named_values! {
    /// How a model sums up its reasoning.
    ReasoningSummary {
        /// As the model can.
        Auto = "auto",
        /// Shortly.
        Concise = "concise",
        /// At length.
        Detailed = "detailed",
    }
}

named_values! {
    /// Where the cached beginning of a prompt ends.
    PromptCacheMode {
        /// Where the provider finds it, and at breakpoints.
        Implicit = "implicit",
        /// Only at [breakpoints](crate::ContentPart::with_cache_breakpoint).
        Explicit = "explicit",
    }
}

named_values! {
    /// What a provider does with a conversation that is longer than the context window.
    Truncation {
        /// It drops items from the middle of the conversation.
        Auto = "auto",
        /// The request fails.
        Disabled = "disabled",
    }
}

named_values! {
    /// How long an answer should be.
    Verbosity {
        /// Short.
        Low = "low",
        /// As usual.
        Medium = "medium",
        /// Thorough.
        High = "high",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_go_to_text_and_back() {
        for effort in ReasoningEffort::ALL {
            assert_eq!(effort.as_str().parse::<ReasoningEffort>().unwrap(), *effort);
            assert_eq!(serde_json::to_value(effort).unwrap(), json!(effort.to_string()));
        }
        let error = "loud".parse::<Verbosity>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid request: \"loud\" is not a valid Verbosity; use one of low, medium, high"
        );
    }
}
