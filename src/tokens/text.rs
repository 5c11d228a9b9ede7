//! The tokens of a text: by the model's encoding, with the feature `tokens`, or by its length.

use super::Estimate;
use crate::models::Encoding;

/// How texts are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// By an encoding; `is_own`: by the model's.
    #[cfg(feature = "tokens")]
    Encoding { encoding: Encoding, is_own: bool },
    /// A token for every four bytes.
    #[cfg(not(feature = "tokens"))]
    Quarter,
    /// A token for every byte: more there cannot be.
    Bytes,
}

impl Measure {
    /// The best there is for a model with this encoding; `None` where it is not known.
    pub(crate) fn of(own: Option<Encoding>) -> Self {
        #[cfg(feature = "tokens")]
        return Self::Encoding { encoding: own.unwrap_or(Encoding::O200kBase), is_own: own.is_some() };
        #[cfg(not(feature = "tokens"))]
        {
            let _ = own;
            Self::Quarter
        }
    }

    /// Whether its counts of texts are exact.
    pub(crate) fn is_exact(self) -> bool {
        #[cfg(feature = "tokens")]
        return matches!(self, Self::Encoding { is_own: true, .. });
        #[cfg(not(feature = "tokens"))]
        false
    }

    pub(crate) fn count(self, text: &str) -> Estimate {
        let bytes = text.len() as u64;
        let any = |tokens: u64| Estimate { tokens, error: tokens.max(bytes.saturating_sub(tokens)) };
        match self {
            #[cfg(feature = "tokens")]
            Self::Encoding { encoding, is_own: true } => Estimate::exactly(encoded(encoding, text)),
            #[cfg(feature = "tokens")]
            Self::Encoding { encoding, is_own: false } => any(encoded(encoding, text)),
            #[cfg(not(feature = "tokens"))]
            Self::Quarter => any(bytes.div_ceil(4)),
            Self::Bytes => Estimate::exactly(bytes),
        }
    }
}

/// What looks like a special token (`<|endoftext|>`) is text like any other, as servers take it.
#[cfg(feature = "tokens")]
fn encoded(encoding: Encoding, text: &str) -> u64 {
    let tokenizer = match encoding {
        Encoding::Cl100kBase => bpe_openai::cl100k_base(),
        // Harmony differs from it in special tokens alone.
        Encoding::O200kBase | Encoding::O200kHarmony => bpe_openai::o200k_base(),
    };
    tokenizer.count(text) as u64
}
