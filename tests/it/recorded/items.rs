//! Everything that a recorded response holds is visible in its items, by comparison with a second reading of the JSON.

use serde_json::{Map, Value, json};
use tachikoma_backends_core::CompletionResponse;

use super::{arguments, events, list, text};
use crate::exchanges::{self, Exchange};

/// The output items of a recorded response of the Responses API.
fn recorded_items(exchange: &Exchange) -> Vec<Value> {
    if exchange.is_whole() {
        let body: Value = serde_json::from_str(&exchange.body).unwrap();
        return list(&body["output"]).to_vec();
    }
    let events = events(&exchange.body);
    let is_last =
        |event: &&Value| ["response.completed", "response.incomplete"].contains(&text(&event["type"]));
    let last = events.iter().find(is_last).map_or(&Value::Null, |event| &event["response"]["output"]);
    if !list(last).is_empty() {
        return list(last).to_vec();
    }
    let done = events.iter().filter(|event| event["type"] == "response.output_item.done");
    done.map(|event| event["item"].clone()).collect()
}

/// The text of parts, as paragraphs.
fn paragraphs(parts: &Value) -> String {
    let texts = list(parts).iter().map(|part| text(&part["text"])).filter(|text| !text.is_empty());
    texts.collect::<Vec<_>>().join("\n\n")
}

/// The citation in an annotation, of a part that begins at this character of the message.
fn citation(annotation: &Value, offset: u64) -> Value {
    let kind = text(&annotation["type"]);
    let fields = if annotation[kind].is_object() { &annotation[kind] } else { annotation };
    let either =
        |names: [&str; 2]| names.iter().map(|name| &fields[*name]).find(|value| !value.is_null()).cloned();
    let place = |value: Option<Value>| value.and_then(|value| value.as_u64()).map(|place| place + offset);
    without_nulls(json!({
        "kind": kind,
        "url": fields["url"],
        "title": either(["title", "filename"]),
        "file_id": fields["file_id"],
        "container_id": fields["container_id"],
        "quote": fields["content"],
        "start": place(either(["start_index", "index"])),
        "end": place(Some(fields["end_index"].clone())),
    }))
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        other => other,
    }
}

