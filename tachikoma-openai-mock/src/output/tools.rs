//! Calls of tools, and the outputs of those that OpenAI runs itself.

use std::fmt::Display;

use serde_json::{Value, json};

use super::OutputItem;

impl OutputItem {
    /// A call of a function. The arguments are a `serde_json::Value`, or a text that is sent unchanged, valid JSON or not. For a
    /// function of a namespace, set the field `namespace`.
    pub fn function_call(name: impl Into<String>, arguments: impl Display) -> Self {
        Self::new(
            "function_call",
            [("name", name.into().into()), ("arguments", arguments.to_string().into())],
        )
    }

    /// A call of a custom tool, with its free-form input.
    pub fn custom_tool_call(name: impl Into<String>, input: impl Into<String>) -> Self {
        Self::new("custom_tool_call", [("name", name.into().into()), ("input", input.into().into())])
    }

    /// A web search for this query. For another action, such as `open_page`, set the field `action`.
    pub fn web_search_call(query: impl Into<String>) -> Self {
        let query = query.into();
        let action = json!({"type": "search", "query": query, "queries": [query]});
        Self::new("web_search_call", [("action", action)])
    }

    /// The URLs that a web search has read.
    pub fn with_sources<S: Into<String>>(mut self, urls: impl IntoIterator<Item = S>) -> Self {
        let sources: Value = urls.into_iter().map(|url| json!({"type": "url", "url": url.into()})).collect();
        if let Some(action) = self.fields.get_mut("action").and_then(Value::as_object_mut) {
            action.insert("sources".to_owned(), sources);
        }
        self
    }

    /// A search of files for these queries. Its `results` are null until they are set.
    pub fn file_search_call<S: Into<String>>(queries: impl IntoIterator<Item = S>) -> Self {
        let queries: Vec<String> = queries.into_iter().map(Into::into).collect();
        Self::new("file_search_call", [("queries", queries.into())])
    }

    /// The results of a file search: objects with `file_id`, `filename`, `score`, `text` and `attributes`.
    pub fn with_results(self, results: impl IntoIterator<Item = Value>) -> Self {
        self.with_field("results", Value::from_iter(results))
    }

    /// Python code that OpenAI runs in a container.
    pub fn code_interpreter_call(code: impl Into<String>) -> Self {
        Self::new("code_interpreter_call", [("code", code.into().into())])
    }

    /// Adds a log to the outputs of the code.
    pub fn with_logs(self, logs: impl Into<String>) -> Self {
        self.and_output(json!({"type": "logs", "logs": logs.into()}))
    }

    /// Adds an image to the outputs of the code, by its URL.
    pub fn with_image(self, url: impl Into<String>) -> Self {
        self.and_output(json!({"type": "image", "url": url.into()}))
    }

    fn and_output(mut self, output: Value) -> Self {
        let outputs = self.fields.entry("outputs").or_insert_with(|| json!([]));
        if let Some(outputs) = outputs.as_array_mut() {
            outputs.push(output);
        }
        self
    }

    /// A generated image, in base64.
    pub fn image_generation_call(result: impl Into<String>) -> Self {
        Self::new("image_generation_call", [("result", result.into().into())])
    }

    /// The images that a stream sends before the last one, in base64.
    pub fn with_partial_images<S: Into<String>>(mut self, images: impl IntoIterator<Item = S>) -> Self {
        self.partial_images = images.into_iter().map(Into::into).collect();
        self
    }

    /// The tools of an MCP server: objects with `name`, `input_schema`, `description` and `annotations`.
    pub fn mcp_list_tools(server_label: impl Into<String>, tools: impl IntoIterator<Item = Value>) -> Self {
        let tools = Value::from_iter(tools);
        Self::new("mcp_list_tools", [("server_label", server_label.into().into()), ("tools", tools)])
    }

