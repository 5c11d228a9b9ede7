//! A list of models, read from any of the known forms.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Facts of one model by name. Unknown ones are absent.
pub(crate) type Facts = BTreeMap<String, Value>;

/// One row of the model table.
#[derive(Clone, Debug)]
pub(crate) struct TableRow {
    pub(crate) id: String,
    /// The id, its aliases and its dated snapshots.
    pub(crate) names: Vec<String>,
    pub(crate) facts: Facts,
}

/// The form of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) enum Form {
    #[serde(rename = "models.dev")]
    ModelsDev,
    #[serde(rename = "LiteLLM")]
    LiteLlm,
    #[serde(rename = "facts")]
    Facts,
    #[serde(rename = "server")]
    Server,
}

impl Form {
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::ModelsDev => "models.dev",
            Self::LiteLlm => "LiteLLM",
            Self::Facts => "file of facts",
            Self::Server => "list of a server",
        }
    }
}

/// OpenAI's models for text in a list.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) form: Form,
    pub(crate) models: BTreeMap<String, Facts>,
}

/// Parts of the names of models that are not for text.
const NOT_TEXT: &[&str] = &[
    "babbage", "dall-e", "davinci", "embedding", "image", "instruct", "live", "moderation", "realtime",
    "sora", "transcribe", "translate", "tts", "whisper",
];

impl Listing {
    /// Detects the form and reads the list.
    ///
    /// # Errors
    /// It has none of the known forms, or no models.
    pub(crate) fn read(json: &Value) -> Result<Self> {
        let (form, models): (_, Vec<(String, Facts)>) = if let Some(list) = server_list(json) {
            (
                Form::Server,
                list.iter().filter_map(|model| Some((text(model, "id")?, server(model)))).collect(),
            )
        } else if let Some(list) = json.get("models").and_then(Value::as_array) {
            (Form::Facts, list.iter().filter_map(|model| Some((text(model, "id")?, facts(model)))).collect())
        } else if let Some(models) = json.pointer("/openai/models").and_then(Value::as_object) {
            (
                Form::ModelsDev,
                models.iter().filter_map(|(id, model)| Some((id.clone(), models_dev(model)?))).collect(),
            )
        } else if let Some(models) = json.as_object().filter(|models| models.values().any(is_litellm)) {
            (
                Form::LiteLlm,
                models.iter().filter_map(|(id, model)| Some((id.clone(), litellm(model)?))).collect(),
            )
        } else {
            bail!("it is neither models.dev's, LiteLLM's, a file of facts, nor the list of a server");
        };
        let is_text = |id: &str| !id.contains(['/', ':']) && !NOT_TEXT.iter().any(|part| id.contains(part));
        let models: BTreeMap<_, _> = models.into_iter().filter(|(id, _)| is_text(id)).collect();
        if models.is_empty() {
            bail!("it has no model of OpenAI for text");
        }
        Ok(Self { form, models })
    }
}

/// Facts under construction, from the fields of one model.
struct Reader<'a> {
    model: &'a Value,
    facts: Facts,
}

impl<'a> Reader<'a> {
    fn new(model: &'a Value) -> Self {
        Self { model, facts: Facts::new() }
    }

    fn set(&mut self, fact: &str, value: Value) {
        if !value.is_null() {
            self.facts.insert(fact.to_owned(), value);
        }
    }

    /// Copies values of the right type from these places.
    fn copy(&mut self, is_valid: fn(&Value) -> bool, pairs: &[(&str, &str)]) {
        for (fact, path) in pairs {
            if let Some(value) = self.model.pointer(path).filter(|value| is_valid(value)) {
                self.set(fact, value.clone());
            }
        }
    }

    /// Copies prices, in USD for `unit` tokens.
    fn prices(&mut self, unit: f64, pairs: &[(&str, &str)]) {
        for (fact, path) in pairs {
            if let Some(usd) = self.model.pointer(path).and_then(Value::as_f64) {
                // Without the error of a price for one token.
                let usd = (usd / unit * 1e12).round() / 1e6;
                self.set(&format!("price{fact}"), json!(usd));
            }
        }
    }

    /// Whether a list of texts has these.
    fn lists(&mut self, path: &str, pairs: &[(&str, &str)]) {
        let Some(list) = self.model.pointer(path).and_then(Value::as_array) else { return };
        for (fact, name) in pairs {
            self.set(fact, json!(list.iter().any(|item| item == name)));
        }
    }
}

fn text(model: &Value, field: &str) -> Option<String> {
    model.get(field)?.as_str().map(str::to_owned)
}

fn is_day(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.parse::<jiff::civil::Date>().is_ok())
}

fn server_list(json: &Value) -> Option<&Vec<Value>> {
    json.get("data").or(Some(json))?.as_array()
}

fn server(model: &Value) -> Facts {
    let mut reader = Reader::new(model);
    reader.copy(is_day, &[("shutdown", "/shutdown_date")]);
    let windows =
        ["/meta/n_ctx_train", "/max_context_length", "/context_window", "/context_length", "/max_model_len"];
    for path in windows {
        reader.copy(Value::is_u64, &[("context_window", path)]);
    }
    reader.facts
}

