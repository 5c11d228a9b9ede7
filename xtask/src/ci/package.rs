//! Packing the workspace's packages and building each from its own files.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::command::{cargo, run, target};

/// What the names of the workspace's packages begin with, followed by their version.
const PACKAGES: [&str; 3] =
    ["tachikoma-backends-core-", "tachikoma-backend-codex-", "tachikoma-openai-mock-"];

/// Builds every package from its own files.
///
/// Cargo takes a package of a given version to be the same for ever, both its unpacked files and what it built
/// from them. Without an empty folder, a package would be built against what an earlier run has packed.
///
/// # Errors
/// A package does not build, or what an earlier run has left cannot be removed.
pub(super) fn verify() -> Result<()> {
    let folder = target()?.join("verify");
    remove(&folder)?;
    remove_unpacked()?;
    run(cargo().args(["package", "--workspace", "--allow-dirty", "--target-dir"]).arg(&folder))?;
    remove(&folder)
}

/// Removes the workspace's packages from those that cargo has unpacked for all its builds.
fn remove_unpacked() -> Result<()> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(env::home_dir()?.join(".cargo"))).context("cargo has no home folder")?;
    for registry in folders(&home.join("registry/src"))? {
        // Only the names of registries in a local folder begin so; others have their host first.
        let is_local = name(&registry).starts_with('-');
        for package in if is_local { folders(&registry)? } else { Vec::new() } {
            if PACKAGES.iter().any(|prefix| name(&package).starts_with(prefix)) {
                remove(&package)?;
            }
        }
    }
    Ok(())
}

/// Removes a folder, if it is there.
fn remove(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

fn name(folder: &Path) -> &str {
    folder.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// The folders in a folder; none if there is no such folder.
fn folders(parent: &Path) -> Result<Vec<PathBuf>> {
    if !parent.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(parent).with_context(|| format!("cannot read {}", parent.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.is_dir()).collect())
}
