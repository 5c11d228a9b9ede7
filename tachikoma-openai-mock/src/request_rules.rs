//! OpenAI's rules for a whole request that its document lacks: which fields go together, which a model supports, and what texts must
//! look like. Each is documented, or known from the error that OpenAI sends, whose words they have.

use serde_json::Value;

use crate::body::RequestSchema;
use crate::errors::ApiError;
use crate::function_rules::check_tool_name;

/// Fields of Chat Completions that are allowed only with another one, which is on or not empty.
const ONLY_WITH: [(&str, &str, &str); 3] = [
    ("stream_options", "stream", "The 'stream_options' parameter is only allowed when 'stream' is enabled."),
    ("top_logprobs", "logprobs", "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled."),
    (
        "parallel_tool_calls",
        "tools",
        "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.",
    ),
];

/// The lengths that the lists of Chat Completions have.
const LIST_LENGTH: std::ops::RangeInclusive<usize> = 1..=128;

/// What metadata may hold: pairs, and characters of a key and of a value.
const MOST_PAIRS: usize = 16;
const LONGEST_KEY: usize = 64;
const LONGEST_VALUE: usize = 512;

/// A field that some models do not have.
struct Unsupported {
    /// In Chat Completions, or in Responses, or in both.
    api: Option<RequestSchema>,
    /// What their names begin with, and what those have in them that do have the field.
    models: &'static [&'static str],
    except: &'static [&'static str],
    field: &'static str,
    /// The value that is allowed all the same.
    default: Option<f64>,
    /// Whether they know the field, with that value alone.
    is_known: bool,
    advice: &'static str,
}

impl Unsupported {
    const fn new(models: &'static [&'static str], field: &'static str) -> Self {
        Self { api: None, models, except: &["-chat"], field, default: None, is_known: false, advice: "" }
    }
}

const REASONING_MODELS: &[&str] = &["o1", "o3", "o4", "gpt-5"];

/// Of the models with a version after GPT-5, some take `temperature` and `top_p` with some efforts.
const UP_TO_GPT_5: &[&str] = &["gpt-5.", "-chat"];

/// The first one that fits decides.
const UNSUPPORTED: [Unsupported; 6] = [
    Unsupported {
        api: Some(RequestSchema::Chat),
        advice: " Use 'max_completion_tokens' instead.",
        ..Unsupported::new(REASONING_MODELS, "max_tokens")
    },
    Unsupported { api: Some(RequestSchema::Chat), ..Unsupported::new(&["o3", "o4-mini"], "stop") },
    Unsupported {
        api: Some(RequestSchema::Chat),
        except: UP_TO_GPT_5,
        default: Some(1.0),
        is_known: true,
        ..Unsupported::new(&["o1", "gpt-5"], "temperature")
    },
    Unsupported {
        except: UP_TO_GPT_5,
        default: Some(1.0),
        ..Unsupported::new(REASONING_MODELS, "temperature")
    },
    Unsupported { except: UP_TO_GPT_5, default: Some(1.0), ..Unsupported::new(REASONING_MODELS, "top_p") },
    Unsupported {
        api: Some(RequestSchema::Responses),
        except: &[],
        ..Unsupported::new(&["gpt-3.5", "gpt-4", "gpt-5-chat"], "reasoning.effort")
    },
];

/// Refuses what these rules do not allow.
pub(crate) fn check(schema: RequestSchema, body: &Value) -> Result<(), ApiError> {
    match schema {
        RequestSchema::Chat => {
            check_combinations(body)?;
            check_length(body.get("tools"), "tools")?;
            for (index, message) in list(body, "messages").iter().enumerate() {
                check_message(message, index)?;
            }
        }
        RequestSchema::Responses => {
            for (index, item) in list(body, "input").iter().enumerate() {
                check_item(item, &format!("input[{index}]"))?;
            }
        }
        RequestSchema::Embeddings => return Ok(()),
    }
    check_model(schema, body)?;
    check_metadata(body)?;
    check_json_mode(schema, body)
}

