//! What of a request for embeddings cannot succeed, by the limits of OpenAI's API and of its models.

use super::{EmbeddingInput, EmbeddingRequest};
use crate::models::EmbeddingModel;
use crate::tokens::Measure;
use crate::validate::{Basis, Finding};

/// How many texts, and tokens in all of them, OpenAI takes in one request, whichever the model.
const MAX_INPUTS: usize = 2_048;
const MAX_TOTAL_TOKENS: u64 = 300_000;

/// Everything wrong with a request. The length of its texts is apart, since a limit on it may be ignored: [`too_long`].
pub(crate) fn check(request: &EmbeddingRequest) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut find = |basis, message: String| found.push(Finding { message, basis, by_api: false });
    let EmbeddingRequest { input, model, dimensions, .. } = request;
    if input.is_empty() {
        find(Basis::Request, "there is nothing to embed: give one text at least".to_owned());
    }
    if input.len() > MAX_INPUTS {
        let message = format!(
            "{} texts to embed: OpenAI takes {MAX_INPUTS} in one request, send the rest in another",
            input.len()
        );
        find(Basis::OpenAI, message);
    }
    let empty = match input {
        EmbeddingInput::Texts(texts) => texts.iter().position(String::is_empty),
        EmbeddingInput::Tokens(texts) => texts.iter().position(Vec::is_empty),
    };
    if let Some(position) = empty {
        find(Basis::OpenAI, format!("input[{position}] is empty: leave it out, it has no meaning"));
    }
    match (*dimensions, EmbeddingModel::find(model.as_str())) {
        (Some(0), _) => find(
            Basis::Request,
            "dimensions is 0: leave it out for as many as the model has, or use 1 at least".to_owned(),
        ),
        (Some(_), Some(EmbeddingModel { can_shorten: false, .. })) => {
            let another = EmbeddingModel::DEFAULT.id;
            find(Basis::OpenAI, format!("{model} takes no dimensions: leave them out, or use {another}"));
        }
        (Some(asked), Some(EmbeddingModel { dimensions: most, .. })) if asked > *most => {
            find(
                Basis::OpenAI,
                format!("dimensions is {asked}, but vectors of {model} have {most} at most: ask for fewer"),
            );
        }
        _ => {}
    }
    found
}

/// What is wrong with the length of the texts, if some are longer than their model reads or all are more than OpenAI takes.
/// Nothing is wrong where the model is not known.
pub(crate) fn too_long(request: &EmbeddingRequest) -> Option<String> {
    let model = EmbeddingModel::find(request.model.as_str())?;
    let limit = model.max_input_tokens;
    let measure = Measure::of(Some(model.encoding));
    // With `Measure::Bytes`, the most that there can be.
    let counts = |measure: Measure| -> Vec<u64> {
        match &request.input {
            EmbeddingInput::Texts(texts) => texts.iter().map(|text| measure.count(text).tokens).collect(),
            EmbeddingInput::Tokens(texts) => texts.iter().map(|tokens| tokens.len() as u64).collect(),
        }
    };
    // Counting takes time, so that texts whose bytes settle it are not counted.
    let ceilings = counts(Measure::Bytes);
    if ceilings.iter().all(|most| *most <= limit) && ceilings.iter().sum::<u64>() <= MAX_TOTAL_TOKENS {
        return None;
    }
    let counts = counts(measure);
    let about = if measure.is_exact() { "" } else { "about " };
    if let Some((position, tokens)) = counts.iter().enumerate().find(|(_, tokens)| **tokens > limit) {
        let model = model.id;
        return Some(format!(
            "input[{position}] has {about}{tokens} tokens, but {model} reads {limit} at most: split it"
        ));
    }
    let total: u64 = counts.iter().sum();
    (total > MAX_TOTAL_TOKENS).then(|| {
        format!("the texts have {about}{total} tokens, but OpenAI takes {MAX_TOTAL_TOKENS} in one request: send some in another")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(request: EmbeddingRequest, basis: Basis, expected: &[&str]) {
        let found = super::check(&request);
        assert!(found.iter().all(|finding| finding.basis == basis), "{found:#?}");
        let found: Vec<_> = found.into_iter().map(|finding| finding.message).collect();
        assert_eq!(found, expected);
    }

    fn one() -> EmbeddingRequest {
        EmbeddingRequest::new("a")
    }

    #[test]
    fn what_cannot_succeed() {
        check(one().with_dimensions(1536), Basis::OpenAI, &[]);
        check(one().with_model("my-model").with_dimensions(9999), Basis::OpenAI, &[]);
        check(
            EmbeddingRequest::new(Vec::<String>::new()),
            Basis::Request,
            &["there is nothing to embed: give one text at least"],
        );
        check(
            EmbeddingRequest::new(["a", ""]),
            Basis::OpenAI,
            &["input[1] is empty: leave it out, it has no meaning"],
        );
        check(
            EmbeddingRequest::new(EmbeddingInput::Tokens(vec![vec![]])),
            Basis::OpenAI,
            &["input[0] is empty: leave it out, it has no meaning"],
        );
        check(
            EmbeddingRequest::new(vec!["a"; 2049]),
            Basis::OpenAI,
            &["2049 texts to embed: OpenAI takes 2048 in one request, send the rest in another"],
        );
        check(
            one().with_dimensions(0),
            Basis::Request,
            &["dimensions is 0: leave it out for as many as the model has, or use 1 at least"],
        );
        check(
            one().with_dimensions(1537),
            Basis::OpenAI,
            &["dimensions is 1537, but vectors of text-embedding-3-small have 1536 at most: ask for fewer"],
        );
        check(
            one().with_model("text-embedding-ada-002").with_dimensions(256),
            Basis::OpenAI,
            &["text-embedding-ada-002 takes no dimensions: leave them out, or use text-embedding-3-small"],
        );
    }

    #[test]
    fn what_is_too_long() {
        assert_eq!(too_long(&EmbeddingRequest::new("a ".repeat(4096))), None);
        assert_eq!(too_long(&EmbeddingRequest::new("a".repeat(80_000)).with_model("my-model")), None);
        let tokens = |inputs: usize, tokens: usize| {
            too_long(&EmbeddingRequest::new(EmbeddingInput::Tokens(vec![vec![0; tokens]; inputs])))
        };
        assert_eq!(tokens(36, 8192), None);
        assert!(
            tokens(1, 8193).unwrap().contains("8193 tokens, but text-embedding-3-small reads 8192 at most")
        );
        assert!(tokens(37, 8192).unwrap().contains("303104 tokens, but OpenAI takes 300000"));
        let long = too_long(&EmbeddingRequest::new(["a".to_owned(), " a".repeat(20_000)])).unwrap();
        assert!(long.starts_with("input[1] has "), "{long}");
    }
}
