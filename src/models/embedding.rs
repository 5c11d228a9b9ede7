//! The embedding models of OpenAI, by its pages on them (read in November 2026).

use super::spec::Encoding;

/// What is known of one embedding model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EmbeddingModel {
    pub(crate) id: &'static str,
    /// The length of its vectors.
    pub(crate) dimensions: u32,
    /// Whether its vectors can be asked for at a shorter length.
    pub(crate) can_shorten: bool,
    /// The longest text that it reads.
    pub(crate) max_input_tokens: u64,
    pub(crate) encoding: Encoding,
}

const MODELS: &[EmbeddingModel] = &[
    EmbeddingModel::DEFAULT,
    EmbeddingModel { id: "text-embedding-3-large", dimensions: 3_072, ..EmbeddingModel::DEFAULT },
    EmbeddingModel { id: "text-embedding-ada-002", can_shorten: false, ..EmbeddingModel::DEFAULT },
];

impl EmbeddingModel {
    /// The model of requests that name none.
    pub(crate) const DEFAULT: Self = Self {
        id: "text-embedding-3-small",
        dimensions: 1_536,
        can_shorten: true,
        max_input_tokens: 8_192,
        encoding: Encoding::Cl100kBase,
    };

    /// The model with this id, where it is one of OpenAI's.
    pub(crate) fn find(id: &str) -> Option<&'static Self> {
        MODELS.iter().find(|model| model.id == id)
    }
}