/// The fields of the core's item that an output item must become.
fn expected_item(item: &Value) -> Value {
    let own = match text(&item["type"]) {
        "message" => {
            let (mut citations, mut offset, mut tokens) = (Vec::new(), 0, 0);
            for part in list(&item["content"]) {
                citations.extend(list(&part["annotations"]).iter().map(|found| citation(found, offset)));
                offset += text(&part["text"]).chars().count() as u64;
                tokens += list(&part["logprobs"]).len();
            }
            let texts = list(&item["content"]).iter().map(|part| text(&part["text"]));
            let refusals: String = list(&item["content"]).iter().map(|part| text(&part["refusal"])).collect();
            json!({
                "type": "message", "text": texts.collect::<String>(), "phase": item["phase"], "citations": citations,
                "refusal": (!refusals.is_empty()).then_some(refusals), "logprobs": tokens,
            })
        }
        "reasoning" => json!({
            "type": "reasoning", "summary": paragraphs(&item["summary"]), "text": paragraphs(&item["content"]),
            "is_encrypted": !text(&item["encrypted_content"]).is_empty(),
        }),
        "function_call" => json!({
            "type": "tool_call", "is_complete": item["status"] != "incomplete",
            "call": without_nulls(json!({
                "id": item["call_id"], "name": item["name"], "namespace": item["namespace"],
                "arguments": arguments(&item["arguments"]),
            })),
        }),
        "web_search_call" => {
            let action = &item["action"];
            let queries = match text(&action["type"]) {
                "search" if list(&action["queries"]).is_empty() => vec![action["query"].clone()],
                "search" => list(&action["queries"]).to_vec(),
                "find_in_page" => vec![action["pattern"].clone()],
                _ => Vec::new(),
            };
            let queries: Vec<_> = queries.into_iter().filter(|query| !query.is_null()).collect();
            json!({
                "type": "web_search", "queries": queries, "url": action["url"],
                "action": if action.is_object() { action["type"].clone() } else { json!("other") },
                "sources": list(&action["sources"]).iter().map(|source| source["url"].clone()).collect::<Vec<_>>(),
            })
        }
        "file_search_call" => json!({
            "type": "file_search", "queries": item["queries"],
            "results": list(&item["results"]).iter().map(|found| {
                let names = ["file_id", "filename", "score", "text"];
                names.iter().map(|name| ((*name).to_owned(), found[*name].clone())).collect::<Map<_, _>>().into()
            }).map(without_nulls).collect::<Vec<_>>(),
        }),
        "code_interpreter_call" => json!({
            "type": "code_execution", "code": text(&item["code"]), "container_id": item["container_id"],
            "outputs": list(&item["outputs"]),
        }),
        "image_generation_call" => json!({
            "type": "image_generation", "image": item["result"], "revised_prompt": item["revised_prompt"],
            "size": item["size"], "media_type": item["output_format"].as_str().map(|format| format!("image/{format}")),
        }),
        "mcp_list_tools" => json!({
            "type": "mcp_tools", "server_label": item["server_label"], "error": item["error"],
            "tools": list(&item["tools"]).iter().map(|tool| without_nulls(json!({
                "name": tool["name"], "description": tool["description"], "input_schema": tool["input_schema"],
            }))).collect::<Vec<_>>(),
        }),
        "mcp_call" => json!({
            "type": "mcp_call", "server_label": item["server_label"], "name": item["name"],
            "arguments": item["arguments"], "output": item["output"], "error": item["error"],
            "approval_request_id": item["approval_request_id"],
        }),
        "tool_search_call" => json!({
            "type": "tool_search", "arguments": item["arguments"], "call_id": item["call_id"],
        }),
        "tool_search_output" => json!({
            "type": "tool_search", "tools": item["tools"], "call_id": item["call_id"],
        }),
        "compaction" => json!({"type": "compaction", "bytes": text(&item["encrypted_content"]).len()}),
        other => panic!("an item of type {other:?}"),
    };
    let mut expected = own.as_object().cloned().unwrap();
    expected.insert("id".to_owned(), item["id"].clone());
    expected.insert("status".to_owned(), item["status"].clone());
    without_nulls(expected.into())
}

/// The items of a response as JSON, in the form of what is expected.
fn found_items(response: &CompletionResponse) -> Vec<Value> {
    let items = response.items.iter().map(|item| {
        let mut found = serde_json::to_value(item).unwrap();
        if found["type"] == "tool_call" {
            found["call"]["arguments"] = arguments(&found["call"]["arguments"]);
        }
        if found["type"] == "message" {
            found["logprobs"] = list(&found["logprobs"]).len().into();
        }
        if found["type"] == "web_search" {
            found["sources"] = list(&found["sources"]).iter().map(|source| source["url"].clone()).collect();
        }
        found
    });
    items.collect()
}

/// # Errors
/// The first field that is not as expected. Of expected values, empty ones may be left out.
fn compare_item(expected: &Value, found: &Value) -> Result<(), String> {
    for (field, value) in expected.as_object().unwrap() {
        let is_empty = *value == json!("") || *value == json!([]) || *value == json!(false);
        let same = match &found[field] {
            Value::Null => is_empty,
            Value::Array(results) if field == "results" => {
                results.len() == list(value).len()
                    && results
                        .iter()
                        .zip(list(value))
                        .all(|(found, value)| compare_item(value, found).is_ok())
            }
            found => found == value,
        };
        if !same {
            return Err(format!("{field} is {}, expected {value}", found[field]));
        }
    }
    Ok(())
}

