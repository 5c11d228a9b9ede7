//! The loopback server, a process of its own. The path of a request names the response: `/<kind>/<events>/...`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};

use super::Failure;
use super::kinds::{self, Chunks, Kind};

/// How long a paced stream waits before its first event, until all streams are open, and then between two events.
const FIRST_EVENT_DELAY: Duration = Duration::from_millis(1500);
const PACE: Duration = Duration::from_millis(100);

/// Serves until the process ends. The first line of output is the URL.
pub(crate) async fn serve() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    for number in 0.. {
        let (connection, _) = listener.accept().await?;
        connection.set_nodelay(true)?;
        // An error means that the client left.
        tokio::spawn(async move { serve_connection(connection, number).await.ok() });
    }
    Ok(())
}

async fn serve_connection(mut connection: TcpStream, number: u32) -> Result<(), Failure> {
    while let Some((path, _)) = read_request(&mut connection).await? {
        let mut parts = path.split('/').skip(1);
        let kind = parts.next().and_then(kinds::find).ok_or("the path does not name a kind")?;
        let events = parts.next().unwrap_or_default().parse()?;
        respond(&mut connection, kind, events, number).await?;
    }
    Ok(())
}

/// Reads a request and returns its path and its body; `None` if the client closed the connection.
pub(crate) async fn read_request(connection: &mut TcpStream) -> Result<Option<(String, Vec<u8>)>, Failure> {
    let (mut request, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    let end = loop {
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        match connection.read(&mut buffer).await? {
            0 => return Ok(None),
            read => request.extend_from_slice(buffer.get(..read).unwrap_or_default()),
        }
    };
    let mut body = request.split_off(end);
    let head = String::from_utf8_lossy(&request);
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    let length = length.unwrap_or(Ok(0))?;
    while body.len() < length {
        match connection.read(&mut buffer).await? {
            0 => return Ok(None),
            read => body.extend_from_slice(buffer.get(..read).unwrap_or_default()),
        }
    }
    Ok(Some((head.split(' ').nth(1).unwrap_or_default().to_owned(), body)))
}

/// Chunks are collected, unless they are paced, so that the client never waits for the server: how often it would wake up to
/// read varies from run to run.
async fn respond(connection: &mut TcpStream, kind: &Kind, events: usize, number: u32) -> Result<(), Failure> {
    let body = (kind.body)(events);
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ntransfer-encoding: chunked\r\nx-request-id: req_0123456789abcdef\r\n\r\n",
        body.content_type
    );
    let parts: Vec<String> = body.parts.collect();
    let mut connection = BufWriter::with_capacity(64 << 10, connection);
    connection.write_all(head.as_bytes()).await?;
    match kind.chunks {
        Chunks::Event => {
            for event in &parts {
                write(&mut connection, event.as_bytes()).await?;
            }
        }
        Chunks::Bytes(size) => {
            for piece in parts.concat().as_bytes().chunks(size) {
                write(&mut connection, piece).await?;
            }
        }
        Chunks::EventInTime => {
            // The events of different streams do not coincide.
            let mut next = Instant::now() + FIRST_EVENT_DELAY + PACE.mul_f64(f64::from(number % 997) / 997.0);
            for _ in 0..events {
                sleep_until(next).await;
                next += PACE;
                let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
                let event = format!(
                    "data: {{\"id\":\"chatcmpl-CkT2vWq8Zs5YdL0nHr3BxPfMgJ1aE\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,\"model\":\"gpt-5.6-terra\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{now}\"}},\"logprobs\":null,\"finish_reason\":null}}]}}\n\n"
                );
                write(&mut connection, event.as_bytes()).await?;
                connection.flush().await?;
            }
            let end = parts.iter().skip(events + 1);
            write(&mut connection, end.map(String::as_str).collect::<String>().as_bytes()).await?;
        }
    }
    connection.write_all(b"0\r\n\r\n").await?;
    Ok(connection.flush().await?)
}

/// One HTTP chunk.
async fn write(connection: &mut BufWriter<&mut TcpStream>, bytes: &[u8]) -> Result<(), Failure> {
    let chunk = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    connection.write_all(&chunk).await?;
    Ok(())
}
