//! Every type of output item by script, whole and as a stream, against the document.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tachikoma_openai_mock::{MockServer, OutputItem, Reply};

use crate::client::{Mock, input};
use crate::document::{check_schema, document, validator};

/// What a test scripts for each type of the document's `OutputItem`.
fn scripts() -> Vec<OutputItem> {
    let file_citation =
        json!({"type": "file_citation", "file_id": "file-1", "filename": "a.pdf", "index": 5});
    let container = json!({
        "type": "container_file_citation", "container_id": "cntr_1", "file_id": "cfile_1", "filename": "plot.png",
        "start_index": 0, "end_index": 5,
    });
    let failure = json!({"type": "mcp_protocol_error", "code": -32603, "message": "Timeout."});
    let patch = json!({"type": "update_file", "path": "a.txt", "diff": "@@\n-a\n+b\n"});
    let shot = json!({"type": "computer_screenshot", "image_url": "data:image/png;base64,AA=="});
    let mcp_tool = json!({"name": "ask", "input_schema": {"type": "object"}, "description": "Asks.", "annotations": null});
    let tool = || json!({"type": "custom", "name": "sql"});
    let reasoning_text = json!([{"type": "reasoning_text", "text": "First the weather."}]);
    let custom = |kind: &str, fields: Value| {
        let mut item = fields;
        item["type"] = kind.into();
        OutputItem::from_json(item)
    };
    vec![
        OutputItem::message("Hello, this is long.")
            .with_phase("final_answer")
            .with_url_citation(0, 5, "https://example.com/a", "A")
            .with_annotation(file_citation)
            .with_annotation(container)
            .with_annotation(json!({"type": "file_path", "file_id": "file-2", "index": 3}))
            .with_logprobs(),
        OutputItem::refusal("I cannot do that."),
        OutputItem::reasoning("Think a little.").with_field("content", reasoning_text),
        OutputItem::function_call("get_weather", json!({"city": "Oslo"})).with_field("namespace", "weather"),
        custom("function_call_output", json!({"output": "18 °C"})),
        OutputItem::custom_tool_call("sql", "select * from t;"),
        custom("custom_tool_call_output", json!({"output": [{"type": "input_text", "text": "1 row"}]})),
        OutputItem::web_search_call("Oslo").with_sources(["https://example.com/a"]),
        OutputItem::web_search_call("Oslo")
            .with_field("action", json!({"type": "open_page", "url": "https://example.com/a"})),
        OutputItem::web_search_call("Oslo").with_field("status", "failed"),
        OutputItem::file_search_call(["Oslo", "Norway"]).with_results([
            json!({"file_id": "file-1", "filename": "a.pdf", "score": 0.9, "text": "Oslo is", "attributes": {}}),
        ]),
        OutputItem::code_interpreter_call("print(1 + 1)\nplot()")
            .with_logs("2\n")
            .with_image("https://example.com/plot.png"),
        OutputItem::code_interpreter_call("pass"),
        OutputItem::image_generation_call("aW1hZ2U=").with_partial_images(["aQ==", "aW0="]),
        OutputItem::mcp_list_tools("wiki", [mcp_tool]),
        OutputItem::mcp_list_tools("wiki", []).with_error("The server cannot be reached."),
        OutputItem::mcp_call("wiki", "ask", json!({"question": "Where is Oslo?"})).with_output("In Norway."),
        OutputItem::mcp_call("wiki", "ask", "{}").with_error(failure),
        OutputItem::mcp_approval_request("wiki", "ask", json!({"question": "Where?"})),
        custom("mcp_approval_response", json!({"approval_request_id": "mcpr_1", "request_id": "mcpr_1", "approve": true})),
        OutputItem::tool_search_call(json!({"query": "sql"})),
        OutputItem::tool_search_output([tool()]),
        custom("additional_tools", json!({"tools": [tool()]})),
        OutputItem::compaction("gAAAAABmock"),
        OutputItem::local_shell_call(["ls", "-l"]),
        custom("local_shell_call_output", json!({"output": "a.txt"})),
        OutputItem::shell_call(["ls -l", "cat a.txt"]),
        OutputItem::shell_call_output([("a.txt\n", 0), ("some text\n", 1)]),
        OutputItem::apply_patch_call(patch),
        custom("apply_patch_call_output", json!({"output": "Done."})),
        OutputItem::computer_call([json!({"type": "screenshot"}), json!({"type": "wait"})]),
        custom("computer_call_output", json!({"output": shot})),
        OutputItem::program("const a = await tools.sql('select 1');"),
        OutputItem::program_output("1"),
    ]
}

fn kind(item: &OutputItem) -> String {
    serde_json::to_value(item).unwrap()["type"].as_str().unwrap().to_owned()
}

/// The whole response and the events of this reply.
async fn played(items: Vec<OutputItem>) -> (Value, Vec<Value>) {
    let config =
        MockServer::builder().with_reply(Reply::items(items.clone())).with_reply(Reply::items(items));
    let mock = Mock::with(config).await;
    (mock.response(&input("hi")).await, mock.events(&input("hi")).await)
}

/// The items without what follows from the bytes of the request.
fn without_ids(items: &Value) -> Value {
    let mut items = items.clone();
    for item in items.as_array_mut().unwrap() {
        let fields = item.as_object_mut().unwrap();
        fields.retain(|name, _| !["id", "call_id"].contains(&name.as_str()));
    }
    items
}

