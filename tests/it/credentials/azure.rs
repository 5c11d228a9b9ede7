//! Azure: the URLs and headers of requests, the hints of errors, the health check.

use tachikoma_backend_codex::{Api, Azure, CodexBackend, CodexBackendConfig, Credentials};
use tachikoma_backends_core::{Backend, CollectingStream, ErrorCategory};
use tachikoma_openai_mock::{MockServer, Reply};

use super::{request, send, start};

const VERSION: &str = "2024-10-21";

#[tokio::test]
async fn azure_urls() {
    let mock = start(MockServer::builder()).await;
    let plain = Azure::new(mock.azure_endpoint());
    let by_version = plain.clone().with_api_version(VERSION);
    let chat = Api::ChatCompletions;
    let query = "?api-version=2024-10-21";
    for (azure, api, path, model) in [
        (plain.clone(), chat, "/openai/v1/chat/completions", "m"),
        (plain.clone(), Api::Responses, "/openai/v1/responses", "m"),
        (plain.clone().with_deployment("d"), chat, "/openai/v1/chat/completions", "d"),
        (plain.with_api_version("preview"), chat, "/openai/v1/chat/completions?api-version=preview", "m"),
        (by_version.clone(), chat, &format!("/openai/deployments/m/chat/completions{query}"), "m"),
        (
            by_version.clone().with_deployment("d é/"),
            chat,
            &format!("/openai/deployments/d%20%C3%A9%2F/chat/completions{query}"),
            "m",
        ),
        (by_version.clone(), Api::Responses, &format!("/openai/responses{query}"), "m"),
        (by_version.with_deployment("d"), Api::Responses, &format!("/openai/responses{query}"), "d"),
    ] {
        let config = CodexBackendConfig::new("azure-key").with_azure(azure).with_api(api).with_model("m");
        let backend = CodexBackend::new(config).unwrap();
        let preview = backend.preview(&request()).unwrap();
        assert_eq!(preview.url, format!("{}{path}", mock.azure_endpoint()));
        backend.try_complete(request()).await.unwrap();
        let stream = backend.complete_stream(request()).await.unwrap();
        CollectingStream::new(stream).collect().await.unwrap();
        for sent in mock.requests().iter().rev().take(2) {
            let query = sent.query.as_ref().map_or(String::new(), |query| format!("?{query}"));
            assert_eq!(format!("{}{query}", sent.path), path);
            assert_eq!((sent.header("api-key"), sent.header("authorization")), (Some("***"), None));
            assert_eq!(sent.body.as_ref().unwrap()["model"], model);
        }
        assert_eq!(backend.health_check().await, Ok(true));
    }
}

#[tokio::test]
async fn a_request_may_name_the_deployment() {
    let mock = start(MockServer::builder()).await;
    let azure = Azure::new(mock.azure_endpoint()).with_api_version(VERSION);
    let backend = CodexBackend::new(CodexBackendConfig::new("k").with_azure(azure)).unwrap();
    backend.try_complete(request().with_model("mine")).await.unwrap();
    assert_eq!(mock.requests()[0].path, "/openai/deployments/mine/chat/completions");
    let error = backend.try_complete(request().with_model("..")).await.unwrap_err();
    assert_eq!((error.category(), error.attempts()), (ErrorCategory::InvalidRequest, 0), "{error}");
    assert!(error.to_string().contains("is not a valid deployment name"), "{error}");
}

#[tokio::test]
async fn azure_errors_carry_hints_for_azure() {
    let mock = start(MockServer::builder()).await;
    let by_key = Credentials::key("k");
    let by_token = Credentials::token("t");
    for (credentials, status, words) in [
        (&by_key, 404, "the deployment's name, the endpoint and the API version"),
        (&by_key, 401, "one of this resource's two"),
        (&by_token, 401, "https://cognitiveservices.azure.com/.default"),
        (&by_token, 403, "Cognitive Services OpenAI User"),
    ] {
        let azure = Azure::new(mock.azure_endpoint()).with_api_version(VERSION);
        let config = CodexBackendConfig::new(credentials.clone()).with_azure(azure);
        mock.push_reply(Reply::http(status, "{}"));
        let error = send(config).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn health_of_an_azure_endpoint_that_does_not_exist() {
    let address = ([127, 0, 0, 1], 0).into();
    let mock = start(MockServer::builder()).await;
    let port = mock.azure_endpoint().trim_start_matches("http://127.0.0.1:");
    let client =
        reqwest::Client::builder().no_proxy().resolve("r.openai.azure.com", address).build().unwrap();
    for (path, expected) in [("", Ok(true)), ("/nowhere", Err(ErrorCategory::NotFound))] {
        let azure = Azure::new(format!("http://r.openai.azure.com:{port}{path}"));
        let config = CodexBackendConfig::new("k").with_azure(azure).with_http_client(client.clone());
        let health = CodexBackend::new(config).unwrap().health_check().await;
        assert_eq!(health.map_err(|error| error.category()), expected);
    }
}
