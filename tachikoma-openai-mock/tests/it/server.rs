//! The server around the routes: records, headers, models, and its life.

use std::time::Duration;

use serde_json::{Value, json};
use tachikoma_openai_mock::MockServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{Mock, ask};

#[tokio::test]
async fn requests_are_recorded_without_their_key() {
    let mock = Mock::start().await;
    mock.answer(&ask("hi")).await;
    let client = reqwest::Client::new();
    let url = format!("{}/nothing?limit=1", mock.server.base_url());
    let key = "Bearer sk-1234567890abcd";
    client.get(url).header("Authorization", key).header("X-Custom", "yes").send().await.unwrap();

    let requests = mock.server.requests();
    assert_eq!(requests.len(), 2);
    let (chat, other) = (&requests[0], &requests[1]);
    assert_eq!((chat.method.as_str(), chat.path.as_str()), ("POST", "/v1/chat/completions"));
    assert_eq!((chat.query.as_deref(), chat.body.as_ref()), (None, Some(&ask("hi"))));
    assert_eq!(chat.header("authorization"), Some("Bearer ***"));
    assert_eq!((other.method.as_str(), other.path.as_str()), ("GET", "/v1/nothing"));
    assert_eq!((other.query.as_deref(), other.body.as_ref()), (Some("limit=1"), None));
    assert_eq!(other.header("AUTHORIZATION"), Some("Bearer sk-12***cd"));
    assert_eq!(other.header("x-custom"), Some("yes"));
    assert_eq!(other.header("absent"), None);
}

#[tokio::test]
async fn recording_can_be_off() {
    let mock = Mock::with(MockServer::builder().with_recording(false)).await;
    mock.answer(&ask("hi")).await;
    assert_eq!(mock.server.requests(), []);
}

#[tokio::test]
async fn a_required_key_is_not_in_debug() {
    let server = MockServer::builder().with_key("sk-1234567890abcd").start().await.unwrap();
    let debug = format!("{server:?}");
    assert!(debug.contains("sk-12***cd") && !debug.contains("1234567890"), "{debug}");
}

#[tokio::test]
async fn every_response_has_the_headers_of_openai() {
    let mock = Mock::start().await;
    let check = async |request: reqwest::RequestBuilder| {
        let response = request.send().await.unwrap();
        let header = |name| response.headers()[name].to_str().unwrap().to_owned();
        let id = header("x-request-id");
        assert!(id.starts_with("req_") && id.len() == 20, "{id}");
        assert_eq!(header("openai-version"), "2020-10-01");
        assert_eq!(header("openai-processing-ms"), "12");
        assert_eq!(header("x-ratelimit-limit-requests"), "10000");
        assert_eq!(header("x-ratelimit-remaining-tokens"), "1999000");
        assert_eq!(header("x-ratelimit-reset-requests"), "6ms");
        id
    };
    let plain = check(mock.chat(&ask("hi"))).await;
    assert_eq!(plain, check(mock.chat(&ask("hi"))).await);
    assert_ne!(plain, check(mock.chat(&ask("ho"))).await);
    check(mock.get("/models")).await;
    check(mock.get("/nothing")).await;
}

