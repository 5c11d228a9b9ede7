//! The file format of the configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Address, Api, CodexBackendConfig, InputLimit};
use crate::CodexError;
use crate::auth::{Credentials, Reference};
use crate::models::{ModelTable, OpenAIModel};
use crate::runtime::Reliability;
use crate::runtime::gate::Gate;
use crate::server::Azure;

/// The fields of the file, all of them optional.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    #[serde(skip_serializing)]
    api_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key_command: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    no_credentials: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_url: Option<String>,
    model: OpenAIModel,
    api: Api,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    input_limit: InputLimit,
    record_content: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_usage: Option<bool>,
    // Written only where it is used, for builds without the feature.
    #[cfg(feature = "websocket")]
    #[serde(skip_serializing_if = "super::WebSocket::is_off")]
    websocket: super::WebSocket,
    resume: bool,
    server_state: bool,
    // Tables come last: in TOML no value may follow them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    default_headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    azure: Option<Azure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<Gate>,
    reliability: Reliability,
    #[serde(skip_serializing_if = "ModelTable::is_empty")]
    models: ModelTable,
}

impl TryFrom<Settings> for CodexBackendConfig {
    type Error = CodexError;

    fn try_from(settings: Settings) -> Result<Self, CodexError> {
        let mut config = Self::new(Credentials::unset());
        let sources = [
            settings.api_key.map(|key| ("api_key", Credentials::key(key))),
            settings.api_key_file.map(|path| ("api_key_file", Credentials::key_file(path))),
            settings.api_key_command.map(|words| ("api_key_command", Reference::Command(words).into())),
            settings.no_credentials.filter(|is_set| *is_set).map(|_| ("no_credentials", Credentials::none())),
        ];
        let (names, credentials): (Vec<_>, Vec<_>) = sources.into_iter().flatten().unzip();
        reject_conflict(&names)?;
        if let Some(credentials) = credentials.into_iter().next() {
            config.credentials = credentials;
        }
        match (settings.base_url, settings.azure) {
            (Some(_), Some(_)) => reject_conflict(&["base_url", "azure"])?,
            (Some(url), None) => config = config.with_base_url(url),
            (None, Some(azure)) => config = config.with_azure(azure),
            (None, None) => {}
        }
        for (name, value) in settings.default_headers {
            config = config.with_header(name, value);
        }
        config.checked_headers()?;
        (config.organization, config.project) = (settings.organization, settings.project);
        config.model = settings.model;
        config.models = settings.models;
        config.api = settings.api;
        config.max_tokens = settings.max_tokens;
        config.input_limit = settings.input_limit;
        config.record_content = settings.record_content;
        config.stream_usage = settings.stream_usage.unwrap_or(config.stream_usage);
        #[cfg(feature = "websocket")]
        {
            config.websocket = settings.websocket;
        }
        config.resume = settings.resume;
        config.server_state = settings.server_state;
        config.gate = settings.gate;
        config.reliability = settings.reliability;
        Ok(config)
    }
}

fn reject_conflict(names: &[&str]) -> Result<(), CodexError> {
    match names {
        [] | [_] => Ok(()),
        _ => {
            let message = format!("{} are set together; set only one", names.join(" and "));
            Err(CodexError::configuration(message))
        }
    }
}

impl From<CodexBackendConfig> for Settings {
    fn from(config: CodexBackendConfig) -> Self {
        let mut settings = Self::default();
        match config.credentials.reference() {
            Some(Reference::None) => settings.no_credentials = Some(true),
            Some(Reference::File(path)) => settings.api_key_file = Some(path),
            Some(Reference::Command(words)) => settings.api_key_command = Some(words),
            None => {}
        }
        let headers = config.default_headers.map().iter().filter(|(_, value)| !value.is_sensitive());
        let headers =
            headers.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
        let default_headers = headers.collect();
        match config.address {
            Address::BaseUrl(url) => settings.base_url = Some(url.masked()),
            Address::Azure(azure) => settings.azure = Some(azure),
        }
        Self {
            organization: config.organization,
            project: config.project,
            model: config.model,
            models: config.models,
            api: config.api,
            max_tokens: config.max_tokens,
            input_limit: config.input_limit,
            record_content: config.record_content,
            stream_usage: Some(config.stream_usage),
            #[cfg(feature = "websocket")]
            websocket: config.websocket,
            resume: config.resume,
            server_state: config.server_state,
            default_headers,
            gate: config.gate,
            reliability: config.reliability,
            ..settings
        }
    }
}
