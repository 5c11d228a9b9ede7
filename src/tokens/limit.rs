//! Whether a request is more than its model reads.

use tachikoma_backends_core::CompletionRequest;

use super::{TokenCount, ceiling, of_request};
use crate::models::Match;
use crate::target::Target;

/// What is wrong with the size of a request. Only where its bytes do not settle that it fits is it counted, which takes time.
/// Nothing is wrong where the model's own limits are not known.
pub(crate) fn too_long(request: &CompletionRequest, target: &Target) -> Option<String> {
    let limits = Limits::of(target, request.max_tokens)?;
    if !limits.are_exceeded(ceiling(request, target)) {
        return None;
    }
    limits.check(&of_request(request, target))
}

struct Limits<'a> {
    target: &'a Target,
    input: u32,
    /// Input and answer together.
    total: u32,
    max_tokens: u32,
}

impl<'a> Limits<'a> {
    fn of(target: &'a Target, max_tokens: Option<u32>) -> Option<Self> {
        let spec = Some(target.spec).filter(|_| target.by != Match::Family)?;
        let (input, total) = (spec.input_limit()?, spec.context_window.unwrap_or(u32::MAX));
        Some(Self { target, input, total, max_tokens: max_tokens.unwrap_or_default() })
    }

    fn are_exceeded(&self, tokens: u32) -> bool {
        tokens > self.input || tokens.saturating_add(self.max_tokens) > self.total
    }

    fn check(&self, count: &TokenCount) -> Option<String> {
        let Self { target: Target { model, .. }, input, total, max_tokens } = self;
        if count.tokens > *input {
            Some(format!(
                "the input has {}, but {model} reads {input} at most: shorten the conversation",
                describe(count)
            ))
        } else if self.are_exceeded(count.tokens) {
            Some(format!(
                "the input has {}, and max_tokens is {max_tokens}, but {model} reads and writes {total} together at most: \
                 shorten the conversation, or ask for fewer",
                describe(count)
            ))
        } else {
            None
        }
    }
}

fn describe(count: &TokenCount) -> String {
    match *count {
        TokenCount { tokens, error: 0, exact_texts: true, .. } => format!("{tokens} tokens"),
        TokenCount { tokens, error, exact_texts: true, .. } => {
            format!("{tokens} tokens, give or take {error}")
        }
        TokenCount { tokens, .. } => format!("about {tokens} tokens by an estimate"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::WireApi;

    #[track_caller]
    fn check(model: &str, max_tokens: Option<u32>, tokens: u32, expected: Option<&str>) {
        let count = TokenCount { tokens, exact_texts: true, ..TokenCount::default() };
        let target = Target::of(model, WireApi::Responses);
        let found = Limits::of(&target, max_tokens).and_then(|limits| limits.check(&count));
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn limits() {
        check("gpt-4o", None, 128_000, None);
        let over = "the input has 128001 tokens, but gpt-4o reads 128000 at most: shorten the conversation";
        check("gpt-4o", None, 128_001, Some(over));
        check("gpt-4o", Some(8_000), 120_000, None);
        let together = "the input has 120001 tokens, and max_tokens is 8000, but gpt-4o reads and writes 128000 together at most: \
                        shorten the conversation, or ask for fewer";
        check("gpt-4o", Some(8_000), 120_001, Some(together));
        let input =
            "the input has 922001 tokens, but gpt-5.6-terra reads 922000 at most: shorten the conversation";
        check("gpt-5.6-terra", None, 922_001, Some(input));
        for unknown in ["my-deployment", "gpt-6.7", "gpt-6.2-sol"] {
            check(unknown, Some(u32::MAX), u32::MAX, None);
        }
    }

    #[test]
    fn an_estimate_is_called_so() {
        for (error, exact_texts, expected) in [
            (0, true, "5 tokens"),
            (2, true, "5 tokens, give or take 2"),
            (15, false, "about 5 tokens by an estimate"),
        ] {
            let count = TokenCount { tokens: 5, error, exact_texts, ..TokenCount::default() };
            assert_eq!(describe(&count), expected);
        }
    }
}
