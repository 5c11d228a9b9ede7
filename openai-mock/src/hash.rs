//! Ids that follow from what they name, so that the same request is always answered with the same bytes.

/// FNV-1a, 64 bits. The standard library's hashers may change between releases.
pub(crate) fn fnv(parts: &[&[u8]]) -> u64 {
    parts
        .iter()
        // A byte that UTF-8 never holds ends each part: ("a", "bc") and ("ab", "c") differ.
        .flat_map(|part| part.iter().chain(&[0xff]))
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The hash as text, after a prefix: `chatcmpl-0123456789abcdef`.
pub(crate) fn id(prefix: &str, parts: &[&[u8]]) -> String {
    format!("{prefix}{:016x}", fnv(parts))
}
