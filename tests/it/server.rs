//! A server that sends exact bytes, whatever the request.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tachikoma_backend_codex::Api;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Starts it on the current runtime, with which it ends. Every connection gets `response` and is then closed.
///
/// Returns the base URL.
pub(crate) async fn start(response: impl Into<Vec<u8>>) -> String {
    start_changing(Arc::new(Mutex::new(response.into()))).await
}

/// As [`start`], with a response that may be replaced between requests.
pub(crate) async fn start_changing(response: Arc<Mutex<Vec<u8>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            read_request(&mut connection).await;
            let response = response.lock().unwrap().clone();
            // The client may have closed the connection: nothing to report then.
            let _ = connection.write_all(&response).await;
            let _ = connection.shutdown().await;
        }
    });
    url
}

/// As [`start`], with these responses in turn, the last one for all further requests. The bodies of requests are recorded.
pub(crate) async fn start_recording(
    responses: Arc<Mutex<VecDeque<Vec<u8>>>>,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let body = read_request(&mut connection).await;
            bodies.lock().unwrap().push(body);
            let response = {
                let mut responses = responses.lock().unwrap();
                if responses.len() > 1 { responses.pop_front() } else { responses.front().cloned() }
            };
            let _ = connection.write_all(&response.unwrap_or_default()).await;
            let _ = connection.shutdown().await;
        }
    });
    url
}

/// A whole response with this status, content type and body.
pub(crate) fn http(status: u16, content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} Whatever\r\ncontent-type: {content_type}\r\nx-request-id: req_raw\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Drops the last `missing` bytes of the body, so that it is shorter than its `content-length`.
pub(crate) fn cut(response: Vec<u8>, missing: usize) -> Vec<u8> {
    let length = response.len() - missing;
    response[..length].to_vec()
}

/// Reads a request and returns its body.
pub(crate) async fn read_request(connection: &mut TcpStream) -> Vec<u8> {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
            if request.len() >= end + 4 + length {
                return request.split_off(end + 4);
            }
        }
        match connection.read(&mut buffer).await {
            Ok(0) | Err(_) => return Vec::new(),
            Ok(read) => request.extend_from_slice(&buffer[..read]),
        }
    }
}

/// The origin of the provider state that a server sends for this key and model. It does not change from release to release, since
/// conversations are stored.
pub(crate) fn state_origin(api: Api, base_url: &str, key: &str, model: &str) -> String {
    let api = if api == Api::Responses { "codex/responses" } else { "codex/chat" };
    let server: String = base_url.split_inclusive('/').take(3).collect();
    let account = [base_url, "", "", key].into_iter().flat_map(|part| part.bytes().chain([0]));
    let hash = account.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{api} {} {:08x} {model}", server.trim_end_matches('/'), hash >> 32)
}