    /// A call of a tool on an MCP server. The arguments are as in [`function_call`](Self::function_call).
    pub fn mcp_call(
        server_label: impl Into<String>,
        name: impl Into<String>,
        arguments: impl Display,
    ) -> Self {
        Self::mcp("mcp_call", server_label.into(), name.into(), &arguments)
    }

    /// What the MCP server has returned.
    pub fn with_output(self, output: impl Into<Value>) -> Self {
        self.with_field("output", output)
    }

    /// The MCP call has failed: `error` has the shape of the document, for instance
    /// `{"type": "protocol_error", "code": -32603, "message": "Timeout."}`. The stream ends it with `response.mcp_call.failed`. The
    /// error of [`mcp_list_tools`](Self::mcp_list_tools) is a text.
    pub fn with_error(self, error: impl Into<Value>) -> Self {
        self.with_field("error", error)
    }

    /// A call of a tool on an MCP server that the user has to approve.
    pub fn mcp_approval_request(
        server_label: impl Into<String>,
        name: impl Into<String>,
        arguments: impl Display,
    ) -> Self {
        Self::mcp("mcp_approval_request", server_label.into(), name.into(), &arguments)
    }

    fn mcp(kind: &str, server_label: String, name: String, arguments: &dyn Display) -> Self {
        Self::new(
            kind,
            [
                ("server_label", server_label.into()),
                ("name", name.into()),
                ("arguments", arguments.to_string().into()),
            ],
        )
    }

    /// A search for tools, which OpenAI runs. For one that the client runs, set `execution` and `call_id`.
    pub fn tool_search_call(arguments: impl Into<Value>) -> Self {
        Self::new("tool_search_call", [("arguments", arguments.into())])
    }

    /// The tools that a search has found, as in a request.
    pub fn tool_search_output(tools: impl IntoIterator<Item = Value>) -> Self {
        Self::new("tool_search_output", [("tools", Value::from_iter(tools))])
    }

    /// A call of the shell with these commands.
    pub fn shell_call<S: Into<String>>(commands: impl IntoIterator<Item = S>) -> Self {
        let commands: Vec<String> = commands.into_iter().map(Into::into).collect();
        let action = json!({"commands": commands, "timeout_ms": null, "max_output_length": null});
        Self::new("shell_call", [("action", action)])
    }

    /// The outputs of the shell in OpenAI's container, one for each command: its standard output and its exit code.
    pub fn shell_call_output<S: Into<String>>(outputs: impl IntoIterator<Item = (S, i32)>) -> Self {
        let outputs = outputs.into_iter().map(|(stdout, exit_code)| {
            let outcome = json!({"type": "exit", "exit_code": exit_code});
            json!({"stdout": stdout.into(), "stderr": "", "outcome": outcome})
        });
        Self::new("shell_call_output", [("output", outputs.collect())])
    }

    /// A call of the local shell with this command and its arguments.
    pub fn local_shell_call<S: Into<String>>(command: impl IntoIterator<Item = S>) -> Self {
        let command: Vec<String> = command.into_iter().map(Into::into).collect();
        Self::new("local_shell_call", [("action", json!({"type": "exec", "command": command, "env": {}}))])
    }

    /// A change of one file: an object with `type`, `path` and, except for `delete_file`, `diff`.
    pub fn apply_patch_call(operation: Value) -> Self {
        Self::new("apply_patch_call", [("operation", operation)])
    }

    /// Actions on a screen, `{"type": "click", "x": 1, "y": 2, "button": "left"}` for instance.
    pub fn computer_call(actions: impl IntoIterator<Item = Value>) -> Self {
        Self::new("computer_call", [("actions", Value::from_iter(actions))])
    }

    /// A program that calls tools.
    pub fn program(code: impl Into<String>) -> Self {
        Self::new("program", [("code", code.into().into())])
    }

    /// What the program before it has returned.
    pub fn program_output(result: impl Into<String>) -> Self {
        Self::new("program_output", [("result", result.into().into())])
    }
}
