//! What is checked for each published package: its features, its oldest Rust, its oldest dependencies, wasm32, its API.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::command::{cargo, command, output, run, succeeds, target};

/// The target of a program in a browser.
const WASM: &str = "wasm32-unknown-unknown";

/// The package that builds for wasm32.
const CORE: &str = "tachikoma-backends-core";

/// The features outside semver.
const UNSTABLE: [&str; 2] = ["internals", "openai-types"];

/// What `cargo metadata` prints.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    /// The registries that the package may go to: none if it is not published, `null` if any.
    publish: Option<Vec<String>>,
    rust_version: String,
    features: BTreeMap<String, Vec<String>>,
}

/// The packages of the workspace that are published.
///
/// # Errors
/// Cargo cannot read the workspace.
fn packages() -> Result<Vec<Package>> {
    let (status, text) =
        output(cargo().args(["metadata", "--no-deps", "--format-version", "1", "--offline"]))?;
    ensure!(status.success(), "cargo cannot read the workspace");
    let metadata: Metadata =
        serde_json::from_str(&text).context("the output of cargo metadata has changed")?;
    Ok(metadata.packages.into_iter().filter(|package| package.publish.is_none()).collect())
}

/// Adds `--package` and the name of each.
fn select<'a>(command: &'a mut Command, packages: &[Package]) -> &'a mut Command {
    packages.iter().fold(command, |command, package| command.args(["--package", &package.name]))
}

/// Runs clippy for each package without features, and with each of its features alone.
///
/// # Errors
/// A set of features does not build, or has a warning.
pub(super) fn features() -> Result<()> {
    for package in packages()? {
        let clippy = |features: &[&str]| {
            let mut clippy = cargo();
            clippy.args(["clippy", "--package", &package.name, "--no-default-features"]);
            run(clippy.args(features).args(["--", "-D", "warnings"]))
        };
        clippy(&[])?;
        for feature in package.features.keys() {
            clippy(&["--features", feature])?;
        }
    }
    Ok(())
}

/// The toolchain of the oldest Rust, if it is not installed.
pub(super) fn missing_msrv() -> Option<String> {
    let version = oldest_rust().ok()?;
    let is_installed = succeeds(command("rustup").args(["run", &version, "rustc", "--version"]));
    (!is_installed).then(|| format!("the toolchain {version} is not installed"))
}

/// Builds the packages with the oldest Rust that they declare.
///
/// # Errors
/// They do not build with it.
pub(super) fn msrv() -> Result<()> {
    let version = oldest_rust()?;
    // What another toolchain has built is of no use to this one.
    let folder = target()?.join("msrv");
    let mut check = command("rustup");
    check.args(["run", &version, "cargo", "check", "--all-features", "--target-dir"]).arg(folder);
    run(select(&mut check, &packages()?))
}

fn oldest_rust() -> Result<String> {
    let packages = packages()?;
    Ok(packages.first().context("the workspace publishes nothing")?.rust_version.clone())
}

/// Builds the packages with the oldest releases of their dependencies that they declare.
///
/// # Errors
/// Two requirements contradict each other, or the packages do not build.
pub(super) fn minimal_versions() -> Result<()> {
    let folder = target()?.join("minimal-versions");
    // A lock file and a folder of its own, and permission to use what is not stable in cargo.
    let lock = format!("resolver.lockfile-path = '{}'", folder.join("Cargo.lock").display());
    let unstable = |verb: &str| {
        let mut cargo = cargo();
        cargo.args([verb, "-Zlockfile-path", "--config", &lock]).env("RUSTC_BOOTSTRAP", "1");
        cargo
    };
    run(unstable("generate-lockfile").arg("-Zdirect-minimal-versions"))?;
    let mut check = unstable("check");
    check.args(["--all-features", "--target-dir"]).arg(&folder);
    run(select(&mut check, &packages()?))
}

/// The standard library of wasm32, if it is not installed.
pub(super) fn missing_wasm() -> Option<String> {
    // The compiler names the folder whether it is there or not.
    let rustc = output(command("rustc").args(["--print", "target-libdir", "--target", WASM]));
    let is_installed = rustc.is_ok_and(|(_, folder)| std::path::Path::new(folder.trim()).is_dir());
    (!is_installed).then(|| format!("the target {WASM} is not installed"))
}

/// Builds the core for wasm32.
///
/// # Errors
/// It does not build.
pub(super) fn wasm() -> Result<()> {
    run(cargo().args(["check", "--package", CORE, "--target", WASM]))
}

/// What a comparison with the last release cannot be made without.
pub(super) fn missing_semver() -> Option<String> {
    if !succeeds(cargo().args(["semver-checks", "--version"])) {
        return Some("cargo-semver-checks is not installed".into());
    }
    last_tag().is_none().then(|| "the repository has no tag of a release".to_owned())
}

/// Compares the public API with that of the last tag.
///
/// # Errors
/// A change breaks users, and the version does not say so.
pub(super) fn semver() -> Result<()> {
    let tag = last_tag().context("the repository has no tag of a release")?;
    for package in packages()? {
        let features: Vec<_> = package
            .features
            .keys()
            .filter(|feature| !UNSTABLE.contains(&feature.as_str()))
            .cloned()
            .collect();
        let mut check = cargo();
        check.args(["semver-checks", "--package", &package.name, "--baseline-rev", &tag]);
        run(check.args(["--only-explicit-features", "--features", &features.join(",")]))?;
    }
    Ok(())
}

/// The tag of the last release.
fn last_tag() -> Option<String> {
    let (status, tag) =
        output(command("git").args(["describe", "--tags", "--abbrev=0", "--match", "v*"])).ok()?;
    status.success().then(|| tag.trim().to_owned())
}
