//! The steps: what each needs, and what it runs.

use clap::ValueEnum;

use anyhow::Result;

use super::{comply, examples, fuzz, live, mock_clients, package, published};
use crate::command::{self, cargo, run, shared, succeeds, target};

const CRATE: &str = "tachikoma-backend-codex";
const CORE: &str = "tachikoma-backends-core";

/// The database of `cargo audit`.
const ADVISORIES: &str = "https://github.com/RustSec/advisory-db";

/// The crate outside the workspace that uses the published ones.
const DOWNSTREAM: &str = "tests/downstream/Cargo.toml";

/// One check, in the order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Step {
    /// The code is formatted
    Format,
    /// Clippy has no warning for the workspace, with all features
    Clippy,
    /// Clippy has no warning for each published crate without features, and with each feature alone
    Features,
    /// Rustdoc has no warning, with all features
    Doc,
    /// All tests of the workspace
    Test,
    /// The examples run, each against its mock server
    Examples,
    /// The tests of exact token counts
    TokensTest,
    /// Schemas keep their order also where `serde_json` keeps that of keys
    PreserveOrder,
    /// The generated files of openapi/ follow from the vendored document
    Generated,
    /// A crate outside the workspace builds on the published ones
    Downstream,
    /// Every package of the workspace builds from its own files
    Package,
    /// Cargo would publish the packages
    Publish,
    /// The published API has no breaking change that the version does not announce; needs cargo-semver-checks and a tag
    Semver,
    /// The published crates build with the oldest Rust that they declare; needs that toolchain
    Msrv,
    /// The published crates build with the oldest releases of their dependencies that they declare
    MinimalVersions,
    /// The core builds for wasm32; needs that target's standard library
    Wasm,
    /// The licences and sources of the dependencies; needs cargo-deny
    Licences,
    /// The advisories about the dependencies; needs cargo-audit and the RustSec database
    Audit,
    /// Each fuzz target runs for some seconds; needs cargo-fuzz
    Fuzz,
    /// The instructions per event are not above the recorded ones; needs valgrind
    Instructions,
    /// llm-comply passes tachikoma-openai-mock in both APIs, and OpenAI's Python library works with it; needs pip and its registry
    Comply,
    /// The mock's examples for pytest and vitest pass; needs pip and npm with their registries
    MockClients,
    /// The conformance cases; needs ../shared/conformance
    Conformance,
    /// The live tests against llama.cpp; needs ../shared/servers
    Live,
    /// The agent example writes a file, with llama.cpp as its model; needs ../shared/servers
    Agent,
    /// The verdict of llmock on how faults are taken; needs ../shared/servers
    Llmock,
    /// The request bodies of the snapshots fit OpenAI's whole document; needs ../shared/servers
    Bodies,
    /// The vendored document follows from its source; needs pip and ../shared/servers
    Document,
}

impl Step {
    /// The name on the command line.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// What the step cannot run without, if that is missing.
    pub(super) fn missing(self) -> Option<String> {
        let folder = |name: &str| (!shared(name).is_dir()).then(|| format!("../shared/{name} is missing"));
        let tool =
            |name: &str, is_installed: bool| (!is_installed).then(|| format!("{name} is not installed"));
        match self {
            Self::Semver => published::missing_semver(),
            Self::Msrv => published::missing_msrv(),
            Self::Wasm => published::missing_wasm(),
            Self::Licences => tool("cargo-deny", succeeds(cargo().args(["deny", "--version"]))),
            Self::Audit => missing_audit(),
            Self::Fuzz => tool("cargo-fuzz", succeeds(cargo().args(["fuzz", "--version"]))),
            Self::Instructions => tool("valgrind", succeeds(command::command("valgrind").arg("--version"))),
            Self::Comply => (!comply::install()).then(|| "pip cannot install llm-comply".to_owned()),
            Self::MockClients => mock_clients::missing(),
            Self::Conformance => folder("conformance"),
            Self::Live | Self::Agent | Self::Llmock | Self::Bodies | Self::Document => folder("servers"),
            _ => None,
        }
    }

    /// # Errors
    /// The check failed.
    pub(super) fn run(self) -> Result<()> {
        match self {
            Self::Format => run(cargo().args(["fmt", "--all", "--check"])),
            Self::Clippy => run(cargo()
                .args(["clippy", "--workspace", "--all-targets", "--all-features"])
                .args(["--", "-D", "warnings"])),
            Self::Features => published::features(),
            Self::Doc => run(cargo().args(["doc", "--workspace", "--all-features", "--no-deps"])),
            Self::Test => run(cargo().args(["test", "--workspace"])),
            Self::Examples => examples::run_offline(),
            Self::TokensTest => {
                run(cargo().args(["test", "-p", CRATE, "--features", "tokens", "--test", "it", "tokens"]))
            }
            Self::PreserveOrder => run(cargo()
                .args(["test", "-p", CORE, "--features", "serde_json/preserve_order"])
                .args(["--lib", "schema"])),
            Self::Generated => run(cargo().args(["xtask", "regen", "--check"])),
            // Within the workspace's own folder, what both use is built once.
            Self::Downstream => {
                run(cargo().args(["test", "--manifest-path", DOWNSTREAM, "--target-dir"]).arg(target()?))
            }
            Self::Package => package::verify(),
            Self::Publish => {
                run(cargo().args(["publish", "--workspace", "--dry-run", "--no-verify", "--allow-dirty"]))
            }
            Self::Semver => published::semver(),
            Self::Msrv => published::msrv(),
            Self::MinimalVersions => published::minimal_versions(),
            Self::Wasm => published::wasm(),
            Self::Licences => run(cargo().args(["deny", "check", "bans", "licenses", "sources"])),
            Self::Audit => run(cargo().arg("audit")),
            Self::Fuzz => fuzz::smoke(),
            Self::Instructions => run(cargo()
                .args(["run", "--release", "--quiet", "--package", "benches"])
                .args(["--", "instructions", "--check"])),
            Self::Comply => comply::run_tests(),
            Self::MockClients => mock_clients::run_examples(),
            Self::Conformance => live::conformance(),
            Self::Live => live::llama(),
            Self::Agent => live::agent(),
            Self::Llmock => live::llmock(),
            Self::Bodies => live::bodies(),
            Self::Document => live::document(),
        }
    }
}

/// What advisories cannot be looked up without.
fn missing_audit() -> Option<String> {
    if !succeeds(cargo().args(["audit", "--version"])) {
        return Some("cargo-audit is not installed".into());
    }
    let is_reachable = succeeds(command::command("git").args(["ls-remote", "--quiet", ADVISORIES, "HEAD"]));
    (!is_reachable).then(|| format!("{ADVISORIES} cannot be reached"))
}
