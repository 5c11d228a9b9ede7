//! Scripts in JSON: each field, the conditions, the order, and what mistakes get.

use std::time::Duration;

use serde_json::{Value, json};
use tachikoma_openai_mock::{Endpoint, Match, MockServer, OutputItem, Reply, Script, TokenUsage};
use tokio::time::Instant;

use crate::client::{Mock, ask, input, merge};
use crate::refusals::refused;
use crate::websocket::Socket;

fn script(replies: Value) -> Script {
    Script::from_json(&json!({ "replies": replies }).to_string()).unwrap()
}

async fn scripted(replies: Value) -> Mock {
    Mock::with(MockServer::builder().with_script(script(replies))).await
}

async fn text(mock: &Mock, body: &Value) -> String {
    mock.answer(body).await["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
}

/// Everything that a request gets, over both endpoints, whole and as a stream.
async fn outcomes(script: Script) -> Vec<String> {
    let mut outcomes = Vec::new();
    for is_responses in [false, true] {
        for stream in [false, true] {
            let mock = Mock::with(MockServer::builder().with_script(script.clone())).await;
            let body = merge(&if is_responses { input("hi") } else { ask("hi") }, json!({"stream": stream}));
            let request = if is_responses { mock.responses(&body) } else { mock.chat(&body) };
            let response = request.send().await.unwrap();
            let mut headers: Vec<String> =
                response.headers().iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
            headers.sort();
            let status = response.status();
            let body = response.text().await.unwrap_or_else(|error| error.to_string());
            outcomes.push(format!("{status} {headers:?} {body}"));
        }
    }
    outcomes
}

#[tokio::test]
async fn a_script_has_what_a_reply_in_rust_has() {
    let fault = |spec: &str| spec.parse().unwrap();
    let usage = TokenUsage { input_tokens: 9, output_tokens: 5, cached_tokens: 4, reasoning_tokens: 2 };
    for (written, built) in [
        (json!({"text": "Hello."}), Reply::text("Hello.")),
        (json!({"json": {"city": "Oslo"}}), Reply::json(json!({"city": "Oslo"}))),
        (json!({"json": null}), Reply::json(Value::Null)),
        (json!({"refusal": "No."}), Reply::refusal("No.")),
        (
            json!({"tool_calls": [{"name": "f", "arguments": {"a": 1}}]}),
            Reply::tool_call("f", json!({"a": 1})),
        ),
        (
            json!({"text": "I look.", "tool_calls": [{"name": "f", "arguments": "{broken"}, {"name": "g"}]}),
            Reply::text("I look.").and_tool_call("f", "{broken").and_tool_call("g", "{}"),
        ),
        (
            json!({"items": [
                {"type": "image_generation_call", "result": "aQ==", "partial_images": ["aW0="]},
                {"content": [{"type": "output_text", "text": "Done.", "annotations": [], "logprobs": []}]},
            ]}),
            Reply::items([
                OutputItem::image_generation_call("aQ==").with_partial_images(["aW0="]),
                OutputItem::message("Done."),
            ]),
        ),
        (json!({"text": "a", "reasoning": "b"}), Reply::text("a").with_reasoning("b")),
        (json!({"text": "a", "finish_reason": "length"}), Reply::text("a").with_finish_reason("length")),
        (
            json!({"failed": {"code": "server_error", "message": "Broken."}}),
            Reply::failed("server_error", "Broken."),
        ),
        (
            json!({"error": {"status": 429, "code": "slow_down", "message": "Wait."}, "headers": {"retry-after": "2"}}),
            Reply::error(429, "slow_down", "Wait.").with_header("retry-after", "2"),
        ),
        (json!({"http": {"status": 502, "body": "<html>"}}), Reply::http(502, "<html>")),
        (
            json!({"http": {"status": 200, "body": {"a": [1]}}}),
            Reply::http(200, r#"{"a":[1]}"#).with_header("content-type", "application/json"),
        ),
        (json!({"http": {"status": 204}}), Reply::http(204, "")),
        (
            json!({"text": "a", "usage": {
                "input_tokens": 9, "output_tokens": 5, "cached_tokens": 4, "reasoning_tokens": 2
            }}),
            Reply::text("a").with_usage(usage),
        ),
        (
            json!({"text": "one two three", "fault": "truncate=1"}),
            Reply::text("one two three").with_fault(fault("truncate=1")),
        ),
    ] {
        let built = outcomes(Script::new().with_reply(built)).await;
        assert_eq!(outcomes(script(json!([written]))).await, built, "{written}");
        // Each reply is seen: it is not what the server would send without a script.
        assert_ne!(built, outcomes(Script::new()).await, "{written}");
    }
}

#[tokio::test]
async fn an_error_needs_its_status_alone() {
    let mock = scripted(json!([{"error": {"status": 500}}])).await;
    let response = mock.chat(&ask("hi")).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 500);
    let error: Value = response.json().await.unwrap();
    assert_eq!(
        error,
        json!({"error": {"message": "The script returns status 500.", "type": "server_error", "param": null, "code": null}})
    );
}

#[tokio::test]
async fn scripted_numbers_of_tokens_are_reported() {
    let usage = json!({"input_tokens": 9, "output_tokens": 5, "cached_tokens": 4, "reasoning_tokens": 2});
    let mock = scripted(json!([{"text": "a", "usage": usage, "times": "always"}])).await;
    let chat = mock.answer(&ask("hi")).await["usage"].clone();
    assert_eq!(
        [&chat["prompt_tokens"], &chat["completion_tokens"], &chat["total_tokens"]],
        [&json!(9), &json!(5), &json!(14)]
    );
    let [prompt, completion] = ["prompt_tokens_details", "completion_tokens_details"].map(|name| &chat[name]);
    assert_eq!([&prompt["cached_tokens"], &completion["reasoning_tokens"]], [&json!(4), &json!(2)]);
    assert_eq!(
        mock.response(&input("hi")).await["usage"],
        json!({
            "input_tokens": 9, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
            "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 14,
        })
    );
}

/// Each reply is used once, or so many times, by the first request that it fits.
#[tokio::test]
async fn replies_have_an_order() {
    let mock = scripted(json!([
        {"text": "first"},
        {"text": "twice", "times": 2},
        {"match": {"model": "o3"}, "text": "for o3"},
        {"text": "always", "times": "always"},
    ]))
    .await;
    let o3 = merge(&ask("hi"), json!({"model": "o3"}));
    for (body, expected) in [
        (&o3, "first"),
        (&ask("hi"), "twice"),
        (&o3, "twice"),
        (&ask("hi"), "always"),
        (&o3, "for o3"),
        (&o3, "always"),
        (&ask("hi"), "always"),
    ] {
        assert_eq!(text(&mock, body).await, expected, "{body}");
    }
    mock.server.set_script(Script::new().with_reply(Reply::text("new")));
    mock.server.push_reply(Reply::text("newest"));
    assert_eq!([text(&mock, &o3).await, text(&mock, &o3).await], ["new", "newest"]);
    assert!(text(&mock, &o3).await.starts_with("Hello!"));
}

#[tokio::test]
async fn scripts_and_replies_are_one_queue() {
    let config = MockServer::builder()
        .with_reply(Reply::text("a"))
        .with_script(script(json!([{"text": "b"}])).without_fallback())
        .with_reply(Reply::text("c"));
    let mock = Mock::with(config).await;
    for expected in ["a", "b", "c"] {
        assert_eq!(text(&mock, &ask("hi")).await, expected);
    }
    assert_eq!(mock.chat(&ask("hi")).send().await.unwrap().status().as_u16(), 400);
}

#[tokio::test]
async fn a_reply_waits_for_a_request_that_matches() {
    let result = json!([
        {"role": "user", "content": "Weather in Oslo?"},
        {"role": "assistant", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        ]},
        {"role": "tool", "tool_call_id": "a", "content": "sunny"},
    ]);
    let chat = merge(
        &ask("Weather in Oslo?"),
        json!({"temperature": 0, "user": "u", "metadata": {"a": "1", "b": "2"}}),
    );
    let after_tool = merge(&chat, json!({"messages": result}));
    let response = input("Weather in Oslo?");
    // Whether it fits the chat request, the one after a tool, and the one for a response.
    for (written, built, expected) in [
        (json!({}), Match::default(), [true, true, true]),
        (json!({"endpoint": "chat"}), Match::endpoint(Endpoint::Chat), [true, true, false]),
        (json!({"endpoint": "responses"}), Match::endpoint(Endpoint::Responses), [false, false, true]),
        (json!({"model": "gpt-4o"}), Match::model("gpt-4o"), [true, true, false]),
        (json!({"model": "gpt"}), Match::model("gpt"), [false; 3]),
        (json!({"user_message": "in Os"}), Match::user_message("in Os"), [true; 3]),
        (json!({"user_message": "weather"}), Match::user_message("weather"), [false; 3]),
        (json!({"tool_result": true}), Match::tool_result(true), [false, true, false]),
        (json!({"tool_result": false}), Match::tool_result(false), [true, false, true]),
        (json!({"body": {"temperature": 0}}), Match::body(json!({"temperature": 0})), [true, true, false]),
        (
            json!({"body": {"metadata": {"b": "2"}}}),
            Match::body(json!({"metadata": {"b": "2"}})),
            [true, true, false],
        ),
        (json!({"body": {"metadata": {"b": "1"}}}), Match::body(json!({"metadata": {"b": "1"}})), [false; 3]),
        (json!({"body": {"store": null}}), Match::body(json!({"store": null})), [true; 3]),
        (
            json!({"endpoint": "chat", "model": "gpt-4o", "user_message": "Oslo", "tool_result": true}),
            Match::endpoint(Endpoint::Chat)
                .and_model("gpt-4o")
                .and_user_message("Oslo")
                .and_tool_result(true),
            [false, true, false],
        ),
    ] {
        let scripts = [
            script(json!([{"match": written, "text": "fits"}])),
            Script::new().with_reply(Reply::text("fits").when(built)),
        ];
        for script in scripts {
            for (index, expected) in expected.into_iter().enumerate() {
                let mock = Mock::with(MockServer::builder().with_script(script.clone())).await;
                let answer = match index {
                    0 => mock.answer(&chat).await,
                    1 => mock.answer(&after_tool).await,
                    _ => mock.response(&response).await,
                };
                assert_eq!(answer.to_string().contains(r#""fits""#), expected, "{written} {index}");
            }
        }
    }
}

/// A tool loop needs no order: the two replies differ in the result that they match.
#[tokio::test]
async fn a_loop_of_tools_in_the_responses_api() {
    let mock = scripted(json!([
        {"match": {"tool_result": true}, "text": "Sunny.", "times": "always"},
        {"tool_calls": [{"name": "get_weather", "arguments": {"city": "Oslo"}}], "times": "always"},
    ]))
    .await;
    for _ in 0..2 {
        let first = mock.response(&input("Weather?")).await;
        let call = &first["output"][0];
        assert_eq!(call["name"], "get_weather");
        let output = json!([{"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}]);
        let second = merge(&input(""), json!({"input": output, "previous_response_id": first["id"]}));
        assert_eq!(mock.response(&second).await["output"][0]["content"][0]["text"], "Sunny.");
    }
}

#[tokio::test]
async fn without_a_fallback_other_requests_are_refused() {
    let script = json!({"fallback": false, "replies": [
        {"match": {"endpoint": "responses"}, "text": "a"},
        {"match": {"model": "o3"}, "text": "b"},
    ]});
    let mock =
        Mock::with(MockServer::builder().with_script(Script::from_json(&script.to_string()).unwrap())).await;
    let intro = "No scripted reply fits this request, and the script has no fallback.";
    let check = async |expected: &str| {
        assert_eq!(
            refused(mock.chat(&ask("hi"))).await,
            format!(r#"400 "no_scripted_reply" null "{intro} {expected}""#)
        );
    };
    check("Replies left: 2. The first one does not match: the request is for the endpoint chat.").await;
    mock.response(&input("hi")).await;
    check(r#"Replies left: 1. The first one does not match: the model is \"gpt-4o\"."#).await;
    mock.answer(&merge(&ask("hi"), json!({"model": "o3"}))).await;
    check("All replies have been used.").await;
}

#[tokio::test]
async fn faults_and_delays_belong_to_a_reply() {
    let delayed = async |fields: Value, body: Value, least: Duration| {
        let mock = scripted(json!([merge(&json!({"text": "one two"}), fields)])).await;
        let start = Instant::now();
        let whole = mock.chat(&body).send().await.unwrap().text().await.unwrap();
        assert!(whole.contains("two") && start.elapsed() >= least, "{whole}");
    };
    let stream = merge(&ask("hi"), json!({"stream": true}));
    let wait = Duration::from_millis(40);
    delayed(json!({"delay": "40ms"}), ask("hi"), wait).await;
    delayed(json!({"delay": "40ms"}), stream.clone(), wait).await;
    // The role, two words and the end.
    delayed(json!({"chunk_delay": "20ms"}), stream.clone(), wait).await;

    let mock = scripted(json!([
        {"error": {"status": 500}, "fault": "truncate=10,bytes"},
        {"text": "one two three", "fault": "error=2"},
        {"text": "one two three", "fault": "truncate=3"},
    ]))
    .await;
    assert_eq!(mock.chat(&stream).send().await.unwrap().text().await.unwrap(), r#"{"error":{"#);
    let body = mock.chat(&stream).send().await.unwrap().text().await.unwrap();
    assert!(
        body.ends_with("\n\n") && body.contains("Sorry about that!") && !body.contains("three"),
        "{body}"
    );
    // A fault of the request comes on top.
    let request = mock.chat(&stream).header("x-mock-fault", "garbage=1");
    let body = request.send().await.unwrap().text().await.unwrap();
    assert!(body.contains("{\"content\n\n") && !body.contains("three"), "{body}");
}

#[tokio::test]
async fn scripts_are_played_over_a_websocket() {
    let mock = scripted(json!([
        {"match": {"endpoint": "responses"}, "text": "Hello.", "delay": "1ms", "chunk_delay": "1ms"},
        {"error": {"status": 429, "code": "slow_down", "message": "Wait."}},
        {"text": "Hello.", "fault": "error=1"},
    ]))
    .await;
    let mut socket = Socket::of(&mock).await;
    assert_eq!(socket.response(&input("hi")).await["output"][0]["content"][0]["text"], "Hello.");
    assert!(socket.error(&input("hi")).await.contains("slow_down"));
    socket.send(&input("hi")).await;
    assert_eq!(socket.next().await.unwrap()["type"], "response.created");
    assert_eq!(socket.next().await.unwrap()["type"], "error");
    socket.close().await;
}

#[test]
fn mistakes_name_their_place() {
    let check = |text: &str, expected: &str| {
        let error = Script::from_json(text).unwrap_err().to_string();
        assert_eq!(error.split(" at line 1").next().unwrap(), expected, "{text}");
    };
    let reply =
        |reply: &str, expected: &str| check(&format!(r#"{{"replies":[{{"text":"a"}},{reply}]}}"#), expected);
    check("", "EOF while parsing a value");
    check("{} {}", "trailing characters");
    check("[]", "expected an object with the list `replies`");
    check(
        r#"{"reply":[]}"#,
        "reply: unknown field `reply`, expected one of `$schema`, `fallback`, `replies`",
    );
    check(r#"{"fallback":"no"}"#, r#"fallback: invalid type: string "no", expected a boolean"#);
    reply(
        r#"{"txt":"a"}"#,
        "replies[1].txt: unknown field `txt`, expected one of `match`, `times`, `text`, `json`, `refusal`, `tool_calls`, \
         `items`, `reasoning`, `failed`, `error`, `http`, `finish_reason`, `usage`, `headers`, `delay`, `chunk_delay`, \
         `fault`",
    );
    reply(
        r#"{"text":"a","match":{"endpoint":"embeddings"}}"#,
        "replies[1].match.endpoint: unknown variant `embeddings`, expected `chat` or `responses`",
    );
    reply(
        r#"{"text":"a","match":{"user":"x"}}"#,
        "replies[1].match.user: unknown field `user`, expected one of `endpoint`, `model`, `user_message`, `tool_result`, \
         `body`",
    );
    reply(r#"{"text":"a","times":0}"#, "replies[1].times: expected a number from 1 on, or \"always\"");
    reply(r#"{"error":{"code":"x"}}"#, "replies[1].error: missing field `status`");
    reply(
        r#"{"tool_calls":[{"name":"f","args":{}}]}"#,
        "replies[1].tool_calls[0].args: unknown field `args`, expected `name` or `arguments`",
    );
    reply(r#"{"text":"a","delay":"soon"}"#, "replies[1].delay: \"soon\": expected number at 0");
    reply(
        r#"{"times":1}"#,
        "replies[1]: nothing is to be sent; add `text`, `json`, `refusal`, `tool_calls`, `items`, `failed`, `error` or `http`",
    );
    reply(r#"{"text":"a","json":1}"#, "replies[1]: `text` and `json` do not go together");
    reply(r#"{"text":"a","error":{"status":500}}"#, "replies[1]: `error` and `text` do not go together");
    reply(
        r#"{"reasoning":"a","error":{"status":500}}"#,
        "replies[1]: `error` and `reasoning` do not go together",
    );
    reply(r#"{"error":{"status":200}}"#, "replies[1]: `error.status` is 200; expected 400 to 599");
    reply(r#"{"http":{"status":99}}"#, "replies[1]: `http.status` is 99; expected 200 to 599");
    reply(
        r#"{"text":"a","headers":{"no header":"x"}}"#,
        "replies[1]: the header `no header: x` cannot be sent",
    );
    reply(
        r#"{"text":"a","fault":"status=500"}"#,
        "replies[1]: `status=500` takes the place of a reply: write `error` instead",
    );
    reply(
        r#"{"text":"a","fault":"half-open"}"#,
        "replies[1]: `half-open` is a fault of a connection, and not of a reply",
    );
    reply(
        r#"{"text":"a","fault":"stall,times=1"}"#,
        "replies[1]: a reply's `fault` has no `times` and `probability`: it comes with each use of the reply",
    );
    let error = Script::read("/does/not/exist.json").unwrap_err().to_string();
    assert!(error.starts_with("/does/not/exist.json: "), "{error}");
}

#[test]
fn mistakes_name_their_line() {
    let error =
        Script::from_json("{\n  \"replies\": [\n    {\"txt\": \"a\"}\n  ]\n}").unwrap_err().to_string();
    assert!(error.ends_with(" at line 3 column 10"), "{error}");
}

#[test]
fn an_unknown_fault_gets_those_that_there_are() {
    let error = Script::from_json(r#"{"replies":[{"text":"a","fault":"explode"}]}"#).unwrap_err().to_string();
    assert!(
        error.starts_with(
            r#"replies[0].fault: "explode": invalid fault 'explode': expected status=N, truncate"#
        ),
        "{error}"
    );
}

/// The scripts of the documents, and the example.
fn documented() -> Vec<String> {
    let read =
        |name| std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let blocks = |text: String| -> Vec<String> {
        text.split("```json\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned()).collect()
    };
    let mut scripts = vec![read("examples/script.json")];
    ["README.md", "REFERENCE.md"].into_iter().for_each(|document| scripts.extend(blocks(read(document))));
    assert_eq!(scripts.len(), 3);
    scripts
}

#[test]
fn the_scripts_of_the_documents_are_valid() {
    for text in documented() {
        Script::from_json(&text).unwrap();
    }
}

#[cfg(feature = "cli")]
#[test]
fn the_schema_is_that_of_the_parser() {
    let schema = Script::json_schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for text in documented() {
        let script = serde_json::from_str(&text).unwrap();
        assert!(validator.is_valid(&script), "{:?}", validator.validate(&script));
    }
    let check = |reply: Value, expected: bool| {
        assert_eq!(validator.is_valid(&json!({"replies": [reply]})), expected, "{reply}");
    };
    check(json!({"text": "a", "times": 2}), true);
    check(json!({"items": [{"type": "web_search_call", "action": {}}]}), true);
    for wrong in [
        json!({"txt": "a"}),
        json!({"times": 0}),
        json!({"times": "never"}),
        json!({"match": {"endpoint": "embeddings"}}),
        json!({"error": {"code": "x"}}),
        json!({"tool_calls": [{"name": "f", "args": {}}]}),
        json!({"usage": {"tokens": 1}}),
        json!({"delay": 5}),
    ] {
        check(wrong, false);
    }
    // Every field has its description.
    let entry = &schema["$defs"]["Entry"]["properties"];
    assert!(entry.as_object().unwrap().values().all(|field| field["description"].is_string()), "{entry}");
}
