//! Tools and their runs over both APIs, whole and streamed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{
    CompletionRequest, ContentPart, Json, Message, Role, Tool, ToolCall, ToolChoice, ToolDefinition,
    ToolParameters, ToolRun, ToolRunError, ToolRunErrorKind, ToolRunEvent, ToolRunner,
};
use tachikoma_openai_mock::{MockServer, Reply};

use crate::server;
use crate::structured::as_openai;

/// A run over one API, whole or streamed.
struct Setup {
    mock: MockServer,
    backend: Arc<CodexBackend>,
    api: Api,
    streamed: bool,
}

impl Setup {
    async fn all() -> Vec<Self> {
        let mut setups = Vec::new();
        for api in [Api::ChatCompletions, Api::Responses] {
            for streamed in [false, true] {
                let mock = MockServer::start().await.unwrap();
                setups.push(Self { backend: Arc::new(as_openai(&mock, api)), mock, api, streamed });
            }
        }
        setups
    }

    fn replies(&self, replies: impl IntoIterator<Item = Reply>) {
        replies.into_iter().for_each(|reply| self.mock.push_reply(reply));
    }

    async fn run(&self, runner: &ToolRunner, request: CompletionRequest) -> Result<ToolRun, ToolRunError> {
        if self.streamed {
            runner.run_stream(&self.backend, request, |_| {}).await
        } else {
            runner.run(&self.backend, request).await
        }
    }

    /// The bodies that were sent.
    fn bodies(&self) -> Vec<Value> {
        self.mock.requests().into_iter().map(|request| request.body.unwrap()).collect()
    }

    fn name(&self) -> String {
        format!("{:?}, streamed: {}", self.api, self.streamed)
    }
}

fn request() -> CompletionRequest {
    CompletionRequest::new(vec![Message::user("Go")])
}

#[derive(Deserialize, JsonSchema, Serialize)]
struct Search {
    text: String,
    #[serde(default)]
    limit: u8,
    filter: Option<Filter>,
}

#[derive(Deserialize, JsonSchema, Serialize)]
#[serde(tag = "by")]
enum Filter {
    Size(Size),
    Name { area: String },
}

#[derive(Deserialize, JsonSchema, Serialize)]
struct Size {
    #[serde(default)]
    least: u8,
    most: u8,
}

#[tokio::test]
async fn a_strict_tool_is_accepted_and_its_nulls_are_read() {
    for setup in Setup::all().await {
        setup.replies([
            Reply::tool_calls([
                ("search", json!({"text": "a", "limit": null, "filter": null})),
                (
                    "search",
                    json!({"text": "b", "limit": 2, "filter": {"by": "Size", "least": null, "most": 3}}),
                ),
                ("search", json!({"text": "c", "limit": 2, "filter": {"by": "Name", "area": "x"}})),
            ]),
            Reply::text("done"),
        ]);
        // The mock rejects the schemas that OpenAI rejects.
        let search = ToolDefinition::from_type::<Search>("search", "Searches").into_strict().unwrap();
        let runner = ToolRunner::new().with_tool(search, |search: Search| Json(search));
        let run = setup.run(&runner, request()).await.unwrap();
        let results = run.messages.iter().filter(|message| message.role == Role::Tool);
        let results: Vec<String> = results.map(|message| message.content.to_text()).collect();
        let expected = [
            r#"{"text":"a","limit":0,"filter":null}"#,
            r#"{"text":"b","limit":2,"filter":{"by":"Size","least":0,"most":3}}"#,
            r#"{"text":"c","limit":2,"filter":{"by":"Name","area":"x"}}"#,
        ];
        assert_eq!(results, expected, "{}", setup.name());
    }
}

#[tokio::test]
async fn a_tool_without_parameters_has_properties_and_takes_null() {
    let bare = ToolParameters::try_from(json!({"type": "object"})).unwrap();
    let parameters = [ToolParameters::new(), ToolDefinition::from_type::<()>("now", "").parameters, bare];
    for parameters in parameters {
        for arguments in ["null", "", "{}"] {
            for setup in Setup::all().await {
                setup.replies([Reply::tool_call("now", arguments), Reply::text("done")]);
                let now = ToolDefinition::new("now", "The time", parameters.clone());
                let run = setup.run(&ToolRunner::new().with_tool(now, |()| "noon"), request()).await.unwrap();
                assert_eq!(run.messages[2].content.as_text(), Some("noon"), "{}", setup.name());
                let tool = &setup.bodies()[0]["tools"][0];
                let sent = tool.get("function").unwrap_or(tool);
                assert_eq!(sent["parameters"]["properties"], json!({}), "{}", setup.name());
            }
        }
    }
}

