//! Every kind of credentials, one after the other, against a mock server inside this process.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tachikoma_backend_codex::{
    AccessToken, ApiKey, CodexBackend, CodexBackendConfig, Credentials, TokenError,
};
use tachikoma_backends_core::{CompletionRequest, Message};
use tachikoma_openai_mock::MockServer;

/// Sends requests to a mock server inside this process, without network, with an API key, a key file, a key command, tokens and
/// no credentials, and prints the headers that it received.
#[derive(Parser)]
struct Arguments {
    /// The key to send; only its masked form is printed
    #[arg(long, default_value = "sk-proj-0123456789abcdefwxyz")]
    key: String,
    /// Print the key alone, as a password manager does
    #[arg(long)]
    print_key: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = run(Arguments::parse()).await.inspect_err(|error| eprintln!("error: {error}"));
    ExitCode::from(u8::from(outcome.is_err()))
}

async fn run(Arguments { key, print_key }: Arguments) -> Result<(), Box<dyn Error>> {
    if print_key {
        println!("{key}");
        return Ok(());
    }
    let mock = MockServer::builder().without_key().start().await?;
    let api_key = ApiKey::new(&key);
    println!("the key {api_key} is of the kind {:?}", api_key.kind());

    let file = std::env::temp_dir().join(format!("codex-example-key-{}", std::process::id()));
    std::fs::write(&file, format!("{key}\n"))?;
    let this_program = std::env::current_exe()?;
    let tokens = || async {
        // A real program calls an identity service here; temporary failures are retried.
        let token = std::future::ready(Ok::<_, std::io::Error>("eyJ-a-mock-token")).await;
        Ok(AccessToken::new(token.map_err(TokenError::temporary)?).expires_in(Duration::from_secs(3600)))
    };
    let kinds = [
        ("a key", Credentials::from(api_key)),
        ("a key file", Credentials::key_file(&file)),
        // This program takes the place of a password manager.
        ("a key command", Credentials::key_command(this_program, ["--print-key"])),
        ("tokens", Credentials::from_async_fn(tokens)),
        ("no credentials", Credentials::none()),
    ];
    for (kind, credentials) in kinds {
        let config = CodexBackendConfig::new(credentials)
            .with_base_url(mock.base_url())
            .with_header("x-team", "a")
            .with_token_timeout(Duration::from_secs(10));
        let backend = CodexBackend::new(config)?;
        match backend.try_complete(CompletionRequest::new(vec![Message::user("Say hello")])).await {
            Ok(_) => {
                let sent = mock.requests().pop().ok_or("nothing was sent")?;
                let [authorization, team] =
                    ["authorization", "x-team"].map(|name| sent.header(name).unwrap_or("-"));
                println!("{kind}: authorization {authorization}, x-team {team}");
            }
            Err(error) => println!("{kind}: {error}"),
        }
    }
    std::fs::remove_file(&file)?;
    Ok(())
}
