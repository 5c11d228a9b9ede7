//! The trait, and the description of a backend.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::setters::setters;
use crate::{
    BackendError, CompactedConversation, CompletionRequest, CompletionResponse, CompletionStream, compaction,
};

/// An LLM provider behind one interface.
///
/// Object safe: keep backends as `Arc<dyn Backend>` and choose one by configuration. An `Arc`, a `Box` and a reference to a
/// backend are backends too.
///
/// ```
/// use std::sync::Arc;
/// # use tachikoma_backends_core::BackendError;
/// use tachikoma_backends_core::{Backend, CompletionRequest, ScriptedBackend};
///
/// /// What a program does with a backend does not depend on which one it is.
/// async fn ask(backend: &dyn Backend, question: &str) -> Result<String, BackendError> {
///     let response = backend.complete(CompletionRequest::user(question)).await?;
///     Ok(response.content.unwrap_or_default())
/// }
///
/// let local = ScriptedBackend::new().with_name("local").with_default_reply("It snows.");
/// let hosted = ScriptedBackend::new().with_name("hosted").with_default_reply("It rains.");
/// let backends: [Arc<dyn Backend>; 2] = [Arc::new(local), Arc::new(hosted)];
/// # futures::executor::block_on(async {
/// let chosen = backends.iter().find(|backend| backend.name() == "hosted").unwrap();
/// assert_eq!(ask(chosen, "How is the weather?").await?, "It rains.");
/// # Ok::<(), BackendError>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait Backend: Send + Sync + Debug {
    /// Who this backend is and what its configured model can do.
    fn info(&self) -> &BackendInfo;

    /// The backend's short name, as used in configuration files.
    fn name(&self) -> &str {
        &self.info().name
    }

    /// What the configured model can do.
    fn capabilities(&self) -> &BackendCapabilities {
        &self.info().capabilities
    }

    /// Whether a request for `model` has a chance here.
    ///
    /// By default: whether it is the default model or one of the models that [`BackendInfo`] lists.
    fn supports_model(&self, model: &str) -> bool {
        let info = self.info();
        info.default_model == model || info.available_models.iter().any(|known| known == model)
    }

    /// Sends the request and waits for the whole response.
    ///
    /// # Errors
    /// [`BackendError`] by category; a response is never returned in part.
    async fn complete(&self, request: CompletionRequest) -> Result<CompletionResponse, BackendError>;

    /// Sends the request and returns the response as it arrives.
    ///
    /// The stream yields any number of delta chunks, then exactly one final chunk or exactly one error, then ends.
    /// Dropping it cancels the request.
    ///
    /// # Errors
    /// What fails before the first chunk is returned here, everything later comes as the stream's last item.
    async fn complete_stream(&self, request: CompletionRequest) -> Result<CompletionStream, BackendError>;

    /// Makes the conversation of this request shorter, for a run that would otherwise fill the context: the system messages and
    /// every message of the user stay word for word, the rest is replaced by what the model needs of it. The request's own
    /// messages are not changed; its model, tools and other fields should be those of the requests that follow.
    ///
    /// By default the model is asked for a summary; a conversation that is too long for it is tried once more with its long tool
    /// results shortened. Without a response of the model or a result of a tool, nothing is sent, and the conversation is returned
    /// unchanged.
    ///
    /// # Errors
    /// As [`complete`](Self::complete); a summary that is cut or empty is an error as well.
    async fn compact(&self, request: CompletionRequest) -> Result<CompactedConversation, BackendError> {
        compaction::by_summary(self, request).await
    }

    /// Whether the provider can be reached and accepts the credentials, without spending tokens.
    ///
    /// # Errors
    /// Why it cannot.
    async fn health_check(&self) -> Result<bool, BackendError>;

    /// The number of tokens in `text`. By default an estimate: one token for every four bytes, rounded up.
    fn count_tokens(&self, text: &str) -> u32 {
        u32::try_from(text.len().div_ceil(4)).unwrap_or(u32::MAX)
    }
}

/// Implements [`Backend`] for pointers to backends: every method is the one of the backend itself, and the futures are its own.
macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<B: Backend + ?Sized> Backend for $pointer {
            fn info(&self) -> &BackendInfo {
                (**self).info()
            }

            fn name(&self) -> &str {
                (**self).name()
            }

            fn capabilities(&self) -> &BackendCapabilities {
                (**self).capabilities()
            }

            fn supports_model(&self, model: &str) -> bool {
                (**self).supports_model(model)
            }

            fn complete<'s, 'f>(
                &'s self,
                request: CompletionRequest,
            ) -> BoxedFuture<'f, CompletionResponse>
            where
                's: 'f,
                Self: 'f,
            {
                (**self).complete(request)
            }

            fn complete_stream<'s, 'f>(
                &'s self,
                request: CompletionRequest,
            ) -> BoxedFuture<'f, CompletionStream>
            where
                's: 'f,
                Self: 'f,
            {
                (**self).complete_stream(request)
            }

            fn compact<'s, 'f>(
                &'s self,
                request: CompletionRequest,
            ) -> BoxedFuture<'f, CompactedConversation>
            where
                's: 'f,
                Self: 'f,
            {
                (**self).compact(request)
            }

            fn health_check<'s, 'f>(&'s self) -> BoxedFuture<'f, bool>
            where
                's: 'f,
                Self: 'f,
            {
                (**self).health_check()
            }

            fn count_tokens(&self, text: &str) -> u32 {
                (**self).count_tokens(text)
            }
        }
    )*};
}

forward!(Arc<B>, Box<B>, &B);

