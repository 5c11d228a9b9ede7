//! The settings of a server.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::body::RequestSchema;
use crate::fault::Fault;
use crate::key::Key;
use crate::replay::Replay;
use crate::reply::Reply;
use crate::script::Script;
use crate::server::MockServer;

/// The settings of a [`MockServer`] or a [`router`](crate::router). Every setting has a default.
#[derive(Debug, Clone)]
pub struct MockConfig {
    pub(crate) address: SocketAddr,
    pub(crate) key: Option<Key>,
    pub(crate) key_needed: bool,
    pub(crate) models: Vec<String>,
    pub(crate) chunk_delay: Duration,
    pub(crate) context_tokens: usize,
    pub(crate) body_limit: usize,
    pub(crate) script: Script,
    pub(crate) recording: bool,
    pub(crate) log: bool,
    pub(crate) schema_check: bool,
    pub(crate) faults: Vec<Fault>,
    pub(crate) idle_timeout: Duration,
    pub(crate) background_polls: usize,
    pub(crate) replay: Option<Replay>,
    pub(crate) rate_limits: Option<(u32, u32)>,
}

impl Default for MockConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            key: None,
            key_needed: true,
            models: ["gpt-4o", "gpt-4o-mini", "gpt-5.6-terra", "o3", "text-embedding-3-small"]
                .map(str::to_owned)
                .into(),
            chunk_delay: Duration::ZERO,
            context_tokens: 128_000,
            body_limit: 32 * 1024 * 1024,
            script: Script::default(),
            recording: true,
            log: false,
            schema_check: true,
            faults: Vec::new(),
            idle_timeout: Duration::from_secs(60),
            background_polls: 2,
            replay: None,
            rate_limits: None,
        }
    }
}

impl MockConfig {
    /// Listens on this port of the configured host. The default, 0, takes any free port.
    pub fn with_port(mut self, port: u16) -> Self {
        self.address.set_port(port);
        self
    }

    /// Listens on this address. The default is 127.0.0.1.
    pub fn with_host(mut self, host: impl Into<IpAddr>) -> Self {
        self.address.set_ip(host.into());
        self
    }

    /// Accepts only this key, as a bearer token or, as Azure does, in the header `api-key`. By default any key that is not
    /// empty is accepted.
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(Key(key.into()));
        self
    }

    /// Accepts requests without a key too, as local servers do.
    pub fn without_key(mut self) -> Self {
        self.key_needed = false;
        self
    }

    /// What `GET /v1/models` lists. Requests for other models succeed too, see the
    /// [crate's documentation](crate).
    pub fn with_models<S: Into<String>>(mut self, models: impl IntoIterator<Item = S>) -> Self {
        self.models = models.into_iter().map(Into::into).collect();
        self
    }

    /// How long a stream waits before each chunk but the first. None by default.
    pub fn with_chunk_delay(mut self, delay: Duration) -> Self {
        self.chunk_delay = delay;
        self
    }

    /// The longest prompt, in tokens by the [counting rule](crate::reference#tokens): a longer one is refused with
    /// `context_length_exceeded`. 128,000 by default.
    pub fn with_context_tokens(mut self, tokens: usize) -> Self {
        self.context_tokens = tokens;
        self
    }

    /// The longest request body, in bytes: a longer one is refused with status 413. 32 MiB by default. The body of a request
    /// without a valid key is not read.
    pub fn with_body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Queues a reply: each valid request for a chat completion or a response takes the oldest one that fits it. Requests without
    /// one are answered by the general rules.
    pub fn with_reply(mut self, reply: Reply) -> Self {
        self.script.push(reply);
        self
    }

    /// Queues the replies of a script behind those before it, and takes over whether it has a fallback.
    ///
    /// ```no_run
    /// # use tachikoma_openai_mock::{MockServer, Script};
    /// MockServer::builder().with_script(Script::read("script.json")?);
    /// # Ok::<_, std::io::Error>(())
    /// ```
    pub fn with_script(mut self, script: Script) -> Self {
        self.script.extend(script);
        self
    }

    /// Whether [`MockServer::requests`] records requests, as it does by default: the newest 10,000, and of those at most 64 MiB of
    /// bodies. Switch it off to measure the speed of a client.
    pub fn with_recording(mut self, recording: bool) -> Self {
        self.recording = recording;
        self
    }

    /// Whether each request writes a line to standard error: method, path and status. Off by default.
    pub fn with_log(mut self, log: bool) -> Self {
        self.log = log;
        self
    }

    /// Whether requests are checked by [OpenAI's rules](crate::reference#what-it-checks), as they are by default. Switch it off for
    /// requests with fields of other servers, `top_k` for instance: then a misspelt field passes as well.
    pub fn with_schema_check(mut self, check: bool) -> Self {
        self.schema_check = check;
        self
    }

    /// How long a connection may be idle, without a byte in either direction and without a running request, until the server
    /// closes it. 60 s by default. It has no effect on a [`router`](crate::router).
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// How often a response in the background must be retrieved until it is complete: the last of these polls returns it, those
    /// before it are `in_progress`. 2 by default.
    pub fn with_background_polls(mut self, polls: usize) -> Self {
        self.background_polls = polls;
        self
    }

    /// Responds from recorded exchanges alone, whatever the key. A request gets the exchange with the same method, path with query, and
    /// body, as JSON: those that were recorded for it one after the other, and then the last one again. A request without one gets
    /// a 400, `no_recorded_exchange`, that names the nearest line and the first difference. Where the recording has a mask (`***`),
    /// or a redacted text, any value of that place matches.
    ///
    /// Connections that broke break in the same place. What never came when it was recorded does not come: the server waits until the
    /// client leaves.
    pub fn with_replay(mut self, replay: Replay) -> Self {
        self.replay = Some(replay);
        self
    }

    /// Limits each model to this many requests and tokens per minute: both refill steadily, a request is charged a token for every
    /// four bytes of its body and its highest number of output tokens, and one that exceeds what is left is refused with status
    /// 429 and `rate_limit_exceeded`. The `x-ratelimit-*` headers state what is left. By default there are no limits.
    pub fn with_rate_limits(mut self, requests: u32, tokens: u32) -> Self {
        self.rate_limits = Some((requests, tokens));
        self
    }

    /// Injects a fault into requests that have a valid key. Of several faults a request gets the first one that
    /// is due, so that `status=500,times=1` and then `truncate,times=1` hit one request each. A fault in the
    /// request's header `x-mock-fault` applies instead of these.
    ///
    /// ```
    /// # use tachikoma_openai_mock::MockServer;
    /// MockServer::builder().with_fault("status=429,retry-after=2,times=1".parse()?);
    /// # Ok::<_, tachikoma_openai_mock::InvalidFault>(())
    /// ```
    pub fn with_fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// The schema, unless the check is off.
    pub(crate) fn schema(&self, schema: RequestSchema) -> Option<RequestSchema> {
        self.schema_check.then_some(schema)
    }

    /// Starts a server with these settings on the current Tokio runtime.
    ///
    /// # Errors
    /// The address cannot be bound, for instance because the port is in use.
    pub async fn start(self) -> io::Result<MockServer> {
        MockServer::bind(self).await
    }
}
