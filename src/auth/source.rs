//! Keys from a file. It is a [`TokenProvider`], so that a rotated key is read again.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tachikoma_backends_core::async_trait;

use super::token::{AccessToken, TokenError, TokenProvider};

/// More than any key has, in bytes.
pub(super) const MAX_BYTES: u64 = 64 << 10;

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

pub(super) fn is_too_long(text: &[u8]) -> bool {
    text.len() as u64 > MAX_BYTES
}

/// Parses a key, which may begin with a byte-order mark and end in line ends.
///
/// # Errors
/// The problem, which never contains the text.
pub(super) fn parse_key(text: Vec<u8>) -> Result<AccessToken, &'static str> {
    if is_too_long(&text) {
        return Err("is too long for a key");
    }
    let text = String::from_utf8(text).map_err(|error| match error.as_bytes() {
        // As PowerShell 5 redirects text to a file.
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => "is UTF-16 text, not UTF-8",
        _ => "is not UTF-8 text",
    })?;
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
        check(b"\xFF\xFEs\0k\0", Err("is UTF-16 text, not UTF-8"));
        check(b"sk-\xFF", Err("is not UTF-8 text"));
        check(&[b'a'; 70_000], Err("is too long for a key"));
    }
}