/// What `async_trait` makes of an `async fn` of the trait.
type BoxedFuture<'f, T> = Pin<Box<dyn Future<Output = Result<T, BackendError>> + Send + 'f>>;

/// Who a backend is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BackendInfo {
    /// Short name, for example `codex`.
    pub name: String,
    /// Version of the API that the backend speaks, for example `v1`.
    pub version: String,
    /// The model for requests that name none.
    pub default_model: String,
    /// Models that are known to work. Others may work as well.
    pub available_models: Vec<String>,
    /// What the default model can do.
    pub capabilities: BackendCapabilities,
}

impl BackendInfo {
    /// A backend of this name whose configured model is this one.
    pub fn new(name: impl Into<String>, default_model: impl Into<String>) -> Self {
        Self { name: name.into(), default_model: default_model.into(), ..Self::default() }
    }

    setters! {
        with_version(version: impl Into<String>);
        with_capabilities(capabilities: BackendCapabilities);
    }

    /// Sets [`available_models`](Self::available_models).
    #[must_use]
    pub fn with_available_models(mut self, models: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.available_models = models.into_iter().map(Into::into).collect();
        self
    }
}

/// What a model can do behind a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BackendCapabilities {
    /// Responses can be streamed.
    pub streaming: bool,
    /// Tools can be offered to the model.
    pub tool_calling: bool,
    /// Images can be sent.
    pub vision: bool,
    /// The response can be forced to be JSON.
    pub json_mode: bool,
    /// Limit on prompt and response together, in tokens; 0 where it is unknown.
    pub max_context_tokens: u32,
    /// Limit on the response, in tokens; 0 where it is unknown.
    pub max_output_tokens: u32,
}

impl BackendCapabilities {
    /// No capability yet.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        with_streaming(streaming: bool);
        with_tool_calling(tool_calling: bool);
        with_vision(vision: bool);
        with_json_mode(json_mode: bool);
        with_max_context_tokens(max_context_tokens: u32);
        with_max_output_tokens(max_output_tokens: u32);
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use futures::{StreamExt, stream};

    use super::*;
    use crate::ScriptedBackend;

    #[test]
    fn defaults_follow_from_info() {
        let backend: Box<dyn Backend> = Box::new(
            ScriptedBackend::new()
                .with_name("mine")
                .with_default_model("default")
                .with_available_models(["listed"])
                .with_capabilities(BackendCapabilities { vision: true, ..Default::default() }),
        );
        assert_eq!(backend.name(), "mine");
        assert!(backend.capabilities().vision && !backend.capabilities().streaming);
        for (model, expected) in [("default", true), ("listed", true), ("other", false)] {
            assert_eq!(backend.supports_model(model), expected, "{model}");
        }
    }

    #[test]
    fn token_estimate_is_a_quarter_of_the_bytes_rounded_up() {
        let backend = ScriptedBackend::new();
        for (text, expected) in [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("ééé", 2)] {
            assert_eq!(backend.count_tokens(text), expected, "{text}");
        }
    }

    /// A backend with its own version of every method.
    #[derive(Debug, Default)]
    struct Own(BackendInfo, BackendCapabilities);

    #[async_trait]
    impl Backend for Own {
        fn info(&self) -> &BackendInfo {
            &self.0
        }
        fn name(&self) -> &str {
            "own"
        }
        fn capabilities(&self) -> &BackendCapabilities {
            &self.1
        }
        fn supports_model(&self, model: &str) -> bool {
            model == "own"
        }
        async fn complete(&self, request: CompletionRequest) -> Result<CompletionResponse, BackendError> {
            Ok(CompletionResponse::new(
                request.messages.iter().map(|message| message.text()).collect::<String>(),
            ))
        }
        async fn complete_stream(&self, _: CompletionRequest) -> Result<CompletionStream, BackendError> {
            Ok(stream::iter([Err(BackendError::Network("own".into()))]).boxed())
        }
        async fn compact(&self, _: CompletionRequest) -> Result<CompactedConversation, BackendError> {
            Ok(CompactedConversation::default().with_model("own"))
        }
        async fn health_check(&self) -> Result<bool, BackendError> {
            Ok(false)
        }
        fn count_tokens(&self, _: &str) -> u32 {
            77
        }
    }

    #[test]
    fn a_pointer_to_a_backend_is_that_backend() {
        fn check(backend: impl Backend) {
            assert_eq!(backend.info().name, "info");
            assert_eq!(backend.name(), "own");
            assert!(backend.capabilities().vision);
            assert!(backend.supports_model("own"));
            let response = block_on(backend.complete(CompletionRequest::user("Hi"))).unwrap();
            assert_eq!(response.content.as_deref(), Some("Hi"));
            let mut stream = block_on(backend.complete_stream(CompletionRequest::default())).unwrap();
            assert_eq!(block_on(stream.next()), Some(Err(BackendError::Network("own".into()))));
            assert_eq!(block_on(backend.compact(CompletionRequest::default())).unwrap().model, "own");
            assert_eq!(block_on(backend.health_check()), Ok(false));
            assert_eq!(backend.count_tokens(""), 77);
        }
        let own = || {
            let info = BackendInfo { name: "info".into(), ..Default::default() };
            Own(info, BackendCapabilities { vision: true, ..Default::default() })
        };
        let borrowed = own();
        check(&borrowed);
        check(borrowed);
        check(Box::new(own()));
        check(Arc::new(own()));
        check(Arc::new(own()) as Arc<dyn Backend>);
        check(&(Box::new(own()) as Box<dyn Backend>));
    }
}
