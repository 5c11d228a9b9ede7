//! Messages: their text, phase, citations and token probabilities.

use serde_json::{Value, json};

use super::OutputItem;
use crate::stream::pieces;

/// The longest token that a text is cut into, in bytes.
pub(crate) const LONGEST_TOKEN: usize = 16;

impl OutputItem {
    /// A message with this text.
    pub fn message(text: impl Into<String>) -> Self {
        let text = json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text.into()});
        Self::new("message", [("content", json!([text]))])
    }

    /// A message in which the model declines to answer.
    pub fn refusal(text: impl Into<String>) -> Self {
        Self::new("message", [("content", json!([{"type": "refusal", "refusal": text.into()}]))])
    }

    /// The phase of a message: `commentary` or `final_answer`.
    pub fn with_phase(self, phase: impl Into<String>) -> Self {
        self.with_field("phase", phase.into())
    }

    /// Adds an annotation to the last part of a message, in the shape of the Responses API: a `url_citation`, `file_citation`,
    /// `container_file_citation` or `file_path`. Chat Completions has URL citations alone.
    ///
    /// ```
    /// # use tachikoma_openai_mock::OutputItem;
    /// # use serde_json::json;
    /// let citation = json!({"type": "file_citation", "file_id": "file-1", "filename": "a.pdf", "index": 5});
    /// OutputItem::message("Hello").with_annotation(citation);
    /// ```
    pub fn with_annotation(self, annotation: Value) -> Self {
        self.extend_last_part("annotations", vec![annotation])
    }

    /// Adds the citation of a web page for a range of the text, in characters.
    pub fn with_url_citation(
        self,
        start_index: usize,
        end_index: usize,
        url: impl Into<String>,
        title: impl Into<String>,
    ) -> Self {
        self.with_annotation(json!({
            "type": "url_citation",
            "start_index": start_index,
            "end_index": end_index,
            "url": url.into(),
            "title": title.into(),
        }))
    }

    /// Gives the text of a message log probabilities: a token for each delta of the stream, with one alternative.
    pub fn with_logprobs(self) -> Self {
        let text = self.list("content").last().and_then(|part| part.get("text")?.as_str());
        let tokens = pieces(text.unwrap_or_default(), LONGEST_TOKEN).map(token).collect();
        self.extend_last_part("logprobs", tokens)
    }

    fn extend_last_part(mut self, field: &str, values: Vec<Value>) -> Self {
        let parts = self.fields.get_mut("content").and_then(Value::as_array_mut);
        if let Some(list) = parts.and_then(|parts| parts.last_mut()?.get_mut(field)?.as_array_mut()) {
            list.extend(values);
        }
        self
    }
}

/// The deltas of a text, each with its log probabilities: the tokens, if those are of this text.
pub(crate) fn token_deltas<'a>(text: &'a str, logprobs: &'a [Value]) -> Vec<(&'a str, &'a [Value])> {
    let token = |logprob: &'a Value| logprob.get("token").and_then(Value::as_str).unwrap_or_default();
    let tokens: String = logprobs.iter().map(token).collect();
    if !text.is_empty() && tokens == text {
        return logprobs.chunks(1).map(|one| (one.first().map(token).unwrap_or_default(), one)).collect();
    }
    pieces(text, LONGEST_TOKEN).map(|piece| (piece, [].as_slice())).collect()
}

/// A token with its log probability and that of an alternative: constants, since nothing is computed.
fn token(text: &str) -> Value {
    let logprob =
        |text: &str, logprob: f64| json!({"token": text, "logprob": logprob, "bytes": text.as_bytes()});
    let mut token = logprob(text, -0.25);
    let alternatives = json!([logprob(text, -0.25), logprob("other", -2.5)]);
    if let Some(fields) = token.as_object_mut() {
        fields.insert("top_logprobs".to_owned(), alternatives);
    }
    token
}
