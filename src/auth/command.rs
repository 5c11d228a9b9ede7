//! Keys that a command prints. It is a [`TokenProvider`], so that a rotated key is read again.

use std::io;
use std::process::Stdio;

use tachikoma_backends_core::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use super::KeyCommand;
use super::source::{MAX_BYTES, is_too_long, parse_key};
use super::token::{AccessToken, TokenError, TokenProvider};
use crate::runtime::mask;

/// A console window would appear for each run of a program without a console of its own.
#[cfg(windows)]
const CREATE_NO_WINDOW: u32 = 0x0800_0000;

#[async_trait]
impl TokenProvider for KeyCommand {
    async fn token(&self) -> Result<AccessToken, TokenError> {
        let name = format!("the key command {:?}", self.program);
        let failed =
            |error: io::Error| TokenError::new(format!("{name} cannot be run: {error}{}", hint(&error)));
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        #[cfg(windows)]
        command.creation_flags(CREATE_NO_WINDOW);
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

/// What helps where a program is not found.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        // Without a shell, Windows adds no extension but `.exe`.
        io::ErrorKind::NotFound if cfg!(windows) => ": a script needs its extension, such as \"az.cmd\"",
        _ => "",
    }
}
