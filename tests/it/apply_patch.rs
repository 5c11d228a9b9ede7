//! The `apply_patch` tool: diffs and patches as models write them, and properties of all of them.

mod directory;
mod properties;

use tachikoma_backend_codex::tools::apply_patch::{
    ContextMatch, PatchError, PatchErrorKind, PatchOperation, apply_create, apply_update, parse_patch,
};

use ContextMatch::{Exact, Partial, SurroundingWhitespace, TrailingWhitespace};

const PYTHON: &str = "class A:\n    def f(self):\n        return 1\n\n    def g(self):\n        return 2\n\nclass B:\n    def f(self):\n        return 1\n\n    def g(self):\n        return 2\n";

/// A name, a text, a diff, and the text after it with the quality of its matches.
const UPDATES: &[(&str, &str, &str, &str, ContextMatch)] = &[
    ("one line", "a\nb\nc\n", "@@\n a\n-b\n+B\n c\n", "a\nB\nc\n", Exact),
    ("no `@@` before the first section", "a\nb\n", "-a\n+A\n", "A\nb\n", Exact),
    ("no line ending after the diff", "a\nb\n", "@@\n-a\n+A", "A\nb\n", Exact),
    ("a diff with CRLF", "a\nb\n", "@@\r\n-a\r\n+A\r\n", "A\nb\n", Exact),
    ("a file with CRLF", "a\r\nb\r\n", "@@\n-a\n+A\n+AA\n", "A\r\nAA\r\nb\r\n", Exact),
    ("a file with both endings", "a\r\nb\nc\r\n", "@@\n a\n+x\n b\n", "a\r\nx\r\nb\nc\r\n", Exact),
    ("no line ending at the end", "a\nb", "@@\n-b\n+B\n", "a\nB", Exact),
    ("lines after a last line without ending", "a\nb", "@@\n b\n+c\n+d\n", "a\nb\nc\nd", Exact),
    ("the last line without ending removed", "a\r\nb", "@@\n a\n-b\n", "a", Exact),
    ("every line removed", "a\nb\n", "@@\n-a\n-b\n", "", Exact),
    ("an empty file", "", "@@\n+a\n", "a\n", Exact),
    ("the first of equal places", "x\na\nx\na\n", "@@\n x\n-a\n+b\n", "x\nb\nx\na\n", Exact),
    ("the next of equal places", "x\na\nx\na\n", "@@\n x\n-a\n+b\n@@\n x\n-a\n+c\n", "x\nb\nx\nc\n", Exact),
    ("an exact place before a nearer one", " x\nx \nx\n", "@@\n-x\n+y\n", " x\nx \ny\n", Exact),
    ("whitespace at the end", "a  \nb\n", "@@\n a\n-b\n+c\n", "a  \nc\n", TrailingWhitespace),
    ("whitespace at both sides", "\ta\n  b\n", "@@\n a\n-b\n+  c\n", "\ta\n  c\n", SurroundingWhitespace),
    ("an empty line as context", "a\n\nb\n", "@@\n a\n\n-b\n+c\n", "a\n\nc\n", Exact),
    ("an empty line between sections", "a\nb\nc\n", "@@\n-a\n+A\n\n@@\n-c\n+C\n", "A\nb\nC\n", Partial),
    ("an empty line after `@@`", "a\nb\n", "@@ a\n\n@@\n-b\n+B\n", "a\nB\n", Exact),
    ("a header", "a\nx\nb\nx\n", "@@ b\n-x\n+y\n", "a\nx\nb\ny\n", Exact),
    (
        "a header without its whitespace",
        "\ta\nx\n\tb\nx\n",
        "@@ b\n-x\n+y\n",
        "\ta\nx\n\tb\ny\n",
        SurroundingWhitespace,
    ),
    ("a header that the context repeats", "f\na\nf\na\n", "@@ f\n f\n-a\n+b\n", "f\nb\nf\na\n", Exact),
    ("lines after a header", "a\nb\n", "@@ a\n+x\n", "a\nx\nb\n", Exact),
    ("lines at the end", "a\nb\n", "@@\n+c\n*** End of File\n", "a\nb\nc\n", Exact),
    (
        "the last of equal places",
        "x\na\nx\na\n",
        "@@\n x\n-a\n+b\n*** End of File\n\n",
        "x\na\nx\nb\n",
        Exact,
    ),
    ("text that looks like a diff", "+a\n-b\n @@\n", "@@\n +a\n--b\n++b\n  @@\n", "+a\n+b\n @@\n", Exact),
    ("text of more than one byte", "é\n😀\n", "@@ é\n-😀\n+ü\n", "é\nü\n", Exact),
];

#[test]
fn diffs_are_applied() {
    for (name, text, diff, expected, context) in UPDATES {
        let patched = apply_update(text, diff).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((patched.text.as_str(), patched.context), (*expected, *context), "{name}");
    }
}

