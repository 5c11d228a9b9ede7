//! The checks, one at a time and over the whole table of models.

use serde_json::json;
use tachikoma_backends_core::{
    ContentPart, Message, PromptCache, PromptCacheMode, ReasoningEffort, ToolCall, ToolDefinition,
    ToolParameters,
};

use super::*;
use crate::models::Support;

mod model;

fn request() -> CompletionRequest {
    CompletionRequest::new(vec![Message::user("Hi")])
}

fn target(model: &str, api: WireApi, stream: bool) -> Target {
    Target { stream, ..Target::for_model(model, api) }
}

fn of(messages: impl Into<Vec<Message>>) -> CompletionRequest {
    CompletionRequest::new(messages.into())
}

fn tool(name: &str) -> ToolDefinition {
    ToolDefinition::new(name, "The time", ToolParameters::new())
}

fn calls() -> Message {
    Message::assistant_with_tool_calls("", vec![ToolCall::new("call_1", "now", "{}")])
}

fn image(media_type: &str, data: &str) -> Message {
    Message::user(vec![ContentPart::image_base64(media_type, data)])
}

fn schema(name: &str, schema: serde_json::Value) -> ResponseFormat {
    ResponseFormat::JsonSchema { name: name.to_owned(), description: None, schema, strict: None }
}

fn messages(request: &CompletionRequest, model: &str, api: WireApi, basis: Basis) -> Vec<String> {
    let findings = validate(request, &target(model, api, false));
    assert!(findings.iter().all(|finding| finding.basis == basis), "{findings:#?}");
    findings.into_iter().map(|finding| finding.message).collect()
}

/// Wrong whichever the model.
#[track_caller]
fn check(basis: Basis, request: CompletionRequest, expected: &[&str]) {
    for model in ["gpt-5.6-terra", "my-deployment"] {
        assert_eq!(messages(&request, model, WireApi::Responses, basis), expected);
    }
}

/// Wrong on every server.
#[track_caller]
fn check_everywhere(request: CompletionRequest, expected: &[&str]) {
    check(Basis::Request, request, expected);
}

/// Wrong by the rules of OpenAI's API.
#[track_caller]
fn check_openai(request: CompletionRequest, expected: &[&str]) {
    check(Basis::OpenAI, request, expected);
}

#[test]
fn conversations() {
    check_everywhere(request(), &[]);
    check_openai(of([]), &["the conversation is empty: add a message, for example `Message::user(\"...\")`"]);
    check_openai(of([]).with_extra("previous_response_id", "resp_1"), &[]);
    check_everywhere(of([calls(), Message::tool_result("call_1", "noon")]), &[]);
    let orphan = "messages[0] is the result of the tool call \"call_1\", which no earlier message contains: \
                  put the assistant's turn with that call before it";
    check_openai(of([Message::tool_result("call_1", "noon")]), &[orphan]);
    check_openai(of([Message::tool_result("call_1", "noon"), calls()]), &[orphan]);
    check_openai(of([Message::tool_result("call_1", "noon")]).with_extra("conversation", "conv_1"), &[]);
    let no_id = "messages[1] is a tool result without the id of its call: make it with `Message::tool_result(id, ...)`";
    check_everywhere(of([calls(), Message::new(Role::Tool, "noon")]), &[no_id]);
    check_everywhere(of([calls(), Message::tool_result("", "noon")]), &[no_id]);
    check_everywhere(of([image("image/svg+xml", "AAAA")]), &[]);
    for wrong in ["", "png", "image/", "image/png;base64", "text/plain"] {
        let expected =
            format!("messages[0] has an image of media type {wrong:?}: use one such as \"image/png\"");
        check_everywhere(of([image(wrong, "AAAA")]), &[&expected]);
    }
    check_everywhere(
        of([image("image/png", "")]),
        &["messages[0] has an image without data: give its bytes in base64"],
    );
    check_everywhere(
        of([image("image/png", "data:image/png;base64,AAAA")]),
        &["messages[0] has an image whose base64 data begins with \"data:\": give the data alone, \
           or the whole as the image's URL"],
    );
}

