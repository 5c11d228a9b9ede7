//! [`ApiKey`]: what a key tells without being shown.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// A key, which is never shown whole: `Debug` and `Display` show its [masked form](Self::masked).
///
/// ```
/// # use tachikoma_backend_codex::{ApiKey, KeyKind};
/// let key = ApiKey::new("sk-proj-0123456789abcdefwxyz");
/// assert_eq!(key.kind(), KeyKind::Project);
/// assert_eq!(key.to_string(), "sk-proj-...wxyz");
/// assert_eq!(ApiKey::new("sk-short").to_string(), "...");
/// ```
#[derive(Clone)]
pub struct ApiKey(SecretString);

/// What kind a key is by its first letters. OpenAI gives out these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyKind {
    /// `sk-...`: a user's own, of the older kind. Other providers write theirs so too.
    Standard,
    /// `sk-proj-...`: of a project.
    Project,
    /// `sk-svcacct-...`: of a service account in a project.
    ServiceAccount,
    /// `sk-admin-...`: of an organization's administrator. It manages projects and keys, and cannot call a model.
    Admin,
    /// Any other: Azure's, or another server's.
    Other,
}

/// The beginnings of OpenAI's keys, which are no secret, the longer ones first.
pub(crate) const KEY_PREFIXES: &[&str] = &["sk-proj-", "sk-svcacct-", "sk-admin-", "sk-"];

/// The kind of a key with each of these beginnings.
const KINDS: [KeyKind; 4] = [KeyKind::Project, KeyKind::ServiceAccount, KeyKind::Admin, KeyKind::Standard];

/// The number of characters that a mask shows of a key's end, and how many must stay hidden before it.
const SHOWN: usize = 4;
const HIDDEN: usize = 12;

impl ApiKey {
    /// This key. It is checked where a backend is made from it.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into().into())
    }

    /// What kind it is, by its first letters.
    pub fn kind(&self) -> KeyKind {
        self.prefix().1
    }

    /// Its kind's first letters and its last four characters, `sk-proj-...wxyz`, for logs and settings pages. A key too
    /// short to hide anything that way is masked whole.
    pub fn masked(&self) -> String {
        let (prefix, _) = self.prefix();
        let rest = self.expose().strip_prefix(prefix).unwrap_or_default();
        let hidden = rest.chars().count().saturating_sub(SHOWN);
        if hidden < HIDDEN {
            return "...".to_owned();
        }
        format!("{prefix}...{}", rest.chars().skip(hidden).collect::<String>())
    }

    fn prefix(&self) -> (&'static str, KeyKind) {
        let mut kinds = KEY_PREFIXES.iter().copied().zip(KINDS);
        kinds.find(|(prefix, _)| self.expose().starts_with(prefix)).unwrap_or(("", KeyKind::Other))
    }

    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

from_text!(ApiKey);

impl From<SecretString> for ApiKey {
    fn from(key: SecretString) -> Self {
        Self(key)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.masked())
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_masks() {
        #[track_caller]
        fn check(key: &str, kind: KeyKind, masked: &str) {
            let key = ApiKey::new(key);
            assert_eq!((key.kind(), key.to_string().as_str()), (kind, masked));
            assert_eq!(format!("{key:?}"), format!("ApiKey({masked})"));
        }
        check("sk-0123456789abcdef", KeyKind::Standard, "sk-...cdef");
        check("sk-proj-0123456789abcdef", KeyKind::Project, "sk-proj-...cdef");
        check("sk-svcacct-0123456789abcdef", KeyKind::ServiceAccount, "sk-svcacct-...cdef");
        check("sk-admin-0123456789abcdef", KeyKind::Admin, "sk-admin-...cdef");
        check("sk-project0123456789abcdef", KeyKind::Standard, "sk-...cdef");
        check("0123456789abcdef0123456789abcdef", KeyKind::Other, "...cdef");
        check("sk-proj-0123456789abcde", KeyKind::Project, "...");
        check("sk-", KeyKind::Standard, "...");
        check("", KeyKind::Other, "...");
        check("ключ-это-секрет-и-точка", KeyKind::Other, "...очка");
    }
}
