//! Tests of tool calls whole and in pieces.

use serde_json::json;

use super::*;

type Piece = (Option<usize>, Option<&'static str>, Option<&'static str>, &'static str);

/// Feeds raw pieces, and the deltas made of them into a second accumulator: both must end with the same calls.
#[track_caller]
fn check(pieces: &[Piece], expected: &[(&str, &str, &str)]) {
    let (mut raw, mut handed_out) = (ToolCallAccumulator::default(), ToolCallAccumulator::default());
    for &(index, id, name, arguments) in pieces {
        let delta = raw.push_fragment(ToolCallFragment { index, id, name, arguments: arguments.into() });
        delta.iter().for_each(|delta| handed_out.push(delta));
    }
    let expected: Vec<_> =
        expected.iter().map(|(id, name, arguments)| ToolCall::new(*id, *name, *arguments)).collect();
    assert_eq!(raw.finish(true).0, expected);
    assert_eq!(handed_out.finish(true).0, expected);
}

const AB: &[(&str, &str, &str)] = &[("a", "now", "{\"x\":1}"), ("b", "then", "{}")];
const A: &[(&str, &str, &str)] = &[("a", "now", "{\"x\":1}")];

#[test]
fn as_the_document_says() {
    check(
        &[
            (Some(0), Some("a"), Some("now"), ""),
            (Some(0), None, None, "{\"x\""),
            (Some(0), None, None, ":1}"),
            (Some(1), Some("b"), Some("then"), "{}"),
        ],
        AB,
    );
}

#[test]
fn interleaved_and_skipped_indexes() {
    check(
        &[
            (Some(3), Some("a"), Some("now"), "{\"x\""),
            (Some(7), Some("b"), Some("then"), "{"),
            (Some(3), None, None, ":1}"),
            (Some(7), None, None, "}"),
        ],
        AB,
    );
}

#[test]
fn repeated_and_empty_ids_and_names() {
    check(&[(Some(0), Some("a"), Some("now"), "{\"x\""), (Some(0), Some("a"), Some("now"), ":1}")], A);
    check(&[(Some(0), Some("a"), Some("now"), "{\"x\""), (Some(0), Some(""), Some(""), ":1}")], A);
    check(&[(Some(0), Some(""), Some("now"), "{\"x\""), (Some(0), Some("a"), None, ":1}")], A);
    check(&[(Some(0), Some("a"), Some("n"), ""), (Some(0), None, Some("ow"), "{\"x\":1}")], A);
}

#[test]
fn arguments_without_a_name_go_on_with_an_open_call() {
    check(&[(Some(0), Some("a"), Some("now"), ""), (Some(0), Some("x"), None, "{\"x\":1}")], A);
    check(
        &[
            (Some(0), Some("a"), Some("now"), "{\"x\":1}"),
            (Some(0), Some("b"), Some("then"), ""),
            (Some(1), None, None, "{}"),
        ],
        AB,
    );
    // An empty object stands in the place of the arguments that follow.
    check(&[(Some(0), Some("a"), Some("now"), "{}"), (Some(0), None, None, "{\"x\":1}")], A);
}

#[test]
fn two_calls_share_an_index() {
    check(&[(Some(0), Some("a"), Some("now"), "{\"x\":1}"), (Some(0), Some("b"), Some("then"), "{}")], AB);
    check(
        &[
            (Some(0), Some("a"), Some("now"), "{\"x\""),
            (Some(0), Some("b"), Some("then"), "{"),
            (Some(0), Some("a"), None, ":1}"),
            (Some(0), Some("b"), None, "}"),
        ],
        AB,
    );
}

#[test]
fn no_index() {
    check(&[(None, Some("a"), Some("now"), "{\"x\":1}"), (None, Some("b"), Some("then"), "{}")], AB);
    check(&[(None, Some("a"), Some("now"), "{\"x\""), (None, None, None, ":1}")], A);
    check(
        &[(None, None, Some("now"), "{\"x\":1}"), (None, None, Some("then"), "{}")],
        &[("call_0", "now", "{\"x\":1}"), ("call_1", "then", "{}")],
    );
}

#[test]
fn what_says_nothing_begins_no_call() {
    check(&[(Some(0), None, None, ""), (Some(1), Some(""), Some(""), "")], &[]);
    check(&[(None, None, None, ""), (Some(0), Some("a"), Some("now"), "{\"x\":1}")], A);
}

#[test]
fn made_up_ids_are_unique_and_missing_arguments_an_empty_object() {
    check(
        &[(Some(0), None, Some("now"), ""), (Some(1), Some("call_0"), Some("then"), "")],
        &[("call_0_", "now", "{}"), ("call_0", "then", "{}")],
    );
}

#[test]
fn another_name_or_another_object_begins_another_call() {
    let whole = "{\"x\":1}";
    check(&[(Some(0), None, Some("now"), whole), (Some(0), None, Some("then"), "{}")], AB_MADE_UP);
    check(
        &[(Some(0), Some("a"), Some("now"), whole), (Some(0), Some("a"), Some("then"), "{}")],
        A_AND_MADE_UP,
    );
    check(
        &[(Some(0), Some("a"), Some("now"), whole), (Some(0), Some("a"), Some("now"), "{\"x\":2}")],
        &[("a", "now", "{\"x\":1}"), ("call_1", "now", "{\"x\":2}")],
    );
    check(
        &[(None, Some("a"), Some("now"), whole), (None, Some("a"), Some("now"), "{\"x\":2}")],
        &[("a", "now", "{\"x\":1}"), ("call_1", "now", "{\"x\":2}")],
    );
    // The same once more is a repetition; a name that grows is one name.
    check(&[(Some(0), Some("a"), Some("now"), whole), (Some(0), Some("a"), Some("now"), whole)], A);
    check(&[(Some(0), Some("a"), Some("n"), ""), (Some(0), Some("a"), Some("now"), whole)], A);
    // An index that changes does not make another call of the same id.
    check(&[(Some(0), Some("a"), Some("now"), "{\"x\""), (Some(1), Some("a"), None, ":1}")], A);
}

const AB_MADE_UP: &[(&str, &str, &str)] = &[("call_0", "now", "{\"x\":1}"), ("call_1", "then", "{}")];
const A_AND_MADE_UP: &[(&str, &str, &str)] = &[("a", "now", "{\"x\":1}"), ("call_1", "then", "{}")];

#[test]
fn a_whole_call_adds_what_its_pieces_lack() {
    let mut calls = ToolCallAccumulator::default();
    let fragment = |id: &'static str, name: &'static str, arguments: &'static str| ToolCallFragment {
        index: Some(0),
        id: Some(id),
        name: Some(name),
        arguments: arguments.into(),
    };
    calls.push_fragment(fragment("a", "now", "{\"x\""));
    assert_eq!(calls.push_whole(fragment("a", "now", "{\"x\":1}")).unwrap().arguments_delta, ":1}");
    assert_eq!(calls.push_whole(fragment("a", "now", "{\"x\":1}")), None);
    assert_eq!(calls.push_whole(fragment("b", "then", "{}")).unwrap().index, 1);
    assert_eq!(
        calls.finish(true).0,
        [ToolCall::new("a", "now", "{\"x\":1}"), ToolCall::new("b", "then", "{}")]
    );
}