fn refuse(message: impl Into<String>, param: impl Into<String>, code: Option<&str>) -> Result<(), ApiError> {
    let error = ApiError::invalid(message).param(param);
    Err(code.into_iter().fold(error, ApiError::code))
}

/// The elements of a list field; none if it is missing.
fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A field that is there and not null.
fn given<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    name.split('.').try_fold(value, |value, name| value.get(name)).filter(|value| !value.is_null())
}

fn check_combinations(body: &Value) -> Result<(), ApiError> {
    let is_on = |name| match body.get(name) {
        Some(Value::Bool(on)) => *on,
        Some(Value::Array(items)) => !items.is_empty(),
        _ => false,
    };
    for (field, needed, message) in ONLY_WITH {
        if given(body, field).is_some() && !is_on(needed) {
            return refuse(message, field, None);
        }
    }
    if given(body, "max_tokens").is_some() && given(body, "max_completion_tokens").is_some() {
        let message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.";
        return refuse(message, "max_tokens", Some("invalid_parameter_combination"));
    }
    Ok(())
}

fn check_model(schema: RequestSchema, body: &Value) -> Result<(), ApiError> {
    let model = body.get("model").and_then(Value::as_str).unwrap_or_default();
    for rule in &UNSUPPORTED {
        let Unsupported { api, models, except, field, default, is_known, advice } = rule;
        let is_meant = api.is_none_or(|api| api == schema)
            && models.iter().any(|start| model.starts_with(start))
            && !except.iter().any(|part| model.contains(part));
        let Some(value) =
            given(body, field).filter(|value| is_meant && (default.is_none() || value.as_f64() != *default))
        else {
            continue;
        };
        if *is_known {
            let message = format!(
                "Unsupported value: '{field}' does not support {value} with this model. Only the default (1) value is supported."
            );
            return refuse(message, *field, Some("unsupported_value"));
        }
        let message = format!("Unsupported parameter: '{field}' is not supported with this model.{advice}");
        return refuse(message, *field, Some("unsupported_parameter"));
    }
    Ok(())
}

fn check_length(items: Option<&Value>, param: &str) -> Result<(), ApiError> {
    let Some(length) = items.and_then(Value::as_array).map(Vec::len) else { return Ok(()) };
    let (least, most) = (LIST_LENGTH.start(), LIST_LENGTH.end());
    if length < *least {
        let message = format!(
            "Invalid '{param}': empty array. Expected an array with minimum length {least}, but got an empty array instead."
        );
        return refuse(message, param, Some("empty_array"));
    }
    if length > *most {
        let message = format!(
            "Invalid '{param}': array too long. Expected an array with maximum length {most}, but got an array with length \
             {length} instead."
        );
        return refuse(message, param, Some("array_above_max_length"));
    }
    Ok(())
}

fn check_message(message: &Value, index: usize) -> Result<(), ApiError> {
    let place = format!("messages[{index}]");
    let is_forbidden = |letter: char| letter.is_whitespace() || "<|\\/>".contains(letter);
    if message.get("name").and_then(Value::as_str).is_some_and(|name| name.contains(is_forbidden)) {
        let message = format!(
            r"Invalid '{place}.name': string does not match pattern. Expected a string that matches the pattern '^[^\s<|\\/>]+$'."
        );
        return refuse(message, format!("{place}.name"), Some("invalid_value"));
    }
    let is_assistant = message.get("role").is_some_and(|role| role == "assistant");
    let instead = ["tool_calls", "function_call", "refusal", "audio"];
    let has_content = given(message, "content").is_some();
    if is_assistant && !has_content && instead.iter().all(|field| given(message, field).is_none()) {
        let message = "Invalid value for 'content': expected a string, got null.";
        return refuse(message, format!("messages.[{index}].content"), None);
    }
    check_length(message.get("tool_calls"), &format!("{place}.tool_calls"))?;
    for (number, call) in list(message, "tool_calls").iter().enumerate() {
        if let Some(name) = call.pointer("/function/name").and_then(Value::as_str) {
            check_tool_name(name, &format!("{place}.tool_calls[{number}].function.name"))?;
        }
    }
    for (number, part) in list(message, "content").iter().enumerate() {
        if let Some(url) = part.pointer("/image_url/url").and_then(Value::as_str) {
            check_image(url, &format!("{place}.content[{number}].image_url.url"))?;
        }
    }
    Ok(())
}

