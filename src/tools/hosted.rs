//! What all constructors of hosted tools share.

use serde::Serialize;
use serde_json::{Map, Value};
use tachikoma_backends_core::HostedTool;

/// The hosted tool of a generated type, with further settings.
pub(super) fn hosted_tool(generated: impl Serialize, settings: Map<String, Value>) -> HostedTool {
    // The generated types are objects with a type. Should one not be, the tool has no type, which the request's validation rejects.
    let mut fields = object(generated);
    let kind = match fields.remove("type") {
        Some(Value::String(kind)) => kind,
        _ => String::new(),
    };
    fields.extend(settings);
    HostedTool::new(kind).with_settings(fields)
}

/// The JSON object of a value.
pub(super) fn object(value: impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

pub(super) fn texts(items: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    items.into_iter().map(Into::into).collect()
}

/// Defines a tool around the generated type of this name; with its fields, `new` and `Default` too.
macro_rules! hosted_tool {
    ($(#[$meta:meta])* $name:ident($generated:ident) { $($field:ident: $value:expr),* $(,)? }) => {
        hosted_tool! { $(#[$meta])* $name($generated) }

        impl $name {
            /// The tool, without settings.
            pub fn new() -> Self {
                Self::from_generated(crate::openai::types::$generated { $($field: $value),* })
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }
    };
    ($(#[$meta:meta])* $name:ident($generated:ident)) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq)]
        pub struct $name {
            tool: crate::openai::types::$generated,
            settings: serde_json::Map<String, serde_json::Value>,
        }

        impl $name {
            fn from_generated(tool: crate::openai::types::$generated) -> Self {
                Self { tool, settings: serde_json::Map::new() }
            }
        }

        hosted_tool_impls! { $name, |tool| $crate::tools::hosted::hosted_tool(tool.tool, tool.settings) }
    };
}

/// Implements the conversions of a tool whose further settings are in its field `settings`.
macro_rules! hosted_tool_impls {
    ($name:ident, |$tool:ident| $hosted:expr) => {
        impl $name {
            /// Adds or replaces a setting, for those that this release does not have.
            #[must_use]
            pub fn with_setting(
                mut self,
                setting: impl Into<String>,
                value: impl Into<serde_json::Value>,
            ) -> Self {
                self.settings.insert(setting.into(), value.into());
                self
            }
        }

        impl From<$name> for tachikoma_backends_core::HostedTool {
            fn from($tool: $name) -> Self {
                $hosted
            }
        }

        impl From<$name> for tachikoma_backends_core::ToolSpec {
            fn from(tool: $name) -> Self {
                Self::Hosted(tool.into())
            }
        }

        /// As of the [`HostedTool`](tachikoma_backends_core::HostedTool), which masks secrets.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let tool = tachikoma_backends_core::HostedTool::from(self.clone());
                f.debug_tuple(stringify!($name)).field(&tool).finish()
            }
        }
    };
}

/// Writes the setters of optional fields of the generated type, one row a field.
macro_rules! tool_settings {
    ($($(#[$meta:meta])* $method:ident($field:ident: $type:ty);)*) => {$(
        $(#[$meta])*
        #[must_use]
        pub fn $method(mut self, $field: $type) -> Self {
            self.tool.$field = Some($field.into());
            self
        }
    )*};
}

/// Defines an enum with the variants of a generated one. It does not compile if the generated one has further variants.
macro_rules! tool_choices {
    (
        $(#[$meta:meta])*
        $name:ident($generated:ident) { $($(#[$variant_meta:meta])* $variant:ident = $target:ident,)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)*
        }

        impl From<$name> for crate::openai::types::$generated {
            fn from(value: $name) -> Self {
                match value {
                    $($name::$variant => Self::$target,)*
                }
            }
        }

        const _: fn(crate::openai::types::$generated) = |value| match value {
            $(crate::openai::types::$generated::$target => {})*
        };
    };
}

/// Writes the setter of the field `allowed_callers`.
macro_rules! allowed_callers_setting {
    () => {
        /// What may call it: the model, its programs, or both.
        #[must_use]
        pub fn with_allowed_callers(
            mut self,
            callers: impl IntoIterator<Item = super::AllowedCaller>,
        ) -> Self {
            self.tool.allowed_callers = Some(callers.into_iter().map(Into::into).collect());
            self
        }
    };
}
