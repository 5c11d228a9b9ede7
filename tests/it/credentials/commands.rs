//! Keys that a command prints.

use std::fs;
use std::time::Duration;

use tachikoma_backend_codex::Credentials;
use tachikoma_backends_core::ErrorCategory;
use tachikoma_openai_mock::MockServer;

use super::{TemporaryFile, config_for, send, start};

#[tokio::test]
async fn keys_that_commands_print() {
    let sh = |script: &str| Credentials::key_command("/bin/sh", ["-c", script]);
    let mock = start(MockServer::builder().with_key("sk-0123456789-01")).await;
    send(config_for(&mock, sh("echo sk-0123456789-01"))).await.unwrap();
    // No shell reads the arguments.
    let error = send(config_for(&mock, Credentials::key_command("echo", ["$(echo sk-0123456789-01)"])))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("\"echo\" prints contains a space at character 7"), "{error}");

    use ErrorCategory::{Authentication, Configuration, Timeout};
    for (script, category, words) in [
        ("exit 3", Authentication, "the key command \"/bin/sh\" failed (exit status: 3)"),
        (
            "echo sk-0123456789-01; echo >&2; echo locked >&2; exit 1",
            Authentication,
            "failed (exit status: 1): locked",
        ),
        ("echo bad key sk-0123456789-01 >&2; exit 1", Authentication, "bad key ***"),
        ("exit 0", Authentication, "the key command \"/bin/sh\": its output is empty"),
        ("echo warned >&2; yes", Authentication, "its output is too long for a key"),
        ("echo a; echo b", Configuration, "contains a line break at character 2"),
        ("exec sleep 60", Timeout, "no credentials came within 300ms"),
    ] {
        let config =
            config_for(&mock, sh(script)).with_token_timeout(Duration::from_millis(300)).with_max_retries(0);
        let config =
            if category == Timeout { config } else { config.with_token_timeout(Duration::from_secs(60)) };
        let error = send(config).await.unwrap_err();
        assert_eq!((error.category(), error.attempts()), (category, 0), "{script}: {error}");
        assert!(error.to_string().contains(words), "{words:?} is not in {error}");
        assert!(!format!("{error} {error:?}").contains("0123456789"), "{error:?}");
    }
    let error =
        send(config_for(&mock, Credentials::key_command("/no/such/program", ["x"]))).await.unwrap_err();
    assert!(error.to_string().contains("\"/no/such/program\" cannot be run: No such file"), "{error}");
    assert_eq!(mock.requests().len(), 1);
}

/// When a key command times out, its child processes are killed too.
#[tokio::test]
async fn a_key_commands_children_end_with_it() {
    let mock = start(MockServer::builder()).await;
    // The pipe stays open as long as anything that writes to it lives.
    let pipe =
        TemporaryFile(std::env::temp_dir().join(format!("codex-credentials-{}-pipe", std::process::id())));
    assert!(std::process::Command::new("mkfifo").arg(&pipe.0).status().unwrap().success());
    let script = format!("(exec 3>{path}; echo started >&3; sleep 90) & wait", path = pipe.0.display());
    let credentials = Credentials::key_command("/bin/sh", ["-c", &script]);
    let config =
        config_for(&mock, credentials).with_token_timeout(Duration::from_secs(1)).with_max_retries(0);
    let path = pipe.0.clone();
    let reading = tokio::task::spawn_blocking(move || fs::read_to_string(path).unwrap());
    let error = send(config).await.unwrap_err();
    assert_eq!(error.category(), ErrorCategory::Timeout, "{error}");
    let read = tokio::time::timeout(Duration::from_secs(60), reading).await;
    assert_eq!(read.expect("a child lives on").unwrap(), "started\n");
}
