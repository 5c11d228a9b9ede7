//! Tests of messages and their content.

use serde_json::json;

use super::*;
use crate::ImageDetail;

#[track_caller]
fn check(message: Message, expected: Value) {
    assert_eq!(serde_json::to_value(&message).unwrap(), expected);
    assert_eq!(serde_json::from_value::<Message>(expected).unwrap(), message);
}

#[test]
fn messages_survive_serde() {
    check(Message::system("Be brief."), json!({"role": "system", "content": "Be brief."}));
    check(Message::user("Hi").with_name("ann"), json!({"role": "user", "content": "Hi", "name": "ann"}));
    check(
        Message::user(vec![
            ContentPart::text("What is this?"),
            ContentPart::image_url("https://example.org/a.png").with_detail(ImageDetail::Low),
            ContentPart::image_bytes("image/png", [0, 0, 0]),
            ContentPart::file_bytes("application/pdf", [0, 0, 0]).with_name("a.pdf"),
            ContentPart::file_url("https://example.org/a.pdf"),
            ContentPart::file_id("file-1"),
        ]),
        json!({"role": "user", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}, "detail": "low"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            {"type": "file", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
                "name": "a.pdf"},
            {"type": "file", "source": {"type": "url", "url": "https://example.org/a.pdf"}},
            {"type": "file", "source": {"type": "id", "id": "file-1"}},
        ]}),
    );
    check(
        Message::assistant_with_tool_calls("", vec![ToolCall::new("call_1", "now", "{}")]),
        json!({"role": "assistant", "content": "", "tool_calls":
            [{"id": "call_1", "name": "now", "arguments": "{}"}]}),
    );
    check(
        Message::tool_result("call_1", "noon"),
        json!({"role": "tool", "content": "noon", "tool_call_id": "call_1"}),
    );
}

#[test]
fn text_of_content() {
    let image = || ContentPart::image_url("https://example.org/a.png");
    let one = MessageContent::from(vec![ContentPart::text("a")]);
    let file = ContentPart::file_id("file-1");
    let mixed = MessageContent::from(vec![ContentPart::text("a"), image(), file, ContentPart::text("b")]);
    for (content, as_text, to_text, is_empty) in [
        (MessageContent::from("a"), Some("a"), "a", false),
        (MessageContent::from(&"a".to_owned()), Some("a"), "a", false),
        (one, Some("a"), "a", false),
        (mixed, None, "ab", false),
        (MessageContent::from(vec![image()]), None, "", false),
        (MessageContent::default(), Some(""), "", true),
    ] {
        assert_eq!(content.as_text(), as_text, "{content:?}");
        assert_eq!(content.to_text(), to_text, "{content:?}");
        assert_eq!(Message::user(content.clone()).text(), to_text, "{content:?}");
        assert_eq!(content.is_empty(), is_empty, "{content:?}");
    }
}
