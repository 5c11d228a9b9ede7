//! Several backends as one: where one fails, the next one responds.

mod entry;
mod failures;
mod health;
mod policy;
mod run;
mod state;
#[cfg(test)]
mod tests;

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{FutureExt, StreamExt, stream};

use self::entry::Slot;
use self::failures::Failures;
use self::health::Permit;
use self::policy::Policy;
use self::run::{Call, Reply};
use crate::{
    Backend, BackendCapabilities, BackendError, BackendInfo, Backoff, CompactedConversation,
    CompactionRequest, CompletionChunk, CompletionRequest, CompletionResponse, CompletionStream,
    ErrorCategory, collect,
};

pub use self::entry::FallbackEntry;
pub use self::health::FallbackHealth;
pub use self::policy::FallbackAction;

/// Several backends as one: a request goes to the first healthy one of a list, and where that fails, to the next.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// use std::sync::Arc;
/// use tachikoma_backends_core::{
///     Backend, BackendError, CompletionRequest, Fallback, FallbackEntry, ScriptedBackend,
/// };
///
/// let busy = BackendError::ServiceUnavailable("busy".into());
/// let hosted = Arc::new(ScriptedBackend::new().with_name("hosted").with_reply(busy));
/// let local = Arc::new(ScriptedBackend::new().with_name("local").with_default_reply("Hello"));
///
/// let backend = Fallback::new(hosted)
///     .with_fallback(FallbackEntry::new(local.clone()).with_model("qwen3-coder"));
///
/// let response = backend.complete(CompletionRequest::user("Hi")).await.unwrap();
/// assert_eq!(response.content.as_deref(), Some("Hello"));
/// assert_eq!(local.last_request().unwrap().model.as_deref(), Some("qwen3-coder"));
/// assert!(!backend.health()[0].is_healthy, "the next request goes to the local server at once");
/// # }
/// ```
///
/// # When the next backend is asked
/// Only before the first chunk: the stream is returned with its first chunk, and from then on an error is the caller's. After an
/// error of these categories, which [`with_action`](Self::with_action) changes:
///
/// | Category | What happens |
/// |---|---|
/// | overloaded, quota, server, timeout, network | the next backend is asked |
/// | rate_limit | the same backend is asked once more after the wait that the server states, if that is within [5 s](Self::with_max_wait); otherwise, and after a second error, the next one |
/// | not_found, of the model | the next backend is asked |
/// | all others | the caller gets the error |
///
/// **A request is not paid for twice unless you allow it**: after an error that states that the server [may have
/// processed](crate::ErrorDetails::maybe_processed) the request, such as a timeout while the model was generating, the caller gets the
/// error. [`with_fallback_if_maybe_processed`](Self::with_fallback_if_maybe_processed) sends it to the next backend all the same. The
/// backend counts as unhealthy in both cases.
///
/// A backend that has another one after it is asked not to retry ([`CompletionRequest::max_retries`] is 0), since that one is the
/// retry; the last one keeps the request's own setting. Where the request itself sets 0, nothing is waited for.
///
/// # Health
/// A backend that failed with one of these categories is skipped for as long as its server stated, up to an hour, or for
/// [a cool-down](Self::with_cool_down) of 30 s, doubled with each further failure up to 5 minutes. Then one request tests it, and
/// others go there again once that one has its first chunk. A model that was not found is skipped alone. Where every backend is
/// unhealthy, that whose cool-down ends first is asked all the same. [`health`](Self::health) reports it; each entry has a health of
/// its own, also where several have the same backend.
///
/// # What stays with the backend that made it
/// - [`ProviderState`](crate::ProviderState) goes only to the backend that made it, by [`route`](crate::ProviderState::route); the
///   others get the turn's text and calls. Your conversation keeps all of it, so that the first backend has its own again later.
///   State that a backend made outside of a fallback goes to the backends by whose name its origin begins. Keep backends of the same
///   name in the same order.
/// - A request with `previous_response_id` or `conversation` in [`extra`](CompletionRequest::extra), or with a file by its id, goes
///   to the first backend alone: only its server has the rest. [`FallbackEntry::with_adjustment`] can replace what an id names.
/// - Everything else is sent unchanged: hosted tools, and fields and parts that only some server has. Adjust the requests of
///   backends that reject them.
///
/// # Which backend responded
/// [`model`](CompletionResponse::model) and [`service_tier`](CompletionResponse::service_tier) are those of the backend that
/// responded, and each change of the backend is a `tracing` event with `backend`, `next`, `category`, `status` and `request_id`.
#[derive(Clone, Debug)]
pub struct Fallback {
    info: BackendInfo,
    capabilities: Option<BackendCapabilities>,
    slots: Vec<Slot>,
    policy: Arc<Policy>,
}

