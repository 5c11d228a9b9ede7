//! The sources of a text, and the log probabilities of its tokens, as both APIs and other servers send them.

use serde_json::Value;
use tachikoma_backends_core::{Citation, TokenLogprob};

use crate::runtime::json;

/// The citation in an annotation. Chat Completions nests its fields under the type.
pub(crate) fn citation(annotation: &Value) -> Option<Citation> {
    let kind = annotation.get("type").and_then(Value::as_str).unwrap_or_default();
    let fields = annotation.get(kind).filter(|fields| fields.is_object()).unwrap_or(annotation);
    let text = |names: &[&str]| {
        let found = names.iter().find_map(|name| fields.get(*name)?.as_str());
        found.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let place = |names: &[&str]| names.iter().find_map(|name| json::index(fields.get(*name)));
    let mut citation = Citation::new(kind);
    citation.url = text(&["url", "uri", "source"]);
    citation.title = text(&["title", "filename", "name"]);
    citation.file_id = text(&["file_id"]);
    citation.container_id = text(&["container_id"]);
    citation.quote = text(&["content", "quote", "cited_text", "snippet"]);
    citation.start = place(&["start_index", "index"]);
    citation.end = place(&["end_index"]);
    if kind.is_empty() && citation.url.is_some() {
        citation.kind = URL.to_owned();
    }
    (citation != Citation::default()).then_some(citation)
}

/// The type of a citation of a web page.
const URL: &str = "url_citation";

/// The citations in a list of annotations, or of addresses.
pub(crate) fn citations(annotations: &Value) -> Vec<Citation> {
    let list = annotations.as_array().into_iter().flatten();
    list.filter_map(|annotation| match annotation {
        Value::String(url) => Some(Citation::new(URL).with_url(url)),
        annotation => citation(annotation),
    })
    .collect()
}

/// The log probabilities in a list of tokens.
pub(crate) fn logprobs(tokens: &Value) -> Vec<TokenLogprob> {
    tokens.as_array().into_iter().flatten().filter_map(logprob).collect()
}

fn logprob(token: &Value) -> Option<TokenLogprob> {
    let logprob = token.get("logprob").and_then(Value::as_f64)?;
    let byte = |byte: &Value| byte.as_u64().and_then(|byte| u8::try_from(byte).ok());
    let bytes = token.get("bytes").and_then(Value::as_array).into_iter().flatten().filter_map(byte);
    let text = token.get("token").and_then(Value::as_str).unwrap_or_default();
    let top = token.get("top_logprobs").map(logprobs).unwrap_or_default();
    Some(TokenLogprob::new(text, logprob).with_bytes(bytes.collect()).with_top(top))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn citations_in_every_form() {
        #[track_caller]
        fn check(annotation: Value, expected: Option<Citation>) {
            assert_eq!(citation(&annotation), expected, "{annotation}");
        }
        let page = || Citation::new(URL).with_url("https://example.org").with_title("Example");
        let fields =
            json!({"url": "https://example.org", "title": "Example", "start_index": 1, "end_index": 5});
        let mut flat = fields.clone();
        flat["type"] = json!("url_citation");
        check(flat, Some(page().with_start(1).with_end(5)));
        check(
            json!({"type": "url_citation", "url_citation": fields}),
            Some(page().with_start(1).with_end(5)),
        );
        check(json!({"url": "https://example.org", "title": "Example"}), Some(page()));
        check(
            json!({"type": "file_citation", "file_id": "file-1", "filename": "a.pdf", "index": 7}),
            Some(Citation::new("file_citation").with_file_id("file-1").with_title("a.pdf").with_start(7)),
        );
        check(
            json!({"type": "container_file_citation", "container_id": "c", "file_id": "f", "filename": "a.csv",
                "start_index": 0, "end_index": 3.0}),
            Some(
                Citation::new("container_file_citation")
                    .with_container_id("c")
                    .with_file_id("f")
                    .with_title("a.csv")
                    .with_start(0)
                    .with_end(3),
            ),
        );
        check(json!({"type": "new", "x": 1}), Some(Citation::new("new")));
        check(json!({}), None);
        check(json!(1), None);
        let addresses = citations(&json!(["https://example.org", 1]));
        assert_eq!(addresses, [Citation::new(URL).with_url("https://example.org")]);
    }

    #[test]
    fn log_probabilities_with_their_alternatives() {
        let tokens = json!([
            {"token": "a", "logprob": -0.5, "bytes": [97, 300], "top_logprobs": [{"token": "b", "logprob": -1}]},
            {"token": "c", "logprob": "x"},
        ]);
        let expected =
            TokenLogprob::new("a", -0.5).with_bytes(vec![97]).with_top(vec![TokenLogprob::new("b", -1.0)]);
        assert_eq!(logprobs(&tokens), [expected]);
    }

    /// Every field of every annotation in the document is read.
    #[test]
    fn the_annotations_match_the_document() {
        let document: Value = serde_json::from_str(include_str!("../../openapi/closure.json")).unwrap();
        let schemas = &document["components"]["schemas"];
        let branches = schemas["Annotation"]["oneOf"].as_array().unwrap();
        for branch in branches {
            let name = branch["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
            for field in
                schemas[name]["properties"].as_object().unwrap().keys().filter(|field| *field != "type")
            {
                let value = if field.contains("index") { json!(1) } else { json!("x") };
                assert!(citation(&json!({ field: value })).is_some(), "{name}.{field} is not read");
            }
        }
        assert!(branches.len() >= 4);
    }
}
