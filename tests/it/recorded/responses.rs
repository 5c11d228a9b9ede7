//! The second parser of the Responses API.

use serde_json::Value;
use tachikoma_backends_core::FinishReason;

use super::{Contents, Reading, arguments, counts, list, text};

const USAGE: [&str; 6] = [
    "/input_tokens",
    "/output_tokens",
    "/total_tokens",
    "/input_tokens_details/cached_tokens",
    "/input_tokens_details/cache_write_tokens",
    "/output_tokens_details/reasoning_tokens",
];

fn add_paragraph(text: &mut String, paragraph: &str) {
    if !text.is_empty() && !paragraph.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(paragraph);
}

/// Parses a response, with `output` as its items.
fn contents(response: &Value, output: &[Value]) -> Reading {
    if response["error"].is_object() {
        return Err(text(&response["error"]["message"]).to_owned());
    }
    let mut contents = Contents::default();
    for item in output {
        let content = list(&item["content"]);
        match text(&item["type"]) {
            "message" => {
                let texts: String = content.iter().map(|part| text(&part["text"])).collect();
                // Commentary is not part of the text.
                let is_commentary = item["phase"] == "commentary";
                add_paragraph(
                    if is_commentary { &mut contents.commentary } else { &mut contents.text },
                    &texts,
                );
                content.iter().for_each(|part| contents.refusal.push_str(text(&part["refusal"])));
            }
            "reasoning" => {
                for part in list(&item["summary"]).iter().chain(content) {
                    add_paragraph(&mut contents.reasoning, text(&part["text"]));
                }
            }
            "function_call" => contents.calls.push((
                text(&item["call_id"]).to_owned(),
                text(&item["name"]).to_owned(),
                arguments(&item["arguments"]),
            )),
            "custom_tool_call" => contents.calls.push((
                text(&item["call_id"]).to_owned(),
                text(&item["name"]).to_owned(),
                item["input"].clone(),
            )),
            // Calls of the provider's own tools.
            "web_search_call"
            | "file_search_call"
            | "code_interpreter_call"
            | "image_generation_call"
            | "mcp_call"
            | "mcp_list_tools"
            | "compaction"
            | "tool_search_call"
            | "tool_search_output" => {}
            other => panic!("unknown item {other:?}"),
        }
    }
    contents.finish =
        Some(match (text(&response["status"]), text(&response["incomplete_details"]["reason"])) {
            ("completed" | "complete", _) if contents.calls.is_empty() => FinishReason::Stop,
            ("completed" | "complete", _) => FinishReason::ToolUse,
            ("incomplete", "max_output_tokens") => FinishReason::Length,
            other => panic!("unknown status {other:?}"),
        });
    contents.usage = counts(&response["usage"], USAGE);
    Ok(contents)
}

pub(super) fn body(body: &Value) -> Reading {
    contents(body, list(&body["output"]))
}

/// The last event holds everything, but some servers leave out its items.
pub(super) fn stream(events: &[Value]) -> Reading {
    let kind = |event: &Value| text(&event["type"]).to_owned();
    let last = events
        .iter()
        .find(|event| matches!(kind(event).as_str(), "response.completed" | "response.incomplete"));
    let Some(last) = last else { return Err("no last event".to_owned()) };
    let done = events.iter().filter(|event| kind(event) == "response.output_item.done");
    let items: Vec<Value> = done.map(|event| event["item"].clone()).collect();
    let output = list(&last["response"]["output"]);
    contents(&last["response"], if output.is_empty() { &items } else { output })
}
