//! Responses as Rust types, over both APIs, whole and streamed.

use std::collections::BTreeMap;
use std::fmt::Debug;

use futures::StreamExt;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{
    BackendExt, CompletionRequest, ErrorCategory, Message, Structured, StructuredError, ToolDefinition,
};
use tachikoma_openai_mock::{MockServer, Reply};

/// A city and who lives there
#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
struct City {
    name: String,
    people: Vec<Person>,
    #[serde(default)]
    rank: u8,
}

#[derive(Debug, Default, Deserialize, JsonSchema, PartialEq)]
struct Person {
    age: Option<u8>,
    first_name: Option<String>,
    last_name: Option<String>,
    profession: Option<String>,
}

fn request() -> CompletionRequest {
    CompletionRequest::new(vec![Message::user("The capital of Norway?")])
}

/// A backend whose client resolves OpenAI's host to the mock, since other servers get the format in a second field as well.
pub(crate) fn as_openai(mock: &MockServer, api: Api) -> CodexBackend {
    let port = mock.base_url().trim_start_matches("http://127.0.0.1:");
    let client = reqwest::Client::builder().no_proxy().resolve("api.openai.com", ([127, 0, 0, 1], 0).into());
    let config = CodexBackendConfig::new("sk-test")
        .with_base_url(format!("http://api.openai.com:{port}"))
        .with_model("gpt-4o")
        .with_http_client(client.build().unwrap())
        .with_api(api);
    CodexBackend::new(config).unwrap()
}

/// Requests the same reply over both APIs, whole and streamed, and checks that all agree.
async fn send<T: DeserializeOwned + JsonSchema + Debug + Send>(
    reply: impl Fn() -> Option<Reply>,
    request: CompletionRequest,
) -> Result<Structured<T>, String> {
    let mut outcomes = Vec::new();
    for api in [Api::ChatCompletions, Api::Responses] {
        for streamed in [false, true] {
            let mock = MockServer::start().await.unwrap();
            reply().into_iter().for_each(|reply| mock.push_reply(reply));
            let backend = as_openai(&mock, api);
            let outcome = if streamed {
                match backend.complete_stream_as::<T>(request.clone()).await {
                    Ok(mut stream) => {
                        let first = stream.next().await;
                        assert!(first.is_some_and(|chunk| chunk.is_ok()));
                        stream.finish().await
                    }
                    Err(error) => Err(error),
                }
            } else {
                backend.complete_as::<T>(request.clone()).await
            };
            let sent = mock.requests().remove(0).body.unwrap();
            let format =
                if api == Api::Responses { &sent["text"]["format"] } else { &sent["response_format"] };
            assert_eq!(format["type"], json!("json_schema"), "{sent}");
            let raw = |error: &StructuredError| {
                let response = error.response().unwrap_or_else(|| panic!("{error}"));
                format!("{error} | {:?} {:?}", response.content, response.refusal)
            };
            outcomes.push(outcome.map_err(|error| raw(&error)));
        }
    }
    let value = |outcome: &Result<Structured<T>, String>| match outcome {
        Ok(structured) => Ok(format!("{:?}", structured.value)),
        Err(error) => Err(error.clone()),
    };
    assert!(outcomes.iter().all(|outcome| value(outcome) == value(&outcomes[0])), "{outcomes:#?}");
    outcomes.remove(0)
}