#[tokio::test]
async fn a_cut_response_runs_nothing() {
    for setup in Setup::all().await {
        let calls = [("look", "{}"), ("look", "{\"path\": \"a")];
        setup.replies([Reply::tool_calls(calls).with_finish_reason("length")]);
        let ran = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&ran);
        let runner =
            ToolRunner::new().with_tool(look(), move |_: Value| count.fetch_add(1, Ordering::SeqCst));
        let error = setup.run(&runner, request()).await.unwrap_err();
        assert!(matches!(error.kind(), ToolRunErrorKind::Incomplete { .. }), "{}: {error}", setup.name());
        assert_eq!((ran.load(Ordering::SeqCst), error.messages()), (0, request().messages.as_slice()));
        let partial = error.partial().unwrap();
        assert_eq!(partial.tool_calls.len() + partial.incomplete_tool_calls.len(), 2, "{partial:?}");
        assert!(error.usage().is_some_and(|usage| usage.total_tokens > 0), "{}", setup.name());
    }
}

fn look() -> ToolDefinition {
    ToolDefinition::builder("look").build().unwrap()
}

#[tokio::test]
async fn many_calls_run_a_few_at_a_time() {
    for setup in Setup::all().await {
        setup.replies([Reply::tool_calls((0..128).map(|_| ("look", "{}"))), Reply::text("done")]);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counters = (Arc::clone(&running), Arc::clone(&most));
        let runner = ToolRunner::new().with_tool(look(), move |_: Value| {
            let (running, most) = counters.clone();
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                running.fetch_sub(1, Ordering::SeqCst);
            }
        });
        let run = setup.run(&runner, request()).await.unwrap();
        assert_eq!((run.messages.len(), most.load(Ordering::SeqCst)), (131, 8), "{}", setup.name());
    }
}

#[tokio::test]
async fn an_exclusive_write_ends_before_the_next_call() {
    for setup in Setup::all().await {
        setup.replies([Reply::tool_calls([("write", "{}"), ("run", "{}")]), Reply::text("done")]);
        let file = Arc::new(Mutex::new(None));
        let written = Arc::clone(&file);
        let write = ToolDefinition::builder("write").build().unwrap();
        let run = ToolDefinition::builder("run").build().unwrap();
        let runner = ToolRunner::new()
            .with(
                Tool::new(write, move |()| {
                    let written = Arc::clone(&written);
                    async move {
                        tokio::task::yield_now().await;
                        *written.lock().unwrap() = Some("there");
                    }
                })
                .exclusive(),
            )
            .with_tool(run, move |()| *file.lock().unwrap());
        let run = setup.run(&runner, request()).await.unwrap();
        assert_eq!(run.messages[3].content.as_text(), Some("there"), "{}", setup.name());
    }
}

#[tokio::test]
async fn a_forced_choice_is_sent_once() {
    for choice in [ToolChoice::Required, ToolChoice::tool("look")] {
        for setup in Setup::all().await {
            setup.replies([Reply::tool_call("look", "{}"), Reply::text("done")]);
            let runner = ToolRunner::new().with_tool(look(), |_: Value| "seen");
            setup.run(&runner, request().with_tool_choice(choice.clone())).await.unwrap();
            let sent: Vec<bool> =
                setup.bodies().iter().map(|body| body.get("tool_choice").is_some()).collect();
            assert_eq!(sent, [true, false], "{}", setup.name());
        }
    }
}

/// A whole response, as JSON or as the event that ends a stream.
fn response(id: &str, output: &Value, streamed: bool) -> Vec<u8> {
    let response =
        json!({"id": id, "object": "response", "status": "completed", "model": "m", "output": [output]});
    if streamed {
        let event = json!({"type": "response.completed", "response": response});
        server::http(200, "text/event-stream", format!("data: {event}\n\n").as_bytes())
    } else {
        server::http(200, "application/json", response.to_string().as_bytes())
    }
}

#[tokio::test]
async fn only_new_messages_go_to_a_server_that_stores_the_conversation() {
    let call =
        json!({"type": "function_call", "id": "fc", "call_id": "c", "name": "look", "arguments": "{}"});
    let text =
        json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "done"}]});
    for (field, ids) in [
        ("previous_response_id", ["resp_0", "resp_1", "resp_2"]),
        ("conversation", ["conv_1", "conv_1", "conv_1"]),
    ] {
        for streamed in [false, true] {
            let responses = [("resp_1", &call), ("resp_2", &call), ("resp_3", &text)];
            let responses = responses.map(|(id, output)| response(id, output, streamed));
            let bodies = Arc::new(Mutex::new(Vec::new()));
            let url =
                server::start_recording(Arc::new(Mutex::new(responses.into())), Arc::clone(&bodies)).await;
            let config = CodexBackendConfig::new("sk-test").with_base_url(url).with_api(Api::Responses);
            let backend = CodexBackend::new(config).unwrap();
            let runner = ToolRunner::new().with_tool(look(), |_: Value| "seen");
            let request = request().with_extra(field, ids[0]);
            let run = if streamed {
                runner.run_stream(&backend, request, |_| {}).await
            } else {
                runner.run(&backend, request).await
            };
            assert_eq!(run.unwrap().messages.len(), 6);
            let bodies: Vec<Value> =
                bodies.lock().unwrap().iter().map(|body| serde_json::from_slice(body).unwrap()).collect();
            for (body, id) in bodies.iter().zip(ids) {
                assert_eq!(
                    (&body[field], body["input"].as_array().unwrap().len()),
                    (&json!(id), 1),
                    "{body}"
                );
            }
            assert_eq!(bodies[2]["input"][0]["type"], json!("function_call_output"));
        }
    }
}

