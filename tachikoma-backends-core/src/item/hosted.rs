//! The work of hosted tools.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Citation;
use crate::setters::{optional_setters, setters};

/// Defines contents of items with their `with_*` methods: the fields that have a default, then the optional ones.
macro_rules! contents {
    ($(
        $(#[$doc:meta])*
        $name:ident {
            [$($(#[$field_doc:meta])* $method:ident($field:ident: $type:ty);)*]
            [$($(#[$optional_doc:meta])* $optional_method:ident($optional:ident: $optional_type:ty);)*]
        }
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
            $(
                $(#[$optional_doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $optional: Option<$optional_type>,
            )*
        }

        impl $name {
            setters! { $($method($field: impl Into<$type>);)* }
            optional_setters! { $($optional_method($optional: impl Into<$optional_type>);)* }
        }
    )*};
}

contents! {
    /// A search of the web, or the visit of a page.
    WebSearch {
        [
            /// What it did.
            with_action(action: WebSearchAction);
            /// The search texts, or the text that was looked for in a page.
            with_queries(queries: Vec<String>);
            /// The pages that were found, where the request includes them.
            with_sources(sources: Vec<Citation>);
        ]
        [
            /// The page that was visited.
            with_url(url: String);
        ]
    }

    /// A search in uploaded files.
    FileSearch {
        [
            /// The search texts.
            with_queries(queries: Vec<String>);
            /// What was found, where the request includes it.
            with_results(results: Vec<FileSearchResult>);
        ]
        []
    }

    /// A passage that a file search found.
    FileSearchResult {
        [
            /// The attributes of the file.
            with_attributes(attributes: Map<String, Value>);
        ]
        [
            /// The id of the file.
            with_file_id(file_id: String);
            /// The name of the file.
            with_filename(filename: String);
            /// How well it fits, 0 to 1.
            with_score(score: f64);
            /// The passage.
            with_text(text: String);
        ]
    }

    /// Code that the provider has run.
    CodeExecution {
        [
            /// The code.
            with_code(code: String);
            /// What it wrote and made, where the request includes it.
            with_outputs(outputs: Vec<CodeOutput>);
        ]
        [
            /// The id of the container that it ran in.
            with_container_id(container_id: String);
            /// The id of the call, to which the calls and outputs of its program refer.
            with_call_id(call_id: String);
        ]
    }

    /// An image that was made.
    ImageGeneration {
        [
        ]
        [
            /// The image in base64; `None` where it failed, or is not whole yet.
            with_image(image: String);
            /// Its type, such as `image/png`.
            with_media_type(media_type: String);
            /// The prompt that it was made from, where the provider changed it.
            with_revised_prompt(revised_prompt: String);
            /// Its size, such as `1024x1024`.
            with_size(size: String);
        ]
    }

    /// The tools of an MCP server.
    McpTools {
        [
            /// The server's label in the request.
            with_server_label(server_label: String);
            /// Its tools.
            with_tools(tools: Vec<McpTool>);
        ]
        [
            /// Why they could not be listed.
            with_error(error: String);
        ]
    }

    /// A tool of an MCP server.
    McpTool {
        [
            /// Its name.
            with_name(name: String);
            /// The JSON Schema of its arguments.
            with_input_schema(input_schema: Value);
        ]
        [
            /// What it does.
            with_description(description: String);
        ]
    }

    /// A call of a tool of an MCP server, which the provider has made.
    McpCall {
        [
            /// The server's label in the request.
            with_server_label(server_label: String);
            /// The tool's name.
            with_name(name: String);
            /// The arguments, as JSON text.
            with_arguments(arguments: String);
        ]
        [
            /// What it returned.
            with_output(output: String);
            /// Why it failed.
            with_error(error: String);
            /// The id of the request for approval that it followed.
            with_approval_request_id(approval_request_id: String);
        ]
    }

    /// A search among tools whose definitions are loaded only when they are needed.
    ToolSearch {
        [
            /// What was looked for, in the provider's form.
            with_arguments(arguments: Value);
            /// The tools that were found, as they are in requests.
            with_tools(tools: Vec<Value>);
        ]
        [
            /// The id of the call.
            with_call_id(call_id: String);
        ]
    }
}

/// What a web search did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WebSearchAction {
    /// It searched.
    #[default]
    Search,
    /// It opened a page.
    OpenPage,
    /// It looked for a text in a page.
    FindInPage,
    /// Something else.
    Other,
}

/// An output of code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum CodeOutput {
    /// What it wrote.
    Logs {
        /// The text.
        logs: String,
    },
    /// An image that it made.
    Image {
        /// Its address at the provider, or a `data:` URL.
        url: String,
    },
    /// An output of another type.
    Other {
        /// As JSON text.
        output: String,
    },
}
