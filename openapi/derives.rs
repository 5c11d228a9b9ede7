//! The derives of the generated types, as far as the crate uses them: `build.rs` removes the others.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{Attribute, Item, Path, Token, parse_quote};

/// The types of request bodies. No response has a type of theirs: the lowering separates the two.
const REQUESTS: &[&str] = &[
    "CompactResponseMethodPublicBody",
    "CreateChatCompletionRequest",
    "CreateEmbeddingRequest",
    "CreateResponse",
    "TokenCountsBody",
];

/// Types of requests that are also parsed.
const PARSED: &[&str] = &[
    "ComputerCallSafetyCheckParam",
    "CustomToolParamFormat",
    "FunctionShellCallOutputContentParam",
    "IncludeEnum",
    "ModerationParam",
    "PromptCacheOptionsParam",
    "Reasoning",
];

/// Requests are not parsed and responses are not written: without these derives the crate builds in less time. With the feature
/// `openai-types` the types are public, and keep them.
pub(crate) fn remove_unused(file: &mut syn::File) {
    if std::env::var_os("CARGO_FEATURE_OPENAI_TYPES").is_some() {
        return;
    }
    let Some(types) = file.items.iter_mut().find_map(|item| match item {
        Item::Mod(module) if module.ident == "types" => module.content.as_mut().map(|(_, items)| items),
        _ => None,
    }) else {
        return;
    };
    let references: BTreeMap<String, BTreeSet<String>> = types
        .iter_mut()
        .filter_map(|item| {
            let names = identifiers(item.to_token_stream());
            let (name, _) = definition(item)?;
            Some((name, names))
        })
        .collect();
    let requests = reachable(REQUESTS, &references);
    let parsed = reachable(PARSED, &references);
    for (name, attributes) in types.iter_mut().filter_map(definition) {
        if !requests.contains(name.as_str()) {
            remove_derive(attributes, "Serialize");
        } else if !parsed.contains(name.as_str()) {
            remove_derive(attributes, "Deserialize");
        }
    }
}

/// The name and the attributes of a type.
fn definition(item: &mut Item) -> Option<(String, &mut Vec<Attribute>)> {
    match item {
        Item::Struct(item) => Some((item.ident.to_string(), &mut item.attrs)),
        Item::Enum(item) => Some((item.ident.to_string(), &mut item.attrs)),
        _ => None,
    }
}

/// All names in a definition.
fn identifiers(tokens: TokenStream) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for token in tokens {
        match token {
            TokenTree::Ident(name) => names.extend([name.to_string()]),
            TokenTree::Group(group) => names.extend(identifiers(group.stream())),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    names
}

/// These types, and those that they contain.
fn reachable<'a>(roots: &[&'a str], references: &'a BTreeMap<String, BTreeSet<String>>) -> BTreeSet<&'a str> {
    let (mut found, mut open) = (BTreeSet::new(), roots.to_vec());
    while let Some(name) = open.pop() {
        if let Some(names) = references.get(name)
            && found.insert(name)
        {
            open.extend(names.iter().map(String::as_str));
        }
    }
    found
}

fn remove_derive(attributes: &mut [Attribute], name: &str) {
    for attribute in attributes.iter_mut().filter(|attribute| attribute.path().is_ident("derive")) {
        let paths = attribute.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated);
        let is_kept = |path: &Path| path.segments.last().is_none_or(|last| last.ident != name);
        let kept = paths.into_iter().flatten().filter(is_kept);
        *attribute = parse_quote!(#[derive(#(#kept),*)]);
    }
}