#[test]
fn calls_are_whole_by_evidence_only() {
    #[track_caller]
    fn check(name: &str, arguments: &str, has_ended: bool, is_complete: bool, is_whole: bool) {
        let mut calls = ToolCallAccumulator::default();
        calls.push(&ToolCallDelta {
            index: 0,
            id: Some("a".into()),
            name: Some(name.into()),
            arguments_delta: arguments.into(),
            is_complete,
            ..Default::default()
        });
        let (whole, incomplete) = calls.finish(has_ended);
        assert_eq!((whole.len(), incomplete.len()), if is_whole { (1, 0) } else { (0, 1) });
    }
    // Arguments that look complete are no evidence: the rest may have been cut.
    for arguments in ["{\"x\":1}", "{\"x\":", "1", ""] {
        check("now", arguments, false, false, false);
        check("now", arguments, false, true, true);
        check("now", arguments, true, false, true);
    }
    check("", "{}", true, true, false);
}

#[test]
fn arguments_parse_or_say_why_not() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct City {
        name: String,
    }
    #[track_caller]
    fn check(arguments: &str, expected: &str) {
        let error = ToolCall::new("a", "now", arguments).parse_arguments_as::<City>().unwrap_err();
        assert_eq!(error.to_string(), format!("the arguments of now are wrong: {expected}"));
        assert_eq!(error.arguments, arguments);
    }
    let call = ToolCall::new("a", "now", "{\"name\": \"Oslo\"}");
    assert_eq!(call.parse_arguments_as::<City>().unwrap(), City { name: "Oslo".into() });
    for empty in ["", " ", "null", "{}", " null\n"] {
        let call = ToolCall::new("a", "now", empty);
        assert_eq!(call.parse_arguments().unwrap(), json!({}), "{empty:?}");
        call.parse_arguments_as::<()>().unwrap();
        call.parse_arguments_as::<Option<City>>().unwrap();
    }
    check("{\"name\": 1}", "at name: invalid type: integer `1`, expected a string at line 1 column 10");
    check("{name: Oslo", "key must be a string at line 1 column 2");
    check("[] {}", "trailing characters at line 1 column 4");
    check("{}", "missing field `name` at line 1 column 2");
}