/// # Errors
/// What differs.
fn compare_responses(exchange: &Exchange, response: &CompletionResponse) -> Result<(), String> {
    let (expected, found) = (recorded_items(exchange), found_items(response));
    let types = |items: &[Value]| items.iter().map(|item| text(&item["type"]).to_owned()).collect::<Vec<_>>();
    let expected: Vec<Value> = expected.iter().map(expected_item).collect();
    if types(&expected) != types(&found) {
        return Err(format!("the items {:?} became {:?}", types(&expected), types(&found)));
    }
    let mut pairs = expected.iter().zip(&found).enumerate();
    pairs.try_for_each(|(i, (expected, found))| {
        compare_item(expected, found).map_err(|why| format!("item {i} ({}): {why}", found["type"]))
    })
}

/// The citations of a recorded response of Chat Completions: annotations, else addresses beside the choices.
fn chat_citations(exchange: &Exchange) -> Vec<Value> {
    let documents = match exchange.is_whole() {
        true => vec![serde_json::from_str(&exchange.body).unwrap()],
        false => events(&exchange.body),
    };
    let (mut annotations, mut addresses): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
    for document in &documents {
        let choice = &document["choices"][0];
        for place in ["message", "delta"] {
            let found = list(&choice[place]["annotations"]);
            annotations.extend(found.iter().map(|annotation| citation(annotation, 0)));
        }
        let page = |url: &Value| json!({"kind": "url_citation", "url": url});
        // Every event repeats them, and the results of a search hold them as well.
        let results: Vec<_> =
            list(&document["search_results"]).iter().map(|found| page(&found["url"])).collect();
        let pages = list(&document["citations"]).iter().map(page);
        addresses.extend(if results.is_empty() { pages.collect() } else { results });
    }
    let all = if annotations.is_empty() { addresses } else { annotations };
    let mut citations: Vec<Value> = Vec::new();
    for citation in all {
        if !citations.contains(&citation) {
            citations.push(citation);
        }
    }
    citations
}

/// # Errors
/// What differs.
fn compare_chat(exchange: &Exchange, response: &CompletionResponse) -> Result<(), String> {
    let found = found_items(response);
    let count = |kind: &str| found.iter().filter(|item| item["type"] == kind).count();
    let has = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    let calls = response.tool_calls.len() + response.incomplete_tool_calls.len();
    let expected = [
        ("tool_call", calls),
        ("reasoning", usize::from(has(&response.reasoning))),
        ("message", usize::from(has(&response.content) || has(&response.refusal))),
    ];
    for (kind, expected) in expected {
        if count(kind) != expected {
            return Err(format!("{} items of type {kind}, expected {expected}", count(kind)));
        }
    }
    if found.len() != expected.iter().map(|(_, count)| count).sum::<usize>() {
        return Err(format!("further items: {found:?}"));
    }
    for (kind, whole) in [("reasoning", &response.reasoning), ("message", &response.content)] {
        let items = found.iter().filter(|item| item["type"] == kind);
        let held: String = items.map(|item| text(&item["text"])).collect();
        if held != whole.as_deref().unwrap_or_default() {
            return Err(format!("the {kind} items hold {held:?}, the response {whole:?}"));
        }
    }
    let citations: Vec<Value> = found.iter().flat_map(|item| list(&item["citations"]).to_vec()).collect();
    let expected = chat_citations(exchange);
    let same = citations.len() == expected.len()
        && citations.iter().zip(&expected).all(|(found, expected)| compare_item(expected, found).is_ok());
    same.then_some(()).ok_or_else(|| format!("citations {citations:?}, expected {expected:?}"))
}

#[test]
fn every_recorded_item_is_visible() {
    let (mut failures, mut count) = (Vec::new(), 0);
    for exchange in exchanges::read().iter().filter(|exchange| exchange.status == 200) {
        // A response with an error is an error, and has no items.
        let Ok(response) = super::read(exchange) else { continue };
        count += response.items.len();
        let compared = match exchange.is_responses() {
            true => compare_responses(exchange, &response),
            false => compare_chat(exchange, &response),
        };
        if let Err(why) = compared {
            let why: String = why.chars().take(600).collect();
            failures.push(format!("{} {} ({}): {why}\n", exchange.host, exchange.path, exchange.source));
        }
    }
    println!("{count} items");
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.concat());
}
