//! What of a request for embeddings cannot succeed, by OpenAI's pages on its embedding models (read in November 2026).

use super::{EmbeddingInput, EmbeddingRequest};
use crate::tokens::Measure;
use crate::validate::{Basis, Finding};

/// Limits of OpenAI's API.
const MAX_INPUTS: usize = 2_048;
const MAX_TOKENS: u64 = 8_192;
const MAX_TOKENS_IN_ALL: u64 = 300_000;

/// The models: the id, the length of its vectors, and whether they may be shorter.
const MODELS: &[(&str, u32, bool)] = &[
    ("text-embedding-3-small", 1_536, true),
    ("text-embedding-3-large", 3_072, true),
    ("text-embedding-ada-002", 1_536, false),
];

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
    let known = MODELS.iter().find(|(id, ..)| *id == model.as_str());
    match (*dimensions, known) {
        (Some(0), _) => find(
            Basis::Request,
            "dimensions is 0: leave it out for as many as the model has, or use 1 at least".to_owned(),
        ),
        (Some(_), Some((_, _, false))) => {
            find(
                Basis::OpenAI,
                format!("{model} takes no dimensions: leave them out, or use {}", super::DEFAULT_MODEL),
            );
        }
        (Some(asked), Some((_, most, true))) if asked > *most => {
            find(
                Basis::OpenAI,
                format!("dimensions is {asked}, but vectors of {model} have {most} at most: ask for fewer"),
            );
        }
        _ => {}
    }
    found
}

/// What to tell of texts that are longer than OpenAI's models read, if some are. Texts whose bytes settle it are not counted.
pub(crate) fn too_long(request: &EmbeddingRequest) -> Option<String> {
    let model = &request.model;
    MODELS.iter().find(|(id, ..)| *id == model.as_str())?;
    let measure = Measure::of_embeddings();
    let count = |position: usize| -> u64 {
        match &request.input {
            EmbeddingInput::Texts(texts) => texts.get(position).map_or(0, |text| measure.count(text).tokens),
            EmbeddingInput::Tokens(texts) => texts.get(position).map_or(0, |tokens| tokens.len() as u64),
        }
    };
    // A token has at least one byte.
    let ceilings: Vec<u64> = match &request.input {
        EmbeddingInput::Texts(texts) => texts.iter().map(|text| text.len() as u64).collect(),
        EmbeddingInput::Tokens(texts) => texts.iter().map(|tokens| tokens.len() as u64).collect(),
    };
    let about = if measure.is_exact() { "" } else { "about " };
    let long = ceilings.iter().enumerate().filter(|(_, ceiling)| **ceiling > MAX_TOKENS);
    for (position, _) in long {
        let tokens = count(position);
        if tokens > MAX_TOKENS {
            return Some(format!(
                "input[{position}] has {about}{tokens} tokens, but {model} reads {MAX_TOKENS} at most: split it"
            ));
        }
    }
    if ceilings.iter().sum::<u64>() <= MAX_TOKENS_IN_ALL {
        return None;
    }
    let all: u64 = (0..ceilings.len()).map(count).sum();
    (all > MAX_TOKENS_IN_ALL).then(|| {
        format!("the texts have {about}{all} tokens, but OpenAI takes {MAX_TOKENS_IN_ALL} in one request: send some in another")
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
