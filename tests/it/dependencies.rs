//! How many crates a program builds that depends on this one. Elsewhere than on Linux the certificates of the system need others.

#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::process::Command;

/// The crates of the default features, without the two of this repository; those that only the build script needs come on top.
const MAX_CRATES: usize = 110;

#[test]
fn the_default_features_need_few_crates() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--package", "tachikoma-backend-codex"])
        .args(["--edges", "normal", "--prefix", "none", "--no-dedupe", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The name and the version; what follows says where it is from and whether it is a macro.
    let name = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let crates: BTreeSet<_> =
        text.lines().map(name).filter(|name| !name.starts_with("tachikoma-backend")).collect();
    assert!(crates.len() > 50, "the list is not read any more: {text}");
    assert!(
        crates.len() <= MAX_CRATES,
        "{} crates instead of {MAX_CRATES}: make what brings the new ones a feature, or give the reason and raise the limit. {crates:?}",
        crates.len()
    );
}
