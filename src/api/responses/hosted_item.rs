//! Converts the items of a response to those of the core. Those of hosted tools are parsed as the document has them; what does not
//! fit stays as the server sent it.

use serde::de::DeserializeOwned;
use serde_json::Value;
use tachikoma_backends_core::{
    Citation, CodeExecution, CodeOutput, Compaction, FileSearch, FileSearchResult, ImageGeneration,
    ItemContent, McpCall, McpTool, McpTools, MessageItem, OtherItem, OutputItem, ReasoningItem, ToolCall,
    ToolCallItem, ToolCallKind, ToolOutputItem, ToolSearch, WebSearch, WebSearchAction,
};

use super::hosted_call;
use super::item::{Item, ItemKind};
use crate::api::citation;
use crate::openai::types;

/// The item of the core.
pub(super) fn output_item(value: &Value) -> OutputItem {
    let item = Item(value);
    let mut output = OutputItem::new(content(item));
    output.id = item.word("id").map(Into::into);
    output.status = item.word("status").map(Into::into);
    output
}

fn content(item: Item<'_>) -> ItemContent {
    match item.kind() {
        ItemKind::Message => message(item).into(),
        ItemKind::Reasoning => {
            let fields = ["content", "text"].into_iter().map(|field| item.paragraphs(field));
            let text = fields.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
            let is_encrypted = !item.text("encrypted_content").is_empty();
            let summary = item.paragraphs("summary");
            ReasoningItem::new(text).with_summary(summary).with_is_encrypted(is_encrypted).into()
        }
        ItemKind::Call => ToolCallItem::new(call(item), !item.is_incomplete()).into(),
        ItemKind::Other => hosted(item)
            .or_else(|| Some(ToolCallItem::new(hosted_call::call(item)?, !item.is_incomplete()).into()))
            .unwrap_or_else(|| other(item)),
    }
}

fn message(item: Item<'_>) -> MessageItem {
    let list = |field: &'static str| item.content().filter_map(move |part| part.0.get(field));
    let mut message = MessageItem::new(item.message_text())
        .with_citations(list("annotations").flat_map(citation::citations).collect())
        .with_logprobs(list("logprobs").flat_map(citation::logprobs).collect());
    message.phase = item.phase();
    message.refusal = Some(item.message_refusal()).filter(|text| !text.is_empty());
    message
}

fn call(item: Item<'_>) -> ToolCall {
    let id = item.word("call_id").or_else(|| item.word("id")).unwrap_or_default();
    let kind = match item.text("type") {
        "custom_tool_call" => ToolCallKind::Custom,
        _ => ToolCallKind::Function,
    };
    let mut call = ToolCall::new(id, item.call_name(), item.arguments()).with_kind(kind);
    call.namespace = item.word("namespace").map(Into::into);
    call
}

fn other(item: Item<'_>) -> ItemContent {
    OtherItem::new(item.0.as_object().cloned().unwrap_or_default()).into()
}

/// The work of a hosted tool, if the item has the document's form.
fn hosted(item: Item<'_>) -> Option<ItemContent> {
    Some(match item.text("type") {
        "web_search_call" => web_search(parse(item)?),
        "file_search_call" => file_search(item, parse(item)?),
        "code_interpreter_call" => {
            let types::CodeInterpreterToolCall { code, container_id, outputs, .. } = parse(item)?;
            let outputs = outputs.unwrap_or_default().into_iter().map(code_output);
            let mut execution = CodeExecution::default()
                .with_code(code.unwrap_or_default())
                .with_outputs(outputs.collect::<Vec<_>>());
            execution.container_id = container_id;
            execution.into()
        }
        "program" => {
            let types::Program { call_id, code, .. } = parse(item)?;
            let mut execution = CodeExecution::default().with_code(code.unwrap_or_default());
            execution.call_id = call_id;
            execution.into()
        }
        "image_generation_call" => {
            let types::ImageGenToolCall { result, .. } = parse(item)?;
            let mut generation = ImageGeneration::default();
            generation.image = result.filter(|image| !image.is_empty());
            // The document does not have these, but OpenAI sends them.
            let text = |field: &str| item.word(field).map(String::from);
            generation.media_type = text("output_format").map(|format| format!("image/{format}"));
            generation.revised_prompt = text("revised_prompt");
            generation.size = text("size");
            generation.into()
        }
        "mcp_list_tools" => {
            let types::McpListTools { server_label, tools, error, .. } = parse(item)?;
            let mut list = McpTools::default()
                .with_server_label(server_label.unwrap_or_default())
                .with_tools(tools.unwrap_or_default().into_iter().map(mcp_tool).collect::<Vec<_>>());
            list.error = error;
            list.into()
        }
        "mcp_call" => {
            let types::McpToolCall {
                server_label, name, arguments, output, error, approval_request_id, ..
            } = parse(item)?;
            let mut call = McpCall::default()
                .with_server_label(server_label.unwrap_or_default())
                .with_name(name.unwrap_or_default())
                .with_arguments(arguments.unwrap_or_default());
            call.output = output;
            call.error = error.and_then(|_| error_text(item.0.get("error")?));
            call.approval_request_id = approval_request_id;
            call.into()
        }
        "tool_search_call" => {
            let types::ToolSearchCall { arguments, call_id, .. } = parse(item)?;
            let mut search = ToolSearch::default().with_arguments(arguments.unwrap_or_default());
            search.call_id = call_id;
            search.into()
        }
        "tool_search_output" => {
            let types::ToolSearchOutput { tools, call_id, .. } = parse(item)?;
            let mut search = ToolSearch::default().with_tools(tools.unwrap_or_default());
            search.call_id = call_id;
            search.into()
        }
        "compaction" => {
            let types::CompactionBody { encrypted_content, .. } = parse(item)?;
            Compaction::new(encrypted_content.unwrap_or_default().len()).into()
        }
        kind if kind.ends_with("_output") => {
            let output = ["output", "result"].iter().find_map(|field| item.0.get(*field));
            ToolOutputItem::new(item.text("call_id"), kind, output.cloned().unwrap_or_default()).into()
        }
        _ => return None,
    })
}

