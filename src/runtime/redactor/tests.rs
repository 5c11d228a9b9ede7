//! Secrets are masked in every form that servers echo, and ordinary words are not.

use proptest::prelude::*;

use super::*;

fn credential(value: &str) -> Redactor {
    let redactor = Redactor::default();
    redactor.add_credential(&HeaderValue::from_str(value).unwrap());
    redactor
}

const KEY: &str = "sk-proj-Ab3dE/6gH+jKl0nOp";

#[test]
fn a_credential_is_masked_in_every_encoding() {
    let redactor = credential(&format!("Bearer {KEY}"));
    #[track_caller]
    fn check(redactor: &Redactor, text: &str, expected: &str) {
        assert_eq!(redactor.text(text), expected);
    }
    let check = |text: &str, expected: &str| check(&redactor, text, expected);
    check(KEY, "***");
    check(&format!("Bearer {KEY}."), "Bearer ***.");
    check(&format!("({KEY}{KEY}) größer"), "(***) größer");
    check(&KEY.to_ascii_lowercase(), "***");
    check(&KEY.to_ascii_uppercase(), "***");
    check("{\"k\":\"sk-proj-Ab3dE\\/6gH+jKl0nOp\"}", "{\"k\":\"***\"}");
    check("?key=sk-proj-Ab3dE%2F6gH%2bjKl0nOp&x", "?key=***&x");
    check("before Ab3dE/6gH after", "before *** after");
    check("jKl0nOp alone is too short", "jKl0nOp alone is too short");
    check("+jKl0nOp", "***");
    check("sk-proj-...nOp and sk-proj- and sk-****", "sk-proj-...nOp and sk-proj- and sk-****");
    check("", "");
    for skipped in 0..3 {
        let text = format!("{}{KEY}!!", "u:x".get(..skipped).unwrap());
        for encoded in [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
            let masked = redactor.text(&encoded);
            assert!(masked.contains(MASK) && masked.len() < 16, "{masked}");
        }
    }
}

#[test]
fn ordinary_words_stay_unchanged() {
    #[track_caller]
    fn check(secret: &str, text: &str) {
        assert_eq!(credential(secret).text(text), text);
    }
    check("k", "a key like k");
    check("test", "a test");
    check("ollama", "ollama: model not found");
    check("sk-no-key-required", "no key is required");
    check("local-development", "development of local servers");
    check("Bearer EMPTY", "the list is empty");
    let value = Redactor::default();
    value.add_value(&HeaderValue::from_static("platform-team"));
    assert_eq!(
        value.text("the platform, platform-teams, platform-team."),
        "the platform, platform-teams, ***."
    );
}

#[test]
fn what_a_header_encodes_is_masked() {
    let redactor = credential(&format!("Basic {}", STANDARD.encode("user:pass-word-1")));
    assert_eq!(redactor.text("user:pass-word-1, pass-word-1"), "***, ***");
    let value = Redactor::default();
    value.add_value(&HeaderValue::from_static("session=a1b2c3d4e5f6a7b8c9d0; path=/"));
    assert_eq!(value.text("no session a1b2c3d4e5f6"), "no session ***");
}

#[test]
fn the_last_tokens_are_remembered() {
    let redactor = Redactor::default();
    let token = |number: usize| format!("{number}z").repeat(12);
    for number in 0..MAX_TOKENS + 1 {
        redactor.add_token(&HeaderValue::from_str(&format!("Bearer {}", token(number))).unwrap());
        assert_eq!(redactor.text(&token(number)), MASK);
    }
    assert_eq!(redactor.text(&token(1)), MASK);
    assert_eq!(redactor.text(&token(0)), token(0));
}

/// No text that holds the secret anywhere keeps 8 of its characters in a row.
#[test]
fn no_long_part_is_left() {
    let redactor = credential(KEY);
    for start in 0..KEY.len() {
        for end in start..=KEY.len() {
            let text = format!("héé{}éé", &KEY[start..end]);
            let masked = redactor.text(&text).into_owned();
            for left in KEY.as_bytes().windows(8).skip("sk-proj-".len()) {
                assert!(!masked.contains(std::str::from_utf8(left).unwrap()), "{masked}");
            }
        }
    }
}

proptest! {
    /// A secret in any encoding, with any text around it.
    #[test]
    fn any_secret_in_any_text(
        secret in "[A-Za-z0-9][A-Za-z0-9+/=_.-]{10,50}[0-9][A-Z][a-z]",
        before in "[ -~é]{0,20}",
        after in "[ -~é]{0,20}",
        form in 0..5usize,
    ) {
        let redactor = credential(&format!("Bearer {secret}"));
        let written = match form {
            0 => secret.clone(),
            1 => percent_encoded(&secret),
            2 => secret.to_ascii_uppercase(),
            3 => secret.replace('/', "\\/"),
            _ => serde_json::to_string(&[&secret]).unwrap(),
        };
        let text = format!("{before}{written}{after}");
        let masked = redactor.text(&text);
        prop_assert!(masked.contains(MASK));
        let left = masked.replace(MASK, "").len();
        let expected = before.len() + after.len() + 4;
        prop_assert!(left <= expected, "{} of {}", masked, text);
        prop_assert_eq!(redactor.text(&masked), &*masked, "a second time");
    }
}
