//! The binary.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_tachikoma-openai-mock");

#[test]
fn help_names_every_option() {
    let output = Command::new(BINARY).arg("--help").output().unwrap();
    assert!(output.status.success());
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}

#[test]
fn the_schema_of_scripts_is_printed() {
    let output = Command::new(BINARY).arg("--script-schema").output().unwrap();
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed, tachikoma_openai_mock::Script::json_schema());
}

#[test]
fn mistakes_say_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let check = |arguments: &[&str], expected: &str| {
        let output = Command::new(BINARY).args(arguments).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(expected), "{error}");
    };
    check(&["--port", &port], "Choose another port with --port, or any free one with --port 0.");
    check(&["--chunk-delay", "soon"], "invalid value 'soon' for '--chunk-delay <DURATION>'");
    check(&["--fault", "explode"], "invalid fault 'explode': expected status=N, truncate, stall");
    check(&["--replay", "/does/not/exist.jsonl"], "error: /does/not/exist.jsonl: ");
    check(&["--script", "/does/not/exist.json"], "error: /does/not/exist.json: ");
    check(&["--replay-times"], "--replay <FILE>");
    check(&["--host", "nowhere"], "invalid value 'nowhere' for '--host <HOST>'");
}

#[cfg(unix)]
#[tokio::test]
async fn serves_until_a_signal_stops_it() {
    let check = async |arguments: &[&str], key: &str, printed: &str, signal: &str| {
        let mut child = Command::new(BINARY)
            .args(["--port", "0", "--chunk-delay", "0s", "--log"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let first = lines.next().unwrap();
        let url = first.strip_prefix("Listening on ").unwrap();
        let curl = lines.nth(1).unwrap();
        assert!(
            curl.starts_with(&format!(r#"curl {url}/chat/completions -H "authorization: Bearer {printed}""#)),
            "{curl}"
        );

        // The body of the line to paste is sent as it stands.
        let body = curl.split('\'').nth(1).unwrap().to_owned();
        let request =
            reqwest::Client::new().post(format!("{url}/chat/completions")).bearer_auth(key).body(body);
        assert_eq!(request.send().await.unwrap().status().as_u16(), 200);

        let interrupt = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(interrupt.success() && child.wait().unwrap().success());
        let mut log = String::new();
        child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert_eq!(log, "POST /v1/chat/completions 200\n");
    };
    check(&[], "sk-mock", "sk-mock", "-INT").await;
    check(&["--key", "sk-only-this-one"], "sk-only-this-one", "$OPENAI_API_KEY", "-TERM").await;
}

#[tokio::test]
async fn a_script_is_played_and_requests_are_recorded() {
    let path = std::env::temp_dir().join(format!("tachikoma-openai-mock-script-{}.json", std::process::id()));
    std::fs::write(&path, r#"{"replies": [{"text": "as written", "times": "always"}]}"#).unwrap();
    for (option, recorded) in [(None, 1), (Some("--no-recording"), 0)] {
        let mut child = Command::new(BINARY)
            .args(["--port", "0", "--script"])
            .arg(&path)
            .args(option)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let url = lines.next().unwrap().strip_prefix("Listening on ").unwrap().to_owned();
        let client = reqwest::Client::new();
        let body = r#"{"model": "m", "messages": [{"role": "user", "content": "hi"}]}"#;
        let request = client.post(format!("{url}/chat/completions")).bearer_auth("sk-any").body(body);
        assert!(request.send().await.unwrap().text().await.unwrap().contains("as written"));
        let url = url.replace("/v1", "/mock/requests");
        let requests: serde_json::Value = client.get(url).send().await.unwrap().json().await.unwrap();
        assert_eq!(requests.as_array().unwrap().len(), recorded, "{option:?}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn a_recording_is_played_back() {
    let path =
        std::env::temp_dir().join(format!("tachikoma-openai-mock-replay-{}.jsonl", std::process::id()));
    let recording = r#"{"version":1,"time":"t","request":{"method":"GET","path":"/v1/any","headers":[]},"response":{"ms":1,"status":201,"headers":[],"pieces":[{"ms":1,"text":"as recorded"}]},"end":{"ms":1,"kind":"complete"}}"#;
    std::fs::write(&path, recording).unwrap();
    let mut child = Command::new(BINARY)
        .args(["--port", "0", "--replay-times", "--replay"])
        .arg(&path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let url = lines.next().unwrap().strip_prefix("Listening on ").unwrap().to_owned();
    let response = reqwest::get(format!("{url}/any")).await.unwrap();
    assert_eq!((response.status().as_u16(), &*response.text().await.unwrap()), (201, "as recorded"));
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::remove_file(path).unwrap();
}
