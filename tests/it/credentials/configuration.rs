//! Credentials, Azure endpoints and headers that are rejected when a backend is built.

use tachikoma_backend_codex::{Azure, CodexBackend, CodexBackendConfig, Credentials};
use tachikoma_backends_core::ErrorCategory;

use super::TemporaryFile;

#[test]
fn wrong_configurations_fail_when_a_backend_is_built() {
    #[track_caller]
    fn check(config: CodexBackendConfig, words: &str) {
        let error = CodexBackend::new(config).unwrap_err();
        assert_eq!((error.category(), error.attempts()), (ErrorCategory::Configuration, 0), "{error}");
        assert!(error.to_string().contains(words), "{words:?} is not in {error}");
        assert!(!format!("{error} {error:?}").contains("0123456789"), "{error:?}");
    }
    let new = |credentials: Credentials| CodexBackendConfig::new(credentials);
    let file = |name, content: &[u8]| {
        let temporary = TemporaryFile::new(name, content);
        (new(Credentials::key_file(&temporary.0)), temporary)
    };
    check("".into_config(), "the API key is empty");
    check("sk-0123456789\n".into_config(), "the API key contains a line break at character 14");
    check("sk-admin-0123456789".into_config(), "the API key is an admin key, which cannot call a model");
    check(new(Credentials::token("0123456789 ")), "the access token contains a space at character 11");
    check(new(Credentials::none()), "https://api.openai.com needs credentials");
    check(new(Credentials::key_command("", [""; 0])), "the key command is empty");
    check(
        new(Credentials::key_file("/no/such/file")),
        "the key file /no/such/file cannot be read: No such file",
    );
    check(new(Credentials::key_file(std::env::temp_dir())), "is a directory");
    for (name, content, words) in [
        ("empty", &b"\n"[..], "is empty"),
        ("binary", b"\xFF0\xFF1", "is not UTF-8 text"),
        ("utf-16", b"\xFF\xFE0\x001\x00", "is UTF-16 text, not UTF-8"),
        ("two", b"sk-0123456789\nsk-0123456789", "contains a line break at character 14"),
        ("admin", b"sk-admin-0123456789\n", "is an admin key, which cannot call a model"),
    ] {
        let (config, _file) = file(name, content);
        check(config, words);
    }

    let azure = |endpoint: &str| Azure::new(endpoint);
    check("k".into_config().with_azure(azure("nowhere")), "the Azure endpoint is not a valid URL");
    let good = azure("https://r.openai.azure.com");
    check(
        "k".into_config().with_azure(good.clone().with_api_version("")),
        "not a valid version of Azure's API",
    );
    check("k".into_config().with_azure(good.clone().with_deployment("..")), "not a valid deployment name");
    check(
        "k".into_config().with_azure(good.clone()).with_project("p"),
        "the project is set, but Azure has none",
    );
    check(new(Credentials::none()).with_azure(good), "https://r.openai.azure.com needs credentials");
    check("k".into_config().with_base_url("https://r.openai.azure.com"), "the base URL is Azure's");
    check("k".into_config().with_organization(""), "the organization is empty");
    check("k".into_config().with_header("x team", "a"), "\"x team\" is not a valid header name");
    check("k".into_config().with_header("x-key", "0123456789\n"), "the value of the header x-key contains");
}

trait IntoConfig {
    fn into_config(self) -> CodexBackendConfig;
}

impl IntoConfig for &str {
    fn into_config(self) -> CodexBackendConfig {
        CodexBackendConfig::new(self)
    }
}

#[test]
fn custom_headers_may_be_the_credentials() {
    let config = CodexBackendConfig::new(Credentials::none());
    CodexBackend::new(config.with_header("authorization", "Custom mine")).unwrap();
}
