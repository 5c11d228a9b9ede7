//! Classifies the text of an error by rules over the phrases of the tables.

use super::tables::*;

/// The sentences of an error's text, normalized.
#[derive(Clone, Debug, Default)]
pub(super) struct Sentences(Vec<String>);

impl Sentences {
    pub(super) fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self(texts.into_iter().flat_map(normalize).collect())
    }

    /// Whether any of these phrases is in it.
    pub(super) fn has_any(&self, phrases: &[&str]) -> bool {
        self.0.iter().any(|sentence| has_any(sentence, phrases))
    }

    /// Whether all of these phrases are in one sentence of it.
    pub(super) fn has_all(&self, phrases: &[&str]) -> bool {
        self.0.iter().any(|sentence| phrases.iter().all(|phrase| has(sentence, phrase)))
    }

    /// Whether the account has no money left.
    pub(super) fn is_unpaid(&self) -> bool {
        self.0.iter().any(|sentence| {
            has_any(sentence, BILLING_PHRASES) || has_any(sentence, MONEY) && has_any(sentence, LACK)
        })
    }

    /// Whether it names a limit per period.
    pub(super) fn has_period(&self) -> bool {
        self.has_any(PERIODS)
    }

    /// Whether one sentence states that a limit per period was reached.
    pub(super) fn states_rate_limit(&self) -> bool {
        let is_reached = |sentence: &String| has_any(sentence, PERIODS) && has_any(sentence, REACHED);
        self.0.iter().any(is_reached)
    }

    /// Whether the conversation is longer than the model can read.
    pub(super) fn is_context_overflow(&self) -> bool {
        if self.has_period() || self.has_any(THROTTLING) {
            return false;
        }
        self.0.iter().any(|sentence| is_too_long(sentence))
    }
}

/// The rule: words for the input, for exceeding and for length in one sentence; or a stated context length.
fn is_too_long(sentence: &str) -> bool {
    let without_output = without(sentence, OUTPUT_LIMITS);
    let is_about_output = without_output != *sentence;
    let sentence = without(&without_output, FIELD_ERRORS);
    let has_input = has_any(&sentence, INPUTS);
    if is_about_output && !has_input {
        return false;
    }
    if has_any(&sentence, CONTEXT_PHRASES) || states_limit(&sentence) {
        return true;
    }
    if !has_any(&sentence, EXCEEDING) {
        return false;
    }
    if has_any(&sentence, CONTEXT_NOUNS) {
        return true;
    }
    let is_length = has_input && has_any(&sentence, LENGTHS)
        || has_any(&sentence, REQUESTS) && has_any(&sentence, TOKEN_LENGTHS);
    is_length && !has_any(&sentence, OTHER_PARTS)
}

/// "maximum context length is 8192", "a maximum input length of 202752", "context length is only 4096".
fn states_limit(sentence: &str) -> bool {
    STATED_LIMITS.iter().any(|noun| {
        sentence.match_indices(noun).any(|(at, _)| {
            let rest = sentence.get(at.saturating_add(noun.len())..).unwrap_or_default();
            let mut words = rest.split_whitespace();
            let is_statement =
                words.next().is_some_and(|word| matches!(word, "is" | "of" | "only" | "limit"));
            is_statement && words.take(3).any(|word| word.starts_with(|first: char| first.is_ascii_digit()))
        })
    })
}

/// Letters of scripts without case, which do not separate words.
fn is_caseless(c: char) -> bool {
    !c.is_ascii() && c.is_alphabetic() && !c.is_lowercase() && !c.is_uppercase()
}

/// The apostrophe of "model's", quotes, and the comma of "1,024".
fn is_within_word(c: char, before: char) -> bool {
    matches!(c, '\'' | '`' | '"' | '’' | '‘' | '“' | '”') || c == ',' && before.is_ascii_digit()
}

