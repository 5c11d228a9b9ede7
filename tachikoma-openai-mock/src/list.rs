//! Lists of items: one page after the other.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::errors::ApiError;

/// Which part of a list a request wants.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PageQuery {
    limit: Option<usize>,
    order: Option<String>,
    after: Option<String>,
}

/// The part of the items, the newest first unless the query wants another order.
///
/// # Errors
/// The limit is not from 1 to 100, or the order is neither `asc` nor `desc`.
pub(crate) fn page<'a>(
    items: impl DoubleEndedIterator<Item = &'a Value>,
    query: &PageQuery,
) -> Result<Value, ApiError> {
    let limit = query.limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        let message = format!("Invalid 'limit': expected a value from 1 to 100, but got {limit} instead.");
        return Err(ApiError::invalid(message).param("limit").code("invalid_value"));
    }
    let mut ordered: Vec<&Value> = match query.order.as_deref() {
        None | Some("desc") => items.rev().collect(),
        Some("asc") => items.collect(),
        Some(other) => {
            let message = format!("Invalid value: '{other}'. Supported values are: 'asc' and 'desc'.");
            return Err(ApiError::invalid(message).param("order").code("invalid_value"));
        }
    };
    if let Some(after) = &query.after
        && let Some(place) = ordered.iter().position(|item| item.get("id").is_some_and(|id| id == after))
    {
        ordered.drain(..=place);
    }
    let has_more = ordered.len() > limit;
    ordered.truncate(limit);
    let id = |item: Option<&&Value>| item.and_then(|item| item.get("id")).cloned().unwrap_or_default();
    Ok(json!({
        "object": "list",
        "data": ordered,
        "first_id": id(ordered.first()),
        "last_id": id(ordered.last()),
        "has_more": has_more,
    }))
}