fn models_dev(model: &Value) -> Option<Facts> {
    let outputs = model.pointer("/modalities/output").and_then(Value::as_array);
    if outputs.is_some_and(|outputs| !outputs.iter().any(|output| output == "text")) {
        return None;
    }
    let mut reader = Reader::new(model);
    reader.copy(
        Value::is_u64,
        &[
            ("context_window", "/limit/context"),
            ("max_input_tokens", "/limit/input"),
            ("max_output_tokens", "/limit/output"),
        ],
    );
    reader.copy(
        Value::is_boolean,
        &[("tools", "/tool_call"), ("reasoning", "/reasoning"), ("structured_outputs", "/structured_output")],
    );
    reader.lists(
        "/modalities/input",
        &[("image_input", "image"), ("audio_input", "audio"), ("file_input", "pdf")],
    );
    reader.prices(
        1e6,
        &[
            (".input", "/cost/input"),
            (".cached_input", "/cost/cache_read"),
            (".cache_write", "/cost/cache_write"),
            (".output", "/cost/output"),
        ],
    );
    if model.get("status").is_some_and(|status| status == "deprecated") {
        reader.set("deprecated", json!(true));
    }
    Some(reader.facts)
}

fn is_litellm(model: &Value) -> bool {
    model.get("litellm_provider").is_some()
}

fn litellm(model: &Value) -> Option<Facts> {
    let is = |field: &str, values: &[&str]| {
        model.get(field).and_then(Value::as_str).is_some_and(|value| values.contains(&value))
    };
    if !is("litellm_provider", &["openai"]) || !is("mode", &["chat", "responses", "completion"]) {
        return None;
    }
    let mut reader = Reader::new(model);
    reader.copy(
        Value::is_u64,
        &[("max_input_tokens", "/max_input_tokens"), ("max_output_tokens", "/max_output_tokens")],
    );
    reader.copy(
        Value::is_boolean,
        &[
            ("tools", "/supports_function_calling"),
            ("parallel_tool_calls", "/supports_parallel_function_calling"),
            ("structured_outputs", "/supports_response_schema"),
            ("reasoning", "/supports_reasoning"),
            ("streaming", "/supports_native_streaming"),
            ("image_input", "/supports_vision"),
            ("audio_input", "/supports_audio_input"),
            ("file_input", "/supports_pdf_input"),
        ],
    );
    reader.lists("/supported_endpoints", &[("chat", "/v1/chat/completions"), ("responses", "/v1/responses")]);
    for (tier, suffix) in [("", ""), (".flex", "_flex"), (".priority", "_priority"), (".batch", "_batches")] {
        for (name, field) in [
            ("input", "input_cost_per_token"),
            ("cached_input", "cache_read_input_token_cost"),
            ("cache_write", "cache_creation_input_token_cost"),
            ("output", "output_cost_per_token"),
        ] {
            reader.prices(1.0, &[(&format!("{tier}.{name}"), &format!("/{field}{suffix}"))]);
        }
    }
    reader.copy(is_day, &[("shutdown", "/deprecation_date")]);
    Some(reader.facts)
}

fn facts(model: &Value) -> Facts {
    let mut reader = Reader::new(model);
    for name in ["context_window", "max_input_tokens", "max_output_tokens"] {
        reader.copy(Value::is_u64, &[(name, &format!("/{name}"))]);
    }
    for name in [
        "image_input", "audio_input", "tools", "parallel_tool_calls", "structured_outputs", "json_mode",
        "streaming", "reasoning",
    ] {
        reader.copy(Value::is_boolean, &[(name, &format!("/{name}"))]);
    }
    reader.copy(Value::is_boolean, &[("file_input", "/file_input_pdf")]);
    reader.lists("/endpoints", &[("chat", "chat_completions"), ("responses", "responses")]);
    reader.copy(is_day, &[("shutdown", "/shutdown_date")]);
    reader.prices(
        1e6,
        &[
            (".input", "/usd_per_1m_input_cached_output/0"),
            (".cached_input", "/usd_per_1m_input_cached_output/1"),
            (".output", "/usd_per_1m_input_cached_output/2"),
        ],
    );
    reader.copy(
        |value| value.as_array().is_some_and(|efforts| !efforts.is_empty()),
        &[("efforts", "/reasoning_effort")],
    );
    // Notes follow the name.
    let first_word = |path: &str| model.pointer(path).and_then(Value::as_str)?.split(' ').next();
    if let Some(encoding) = first_word("/encoding") {
        reader.set("encoding", json!(encoding));
    }
    match first_word("/params/temperature_top_p") {
        Some("yes") => reader.set("sampling", json!("allowed")),
        Some("only") => reader.set("sampling", json!("only_without_reasoning")),
        Some("no") => reader.set("sampling", json!("rejected")),
        _ => {}
    }
    reader.facts
}
