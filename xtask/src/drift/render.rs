//! A report as text, Markdown or JSON.

use std::collections::BTreeSet;
use std::fmt::Write;

use anyhow::Result;

use super::finding::{Class, Finding};
use super::{Format, Report, Side};

/// Places get no wider than this; longer ones push the rest of their line aside.
const SITE_WIDTH: usize = 52;

/// Names after which a list of them is cut.
const NAMES: usize = 12;

impl Report {
    /// The whole report.
    pub(crate) fn render(&self, format: Format, colours: bool) -> Result<String> {
        Ok(match format {
            Format::Text => self.text(colours)?,
            Format::Markdown => self.markdown()?,
            Format::Json => serde_json::to_string_pretty(self)? + "\n",
        })
    }

    fn text(&self, colours: bool) -> Result<String> {
        let mut text = String::new();
        for (name, side) in [("old", &self.old), ("new", &self.new)] {
            writeln!(
                text,
                "{name}  {}\n     {}\n     sha256 {}",
                side.origin(),
                side.sizes(),
                side.upstream.sha256
            )?;
        }
        writeln!(text, "of   {}", names(&self.operations))?;
        for class in Class::ALL {
            let findings: Vec<&Finding> = self.of(class);
            if findings.is_empty() {
                continue;
            }
            let (on, off) = if colours { (colour(class), "\x1b[0m") } else { ("", "") };
            writeln!(text, "\n{on}{} ({}){off}  {}", class.title(), findings.len(), class.meaning())?;
            let width = findings.iter().map(|finding| finding.site.chars().count()).max().unwrap_or(0);
            let width = width.min(SITE_WIDTH);
            for group in findings.chunk_by(|a, b| a.operations == b.operations) {
                if let Some(first) = group.first() {
                    writeln!(text, "  in {}:", names(&first.operations))?;
                }
                for finding in group {
                    let direction = finding.direction.title();
                    writeln!(text, "    {:width$}  {direction:8}  {}", finding.site, finding.remark())?;
                }
            }
        }
        if self.findings.is_empty() {
            writeln!(text, "\nNothing changed in these operations.")?;
        }
        writeln!(text)?;
        for line in self.closing() {
            writeln!(text, "{line}")?;
        }
        Ok(text)
    }

    fn markdown(&self) -> Result<String> {
        let mut text = String::from("| | source | size | sha256 |\n|---|---|---|---|\n");
        for (name, side) in [("old", &self.old), ("new", &self.new)] {
            writeln!(text, "| {name} | {} | {} | `{}` |", side.origin(), side.sizes(), side.upstream.sha256)?;
        }
        writeln!(text, "\nOperations: {}", names(&self.operations))?;
        for class in Class::ALL {
            let findings = self.of(class);
            if findings.is_empty() {
                continue;
            }
            writeln!(
                text,
                "\n## {} ({})\n\n{}.\n",
                class.title(),
                findings.len(),
                sentence(class.meaning())
            )?;
            text.push_str("| where | direction | what | operations |\n|---|---|---|---|\n");
            for finding in findings {
                let (direction, operations) = (finding.direction.title(), names(&finding.operations));
                let remark = finding.remark().replace('|', "\\|");
                writeln!(text, "| `{}` | {direction} | {remark} | {operations} |", finding.site)?;
            }
        }
        if self.findings.is_empty() {
            text.push_str("\nNothing changed in these operations.\n");
        }
        text.push('\n');
        for line in self.closing() {
            writeln!(text, "- {line}")?;
        }
        Ok(text)
    }

    fn of(&self, class: Class) -> Vec<&Finding> {
        self.findings.iter().filter(|finding| finding.class == class).collect()
    }

    /// What stands below the findings, one thing a line.
    fn closing(&self) -> Vec<String> {
        let silent = &self.silent;
        let mut lines = vec![format!(
            "Not listed: {} with another spelling of the same, {} named or inlined{}.",
            count(silent.spelling.len(), "schema"),
            count(silent.inlined.len(), "type"),
            some(&silent.inlined, " (", ")"),
        )];
        lines.push(match (silent.prose, silent.outside) {
            (Some(prose), Some(outside)) => format!(
                "Changed, but not looked at: the prose of {}, and {} outside these operations.",
                count(prose, "schema"),
                count(outside, "schema")
            ),
            _ => "Not compared: prose, and what is outside these operations (for that it takes two whole documents)."
                .to_owned(),
        });
        let models = &self.models;
        lines.push(format!(
            "Models: {} new in the document{}, {} gone{}; {} to add to the table{}; the table has {} that the document does not.",
            models.new.len(),
            some(&models.new, " (", ")"),
            models.gone.len(),
            some(&models.gone, " (", ")"),
            models.not_in_table.len(),
            some(&models.not_in_table, " (", ")"),
            models.not_in_document.len(),
        ));
        for shutdown in &self.shutdowns {
            let models: BTreeSet<String> = shutdown.models.iter().cloned().collect();
            lines.push(format!(
                "Shut down on {}, in {} days: {}.",
                shutdown.day,
                shutdown.days_left,
                names(&models)
            ));
        }
        lines
    }
}

impl Side {
    fn origin(&self) -> String {
        format!("{}, {}", self.upstream.date.as_deref().unwrap_or("date unknown"), self.upstream.source)
    }

    fn sizes(&self) -> String {
        let size = &self.upstream.size;
        format!(
            "OpenAPI {}, {} kB, {} paths, {} schemas; closure {} paths, {} schemas",
            self.upstream.openapi,
            size.bytes / 1000,
            size.paths,
            size.schemas,
            self.closure.paths,
            self.closure.schemas
        )
    }
}

impl Finding {
    /// What happened and what it means here.
    fn remark(&self) -> String {
        let read_as = self.read_as.map(|kind| format!("; read as: {kind}")).unwrap_or_default();
        let files: BTreeSet<String> = self.touches.values().flatten().cloned().collect();
        let declared = self.declared_in.as_ref().map(|name| format!("; from {name}")).unwrap_or_default();
        format!("{}{declared}{read_as}{}", self.what(), some(&files, "; used in ", ""))
    }
}

fn names(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<&str>>().join(", ")
}

/// The first names between two texts; empty without names.
fn some(all: &BTreeSet<String>, before: &str, after: &str) -> String {
    let first: Vec<&str> = all.iter().take(NAMES).map(String::as_str).collect();
    match all.len() {
        0 => String::new(),
        more if more > NAMES => format!("{before}{} and {} more{after}", first.join(", "), more - NAMES),
        _ => format!("{before}{}{after}", first.join(", ")),
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

fn colour(class: Class) -> &'static str {
    match class {
        Class::BreaksResponses | Class::BreaksRequests => "\x1b[1;31m",
        Class::CodeChange => "\x1b[1;33m",
        Class::StricterResponse | Class::Review => "\x1b[1;36m",
        Class::Additive => "\x1b[1;32m",
    }
}
