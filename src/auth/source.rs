//! Keys from a file or a command. Both are a [`TokenProvider`], so that a rotated key is read again.

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

/// A file that holds only a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyFile(pub(super) PathBuf);

impl KeyFile {
    /// The current key. Blocks on a file that is not [regular](Self::is_regular).
    pub(super) fn read(&self) -> Result<AccessToken, TokenError> {
        let text = read_limited(&self.0).map_err(|error| self.error(&error))?;
        parse_key(text).map_err(|problem| TokenError::new(format!("{} {problem}", self.name())))
    }

    /// Whether it is a regular file; a pipe may block, and can be read only once.
    ///
    /// # Errors
    /// It does not exist or is a directory.
    pub(super) fn is_regular(&self) -> Result<bool, TokenError> {
        let kind = fs::metadata(&self.0).map_err(|error| self.error(&error))?;
        if kind.is_dir() {
            return Err(TokenError::new(format!("{} is a directory", self.name())));
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

fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[async_trait]
impl TokenProvider for KeyFile {
    async fn token(&self) -> Result<AccessToken, TokenError> {
        let file = self.clone();
        let read = tokio::task::spawn_blocking(move || file.read());
        read.await.map_err(TokenError::new)?
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
        let failed = |error: io::Error| TokenError::new(format!("{name} cannot be run: {error}"));
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(failed)?;
        #[cfg(unix)]
        let group = ProcessGroup::new(&child);
        let output = read_limited_async(child.stdout.take());
        let stderr = async {
            let mut pipe = child.stderr.take();
            let start = read_limited_async(pipe.as_mut()).await?;
            // A closed pipe would kill a program that writes more.
            if let Some(rest) = &mut pipe {
                tokio::io::copy(rest, &mut tokio::io::sink()).await?;
            }
            Ok(start)
        };
        let (output, stderr) = futures::future::join(output, stderr).await;
        let (output, stderr) = (output.map_err(failed)?, stderr.map_err(failed)?);
        let status = child.wait().await.map_err(failed)?;
        // Its process id may be reused from here on.
        #[cfg(unix)]
        group.release();
        if !status.success() && !is_too_long(&output) {
            let stderr = String::from_utf8_lossy(&stderr);
            let reason = stderr.lines().map(str::trim).find(|line| !line.is_empty());
            let reason = reason.map(|line| format!(": {}", mask(line))).unwrap_or_default();
            return Err(TokenError::new(format!("{name} failed ({status}){reason}")));
        }
        parse_key(output).map_err(|problem| TokenError::new(format!("{name}: its output {problem}")))
    }
}

/// The process group of a key command. Dropping it kills the whole group: a timeout would end only the first process
/// otherwise.
#[cfg(unix)]
struct ProcessGroup(Option<rustix::process::Pid>);

#[cfg(unix)]
impl ProcessGroup {
    /// The group of this process, which has not been waited for.
    fn new(leader: &tokio::process::Child) -> Self {
        let id = leader.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(rustix::process::Pid::from_raw))
    }

    /// Drops it without killing anything.
    fn release(mut self) {
        self.0 = None;
    }
}

#[cfg(unix)]
impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It fails if all of them have ended.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

async fn read_limited_async(reader: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(reader) = reader {
        reader.take(MAX_BYTES + 1).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

fn is_too_long(text: &[u8]) -> bool {
    text.len() as u64 > MAX_BYTES
}

/// Parses a key, which may begin with a byte-order mark and end in line ends.
///
/// # Errors
/// The problem, which never contains the text.
fn parse_key(text: Vec<u8>) -> Result<AccessToken, &'static str> {
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
    fn keys_are_parsed() {
        #[track_caller]
        fn check(text: &[u8], expected: Result<&str, &str>) {
            let key = parse_key(text.to_vec());
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
