//! Runs against a model that follows a script.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Mutex;

use futures::stream;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::{BackendInfo, CompletionStream, Role, async_trait};

/// A model that answers as it is told and keeps what it was asked.
#[derive(Debug, Default)]
struct Model {
    info: BackendInfo,
    answers: Mutex<VecDeque<Result<CompletionResponse, BackendError>>>,
    asked: Mutex<Vec<CompletionRequest>>,
}

#[async_trait]
impl Backend for Model {
    fn info(&self) -> &BackendInfo {
        &self.info
    }
    async fn complete(&self, request: CompletionRequest) -> Result<CompletionResponse, BackendError> {
        self.asked.lock().unwrap().push(request);
        self.answers.lock().unwrap().pop_front().unwrap()
    }
    async fn complete_stream(&self, request: CompletionRequest) -> Result<CompletionStream, BackendError> {
        Ok(stream::iter(self.complete(request).await?.into_chunks().map(Ok)).boxed())
    }
    async fn health_check(&self) -> Result<bool, BackendError> {
        Ok(true)
    }
}

fn model(answers: impl IntoIterator<Item = Result<CompletionResponse, BackendError>>) -> Model {
    Model { answers: Mutex::new(answers.into_iter().collect()), ..Model::default() }
}

fn usage(tokens: u32) -> Option<Usage> {
    Some(Usage { prompt_tokens: tokens, total_tokens: tokens, cached_tokens: Some(1), ..Usage::default() })
}

fn says(text: &str) -> Result<CompletionResponse, BackendError> {
    Ok(CompletionResponse { content: Some(text.into()), usage: usage(5), ..Default::default() })
}

/// Calls, as name and arguments, with ids from `call_0` on.
fn calls(calls: &[(&str, &str)]) -> Result<CompletionResponse, BackendError> {
    let calls = calls.iter().enumerate();
    let tool_calls =
        calls.map(|(at, (name, arguments))| ToolCall::new(format!("call_{at}"), *name, *arguments));
    Ok(CompletionResponse { tool_calls: tool_calls.collect(), usage: usage(7), ..Default::default() })
}

#[derive(Deserialize, JsonSchema)]
struct Number {
    n: i32,
}

fn tool(name: &str) -> ToolDefinition {
    ToolDefinition::from_type::<Number>(name, "For tests")
}

fn runner() -> ToolRunner {
    ToolRunner::new()
        .with_tool(tool("double"), async |Number { n }| Ok::<_, Infallible>(json!({ "is": n * 2 })))
        .with_tool(tool("say"), async |Number { n }| Ok::<_, Infallible>(format!("it is {n}")))
        .with_tool(tool("fail"), async |Number { n }| Err::<(), _>(format!("{n} is too much")))
        .with_tool(tool("panic"), async |Number { n }| -> Result<(), Infallible> { panic!("{n}!") })
        .with_tool(tool("panic_at_once"), |_: Number| -> std::future::Ready<Result<(), Infallible>> {
            panic!("at once")
        })
        .with_tool(tool("hang"), async |_: Number| std::future::pending::<Result<(), Infallible>>().await)
        .with_tool(tool("unwritable"), async |_: Number| {
            Ok::<_, Infallible>(std::collections::HashMap::from([(vec![1u8], 1)]))
        })
        .with_timeout(Duration::from_secs(3))
}

fn ask() -> CompletionRequest {
    CompletionRequest::new(vec![Message::user("Go")])
}

