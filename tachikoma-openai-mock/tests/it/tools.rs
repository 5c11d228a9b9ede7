//! Tool calls and what follows them.

use serde_json::{Value, json};

use crate::client::{Mock, ask, merge};

/// A request that offers two tools.
fn offer(text: &str) -> Value {
    let weather = json!({"name": "get_weather", "description": "The weather.", "parameters": {
        "type": "object",
        "properties": {
            "location": {"type": "string"},
            "unit": {"enum": ["celsius", "fahrenheit"]},
            "days": {"type": "integer"},
        },
        "required": ["location", "unit"],
    }});
    let time = json!({"name": "get_time"});
    let tools = [weather, time].map(|function| json!({"type": "function", "function": function}));
    merge(&ask(text), json!({"tools": tools}))
}

const WEATHER: (&str, &str) = ("get_weather", r#"{"location":"example","unit":"celsius"}"#);
const TIME: (&str, &str) = ("get_time", "{}");

#[tokio::test]
async fn a_completion_with_calls() {
    let mock = Mock::start().await;
    insta::assert_json_snapshot!(mock.answer(&offer("The weather and the time, the TWO of them")).await);
}

#[tokio::test]
async fn the_request_decides_which_tools_are_called() {
    let check = async |text: &str, fields: Value, expected: &[(&str, &str)]| {
        let answer = Mock::start().await.answer(&merge(&offer(text), fields)).await;
        let choice = &answer["choices"][0];
        let calls = choice["message"]["tool_calls"].as_array().cloned().unwrap_or_default();
        let calls = calls.iter().map(|call| {
            let text = |name: &str| call["function"][name].as_str().unwrap().to_owned();
            (text("name"), text("arguments"))
        });
        let expected = expected.iter().map(|(name, arguments)| ((*name).to_owned(), (*arguments).to_owned()));
        assert_eq!(calls.collect::<Vec<_>>(), expected.clone().collect::<Vec<_>>());
        let calls_end = if expected.len() == 0 { "stop" } else { "tool_calls" };
        assert_eq!(choice["finish_reason"], calls_end);
    };
    let named = json!({"tool_choice": {"type": "function", "function": {"name": "get_time"}}});
    check("Weather?", json!({}), &[WEATHER]).await;
    check("Weather?", json!({"tool_choice": "auto"}), &[WEATHER]).await;
    check("Weather?", json!({"tool_choice": "required"}), &[WEATHER]).await;
    check("Weather?", json!({"tool_choice": "none"}), &[]).await;
    check("Weather?", named.clone(), &[TIME]).await;
    check("TWO", json!({}), &[WEATHER, TIME]).await;
    check("two", json!({}), &[WEATHER]).await;
    check("TWO", named, &[TIME, TIME]).await;
    check("TWO", json!({"parallel_tool_calls": false}), &[WEATHER]).await;
}

#[tokio::test]
async fn ids_of_calls_differ() {
    let answer = Mock::start().await.answer(&merge(&offer("TWO"), json!({"n": 2}))).await;
    let choices = answer["choices"].as_array().unwrap();
    let calls = choices.iter().flat_map(|choice| choice["message"]["tool_calls"].as_array().unwrap());
    let ids: std::collections::BTreeSet<_> = calls.map(|call| call["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 4, "{ids:?}");
}

#[tokio::test]
async fn a_limit_cuts_the_arguments() {
    let answer = Mock::start().await.answer(&merge(&offer("TWO"), json!({"max_tokens": 3}))).await;
    let choice = &answer["choices"][0];
    assert_eq!(choice["finish_reason"], "length");
    assert_eq!(choice["message"]["tool_calls"].as_array().unwrap().len(), 1);
    assert_eq!(choice["message"]["tool_calls"][0]["function"]["arguments"], r#"{"location":"#);
}

#[tokio::test]
async fn a_tool_result_gets_a_text() {
    let mock = Mock::start().await;
    let question = offer("How warm is it?");
    let turn = mock.answer(&question).await["choices"][0]["message"].clone();
    let result = json!({"role": "tool", "tool_call_id": turn["tool_calls"][0]["id"], "content": "18 °C"});
    let messages = json!([question["messages"][0], turn, result]);
    let answer = mock.answer(&merge(&question, json!({"messages": messages}))).await;
    assert_eq!(
        answer["choices"][0]["message"]["content"],
        r#"The tool get_weather returned "18 °C". With that I can answer "How warm is it?"."#
    );
}