#[test]
fn headers_go_forward_one_by_one() {
    let change =
        |headers: &str| apply_update(PYTHON, &format!("{headers}-        return 2\n+        return 3\n"));
    let second = PYTHON.rfind('2').unwrap();
    let expected = format!("{}3{}", &PYTHON[..second], &PYTHON[second + 1..]);
    for (headers, context) in [
        ("@@ class B:\n@@     def g(self):\n", Exact),
        ("@@ class B:\n@@ def g(self):\n", SurroundingWhitespace),
        ("@@ class B\n@@     def g\n", Partial),
        ("@@ class B:\n", Exact),
    ] {
        let patched = change(headers).unwrap();
        assert_eq!((patched.text, patched.context), (expected.clone(), context), "{headers}");
    }
    // A header of a part that was passed does not move the search.
    let diff = "@@ class A:\n-        return 1\n+        return 0\n@@ class A:\n@@     def g(self):\n-        return 2\n+        return 0\n";
    let expected = PYTHON.replacen('1', "0", 1).replacen('2', "0", 1);
    assert_eq!(apply_update(PYTHON, diff).unwrap().text, expected);
    // A header is not the beginning of a longer word.
    assert_eq!(change("@@ class\n").unwrap().context, Partial);
    assert_eq!(change("@@ clas\n").unwrap_err().kind(), PatchErrorKind::ContextNotFound);
}

/// A text, a diff, and words of the error.
const FAILURES: &[(&str, &str, PatchErrorKind, &[&str])] = &[
    (
        "a\nb\n",
        "@@\n-c\n+d\n",
        PatchErrorKind::ContextNotFound,
        &["line 1 of the diff", "below line 1", "`c`"],
    ),
    (
        "a\nb\nc\nd\n",
        "@@\n a\n-b\n@@\n c\n-x\n d\n",
        PatchErrorKind::ContextNotFound,
        &["line 4 of the diff", "below line 3", "`c`\n`x`\n`d`"],
    ),
    ("a\nb\nc\n", "@@\n a\n-x\n c\n", PatchErrorKind::ContextNotFound, &["begin at line 1", "line 2 is `b`"]),
    (
        "a\nb\n",
        "@@\n-b\n@@\n-a\n",
        PatchErrorKind::ContextNotFound,
        &["has them at line 1", "order of the file"],
    ),
    ("a\nb\n", "@@ c\n-b\n", PatchErrorKind::ContextNotFound, &["`c`", "`@@`"]),
    (
        "a\nb\n",
        "@@\n-a\n*** End of File",
        PatchErrorKind::ContextNotFound,
        &["end of the file", "ends with:\n`b`"],
    ),
    ("", "@@\n-a\n", PatchErrorKind::ContextNotFound, &["`a`"]),
    ("", "@@\n-a\n*** End of File", PatchErrorKind::ContextNotFound, &["empty"]),
    ("a\n", "@@\n+b\n", PatchErrorKind::ContextNotFound, &["only adds lines", "End of File"]),
    ("a\n", "@@\n-a\n@@ a\n+b\n", PatchErrorKind::ContextNotFound, &["line 3 of the diff only adds lines"]),
    ("a\n", "", PatchErrorKind::Syntax, &["changes nothing"]),
    ("a\n", "@@\n a\n", PatchErrorKind::Syntax, &["changes nothing"]),
    ("a\n", "@@ a\n", PatchErrorKind::Syntax, &["no lines"]),
    ("a\n", "@@\n-a\n@@ a\n", PatchErrorKind::Syntax, &["line 3", "no lines"]),
    ("a\n", "@@\na\n", PatchErrorKind::Syntax, &["line 2", "`a`"]),
    ("a\n", "@@\n-a\n*** End Patch\n", PatchErrorKind::Syntax, &["line 3"]),
    ("a\n", "@@ -1,2 +1 @@\n-a\n", PatchErrorKind::Syntax, &["line numbers"]),
    ("a\n", "@@\n-a\n*** End of File\n-b\n", PatchErrorKind::Syntax, &["line 4", "follows"]),
];

#[test]
fn errors_help_to_correct_a_diff() {
    for (text, diff, kind, words) in FAILURES {
        let error = apply_update(text, diff).expect_err(diff);
        assert_eq!(error.kind(), *kind, "{diff}: {error}");
        for word in *words {
            assert!(error.to_string().contains(word), "{diff}: {error}");
        }
    }
}

#[test]
fn new_files_have_lines_with_a_plus() {
    for (diff, text) in [
        ("", ""),
        ("+", "\n"),
        ("+a\n++b\n+\n", "a\n+b\n\n"),
        ("+a\r\n+b\r\n", "a\r\nb\r\n"),
        ("+a\n+b", "a\nb\n"),
    ] {
        assert_eq!(apply_create(diff).unwrap(), text);
    }
    for (diff, words) in [("+a\nb\n", "line 2"), (" a\n", "line 1"), ("+a\n\n+b", "line 2"), ("é", "`é`")] {
        let error = apply_create(diff).unwrap_err();
        assert!(
            error.kind() == PatchErrorKind::Syntax && error.to_string().contains(words),
            "{diff}: {error}"
        );
    }
}

