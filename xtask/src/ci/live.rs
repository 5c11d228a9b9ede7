//! The steps that use the servers, cases and oracles of `../shared`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::server::Server;
use crate::command::{cargo, command, output, run, shared, target};
use crate::source;

/// The key that the servers take.
const KEY: (&str, &str) = ("OPENAI_API_KEY", "sk-test");

/// The source of the vendored document, in `../shared`.
const DOCUMENT: &str = "upstream/openai-2026-08-21.yaml.gz";

/// Builds the conformance driver and grades it.
pub(super) fn conformance() -> Result<()> {
    run(cargo().args(["build", "--example", "conformance"]))?;
    let target = target()?;
    run(command(shared("conformance/run.sh"))
        .arg(target.join("conformance"))
        .arg(target.join("debug/examples/conformance")))
}

/// Runs the live tests against llama.cpp, records them, and runs them again against the recording. One by one, so that the same request
/// gets its responses in the same order.
pub(super) fn llama() -> Result<()> {
    let recording = target()?.join("tmp/live.jsonl");
    if recording.exists() {
        fs::remove_file(&recording)?;
    }
    let tests = |server: &Server| {
        let mut tests = cargo();
        tests
            .args(["test", "--test", "it", "live", "--", "--test-threads", "1"])
            .env("OPENAI_BASE_URL", format!("{}/v1", server.origin))
            .envs([KEY]);
        tests
    };
    let server = llama_cpp()?;
    run(tests(&server).env("LIVE_RECORDING", &recording))?;
    drop(server);
    run(cargo().args(["build", "-p", "tachikoma-openai-mock"]))?;
    let mut replay = command(target()?.join("debug/tachikoma-openai-mock"));
    let replay = Server::spawn(replay.args(["--port", "0", "--replay"]).arg(&recording))?;
    // That test has a recording of its own.
    run(tests(&replay).args(["--skip", "recordings_play_back"]))
}

/// Runs the agent example against llama.cpp with a model whose one tool call writes a file.
pub(super) fn agent() -> Result<()> {
    let server = llama_cpp()?;
    let written = target()?.join("tmp/agent");
    if written.exists() {
        fs::remove_dir_all(&written)?;
    }
    run(cargo()
        .args(["run", "--quiet", "--example", "agent", "--", "--yes", "--directory"])
        .arg(&written)
        .arg("Write hello.txt")
        .env("OPENAI_BASE_URL", format!("{}/v1", server.origin))
        .envs([KEY]))?;
    let text = fs::read_to_string(written.join("hello.txt")).context("the agent did not write hello.txt")?;
    ensure!(text.lines().any(|line| line == "Hi"), "the agent wrote {text:?} to hello.txt");
    Ok(())
}

/// Starts llama.cpp with the model of `chain_model.py`.
fn llama_cpp() -> Result<Server> {
    let servers = servers()?;
    let folder = servers.join("chain");
    if !servers.join("v-llama/.ok").exists() {
        // The script installs llama.cpp, and what makes a model.
        drop(Server::start("start_llamacpp.sh", &servers, &[])?);
    }
    fs::create_dir_all(&folder)?;
    run(command("ln").args(["-sfn", "../v-llama"]).arg(folder.join("v-llama")))?;
    run(command(servers.join("v-llama/bin/python"))
        .arg("xtask/src/ci/chain_model.py")
        .arg(shared("servers/mkgguf.py"))
        .arg(folder.join("chain.gguf")))?;
    Server::start("start_llamacpp.sh", &folder, &[])
}

/// Runs the tests that llmock judges.
pub(super) fn llmock() -> Result<()> {
    let server = Server::start("start_llmock.sh", &servers()?, &["--stream-chunk-delay-ms", "20"])?;
    run(cargo().args(["test", "--test", "it", "llmock"]).env("LLMOCK_URL", &server.origin))
}

/// Holds the request bodies of the snapshots to OpenAI's whole document.
pub(super) fn bodies() -> Result<()> {
    // This test writes the bodies.
    run(cargo().args(["test", "--test", "it", "bodies"]))?;
    let document = servers()?.join("openapi.yaml");
    fs::write(&document, source::read(&document_source())?.text)?;
    let (installed, python) = output(command(shared("servers/setup_oracle.sh")).arg(servers()?))?;
    ensure!(installed.success(), "the validator cannot be installed");
    let bodies = target()?.join("tmp");
    let validate = |name: &str| {
        let mut validate = command(python.trim());
        validate
            .arg(shared("servers/validate_request.py"))
            .arg(&document)
            .arg("CreateChatCompletionRequest")
            .arg(bodies.join(name))
            .arg("--unknown");
        validate
    };
    run(&mut validate("chat-bodies-valid.jsonl"))?;
    // Those that the document cannot know yet: the reason of each is in tests/it/bodies.rs.
    let (_, verdict) = output(&mut validate("chat-bodies-newer-than-the-document.jsonl"))?;
    print!("{verdict}");
    ensure!(verdict.lines().any(|line| line.starts_with("0 valid")), "the document allows some of them");
    Ok(())
}

/// Makes the vendored document from its source, and compares.
pub(super) fn document() -> Result<()> {
    run(cargo().args(["xtask", "regen", "--no-test", "--from"]).arg(document_source()))?;
    run(command("git").args(["diff", "--exit-code", "--", "openapi", "tachikoma-openai-mock/schema"]))
}

/// Where OpenAI's whole document is.
fn document_source() -> String {
    shared(DOCUMENT).to_string_lossy().into_owned()
}

/// Where servers and oracles are installed.
fn servers() -> Result<PathBuf> {
    Ok(target()?.join("servers"))
}
