//! Token counts against tiktoken's and against usage that servers reported; the limit on input.

use serde::Deserialize;
use tachikoma_backend_codex::{Api, CodexBackend, CodexBackendConfig, InputLimit, TokenCount};
use tachikoma_backends_core::{
    Backend, CompletionRequest, ContentPart, ErrorCategory, ImageDetail, Message, MessageContent,
    ToolDefinition, ToolParameter,
};
use tachikoma_openai_mock::MockServer;

fn backend(config: CodexBackendConfig) -> CodexBackend {
    CodexBackend::new(config).unwrap()
}

fn official() -> CodexBackendConfig {
    CodexBackendConfig::new("sk-test")
}

fn words(count: usize) -> String {
    " a".repeat(count)
}

/// The header of a PNG, which holds its size.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes
}

fn image(width: u32, height: u32, detail: Option<ImageDetail>) -> ContentPart {
    use base64::Engine;
    let data = base64::prelude::BASE64_STANDARD.encode(png(width, height));
    let image = ContentPart::image_base64("image/png", data);
    match detail {
        Some(detail) => image.with_detail(detail),
        None => image,
    }
}

/// A request of `tests/tokens/recorded.json`, and the count of a server.
#[derive(Deserialize)]
struct Recorded {
    source: String,
    api: String,
    model: String,
    request: CompletionRequest,
    image: Option<(u32, u32, Option<ImageDetail>)>,
    /// Of the whole request.
    usage: Option<u32>,
    /// Of its image alone.
    image_usage: Option<u32>,
}

impl Recorded {
    fn count(&self) -> TokenCount {
        let mut request = self.request.clone();
        if let (Some((width, height, detail)), MessageContent::Parts(parts)) =
            (self.image, &mut request.messages[0].content)
        {
            parts.push(image(width, height, detail));
        }
        let api = if self.api == "chat" { Api::ChatCompletions } else { Api::Responses };
        backend(official().with_model(self.model.as_str()).with_api(api)).count_request_tokens(&request)
    }
}

fn recorded() -> Vec<Recorded> {
    let all: Vec<Recorded> = serde_json::from_str(include_str!("../tokens/recorded.json")).unwrap();
    assert!(all.len() > 60, "{}", all.len());
    all
}

/// The bound holds with the feature and without it.
#[test]
fn counts_of_servers_are_within_the_bound() {
    for case in recorded() {
        let count = case.count();
        let (at_least, at_most) = (count.at_least(), count.at_most());
        let context =
            format!("{} {}: {:?} {:?}, {count:?}", case.source, case.model, case.usage, case.image_usage);
        if let Some(usage) = case.usage {
            assert!((at_least..=at_most).contains(&usage), "{context}");
        }
        if let Some(usage) = case.image_usage {
            assert!(usage.abs_diff(count.images) <= count.error, "{context}");
        }
    }
}

#[test]
fn parts_make_the_whole() {
    let count = backend(official()).count_request_tokens(
        &CompletionRequest::new(vec![Message::user(vec![
            ContentPart::text("Hello"),
            ContentPart::image_url("https://example.org/a.png").with_detail(ImageDetail::Low),
        ])])
        .with_tools([ToolDefinition::builder("now").description("The time").build().unwrap()]),
    );
    let TokenCount { tokens, messages, tools, response_format, images, .. } = count;
    assert_eq!(tokens, messages + tools + response_format + images);
    assert!(messages > 0 && tools > 0 && response_format == 0 && images == 308, "{count:?}");
}

#[test]
fn nothing_overflows() {
    let image = ContentPart::image_url("https://example.org/a.png");
    let endless = CompletionRequest::new(vec![Message::user(vec![image; 130_000])]);
    let count = backend(official()).count_request_tokens(&endless);
    assert_eq!((count.tokens, count.images), (u32::MAX, u32::MAX));
}

#[track_caller]
fn check_warnings(request: &CompletionRequest, config: CodexBackendConfig, expected: Option<&str>) {
    let warnings = backend(config).preview(request).unwrap().warnings;
    match expected {
        Some(expected) => {
            assert!(warnings.iter().any(|warning| warning.contains(expected)), "{warnings:?}");
        }
        None => assert_eq!(warnings, Vec::<String>::new()),
    }
}

#[test]
fn too_much_input_is_a_warning() {
    let of = |count, model: &str| CompletionRequest::new(vec![Message::user(words(count))]).with_model(model);
    let local = official().with_base_url("http://localhost:1");
    // Both a quarter of the bytes and the exact count are above the limit.
    let long = of(300_000, "gpt-4o");
    for config in [official(), local.clone()] {
        check_warnings(
            &long,
            config.clone(),
            Some("but gpt-4o reads 128000 at most: shorten the conversation"),
        );
        check_warnings(&long, config.with_input_limit(InputLimit::Ignore), None);
    }
    check_warnings(&of(60_000, "gpt-4o"), official(), None);
    check_warnings(&of(300_000, "my-deployment"), local, None);
    let with_output = of(125_000, "gpt-4o").with_max_tokens(16_384);
    let within = of(50_000, "gpt-4o").with_max_tokens(16_384);
    check_warnings(&within, official(), None);
    let warnings = backend(official()).preview(&with_output).unwrap().warnings;
    // The estimate is 62,500.
    assert_eq!(warnings.len(), usize::from(cfg!(feature = "tokens")), "{warnings:?}");
}