/// The values of the property `type` in the branches of a union of the document.
fn union(name: &str) -> BTreeSet<String> {
    fn collect(document: &Value, schema: &Value, found: &mut BTreeSet<String>) {
        if let Some(reference) = schema["$ref"].as_str() {
            return collect(document, document.pointer(reference.trim_start_matches('#')).unwrap(), found);
        }
        let kinds = schema["properties"]["type"]["enum"].as_array().into_iter().flatten();
        found.extend(kinds.map(|kind| kind.as_str().unwrap().to_owned()));
        for branches in ["oneOf", "anyOf", "allOf"] {
            schema[branches]
                .as_array()
                .into_iter()
                .flatten()
                .for_each(|branch| collect(document, branch, found));
        }
    }
    let mut found = BTreeSet::new();
    let reference = format!("#/components/schemas/{name}");
    collect(&document(), &json!({"$ref": reference}), &mut found);
    found
}

#[tokio::test]
async fn every_item_of_the_document_can_be_scripted() {
    let (response, event) = (validator("Response"), validator("ResponseStreamEvent"));
    let mut kinds = BTreeSet::new();
    for script in scripts() {
        let kind = kind(&script);
        let (whole, events) = played(vec![script]).await;
        check_schema(&response, &whole);
        events.iter().for_each(|value| check_schema(&event, value));
        assert_eq!(whole["output"][0]["type"], *kind);
        let last = &events.last().unwrap();
        let output = &last["response"]["output"];
        assert_eq!(
            (&last["type"], without_ids(output)),
            (&json!("response.completed"), without_ids(&whole["output"]))
        );
        let item = &output[0];
        let of_item: Vec<&Value> = events.iter().filter(|event| !event["output_index"].is_null()).collect();
        let (first, last) = (of_item.first().unwrap(), of_item.last().unwrap());
        assert_eq!(first["type"], "response.output_item.added");
        assert_eq!((&last["type"], &last["item"]), (&json!("response.output_item.done"), item));
        assert_eq!((&first["item"]["id"], &first["item"]["type"]), (&item["id"], &item["type"]));
        assert!(of_item.iter().all(|event| event["item_id"].is_null() || event["item_id"] == item["id"]));
        kinds.insert(kind);
    }
    let missing: Vec<String> = union("OutputItem").difference(&kinds).cloned().collect();
    assert!(missing.is_empty(), "the document has items that no script plays: {missing:?}");
}

#[tokio::test]
async fn every_event_of_the_document_is_played() {
    let (_, events) = played(scripts()).await;
    let mut sent: BTreeSet<String> =
        events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect();
    let cut = MockServer::builder().with_reply(Reply::text("a").with_finish_reason("length"));
    sent.extend(
        Mock::with(cut)
            .await
            .events(&input("hi"))
            .await
            .iter()
            .map(|event| event["type"].as_str().unwrap().to_owned()),
    );
    // The mock has no audio and no responses in the background, and its errors come before a stream begins, or as a fault.
    let absent = |kind: &String| {
        kind.starts_with("response.audio.")
            || ["error", "response.failed", "response.queued"].contains(&kind.as_str())
    };
    let missing: Vec<String> = union("ResponseStreamEvent").difference(&sent).cloned().collect();
    let unplayed: Vec<&String> = missing.iter().filter(|kind| !absent(kind)).collect();
    assert!(unplayed.is_empty(), "{unplayed:?}");
}

#[tokio::test]
async fn items_are_played_by_their_events() {
    let mut table = String::new();
    for script in scripts() {
        let (_, events) = played(vec![script.clone()]).await;
        table.push_str(&format!("{}\n", kind(&script)));
        for event in &events[2..events.len() - 1] {
            let mut fields = event.as_object().unwrap().clone();
            let kind = fields.remove("type").unwrap();
            for name in ["sequence_number", "output_index", "item_id"] {
                fields.remove(name);
            }
            table.push_str(&format!(
                "  {} {}\n",
                kind.as_str().unwrap(),
                crate::client::sorted(&fields.into())
            ));
        }
    }
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn items_keep_their_order_and_their_places() {
    let (whole, events) = played(scripts()).await;
    let kinds: Vec<Value> = scripts().iter().map(|script| kind(script).into()).collect();
    let output = whole["output"].as_array().unwrap();
    assert_eq!(output.iter().map(|item| item["type"].clone()).collect::<Vec<_>>(), kinds);
    let ids: BTreeSet<&str> = output.iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), output.len(), "ids are unique");
    let mut open = 0;
    for event in &events[2..events.len() - 1] {
        assert_eq!(event["output_index"], open, "{event}");
        open += usize::from(event["type"] == "response.output_item.done");
    }
    assert_eq!(open, output.len());
    // An output has the id of the call before it.
    let call_ids: Vec<&str> = output.iter().filter_map(|item| item["call_id"].as_str()).collect();
    let (calls, outputs): (Vec<_>, Vec<_>) =
        call_ids.iter().enumerate().partition(|(number, _)| number % 2 == 0);
    let ids =
        |side: Vec<(usize, &&str)>| side.into_iter().map(|(_, id)| (*id).to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(calls), ids(outputs));
}

#[tokio::test]
async fn a_script_decides_every_field() {
    let item = OutputItem::shell_call(["ls"]).with_field("id", "sh_mine").with_field("call_id", "call_mine");
    let unknown = OutputItem::from_json(json!({"type": "telepathy_call", "thought": "hm"}));
    let (whole, events) = played(vec![item, unknown]).await;
    assert_eq!(
        (&whole["output"][0]["id"], &whole["output"][0]["call_id"]),
        (&json!("sh_mine"), &json!("call_mine"))
    );
    assert_eq!(whole["output"][1]["thought"], "hm");
    let unknown: Vec<&Value> =
        events.iter().filter(|event| event["output_index"] == 1).map(|event| &event["type"]).collect();
    assert_eq!(unknown, ["response.output_item.added", "response.output_item.done"]);
}
