//! Keys from a file or a command. Both give what a [`TokenProvider`] does, so that a key which was replaced is found.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tachikoma_backends_core::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use super::token::{AccessToken, TokenError, TokenProvider};
use crate::runtime::mask;

/// More than any key has, in bytes.
const MAX_BYTES: u64 = 64 << 10;

/// A file with nothing but a key in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyFile(pub(super) PathBuf);

impl KeyFile {
    /// The key that is in it now. Not for files that have to be waited for.
    pub(super) fn read(&self) -> Result<AccessToken, TokenError> {
        let text = read_start(&self.0).map_err(|error| self.error(&error))?;
        key_in(text).map_err(|problem| TokenError::new(format!("{} {problem}", self.name())))
    }

    /// Whether it can be read at once; a pipe, which can be read only once, may be still to come.
    ///
    /// # Errors
    /// There is no such file, or it is a folder.
    pub(super) fn is_plain(&self) -> Result<bool, TokenError> {
        let kind = fs::metadata(&self.0).map_err(|error| self.error(&error))?;
        if kind.is_dir() {
            return Err(TokenError::new(format!("{} is a folder", self.name())));
        }
        Ok(kind.is_file())
    }

    fn name(&self) -> String {
        format!("the key file {}", self.0.display())
    }

    fn error(&self, error: &io::Error) -> TokenError {
        TokenError::new(format!("{} cannot be read: {error}", self.name()))
    }
}

fn read_start(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[async_trait]
impl TokenProvider for KeyFile {
    async fn token(&self) -> Result<AccessToken, TokenError> {
        let file = self.clone();
        let reading = tokio::task::spawn_blocking(move || file.read());
        reading.await.map_err(TokenError::new)?
    }
}

/// A program, with its arguments, that prints a key. No shell is involved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyCommand {
    pub(super) program: OsString,
    pub(super) arguments: Vec<OsString>,
}

#[async_trait]
impl TokenProvider for KeyCommand {
    async fn token(&self) -> Result<AccessToken, TokenError> {
        let name = format!("the key command {:?}", self.program);
        let wrong = |error: io::Error| TokenError::new(format!("{name} cannot be run: {error}"));
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(wrong)?;
        #[cfg(unix)]
        let group = ProcessGroup::of(&child);
        let output = read_start_of(child.stdout.take());
        let complaint = async {
            let mut stderr = child.stderr.take();
            let complaint = read_start_of(stderr.as_mut()).await?;
            // A program that says much must not die of nobody listening.
            if let Some(rest) = &mut stderr {
                tokio::io::copy(rest, &mut tokio::io::sink()).await?;
            }
            Ok(complaint)
        };
        let (output, complaint) = futures::future::join(output, complaint).await;
        let (output, complaint) = (output.map_err(wrong)?, complaint.map_err(wrong)?);
        let status = child.wait().await.map_err(wrong)?;
        // From now on its number may be that of another.
        #[cfg(unix)]
        group.release();
        if !status.success() && !is_too_long(&output) {
            let complaint = String::from_utf8_lossy(&complaint);
            let said = complaint.lines().map(str::trim).find(|line| !line.is_empty());
            let said = said.map(|line| format!(": {}", mask(line))).unwrap_or_default();
            return Err(TokenError::new(format!("{name} failed ({status}){said}")));
        }
        key_in(output).map_err(|problem| TokenError::new(format!("{name}: its output {problem}")))
    }
}

/// The processes that a key command has started, itself included. Dropping it kills them: of a command that is cut off, only
/// the first process would end otherwise.
#[cfg(unix)]
struct ProcessGroup(Option<rustix::process::Pid>);

#[cfg(unix)]
impl ProcessGroup {
    /// The group that was made with this process, which has not been waited for.
    fn of(leader: &tokio::process::Child) -> Self {
        let number = leader.id().and_then(|id| i32::try_from(id).ok());
        Self(number.and_then(rustix::process::Pid::from_raw))
    }

    /// Leaves them alone.
    fn release(mut self) {
        self.0 = None;
    }
}

#[cfg(unix)]
impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It fails where all of them have ended.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

async fn read_start_of(from: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(MAX_BYTES + 1).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

fn is_too_long(text: &[u8]) -> bool {
    text.len() as u64 > MAX_BYTES
}

/// The key in a text that may begin with a byte-order mark and end in line ends.
///
/// # Errors
/// What is wrong with the text, and never the text.
fn key_in(text: Vec<u8>) -> Result<AccessToken, &'static str> {
    if is_too_long(&text) {
        return Err("is too long for a key");
    }
    let text = String::from_utf8(text).map_err(|_| "is not UTF-8 text")?;
    match text.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']) {
        "" => Err("is empty"),
        key => Ok(AccessToken::new(key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_texts() {
        #[track_caller]
        fn check(text: &[u8], expected: Result<&str, &str>) {
            let key = key_in(text.to_vec());
            assert_eq!(key.as_ref().map(AccessToken::expose), expected.as_ref().copied());
        }
        check(b"sk-1", Ok("sk-1"));
        check(b"sk-1\n", Ok("sk-1"));
        check(b"sk-1\r\n\r\n", Ok("sk-1"));
        check(b"\xEF\xBB\xBFsk-1\r\n", Ok("sk-1"));
        check(b"", Err("is empty"));
        check(b"\n", Err("is empty"));
        check(b"\xFF\xFEs\0k\0", Err("is not UTF-8 text"));
        check(&[b'a'; 70_000], Err("is too long for a key"));
    }
}
