//! Custom and hosted tools, namespaces and their outputs, in requests of both APIs.

use serde_json::{Value, json};
use tachikoma_openai_mock::{MockServer, OutputItem, Reply};

use crate::client::{Mock, ask, input, merge};
use crate::document::{check_schema, validator};
use crate::refusals::{refused, without_values};
use crate::responses::text;

fn grammar() -> Value {
    json!({"type": "grammar", "syntax": "lark", "definition": "start: \"a\"+"})
}

fn custom(name: &str) -> Value {
    json!({"type": "custom", "name": name, "description": "SQL.", "format": {"type": "text"}})
}

/// Every tool that OpenAI runs.
fn hosted() -> Value {
    json!([
        {"type": "web_search", "search_context_size": "low", "filters": {"allowed_domains": ["example.com"]}},
        {"type": "web_search_preview"},
        {"type": "file_search", "vector_store_ids": ["vs_1"], "max_num_results": 3},
        {"type": "code_interpreter", "container": {"type": "auto"}},
        {"type": "image_generation", "partial_images": 2, "output_format": "png"},
        {"type": "mcp", "server_label": "wiki", "server_url": "https://example.com/mcp", "require_approval": "always"},
        {"type": "tool_search"},
        {"type": "shell"},
        {"type": "local_shell"},
        {"type": "apply_patch"},
        {"type": "computer"},
        {"type": "computer_use_preview", "environment": "browser", "display_width": 800, "display_height": 600},
        {"type": "programmatic_tool_calling"},
    ])
}

#[tokio::test]
async fn every_tool_of_the_document_is_accepted_and_repeated() {
    let mock = Mock::start().await;
    let mut tools = hosted().as_array().unwrap().clone();
    tools.push(merge(&custom("sql"), json!({"format": grammar()})));
    tools.push(json!({"type": "namespace", "name": "crm", "description": "CRM.", "tools": [
        {"type": "function", "name": "get_order", "parameters": {"type": "object", "properties": {}}, "strict": false},
        {"type": "custom", "name": "query"},
    ]}));
    let response = mock.response(&merge(&input("hi"), json!({"tools": tools, "tool_choice": "none"}))).await;
    assert_eq!(response["tools"], json!(tools));
    check_schema(&validator("Response"), &response);
}

#[tokio::test]
async fn the_choice_may_name_any_tool() {
    let mock = Mock::start().await;
    let choices = [
        "file_search",
        "web_search_preview",
        "computer",
        "computer_use_preview",
        "image_generation",
        "code_interpreter",
        "programmatic_tool_calling",
        "apply_patch",
        "shell",
    ];
    for choice in choices.map(|kind| json!({"type": kind})).into_iter().chain([
        json!({"type": "mcp", "server_label": "wiki"}),
        json!({"type": "mcp", "server_label": "wiki", "name": "ask"}),
        json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "web_search"}, {"type": "mcp", "server_label": "wiki"}]}),
    ]) {
        let response = mock.response(&merge(&input("hi"), json!({"tools": hosted(), "tool_choice": choice}))).await;
        assert!(text(&response).starts_with("Hello!"), "{choice}: tools that OpenAI runs are not called");
    }
    let web_search = json!([{"type": "web_search"}]);
    for (choice, label) in [
        (json!({"type": "mcp", "server_label": "other"}), "other"),
        (json!({"type": "shell"}), "shell"),
        (json!({"type": "custom", "name": "sql"}), "sql"),
    ] {
        let request = merge(&input("hi"), json!({"tools": web_search, "tool_choice": choice}));
        let refusal = refused(mock.responses(&request)).await;
        assert!(
            refusal.contains(&format!("Tool choice '{label}' not found in 'tools' parameter.")),
            "{refusal}"
        );
    }
}

#[tokio::test]
async fn custom_tools_and_those_of_a_namespace_are_called() {
    let namespace =
        json!({"type": "namespace", "name": "crm", "description": "CRM.", "tools": [custom("query")]});
    let function = json!({"type": "function", "name": "f"});
    let tools = json!([function, custom("sql"), namespace]);
    let check = async |choice: Value, expected: Value| {
        let request = merge(&input("Go"), json!({"tools": tools, "tool_choice": choice}));
        let response = Mock::start().await.response(&request).await;
        let call = &response["output"][0];
        assert_eq!(json!([call["type"], call["namespace"], call["name"], call["input"]]), expected);
    };
    check(json!("auto"), json!(["function_call", null, "f", null])).await;
    check(json!({"type": "custom", "name": "sql"}), json!(["custom_tool_call", null, "sql", "example"]))
        .await;
    check(json!({"type": "custom", "name": "query"}), json!(["custom_tool_call", "crm", "query", "example"]))
        .await;
    let allowed =
        json!({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "custom", "name": "sql"}]});
    check(allowed, json!(["custom_tool_call", null, "sql", "example"])).await;
}

