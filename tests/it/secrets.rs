//! Keys appear nowhere: not in what is logged at the finest level, not in an error, not in any `Debug`.

use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex};

use openai_mock::{MockServer, Reply};
use tachikoma_backend_codex::{
    AccessToken, Azure, CodexBackend, CodexBackendConfig, Credentials, TokenError,
};
use tachikoma_backends_core::{Backend, CollectingStream, CompletionRequest, Message};
use tracing_subscriber::fmt::MakeWriter;

const SECRET: &str = "sk-NobodyMayReadThis";
const TOKEN: &str = "eyJNobodyMayReadThis.either";

/// Everything that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn request() -> CompletionRequest {
    CompletionRequest::new(vec![Message::user("Hi")])
}

/// An error, its causes, and how they look to a programmer.
fn shown(error: &dyn Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(" {error} {error:?}");
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn keys_appear_nowhere() {
    let log = Log::default();
    // What the HTTP crates write goes through `log`.
    tracing_log::LogTracer::init().unwrap();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut texts = Vec::new();

    let mock = MockServer::start().await.unwrap();
    let config = CodexBackendConfig::new(SECRET).with_base_url(mock.base_url());
    let backend = CodexBackend::new(config.clone()).unwrap();
    texts.push(format!("{config:?} {backend:?} {:?}", backend.preview(&request())));
    backend.complete(request()).await.unwrap();
    let stream = backend.complete_stream(request()).await.unwrap();
    CollectingStream::new(stream).collect().await.unwrap();
    backend.health_check().await.unwrap();
    for status in [401, 429, 500] {
        mock.push_reply(Reply::error(status, "code", "No").with_header("retry-after-ms", "1"));
        texts.extend(backend.try_complete(request()).await.err().map(|error| shown(&error)));
    }

    let strict = MockServer::builder().with_key("sk-another").start().await.unwrap();
    let refused = CodexBackend::new(config.clone().with_base_url(strict.base_url())).unwrap();
    texts.push(shown(&refused.try_complete(request()).await.unwrap_err()));
    texts.push(shown(&refused.complete(request()).await.unwrap_err()));
    for url in ["http://127.0.0.1:1", "http://no-such-host.invalid", "https://127.0.0.1:1"] {
        let unreachable = config.clone().with_base_url(url).with_max_retries(0);
        let backend = CodexBackend::new(unreachable).unwrap();
        texts.push(shown(&backend.try_complete(request()).await.unwrap_err()));
    }
    for key in [format!("{SECRET}\n"), format!("{SECRET} {SECRET}"), format!("{SECRET}é")] {
        let wrong = CodexBackendConfig::new(key).with_organization("o");
        texts.push(format!("{wrong:?}"));
        texts.push(shown(&CodexBackend::new(wrong).unwrap_err()));
    }
    let in_url =
        CodexBackendConfig::new(SECRET).with_base_url(format!("http://user:{SECRET}@127.0.0.1:1/v1"));
    texts.push(format!("{in_url:?} {}", shown(&CodexBackend::new(in_url.clone()).unwrap_err())));

    let tokens = Credentials::from_async_fn(|| async { Ok(AccessToken::new(TOKEN)) });
    let file = std::env::temp_dir().join(format!("codex-secrets-{}", std::process::id()));
    std::fs::write(&file, SECRET).unwrap();
    for credentials in [SECRET.into(), tokens, Credentials::token(TOKEN), Credentials::key_file(&file)] {
        for version in ["v1", "2024-10-21"] {
            let mock = MockServer::start().await.unwrap();
            let azure = Azure::new(mock.azure_endpoint()).with_api_version(version);
            let config = CodexBackendConfig::new(credentials.clone()).with_azure(azure);
            let backend = CodexBackend::new(config.clone()).unwrap();
            texts.push(format!("{config:?} {backend:?} {:?}", serde_json::to_string(&config)));
            backend.complete(request()).await.unwrap();
            backend.health_check().await.unwrap();
            for status in [401, 500, 401] {
                mock.push_reply(Reply::error(status, "code", "No").with_header("retry-after-ms", "1"));
            }
            texts.push(shown(&backend.try_complete(request()).await.unwrap_err()));
        }
    }
    std::fs::remove_file(&file).unwrap();
    for answer in
        [Err(TokenError::new(format!("no {TOKEN}, sorry"))), Ok(AccessToken::new(format!("{TOKEN}\n")))]
    {
        let failing = Credentials::from_async_fn(move || std::future::ready(answer.clone()));
        let config = CodexBackendConfig::new(failing).with_azure(Azure::new("http://127.0.0.1:1"));
        texts.push(shown(&CodexBackend::new(config).unwrap().try_complete(request()).await.unwrap_err()));
    }

    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(logged.contains("trying again"), "this crate's own events are not logged");
    assert!(
        logged.contains("hyper_util") && logged.contains("TRACE"),
        "the HTTP crates' events are not logged"
    );
    assert!(texts.len() > 10, "{texts:?}");
    for text in texts.iter().chain([&logged]) {
        let line = text.lines().find(|line| line.contains("NobodyMayReadThis"));
        assert_eq!(line, None);
    }
}
