//! Running the examples, offline.

use std::fs;
use std::process::Stdio;

use anyhow::{Context, Result};

use crate::command::{cargo, run};
use crate::files;

/// Examples that need a server of the conformance cases.
const NOT_OFFLINE: [&str; 1] = ["conformance"];

/// The arguments of examples that run for long without them.
const ARGUMENTS: [(&str, &[&str]); 1] = [("soak", &["--seconds", "5"])];

/// What would make an example talk to a server outside this machine.
const VARIABLES: [&str; 3] = ["OPENAI_API_KEY", "OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT"];

/// Runs every example against its mock server.
///
/// # Errors
/// An example fails, or their folder cannot be read.
pub(super) fn run_offline() -> Result<()> {
    let folder = files::root().join("examples");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").is_file() {
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    for name in names.iter().filter(|name| !NOT_OFFLINE.contains(&name.as_str())) {
        let mut example = cargo();
        example.args(["run", "--quiet", "--example", name, "--"]).stdin(Stdio::null());
        let arguments = ARGUMENTS.iter().filter(|(example, _)| example == name);
        example.args(arguments.flat_map(|(_, arguments)| arguments.iter()));
        VARIABLES.iter().for_each(|variable| _ = example.env_remove(variable));
        run(&mut example)?;
    }
    Ok(())
}