#[tokio::test]
async fn too_much_input_is_rejected_before_sending_if_configured() {
    let mock = MockServer::start().await.unwrap();
    let config = official().with_base_url(mock.base_url()).with_model("gpt-4o");
    let backend = backend(config.with_input_limit(InputLimit::Refuse));
    let error =
        backend.try_complete(CompletionRequest::new(vec![Message::user(words(300_000))])).await.unwrap_err();
    assert_eq!((error.category(), error.attempts()), (ErrorCategory::ContextLength, 0));
    assert!(error.message().contains("gpt-4o reads 128000 at most"), "{error}");
    assert_eq!(mock.requests().len(), 0);
    let outcome = backend.try_complete(CompletionRequest::new(vec![Message::user("Hi")])).await;
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[test]
fn texts_are_counted_for_the_configured_model_or_another() {
    let gpt_4 = backend(official().with_model("gpt-4"));
    let text = "antidisestablishmentarianism";
    let (cl100k, o200k) = if cfg!(feature = "tokens") { (6, 6) } else { (7, 7) };
    assert_eq!(gpt_4.count_tokens(text), cl100k);
    assert_eq!(gpt_4.count_tokens_for("gpt-4o", text), o200k);
    assert_eq!(gpt_4.count_tokens_for("my-deployment", text), o200k);
    assert_eq!(gpt_4.count_tokens(""), 0);
}

#[cfg(feature = "tokens")]
mod exact {
    use super::*;

    /// `tests/tokens/README.md` explains how these were counted.
    #[test]
    fn counts_are_those_of_tiktoken() {
        let gpt_4 = backend(official().with_model("gpt-4"));
        let gpt_4o = backend(official().with_model("gpt-4o"));
        let mut wrong = Vec::new();
        let lines = include_str!("../tokens/strings.jsonl").lines();
        let mut strings = 0;
        for line in lines {
            let (text, cl100k, o200k): (String, u32, u32) = serde_json::from_str(line).unwrap();
            let counted = (gpt_4.count_tokens(&text), gpt_4o.count_tokens(&text));
            assert_eq!(gpt_4.count_tokens_for("gpt-oss-120b", &text), counted.1);
            strings += 1;
            if counted != (cl100k, o200k) {
                wrong.push((text, counted, (cl100k, o200k)));
            }
        }
        assert!(strings >= 2000, "{strings}");
        assert!(wrong.is_empty(), "{} of {strings}: {wrong:?}", wrong.len());
    }

    /// The bound is not trivially wide: for plain conversations it is 2 tokens, and few counts are far off.
    #[test]
    fn counts_of_requests_are_close() {
        let mut far = Vec::new();
        let mut counted = 0;
        for case in recorded() {
            let Some(usage) = case.usage.filter(|_| case.model != "gpt-oss-120b") else { continue };
            let count = case.count();
            let is_plain = case.request.tools.is_empty()
                && case.request.messages.iter().all(|message| message.tool_calls.is_empty());
            if is_plain && case.image.is_none() && count.images == 0 {
                assert!(count.error == 2 && usage.abs_diff(count.tokens) <= 1, "{usage} {count:?}");
            }
            let reasons_again = case.request.messages.iter().any(|message| message.provider_state.is_some());
            let unknown_image = case.image.is_none() && count.images > 0;
            if !reasons_again && !unknown_image {
                counted += 1;
                assert!(count.error <= 15 + usage * 3 / 5, "{usage} {count:?}");
                if usage.abs_diff(count.tokens) > 4 {
                    far.push((case.source, usage, count.tokens));
                }
            }
        }
        assert!(counted > 55, "{counted}");
        assert!(far.len() * 8 <= counted, "{} of {counted}: {far:?}", far.len());
    }

    #[test]
    fn unknown_models_are_counted_with_a_wide_bound() {
        let backend = backend(official().with_model("my-deployment"));
        let request = CompletionRequest::new(vec![Message::user("Hello world")]);
        let count = backend.count_request_tokens(&request);
        assert!(!count.exact_texts && count.error >= 9, "{count:?}");
        assert!(backend.count_request_tokens(&request.with_model("gpt-5.6-sol")).exact_texts);
    }

    #[test]
    fn images_of_unknown_size_count_as_the_largest() {
        let of = |part| CompletionRequest::new(vec![Message::user(vec![part])]).with_model("gpt-4o");
        let backend = backend(official());
        let count = |part| backend.count_request_tokens(&of(part)).images;
        assert_eq!(count(image(1024, 1024, None)), 765);
        assert_eq!(count(ContentPart::image_base64("image/png", "AAAA")), 1445);
        assert_eq!(count(ContentPart::image_base64("image/png", "not base64")), 1445);
        assert_eq!(count(ContentPart::image_url("https://example.org/a.png")), 1445);
        let in_url = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAABAAAAAQA";
        assert_eq!(count(ContentPart::image_url(in_url)), 765);
    }
}

#[test]
fn tools_of_any_schema_are_counted() {
    let tool = ToolDefinition::builder("find")
        .description("Finds")
        .parameter("what", ToolParameter::string("What to find"))
        .build()
        .unwrap();
    let one = CompletionRequest::new(vec![Message::user("Hi")]).with_tools([tool.clone()]);
    let backend = backend(official());
    let few = backend.count_request_tokens(&one).tools;
    let many = backend.count_request_tokens(&one.with_tools(vec![tool; 10])).tools;
    assert!(few > 20 && many > 5 * few, "{few} {many}");
}