fn has(sentence: &str, phrase: &str) -> bool {
    sentence.match_indices(phrase).any(|(at, _)| {
        let before = sentence.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|before| before == ' ' || is_caseless(before))
    })
}

fn has_any(sentence: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| has(sentence, phrase))
}

fn without(sentence: &str, phrases: &[&str]) -> String {
    phrases.iter().fold(sentence.to_owned(), |sentence, phrase| {
        if has(&sentence, phrase) { sentence.replace(phrase, "") } else { sentence }
    })
}

/// Sentences of lower-case words with one space after each: `RateLimit_reached` becomes `rate limit reached `, a URL
/// nothing, `tokens/min` `tokens per min `.
fn normalize(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut sentence = String::new();
    let mut end = |sentence: &mut String| {
        if !sentence.is_empty() {
            all.push(std::mem::take(sentence));
        }
    };
    for line in text.lines() {
        for word in line.split_whitespace().filter(|word| !word.contains("://")) {
            let mut before = ' ';
            for c in word.chars() {
                if is_caseless(c) || c.is_alphanumeric() {
                    if c.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit()) {
                        sentence.push(' ');
                    }
                    sentence.extend(c.to_lowercase());
                } else if matches!(c, '<' | '=' | '>') {
                    sentence.push(c);
                } else if c == '/' {
                    sentence.push_str(" per ");
                } else if !is_within_word(c, before) && !sentence.ends_with(' ') && !sentence.is_empty() {
                    sentence.push(' ');
                }
                before = c;
            }
            if !sentence.ends_with(' ') && !sentence.is_empty() {
                sentence.push(' ');
            }
            if word.ends_with(['.', '!', '?', '。']) {
                end(&mut sentence);
            }
        }
        end(&mut sentence);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_normalized() {
        #[track_caller]
        fn check(text: &str, expected: &[&str]) {
            assert_eq!(normalize(text), expected);
        }
        check("RateLimit_reached", &["rate limit reached "]);
        check(
            "The model's `max_tokens` (1,024). See https://x.y/rate-limits!",
            &["the models max tokens 1024 ", "see "],
        );
        check(
            "5 tokens/min\nGenerateRequestsPerMinute",
            &["5 tokens per min ", "generate requests per minute "],
        );
        check("inputs + x must be <= 4096", &["inputs x must be <= 4096 "]);
        check(" \n . ", &[]);
    }

    #[test]
    fn too_long() {
        for text in [
            "This model's maximum context length is 8192 tokens. However, you requested 9001 tokens (8001 in the messages).",
            "You passed 202753 input tokens and requested 0 output tokens. However, the model's context length is only 202752 tokens, resulting in a maximum input length of 202752 tokens.",
            "'max_tokens' or 'max_completion_tokens' is too large: 9000. This model's maximum context length is 8192 tokens and your request has 100 input tokens (9000 > 8192 - 100).",
            "The decoder prompt (length 9000) is longer than the maximum model length of 8192. Make sure that `max_model_len` is no smaller than the number of text tokens.",
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            "Unable to submit request because the input token count is 1200000 but model only supports up to 1048576.",
            "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
            "Input is too long for requested model.",
            "The model returned the following errors: Input is too long for requested model.",
            "prompt token count of 140000 exceeds the limit of 128000",
            "prompt too long; exceeded max context length by 5 tokens",
            "Trying to keep the first 12000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens, which is not enough.",
            "The number of tokens to keep from the initial prompt is greater than the context length.",
            "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
            "Requested token count exceeds the model's maximum context length of 8192 tokens.",
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097. Given: 4 `inputs` tokens and 4096 `max_new_tokens`",
            "Input validation error: `inputs` must have less than 1000 tokens. Given: 4000",
            "Invalid request: Your request exceeded model token limit: 262144 (requested: 300000)",
            "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]",
            "Prompt exceeds max length",
            "prompt is too long: 213462 tokens > 200000 maximum",
            "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length or `max_tokens` and try again",
            "Your input exceeds the context window of this model. Please adjust your input and try again.",
            "the request exceeds the available context size, try increasing it",
            "Context size has been exceeded.",
            "too many tokens: total tokens in the request 300000 must be less than limit 256000",
            "Prompt contains 140000 tokens and 0 draft tokens, too large for model with 131072 maximum context length",
            "Please reduce the length of the messages or completion.",
            "Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192",
            "Input length 131393 exceeds the maximum allowed input length of 131040 tokens.",
            "invalid params, context window exceeds limit",
            "Prompt has 150,000 tokens, but the configured context size is 128,000 tokens",
            "token limit exceeded for this model",
            "Total tokens 9000 exceeds maximum 8192",
            "Your prompt has 5000 tokens; the limit is 4096",
            "messages too long: 250000 tokens (max 200000)",
            "llama_decode: failed; prompt exceeds n_ctx (4096)",
            "Context window exceeded: requested 12000 tokens",
            "Model context window is 128k tokens, you requested 256k tokens",
            "Prompt too large for this model",
            "Your conversation is too long.",
            "The prompt must be at most 4096 tokens",
            "The total number of tokens in the prompt exceeds the limit of 32768",
            "Requested tokens (5000) exceed context window of 4096",
            "ContextWindowExceededError",
            "context_length_exceeded",
            "model_context_window_exceeded",
            "input_too_long",
            "Request size exceeds model context window",
            "Prompt 超长",
            "输入长度超过模型上限",
        ] {
            assert!(Sentences::new([text]).is_context_overflow(), "{text}: {:?}", normalize(text));
        }
    }

    #[test]
    fn not_too_long() {
        for text in [
            "max_tokens must be at most 4096",
            "max_tokens is too large: 100000. This model supports at most 16384 completion tokens, whereas you provided 100000.",
            "The maximum tokens you requested exceeds the model limit of 4096.",
            "Invalid request: max_tokens exceeds the limit of 8192",
            "max_tokens (300000) exceeds the model's context window",
            "Input validation error: `max_new_tokens` must be <= 512. Given: 1024",
            "Range of max_tokens should be [1, 8192]",
            "Invalid 'user': string too long. Expected a string with maximum length 64, but got a string with length 100 instead.",
            "Invalid 'input[3].id': string too long. Expected a string with maximum length 64, but got a string with length 100 instead.",
            "Invalid 'tools': array too long. Expected an array with maximum length 128, but got an array with length 200 instead.",
            "tools array too long",
            "Rate limit reached for model-4o on tokens per min (TPM): Limit 30000, Used 29500, Requested 1200. Please try again in 1.4s.",
            "tokens per minute: limit 30000, requested 40000",
            "request reached organization TPD rate limit, current: 1506556, limit: 1500000",
            "Request too large for model-4o on tokens per min (TPM): Limit 30000, Requested 40000. The input or output tokens must be reduced in order to run successfully.",
            "Throttling error: Too many tokens, please wait before trying again.",
            "Too many tokens, please wait before trying again.",
            "image too large",
            "Input image is too large: 30 MB exceeds the limit of 20 MB",
            "messages.0.content: too many images, exceeds the limit of 20",
            "The audio file is too large",
            "Maximum content size limit (26214400) exceeded (26228646 bytes read)",
            "Body too large",
            "Request entity too large",
            "request exceeds the maximum size",
            "Model context window too small (minimum is 128k tokens)",
            "Unsupported value: 'temperature' must be less than or equal to 2",
            "Input should be less than or equal to 2",
            "input tokens must not be less than 1024 for caching",
            "Unknown parameter: 'context_management'.",
            "Too many requests",
            "context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
            "messages.98.thinking_blocks: Extra inputs are not permitted",
            "model overloaded",
            "The model produced invalid content",
            "thinking budget must be less than max_tokens",
        ] {
            assert!(!Sentences::new([text]).is_context_overflow(), "{text}: {:?}", normalize(text));
        }
    }
}
