//! What becomes of a call.

use std::convert::Infallible;

use serde_json::json;

use super::*;
use crate::{ContentPart, ToolParameters};

fn runner() -> ToolRunner {
    let nothing = ToolDefinition::new("noon", "For tests", ToolParameters::new());
    let total = Arc::new(Mutex::new(0));
    ToolRunner::new()
        .with(say())
        .with_tool(definition("double"), |Number { n }| json!({ "is": n * 2 }))
        .with_tool(definition("fail"), async |Number { n }| Err::<(), _>(format!("{n} is too much")))
        .with_tool(definition("panic"), async |Number { n }| -> Result<(), Infallible> { panic!("{n}!") })
        .with_tool(definition("panic_at_once"), |_: Number| -> String { panic!("at once") })
        .with_tool(definition("hang"), async |_: Number| pending::<()>().await)
        .with(Tool::new(definition("hang_long"), async |_: Number| pending::<()>().await).with_timeout(LONG))
        .with(
            Tool::new(definition("slow"), async |_: Number| tokio::time::sleep(LONG).await).without_timeout(),
        )
        .with_tool(definition("count"), move |Number { n }| {
            let total = Arc::clone(&total);
            async move {
                *total.lock().unwrap() += n;
                *total.lock().unwrap()
            }
        })
        .with_tool(nothing, async |()| "noon")
        .with_untyped_tools([definition("raw"), definition("bare")], |call: ToolCall| {
            format!("{} {}", call.name, call.arguments)
        })
        .with_timeout(Duration::from_secs(3))
}

const LONG: Duration = Duration::from_secs(500);

#[tokio::test(start_paused = true)]
async fn whatever_comes_of_a_call_goes_to_the_model_in_order() {
    let table = [
        ("hang", ONE, "Error: the tool did not finish within 3s"),
        ("hang_long", ONE, "Error: the tool did not finish within 500s"),
        ("slow", ONE, "null"),
        ("double", r#"{"n": 21}"#, r#"{"is":42}"#),
        ("say", ONE, "it is 1"),
        ("fail", ONE, "Error: 1 is too much"),
        ("panic", ONE, "Error: the tool failed unexpectedly: 1!"),
        ("panic_at_once", ONE, "Error: the tool failed unexpectedly: at once"),
        ("count", r#"{"n": 2}"#, "2"),
        ("count", r#"{"n": 3}"#, "5"),
        ("noon", "", "noon"),
        ("noon", "null", "noon"),
        ("raw", ONE, "raw {\"n\": 1}"),
        ("bare", "", "bare {}"),
        (
            "bare",
            "1",
            "Error: the arguments of bare are wrong: invalid type: integer `1`, expected a map at line 1 column 1; they must be one JSON object",
        ),
        (
            "fly",
            ONE,
            "Error: there is no tool \"fly\"; there are: bare, count, double, fail, hang, hang_long, noon, panic, panic_at_once, raw, say, slow",
        ),
        (
            "fly",
            "{",
            "Error: there is no tool \"fly\"; there are: bare, count, double, fail, hang, hang_long, noon, panic, panic_at_once, raw, say, slow",
        ),
        (
            "say",
            "{\"n\": ",
            "Error: the arguments of say are wrong: EOF while parsing a value at line 1 column 5; they must be one JSON object",
        ),
        ("say", "", "Error: the arguments of say are wrong: missing field `n` at line 1 column 2"),
        (
            "say",
            r#"{"n": "x"}"#,
            "Error: the arguments of say are wrong: at n: invalid type: string \"x\", expected i32 at line 1 column 9",
        ),
    ];
    let made: Vec<(&str, &str)> = table.iter().map(|(name, arguments, _)| (*name, *arguments)).collect();
    let model = Model::new([calls(&made), text("done")]);
    let start = tokio::time::Instant::now();
    let run = runner().run(&model, ask()).await.unwrap();
    assert_eq!(start.elapsed(), LONG);
    assert_valid(&run.messages);
    let results = results(&run.messages);
    assert_eq!(results.len(), table.len());
    for (result, (name, arguments, expected)) in results.iter().zip(table) {
        assert_eq!(result, expected, "{name} {arguments}");
    }
    assert_eq!((run.response.content.as_deref(), run.steps), (Some("done"), 2));
    assert_eq!(model.requests()[1].messages[..], run.messages[..run.messages.len() - 1]);
    // Whatever can be parsed goes back unchanged.
    for (call, (_, arguments, _)) in run.messages[1].tool_calls.iter().zip(table) {
        let expected = match arguments {
            "" | "null" => "{}".to_owned(),
            "1" | "{" | "{\"n\": " => json!({ "invalid_arguments": arguments }).to_string(),
            valid => valid.to_owned(),
        };
        assert_eq!(call.arguments, expected);
    }
    let usage = run.usage.unwrap();
    assert_eq!((usage.prompt_tokens, usage.cached_tokens, usage.reasoning_tokens), (12, Some(2), None));
}

#[tokio::test]
async fn an_id_runs_once_in_a_response() {
    let count = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&count);
    let runner =
        ToolRunner::new().with_tool(definition("count"), move |_: Number| *counted.lock().unwrap() += 1);
    let call = |id, arguments| ToolCall::new(id, "count", arguments);
    let twice = vec![call("a", ONE), call("b", ONE), call("a", ONE), call("a", "{\"n\": 2}")];
    let response = CompletionResponse { tool_calls: twice, ..Default::default() };
    // The same id in another response is another call.
    let model = Model::new([response.clone(), response, text("done")]);
    let run = runner.run(&model, ask()).await.unwrap();
    assert_valid(&run.messages);
    assert_eq!(run.messages[1].tool_calls, [call("a", ONE), call("b", ONE)]);
    assert_eq!(*count.lock().unwrap(), 4);
    // Calls without an id are different ones.
    assert_eq!(runner.run_calls(&[call("", ONE), call("", ONE)]).await.len(), 2);
}

#[tokio::test]
async fn images_are_results() {
    let image = || ContentPart::image_base64("image/png", "AAAA");
    let runner = ToolRunner::new()
        .with_tool(definition("show"), move |_: Number| image())
        .with_tool(definition("try"), async move |_: Number| {
            std::io::Result::Ok(vec![ContentPart::text("a")])
        });
    let model = Model::new([calls(&[("show", ONE), ("try", ONE)]), text("done")]);
    let run = runner.run(&model, ask()).await.unwrap();
    assert_eq!(run.messages[2].content, vec![image()].into());
    assert_eq!(run.messages[3].content, vec![ContentPart::text("a")].into());
}

#[tokio::test]
async fn the_tools_are_offered_once_each() {
    let model = Model::new([text("done")]);
    let request = ask().with_tools([definition("own"), definition("say")]);
    let tools = [say(), Tool::untyped(definition("raw"), async |call: ToolCall| call.arguments)];
    ToolRunner::new().with_tools(tools).run(&model, request).await.unwrap();
    let names: Vec<_> = model.requests()[0].tools.iter().map(|tool| tool.name().to_owned()).collect();
    assert_eq!(names, ["own", "raw", "say"]);
}
