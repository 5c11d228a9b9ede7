//! Responses that are stored, and those that continue them.

use serde_json::{Value, json};
use tachikoma_openai_mock::{MockServer, Reply};

use crate::client::{Mock, input, merge, ok, parse_events};
use crate::document::{check_schema, validator};
use crate::refusals::refused;
use crate::responses::tools;

fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

/// The request as a continuation of this response.
fn after(response: &Value, request: Value) -> Value {
    merge(&request, json!({"previous_response_id": id(response)}))
}

#[tokio::test]
async fn a_response_is_returned_until_it_is_deleted() {
    let mock = Mock::start().await;
    let created = mock.response(&input("THINK of TWO")).await;
    let path = format!("/responses/{}", id(&created));
    assert_eq!(mock.got(&path).await, created);
    let deleted = ok(mock.delete(&path)).await;
    assert_eq!(deleted, json!({"id": id(&created), "object": "response", "deleted": true}));
    for request in [mock.get(&path), mock.delete(&path), mock.get(&format!("{path}/input_items"))] {
        let expected = format!(r#"404 null null "Response with id '{}' not found.""#, id(&created));
        assert_eq!(refused(request).await, expected);
    }
}

#[tokio::test]
async fn a_response_with_store_off_is_not_there() {
    let mock = Mock::start().await;
    let created = mock.response(&merge(&input("hi"), json!({"store": false}))).await;
    let refusal = refused(mock.get(&format!("/responses/{}", id(&created)))).await;
    assert!(refusal.starts_with("404"), "{refusal}");
    let refusal = refused(mock.responses(&after(&created, input("more")))).await;
    let expected = format!(
        r#"400 "previous_response_not_found" "previous_response_id" "Previous response with id '{}' not found.""#,
        id(&created)
    );
    assert_eq!(refusal, expected);
}

#[tokio::test]
async fn a_chain_gets_what_the_whole_conversation_gets() {
    let mock = Mock::start().await;
    let question = merge(&input("THINK about the weather"), json!({"tools": tools()}));
    let first = mock.response(&question).await;
    let call = first["output"].as_array().unwrap().iter().find(|item| item["type"] == "function_call");
    let result =
        json!({"type": "function_call_output", "call_id": call.unwrap()["call_id"], "output": "18 °C"});
    let second = mock.response(&after(&first, merge(&question, json!({"input": [result]})))).await;
    assert_eq!(second["previous_response_id"], first["id"]);

    let mut whole = vec![json!({"role": "user", "content": "THINK about the weather"})];
    whole.extend(first["output"].as_array().unwrap().iter().cloned());
    whole.push(result);
    let expected = mock.response(&merge(&question, json!({"input": whole}))).await;
    assert_eq!(second["usage"], expected["usage"]);
    let text = |response: &Value| response["output"].as_array().unwrap().last().unwrap()["content"].clone();
    assert_eq!(text(&second), text(&expected));

    // The third turn has all items of the first two; a fork of the first has its own only.
    let third = mock.response(&after(&second, input("and now?"))).await;
    let list = mock.got(&format!("/responses/{}/input_items?order=asc&limit=100", id(&third))).await;
    check_schema_of_list(&list);
    let kinds: Vec<&str> =
        list["data"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
    let reasoned = ["message", "reasoning", "function_call", "function_call_output"];
    assert_eq!(kinds, [&reasoned[..], &["reasoning", "message", "message"]].concat());
    let refusal = refused(mock.responses(&after(&first, input("never mind")))).await;
    assert!(refusal.contains("No tool output found for function call"), "{refusal}");
}

fn check_schema_of_list(list: &Value) {
    let data = list["data"].as_array().unwrap();
    assert_eq!(list["object"], "list");
    assert_eq!(list["first_id"], data.first().unwrap()["id"]);
    assert_eq!(list["last_id"], data.last().unwrap()["id"]);
    assert!(data.iter().all(|item| item["id"].is_string()), "{list}");
}

#[tokio::test]
async fn lists_have_pages() {
    let mock = Mock::start().await;
    let items: Vec<Value> = (0..5)
        .map(|number| json!({"id": format!("msg_{number}"), "role": "user", "content": "hi"}))
        .collect();
    let response = mock.response(&merge(&input(""), json!({"input": items}))).await;
    let page = async |query: &str| {
        let list = mock.got(&format!("/responses/{}/input_items?{query}", id(&response))).await;
        let ids = list["data"].as_array().unwrap().iter().map(|item| id(item)[4..].to_owned());
        format!("{} {}", ids.collect::<String>(), list["has_more"])
    };
    assert_eq!(page("").await, "43210 false");
    assert_eq!(page("order=asc").await, "01234 false");
    assert_eq!(page("limit=2").await, "43 true");
    assert_eq!(page("limit=2&after=msg_3").await, "21 true");
    assert_eq!(page("order=asc&limit=3&after=msg_1").await, "234 false");
    for query in ["limit=0", "limit=101", "order=up", "limit=x"] {
        let path = format!("/responses/{}/input_items?{query}", id(&response));
        assert!(refused(mock.get(&path)).await.starts_with("400"), "{query}");
    }
}

#[tokio::test]
async fn a_reference_to_a_stored_item_is_that_item() {
    let mock = Mock::start().await;
    let first = mock.response(&input("Say hello")).await;
    let reference = json!({"type": "item_reference", "id": first["output"][0]["id"]});
    let items = |item: &Value| json!({"input": [item, {"role": "user", "content": "again"}]});
    let by_reference = mock.response(&merge(&input(""), items(&reference))).await;
    let by_value = mock.response(&merge(&input(""), items(&first["output"][0]))).await;
    assert_eq!(by_reference["usage"], by_value["usage"]);
}

#[tokio::test]
async fn a_stream_that_broke_goes_on_after_any_of_its_events() {
    let mock =
        Mock::with(MockServer::builder().with_reply(Reply::text("One two three.").with_reasoning("Hm.")))
            .await;
    let body = merge(&input("hi"), json!({"stream": true}));
    let broken = mock.responses(&body).header("x-mock-fault", "truncate=3").send().await.unwrap();
    let start = parse_events(&broken.text().await.unwrap());
    assert_eq!(start.len(), 3);
    let path = format!("/responses/{}?stream=true", id(&start[0]["response"]));
    let stream = async |query: &str| {
        parse_events(&mock.get(&format!("{path}{query}")).send().await.unwrap().text().await.unwrap())
    };
    let whole = stream("").await;
    assert_eq!(whole[..3], start);
    assert_eq!(whole.last().unwrap()["type"], "response.completed");
    let event = validator("ResponseStreamEvent");
    whole.iter().for_each(|value| check_schema(&event, value));
    for number in 0..whole.len() {
        assert_eq!(stream(&format!("&starting_after={number}")).await, whole[number + 1..]);
    }
    assert_eq!(stream("&starting_after=18446744073709551615").await, Vec::<Value>::new());
    // The resumed streams are not billed again.
    assert_eq!(mock.server.counters().billed_requests, 1);
}

#[tokio::test]
async fn a_plain_response_has_no_stream() {
    let mock = Mock::start().await;
    let created = mock.response(&input("hi")).await;
    let refusal = refused(mock.get(&format!("/responses/{}?stream=true", id(&created)))).await;
    assert!(refusal.starts_with(r#"400 "invalid_value" "stream""#), "{refusal}");
}
