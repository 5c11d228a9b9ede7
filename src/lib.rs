#![doc = include_str!("../README.md")]

mod auth;
mod backend;
mod chat;
mod config;
mod decode;
mod error;
mod models {
    // STUB
    use std::fmt;
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct OpenAIModel(String);
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum TokenParameter {
        MaxTokens,
        MaxCompletionTokens,
    }
    impl OpenAIModel {
        pub fn as_str(&self) -> &str {
            &self.0
        }
        pub fn all() -> Vec<Self> {
            vec![Self::default()]
        }
        pub fn capabilities(&self) -> tachikoma_backends_core::BackendCapabilities {
            Default::default()
        }
        pub(crate) fn token_parameter(&self) -> TokenParameter {
            if self.0.starts_with("gpt-3") {
                TokenParameter::MaxTokens
            } else {
                TokenParameter::MaxCompletionTokens
            }
        }
    }
    impl Default for OpenAIModel {
        fn default() -> Self {
            Self("gpt-5.6-terra".into())
        }
    }
    impl From<&str> for OpenAIModel {
        fn from(s: &str) -> Self {
            Self(s.into())
        }
    }
    impl From<String> for OpenAIModel {
        fn from(s: String) -> Self {
            Self(s)
        }
    }
    impl fmt::Display for OpenAIModel {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&self.0)
        }
    }
}
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
mod openai;
mod transport;

pub use backend::{CodexBackend, RequestPreview};
pub use config::CodexBackendConfig;
pub use error::CodexError;
pub use models::OpenAIModel;
