//! Ids that follow from their content, so that the same request always gets the same bytes.

use std::hash::Hasher;

use fnv::FnvHasher;

/// FNV-1a, 64 bits. The standard library's hashers may change between releases.
pub(crate) fn hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = FnvHasher::default();
    for part in parts {
        hasher.write(part);
        // A byte that UTF-8 never holds ends each part: ("a", "bc") and ("ab", "c") differ.
        hasher.write_u8(0xff);
    }
    hasher.finish()
}

/// The hash as text, after a prefix: `chatcmpl-0123456789abcdef`.
pub(crate) fn id(prefix: &str, parts: &[&[u8]]) -> String {
    format!("{prefix}{:016x}", hash(parts))
}
