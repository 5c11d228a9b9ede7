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
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={DOCUMENT}");
    println!("cargo::rerun-if-changed=openapi/derives.rs");
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
    for (name, traits) in derives(&document) {
        let mut patch = TypePatch::default();
        traits.for_each(|name| {
            patch.with_derive(name);
        });
        settings.with_patch(name, &patch);
    }
    for (name, own_type) in own_types(&document) {
        settings.with_replacement(name, own_type, std::iter::empty());
    }
    let tokens = Generator::new(&settings).generate_tokens(&serde_json::from_value(document.clone())?)?;
    let mut file: syn::File = syn::parse2(tokens)?;
    // With that feature the types are public.
    if env::var_os("CARGO_FEATURE_OPENAI_TYPES").is_none() {
        derives::remove_unused(&mut file);
    }
    Ok(prettyplease::unparse(&file))
}

/// The schemas that openapi/overlay.yaml replaces by a type of this crate.
fn own_types(document: &Value) -> impl Iterator<Item = (&str, &str)> {
    schemas(document).filter_map(|(name, schema)| Some((name.as_str(), schema["x-codex-type"].as_str()?)))
}

fn schemas(document: &Value) -> impl Iterator<Item = (&String, &Value)> {
    document.pointer("/components/schemas").and_then(Value::as_object).into_iter().flatten()
}

/// The types for which openapi/overlay.yaml adds derives.
fn derives(document: &Value) -> impl Iterator<Item = (&str, impl Iterator<Item = &str>)> {
    schemas(document).filter_map(|(name, schema)| {
        let traits = schema.get("x-codex-derive")?.as_array()?;
        Some((name.as_str(), traits.iter().filter_map(Value::as_str)))
    })
}
