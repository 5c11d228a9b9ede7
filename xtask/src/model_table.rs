//! The model table of the main crate, compiled from its source: `regen` must run while that crate does not build.

#[path = "../../../src/models/date.rs"]
mod date;
#[path = "../../../src/models/image.rs"]
mod image;
#[path = "../../../src/models/price.rs"]
mod price;
#[path = "../../../src/models/spec.rs"]
mod spec;
#[path = "../../../src/models/table.rs"]
mod table;

use anyhow::Result;
use jiff::civil::Date;

use super::crate_side::Row;

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
pub(super) fn rows() -> Result<Vec<Row>> {
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
