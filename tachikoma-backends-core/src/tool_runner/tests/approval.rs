//! Asking before calls run.

use super::*;

/// A runner whose tools and approvals write down what happens, in order. The approval decides by the tool's name.
fn runner(log: &Arc<Mutex<Vec<String>>>) -> ToolRunner {
    let (asked, ran) = (Arc::clone(log), Arc::clone(log));
    let names = [
        "allow", "deny", "edit", "edit_wrongly", "edit_unfit", "edit_alike", "stop", "panic", "panic_at_once",
    ];
    let tool = |name: &'static str| {
        let ran = Arc::clone(&ran);
        Tool::new(definition(name), move |Number { n }| {
            ran.lock().unwrap().push(format!("ran {name}"));
            if n == 0 { Err("zero") } else { Ok(n) }
        })
    };
    ToolRunner::new().with_tools(names.map(tool)).with_approval(move |call| {
        asked.lock().unwrap().push(format!("asked {}", call.name));
        assert_ne!(call.name, "panic_at_once", "no one there");
        async move {
            tokio::task::yield_now().await;
            match call.name.as_str() {
                "deny" => Approval::Deny("leave that alone".into()),
                "edit" => Approval::Edit(r#"{"n": 0}"#.into()),
                "edit_wrongly" => Approval::Edit("n = 5".into()),
                "edit_unfit" => Approval::Edit(r#"{"n": "x"}"#.into()),
                "edit_alike" => Approval::Edit(call.arguments),
                "stop" => Approval::Stop("enough".into()),
                "panic" => panic!("no one there"),
                _ => Approval::Allow,
            }
        }
    })
}

#[tokio::test]
async fn each_answer_has_its_result() {
    let table = [
        ("allow", Some("1")),
        ("deny", Some("Error: leave that alone")),
        ("edit", Some("Error: [The user changed the arguments to {\"n\": 0}]\nzero")),
        (
            "edit_unfit",
            Some(
                "Error: [The user changed the arguments to {\"n\": \"x\"}]\nthe arguments of edit_unfit are wrong: at n: \
                 invalid type: string \"x\", expected i32 at line 1 column 9",
            ),
        ),
        (
            "edit_wrongly",
            Some(
                "Error: not run, since the user's arguments are not valid: expected ident at line 1 column 2",
            ),
        ),
        ("edit_alike", Some("1")),
        ("panic", Some("Error: the approval failed unexpectedly: no one there")),
        ("panic_at_once", None),
    ];
    let log = Arc::default();
    let made: Vec<_> =
        table.iter().map(|(name, _)| (*name, ONE)).chain([("fly", ONE), ("allow", "{")]).collect();
    let run = runner(&log).run(&Model::new([calls(&made), text("done")]), ask()).await.unwrap();
    assert_valid(&run.messages);
    let results = results(&run.messages);
    for (result, (name, expected)) in results.iter().zip(table) {
        match expected {
            Some(expected) => assert_eq!(result, expected, "{name}"),
            None => {
                assert!(result.starts_with("Error: the approval failed unexpectedly: assertion"), "{result}")
            }
        }
    }
    // The model's own arguments stay in the conversation.
    assert_eq!(run.messages[1].tool_calls[2].arguments, ONE);
    // All were asked before any ran, and nothing was asked about what cannot run.
    let asked = table.iter().map(|(name, _)| format!("asked {name}"));
    let ran = ["allow", "edit", "edit_alike"].map(|name| format!("ran {name}"));
    assert_eq!(*log.lock().unwrap(), asked.chain(ran).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stop_runs_nothing_and_answers_all() {
    let log = Arc::default();
    let model = Model::new([calls(&[("deny", ONE), ("allow", ONE), ("stop", ONE), ("allow", ONE)])]);
    let error = runner(&log).run(&model, ask()).await.unwrap_err();
    assert_eq!(*error.kind(), ToolRunErrorKind::Stopped { reason: "enough".into() });
    assert_valid(error.messages());
    let expected = [
        "Error: leave that alone",
        "Error: not run: enough",
        "Error: not run: enough",
        "Error: not run: enough",
    ];
    assert_eq!(results(error.messages()), expected);
    assert_eq!(*log.lock().unwrap(), ["asked deny", "asked allow", "asked stop"]);
    assert_eq!(error.steps(), 1);

    let results = runner(&log).run_calls(&[ToolCall::new("a", "stop", ONE)]).await;
    assert_eq!(results[0].content.as_text(), Some("not run: enough"));
}