fn check_item(item: &Value, place: &str) -> Result<(), ApiError> {
    let is_call = item.get("type").is_some_and(|kind| kind == "function_call");
    if let Some(name) = item.get("name").and_then(Value::as_str).filter(|_| is_call) {
        check_tool_name(name, &format!("{place}.name"))?;
    }
    for field in ["content", "output"] {
        for (number, part) in list(item, field).iter().enumerate() {
            if let Some(url) = part.get("image_url").and_then(Value::as_str) {
                check_image(url, &format!("{place}.{field}[{number}].image_url"))?;
            }
        }
    }
    Ok(())
}

/// Refuses what is neither the URL of a web server nor a data URL of an image.
fn check_image(url: &str, param: &str) -> Result<(), ApiError> {
    let starts_with =
        |prefix: &str| url.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    if starts_with("http://") || starts_with("https://") {
        return Ok(());
    }
    let wrong = match url.split_once(',') {
        _ if !starts_with("data:") => "a value without the 'data:' prefix",
        Some((head, _)) if !(starts_with("data:image/") && head.ends_with(";base64")) => "another data URL",
        Some((_, "")) => "empty base64-encoded bytes",
        Some(_) => return Ok(()),
        None => "another data URL",
    };
    let message = format!(
        "Invalid image URL: '{param}'. Expected a base64-encoded data URL with an image MIME type (e.g. \
         'data:image/png;base64,aW1nIGJ5dGVzIGhlcmU='), but got {wrong}."
    );
    refuse(message, param, Some("invalid_value"))
}

fn check_metadata(body: &Value) -> Result<(), ApiError> {
    let Some(pairs) = body.get("metadata").and_then(Value::as_object) else { return Ok(()) };
    if pairs.len() > MOST_PAIRS {
        let message = format!(
            "Invalid 'metadata': too many properties. Expected an object with at most {MOST_PAIRS} properties, but got an object \
             with {} properties instead.",
            pairs.len()
        );
        return refuse(message, "metadata", Some("object_above_max_properties"));
    }
    for (key, value) in pairs {
        let length = key.chars().count();
        if length > LONGEST_KEY {
            let message =
                format!("Invalid 'metadata': a key has {length} characters. Expected at most {LONGEST_KEY}.");
            return refuse(message, "metadata", Some("string_above_max_length"));
        }
        let length = value.as_str().unwrap_or_default().chars().count();
        if length > LONGEST_VALUE {
            let param = format!("metadata.{key}");
            let message = format!(
                "Invalid '{param}': string too long. Expected a string with maximum length {LONGEST_VALUE}, but got a string with \
                 length {length} instead."
            );
            return refuse(message, param, Some("string_above_max_length"));
        }
    }
    Ok(())
}

/// JSON mode needs the word in a message. Those of the turns before are not looked at: a request that continues them passes.
fn check_json_mode(schema: RequestSchema, body: &Value) -> Result<(), ApiError> {
    let is_json = |path: &str| body.pointer(path).is_some_and(|kind| kind == "json_object");
    let says_json =
        |field| body.get(field).is_some_and(|value| value.to_string().to_lowercase().contains("json"));
    match schema {
        RequestSchema::Chat if is_json("/response_format/type") && !says_json("messages") => refuse(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
            "messages",
            None,
        ),
        RequestSchema::Responses if is_json("/text/format/type") => {
            let continues =
                ["previous_response_id", "conversation"].iter().any(|name| given(body, name).is_some());
            if continues || says_json("input") || says_json("instructions") {
                return Ok(());
            }
            refuse(
                "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'.",
                "input",
                None,
            )
        }
        _ => Ok(()),
    }
}