#[tokio::test]
async fn models_are_listed() {
    let mock = Mock::with(MockServer::builder().with_models(["small", "org/large"])).await;
    let get = async |path: &str| -> Value { mock.get(path).send().await.unwrap().json().await.unwrap() };
    let model =
        |id: &str| json!({"id": id, "object": "model", "created": 1_735_689_600, "owned_by": "openai"});
    assert_eq!(get("/models").await, json!({"object": "list", "data": [model("small"), model("org/large")]}));
    assert_eq!(get("/models/small").await, model("small"));
    assert_eq!(get("/models/org/large").await, model("org/large"));
    assert_eq!(get("/models/org%2Flarge").await, model("org/large"));
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    let first = MockServer::start().await.unwrap();
    let port = first.base_url().rsplit(':').next().unwrap().trim_end_matches("/v1").parse().unwrap();
    let error = MockServer::builder().with_port(port).start().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn the_url_of_a_server_for_everyone_is_one_to_connect_to() {
    let server = MockServer::builder().with_host([0, 0, 0, 0]).start().await.unwrap();
    assert!(server.base_url().starts_with("http://127.0.0.1:"), "{}", server.base_url());
}

#[tokio::test]
async fn a_stopped_server_takes_no_requests() {
    let mock = Mock::start().await;
    mock.answer(&ask("hi")).await;
    let url = mock.server.base_url().to_owned();
    mock.server.shutdown().await;
    assert!(reqwest::get(url).await.unwrap_err().is_connect());
}

#[tokio::test]
async fn a_dropped_server_stops() {
    let server = MockServer::start().await.unwrap();
    let url = server.base_url().to_owned();
    // The receiver hears of the end once the routes, which hold the sender too, are gone.
    let mut open = server.open_streams();
    drop(server);
    assert!(open.changed().await.is_err());
    assert!(reqwest::get(url).await.unwrap_err().is_connect());
}

#[tokio::test]
async fn the_routes_fit_into_another_application() {
    let app = tachikoma_openai_mock::router(MockServer::builder().with_models(["mine"]))
        .route("/health", axum::routing::get(async || "fine"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async { axum::serve(listener, app).await });
    assert_eq!(reqwest::get(format!("{origin}/health")).await.unwrap().text().await.unwrap(), "fine");
    let request = reqwest::Client::new().get(format!("{origin}/v1/models/mine")).bearer_auth("sk-test");
    assert_eq!(request.send().await.unwrap().status().as_u16(), 200);
    serving.abort();
}

#[tokio::test]
async fn azures_paths_and_keys() {
    async fn check(
        settings: tachikoma_openai_mock::MockConfig,
        path: &str,
        header: (&str, &str),
        expected: u16,
    ) {
        let server = settings.start().await.unwrap();
        let request = reqwest::Client::new()
            .post(format!("{}{path}", server.azure_endpoint()))
            .header(header.0, header.1)
            .json(&ask("hi"));
        assert_eq!(request.send().await.unwrap().status().as_u16(), expected, "{path} {header:?}");
    }
    let new = MockServer::builder;
    let key = ("api-key", "k");
    let deployment = "/openai/deployments/d/chat/completions?api-version=2024-10-21";
    check(new(), deployment, key, 200).await;
    check(new(), "/openai/deployments/d/chat/completions", key, 404).await;
    check(new(), "/openai/deployments/d/chat/completions?api-version=", key, 404).await;
    check(new(), "/openai/chat/completions?api-version=2024-10-21", key, 404).await;
    check(new(), "/openai/v1/chat/completions", key, 200).await;
    check(new(), "/v1/chat/completions", key, 200).await;
    check(new(), deployment, ("authorization", "Bearer t"), 200).await;
    check(new(), deployment, ("x-none", "k"), 401).await;
    check(new(), deployment, ("api-key", ""), 401).await;
    check(new().with_key("another"), deployment, key, 401).await;
    check(new().with_key("k"), deployment, key, 200).await;
    check(new().without_key(), deployment, ("x-none", "k"), 200).await;
    check(new().without_key().with_key("another"), deployment, key, 401).await;
}

/// What a raw connection receives until the server closes it.
async fn exchange(server: &MockServer, request: &str) -> String {
    let address = server.azure_endpoint().trim_start_matches("http://").to_owned();
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut received = String::new();
    connection.read_to_string(&mut received).await.unwrap();
    received
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let server = MockServer::builder().with_idle_timeout(Duration::from_millis(50)).start().await.unwrap();
    assert_eq!(exchange(&server, "").await, "");
    assert_eq!(exchange(&server, "POST /v1/chat/completions HTTP/1.1\r\n").await, "");
    let whole = "GET /v1/models HTTP/1.1\r\nhost: h\r\nauthorization: Bearer k\r\n\r\n";
    let received = exchange(&server, whole).await;
    assert!(received.starts_with("HTTP/1.1 200") && received.contains("content-length"), "{received}");
}

#[tokio::test]
async fn a_connection_with_a_request_is_not_idle() {
    let settings = MockServer::builder()
        .with_idle_timeout(Duration::from_millis(20))
        .with_chunk_delay(Duration::from_millis(100));
    let mock = Mock::with(settings).await;
    let mut request = ask("hi");
    request["stream"] = json!(true);
    let text = mock.chat(&request).send().await.unwrap().text().await.unwrap();
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
}

/// The answer comes although the body never does.
#[tokio::test]
async fn the_key_is_checked_before_the_body_is_read() {
    let server = MockServer::builder().with_key("right").start().await.unwrap();
    for authorization in ["", "authorization: Bearer wrong\r\n"] {
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\n{authorization}content-length: 1000000\r\n\
             connection: close\r\n\r\n{{"
        );
        let address = server.azure_endpoint().trim_start_matches("http://").to_owned();
        let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut start = [0; 12];
        connection.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 401");
    }
    assert!(server.requests().iter().all(|request| request.body.is_none()));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_client_that_sends_all_of_a_large_body_first_gets_its_response() {
    let server = MockServer::start().await.unwrap();
    let body = vec![b'x'; 8 << 20];
    let request = reqwest::Client::new().post(format!("{}/chat/completions", server.base_url())).body(body);
    assert_eq!(request.send().await.unwrap().status().as_u16(), 401);
}
