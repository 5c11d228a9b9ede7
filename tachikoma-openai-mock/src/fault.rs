//! Faults that the server injects on purpose, and the grammar of their specifications.

pub(crate) mod duplicate;
pub(crate) mod inject;
pub(crate) mod schedule;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};

/// A fault that the server injects on purpose, parsed from a text of the form [`Fault::GRAMMAR`]. See
/// [`MockConfig::with_fault`](crate::MockConfig::with_fault).
///
/// ```
/// # use tachikoma_openai_mock::Fault;
/// let fault: Fault = "truncate=3,reset,times=1".parse()?;
/// assert_eq!(fault.to_string(), "truncate=3,reset,times=1");
/// # Ok::<_, tachikoma_openai_mock::InvalidFault>(())
/// ```
#[derive(Debug, Clone)]
pub struct Fault {
    pub(crate) kind: Kind,
    /// Only this many requests are considered.
    pub(crate) times: Option<u64>,
    /// The fraction of them that is hit, from 0 to 1.
    pub(crate) probability: f64,
    /// The unchanged text, the seed included.
    pub(crate) spec: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Status { status: u16, code: Option<String>, headers: Vec<(String, String)> },
    Truncate { after: usize, reset: bool, bytes: bool },
    Stall { after: usize, pings: bool },
    Garbage { after: usize },
    Error { after: usize, code: Option<String> },
    Split { bytes: usize },
    Slow(Duration),
    ContentType(HeaderValue),
    Duplicate(SharedField),
    Refuse { status: u16, headers: Vec<(String, String)> },
    HalfOpen,
    ConnectionLimit { after: usize },
    PreviousNotFound,
    Busy,
}

/// What a fault may hit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Target {
    /// A request over HTTP; whether it names a response that it continues.
    Http { is_continuation: bool },
    /// The upgrade to a WebSocket.
    Upgrade,
    /// A request over a WebSocket.
    Message { is_continuation: bool },
}

impl Kind {
    /// Whether this is a fault of such a request. Others do not count the request.
    pub(crate) fn applies_to(&self, target: Target) -> bool {
        match (self, target) {
            (Self::Refuse { .. } | Self::HalfOpen, target) => target == Target::Upgrade,
            (_, Target::Upgrade) => false,
            (Self::ConnectionLimit { .. } | Self::Busy, target) => matches!(target, Target::Message { .. }),
            (Self::ContentType(_), target) => matches!(target, Target::Http { .. }),
            (
                Self::PreviousNotFound,
                Target::Http { is_continuation } | Target::Message { is_continuation },
            ) => is_continuation,
            _ => true,
        }
    }
}

/// The field that all tool calls share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum SharedField {
    Index,
    Id,
}

/// A text that is not a valid [`Fault`]. It displays the reason, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidFault(String);

impl fmt::Display for InvalidFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidFault {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spec)
    }
}

impl Fault {
    /// The faults, each with its form, its meaning and an example.
    pub const GRAMMAR: &str = "\
status=N[,HEADER=VALUE]...  an error with this status, 400 to 599, and these headers;
                            `code` sets the error's code:
                            status=429,code=insufficient_quota,retry-after=2
truncate[=N][,reset]        the response ends after N chunks, with `reset` by a broken
                            connection: truncate=3,reset
                            with `bytes` after N bytes of the body: truncate=100,bytes
stall[=N][,pings]           after N chunks nothing more is sent, with `pings` nothing but
                            the pings of a WebSocket: stall=0,pings
garbage[=N]                 after N chunks one that cannot be parsed: garbage=2
error[=N][,code=CODE]       after N chunks an error, and the end: error=2
split[=N]                   every N bytes are written separately: split=1
slow=DURATION               the first chunk of a stream, or a whole response, is delayed:
                            slow=1500ms
content-type=TYPE           the response has this content type: content-type=text/html
duplicate=index|id          all tool calls share an index, or an id: duplicate=index
previous-not-found          a request with a `previous_response_id` gets the error
                            `previous_response_not_found`
refuse=N[,HEADER=VALUE]...  the upgrade to a WebSocket gets this status, 200 or 400 to
                            599, and these headers: refuse=426
half-open                   a WebSocket is opened, and then nothing is ever sent
connection-limit[=N]        after N events over a WebSocket the error
                            `websocket_connection_limit_reached`, and the end of the
                            connection: connection-limit=0
busy                        a request over a WebSocket gets the error for a lane that
                            has a response already
N is 1 by default. A chunk is an event of a stream, or 64 bytes of another response.
To each fault can be added, after a comma:
times=K                     only the first K requests are considered: status=500,times=2
probability=P[,seed=S]      a fraction of them is hit, by a fixed sequence that the seed
                            selects: stall,probability=0.1,seed=7";

