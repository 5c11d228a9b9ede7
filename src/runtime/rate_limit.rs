//! Rate limits and waits in the headers of a response.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The longest wait that is passed on. A server that states a longer one, or a date years away, means that waiting is useless.
const MAX_WAIT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// From the first on, a number of seconds is a Unix time, from the second on one in milliseconds, and beyond the last invalid.
const FIRST_EPOCH_SECONDS: f64 = 1e9;
const FIRST_EPOCH_MILLISECONDS: f64 = 1e12;
const LAST_EPOCH_MILLISECONDS: f64 = 1e14;

/// The limits on an account, as the rate-limit headers of a response state them. Values that it did not send are `None`.
///
/// ```
/// use tachikoma_backend_codex::{Backend, CodexBackend, CodexBackendConfig, CompletionRequest};
/// use tachikoma_openai_mock::MockServer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = MockServer::builder().with_rate_limits(60, 100_000).start().await?;
/// # let config = CodexBackendConfig::new("sk-...").with_base_url(server.base_url());
/// let backend = CodexBackend::new(config)?;
/// backend.complete(CompletionRequest::user("Hello")).await?;
/// let limits = backend.rate_limits().ok_or("the server sends no limits")?;
/// assert_eq!((limits.requests.limit, limits.requests.remaining), (Some(60), Some(59)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimits {
    /// The limit on requests.
    pub requests: RateLimit,
    /// The limit on tokens.
    pub tokens: RateLimit,
    /// When the response arrived.
    pub at: SystemTime,
}

/// One limit on an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimit {
    /// How many are allowed per period.
    pub limit: Option<u64>,
    /// How many are left in this period.
    pub remaining: Option<u64>,
    /// The time from the response until the limit is fully restored.
    pub reset: Option<Duration>,
}

impl RateLimits {
    /// Parses `x-ratelimit-*` headers. `None` without any.
    pub(crate) fn from_headers(headers: &HeaderMap, at: SystemTime) -> Option<Self> {
        let limit = |kind: &str| RateLimit {
            limit: header(headers, &format!("x-ratelimit-limit-{kind}")).and_then(|text| text.parse().ok()),
            remaining: header(headers, &format!("x-ratelimit-remaining-{kind}"))
                .and_then(|text| text.parse().ok()),
            reset: header(headers, &format!("x-ratelimit-reset-{kind}")).and_then(parse_duration),
        };
        let [requests, tokens] = ["requests", "tokens"].map(limit);
        let is_empty = requests == RateLimit::default() && tokens == RateLimit::default();
        (!is_empty).then_some(Self { requests, tokens, at })
    }
}

/// Parses a duration in the format of these headers: `6m0s`, `12ms`, `1.5s`, `1h2m`.
fn parse_duration(text: &str) -> Option<Duration> {
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

/// The provider's id of the request, from the first of these headers that is present.
pub(crate) fn request_id(headers: &HeaderMap, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| header(headers, name)).map(str::to_owned)
}

/// Whether the server asks for a retry or forbids it.
pub(crate) fn should_retry(headers: &HeaderMap) -> Option<bool> {
    match header(headers, "x-should-retry")? {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// How long the server asks to wait: `retry-after-ms`, else `retry-after` in seconds or as a date.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let milliseconds = header(headers, "retry-after-ms")
        .and_then(|text| seconds_or_time(text.parse::<f64>().ok()? / 1000.0, now));
    milliseconds.or_else(|| {
        let text = header(headers, RETRY_AFTER.as_str())?;
        match text.parse() {
            Ok(seconds) => seconds_or_time(seconds, now),
            Err(_) => Some(wait_until(httpdate::parse_http_date(text).ok()?, now)),
        }
    })
}

/// The wait of a header in seconds, in which some servers send a Unix time instead.
fn seconds_or_time(seconds: f64, now: SystemTime) -> Option<Duration> {
    let since_1970 = match seconds {
        _ if seconds < FIRST_EPOCH_SECONDS => return to_wait(seconds),
        _ if seconds < FIRST_EPOCH_MILLISECONDS => seconds,
        _ if seconds < LAST_EPOCH_MILLISECONDS => seconds / 1000.0,
        _ => return None,
    };
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(since_1970).ok()?)?;
    Some(wait_until(time, now))
}

/// The wait until a point in time; one in the past means now.
fn wait_until(time: SystemTime, now: SystemTime) -> Duration {
    time.duration_since(now).unwrap_or_default().min(MAX_WAIT)
}

/// The wait of this many seconds; `None` if the number is not a valid one.
pub(super) fn to_wait(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().map(|wait| wait.min(MAX_WAIT))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
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
    fn hostile_waits_are_ignored() {
        for value in ["inf", "NaN", "-1", "1e35", "soon", ""] {
            check(&[("retry-after", value)], None);
            check(&[("retry-after-ms", value), ("retry-after", "3")], Some(3.0));
        }
    }

    #[test]
    fn long_waits_are_passed_on() {
        let month = 30.0 * 86_400.0;
        check(&[("retry-after", "86401")], Some(86_401.0));
        check(&[("retry-after-ms", "86401000"), ("retry-after", "3")], Some(86_401.0));
        check(&[("retry-after", "9999999")], Some(month));
        check(&[("retry-after", "Sun, 06 Nov 9994 08:49:37 GMT")], Some(month));
        check(&[("retry-after", "Tue, 08 Nov 1994 08:49:37 GMT")], Some(2.0 * 86_400.0));
    }

    #[test]
    fn a_time_is_not_a_wait_in_seconds() {
        #[track_caller]
        fn check(name: &'static str, value: &'static str, expected: Option<f64>) {
            let headers =
                [(HeaderName::from_static(name), HeaderValue::from_static(value))].into_iter().collect();
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_760_000_000);
            assert_eq!(
                retry_after(&headers, now).map(|wait| wait.as_secs_f64()),
                expected,
                "{name}: {value}"
            );
        }
        check("retry-after", "1760000020", Some(20.0));
        check("retry-after", "1760000020000", Some(20.0));
        check("retry-after-ms", "1760000020000", Some(20.0));
        check("retry-after", "1750000000", Some(0.0));
        check("retry-after", "1e15", None);
        check("retry-after", "1999999999", Some(30.0 * 86_400.0));
        // The time at which a limit is restored is not a wait.
        check("x-ratelimit-reset", "1999999999", None);
    }

    #[test]
    fn headers_state_limits() {
        let read = |headers: &[(&'static str, &'static str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            RateLimits::from_headers(&headers.collect(), SystemTime::UNIX_EPOCH)
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
            assert_eq!(parse_duration(text).map(|duration| duration.as_secs_f64()), expected, "{text}");
        }
    }
}