fn parse<T: DeserializeOwned>(item: Item<'_>) -> Option<T> {
    T::deserialize(item.0).ok()
}

fn web_search(call: types::WebSearchToolCall) -> ItemContent {
    use types::WebSearchToolCallAction as Action;
    let mut search = WebSearch::default();
    match call.action {
        Some(Action::Search(types::WebSearchActionSearch { queries, query, sources, .. })) => {
            search.queries = queries
                .filter(|queries| !queries.is_empty())
                .or(query.map(|query| vec![query]))
                .unwrap_or_default();
            let source = |source: types::WebSearchActionSearchSourcesItem| source.url;
            let sources = sources.unwrap_or_default().into_iter().filter_map(source);
            search.sources = sources.map(|url| Citation::new("url").with_url(url)).collect();
        }
        Some(Action::OpenPage(types::WebSearchActionOpenPage { url, .. })) => {
            search.action = WebSearchAction::OpenPage;
            search.url = url;
        }
        Some(Action::FindInPage(types::WebSearchActionFind { pattern, url, .. })) => {
            search.action = WebSearchAction::FindInPage;
            search.url = url;
            search.queries = pattern.into_iter().collect();
        }
        Some(Action::Unknown(_)) | None => search.action = WebSearchAction::Other,
    }
    search.into()
}

fn file_search(item: Item<'_>, call: types::FileSearchToolCall) -> ItemContent {
    let types::FileSearchToolCall { queries, results, .. } = call;
    let results = results.unwrap_or_default().into_iter().enumerate().map(|(at, found)| {
        let types::FileSearchToolCallResultsItem { attributes: _, file_id, filename, score, text } = found;
        // As the server sent them: the generated type has all numbers as floats.
        let attributes =
            item.0.get("results").and_then(|results| results.get(at)?.get("attributes")?.as_object());
        let mut result = FileSearchResult::default().with_attributes(attributes.cloned().unwrap_or_default());
        result.file_id = file_id;
        result.filename = filename;
        result.score = score;
        result.text = text;
        result
    });
    FileSearch::default()
        .with_queries(queries.unwrap_or_default())
        .with_results(results.collect::<Vec<_>>())
        .into()
}

fn code_output(output: types::CodeInterpreterToolCallOutputsItem) -> CodeOutput {
    use types::CodeInterpreterToolCallOutputsItem as Output;
    match output {
        Output::Logs(output) => CodeOutput::Logs { logs: output.logs.unwrap_or_default() },
        Output::Image(output) => CodeOutput::Image { url: output.url.unwrap_or_default() },
        Output::Unknown(output) => CodeOutput::Other { output: output.to_string() },
    }
}

fn mcp_tool(tool: types::McpListToolsTool) -> McpTool {
    let types::McpListToolsTool { name, description, input_schema, .. } = tool;
    let schema = serde_json::to_value(input_schema).unwrap_or_default();
    let mut tool = McpTool::default().with_name(name.unwrap_or_default()).with_input_schema(schema);
    tool.description = description;
    tool
}

/// The text of an error, which may be an object. That of a failed execution has it in the parts of its content.
fn error_text(error: &Value) -> Option<String> {
    let message = error.get("message").and_then(Value::as_str).map(str::to_owned);
    let content = || Some(Item(error).paragraphs("content")).filter(|text| !text.is_empty());
    match error {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        error => Some(message.or_else(content).unwrap_or_else(|| error.to_string())),
    }
}
