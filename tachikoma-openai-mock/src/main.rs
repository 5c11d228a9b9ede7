//! The program: `tachikoma-openai-mock --port 8080`.

use std::io::{self, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tachikoma_openai_mock::{Fault, MockConfig, MockServer, Replay, Script};

/// A deterministic OpenAI-compatible server for tests.
///
/// Point any OpenAI client at the base URL that it prints. The same request always gets the same bytes. Tests control it by
/// PUT /mock/script, GET /mock/requests, GET /mock/counters and POST /mock/reset. Ctrl-C or SIGTERM ends it.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Address to listen on; 0.0.0.0 is reachable from other machines
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Accept only this API key [default: any key that is not empty]
    #[arg(long)]
    key: Option<String>,
    /// Wait this long before each chunk of a stream, for instance 20ms or 1s
    #[arg(long, value_name = "DURATION", default_value = "20ms", value_parser = humantime::parse_duration)]
    chunk_delay: Duration,
    /// Close connections on which nothing has happened for this long
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = humantime::parse_duration)]
    idle_timeout: Duration,
    /// Requests per minute of each model, with --tokens-per-minute; further ones are refused with status 429 [default: no limit]
    #[arg(long, value_name = "N", requires = "tokens_per_minute")]
    requests_per_minute: Option<u32>,
    /// Tokens per minute of each model, with --requests-per-minute
    #[arg(long, value_name = "N", requires = "requests_per_minute")]
    tokens_per_minute: Option<u32>,
    /// Accept requests that OpenAI's document does not allow, for instance with fields of other servers
    #[arg(long)]
    no_schema_check: bool,
    /// Reply from this JSON file, for instance {"replies": [{"text": "Hello."}]}; see also --script-schema
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Print the JSON Schema of script files, for the completion of an editor, and end
    #[arg(long, exclusive = true)]
    script_schema: bool,
    /// Inject a fault; may be given several times, and the first that is due is injected
    #[arg(long, value_name = "SPEC", long_help = fault_help())]
    fault: Vec<Fault>,
    /// Respond from a recording alone, byte for byte; the key and other rules do not apply
    #[arg(long, value_name = "FILE", conflicts_with_all = ["fault", "key", "script"])]
    replay: Option<PathBuf>,
    /// Send the pieces of a recording at the times at which they came, instead of at once
    #[arg(long, requires = "replay")]
    replay_times: bool,
    /// Do not record requests for GET /mock/requests, for instance to measure the speed of a client
    #[arg(long)]
    no_recording: bool,
    /// Write a line to standard error for each request: method, path and status
    #[arg(long)]
    log: bool,
}

fn fault_help() -> String {
    format!(
        "Inject a fault. May be given several times: a request gets the first that is due, or the one in \
         its own header x-mock-fault\n\n{}",
        Fault::GRAMMAR
    )
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.script_schema {
        println!("{:#}", Script::json_schema());
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(serve(&arguments))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: &Arguments) -> io::Result<()> {
    let Arguments { port, host, key, chunk_delay, idle_timeout, no_schema_check, fault, log, .. } = arguments;
    let mut config = MockServer::builder()
        .with_port(*port)
        .with_host(*host)
        .with_chunk_delay(*chunk_delay)
        .with_idle_timeout(*idle_timeout)
        .with_log(*log)
        .with_schema_check(!no_schema_check)
        .with_recording(!arguments.no_recording);
    config = fault.iter().cloned().fold(config, MockConfig::with_fault);
    if let (Some(requests), Some(tokens)) = (arguments.requests_per_minute, arguments.tokens_per_minute) {
        config = config.with_rate_limits(requests, tokens);
    }
    if let Some(key) = key {
        config = config.with_key(key);
    }
    if let Some(path) = &arguments.script {
        config = config.with_script(Script::read(path)?);
    }
    if let Some(path) = &arguments.replay {
        config = config.with_replay(Replay::read(path)?.with_times(arguments.replay_times));
    }
    let server = config.start().await.map_err(|error| {
        let hint = "Choose another port with --port, or any free one with --port 0.";
        io::Error::new(error.kind(), format!("cannot listen on {host} port {port}: {error}. {hint}"))
    })?;
    // A signal that arrives as soon as the address is printed is not lost.
    let stopped = stop_signal()?;
    // A configured key is not printed: the line to paste reads it from the environment.
    let example_key = if key.is_some() { "$OPENAI_API_KEY" } else { "sk-mock" };
    let url = server.base_url();
    writeln!(
        io::stdout(),
        r#"Listening on {url}

curl {url}/chat/completions -H "authorization: Bearer {example_key}" -H "content-type: application/json" -d '{{"model": "gpt-4o", "messages": [{{"role": "user", "content": "Say hello"}}]}}'
"#
    )?;
    stopped.await;
    server.shutdown().await;
    Ok(())
}

/// Ends with Ctrl-C, or with the signal by which containers and test runners stop a program.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Ends with Ctrl-C.
#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async { _ = tokio::signal::ctrl_c().await })
}
