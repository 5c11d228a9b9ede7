//! The form of the configuration in a file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::reliability::for_each_setting;
use super::{Address, Api, CodexBackendConfig, InputLimit};
use crate::auth::{Azure, Credentials, Reference, masked_url};
use crate::error::CodexError;
use crate::models::OpenAIModel;

/// The fields, with one for each setting of how long, how often and how much.
macro_rules! fields {
    ({ $($(#[$attribute:meta])* $own:ident: $own_type:ty;)* } { $($field:ident: $type:ty;)* }) => {
        #[derive(Default, Deserialize, Serialize)]
        #[serde(deny_unknown_fields, default)]
        pub(super) struct Settings {
            $(#[serde(skip_serializing_if = "Option::is_none")] $(#[$attribute])* $own: Option<$own_type>,)*
            $(#[serde(skip_serializing_if = "Option::is_none")] $field: Option<<$type as InFile>::Form>,)*
        }

        impl Settings {
            fn set_reliability(&mut self, config: &mut CodexBackendConfig) {
                $(if let Some(form) = self.$field.take() {
                    config.reliability.$field = InFile::read(form);
                })*
            }

            fn of_reliability(config: &CodexBackendConfig) -> Self {
                Self { $($field: config.reliability.$field.write(),)* ..Self::default() }
            }
        }
    };
}

for_each_setting!(fields! {
    #[serde(skip_serializing)]
    api_key: String;
    api_key_file: PathBuf;
    api_key_command: Vec<String>;
    no_credentials: bool;
    organization: String;
    project: String;
    base_url: String;
    model: OpenAIModel;
    api: Api;
    max_tokens: u32;
    input_limit: InputLimit;
    record_content: bool;
    default_headers: BTreeMap<String, String>;
    azure: Azure;
});

/// A setting as a file has it.
trait InFile: Sized {
    type Form;
    fn read(form: Self::Form) -> Self;
    fn write(self) -> Option<Self::Form>;
}

macro_rules! as_it_is {
    ($($type:ty),*) => {$(
        impl InFile for $type {
            type Form = Self;
            fn read(form: Self) -> Self { form }
            fn write(self) -> Option<Self> { Some(self) }
        }
    )*};
}
as_it_is!(bool, u32, usize);

impl InFile for Duration {
    type Form = Readable;

    fn read(Readable(duration): Readable) -> Self {
        duration
    }

    fn write(self) -> Option<Readable> {
        Some(Readable(self))
    }
}

/// A limit that may be absent, in a file as well.
impl InFile for Option<Duration> {
    type Form = Readable;

    fn read(Readable(duration): Readable) -> Self {
        Some(duration)
    }

    fn write(self) -> Option<Readable> {
        self.map(Readable)
    }
}

/// A share that can be turned off: a number or `"off"`.
impl InFile for Option<f64> {
    type Form = Share;

    fn read(Share(share): Share) -> Self {
        share
    }

    fn write(self) -> Option<Share> {
        Some(Share(self))
    }
}

const OFF: &str = "off";

struct Share(Option<f64>);

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(share) => serializer.serialize_f64(share),
            None => serializer.serialize_str(OFF),
        }
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrOff;
        impl Visitor<'_> for NumberOrOff {
            type Value = Share;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a share such as 0.2, or \"off\"")
            }

            fn visit_f64<E: de::Error>(self, share: f64) -> Result<Share, E> {
                Ok(Share(Some(share)))
            }

            fn visit_i64<E: de::Error>(self, share: i64) -> Result<Share, E> {
                i32::try_from(share)
                    .map(|share| Share(Some(share.into())))
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(share), &self))
            }

            fn visit_u64<E: de::Error>(self, share: u64) -> Result<Share, E> {
                u32::try_from(share)
                    .map(|share| Share(Some(share.into())))
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(share), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Share, E> {
                match text {
                    OFF => Ok(Share(None)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(NumberOrOff)
    }
}

/// A duration like `120s`.
struct Readable(Duration);

impl Serialize for Readable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Readable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Readable;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration with its unit, like \"120s\", \"500ms\" or \"1m 30s\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Readable, E> {
                let wrong = |_| E::invalid_value(de::Unexpected::Str(text), &self);
                humantime::parse_duration(text).map(Readable).map_err(wrong)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl TryFrom<Settings> for CodexBackendConfig {
    type Error = CodexError;

    fn try_from(mut settings: Settings) -> Result<Self, CodexError> {
        let mut config = Self::new(Credentials::unset());
        settings.set_reliability(&mut config);
        let given = [
            settings.api_key.map(|key| ("api_key", Credentials::key(key))),
            settings.api_key_file.map(|path| ("api_key_file", Credentials::key_file(path))),
            settings.api_key_command.map(|words| ("api_key_command", Reference::Command(words).into())),
            settings.no_credentials.filter(|is_so| *is_so).map(|_| ("no_credentials", Credentials::none())),
        ];
        let (names, credentials): (Vec<_>, Vec<_>) = given.into_iter().flatten().unzip();
        one_at_most(&names)?;
        if let Some(credentials) = credentials.into_iter().next() {
            config.credentials = credentials;
        }
        match (settings.base_url, settings.azure) {
            (Some(_), Some(_)) => one_at_most(&["base_url", "azure"])?,
            (Some(url), None) => config = config.with_base_url(url),
            (None, Some(azure)) => config = config.with_azure(azure),
            (None, None) => {}
        }
        for (name, value) in settings.default_headers.unwrap_or_default() {
            config = config.with_header(name, value);
        }
        config.checked_headers()?;
        (config.organization, config.project) = (settings.organization, settings.project);
        config.model = settings.model.unwrap_or_default();
        config.api = settings.api.unwrap_or_default();
        config.max_tokens = settings.max_tokens;
        config.input_limit = settings.input_limit.unwrap_or_default();
        config.record_content = settings.record_content.unwrap_or_default();
        Ok(config)
    }
}

fn one_at_most(names: &[&str]) -> Result<(), CodexError> {
    match names {
        [] | [_] => Ok(()),
        _ => {
            let message = format!("{} are set together; one of them is enough", names.join(" and "));
            Err(CodexError::configuration(message))
        }
    }
}

impl From<CodexBackendConfig> for Settings {
    fn from(config: CodexBackendConfig) -> Self {
        let mut settings = Self::of_reliability(&config);
        match config.credentials.reference() {
            Some(Reference::None) => settings.no_credentials = Some(true),
            Some(Reference::File(path)) => settings.api_key_file = Some(path),
            Some(Reference::Command(words)) => settings.api_key_command = Some(words),
            None => {}
        }
        let headers = config.default_headers.map().iter().filter(|(_, value)| !value.is_sensitive());
        let headers: BTreeMap<_, _> = headers
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
            .collect();
        match config.address {
            Address::BaseUrl(url) => settings.base_url = Some(masked_url(&url.0)),
            Address::Azure(azure) => settings.azure = Some(azure),
        }
        Self {
            organization: config.organization,
            project: config.project,
            model: Some(config.model),
            api: Some(config.api),
            max_tokens: config.max_tokens,
            input_limit: Some(config.input_limit),
            record_content: Some(config.record_content),
            default_headers: (!headers.is_empty()).then_some(headers),
            ..settings
        }
    }
}
