//! Generates the client and its types from `openapi/openai.json`. `cargo xtask regen` lowers the document before.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use progenitor::{GenerationSettings, Generator, HooksMode, InterfaceStyle, TagStyle, TypePatch};
use serde_json::Value;

#[path = "openapi/derives.rs"]
mod derives;

const DOCUMENT: &str = "openapi/openai.json";

fn main() -> Result<(), Box<dyn Error>> {
    for input in ["build.rs", DOCUMENT, "openapi/derives.rs"] {
        println!("cargo::rerun-if-changed={input}");
    }
    let code = generate().map_err(|error| format!("{DOCUMENT}: {error} (made by `cargo xtask regen`)"))?;
    let out = env::var_os("OUT_DIR").ok_or("OUT_DIR is not set: run this through cargo")?;
    fs::write(PathBuf::from(out).join("openai.rs"), code)?;
    Ok(())
}

fn generate() -> Result<String, Box<dyn Error>> {
    let document: Value = serde_json::from_str(&fs::read_to_string(DOCUMENT)?)?;
    let mut settings = GenerationSettings::new();
    settings
        .with_interface(InterfaceStyle::Positional)
        .with_tag(TagStyle::Merged)
        .with_hooks(HooksMode::Expected)
        .with_inner_type("crate::runtime::transport::Attempt".parse()?)
        .with_map_type("::std::collections::BTreeMap")
        .with_derive("PartialEq");
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
    for (name, schema) in schemas.into_iter().flatten() {
        // Hints of openapi/overlay.yaml: a type of this crate in place of a schema's, and further derives.
        if let Some(own_type) = schema["x-codex-type"].as_str() {
            settings.with_replacement(name, own_type, std::iter::empty());
        }
        let mut patch = TypePatch::default();
        for name in schema["x-codex-derive"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            patch.with_derive(name);
        }
        settings.with_patch(name, &patch);
    }
    let tokens = Generator::new(&settings).generate_tokens(&serde_json::from_value(document.clone())?)?;
    let mut file = syn::parse2(tokens)?;
    derives::remove_unused(&mut file);
    Ok(prettyplease::unparse(&file))
}
