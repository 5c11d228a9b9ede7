//! Compaction by its endpoint and by the server, and counts of tokens.

use serde_json::{Value, json};

use crate::client::{Mock, input, merge};
use crate::document::{check_schema, validator};
use crate::refusals::refused;
use crate::responses::tools;
use crate::responses_input::items;

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

fn assistant(text: &str) -> Value {
    json!({"role": "assistant", "content": text})
}

#[tokio::test]
async fn the_endpoint_keeps_the_words_of_the_user() {
    let mock = Mock::start().await;
    let long = "A long answer. ".repeat(100);
    let conversation = json!([user("First."), assistant(&long), user("Second."), assistant(&long)]);
    let body = merge(&items(conversation.clone()), json!({"instructions": "Be brief."}));
    let compacted = mock.posted("/responses/compact", &body).await;
    assert_eq!(compacted, mock.posted("/responses/compact", &body).await);
    insta::assert_json_snapshot!(compacted);
    check_schema(&validator("CompactionBody"), &compacted["output"][2]);

    // Its output is the next input, and much shorter.
    let mut turns = compacted["output"].as_array().unwrap().clone();
    turns.push(user("Third."));
    let next = mock.response(&items(json!(turns))).await;
    let mut whole = conversation.as_array().unwrap().clone();
    whole.push(user("Third."));
    let expected = mock.response(&items(json!(whole))).await;
    assert_eq!(next["output"][0]["content"], expected["output"][0]["content"]);
    let tokens = |response: &Value| response["usage"]["input_tokens"].as_u64().unwrap();
    assert!(tokens(&next) * 10 < tokens(&expected), "{next} {expected}");
    let counters = mock.server.counters();
    assert_eq!((counters.compactions, counters.billed_requests), (2, 2));
}

#[tokio::test]
async fn the_endpoint_continues_a_stored_response() {
    let mock = Mock::start().await;
    let first = mock.response(&input("First.")).await;
    let body =
        json!({"model": "gpt-5.6-terra", "previous_response_id": first["id"], "input": [user("Second.")]});
    let output = mock.posted("/responses/compact", &body).await["output"].clone();
    let texts: Vec<&str> =
        output.as_array().unwrap().iter().filter_map(|item| item["content"][0]["text"].as_str()).collect();
    assert_eq!(texts, ["First.", "Second."]);
    let unknown = merge(&body, json!({"previous_response_id": "resp_1"}));
    let refusal = refused(mock.post("/responses/compact", unknown.to_string())).await;
    assert!(refusal.starts_with(r#"400 "previous_response_not_found""#), "{refusal}");
    let misspelt = merge(&body, json!({"tools": []}));
    let refusal = refused(mock.post("/responses/compact", misspelt.to_string())).await;
    assert!(refusal.starts_with(r#"400 "unknown_parameter" "tools""#), "{refusal}");
}

#[tokio::test]
async fn the_server_compacts_above_the_threshold() {
    let mock = Mock::start().await;
    let threshold = json!({"context_management": [{"type": "compaction", "compact_threshold": 1000}]});
    let limit = "x".repeat(4_000);
    let kinds = async |body: &Value| {
        let output = mock.response(body).await["output"].clone();
        let kinds = output.as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap().to_owned());
        kinds.collect::<Vec<_>>()
    };
    assert_eq!(kinds(&merge(&input(&limit), threshold.clone())).await, ["message"]);
    assert_eq!(kinds(&input(&format!("{limit}x"))).await, ["message"]);
    let long = merge(&input(&format!("{limit}x")), threshold.clone());
    assert_eq!(kinds(&merge(&long, json!({"tools": tools()}))).await, ["compaction", "function_call"]);
    let events = mock.events(&long).await;
    let schema = validator("ResponseStreamEvent");
    events.iter().for_each(|event| check_schema(&schema, event));
    assert_eq!(
        (&events[2]["type"], &events[2]["item"]["type"]),
        (&json!("response.output_item.added"), &json!("compaction"))
    );
}

#[tokio::test]
async fn what_is_before_the_newest_compaction_may_be_left_out() {
    let mock = Mock::start().await;
    let threshold = json!({"context_management": [{"type": "compaction", "compact_threshold": 1000}]});
    let request =
        |turns: &[Value]| merge(&merge(&items(json!(turns)), json!({"tools": tools()})), threshold.clone());
    let start = vec![assistant(&"x".repeat(5_000)), user("Weather?")];
    let output = mock.response(&request(&start)).await["output"].as_array().unwrap().clone();
    let result = json!({"type": "function_call_output", "call_id": output[1]["call_id"], "output": "18 °C"});
    let pruned = [output.clone(), vec![result.clone()]].concat();
    let whole = [start, pruned.clone()].concat();
    let (pruned, whole) = (mock.response(&request(&pruned)).await, mock.response(&request(&whole)).await);
    let expected = r#"The tool get_weather returned "18 °C". With that I can answer "Weather?"."#;
    for response in [&pruned, &whole] {
        assert_eq!(response["output"][0]["content"][0]["text"], expected);
    }
    assert_eq!(pruned["usage"], whole["usage"]);
}

#[tokio::test]
async fn a_count_is_what_the_response_would_cost() {
    let mock = Mock::start().await;
    let first = mock.response(&input("First.")).await;
    let long = items(json!([user("First."), assistant("Second."), user("Third.")]));
    for request in [
        input("How much?"),
        long,
        merge(&input("How much?"), json!({"tools": tools(), "instructions": "Be brief."})),
        merge(&input("More."), json!({"previous_response_id": first["id"]})),
    ] {
        let count = mock.posted("/responses/input_tokens", &request).await;
        let usage = mock.response(&request).await["usage"]["input_tokens"].clone();
        assert_eq!(count, json!({"object": "response.input_tokens", "input_tokens": usage}));
    }
    let nothing = mock.posted("/responses/input_tokens", &json!({"personality": "friendly"})).await;
    assert_eq!(nothing["input_tokens"], 0);
    let refusal = refused(mock.post("/responses/input_tokens", r#"{"store": true}"#)).await;
    assert!(refusal.starts_with(r#"400 "unknown_parameter" "store""#), "{refusal}");
    assert_eq!(mock.server.counters().billed_requests, 5);
}
