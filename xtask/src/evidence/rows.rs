//! The rows of the page: what is claimed, the command that measures it, and how the figure is read from its output.

/// One claim.
#[derive(Debug)]
pub(super) struct Row {
    /// The name on the command line.
    pub(super) name: &'static str,
    /// What is measured, as a phrase.
    pub(super) about: &'static str,
    /// The program and its arguments, from the repository's root.
    pub(super) command: &'static [&'static str],
    /// The figure in the output; `None` if it is not there.
    pub(super) figure: fn(&str) -> Option<String>,
    /// Whether the README has it.
    pub(super) is_headline: bool,
}

const COMPARE: &str = "benches/compare/Cargo.toml";

pub(super) const ROWS: [Row; 14] = [
    Row {
        name: "conformance",
        about: "Graded cases of requests, streams, errors, retries and turns",
        command: &["cargo", "xtask", "ci", "conformance"],
        figure: |output| {
            let of = |word| sum_before(output, word);
            let [passed, failed, skipped] = [of(" passed, ")?, of(" failed, ")?, of(" skipped")?];
            Some(format!("{passed} of {} pass", passed + failed + skipped))
        },
        is_headline: true,
    },
    Row {
        name: "recorded",
        about: "Recorded exchanges with real servers, compared with a second parser",
        command: &["cargo", "test", "--test", "it", "--", "recorded", "--nocapture"],
        figure: |output| {
            let [exchanges, items] = [sum_before(output, " exchanges")?, sum_before(output, " items")?];
            // Without the recordings the tests pass on nothing.
            (exchanges > 0).then(|| {
                let [exchanges, items] = [thousands(exchanges), thousands(items)];
                format!("{exchanges} exchanges with {items} items read without a fault")
            })
        },
        is_headline: true,
    },
    Row {
        name: "metamorphic",
        about: "Responses transformed in ways that servers are known for: the same reading, or an error",
        command: &["cargo", "test", "--test", "it", "--", "metamorphic", "--nocapture"],
        figure: |output| {
            Some(format!("{} responses, none read wrongly", thousands(sum_before(output, " transformed")?)))
        },
        is_headline: true,
    },
    Row {
        name: "parity",
        about: "One turn over both APIs, whole and streamed, gives the caller the same",
        command: &["cargo", "test", "--test", "it", "--", "parity"],
        figure: tests,
        is_headline: false,
    },
    Row {
        name: "faults",
        about: "Servers that break, stall, split, lie or flood",
        command: &[
            "cargo", "test", "--test", "it", "--", "faults", "hostile", "limits", "websocket", "server_state",
        ],
        figure: tests,
        is_headline: false,
    },
    Row {
        name: "fuzz",
        about: "Fuzz targets, from the scenarios on",
        command: &["cargo", "xtask", "ci", "fuzz"],
        figure: |output| {
            let targets = output.lines().filter(|line| line.ends_with(" inputs")).count();
            let inputs = thousands(sum_before(output, " inputs")?);
            Some(format!("{targets} targets, {inputs} inputs, no finding"))
        },
        is_headline: false,
    },
    Row {
        name: "live",
        about: "llama.cpp: live tests, their recording played back, an agent that writes a file; llmock's verdict on faults",
        command: &["cargo", "xtask", "ci", "live", "agent", "llmock"],
        figure: tests,
        is_headline: false,
    },
    Row {
        name: "comply",
        about: "llm-comply and OpenAI's Python library against the mock",
        command: &["cargo", "xtask", "ci", "comply"],
        figure: |output| {
            let checks = output.lines().filter(|line| line.ends_with(": passed")).count();
            Some(format!("{} tests of llm-comply and {checks} checks pass", sum_before(output, " tests")?))
        },
        is_headline: false,
    },
    Row {
        name: "tests",
        about: "Tests of the published packages and of the programs of docs/migrate.md, doc tests included",
        command: &["cargo", "test", "--workspace", "--exclude", "xtask"],
        figure: tests,
        is_headline: false,
    },
    Row {
        name: "instructions",
        about: "Instructions for an event of a stream, as a multiple of a client that drops the bytes",
        command: &["cargo", "run", "--release", "--quiet", "--package", "benches", "--", "instructions"],
        figure: |output| {
            let ratio = |kind| Some(row(output, &[kind, "this crate"])?.last()?.clone());
            Some(format!("text {}, tool calls {}", ratio("text")?, ratio("tools")?))
        },
        is_headline: false,
    },
    Row {
        name: "peers",
        about: "CPU time for an event of a stream, as a multiple of a client that drops the bytes",
        command: &[
            "cargo", "run", "--release", "--quiet", "--manifest-path", COMPARE, "--", "text", "--rounds", "5",
        ],
        figure: |output| {
            let [names, ratios] = [row(output, &["kind"])?, row(output, &["text"])?];
            // The first two columns are the kind and what it is, the third is the client that drops the bytes.
            let pairs = names.iter().zip(&ratios).skip(3);
            let pairs =
                pairs.map(|(name, ratio)| format!("{name} {}", ratio.split(' ').next().unwrap_or(ratio)));
            Some(pairs.collect::<Vec<_>>().join(", "))
        },
        is_headline: true,
    },
    Row {
        name: "agent",
        about: "Bytes that an agent uploads in 200 steps over a WebSocket, of those over HTTP; CPU time of step 200 over a WebSocket",
        command: &[
            "cargo", "run", "--release", "--quiet", "--manifest-path", COMPARE, "--", "agent", "--rounds",
            "3",
        ],
        figure: |output| {
            let tables: Vec<_> = rows(output, &["this crate, WebSocket"]).collect();
            let rig = rows(output, &["rig, WebSocket"]).next()?;
            let [steps, transport] = tables.as_slice() else { return None };
            let microseconds = |cells: &[String]| Some(cells.get(4)?.split(' ').next()?.to_owned());
            let (ours, theirs) = (microseconds(steps)?, microseconds(&rig)?);
            Some(format!("{} of the bytes; {ours} us, rig {theirs} us", transport.get(2)?))
        },
        is_headline: true,
    },
    Row {
        name: "gate",
        about: "64 agents behind one gate, in simulated time: the time of 320 requests, and the least possible",
        command: &["cargo", "test", "--test", "it", "--", "gate", "--nocapture"],
        figure: |output| {
            let lines: Vec<_> =
                output.lines().filter_map(|line| Some(line.split_once("gate: ")?.1)).collect();
            (!lines.is_empty()).then(|| lines.join("; "))
        },
        is_headline: false,
    },
    Row {
        name: "build",
        about: "CPU time of a cold release build of a program that depends on this crate, and on async-openai",
        command: &["benches/build_cost.sh"],
        figure: |output| {
            let seconds = |name: &str| {
                let line = output
                    .lines()
                    .find(|line| line.starts_with("cold release build") && line.contains(name))?;
                Some(line.rsplit_once(": ")?.1.split(',').next()?.to_owned())
            };
            Some(format!("{}, async-openai {}", seconds("with-this-crate")?, seconds("with-async-openai")?))
        },
        is_headline: false,
    },
];

