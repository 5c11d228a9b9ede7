//! Masks what looks like a secret in texts and URLs: keys, tokens, user names and passwords.

use reqwest::Url;

use super::MASK;

/// Prefixes of the keys and tokens of well-known providers.
const PREFIXES: &[&str] = &[
    "AIza", "AKIA", "eyJ", "ghp_", "github_pat_", "glpat-", "gsk_", "hf_", "hvs.", "nvapi-", "pplx-", "r8_",
    "sk-", "sk_", "xai-", "xoxb-",
];

/// The shortest word with such a prefix that is taken for a secret, in bytes.
const SHORTEST: usize = 8;

/// The query parameters whose values are not secret.
const HARMLESS_PARAMETERS: &[&str] = &["api-version"];

/// Path segments that are followed by a secret.
const SECRET_PARENTS: &[&str] = &["apikey", "api-key", "api_key", "key", "secret", "token"];

/// Whether a word is a key or a token by its prefix, or because letters and digits alternate in it as in no name.
pub(super) fn looks_secret(word: &str) -> bool {
    if word.len() >= SHORTEST && PREFIXES.iter().any(|prefix| word.starts_with(prefix)) {
        return true;
    }
    word.split(|c: char| !c.is_ascii_alphanumeric()).any(is_random)
}

fn is_random(run: &str) -> bool {
    let digits: Vec<bool> = run.bytes().map(|byte| byte.is_ascii_digit()).collect();
    let changes = digits.windows(2).filter(|pair| pair.first() != pair.last()).count();
    run.len() >= 16 && changes >= 4 || run.len() >= 32 && changes >= 1
}

/// The segments of a URL's path that look like secrets.
pub(crate) fn secret_segments(url: &Url) -> Vec<&str> {
    let mut found = Vec::new();
    let mut before = "";
    for segment in url.path().split('/') {
        let has_secret_parent =
            SECRET_PARENTS.contains(&&*before.to_ascii_lowercase()) && segment.len() >= SHORTEST;
        if segment != MASK && (has_secret_parent || looks_secret(segment)) {
            found.push(segment);
        }
        before = segment;
    }
    found
}

/// Whether it holds a mask instead of a secret, as serialized settings do.
pub(crate) fn is_masked(url: &Url) -> bool {
    url.path().split('/').any(|segment| segment == MASK)
}

/// A text that may be a URL, without its secrets. One without secrets stays unchanged.
pub(crate) fn masked_url(text: &str) -> String {
    let Some(mut url) = Url::parse(text.trim()).ok().filter(Url::has_host) else {
        let (_, rest) = text.rsplit_once('@').unwrap_or(("", text));
        return mask(rest.split(['?', '#']).next().unwrap_or_default());
    };
    let secrets: Vec<String> = secret_segments(&url).into_iter().map(str::to_owned).collect();
    let has_user = !url.username().is_empty() || url.password().is_some();
    if !has_user && secrets.is_empty() && url.query().is_none() && url.fragment().is_none() {
        return text.to_owned();
    }
    // Neither fails for a URL with a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    let is_secret = |segment: &str| secrets.iter().any(|secret| secret == segment);
    let path: Vec<_> =
        url.path().split('/').map(|segment| if is_secret(segment) { MASK } else { segment }).collect();
    let path = path.join("/");
    let query = url.query().map(masked_query);
    url.set_path(&path);
    url.set_query(query.as_deref());
    url.into()
}

fn masked_query(query: &str) -> String {
    let parameters = query.split('&').map(|parameter| match parameter.split_once('=') {
        Some((name, _)) if HARMLESS_PARAMETERS.contains(&name) => parameter.to_owned(),
        Some((name, _)) => format!("{name}={MASK}"),
        None => MASK.to_owned(),
    });
    parameters.collect::<Vec<_>>().join("&")
}

/// Masks the words of a text that look like secrets: JSON web tokens and keys.
pub(crate) fn mask(text: &str) -> String {
    const SHORTEST: usize = 12;
    let is_inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '+' | '/');
    let mut masked = String::with_capacity(text.len());
    for piece in text.split_inclusive(|c| !is_inside(c)) {
        let word = piece.trim_end_matches(|c| !is_inside(c));
        let looks_secret = ["eyJ", "sk-"].iter().any(|start| word.starts_with(start));
        if looks_secret && word.len() >= SHORTEST {
            masked.push_str(MASK);
            masked.push_str(piece.strip_prefix(word).unwrap_or_default());
        } else {
            masked.push_str(piece);
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_without_secrets_stay_unchanged() {
        for url in [
            "https://api.example.com",
            "http://localhost:8080/v1/",
            "https://openrouter.ai/api/v1",
            "https://g.example/v1beta/compatible",
            "https://r.services.example/api/projects/my-project-2024/compatible/v1",
            "https://h.example/models/Llama-3.3-70B-Instruct-FP8-v2/v1",
            "https://h.example/deployments/model-4o-2024-08-06-eastus2-production/v1",
            "https://h.example/tenants/TextEmbedding3LargeDeployment/v1",
            "https://h.example/t/01234567-89ab-4cde-8f01-23456789abcd/v1",
            "not a url",
            "",
        ] {
            assert_eq!(masked_url(url), url);
        }
    }

    #[test]
    fn secrets_in_urls_are_masked() {
        #[track_caller]
        fn check(url: &str, expected: &str) {
            assert_eq!(masked_url(url), expected);
        }
        check("https://user:secret@h.example/v1", "https://h.example/v1");
        check("https://secret@h.example/v1", "https://h.example/v1");
        check("https://h.example/v1?key=secret&api-version=1", "https://h.example/v1?key=***&api-version=1");
        check("https://h.example/v1?secret#secret", "https://h.example/v1?***");
        check("https://h.example/proxy/sk-abcdef/v1", "https://h.example/proxy/***/v1");
        check("https://h.example/0123456789abcdef0123456789abcdef/v1", "https://h.example/***/v1");
        check("https://h.example/a1b2c3d4e5f6a7b8/api", "https://h.example/***/api");
        check("https://h.example/token/correct-horse/v1", "https://h.example/token/***/v1");
        check("user:secret@localhost", "localhost");
        check("http://user:pa/secret@host", "host");
        check("sk-0123456789abcdef", "***");
        check("//h?key=secret", "//h");
    }
}
