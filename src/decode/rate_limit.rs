//! What the headers and the words of an answer say about waiting.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// No server means a longer wait than a day; what says so is not a wait but a mistake.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The id under which the provider finds the request.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<String> {
    // Azure names its id otherwise.
    ["x-request-id", "apim-request-id"].iter().find_map(|name| text(headers, name)).map(str::to_owned)
}

/// The server's own word on whether to try again.
pub(crate) fn should_retry(headers: &HeaderMap) -> Option<bool> {
    match text(headers, "x-should-retry")? {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// How long the server asks to wait: `retry-after-ms`, else `retry-after` in seconds or as a date.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let milliseconds =
        text(headers, "retry-after-ms").and_then(|text| wait(text.parse::<f64>().ok()? / 1000.0));
    milliseconds.or_else(|| {
        let text = text(headers, RETRY_AFTER.as_str())?;
        if let Ok(seconds) = text.parse() {
            return wait(seconds);
        }
        let date = httpdate::parse_http_date(text).ok()?;
        // A date in the past means now.
        Some(date.duration_since(now).unwrap_or_default()).filter(|wait| *wait <= LONGEST)
    })
}

/// The wait that stands in the text only, as with Azure: "retry after 12 seconds", "try again in 1.4s".
pub(crate) fn stated_wait(message: &str) -> Option<Duration> {
    let message = message.to_ascii_lowercase();
    let rest = ["retry after ", "retry in ", "try again in "]
        .iter()
        .find_map(|phrase| message.split_once(phrase).map(|(_, rest)| rest))?;
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
    let (number, unit) = rest.split_at(end);
    let number: f64 = number.trim_end_matches('.').parse().ok()?;
    let unit = unit.trim_start();
    let seconds = match unit {
        _ if unit.starts_with("ms") || unit.starts_with("milli") => number / 1000.0,
        _ if unit.starts_with('m') => {
            // "6m30s"
            let rest = unit.strip_prefix('m').unwrap_or_default();
            let seconds = rest.split_once('s').and_then(|(seconds, _)| seconds.parse::<f64>().ok());
            number * 60.0 + seconds.unwrap_or_default()
        }
        _ if unit.starts_with('h') => number * 3600.0,
        _ => number,
    };
    wait(seconds)
}

fn wait(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().filter(|wait| *wait <= LONGEST)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    #[track_caller]
    fn check(headers: &[(&'static str, &'static str)], expected: Option<f64>) {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(retry_after(&headers, now).map(|wait| wait.as_secs_f64()), expected, "{headers:?}");
    }

    #[test]
    fn headers_state_a_wait() {
        check(&[], None);
        check(&[("retry-after", "7")], Some(7.0));
        check(&[("retry-after", " 0.5 ")], Some(0.5));
        check(&[("retry-after", "7"), ("retry-after-ms", "250")], Some(0.25));
        check(&[("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT")], Some(10.0));
        check(&[("retry-after", "Sun, 06 Nov 1994 08:49:07 GMT")], Some(0.0));
    }

    #[test]
    fn hostile_waits_are_no_waits() {
        for value in ["inf", "NaN", "-1", "1e35", "soon", "", "86401", "Sun, 06 Nov 9994 08:49:37 GMT"] {
            check(&[("retry-after", value)], None);
            check(
                &[("retry-after-ms", value), ("retry-after", "3")],
                if value == "86401" { Some(86.401) } else { Some(3.0) },
            );
        }
    }

    #[test]
    fn words_state_a_wait() {
        for (message, expected) in [
            ("Please retry after 12 seconds.", Some(12.0)),
            ("Please try again in 1.4s. Visit", Some(1.4)),
            ("Please try again in 120ms.", Some(0.12)),
            ("Please try again in 6m30s.", Some(390.0)),
            ("Please try again in 2 minutes", Some(120.0)),
            ("Please try again in 1h", Some(3600.0)),
            ("Please retry after 12.", Some(12.0)),
            ("Please retry after a while", None),
            ("Please try again later", None),
        ] {
            assert_eq!(stated_wait(message).map(|wait| wait.as_secs_f64()), expected, "{message}");
        }
    }
}