#[tokio::test(start_paused = true)]
async fn whatever_comes_of_a_call_is_told_to_the_model_in_order() {
    let one = r#"{"n": 1}"#;
    let table = [
        ("hang", one, "Error: the tool did not finish within 3s"),
        ("double", r#"{"n": 21}"#, r#"{"is":42}"#),
        ("say", one, "it is 1"),
        ("fail", one, "Error: 1 is too much"),
        ("panic", one, "Error: the tool failed unexpectedly: 1!"),
        ("panic_at_once", one, "Error: the tool failed unexpectedly: at once"),
        ("unwritable", one, "Error: the tool's result is no JSON: key must be a string"),
        (
            "fly",
            one,
            "Error: there is no tool \"fly\"; there are: double, fail, hang, panic, panic_at_once, say, unwritable",
        ),
        (
            "say",
            "{\"n\": ",
            "Error: the arguments of say are wrong: EOF while parsing a value at line 1 column 6",
        ),
        (
            "say",
            r#"{"n": "x"}"#,
            "Error: the arguments of say are wrong: at n: invalid type: string \"x\", expected i32 at line 1 column 9",
        ),
    ];
    let asked: Vec<(&str, &str)> = table.iter().map(|(name, arguments, _)| (*name, *arguments)).collect();
    let model = model([calls(&asked), says("done")]);
    let run = runner().run(&model, ask()).await.unwrap();
    let results: Vec<_> = run.messages.iter().filter(|message| message.role == Role::Tool).collect();
    assert_eq!(results.len(), table.len());
    for (at, (result, (name, _, expected))) in results.iter().zip(table).enumerate() {
        assert_eq!(result.content.as_text(), Some(expected), "{name}");
        assert_eq!(result.tool_call_id, Some(format!("call_{at}")));
    }
    assert_eq!((run.response.content.as_deref(), run.steps), (Some("done"), 2));
    let roles: Vec<_> = run.messages.iter().map(|message| message.role).collect();
    assert_eq!((roles.len(), roles[1], roles[12]), (13, Role::Assistant, Role::Assistant));
    let usage = run.usage.unwrap();
    assert_eq!((usage.prompt_tokens, usage.cached_tokens, usage.reasoning_tokens), (12, Some(2), None));
}

#[tokio::test(start_paused = true)]
async fn calls_run_at_the_same_time() {
    let start = tokio::time::Instant::now();
    let hang = |id| ToolCall::new(id, "hang", r#"{"n": 1}"#);
    let results = runner().run_calls(&[hang("a"), hang("b")]).await;
    assert!(results.iter().all(|result| !result.success));
    assert_eq!(start.elapsed(), Duration::from_secs(3));
}

#[tokio::test]
async fn the_tools_are_offered_once_each() {
    let model = model([says("done")]);
    let request = ask().with_tools([tool("own"), tool("double")]);
    ToolRunner::new()
        .with_tool(tool("double"), async |_: Number| Ok::<_, Infallible>(()))
        .run(&model, request)
        .await
        .unwrap();
    let asked = model.asked.lock().unwrap();
    let names: Vec<_> = asked[0].tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["own", "double"]);
}

#[tokio::test]
async fn a_model_that_never_answers_is_stopped_and_nothing_is_lost() {
    let again = || calls(&[("say", r#"{"n": 1}"#)]);
    let error = runner().with_max_steps(2).run(&model([again(), again()]), ask()).await.unwrap_err();
    assert!(matches!(error, ToolRunError::StepLimit { max_steps: 2, .. }), "{error}");
    assert_eq!(error.messages().len(), 5);
    let broken = || Err(BackendError::Network("reset".into()));
    let error = runner().run(&model([again(), broken()]), ask()).await.unwrap_err();
    assert_eq!(error.to_string(), "network failure: reset");
    assert_eq!(error.messages().len(), 3);
}

#[tokio::test]
async fn a_streamed_run_shows_what_happens() {
    let model = model([calls(&[("say", r#"{"n": 1}"#)]), says("done")]);
    let mut seen = Vec::new();
    let run = runner()
        .run_stream(&model, ask(), |event| match event {
            ToolRunEvent::Chunk(chunk) if chunk.delta.is_empty() => {}
            ToolRunEvent::Chunk(chunk) => seen.push(chunk.delta.clone()),
            ToolRunEvent::Result(result) => seen.push(result.content.clone()),
        })
        .await
        .unwrap();
    assert_eq!(run.response.content.as_deref(), Some("done"));
    assert_eq!(seen, ["it is 1", "done"]);
}
