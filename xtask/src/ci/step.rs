//! The steps: what each needs, and what it runs.

use clap::ValueEnum;

use anyhow::Result;

use super::command::{self, cargo, run, shared, succeeds, target};
use super::{comply, examples, live, package};

const CRATE: &str = "tachikoma-backend-codex";
const CORE: &str = "tachikoma-backends-core";

/// The crate outside the workspace that uses the published ones.
const DOWNSTREAM: &str = "tests/downstream/Cargo.toml";

/// One check, in the order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Step {
    /// The code is formatted
    Format,
    /// Clippy has no warning for the workspace
    Clippy,
    /// Rustdoc has no warning
    Doc,
    /// All tests of the workspace
    Test,
    /// The examples run, each against its mock server
    Examples,
    /// Clippy has no warning with exact token counts, the one feature that is off by default for its size
    TokensClippy,
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
    /// Licences, advisories and sources of the dependencies; needs cargo-deny
    Deny,
    /// The instructions per event are not above the recorded ones; needs valgrind
    Instructions,
    /// llm-comply passes tachikoma-openai-mock in both APIs, and OpenAI's Python library works with it; needs pip and its registry
    Comply,
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
            Self::Deny => tool("cargo-deny", succeeds(cargo().args(["deny", "--version"]))),
            Self::Instructions => tool("valgrind", succeeds(command::command("valgrind").arg("--version"))),
            Self::Comply => (!comply::install()).then(|| "pip cannot install llm-comply".to_owned()),
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
            Self::Clippy => clippy(&["--workspace"]),
            Self::Doc => run(cargo().args(["doc", "--workspace", "--no-deps"])),
            Self::Test => run(cargo().args(["test", "--workspace"])),
            Self::Examples => examples::run_offline(),
            Self::TokensClippy => clippy(&["--package", CRATE, "--features", "tokens"]),
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
            Self::Deny => run(cargo().args(["deny", "check"])),
            Self::Instructions => run(cargo()
                .args(["run", "--release", "--quiet", "--package", "benches"])
                .args(["--", "instructions", "--check"])),
            Self::Comply => comply::run_tests(),
            Self::Conformance => live::conformance(),
            Self::Live => live::llama(),
            Self::Agent => live::agent(),
            Self::Llmock => live::llmock(),
            Self::Bodies => live::bodies(),
            Self::Document => live::document(),
        }
    }
}

fn clippy(packages: &[&str]) -> Result<()> {
    run(cargo().arg("clippy").args(packages).args(["--all-targets", "--", "-D", "warnings"]))
}
