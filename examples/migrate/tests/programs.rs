//! Runs each program against a mock server, and checks what it prints, what it sends and what it leaves behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has found something"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tachikoma_openai_mock::{MockServer, Reply};
use tempfile::TempDir;

/// One run of a program.
struct Run {
    program: &'static str,
    /// What the server sends, in order.
    replies: Vec<Reply>,
    /// What our program prints, but for the values that each run has of its own.
    stdout: &'static str,
    /// What every library's program prints at least.
    has: &'static [&'static str],
    /// Texts that the last request must hold.
    sends: &'static [&'static str],
    /// How many requests arrive.
    requests: usize,
}

impl Default for Run {
    fn default() -> Self {
        let replies = vec![Reply::text(ANSWER)];
        let stdout = "Because short waves scatter most.\n";
        Self { program: "", replies, stdout, has: &[ANSWER], sends: &["Why is the sky blue?"], requests: 1 }
    }
}

const ANSWER: &str = "Because short waves scatter most.";

/// An error with a request id. A library that retries it gets it again.
fn error(status: u16, code: &str, message: &str) -> Vec<Reply> {
    let reply = || Reply::error(status, code, message).with_header("x-request-id", "req_1");
    vec![reply(); 4]
}

fn runs() -> Vec<Run> {
    vec![
        Run { program: "plain", ..Run::default() },
        Run {
            program: "stream",
            stdout: ANSWER,
            sends: &["Why is the sky blue?", r#""stream":true"#],
            ..Run::default()
        },
        Run {
            program: "tools",
            replies: vec![
                Reply::tool_call("get_weather", json!({"city": "Oslo"})),
                Reply::text("Yes, take a coat."),
            ],
            stdout: "Yes, take a coat.\n",
            has: &["Yes, take a coat."],
            sends: &["It snows in Oslo."],
            requests: 2,
        },
        Run {
            program: "agent_loop",
            replies: vec![
                Reply::tool_call("read_file", json!({"path": "hello.txt"})),
                Reply::tool_calls([
                    ("write_file", json!({"path": "bonjour.txt", "text": "Bonjour"})),
                    ("read_file", json!({"path": "missing.txt"})),
                ]),
                Reply::tool_call("delete_file", json!({"path": "hello.txt"})),
                Reply::text("It is translated."),
            ],
            stdout: "It is translated.\n",
            has: &["It is translated."],
            sends: &["call"],
            requests: 4,
        },
        Run {
            program: "structured",
            replies: vec![Reply::json(json!({"capital": "Oslo", "languages": ["Norwegian", "Sami"]}))],
            stdout: "Oslo: Norwegian, Sami\n",
            has: &["Oslo: Norwegian, Sami"],
            sends: &["Describe Norway.", r#""additionalProperties":false"#, r#""strict":true"#],
            ..Run::default()
        },
        Run {
            program: "image",
            replies: vec![Reply::text("A cat.")],
            stdout: "A cat.\n",
            has: &["A cat."],
            sends: &["What is in this photo?", "data:image/png;base64,iVBORw=="],
            ..Run::default()
        },
        Run {
            program: "embeddings",
            replies: Vec::new(),
            stdout: "1536 numbers\n1536 numbers\n",
            has: &["1536 numbers\n1536 numbers\n"],
            sends: &["a cat", "a kitten"],
            ..Run::default()
        },
        Run { program: "azure", ..Run::default() },
        Run {
            program: "errors",
            replies: error(429, "rate_limit_exceeded", "Slow down.")
                .into_iter()
                .map(|reply| reply.with_header("retry-after", RETRY_AFTER))
                .collect(),
            stdout: "wait Some(61s): rate limited: Slow down. (status 429, code rate_limit_exceeded, request id req_1)\n",
            has: &["wait", "429"],
            ..Run::default()
        },
        Run {
            program: "errors",
            replies: error(400, "context_length_exceeded", "Too long."),
            stdout: "shorten the conversation: context too long: Too long. (status 400, code context_length_exceeded, \
                     request id req_1). Shorten the conversation or lower max_tokens.\n",
            has: &["shorten the conversation", "context_length_exceeded"],
            ..Run::default()
        },
        Run {
            program: "errors",
            replies: error(401, "invalid_api_key", "Wrong key."),
            stdout: "set another key: authentication failed: Wrong key. (status 401, code invalid_api_key, request id \
                     req_1). Check the API key, and that it belongs to this server.\n",
            has: &["set another key", "401"],
            ..Run::default()
        },
        Run {
            program: "retries",
            replies: vec![Reply::error(503, "server_error", "Not now."), Reply::text(ANSWER)],
            requests: 2,
            ..Run::default()
        },
    ]
}

/// More than the wait that our backend accepts without asking, so that the error comes at once.
const RETRY_AFTER: &str = "61";

/// The folder that a program runs in.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hello.txt"), "Hello").unwrap();
    fs::write(folder.path().join("photo.png"), b"\x89PNG").unwrap();
    folder
}

/// Runs a program as a user would, with nothing in the environment but what names the server.
fn execute(path: &Path, is_azure: bool, server: &MockServer, folder: &Path) -> Output {
    let (url, endpoint) = (server.base_url(), server.azure_endpoint());
    let variables: &[(&str, &str)] = if is_azure {
        &[
            ("AZURE_OPENAI_ENDPOINT", endpoint),
            ("AZURE_OPENAI_API_KEY", "key"),
            ("AZURE_OPENAI_DEPLOYMENT", "sky"),
            // rig's names of them.
            ("AZURE_ENDPOINT", endpoint),
            ("AZURE_API_KEY", "key"),
            ("AZURE_API_VERSION", "2024-10-21"),
        ]
    } else {
        &[
            ("OPENAI_API_KEY", "sk-test"),
            ("OPENAI_BASE_URL", url),
            // genai's names of them.
            ("GENAI_1_API_KEY", "sk-test"),
            ("GENAI_1_ENDPOINT", url),
        ]
    };
    let mut command = Command::new(path);
    command.env_clear().envs(variables.iter().copied()).current_dir(folder);
    // Without it a program on Windows has no sockets.
    command.envs(std::env::var_os("SystemRoot").map(|root| ("SystemRoot", root)));
    command.output().unwrap()
}

/// Checks one run; of our program everything, of another library's what both have in common.
async fn check(path: &Path, run: Run, is_ours: bool) {
    let Run { program, replies, stdout, has, sends, requests } = run;
    let server = replies.into_iter().fold(MockServer::builder(), |server, reply| server.with_reply(reply));
    let server = server.start().await.unwrap();
    let folder = folder();
    let output = execute(path, program == "azure", &server, folder.path());
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    println!("== {}\n{out}{err}", path.display());
    assert!(output.status.success(), "{program}: {}\n{err}", output.status);
    if is_ours {
        assert_eq!(out, stdout, "{program}");
    }
    has.iter().for_each(|text| assert!(out.contains(text), "{program}: {text:?} is not in {out:?}"));

    let received = server.requests();
    let bodies: Vec<&Value> = received.iter().filter_map(|request| request.body.as_ref()).collect();
    assert_eq!(bodies.len(), requests, "{program}: {bodies:#?}");
    let last = bodies.last().unwrap().to_string();
    sends.iter().for_each(|text| assert!(last.contains(text), "{program}: {text:?} is not in {last}"));
    match program {
        "azure" => {
            let path = &received[0].path;
            assert!(path.starts_with("/openai/"), "{path}");
            assert!(path.contains("/sky/") || bodies[0]["model"] == "sky", "{path}: {last}");
        }
        "agent_loop" => {
            let folder = folder.path();
            assert_eq!(fs::read_to_string(folder.join("bonjour.txt")).unwrap(), "Bonjour");
            assert!(!folder.join("hello.txt").exists(), "the file is still there");
            let second = bodies[1].to_string();
            assert!(second.contains("Hello"), "the file's content is not in {second}");
            let third = bodies[2].to_string();
            assert!(third.contains("os error 2"), "the failed call is not in {third}");
        }
        "retries" => assert!(err.contains("503") || err.contains("Not now."), "{err}"),
        _ => {}
    }
}

/// Our programs, as cargo has built them for this test.
fn ours(program: &str) -> PathBuf {
    let plain = Path::new(env!("CARGO_BIN_EXE_plain"));
    plain.with_file_name(program).with_extension(plain.extension().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn our_programs() {
    for run in runs() {
        check(&ours(run.program), run, true).await;
    }
}

/// The programs of the other libraries do the same. They are built by
/// `cargo build --manifest-path examples/migrate/peers/Cargo.toml`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "needs the other libraries' programs: MIGRATE_PEERS is the folder that has them, such as .../target/debug"]
async fn the_programs_of_others() {
    let folder = std::env::var("MIGRATE_PEERS").expect("set MIGRATE_PEERS to the folder of the programs");
    for library in ["async_openai", "genai", "rig"] {
        for mut run in runs() {
            if run.has.contains(&"429") {
                // Without `retry-after`: async-openai would wait that long before each of its three retries.
                run.replies = error(429, "rate_limit_exceeded", "Slow down.");
                run.requests = if library == "async_openai" { 4 } else { 1 };
            }
            check(&Path::new(&folder).join(format!("{library}_{}", run.program)), run, false).await;
        }
    }
}