/// How many tests have passed.
fn tests(output: &str) -> Option<String> {
    Some(format!("{} tests pass", thousands(sum_before(output, " passed;")?)))
}

/// The sum of the numbers directly before a text; `None` if the text is missing.
fn sum_before(output: &str, text: &str) -> Option<u64> {
    let numbers = output.match_indices(text).filter_map(|(at, _)| {
        let before = output.get(..at)?;
        before.rsplit(|character: char| !character.is_ascii_digit()).next()?.parse::<u64>().ok()
    });
    numbers.reduce(|sum, number| sum + number)
}

/// The rows of Markdown tables whose first cells are these, without these.
fn rows<'a>(output: &'a str, first: &'a [&str]) -> impl Iterator<Item = Vec<String>> + 'a {
    output.lines().filter_map(move |line| {
        let cells = line.trim().strip_prefix('|')?.strip_suffix('|')?;
        let cells: Vec<String> = cells.split('|').map(|cell| cell.trim().to_owned()).collect();
        cells.starts_with(&first.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>()).then_some(cells)
    })
}

fn row(output: &str, first: &[&str]) -> Option<Vec<String>> {
    rows(output, first).next()
}

/// A number with a comma before each three digits.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, output: &str, expected: Option<&str>) {
        let row = ROWS.iter().find(|row| row.name == name).unwrap();
        assert_eq!((row.figure)(output).as_deref(), expected, "{name}");
    }

    #[test]
    fn figures_are_read_from_the_output() {
        check(
            "conformance",
            "chat 9 of 9 passed\n\n175 passed, 0 failed, 0 skipped\n",
            Some("175 of 175 pass"),
        );
        check(
            "recorded",
            "2428 exchanges\n1200 items\n34 items\n",
            Some("2,428 exchanges with 1,234 items read without a fault"),
        );
        check("recorded", "0 exchanges\n0 items\n", None);
        check(
            "metamorphic",
            "chat: 9000 transformed\nok\n8300 transformed\n",
            Some("17,300 responses, none read wrongly"),
        );
        check(
            "tests",
            "test result: ok. 340 passed; 0 failed\ntest result: ok. 1000 passed; 0 failed",
            Some("1,340 tests pass"),
        );
        check("tests", "error", None);
        check(
            "comply",
            "openai-chat: 9 tests\nopen-responses: 13 tests\nbackground: passed\n",
            Some("22 tests of llm-comply and 1 checks pass"),
        );
        check(
            "fuzz",
            "sse: building, then 20 s\nsse: 1000 inputs\nchat_body: 24 inputs\n",
            Some("2 targets, 1,024 inputs, no finding"),
        );
        check(
            "instructions",
            "| text | drain-only | 3990 | 1.00 |\n| text | this crate | 1 | 2.74 |\n| tools | this crate | 1 | 3.30 |\n",
            Some("text 2.74, tool calls 3.30"),
        );
        check(
            "peers",
            "| kind | | drain-only, us | this crate | genai |\n|---|---|\n| text | a stream | 0.91 (0.76 to 1.12) | 2.30 (1.80 to 2.72) | 2.86 (2 to 3) |",
            Some("this crate 2.30, genai 2.86"),
        );
        check(
            "build",
            "cold release build, with-this-crate: 207 s of CPU, 110 s\ncold release build, with-async-openai: 160 s of CPU, 90 s\n",
            Some("207 s of CPU, async-openai 160 s of CPU"),
        );
    }
}
