//! [`ApiKey`]: its kind and its masked form.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// An API key. `Debug` and `Display` show only its [masked form](Self::masked).
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

/// The kind of a key by its prefix, as OpenAI issues them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyKind {
    /// `sk-...`: a user key, the older kind. Other providers use the prefix too.
    Standard,
    /// `sk-proj-...`: a project key.
    Project,
    /// `sk-svcacct-...`: the key of a service account in a project.
    ServiceAccount,
    /// `sk-admin-...`: an organization's admin key. It manages projects and keys, and cannot call a model.
    Admin,
    /// Any other, such as Azure's.
    Other,
}

/// The prefixes of OpenAI's keys, which are not secret, longest match first.
pub(crate) const KEY_PREFIXES: &[&str] = &["sk-proj-", "sk-svcacct-", "sk-admin-", "sk-"];

/// The kind for each of [`KEY_PREFIXES`].
const KINDS: [KeyKind; 4] = [KeyKind::Project, KeyKind::ServiceAccount, KeyKind::Admin, KeyKind::Standard];

/// How many of a key's last characters the mask shows, and how many it must hide before them.
const VISIBLE: usize = 4;
const MIN_HIDDEN: usize = 12;

impl ApiKey {
    /// This key. It is validated when a backend is made from it.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into().into())
    }

    /// Its kind, by its prefix.
    pub fn kind(&self) -> KeyKind {
        self.prefix().1
    }

    /// Its prefix and its last four characters, `sk-proj-...wxyz`, for logs and settings pages. A key that is too short for
    /// that is masked completely.
    pub fn masked(&self) -> String {
        let (prefix, _) = self.prefix();
        let rest = self.expose().strip_prefix(prefix).unwrap_or_default();
        let hidden = rest.chars().count().saturating_sub(VISIBLE);
        if hidden < MIN_HIDDEN {
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