#[test]
fn tools() {
    check_openai(
        request().with_tools([tool("get time")]),
        &["tool \"get time\": the name holds ' '; use letters, digits, '_' and '-'"],
    );
    check_openai(
        request().with_tools([tool("now"), tool("now")]),
        &["two tools have the name \"now\": give each a name of its own"],
    );
    check_openai(request().with_tools([tool("now")]).with_tool_choice(ToolChoice::tool("now")), &[]);
    check_openai(
        request().with_tools([tool("now"), tool("then")]).with_tool_choice(ToolChoice::tool("when")),
        &[
            "tool_choice is the tool \"when\", which is not offered (now, then is): add it to `tools`, or choose another",
        ],
    );
    check_openai(
        request().with_tool_choice(ToolChoice::tool("now")),
        &[
            "tool_choice is the tool \"now\", which is not offered (none is): add it to `tools`, or choose another",
        ],
    );
    check_openai(
        request().with_tool_choice(ToolChoice::Required),
        &["tool_choice is `required`, but no tool is offered: add one to `tools`"],
    );
    check_openai(request().with_tool_choice(ToolChoice::None), &[]);
    let built_in = json!([{"type": "web_search"}]);
    check_openai(request().with_tool_choice(ToolChoice::Required).with_extra("tools", built_in), &[]);
}

#[test]
fn values() {
    check_openai(request().with_temperature(2.0).with_top_p(0.0).with_presence_penalty(-2.0), &[]);
    check_openai(
        request()
            .with_temperature(2.1)
            .with_top_p(-0.1)
            .with_frequency_penalty(3.0)
            .with_presence_penalty(f64::NAN),
        &[
            "temperature is 2.1: use a value from 0 to 2",
            "top_p is -0.1: use a value from 0 to 1",
            "frequency_penalty is 3: use a value from -2 to 2",
            "presence_penalty is NaN: use a value from -2 to 2",
        ],
    );
    check_openai(
        request().with_max_tokens(0),
        &["max_tokens is 0: leave it out for the server's own limit, or use 1 at least"],
    );
    for (name, fits) in
        [("a-B_1", true), (&"a".repeat(64), true), ("", false), ("a b", false), (&"a".repeat(65), false)]
    {
        let expected =
            format!("the name of the response format is {name:?}: use 1 to 64 letters, digits, '_' and '-'");
        let expected: &[&str] = if fits { &[] } else { &[&expected] };
        check_openai(request().with_response_format(schema(name, json!({}))), expected);
    }
    check_everywhere(
        request().with_response_format(schema("a", json!([]))),
        &["the schema of the response format \"a\" is not a JSON object: give a JSON Schema"],
    );
    let expected =
        ["logit_bias of token 7 is 101: use a value from -100 to 100", "a stop text is empty: leave it out"];
    let model = "my-deployment";
    let request = request().with_logit_bias([("7", 101), ("8", -100)]).with_stop(["a", ""]);
    assert_eq!(messages(&request, model, WireApi::ChatCompletions, Basis::OpenAI), expected);
}

#[test]
fn limits_of_openai_hold_for_every_model() {
    #[track_caller]
    fn check(request: CompletionRequest, expected: &[&str]) {
        assert_eq!(messages(&request, "my-deployment", WireApi::ChatCompletions, Basis::OpenAI), expected);
    }
    check(request().with_stop(["a", "b", "c", "d"]), &[]);
    check(
        request().with_stop(["a", "b", "c", "d", "e"]),
        &["5 stop texts: OpenAI takes 4 at most, keep the likeliest"],
    );
    let pairs = |n| (0..n).map(|i| (i.to_string(), "v"));
    check(request().with_metadata(pairs(16)), &[]);
    check(
        request().with_metadata(pairs(17)),
        &["17 pairs of metadata: OpenAI takes 16 at most, leave some out"],
    );
    check(request().with_metadata([("é".repeat(64), "é".repeat(512))]), &[]);
    let long = "k".repeat(65);
    check(
        request().with_metadata([(long.as_str(), "v".repeat(513))]),
        &[
            &format!("the metadata key {long:?} is too long: OpenAI takes 64 characters, shorten it"),
            &format!("the metadata of {long:?} is too long: OpenAI takes 512 characters, shorten it"),
        ],
    );
}