impl Fallback {
    /// Only this backend so far. It is called `fallback`.
    pub fn new(first: impl Into<FallbackEntry>) -> Self {
        let first = Slot::new(first.into(), &[]);
        let info = BackendInfo::new("fallback", first.default_model());
        let info = info.with_version(&*first.backend().info().version);
        let fallback = Self { info, capabilities: None, slots: vec![first], policy: Arc::default() };
        fallback.with_merged_info()
    }

    /// OpenAI's flex tier, at a lower price, and the default tier where that has no capacity: the same backend twice, whatever tier
    /// the request names. Where flex has no capacity, it is waited for once, as long as the server states, up to `max_wait`, or
    /// that long where it states nothing; a request that it rejects is not billed. While it cools down, requests go to the default
    /// tier at once.
    ///
    /// [`CompletionResponse::service_tier`] is the tier that responded, and the price of the response is that of this tier.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// # use std::sync::Arc;
    /// # use std::time::Duration;
    /// # use tachikoma_backends_core::*;
    /// # let reply = |request: &CompletionRequest| match request.service_tier.as_deref() {
    /// #     Some("flex") => ScriptedReply::from(BackendError::RateLimit("no capacity".into())),
    /// #     tier => CompletionResponse::new("Hi").with_service_tier(tier.unwrap_or("auto")).into(),
    /// # };
    /// # let openai = Arc::new(ScriptedBackend::new().with_default_reply(ScriptedReply::from_fn(reply)));
    /// let backend = Fallback::flex_then_default(openai, Duration::from_secs(20));
    /// let response = backend.complete(CompletionRequest::user("Hi")).await.unwrap();
    /// println!("responded in the tier {:?}", response.service_tier);
    /// # assert_eq!(response.service_tier.as_deref(), Some("default"));
    /// # }
    /// ```
    pub fn flex_then_default(backend: Arc<dyn Backend>, max_wait: Duration) -> Self {
        let name = backend.name().to_owned();
        let entry = |tier: &'static str| {
            FallbackEntry::new(Arc::clone(&backend))
                .with_name(format!("{name} ({tier} tier)"))
                .with_adjustment(move |request| request.with_service_tier(tier))
        };
        Self::new(entry("flex").with_wait(max_wait)).with_fallback(entry("default")).with_name(&*name)
    }

    /// Adds a backend to the end of the list.
    #[must_use]
    pub fn with_fallback(mut self, entry: impl Into<FallbackEntry>) -> Self {
        let slot = Slot::new(entry.into(), &self.slots);
        self.slots.push(slot);
        self.with_merged_info()
    }

    /// The name of the whole.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.info.name = name.into();
        self
    }

    /// What the whole can do. By default what every backend of the list can do: the smallest limits of all, 0 being an unknown one.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: BackendCapabilities) -> Self {
        self.capabilities = Some(capabilities);
        self.with_merged_info()
    }

    /// What happens after an error of this category, in the place of the default.
    #[must_use]
    pub fn with_action(mut self, category: ErrorCategory, action: FallbackAction) -> Self {
        self.policy_mut().set_action(category, action);
        self
    }

    /// The longest wait that a server may state for [`FallbackAction::WaitOnce`]; it is never exceeded. By default 5 s; zero turns
    /// waiting off.
    #[must_use]
    pub fn with_max_wait(mut self, max_wait: Duration) -> Self {
        self.policy_mut().max_wait = max_wait;
        self
    }

    /// Whether a request that the failed server may have processed, and billed, goes to the next backend. By default it does not:
    /// the other backend would bill it a second time.
    #[must_use]
    pub fn with_fallback_if_maybe_processed(mut self, is_allowed: bool) -> Self {
        self.policy_mut().if_maybe_processed = is_allowed;
        self
    }

    /// How long a backend is skipped after a failure whose server states no wait, doubled with each further failure. By default 30 s,
    /// up to 5 minutes, without jitter. With a wait of zero nothing is skipped.
    #[must_use]
    pub fn with_cool_down(mut self, cool_down: Backoff) -> Self {
        self.policy_mut().cool_down = cool_down;
        self
    }

    /// The health of each entry, in the order of the list. Clones share it.
    pub fn health(&self) -> Vec<FallbackHealth> {
        self.slots.iter().map(|slot| slot.health.report(slot.name())).collect()
    }

    fn policy_mut(&mut self) -> &mut Policy {
        Arc::make_mut(&mut self.policy)
    }

    /// With the models and capabilities of all entries.
    fn with_merged_info(mut self) -> Self {
        let mut models: Vec<String> = Vec::new();
        for slot in &self.slots {
            let others = slot.backend().info().available_models.iter().map(String::as_str);
            for model in std::iter::once(slot.default_model()).chain(others) {
                if !model.is_empty() && !models.iter().any(|listed| listed == model) {
                    models.push(model.to_owned());
                }
            }
        }
        self.info.available_models = models;
        let all = self.slots.iter().map(|slot| *slot.backend().capabilities()).reduce(in_common);
        self.info.capabilities = self.capabilities.or(all).unwrap_or_default();
        self
    }
}

