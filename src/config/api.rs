//! Which of OpenAI's two APIs is used.

use serde::{Deserialize, Serialize};

use crate::target::WireApi;

/// Which of OpenAI's two APIs requests go to. In files it is `auto`, `chat_completions` or `responses`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// For each request the one that it needs: by the fields of its `extra` that only the Responses API has, else by the model
    /// table.
    #[default]
    Auto,
    /// Chat Completions, which every compatible server speaks.
    ChatCompletions,
    /// The Responses API, on which alone today's models use tools while they reason.
    Responses,
}

/// The setting that sends every request there.
impl From<WireApi> for Api {
    fn from(api: WireApi) -> Self {
        match api {
            WireApi::ChatCompletions => Self::ChatCompletions,
            WireApi::Responses => Self::Responses,
        }
    }
}

impl Api {
    /// Its name, for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::ChatCompletions => WireApi::ChatCompletions.as_str(),
            Self::Responses => WireApi::Responses.as_str(),
        }
    }
}
