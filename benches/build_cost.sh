#!/usr/bin/env bash
# What it costs to build a program that depends on this crate, beside one that depends on async-openai: the number of crates and the
# CPU seconds of a cold release build, twice in turn, and of a debug build after one file of this crate was touched; the size of the
# example `chat`.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
work=$root/target/build-cost

# Makes a program with one dependency.
program() {
    mkdir -p "$work/$1/src"
    printf '[package]\nname = "%s"\nversion = "0.0.0"\nedition = "2024"\n\n[dependencies]\n%s\n\n[workspace]\n' "$1" "$2" > "$work/$1/Cargo.toml"
    printf 'fn main() {\n    println!("{}", %s);\n}\n' "$3" > "$work/$1/src/main.rs"
    cargo fetch --quiet --manifest-path "$work/$1/Cargo.toml"
}

# CPU and wall-clock seconds of a command.
seconds() {
    local TIMEFORMAT='%U %S %R'
    { time "$@" >/dev/null 2>&1; } 2>&1 | awk '{ printf "%.0f s of CPU, %.0f s\n", $1 + $2, $3 }'
}

# How many crates the program needs; with "normal,build" those of build scripts as well.
crates() {
    cargo tree --quiet --manifest-path "$work/$1/Cargo.toml" --edges "$2" --prefix none --no-dedupe --format '{p}' |
        cut -d ' ' -f 1,2 | sort -u | grep -vc "^$1 "
}

program with-this-crate 'tachikoma-backend-codex = { path = "../../.." }' \
    'tachikoma_backend_codex::CodexBackendConfig::new("k").base_url()'
program with-async-openai 'async-openai = { version = "0.43", features = ["chat-completion"] }' \
    'async_openai::config::Config::api_base(&async_openai::config::OpenAIConfig::new())'
for name in with-this-crate with-async-openai; do
    echo "crates, $name: $(crates "$name" normal), with those of build scripts $(crates "$name" normal,build)"
done
for name in with-this-crate with-async-openai with-this-crate with-async-openai; do
    rm -rf "${work:?}/$name/target"
    echo "cold release build, $name: $(seconds cargo build --release --manifest-path "$work/$name/Cargo.toml")"
done

cargo build --quiet
touch src/backend.rs
echo "debug build after a change of src/backend.rs: $(seconds cargo build)"
CARGO_PROFILE_RELEASE_STRIP=symbols cargo build --quiet --release --example chat --target-dir "$work/chat"
echo "the example chat, release, stripped: $(du -k "$work/chat/release/examples/chat" | cut -f1) KB"
