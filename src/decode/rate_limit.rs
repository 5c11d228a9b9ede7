//! What the headers and the words of an answer say about waiting.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// No server means a longer wait than a day; what says so is not a wait but a mistake.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What the last answer said of the limits on an account: see [`CodexBackend::rate_limits`](crate::CodexBackend::rate_limits).
/// What the server did not say is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimits {
    /// The limit on requests.
    pub requests: RateLimit,
    /// The limit on tokens.
    pub tokens: RateLimit,
    /// When the answer came.
    pub at: SystemTime,
}

/// One limit on an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimit {
    /// How many there may be in a while.
    pub limit: Option<u64>,
    /// How many are left of it.
    pub remaining: Option<u64>,
    /// How long, counted from the answer, until all of it is left again.
    pub reset: Option<Duration>,
}

impl RateLimits {
    /// Reads OpenAI's `x-ratelimit-*` headers. `None` where there is none of them.
    pub(crate) fn of(headers: &HeaderMap, at: SystemTime) -> Option<Self> {
        let limit = |of: &str| RateLimit {
            limit: text(headers, &format!("x-ratelimit-limit-{of}")).and_then(|text| text.parse().ok()),
            remaining: text(headers, &format!("x-ratelimit-remaining-{of}"))
                .and_then(|text| text.parse().ok()),
            reset: text(headers, &format!("x-ratelimit-reset-{of}")).and_then(duration),
        };
        let [requests, tokens] = ["requests", "tokens"].map(limit);
        let says_nothing = requests == RateLimit::default() && tokens == RateLimit::default();
        (!says_nothing).then_some(Self { requests, tokens, at })
    }
}

/// A duration as OpenAI writes it: `6m0s`, `12ms`, `1.5s`, `1h2m`.
fn duration(text: &str) -> Option<Duration> {
    let (mut rest, mut seconds) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, after) = rest.split_at_checked(digits)?;
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end)?;
        let factor = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * factor;
        rest = after;
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|_| !text.is_empty())
}

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
    fn headers_state_limits() {
        let read = |headers: &[(&'static str, &'static str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            RateLimits::of(&headers.collect(), SystemTime::UNIX_EPOCH)
        };
        assert_eq!(read(&[("retry-after", "1")]), None);
        assert_eq!(read(&[("x-ratelimit-limit-requests", "many")]), None);
        let limits = read(&[
            ("x-ratelimit-limit-requests", "5000"),
            ("x-ratelimit-remaining-requests", "4999"),
            ("x-ratelimit-reset-requests", "12ms"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ])
        .unwrap();
        let reset = Some(Duration::from_millis(12));
        assert_eq!(limits.requests, RateLimit { limit: Some(5000), remaining: Some(4999), reset });
        let reset = Some(Duration::from_secs(360));
        assert_eq!(limits.tokens, RateLimit { limit: None, remaining: Some(0), reset });
        for (text, expected) in [
            ("1s", Some(1.0)),
            ("1m26.4s", Some(86.4)),
            ("1d2h", Some(93_600.0)),
            ("", None),
            ("7", None),
            ("s", None),
            ("1.2.3s", None),
            ("-1s", None),
            ("1y", None),
            ("99999999999999999999999h", None),
        ] {
            assert_eq!(duration(text).map(|duration| duration.as_secs_f64()), expected, "{text}");
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
