//! Embeddings against the mock and against servers with other responses.

use serde_json::{Value, json};
use tachikoma_backend_codex::{
    CodexBackend, CodexBackendConfig, CodexError, EmbeddingInput, EmbeddingRequest, EmbeddingResponse,
    InputLimit, VectorEncoding,
};
use tachikoma_backends_core::ErrorCategory;
use tachikoma_openai_mock::MockServer;

use crate::server;

fn backend(url: impl Into<String>) -> CodexBackend {
    CodexBackend::new(CodexBackendConfig::new("sk-test").with_base_url(url).with_max_retries(0)).unwrap()
}

/// The outcome for a server that returns this body.
async fn embed_from(body: &Value) -> Result<EmbeddingResponse, CodexError> {
    let url = server::start(server::http(200, "application/json", body.to_string().as_bytes())).await;
    backend(url).embed(["a", "b"]).await
}

fn length(vector: &[f32]) -> f32 {
    vector.iter().map(|number| number * number).sum::<f32>().sqrt()
}

#[tokio::test]
async fn base64_and_numbers_are_the_same_vectors() {
    let mock = MockServer::start().await.unwrap();
    let backend = backend(mock.base_url());
    let request = EmbeddingRequest::new(["a cat", "a dog", "a cat"]);
    let base64 = backend.embed(request.clone()).await.unwrap();
    let numbers = backend.embed(request.with_encoding(VectorEncoding::Float)).await.unwrap();
    assert_eq!(base64.embeddings, numbers.embeddings);
    let [cat, dog, again] = &base64.embeddings[..] else { panic!("{}", base64.embeddings.len()) };
    assert!(cat == again && cat != dog);
    assert_eq!(cat.len(), 1536);
    assert!((length(cat) - 1.0).abs() < 1e-5);
    assert_eq!(base64.model, "text-embedding-3-small");
    assert!(base64.usage.is_some_and(|usage| usage.prompt_tokens > 0 && usage.completion_tokens == 0));
    assert!(base64.request_id.is_some());
}

#[tokio::test]
async fn every_field_is_sent() {
    let mock = MockServer::builder().with_schema_check(false).start().await.unwrap();
    let request = EmbeddingRequest::new(EmbeddingInput::Tokens(vec![vec![1, 2], vec![3]]))
        .with_model("text-embedding-3-large")
        .with_dimensions(256)
        .with_user("someone")
        .with_extra("input_type", "query");
    let response = backend(mock.base_url()).embed(request).await.unwrap();
    assert_eq!(response.embeddings.iter().map(Vec::len).collect::<Vec<_>>(), [256, 256]);
    let requests = mock.requests();
    let expected = json!({"input": [[1, 2], [3]], "model": "text-embedding-3-large", "dimensions": 256,
        "user": "someone", "encoding_format": "base64", "input_type": "query"});
    assert_eq!(requests[0].body.as_ref(), Some(&expected));
    assert_eq!(requests[0].path, "/v1/embeddings");
}

#[tokio::test]
async fn minimal_responses_and_unknown_fields() {
    let least = embed_from(&json!({"data": [{"embedding": [1]}, {"embedding": [2]}]})).await.unwrap();
    assert_eq!((least.embeddings, least.usage), (vec![vec![1.0], vec![2.0]], None));
    let nulls = json!({"object": null, "data": [{"index": 1, "embedding": [2], "object": null}, {"index": 0, "embedding": [1]}],
        "model": null, "usage": {"prompt_tokens": null, "total_tokens": 3.0, "cost": "0.1"}, "extra": {}});
    let nulls = embed_from(&nulls).await.unwrap();
    assert_eq!(nulls.embeddings, [[1.0], [2.0]]);
    assert_eq!(nulls.usage.map(|usage| usage.total_tokens), Some(3));
    assert_eq!(nulls.request_id.as_deref(), Some("req_raw"));
}

#[tokio::test]
async fn wrong_responses_are_errors() {
    for (body, category, message) in [
        (
            json!({"data": [{"embedding": [1]}]}),
            ErrorCategory::Parse,
            "the vector with the index 1 is missing",
        ),
        (json!({"data": "x"}), ErrorCategory::Parse, "not of the documented form at data"),
        (
            json!({"error": {"message": "Slow down.", "code": "rate_limit_exceeded"}}),
            ErrorCategory::RateLimit,
            "Slow down.",
        ),
    ] {
        let error = embed_from(&body).await.unwrap_err();
        assert_eq!(error.category(), category, "{error}");
        assert!(error.message().contains(message), "{error}");
        assert_eq!(error.request_id(), Some("req_raw"));
    }
}

#[tokio::test]
async fn failures_are_as_those_of_completions() {
    let body = br#"{"error": {"message": "Busy.", "code": "server_is_overloaded"}}"#;
    let url = server::start(server::http(503, "application/json", body)).await;
    let error = backend(url).embed(EmbeddingRequest::new("a").with_max_retries(1)).await.unwrap_err();
    assert_eq!((error.category(), error.attempts()), (ErrorCategory::Overloaded, 2));
}

#[tokio::test]
async fn invalid_requests_are_not_sent() {
    let mock = MockServer::start().await.unwrap();
    let local = backend(mock.base_url());
    let error = local.embed(Vec::<String>::new()).await.unwrap_err();
    assert_eq!((error.category(), error.attempts()), (ErrorCategory::InvalidRequest, 0));
    // The request is rejected before it is sent to the official server.
    let official = CodexBackend::new(CodexBackendConfig::new("sk-test")).unwrap();
    for (request, message) in [
        (EmbeddingRequest::new(""), "input[0] is empty"),
        (
            EmbeddingRequest::new("a").with_model("text-embedding-ada-002").with_dimensions(8),
            "takes no dimensions",
        ),
        (EmbeddingRequest::new("a").with_extra("model", "b"), "the extra field \"model\" is also set"),
    ] {
        let error = official.embed(request).await.unwrap_err();
        assert_eq!((error.category(), error.attempts()), (ErrorCategory::InvalidRequest, 0));
        assert!(error.message().contains(message), "{error}");
    }
    let config = CodexBackendConfig::new("sk-test").with_base_url(mock.base_url());
    let strict = CodexBackend::new(config.with_input_limit(InputLimit::Refuse)).unwrap();
    let error = strict.embed(" a".repeat(20_000)).await.unwrap_err();
    assert_eq!((error.category(), error.attempts()), (ErrorCategory::ContextLength, 0));
    assert_eq!(mock.requests().len(), 0);
}
