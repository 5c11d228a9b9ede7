//! The traits of the generated types, as far as the crate uses them: `build.rs` removes the others.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{Attribute, Item, Path, Token, Type, parse_quote};

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

/// Types that are parts of settings, and hence are converted, copied, compared and printed; a unit test compares chunks.
const VALUES: &[&str] =
    &["ComputerCallSafetyCheckParam", "CreateChatCompletionStreamResponse", "IncludeEnum", "Tool"];

/// Enums that are made from text, or written as it.
const TEXTS: &[&str] = &[
    "ChatCompletionRequestMessageContentPartAudioInputAudioFormat",
    "CreateResponseTruncation",
    "ReasoningEffort",
    "ServiceTier",
    "ServiceTierResponses",
    "Verbosity",
];

/// Traits that no type needs.
const UNUSED: &[&str] = &["Eq", "Hash", "Ord", "PartialOrd", "TryFrom"];

/// Requests are not parsed and responses are not written, and few types are more than read or written. The compiler translates
/// the methods of a trait whether they are used or not: without them the crate builds in less time. With the feature
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
    let values = reachable(VALUES, &references);
    let is_used = |name: &str, of: &str| match of {
        "Serialize" => requests.contains(name),
        "Deserialize" => parsed.contains(name) || !requests.contains(name),
        "Clone" | "Copy" | "Debug" | "From" | "PartialEq" => values.contains(name),
        "Display" | "FromStr" => TEXTS.contains(&name),
        _ => !UNUSED.contains(&of),
    };
    for (name, attributes) in types.iter_mut().filter_map(definition) {
        retain_derives(attributes, |of| is_used(&name, of));
    }
    types.retain(|item| implementation(item).is_none_or(|(of, name)| is_used(&name, &of)));
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

/// The name of a trait and of the type for which it is implemented.
fn implementation(item: &Item) -> Option<(String, String)> {
    let Item::Impl(block) = item else { return None };
    let (of, _) = block.trait_.as_ref()?;
    let Type::Path(name) = &*block.self_ty else { return None };
    let last = |path: &Path| path.segments.last().map(|last| last.ident.to_string());
    last(of).zip(last(&name.path))
}

fn retain_derives(attributes: &mut [Attribute], is_used: impl Fn(&str) -> bool) {
    for attribute in attributes.iter_mut().filter(|attribute| attribute.path().is_ident("derive")) {
        let paths = attribute.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated);
        let is_kept = |path: &Path| path.segments.last().is_none_or(|last| is_used(&last.ident.to_string()));
        let kept = paths.into_iter().flatten().filter(is_kept);
        *attribute = parse_quote!(#[derive(#(#kept),*)]);
    }
}