/// What both can do. An unknown limit does not limit the other.
fn in_common(one: BackendCapabilities, other: BackendCapabilities) -> BackendCapabilities {
    let smaller = |one: u32, other: u32| if one == 0 || other == 0 { one.max(other) } else { one.min(other) };
    BackendCapabilities {
        streaming: one.streaming && other.streaming,
        tool_calling: one.tool_calling && other.tool_calling,
        vision: one.vision && other.vision,
        json_mode: one.json_mode && other.json_mode,
        max_context_tokens: smaller(one.max_context_tokens, other.max_context_tokens),
        max_output_tokens: smaller(one.max_output_tokens, other.max_output_tokens),
    }
}

impl Policy {
    /// Records what this error says about the backend.
    fn record(&self, permit: &mut Permit, error: &BackendError) {
        if let Some(scope) = self.scope(error) {
            permit.fail(error, scope, &self.cool_down);
        }
    }
}

#[async_trait]
impl Backend for Fallback {
    fn info(&self) -> &BackendInfo {
        &self.info
    }

    fn supports_model(&self, model: &str) -> bool {
        self.slots.iter().any(|slot| slot.supports_model(model))
    }

    async fn complete(&self, request: CompletionRequest) -> Result<CompletionResponse, BackendError> {
        let call: Call<CompletionResponse> = |backend, request| backend.complete(request);
        let Reply { value: mut response, slot, mut permit } = self.run(&request, call).await?;
        permit.succeed();
        state::mark(&mut response.provider_state, &slot.route);
        Ok(response)
    }

    async fn complete_stream(&self, request: CompletionRequest) -> Result<CompletionStream, BackendError> {
        let call: Call<(CompletionChunk, CompletionStream)> = |backend, request| {
            async move {
                let mut stream = backend.complete_stream(request).await?;
                // An error in the place of the first chunk still leads to the next backend.
                let first = stream.next().await.unwrap_or_else(|| Err(collect::no_end()))?;
                Ok((first, stream))
            }
            .boxed()
        };
        let Reply { value: (first, rest), slot, mut permit } = self.run(&request, call).await?;
        permit.begin();
        let (policy, route) = (Arc::clone(&self.policy), Arc::clone(&slot.route));
        let chunks = stream::once(ready(Ok(first))).chain(rest).map(move |mut item| {
            match &mut item {
                Ok(chunk) => {
                    state::mark(&mut chunk.provider_state, &route);
                    if chunk.is_final {
                        permit.succeed();
                    }
                }
                Err(error) => policy.record(&mut permit, error),
            }
            item
        });
        Ok(chunks.boxed())
    }

    /// As [`complete`](Self::complete): the next backend compacts the conversation where one fails. What it left unchanged at the end
    /// keeps its state.
    async fn compact(&self, request: CompletionRequest) -> Result<CompactedConversation, BackendError> {
        let compaction = CompactionRequest::new(request.clone());
        if compaction.is_empty() {
            return Ok(compaction.into_unchanged());
        }
        let call: Call<_> = |backend, request| {
            async move {
                let sent = request.messages.clone();
                Ok((backend.compact(request).await?, sent))
            }
            .boxed()
        };
        let Reply { value: (mut compacted, sent), slot, mut permit } = self.run(&request, call).await?;
        permit.succeed();
        state::complete(&mut compacted, &sent, &request.messages, &slot.route);
        Ok(compacted)
    }

    /// Whether any backend can be reached and accepts its credentials. It changes no [`health`](Self::health).
    async fn health_check(&self) -> Result<bool, BackendError> {
        let mut failures = Failures::new(self.slots.len());
        for (index, slot) in self.slots.iter().enumerate() {
            match slot.backend().health_check().await {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) => failures.fail(index, slot.name(), error),
            }
        }
        if failures.is_empty() { Ok(false) } else { Err(failures.into_exhausted_error()) }
    }

    /// As the first backend counts.
    fn count_tokens(&self, text: &str) -> u32 {
        self.slots.first().map_or(0, |slot| slot.backend().count_tokens(text))
    }
}