#[tokio::test]
async fn chat_calls_custom_tools() {
    let mock = Mock::start().await;
    let function = json!({"type": "function", "function": {"name": "f"}});
    let sql = json!({"type": "custom", "custom": {"name": "sql", "description": "SQL.", "format": {
        "type": "grammar", "grammar": {"syntax": "regex", "definition": "a+"},
    }}});
    let tools = json!([function, sql]);
    let named = json!({"type": "custom", "custom": {"name": "sql"}});
    let allowed = json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [named]}});
    for choice in [named, allowed] {
        let request = merge(&ask("Go"), json!({"tools": tools, "tool_choice": choice}));
        let completion = mock.answer(&request).await;
        check_schema(&validator("CreateChatCompletionResponse"), &completion);
        let message = &completion["choices"][0]["message"];
        let call = &message["tool_calls"][0];
        assert_eq!(
            (&call["type"], &call["custom"]),
            (&json!("custom"), &json!({"name": "sql", "input": "example"}))
        );
        assert!(call["function"].is_null());
        let result = json!({"role": "tool", "tool_call_id": call["id"], "content": "1 row"});
        let turns = json!([{"role": "user", "content": "Go"}, message, result]);
        let last = mock.answer(&merge(&ask("Go"), json!({"messages": turns, "tools": tools}))).await;
        let text = last["choices"][0]["message"]["content"].as_str().unwrap();
        assert!(text.starts_with(r#"The tool sql returned "1 row"."#), "{text}");
    }
    let other = json!({"type": "custom", "custom": {"name": "f"}});
    let refusal = refused(mock.chat(&merge(&ask("Go"), json!({"tools": tools, "tool_choice": other})))).await;
    assert!(refusal.contains("Tool choice 'f' not found"), "{refusal}");
}

#[tokio::test]
async fn the_names_of_all_tools_are_checked() {
    let mock = Mock::start().await;
    let namespace =
        |tools: Value| json!({"type": "namespace", "name": "n", "description": "N.", "tools": tools});
    for (tools, param) in [
        (json!([namespace(json!([custom("a b")]))]), "tools[0].tools[0].name"),
        (json!([namespace(json!([custom("a"), custom("a")]))]), "tools[0].tools[1].name"),
        (json!([custom("n"), namespace(json!([custom("n")]))]), "tools[1].name"),
    ] {
        let refusal = refused(mock.responses(&merge(&input("hi"), json!({"tools": tools})))).await;
        assert!(refusal.starts_with(&format!(r#"400 "invalid_value" "{param}""#)), "{refusal}");
    }
    let sql = json!({"type": "custom", "custom": {"name": "a b"}});
    let refusal = refused(mock.chat(&merge(&ask("hi"), json!({"tools": [sql]})))).await;
    assert!(refusal.starts_with(r#"400 "invalid_value" "tools[0].custom.name""#), "{refusal}");
    let text = json!({"type": "custom", "name": "sql", "format": {"type": "grammar", "syntax": "yacc", "definition": ""}});
    let refusal = refused(mock.responses(&merge(&input("hi"), json!({"tools": [text]})))).await;
    assert_eq!(
        without_values(&refusal),
        r#"400 "invalid_value" "tools[0].format.syntax" "Invalid value: 'yacc'.""#
    );
}

/// Calls, their outputs, and what the default reply says of them.
fn turns() -> Vec<(OutputItem, Value, &'static str)> {
    let parts = json!([
        {"type": "input_text", "text": "1 row"},
        {"type": "input_image", "file_id": "file-1"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
    ]);
    let outcome = json!({"type": "exit", "exit_code": 0});
    let patch = json!({"type": "create_file", "path": "a.txt", "diff": "+a\n"});
    let shot = json!({"type": "computer_screenshot", "file_id": "file-1"});
    let found = || json!([{"type": "function", "name": "f", "parameters": null, "strict": null}]);
    let client_search = OutputItem::tool_search_call(json!({"query": "f"}))
        .with_field("execution", "client")
        .with_field("call_id", "call_search");
    vec![
        (
            OutputItem::function_call("f", "{}"),
            json!({"type": "function_call_output", "output": parts}),
            r#"f returned "1 row""#,
        ),
        (
            OutputItem::custom_tool_call("sql", "select 1"),
            json!({"type": "custom_tool_call_output", "output": parts}),
            r#"sql returned "1 row""#,
        ),
        (
            OutputItem::shell_call(["ls"]),
            json!({"type": "shell_call_output", "output": [{"stdout": "a.txt", "stderr": "", "outcome": outcome}]}),
            r#"shell returned "a.txt""#,
        ),
        (
            OutputItem::local_shell_call(["ls"]),
            json!({"type": "local_shell_call_output", "output": "a.txt"}),
            r#"local_shell returned "a.txt""#,
        ),
        (
            OutputItem::apply_patch_call(patch),
            json!({"type": "apply_patch_call_output", "status": "completed", "output": "Done."}),
            r#"apply_patch returned "Done.""#,
        ),
        (
            OutputItem::computer_call([json!({"type": "screenshot"})]),
            json!({"type": "computer_call_output", "output": shot}),
            "computer returned",
        ),
        (
            client_search,
            json!({"type": "tool_search_output", "execution": "client", "tools": found()}),
            "tool_search returned",
        ),
    ]
}

#[tokio::test]
async fn the_output_of_every_call_comes_back() {
    for (call, output, expected) in turns() {
        let mock = Mock::with(MockServer::builder().with_reply(Reply::items([call]))).await;
        let call = mock.response(&input("Go")).await["output"][0].clone();
        let output = merge(&output, json!({"call_id": call["call_id"]}));
        let user = json!({"role": "user", "content": "Go"});
        let request = |items: Value| merge(&input(""), json!({"input": items}));
        let response = mock.response(&request(json!([user, call, output]))).await;
        assert!(text(&response).starts_with(&format!("The tool {expected}")), "{}", text(&response));
        for (items, expected) in [
            (json!([user, call]), "No tool output found for "),
            (json!([user, output]), "No tool call found for "),
            (
                json!([user, {"type": "function_call", "call_id": call["call_id"], "name": "f", "arguments": "{}"}, output]),
                "No tool ",
            ),
        ] {
            // The output of a function belongs to any function.
            if expected != "No tool " || call["type"] != "function_call" {
                let refusal = refused(mock.responses(&request(items))).await;
                assert!(refusal.contains(expected), "{refusal}");
            }
        }
    }
}

#[tokio::test]
async fn an_approval_comes_back() {
    let script = Reply::items([
        OutputItem::mcp_list_tools("wiki", [json!({"name": "ask", "input_schema": {}})]),
        OutputItem::mcp_approval_request("wiki", "ask", "{}"),
    ]);
    let mock = Mock::with(MockServer::builder().with_reply(script)).await;
    let output = mock.response(&input("Go")).await["output"].clone();
    let answer = |approve: bool| json!({"type": "mcp_approval_response", "approval_request_id": output[1]["id"], "approve": approve});
    let items = |response: Value| {
        merge(
            &input(""),
            json!({"input": [{"role": "user", "content": "Go"}, output[0], output[1], response]}),
        )
    };
    for (approve, expected) in [(true, "approved"), (false, "denied")] {
        let response = mock.response(&items(answer(approve))).await;
        assert!(text(&response).starts_with(&format!(r#"The tool ask returned "{expected}"."#)));
    }
    let other = merge(&answer(true), json!({"approval_request_id": "mcpr_other"}));
    let refusal = refused(mock.responses(&items(other))).await;
    assert!(refusal.contains("No MCP approval request found with id mcpr_other."), "{refusal}");
}

#[tokio::test]
async fn what_openai_ran_comes_back_unchanged() {
    let script = Reply::items([
        OutputItem::reasoning("Search first."),
        OutputItem::web_search_call("Oslo").with_sources(["https://example.com"]),
        OutputItem::file_search_call(["Oslo"]),
        OutputItem::code_interpreter_call("1").with_logs("1"),
        OutputItem::image_generation_call("AA=="),
        OutputItem::mcp_call("wiki", "ask", "{}").with_output("Yes."),
        OutputItem::tool_search_call(json!({})),
        OutputItem::tool_search_output([json!({"type": "web_search"})]),
        OutputItem::program("1"),
        OutputItem::program_output("1"),
        OutputItem::compaction("gAAAAAB1"),
        OutputItem::message("Found.")
            .with_phase("final_answer")
            .with_url_citation(0, 5, "https://example.com", "A")
            .with_logprobs(),
    ]);
    let mock = Mock::with(MockServer::builder().with_reply(script)).await;
    let fields = json!({"store": false, "include": ["reasoning.encrypted_content"]});
    let mut items = mock.response(&merge(&input("Go"), fields)).await["output"].as_array().unwrap().clone();
    items.push(json!({"role": "user", "content": [
        {"type": "input_text", "text": "hello"},
        {"type": "input_image", "file_id": "file-1", "detail": "low"},
        {"type": "input_file", "file_id": "file-2"},
        {"type": "input_file", "file_url": "https://example.com/a.pdf"},
    ]}));
    let response = mock.response(&merge(&input(""), json!({"input": items}))).await;
    assert!(text(&response).starts_with("Hello!"), "{response}");
}

#[tokio::test]
async fn chat_takes_audio_and_files() {
    let content = json!([
        {"type": "text", "text": "hello"},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ]);
    let mock = Mock::start().await;
    let request = merge(&ask(""), json!({"messages": [{"role": "user", "content": content}]}));
    assert!(
        mock.answer(&request).await["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .starts_with("Hello!")
    );
    let wrong = json!([{"type": "input_audio", "input_audio": {"data": "AA==", "format": "ogg"}}]);
    let request = merge(&ask(""), json!({"messages": [{"role": "user", "content": wrong}]}));
    let refusal = refused(mock.chat(&request)).await;
    assert!(refusal.contains("messages[0].content[0].input_audio.format"), "{refusal}");
}

#[tokio::test]
async fn chat_has_the_messages_and_calls_of_a_script() {
    let script = || {
        Reply::items([
            OutputItem::reasoning("Hm."),
            OutputItem::message("I search. ").with_phase("commentary").with_logprobs(),
            OutputItem::web_search_call("Oslo"),
            OutputItem::message("Öslo is here.")
                .with_url_citation(0, 4, "https://example.com", "A")
                .with_logprobs(),
            OutputItem::custom_tool_call("sql", "select * from t"),
            OutputItem::function_call("f", "{}"),
        ])
    };
    let mock = Mock::with(MockServer::builder().with_reply(script()).with_reply(script())).await;
    let completion = mock.answer(&ask("Go")).await;
    check_schema(&validator("CreateChatCompletionResponse"), &completion);
    let choice = &completion["choices"][0];
    let message = &choice["message"];
    assert_eq!(message["content"], "I search. Öslo is here.");
    assert_eq!(
        (&message["reasoning_content"], &choice["finish_reason"]),
        (&json!("Hm."), &json!("tool_calls"))
    );
    let citation = json!({"start_index": 10, "end_index": 14, "url": "https://example.com", "title": "A"});
    assert_eq!(message["annotations"], json!([{"type": "url_citation", "url_citation": citation}]));
    let tokens = |logprobs: &Value| -> String {
        logprobs["content"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|token| token["token"].as_str().unwrap())
            .collect()
    };
    assert_eq!(tokens(&choice["logprobs"]), "I search. Öslo is here.");
    let custom = json!({"name": "sql", "input": "select * from t"});
    assert_eq!(message["tool_calls"][0]["custom"], custom);
    assert_eq!(message["tool_calls"][1]["function"], json!({"name": "f", "arguments": "{}"}));

    let chunk_schema = validator("CreateChatCompletionStreamResponse");
    let (mut content, mut logprobs, mut annotations) = (String::new(), String::new(), Vec::new());
    let (mut input, mut kinds) = (String::new(), Vec::new());
    for mut chunk in mock.chunks(&ask("Go")).await {
        let choice = &mut chunk["choices"][0];
        assert_eq!(tokens(&choice["logprobs"]), choice["delta"]["content"].as_str().unwrap_or_default());
        logprobs.push_str(&tokens(&choice["logprobs"]));
        let delta = &mut choice["delta"];
        content.push_str(delta["content"].as_str().unwrap_or_default());
        annotations.extend(delta["annotations"].as_array().into_iter().flatten().cloned());
        if let Some(call) =
            delta.get_mut("tool_calls").and_then(Value::as_array_mut).and_then(|calls| calls.first_mut())
        {
            input.push_str(call["custom"]["input"].as_str().unwrap_or_default());
            if !call["type"].is_null() {
                kinds.push(json!([call["index"], call["type"]]));
            }
            // The document has only functions in chunks, OpenAI's server custom tools too.
            if call["type"] == "custom" {
                call["type"] = json!("function");
            }
        }
        check_schema(&chunk_schema, &chunk);
    }
    assert_eq!((content.as_str(), logprobs.as_str()), ("I search. Öslo is here.", "I search. Öslo is here."));
    assert_eq!(json!(annotations), message["annotations"]);
    assert_eq!((input.as_str(), json!(kinds)), ("select * from t", json!([[0, "custom"], [1, "function"]])));
}

#[tokio::test]
async fn chat_reasons_if_a_field_of_other_servers_asks_for_it() {
    let mock = Mock::start().await;
    let completion = mock.answer(&merge(&ask("Why?"), json!({"reasoning": {"summary": "auto"}}))).await;
    assert!(completion["choices"][0]["message"]["reasoning_content"].is_string());
    assert!(completion["usage"]["completion_tokens_details"]["reasoning_tokens"].as_u64() > Some(0));
}