#[test]
fn patches_are_parsed() {
    let patch = "\n*** Begin Patch\n*** Add File: new dir/a.txt\n+one\n+\n*** Update File:  b.rs \n*** Move to: c.rs\n@@ fn f()\n-x\n\n+y\n*** End of File\n*** Update File: d\n*** Move to: e\n*** Delete File: f\n\n*** End Patch\n\n";
    let expected = [
        PatchOperation::create_file("new dir/a.txt", "+one\n+\n"),
        PatchOperation::move_file("b.rs", "c.rs", "@@ fn f()\n-x\n\n+y\n*** End of File\n"),
        PatchOperation::move_file("d", "e", ""),
        PatchOperation::delete_file("f"),
    ];
    assert_eq!(parse_patch(patch).unwrap(), expected);
    assert_eq!(parse_patch(&patch.replace('\n', "\r\n")).unwrap(), expected);
}

#[test]
fn wrong_patches_are_refused() {
    for (patch, words) in [
        ("", "begins with"),
        ("*** Add File: a\n+a\n*** End Patch", "begins with"),
        ("*** Begin Patch\n*** End Patch", "no operations"),
        ("*** Begin Patch\n*** Add File: a\n+a\n", "cut short"),
        ("*** Begin Patch\n+a\n*** End Patch", "line 2"),
        ("*** Begin Patch\n*** Delete File: a\n-b\n*** End Patch", "line 3"),
        ("*** Begin Patch\n*** Delete File: \n*** End Patch", "no path"),
        ("*** Begin Patch\n*** Rename File: a\n*** End Patch", "not a valid marker"),
        ("*** Begin Patch\n*** Delete File: a\n*** Move to: b\n*** End Patch", "Move to"),
        ("*** Begin Patch\n*** Update File: a\n*** Move to: b\n*** Move to: c\n*** End Patch", "line 4"),
        ("*** Begin Patch\n*** Delete File: a\n*** End Patch\nDone.", "line 4"),
    ] {
        let error = parse_patch(patch).expect_err(patch);
        assert!(
            error.kind() == PatchErrorKind::Syntax && error.to_string().contains(words),
            "{patch}: {error}"
        );
    }
}

#[test]
fn operations_have_the_form_of_the_api() {
    for (operation, json) in [
        (PatchOperation::create_file("a", "+b"), r#"{"type":"create_file","path":"a","diff":"+b"}"#),
        (PatchOperation::update_file("a", "-b"), r#"{"type":"update_file","path":"a","diff":"-b"}"#),
        (PatchOperation::delete_file("a"), r#"{"type":"delete_file","path":"a"}"#),
        (
            PatchOperation::move_file("a", "b", ""),
            r#"{"type":"update_file","path":"a","diff":"","move_to":"b"}"#,
        ),
    ] {
        assert_eq!(serde_json::to_string(&operation).unwrap(), json);
        assert_eq!(serde_json::from_str::<PatchOperation>(json).unwrap(), operation);
        assert_eq!(operation.path(), "a");
    }
}

/// Text whose search is quadratic or worse without a limit.
#[test]
fn a_search_has_a_limit() {
    let same = "a\n".repeat(200_000);
    let pattern = format!("{}-b\n", " a\n".repeat(50_000));
    let headers = format!("{}-b\n", "@@ a\n".repeat(200_000));
    let text = format!("{same}b\n");
    let fails = |text: &str, diff: &str| -> PatchError { apply_update(text, diff).unwrap_err() };
    assert_eq!(
        fails(&text, &format!("{}@@\n-b\n{pattern}", "@@\n-a\n".repeat(10))).kind(),
        PatchErrorKind::ContextNotFound
    );
    assert_eq!(fails(&format!("b\n{same}"), &pattern).kind(), PatchErrorKind::TooLarge);
    assert_eq!(fails(&same, &headers).kind(), PatchErrorKind::ContextNotFound);
    assert_eq!(fails(&"a\n".repeat(5 << 20), "-a\n").kind(), PatchErrorKind::TooLarge);
    // Long lines whose beginning is the header of many sections.
    let text = format!("h x\n{}\n{}a\n", " ".repeat(1 << 20), "a\n".repeat(1000));
    assert_eq!(fails(&text, &format!("{}-a\n", "@@ h\n".repeat(200_000))).kind(), PatchErrorKind::TooLarge);
    // As many sections as lines are allowed.
    let sections = "@@\n-a\n+b\n".repeat(200_000);
    assert_eq!(apply_update(&same, &sections).unwrap().text, "b\n".repeat(200_000));
}
