//! The commands of the steps, and the folders in which they work.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, ensure};

use crate::files;

/// A command that runs in the repository's root.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(files::root());
    command
}

/// The cargo that started this program. A warning of rustdoc is an error.
pub(crate) fn cargo() -> Command {
    let mut cargo = command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.env("RUSTDOCFLAGS", "-D warnings");
    cargo
}

/// Prints the command and runs it.
///
/// # Errors
/// It cannot be run, or its exit code is not 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let text = text(command);
    println!("$ {text}");
    let status = command.status().with_context(|| format!("cannot run `{text}`"))?;
    ensure!(status.success(), "`{text}` failed: {status}");
    Ok(())
}

/// Prints the command and runs it; how it ended, and its standard output. Its standard error goes to the terminal.
///
/// # Errors
/// It cannot be run, or its output is not UTF-8.
pub(crate) fn output(command: &mut Command) -> Result<(ExitStatus, String)> {
    let text = text(command);
    println!("$ {text}");
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot run `{text}`"))?;
    let written =
        String::from_utf8(output.stdout).with_context(|| format!("the output of `{text}` is not UTF-8"))?;
    Ok((output.status, written))
}

/// Whether this command can be run and succeeds. Its output is not printed.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// The folder that cargo builds into: this program is in `debug` or `release` below it.
///
/// # Errors
/// This program was moved elsewhere.
pub(crate) fn target() -> Result<PathBuf> {
    let program = env::current_exe().context("cannot find this program's own file")?;
    let target = program.parent().and_then(Path::parent);
    Ok(target.with_context(|| format!("{} is not in cargo's target folder", program.display()))?.to_owned())
}

/// A file or folder of `../shared`, the one folder outside the repository that the steps use.
pub(crate) fn shared(name: &str) -> PathBuf {
    files::root().join("../shared").join(name)
}

/// The command line, the program without its folder.
fn text(command: &Command) -> String {
    let program = command.get_program();
    let name = Path::new(program).file_name().unwrap_or(program);
    let parts = [name].into_iter().chain(command.get_args());
    parts.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