    const ALLOWED: &str = "status=N, truncate, stall, garbage, error, split, slow=DURATION, content-type=TYPE, \
                           duplicate=index|id, previous-not-found, refuse=N, half-open, connection-limit or busy";
}

impl Fault {
    /// Whether a reply can have this fault: one within its response, each time that it is used.
    ///
    /// # Errors
    /// What is wrong, and what to write instead.
    pub(crate) fn check_for_reply(&self) -> Result<(), String> {
        if self.times.is_some() || self.probability < 1.0 {
            return Err(
                "a reply's `fault` has no `times` and `probability`: it comes with each use of the reply"
                    .to_owned(),
            );
        }
        match self.kind {
            Kind::Status { .. } | Kind::PreviousNotFound | Kind::Busy => {
                Err(format!("`{}` takes the place of a reply: write `error` instead", self.spec))
            }
            Kind::Refuse { .. } | Kind::HalfOpen => {
                Err(format!("`{}` is a fault of a connection, and not of a reply", self.spec))
            }
            _ => Ok(()),
        }
    }
}

/// One item of a specification: `key=value`, or `key`.
type Item<'a> = (&'a str, Option<&'a str>);

fn item(text: &str) -> Item<'_> {
    text.split_once('=').map_or((text.trim(), None), |(key, value)| (key.trim(), Some(value.trim())))
}

impl FromStr for Fault {
    type Err = InvalidFault;

    fn from_str(spec: &str) -> Result<Self, InvalidFault> {
        let invalid = |why: String| InvalidFault(format!("invalid fault '{spec}': {why}"));
        let mut items = spec.split(',').map(item);
        let (name, value) = items.next().unwrap_or_default();
        let (mut times, mut probability, mut options) = (None, 1.0, Vec::new());
        for (key, value) in items {
            match key {
                "times" => times = Some(number("times", value, 1..=u64::MAX).map_err(invalid)?),
                "seed" => _ = number("seed", value, 0..=u64::MAX).map_err(invalid)?,
                "probability" => probability = part(value).map_err(invalid)?,
                _ => options.push((key, value)),
            }
        }
        let kind = kind(name, value, &mut options).map_err(invalid)?;
        if let Some((key, _)) = options.first() {
            return Err(invalid(format!(
                "'{name}' has no option '{key}'; times=K, probability=P and seed=S are allowed everywhere"
            )));
        }
        Ok(Self { kind, times, probability, spec: spec.to_owned() })
    }
}

/// Parses the fault, and takes its own options out of the list.
fn kind(name: &str, value: Option<&str>, options: &mut Vec<Item<'_>>) -> Result<Kind, String> {
    let count =
        |least| number(name, value.or(Some("1")), least..=u64::from(u32::MAX)).map(|count| count as usize);
    let needed = |what: &str| value.filter(|value| !value.is_empty()).ok_or(format!("write {name}={what}"));
    Ok(match name {
        "status" => Kind::Status {
            status: number(name, value, 400..=599)? as u16,
            code: code(options),
            headers: headers(options)?,
        },
        "truncate" => {
            Kind::Truncate { after: count(0)?, reset: flag("reset", options), bytes: flag("bytes", options) }
        }
        "stall" => Kind::Stall { after: count(0)?, pings: flag("pings", options) },
        "previous-not-found" => Kind::PreviousNotFound,
        "refuse" => {
            let status = number(name, value, 200..=599)? as u16;
            if !(status == 200 || status >= 400) {
                return Err("'refuse' needs 200 or a whole number from 400 to 599".to_owned());
            }
            Kind::Refuse { status, headers: headers(options)? }
        }
        "half-open" => Kind::HalfOpen,
        "connection-limit" => Kind::ConnectionLimit { after: count(0)? },
        "busy" => Kind::Busy,
        "garbage" => Kind::Garbage { after: count(0)? },
        "error" => Kind::Error { after: count(0)?, code: code(options) },
        "split" => Kind::Split { bytes: count(1)? },
        "slow" => {
            let text = needed("DURATION, for instance slow=1500ms or slow=2s")?;
            Kind::Slow(humantime::parse_duration(text).map_err(|error| {
                format!("'{text}' is not a valid duration ({error}); write for instance 1500ms or 2s")
            })?)
        }
        "content-type" => {
            let text = needed("TYPE, for instance content-type=text/html")?;
            Kind::ContentType(text.parse().map_err(|_| format!("'{text}' cannot be sent in a header"))?)
        }
        "duplicate" => Kind::Duplicate(match value {
            Some("index") => SharedField::Index,
            Some("id") => SharedField::Id,
            _ => return Err("write duplicate=index or duplicate=id".to_owned()),
        }),
        _ => return Err(format!("expected {}", Fault::ALLOWED)),
    })
}

