//! What a fallback remembers of its backends.

use super::*;

#[tokio::test(start_paused = true)]
async fn an_unhealthy_backend_is_skipped_for_a_while() {
    let (first, second) = (failing("a", [busy(), busy()]), failing("b", []));
    let fallback = pair(&first, &second);
    let advance = |time| tokio::time::advance(seconds(time));
    // The seconds that pass, who responds then, and the requests of the first backend so far.
    for (pause, expected, requests) in
        [(0, "b", 1), (29, "b", 1), (1, "b", 2), (59, "b", 2), (1, "a", 3), (0, "a", 4)]
    {
        advance(pause).await;
        assert_eq!(text(&fallback).await.unwrap(), expected);
        assert_eq!(first.requests().len(), requests, "{pause}");
    }
    let health = &fallback.health()[0];
    assert_eq!((health.is_healthy, health.failures, health.category), (true, 0, None));
}

#[tokio::test(start_paused = true)]
async fn the_server_states_the_cool_down() {
    let stated =
        |wait| BackendError::ServiceUnavailable(ErrorDetails::new("busy").with_retry_after(wait).into());
    for (wait, expected) in [(seconds(7), 7), (seconds(90), 90), (Duration::MAX, 3600), (Duration::ZERO, 30)]
    {
        let fallback = pair(&failing("a", [stated(wait)]), &failing("b", []));
        text(&fallback).await.unwrap();
        let health = &fallback.health()[0];
        assert_eq!(
            (health.cool_down, health.category),
            (Some(seconds(expected)), Some(ErrorCategory::Overloaded))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_cool_down_nothing_is_skipped() {
    let (first, second) = (failing("a", [busy(), busy()]), failing("b", []));
    let fallback = pair(&first, &second).with_cool_down(no_cool_down());
    for expected in ["b", "b", "a"] {
        assert_eq!(text(&fallback).await.unwrap(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn one_request_at_a_time_tests_a_backend() {
    let slow = || ScriptedReply::text("a").with_delay(seconds(10));
    let first = Arc::new(scripted("a").with_reply(busy()).with_default_reply(slow()));
    let second = failing("b", []);
    let fallback = pair(&first, &second);
    text(&fallback).await.unwrap();
    tokio::time::advance(seconds(30)).await;
    let (one, other) = futures::join!(text(&fallback), text(&fallback));
    assert_eq!((one.unwrap().as_str(), other.unwrap().as_str()), ("a", "b"));
    // The test has closed the circuit.
    let (one, other) = futures::join!(text(&fallback), text(&fallback));
    assert_eq!((one.unwrap().as_str(), other.unwrap().as_str()), ("a", "a"));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_test_leaves_its_place_to_the_next_request() {
    let slow = || ScriptedReply::text("a").with_delay(seconds(10));
    let first = Arc::new(scripted("a").with_reply(busy()).with_reply(slow()).with_default_reply("a"));
    let fallback = pair(&first, &failing("b", []));
    text(&fallback).await.unwrap();
    tokio::time::advance(seconds(30)).await;
    timeout(seconds(1), text(&fallback)).await.unwrap_err();
    assert_eq!(first.cancelled_requests(), 1);
    assert_eq!(text(&fallback).await.unwrap(), "a");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_begun_lets_other_requests_in() {
    let slow = || ScriptedReply::text("12345678").with_chunk_delay(seconds(10));
    let first = Arc::new(scripted("a").with_reply(busy()).with_default_reply(slow()));
    let fallback = pair(&first, &failing("b", []));
    text(&fallback).await.unwrap();
    tokio::time::advance(seconds(30)).await;
    let mut open = fallback.complete_stream(hi()).await.unwrap();
    open.next().await.unwrap().unwrap();
    assert_eq!(fallback.health()[0].failures, 1, "it is not whole yet");
    assert_eq!(text(&fallback).await.unwrap(), "12345678");
    drop(open);
    assert_eq!(first.cancelled_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn requests_that_fail_together_are_one_failure() {
    let reply = || ScriptedReply::from(busy()).with_delay(seconds(1));
    let first = Arc::new(scripted("a").with_default_reply(reply()));
    let fallback = pair(&first, &failing("b", []));
    let requests = (0..8).map(|_| text(&fallback));
    for text in futures::future::join_all(requests).await {
        assert_eq!(text.unwrap(), "b");
    }
    let health = &fallback.health()[0];
    assert_eq!((health.failures, health.cool_down), (1, Some(seconds(30))));
}

#[tokio::test(start_paused = true)]
async fn where_all_are_unhealthy_the_soonest_is_asked() {
    let stated = |wait| {
        BackendError::ServiceUnavailable(ErrorDetails::new("busy").with_retry_after(seconds(wait)).into())
    };
    for (waits, expected) in [([20, 10], "b"), ([10, 20], "a"), ([10, 10], "a")] {
        let fallback = pair(&failing("a", [stated(waits[0])]), &failing("b", [stated(waits[1])]));
        text(&fallback).await.unwrap_err();
        assert_eq!(text(&fallback).await.unwrap(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_model_is_remembered_alone() {
    let reply = ScriptedReply::from_fn(|request| match request.model.as_deref() {
        Some("new") => ScriptedReply::from(failure(ErrorCategory::NotFound)),
        _ => "a".into(),
    });
    let first = Arc::new(scripted("a").with_default_reply(reply));
    let second = failing("b", []);
    let fallback = pair(&first, &second);
    let content =
        async |model: &str| fallback.complete(hi().with_model(model)).await.unwrap().content.unwrap();
    for (model, expected, requests) in [("new", "b", 1), ("new", "b", 1), ("old", "a", 2)] {
        assert_eq!(content(model).await, expected);
        assert_eq!(first.requests().len(), requests);
    }
    let health = &fallback.health()[0];
    assert!(health.is_healthy);
    assert_eq!(health.missing_models, ["new"]);
    tokio::time::advance(seconds(30)).await;
    content("new").await;
    assert_eq!(first.requests().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn few_missing_models_are_remembered() {
    let first = Arc::new(scripted("a").with_default_reply(failure(ErrorCategory::NotFound)));
    let fallback = pair(&first, &failing("b", []));
    for model in 0..300 {
        fallback.complete(hi().with_model(model.to_string())).await.unwrap();
    }
    assert_eq!(fallback.health()[0].missing_models.len(), 256);
    tokio::time::advance(seconds(30)).await;
    fallback.complete(hi().with_model("300")).await.unwrap();
    assert_eq!(fallback.health()[0].missing_models, ["300"]);
}
