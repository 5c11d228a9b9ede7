//! In the place of the model table where xtask is built from its package, which does not have it.

use anyhow::{Result, bail};

use crate::drift::Row;
use crate::models::listing::TableRow;

/// # Errors
/// Always.
pub(crate) fn rows() -> Result<Vec<Row>> {
    bail!("the model table is only in the repository")
}

/// # Errors
/// Always.
pub(crate) fn table() -> Result<Vec<TableRow>> {
    bail!("the model table is only in the repository")
}
