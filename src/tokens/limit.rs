//! Whether a request is more than its model reads.

use tachikoma_backends_core::CompletionRequest;

use super::{TokenCount, ceiling, of_request};
use crate::target::Target;

/// What is wrong with the size of a request; nothing where the model's own limits are not known. Counting takes time, so that a
/// request is not counted whose bytes settle that it fits.
pub(crate) fn too_long(request: &CompletionRequest, target: &Target) -> Option<String> {
    match most(request, target, 0) {
        Some(_) => None,
        None => check(target, request.max_tokens, &of_request(request, target)),
    }
}

/// The most tokens that a request can have together with this many earlier ones; `None` where they may be too many for the model, so
/// that only a count can settle it.
pub(crate) fn most(request: &CompletionRequest, target: &Target, earlier: u32) -> Option<u32> {
    let tokens = ceiling(request, target).saturating_add(earlier);
    let count = TokenCount { tokens, ..TokenCount::default() };
    check(target, request.max_tokens, &count).is_none().then_some(tokens)
}

fn check(target: &Target, max_tokens: Option<u32>, count: &TokenCount) -> Option<String> {
    let Target { model, spec, has_own_limits, .. } = target;
    let input = spec.input_limit().filter(|_| *has_own_limits)?;
    let total = spec.context_window.unwrap_or(u32::MAX);
    let answer = max_tokens.unwrap_or_default();
    let counted = describe(count);
    if count.tokens > input {
        return Some(format!(
            "the input has {counted}, but {model} reads {input} at most: shorten the conversation"
        ));
    }
    (count.tokens.saturating_add(answer) > total).then(|| {
        format!(
            "the input has {counted}, and max_tokens is {answer}, but {model} reads and writes {total} together at most: \
             shorten the conversation, or ask for fewer"
        )
    })
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
        let target = Target::for_model(model, WireApi::Responses);
        assert_eq!(super::check(&target, max_tokens, &count).as_deref(), expected);
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
    fn earlier_tokens_count() {
        let target = Target::for_model("gpt-4o", WireApi::Responses);
        let request = CompletionRequest::user("x".repeat(1000));
        let most = |earlier| super::most(&request, &target, earlier);
        let alone = most(0).unwrap();
        assert!((1000..1100).contains(&alone), "{alone}");
        assert_eq!(most(128_000 - alone), Some(128_000));
        assert_eq!(most(128_001 - alone), None);
        assert_eq!(most(u32::MAX), None);
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
