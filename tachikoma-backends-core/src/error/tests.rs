//! Tests of errors.

use std::time::Duration;

use super::*;

#[test]
fn details_survive_the_way_into_a_variant() {
    for &category in ErrorCategory::ALL {
        let mut details = ErrorDetails::new("the server's message")
            .with_status(500)
            .with_code("code")
            .with_param("param")
            .with_request_id("req_1")
            .with_attempts(3)
            .with_retry_after(Duration::from_secs(3))
            .with_hint("Wait.")
            .with_maybe_processed(true);
        for retryable in [None, Some(false), Some(true)] {
            details.retryable = retryable;
            let error = BackendError::from_details(category, details.clone());
            assert_eq!(error.category(), category);
            assert_eq!(error.details(), &details, "{category}");
            assert_eq!(error.retry_after(), details.retry_after, "{category}");
            let expected = retryable.unwrap_or(category.is_retryable());
            assert_eq!(error.is_retryable(), expected, "{category}, {retryable:?}");
            assert!(error.to_string().ends_with(&details.to_string()), "{error}");
            assert_eq!(error.clone().details_mut(), &details, "{category}");
        }
    }
}

#[test]
fn a_message_alone_is_retried_by_the_category() {
    assert!(BackendError::Network("reset".into()).is_retryable());
    assert!(!BackendError::InvalidRequest("no".to_owned().into()).is_retryable());
    for &category in ErrorCategory::ALL {
        assert_eq!(BackendError::new(category, "m").is_retryable(), category.is_retryable(), "{category}");
    }
}

#[test]
fn the_status_of_a_server_error_decides_whether_to_retry() {
    for (status, expected) in [(400, false), (408, true), (409, true), (418, false), (429, true), (500, true)]
    {
        let error = BackendError::Api(ErrorDetails::new("m").with_status(status).into());
        assert_eq!(error.is_retryable(), expected, "{status}");
    }
}

#[test]
fn earlier_failures_are_listed_and_counted() {
    let first = ErrorDetails::new("reset").with_attempts(2);
    let second = ErrorDetails::new("slow").with_earlier_failure(ErrorCategory::Network, first);
    let last = ErrorDetails::new("busy").with_earlier_failure(ErrorCategory::Timeout, second);
    assert_eq!(last.to_string(), "busy (4 attempts; before: network: reset; timeout: slow)");
}

#[test]
fn every_text_can_be_changed() {
    let mut details = ErrorDetails {
        earlier_failures: vec!["x".into()],
        ..ErrorDetails::new("x").with_code("x").with_param("x").with_request_id("x").with_hint("x")
    };
    details.texts_mut().for_each(|text| text.push('y'));
    assert_eq!(format!("{details:?}").matches("\"xy\"").count(), 6);
}

#[test]
fn details_as_text() {
    #[track_caller]
    fn check(details: ErrorDetails, expected: &str) {
        assert_eq!(details.to_string(), expected);
    }
    check(ErrorDetails::new("Bad."), "Bad.");
    check(
        ErrorDetails {
            status: Some(400),
            code: Some("unsupported_value".into()),
            param: Some("temperature".into()),
            request_id: Some("req_1".into()),
            attempts: 3,
            hint: Some("Leave it out.".into()),
            ..ErrorDetails::new("Unsupported value: 'temperature'")
        },
        "Unsupported value: 'temperature' (status 400, code unsupported_value, request id req_1, 3 attempts). Leave it out.",
    );
    let twice = ErrorDetails { status: Some(401), code: Some("401".into()), ..ErrorDetails::new("No.") };
    check(twice, "No. (status 401)");
}
