//! Azure OpenAI by key or by tokens of Entra ID. Without Azure's variables it talks to a mock server inside this process.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tachikoma_backend_codex::{
    AccessToken, Azure, CodexBackend, CodexBackendConfig, Credentials, TokenError,
};
use tachikoma_backends_core::{CompletionRequest, Message};
use tachikoma_openai_mock::{MockServer, Reply};

/// Sends a prompt to a deployment of Azure OpenAI, and prints the URL of the request.
///
/// With AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY (or AZURE_OPENAI_AD_TOKEN) set, the request goes to your resource; without
/// them, to a mock server inside this process, which needs no network.
#[derive(Parser)]
struct Arguments {
    /// The prompt
    #[arg(default_value = "Say hello")]
    prompt: String,
    /// The deployment [default: AZURE_OPENAI_DEPLOYMENT or OPENAI_MODEL]
    #[arg(long)]
    deployment: Option<String>,
    /// The version of Azure's API; without one the newer URLs, below /openai/v1, are used
    #[arg(long)]
    api_version: Option<String>,
    /// Send tokens of a mock identity instead of a key; the mock rejects the first one, as if it had been revoked
    #[arg(long)]
    entra: bool,
}

/// Placeholder for a call of an identity library, for the scope https://cognitiveservices.azure.com/.default.
async fn entra_id() -> Result<AccessToken, TokenError> {
    eprintln!("requesting a token");
    Ok(AccessToken::new("eyJ-mock-token").expires_in(Duration::from_secs(3600)))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = run(Arguments::parse()).await.inspect_err(|error| eprintln!("error: {error}"));
    ExitCode::from(u8::from(outcome.is_err()))
}

async fn run(Arguments { prompt, deployment, api_version, entra }: Arguments) -> Result<(), Box<dyn Error>> {
    let mock = MockServer::start().await?;
    let config = if std::env::var_os("AZURE_OPENAI_ENDPOINT").is_some_and(|value| !value.is_empty()) {
        CodexBackendConfig::from_azure_env()?
    } else {
        eprintln!(
            "AZURE_OPENAI_ENDPOINT is not set: talking to the embedded mock at {}",
            mock.azure_endpoint()
        );
        let credentials = if entra {
            mock.push_reply(Reply::error(401, "Unauthorized", "The token was revoked."));
            Credentials::from_async_fn(entra_id)
        } else {
            Credentials::key("mock-key")
        };
        let azure = Azure::new(mock.azure_endpoint());
        CodexBackendConfig::new(credentials).with_azure(azure).with_model("gpt-4o")
    };
    let azure = config.azure().cloned().ok_or("Azure is not configured in the environment")?;
    let azure = match api_version {
        Some(version) => azure.with_api_version(version),
        None => azure,
    };
    let config = match deployment {
        Some(name) => config.with_azure(azure.with_deployment(&name)).with_model(name),
        None => config.with_azure(azure),
    };
    let backend = CodexBackend::new(config)?;
    let request = CompletionRequest::new(vec![Message::user(prompt)]);
    eprintln!("POST {}", backend.preview(&request)?.url);
    println!("{}", backend.try_complete(request).await?.content.unwrap_or_default());
    Ok(())
}