#[tokio::test]
async fn arguments_that_are_not_an_object_are_sent_back_as_one() {
    for setup in Setup::all().await {
        setup.replies([
            Reply::tool_calls([("look", "{\"path\": "), ("look", "[1]"), ("look", "{\"a\": 1}")]),
            Reply::text("done"),
        ]);
        let runner = ToolRunner::new().with_tool(look(), |_: Value| "seen");
        setup.run(&runner, request()).await.unwrap();
        let body = setup.bodies().remove(1);
        let calls: Vec<&str> = match setup.api {
            Api::Responses => {
                let items = body["input"].as_array().unwrap().iter();
                items.filter_map(|item| item["arguments"].as_str()).collect()
            }
            _ => {
                let calls = body["messages"][1]["tool_calls"].as_array().unwrap().iter();
                calls.map(|call| call["function"]["arguments"].as_str().unwrap()).collect()
            }
        };
        assert_eq!(calls.len(), 3, "{}", setup.name());
        assert_eq!(calls[2], "{\"a\": 1}");
        for arguments in calls {
            assert!(serde_json::from_str::<Value>(arguments).unwrap().is_object(), "{arguments}");
        }
    }
}

#[tokio::test]
async fn images_are_results() {
    for setup in Setup::all().await {
        setup.replies([Reply::tool_call("look", "{}"), Reply::text("done")]);
        let runner = ToolRunner::new().with_tool(look(), |_: Value| {
            vec![ContentPart::text("A dot"), ContentPart::image_base64("image/png", "AAAA")]
        });
        setup.run(&runner, request()).await.unwrap();
        assert!(setup.bodies()[1].to_string().contains("data:image/png;base64,AAAA"), "{}", setup.name());
    }
}

#[tokio::test]
async fn a_broken_stream_keeps_the_partial_response() {
    for api in [Api::ChatCompletions, Api::Responses] {
        let mock =
            MockServer::builder().with_fault("truncate=6,reset".parse().unwrap()).start().await.unwrap();
        mock.push_reply(Reply::text("One two three four five six seven eight nine ten"));
        let mut seen = String::new();
        let error = ToolRunner::new()
            .run_stream(&as_openai(&mock, api), request(), |event| {
                if let ToolRunEvent::Chunk(chunk) = event {
                    seen.push_str(&chunk.delta);
                }
            })
            .await
            .unwrap_err();
        assert!(matches!(error.kind(), ToolRunErrorKind::Backend(_)), "{error}");
        let partial = error.partial().and_then(|partial| partial.content.as_deref());
        assert!(!seen.is_empty() && partial == Some(seen.as_str()), "{api:?}: {partial:?}, {seen:?}");
        assert_eq!(error.messages(), request().messages);
    }
}

#[tokio::test]
async fn a_cancelled_run_can_be_continued() {
    for api in [Api::ChatCompletions, Api::Responses] {
        let mock = MockServer::start().await.unwrap();
        mock.push_reply(Reply::tool_calls([("look", "{}"), ("hang", "{}")]));
        let hang = ToolDefinition::builder("hang").build().unwrap();
        let runner = ToolRunner::new()
            .with_tool(look(), |_: Value| "seen")
            .with(Tool::untyped(hang, async |_: ToolCall| std::future::pending::<String>().await));
        let (seen, result) = futures::channel::oneshot::channel();
        let mut seen = Some(seen);
        let on_event = |event: ToolRunEvent<'_>| {
            if let ToolRunEvent::Result(_) = event {
                seen.take().map(|seen| seen.send(()));
            }
        };
        let cancel = async { result.await.unwrap() };
        let backend = as_openai(&mock, api);
        let error = runner.run_until(&backend, request(), on_event, cancel).await.unwrap_err();
        assert_eq!(*error.kind(), ToolRunErrorKind::Cancelled);
        let messages = error.into_messages();
        let results: Vec<String> = messages[2..].iter().map(|message| message.content.to_text()).collect();
        assert_eq!(results, ["seen", "Error: cancelled by the user while it ran"]);
        mock.push_reply(Reply::text("done"));
        let run = runner.run(&backend, CompletionRequest::new(messages)).await.unwrap();
        assert_eq!(run.response.content.as_deref(), Some("done"));
    }
}

#[tokio::test]
async fn the_cost_of_a_run_is_limited() {
    for setup in Setup::all().await {
        setup.replies([Reply::tool_call("look", "{}"), Reply::text("not requested")]);
        let price = Arc::clone(&setup.backend);
        let runner = ToolRunner::new()
            .with_tool(look(), |_: Value| "seen")
            .with_time_budget(Duration::from_secs(600))
            .with_cost_budget(0.000_000_1, move |response| price.cost(response).ok().map(|cost| cost.usd));
        let error = setup.run(&runner, request()).await.unwrap_err();
        assert!(matches!(error.kind(), ToolRunErrorKind::CostBudget { spent_usd: Some(_), .. }), "{error}");
        assert_eq!((setup.bodies().len(), error.messages().len()), (1, 3), "{}", setup.name());
    }
}
