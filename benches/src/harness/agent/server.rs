//! The server of the agent loop: it knows how far a conversation is by the tool results in it, over HTTP and over a WebSocket.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use futures::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;

use super::super::Failure;
use super::super::server::read_request;

/// The type of a tool's result in a request.
const RESULT: &str = "function_call_output";

/// The beginning of the ids of responses, which a number follows: the tool results that the model has read.
const ID: &str = "resp_";

/// A server on a thread of this process, until the process ends.
#[derive(Debug)]
pub(super) struct Server {
    /// Ends in `/v1`.
    pub(super) url: String,
    uploaded: Arc<AtomicU64>,
}

impl Server {
    /// # Errors
    /// The address is not available.
    pub(super) fn start() -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let url = format!("http://{}/v1", listener.local_addr()?);
        let uploaded = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&uploaded);
        thread::spawn(move || runtime.block_on(serve(&listener, &counter)));
        Ok(Self { url, uploaded })
    }

    /// The bytes of the requests since the last call: bodies over HTTP, messages over WebSockets.
    pub(super) fn take_uploaded(&self) -> u64 {
        self.uploaded.swap(0, Ordering::Relaxed)
    }
}

async fn serve(listener: &TcpListener, uploaded: &Arc<AtomicU64>) -> Result<(), Failure> {
    loop {
        let (connection, _) = listener.accept().await?;
        connection.set_nodelay(true)?;
        let uploaded = Arc::clone(uploaded);
        tokio::spawn(async move {
            let served = serve_connection(connection, &uploaded).await;
            served.inspect_err(|error| eprintln!("the server: {error}")).ok()
        });
    }
}

async fn serve_connection(mut connection: TcpStream, uploaded: &AtomicU64) -> Result<(), Failure> {
    let mut start = [0];
    connection.peek(&mut start).await?;
    // Requests over HTTP are posted, so that this is the upgrade to a WebSocket.
    if start == *b"G" {
        let mut socket = tokio_tungstenite::accept_async(connection).await?;
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = message else { continue };
            uploaded.fetch_add(text.len() as u64, Ordering::Relaxed);
            for event in events(Request::parse(text.as_bytes())?.results()?) {
                socket.feed(Message::text(event.to_string())).await?;
            }
            socket.flush().await?;
        }
        return Ok(());
    }
    while let Some((_, body)) = read_request(&mut connection).await? {
        uploaded.fetch_add(body.len() as u64, Ordering::Relaxed);
        let mut response = String::new();
        for event in events(Request::parse(&body)?.results()?) {
            let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
            let data = format!("event: {kind}\ndata: {event}\n\n");
            response.push_str(&format!("{:x}\r\n{data}\r\n", data.len()));
        }
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";
        connection.write_all(format!("{head}{response}0\r\n\r\n").as_bytes()).await?;
    }
    Ok(())
}

/// What the server reads of a request.
#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    previous_response_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    input: Vec<Item<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

impl<'a> Request<'a> {
    fn parse(body: &'a [u8]) -> Result<Self, Failure> {
        Ok(serde_json::from_slice(body)?)
    }

    /// How many tool results the model has read with this request.
    fn results(&self) -> Result<usize, Failure> {
        let earlier = match &self.previous_response_id {
            Some(id) => id.strip_prefix(ID).ok_or("an unknown response is continued")?.parse()?,
            None => 0,
        };
        Ok(earlier + self.input.iter().filter(|item| item.kind.as_deref() == Some(RESULT)).count())
    }
}

/// The id of the call that the model makes after this many results.
pub(super) fn call_id(results: usize) -> String {
    format!("call_{results}")
}

/// The events of a response with one tool call.
fn events(results: usize) -> Vec<Value> {
    let (item_id, arguments) = (format!("fc_{results}"), json!({ "number": results }).to_string());
    let item = |status: &str, arguments: &str| {
        json!({
            "id": item_id, "type": "function_call", "status": status, "call_id": call_id(results), "name": "read",
            "arguments": arguments,
        })
    };
    let response = |status: &str, output: &[Value], usage: Value| {
        json!({
            "id": format!("{ID}{results}"), "object": "response", "created_at": 1_790_000_000, "status": status,
            "background": false, "error": null, "incomplete_details": null, "instructions": null,
            "max_output_tokens": null, "model": "gpt-5.6-terra-2026-09-17", "output": output,
            "parallel_tool_calls": true, "previous_response_id": null,
            "reasoning": {"effort": "none", "summary": null}, "service_tier": "default", "store": false,
            "temperature": 1.0, "text": {"format": {"type": "text"}, "verbosity": "medium"},
            "tool_choice": "auto", "tools": [], "top_p": 1.0, "truncation": "disabled", "usage": usage,
            "user": null, "metadata": {},
        })
    };
    let usage = json!({
        "input_tokens": 600 * results + 100, "input_tokens_details": {"cached_tokens": 600 * results},
        "output_tokens": 20, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 600 * results + 120,
    });
    let begun = response("in_progress", &[], Value::Null);
    let mut events = vec![
        json!({"type": "response.created", "response": begun}),
        json!({"type": "response.in_progress", "response": begun}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": item("in_progress", "")}),
    ];
    for delta in arguments.split_inclusive(':') {
        events.push(json!({
            "type": "response.function_call_arguments.delta", "item_id": item_id, "output_index": 0, "delta": delta,
        }));
    }
    let done = item("completed", &arguments);
    events.extend([
        json!({
            "type": "response.function_call_arguments.done", "item_id": item_id, "output_index": 0, "name": "read",
            "arguments": arguments,
        }),
        json!({"type": "response.output_item.done", "output_index": 0, "item": done}),
        json!({"type": "response.completed", "response": response("completed", &[done], usage)}),
    ]);
    for (number, event) in events.iter_mut().filter_map(Value::as_object_mut).enumerate() {
        event.insert("sequence_number".to_owned(), json!(number));
    }
    events
}
