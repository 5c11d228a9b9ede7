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

/// The number at this place of the SplitMix64 sequence, from -1 to 1.
pub(crate) fn scatter(seed: u64, index: u64) -> f64 {
    let mut bits = seed.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    bits as f64 / u64::MAX as f64 * 2.0 - 1.0
}