#[tokio::test]
async fn a_response_is_a_value_or_an_error_with_the_reason() {
    let check = async |reply: Reply, expected: Result<City, &str>| {
        let found = send::<City>(|| Some(reply.clone()), request()).await;
        assert_eq!(
            found.as_ref().map(|found| &found.value).map_err(String::as_str),
            expected.as_ref().map_err(|e| *e)
        );
    };
    let city = |people: Vec<Person>, rank| City { name: "Oslo".into(), people, rank };
    let text = |text: &str| Reply::text(text);
    check(
        text(r#"{"name": "Oslo", "people": [{"age": 7}], "rank": 1}"#),
        Ok(city(vec![Person { age: Some(7), ..Person::default() }], 1)),
    )
    .await;
    // The strict schema has null where the type has a default.
    check(
        text(r#"{"name": "Oslo", "people": [{"age": null}], "rank": null}"#),
        Ok(city(vec![Person::default()], 0)),
    )
    .await;
    check(
        text("Here it is:\n```json\n{\"name\": \"Oslo\", \"people\": [], \"rank\": 1}\n```"),
        Ok(city(vec![], 1)),
    )
    .await;
    check(
        Reply::refusal("Not that."),
        Err(r#"the model declined to answer: Not that. | None Some("Not that.")"#),
    )
    .await;
    check(
        text(r#"{"name": "Oslo", "people": [{"age": "old"}]}"#),
        Err(r#"the response does not fit the type at people[0].age: invalid type: string "old", expected u8 at line 1 column 41, near "...slo\", \"people\": [{\"age\": \"old\"}]}" | Some("{\"name\": \"Oslo\", \"people\": [{\"age\": \"old\"}]}") None"#),
    )
    .await;
    check(
        text("Oslo"),
        Err(r#"the response does not fit the type: expected value at line 1 column 1, near "Oslo" | Some("Oslo") None"#),
    )
    .await;
    check(
        text(r#"{"name": "Oslo", "people": []} {}"#),
        Err(r#"the response does not fit the type: trailing characters at line 1 column 32, near "...name\": \"Oslo\", \"people\": []} {}" | Some("{\"name\": \"Oslo\", \"people\": []} {}") None"#),
    )
    .await;
}

#[tokio::test]
async fn cut_responses_and_tool_calls_have_their_own_errors() {
    let error = send::<City>(|| None, request().with_max_tokens(16)).await.unwrap_err();
    assert!(
        error.starts_with(
            "the response was cut by the limit on tokens; raise max_tokens or ask for less | Some(\"{"
        ),
        "{error}"
    );
    let tool = ToolDefinition::builder("look").build().unwrap();
    let call = || Some(Reply::tool_call("look", json!({})));
    let error = send::<City>(call, request().with_tools([tool])).await.unwrap_err();
    assert_eq!(error, "the model called look before it answered; run the tools and ask again | None None");
}

/// Enums of all taggings, whose branches begin with the same property if keys are sorted.
#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
struct Plan {
    steps: Vec<Step>,
    #[serde(flatten)]
    mode: Mode,
    pick: Pick,
    layout: Option<Vec<Layout>>,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(tag = "kind")]
enum Step {
    Read(File),
    Write {
        body: String,
        #[serde(default)]
        append: bool,
    },
    Nested(Pick),
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
struct File {
    area: String,
    #[serde(default)]
    lines: u16,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
struct Mode {
    #[serde(default)]
    dry: bool,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(tag = "type", content = "args")]
enum Pick {
    One(File),
    All,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(untagged)]
enum Layout {
    Named { area: String, name: String },
    Sized { area: String, size: u8 },
}

#[tokio::test]
async fn enums_of_all_taggings_are_requested_and_parsed() {
    // The mock rejects the schemas that OpenAI rejects, and generates a value that fits the schema.
    send::<Plan>(|| None, request()).await.unwrap();
    let written = json!({
        "steps": [
            {"kind": "Read", "area": "a", "lines": null},
            {"kind": "Write", "body": "b", "append": null},
            {"kind": "Nested", "type": "One", "args": {"area": "c", "lines": 3}},
            {"kind": "Nested", "type": "All"},
        ],
        "dry": null,
        "pick": {"type": "All"},
        "layout": [{"name": "n", "area": "d"}, {"area": "e", "size": 2}],
    });
    let plan = send::<Plan>(|| Some(Reply::json(written.clone())), request()).await.unwrap().value;
    let file = |area: &str, lines| File { area: area.into(), lines };
    let expected = Plan {
        steps: vec![
            Step::Read(file("a", 0)),
            Step::Write { body: "b".into(), append: false },
            Step::Nested(Pick::One(file("c", 3))),
            Step::Nested(Pick::All),
        ],
        mode: Mode { dry: false },
        pick: Pick::All,
        layout: Some(vec![
            Layout::Named { area: "d".into(), name: "n".into() },
            Layout::Sized { area: "e".into(), size: 2 },
        ]),
    };
    assert_eq!(plan, expected);
}

#[tokio::test]
async fn text_before_a_call_is_not_a_value() {
    let reply = || Some(Reply::text("Let me look.").and_tool_call("look", json!({})));
    let tool = ToolDefinition::builder("look").build().unwrap();
    let error = send::<City>(reply, request().with_tools([tool])).await.unwrap_err();
    let expected =
        "the model called look before it answered; run the tools and ask again | Some(\"Let me look.\") None";
    assert_eq!(error, expected);
}

#[tokio::test]
async fn a_type_without_a_strict_schema_is_rejected_before_sending() {
    let mock = MockServer::start().await.unwrap();
    let backend =
        CodexBackend::new(CodexBackendConfig::new("sk-test").with_base_url(mock.base_url())).unwrap();
    #[derive(Debug, Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Holds<T> {
        it: T,
    }
    #[derive(Debug, Deserialize, JsonSchema)]
    struct Empty {}
    let check = async |error: StructuredError, expected: &str| {
        let StructuredError::Backend(error) = error else { panic!("{error}") };
        assert_eq!(error.category(), ErrorCategory::InvalidRequest);
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(mock.requests().len(), 0);
    };
    let error = backend.complete_as::<Vec<City>>(request()).await.unwrap_err();
    check(error, "its root is not an object; wrap it in a struct").await;
    let error = backend.complete_as::<Holds<BTreeMap<String, u8>>>(request()).await.unwrap_err();
    check(error, "/properties/it is a map").await;
    let error = backend.complete_as::<Holds<Value>>(request()).await.unwrap_err();
    check(error, "/properties/it accepts any value").await;
    let error = backend.complete_as::<Holds<Empty>>(request()).await.unwrap_err();
    check(error, "/$defs/Empty has no properties").await;
    let error = backend.complete_stream_as::<Empty>(request()).await.unwrap_err();
    check(error, "its root has no properties").await;
}
