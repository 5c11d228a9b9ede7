//! The model table of the main crate, compiled from its source: `regen` must run while that crate does not build.

#[path = "../../src/models/date.rs"]
mod date;
#[path = "../../src/models/efforts.rs"]
mod efforts;
#[path = "../../src/models/image.rs"]
mod image;
#[path = "../../src/models/price.rs"]
mod price;
#[path = "../../src/models/spec.rs"]
mod spec;
#[path = "../../src/models/table.rs"]
mod table;

use anyhow::Result;
use jiff::civil::Date;
use serde_json::{Value, json};

use crate::drift::Row;
use crate::models::listing::{Facts, TableRow};

/// The table defines the main crate's constants on this type.
struct OpenAIModel;

impl OpenAIModel {
    const fn known(_: &'static str) -> Self {
        Self
    }
}

/// All rows.
///
/// # Errors
/// A shutdown is on a day that does not exist.
pub(crate) fn rows() -> Result<Vec<Row>> {
    table::MODELS
        .iter()
        .map(|row| {
            let shutdown = row.shutdown.map(|date::Date { year, month, day }| -> Result<Date> {
                Ok(Date::new(i16::try_from(year)?, i8::try_from(month)?, i8::try_from(day)?)?)
            });
            Ok(Row { names: row.names().collect(), shutdown: shutdown.transpose()? })
        })
        .collect()
}

/// All rows, with the facts that other lists of models have as well.
///
/// # Errors
/// A fact cannot be represented in JSON.
pub(crate) fn table() -> Result<Vec<TableRow>> {
    let rows = table::MODELS.iter();
    rows.map(|row| Ok(TableRow { id: row.id.to_owned(), names: row.names().collect(), facts: facts(row)? }))
        .collect()
}

fn facts(row: &spec::ModelSpec) -> Result<Facts> {
    let can = |support: spec::Support| match support {
        spec::Support::Yes => json!(true),
        spec::Support::No => json!(false),
        spec::Support::Unknown => Value::Null,
    };
    let mut cells: Vec<(String, Value)> = [
        ("context_window", json!(row.context_window)),
        ("max_input_tokens", json!(row.max_input_tokens)),
        ("max_output_tokens", json!(row.max_output_tokens)),
        ("image_input", can(row.image_input)),
        ("file_input", can(row.file_input)),
        ("audio_input", can(row.audio_input)),
        ("tools", can(row.tools)),
        ("parallel_tool_calls", can(row.parallel_tool_calls)),
        ("structured_outputs", can(row.structured_outputs)),
        ("json_mode", can(row.json_mode)),
        ("streaming", can(row.streaming)),
        ("reasoning", can(row.reasoning)),
        ("chat", can(row.chat)),
        ("responses", can(row.responses)),
        ("sampling", serde_json::to_value(row.sampling)?),
        ("encoding", serde_json::to_value(row.encoding)?),
        ("shutdown", serde_json::to_value(row.shutdown)?),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    if !row.efforts.is_empty() {
        cells.push(("efforts".to_owned(), serde_json::to_value(row.efforts)?));
    }
    if let Some(prices) = row.prices {
        let tiers = [
            ("", Some(prices.standard)),
            (".flex", prices.flex),
            (".priority", prices.priority),
            (".batch", prices.batch),
        ];
        for (tier, price) in tiers.into_iter().filter_map(|(tier, price)| Some((tier, price?))) {
            let cell = |name: &str, usd: Option<f64>| (format!("price{tier}.{name}"), json!(usd));
            cells.extend([
                cell("input", Some(price.input)),
                cell("cached_input", price.cached_input),
                cell("cache_write", price.cache_write),
                cell("output", Some(price.output)),
            ]);
        }
    }
    Ok(cells.into_iter().filter(|(_, value)| !value.is_null()).collect())
}
