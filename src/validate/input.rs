//! Whether a request is more than its model reads.

use crate::models::Match;
use crate::target::Target;

/// How many tokens there are, and in what words that is said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub(crate) tokens: u32,
    pub(crate) error: u32,
    /// Whether texts were counted, not estimated.
    pub(crate) exact_texts: bool,
}

impl Counted {
    fn words(self) -> String {
        let Self { tokens, error, exact_texts } = self;
        match (exact_texts, error) {
            (true, 0) => format!("{tokens} tokens"),
            (true, error) => format!("{tokens} tokens, give or take {error}"),
            (false, _) => format!("about {tokens} tokens by an estimate"),
        }
    }
}

/// What is wrong with the size of a request. `ceiling` is a number of tokens that it surely does not exceed; only where that
/// does not settle it is the request counted, which takes time. Of models whose limits are not known nothing is wrong.
pub(crate) fn too_long(
    target: &Target,
    max_tokens: Option<u32>,
    ceiling: impl FnOnce() -> u32,
    count: impl FnOnce() -> Counted,
) -> Option<String> {
    let Target { model, spec, by, .. } = target;
    if *by == Match::Family {
        return None;
    }
    let input = spec.max_input_tokens.or(spec.context_window)?;
    let answer = max_tokens.unwrap_or_default();
    let with_answer = spec.context_window.unwrap_or(u32::MAX);
    let is_over = |tokens: u32| tokens > input || tokens.saturating_add(answer) > with_answer;
    if !is_over(ceiling()) {
        return None;
    }
    let counted = count();
    let (tokens, words) = (counted.tokens, counted.words());
    if tokens > input {
        Some(format!("the input has {words}, but {model} reads {input} at most: shorten the conversation"))
    } else if is_over(tokens) {
        Some(format!(
            "the input has {words}, and max_tokens is {answer}, but {model} reads and writes {with_answer} together at most: \
             shorten the conversation, or ask for fewer"
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::WireApi;

    fn target(model: &str) -> Target {
        Target::of(model, WireApi::Responses)
    }

    #[track_caller]
    fn check(model: &str, max_tokens: Option<u32>, tokens: u32, expected: Option<&str>) {
        let counted = Counted { tokens, error: 0, exact_texts: true };
        let found = too_long(&target(model), max_tokens, || u32::MAX, || counted);
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
    fn what_cannot_be_too_long_is_not_counted() {
        let count = || panic!("counted");
        assert_eq!(too_long(&target("gpt-4o"), Some(8_000), || 120_000, count), None);
    }

    #[test]
    fn an_estimate_is_called_so() {
        for (error, exact_texts, expected) in [
            (0, true, "5 tokens"),
            (2, true, "5 tokens, give or take 2"),
            (15, false, "about 5 tokens by an estimate"),
        ] {
            assert_eq!(Counted { tokens: 5, error, exact_texts }.words(), expected);
        }
    }
}
