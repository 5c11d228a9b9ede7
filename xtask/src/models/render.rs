//! The report as text.

use serde_json::Value;

use super::compare::{Class, Finding, Report};

impl Class {
    const fn title(self) -> &'static str {
        match self {
            Self::MissingHere => "Missing here",
            Self::MissingThere => "Missing there",
            Self::Limits => "Limits",
            Self::Prices => "Prices (USD for a million tokens)",
            Self::Capabilities => "Capabilities",
            Self::Dates => "Shutdowns",
        }
    }
}

impl Report {
    /// The report for a terminal.
    pub(crate) fn text(&self) -> String {
        let Self { form, models, rows, findings, known } = self;
        let mut text = format!("{}: {models} models, compared with {rows} rows of the table\n", form.title());
        for class in Class::ALL {
            let of_class: Vec<_> = findings.iter().filter(|finding| finding.class == class).collect();
            if of_class.is_empty() {
                continue;
            }
            text += &format!("\n{} ({})\n", class.title(), of_class.len());
            of_class.iter().for_each(|finding| text += &line(finding));
        }
        if findings.is_empty() {
            text += "\nNo differences.\n";
        }
        if *known > 0 {
            text += &format!("\n{known} known differences are not listed.\n");
        }
        text
    }
}

fn line(Finding { model, fact, here, there, .. }: &Finding) -> String {
    match fact {
        None => format!("  {model}\n"),
        Some(fact) => format!("  {model}  {fact}: {} here, {} there\n", value(here), value(there)),
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::Null => "unknown".to_owned(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}