fn number(name: &str, value: Option<&str>, allowed: std::ops::RangeInclusive<u64>) -> Result<u64, String> {
    let (least, most) = (allowed.start(), allowed.end());
    let upper = if *most == u64::MAX { "on".to_owned() } else { format!("to {most}") };
    let number = value.and_then(|value| value.parse().ok()).filter(|number| allowed.contains(number));
    number.ok_or(format!("'{name}' needs a whole number from {least} {upper}"))
}

fn part(value: Option<&str>) -> Result<f64, String> {
    let number = value.and_then(|value| value.parse().ok()).filter(|number| (0.0..=1.0).contains(number));
    number.ok_or("'probability' needs a number from 0 to 1".to_owned())
}

/// Whether the list has this option without a value; it is taken out.
fn flag(name: &str, options: &mut Vec<Item<'_>>) -> bool {
    let before = options.len();
    options.retain(|option| *option != (name, None));
    options.len() < before
}

fn code(options: &mut Vec<Item<'_>>) -> Option<String> {
    let place = options.iter().position(|(key, value)| *key == "code" && value.is_some())?;
    options.remove(place).1.map(str::to_owned)
}

/// All options are headers. An option without `=` continues the value before it after a comma, as in a date.
fn headers(options: &mut Vec<Item<'_>>) -> Result<Vec<(String, String)>, String> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for (key, value) in options.drain(..) {
        match (value, headers.last_mut()) {
            (Some(value), _) => headers.push((key.to_owned(), value.to_owned())),
            (None, Some((_, before))) => before.push_str(&format!(", {key}")),
            (None, None) => return Err(format!("'{key}' is not a header; write {key}=VALUE")),
        }
    }
    for (name, value) in &headers {
        let sendable = name.parse::<HeaderName>().is_ok() && value.parse::<HeaderValue>().is_ok();
        sendable.then_some(()).ok_or(format!("the header '{name}: {value}' cannot be sent"))?;
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_grammar_is_parsed() {
        let check = |spec: &str, expected: Kind| assert_eq!(spec.parse::<Fault>().unwrap().kind, expected);
        let status = |status, code: Option<&str>, headers: &[(&str, &str)]| Kind::Status {
            status,
            code: code.map(str::to_owned),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        };
        check("status=500", status(500, None, &[]));
        check(
            "status=429,code=insufficient_quota,retry-after=2,x-should-retry=false",
            status(429, Some("insufficient_quota"), &[("retry-after", "2"), ("x-should-retry", "false")]),
        );
        check(
            "status=503,retry-after=Wed, 01 Jan 2025 00:00:00 GMT,times=1",
            status(503, None, &[("retry-after", "Wed, 01 Jan 2025 00:00:00 GMT")]),
        );
        check("truncate", Kind::Truncate { after: 1, reset: false, bytes: false });
        check("truncate=0", Kind::Truncate { after: 0, reset: false, bytes: false });
        check("truncate=3, reset", Kind::Truncate { after: 3, reset: true, bytes: false });
        check("truncate=9,bytes,reset", Kind::Truncate { after: 9, reset: true, bytes: true });
        check("stall=2", Kind::Stall { after: 2, pings: false });
        check("stall=0,pings", Kind::Stall { after: 0, pings: true });
        check("previous-not-found", Kind::PreviousNotFound);
        check("refuse=426", Kind::Refuse { status: 426, headers: Vec::new() });
        check("half-open", Kind::HalfOpen);
        check("connection-limit", Kind::ConnectionLimit { after: 1 });
        check("connection-limit=0", Kind::ConnectionLimit { after: 0 });
        check("busy", Kind::Busy);
        check("garbage=2", Kind::Garbage { after: 2 });
        check("error", Kind::Error { after: 1, code: None });
        check("error=2,code=x", Kind::Error { after: 2, code: Some("x".to_owned()) });
        check("split", Kind::Split { bytes: 1 });
        check("split=7", Kind::Split { bytes: 7 });
        check("slow=1500ms", Kind::Slow(Duration::from_millis(1500)));
        check("content-type=text/html", Kind::ContentType(HeaderValue::from_static("text/html")));
        check("duplicate=index", Kind::Duplicate(SharedField::Index));
        check("duplicate=id", Kind::Duplicate(SharedField::Id));
    }

    #[test]
    fn times_and_probability_belong_to_any_fault() {
        let check = |spec: &str, times, probability| {
            let fault: Fault = spec.parse().unwrap();
            assert_eq!((fault.times, fault.probability), (times, probability), "{spec}");
        };
        check("stall", None, 1.0);
        check("stall,times=2", Some(2), 1.0);
        check("status=500,probability=0.25,seed=7", None, 0.25);
        check("truncate=1,times=3,probability=0,reset", Some(3), 0.0);
    }

    #[test]
    fn errors_name_what_is_allowed() {
        let check = |spec: &str, expected: &str| {
            let error = spec.parse::<Fault>().unwrap_err().to_string();
            assert_eq!(error, format!("invalid fault '{spec}': {expected}"));
        };
        let names = format!("expected {}", Fault::ALLOWED);
        check("", &names);
        check("explode", &names);
        check("=1", &names);
        let status = "'status' needs a whole number from 400 to 599";
        check("status", status);
        check("status=200", status);
        check("status=teapot", status);
        check("status=500,reset", "'reset' is not a header; write reset=VALUE");
        check("status=500,no header=1", "the header 'no header: 1' cannot be sent");
        check("truncate=-1", "'truncate' needs a whole number from 0 to 4294967295");
        check(
            "truncate=1,rest",
            "'truncate' has no option 'rest'; times=K, probability=P and seed=S are allowed everywhere",
        );
        check("refuse=302", "'refuse' needs 200 or a whole number from 400 to 599");
        check("split=0", "'split' needs a whole number from 1 to 4294967295");
        check("slow", "write slow=DURATION, for instance slow=1500ms or slow=2s");
        check(
            "slow=long",
            "'long' is not a valid duration (expected number at 0); write for instance 1500ms or 2s",
        );
        check("content-type", "write content-type=TYPE, for instance content-type=text/html");
        check("content-type=\n", "write content-type=TYPE, for instance content-type=text/html");
        check("content-type=a\nb", "'a\nb' cannot be sent in a header");
        check("duplicate", "write duplicate=index or duplicate=id");
        check("stall,times=0", "'times' needs a whole number from 1 on");
        check("stall,seed=x", "'seed' needs a whole number from 0 on");
        check("stall,probability=2", "'probability' needs a number from 0 to 1");
        check("stall,probability=NaN", "'probability' needs a number from 0 to 1");
    }

    #[test]
    fn the_reference_has_the_grammar() {
        assert!(include_str!("../REFERENCE.md").contains(Fault::GRAMMAR));
    }

    #[test]
    fn the_examples_of_the_grammar_are_right() {
        let examples: Vec<&str> = Fault::GRAMMAR
            .lines()
            .filter_map(|line| line.rsplit([' ']).next())
            .filter(|word| word.contains('=') && !word.contains(['[', 'K']) && !word.starts_with("slow=D"))
            .collect();
        assert!(examples.len() >= 9, "{examples:?}");
        for example in examples {
            assert!(example.parse::<Fault>().is_ok(), "{example}");
        }
    }
}
