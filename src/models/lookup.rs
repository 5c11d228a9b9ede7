//! From an id, as people and servers write it, to the facts in the table.

use super::ModelSpec;
use super::table::{FAMILIES, MODELS};

/// How the table has an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Match {
    /// It is a row's own id.
    Exact,
    /// It is another name of a row.
    Alias,
    /// It is a row's id and a date. Where the date is not a known one, a shutdown date is not claimed.
    Snapshot,
    /// It is a fine-tuned model (`ft:BASE:...`) of a row; its price and shutdown date are not known.
    FineTune,
    /// It only begins like a family of models; what holds for the whole family is likely to hold for it.
    Family,
    /// The table has nothing on it.
    Unknown,
}

/// The facts that there are for an id.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Lookup {
    /// The facts. Its `id` is the row's or the family's, not the one that was asked for.
    pub spec: ModelSpec,
    /// How the table has the id.
    pub by: Match,
    /// Whether the limits are those of this very model, not of its family.
    pub(crate) has_own_limits: bool,
}

impl Lookup {
    const fn new(spec: ModelSpec, by: Match) -> Self {
        Self { spec, by, has_own_limits: !matches!(by, Match::Family) }
    }
}

/// Looks up an id: unchanged, as an alias, a dated snapshot, a fine-tuned model, one of a family. A provider's name in front
/// (`openai/...`) does not matter.
pub(crate) fn lookup(id: &str) -> Lookup {
    let id = without_provider(id);
    if let Some(base) = fine_tuned(id) {
        let Lookup { spec, by, .. } = lookup(base);
        let by = if matches!(by, Match::Family | Match::Unknown) { by } else { Match::FineTune };
        return Lookup::new(ModelSpec { prices: None, shutdown: None, ..spec }, by);
    }
    row(id)
        .or_else(|| snapshot(id))
        .or_else(|| family(id).map(|spec| Lookup::new(spec, Match::Family)))
        .unwrap_or(Lookup::new(ModelSpec::UNKNOWN, Match::Unknown))
}

/// What holds for all models whose ids begin like this one.
pub(crate) fn family(id: &str) -> Option<ModelSpec> {
    let id = without_provider(id);
    let id = fine_tuned(id).unwrap_or(id);
    let begins = |family: &&ModelSpec| {
        id.strip_prefix(family.id).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.', ':']))
    };
    FAMILIES.iter().filter(begins).max_by_key(|family| family.id.len()).copied()
}

/// The id in front of a date (`-2026-03-05`, or `-0613` as older models have it) and that date.
pub(crate) fn split_date(id: &str) -> Option<(&str, &str)> {
    ["-dddd-dd-dd", "-dddd"].into_iter().find_map(|pattern| {
        let (base, date) = id.split_at_checked(id.len().checked_sub(pattern.len())?)?;
        let fits = date
            .chars()
            .zip(pattern.chars())
            .all(|(c, p)| if p == 'd' { c.is_ascii_digit() } else { c == p });
        fits.then(|| (base, date.trim_start_matches('-')))
    })
}

fn without_provider(id: &str) -> &str {
    id.rsplit_once('/').map_or(id, |(_, model)| model)
}

fn fine_tuned(id: &str) -> Option<&str> {
    id.strip_prefix("ft:")?.split(':').next()
}

fn row(id: &str) -> Option<Lookup> {
    let exact = MODELS.iter().find(|row| row.id == id).map(|row| (row, Match::Exact));
    let alias = || MODELS.iter().find(|row| row.aliases.contains(&id)).map(|row| (row, Match::Alias));
    let (row, by) = exact.or_else(alias)?;
    let image_tokens = row.image_tokens.or_else(|| family(row.id)?.image_tokens);
    Some(Lookup::new(ModelSpec { image_tokens, ..*row }, by))
}

fn snapshot(id: &str) -> Option<Lookup> {
    let (base, date) = split_date(id)?;
    let Lookup { spec, .. } = row(base)?;
    let shutdown = spec.shutdown.filter(|_| spec.snapshots.contains(&date));
    Some(Lookup::new(ModelSpec { shutdown, ..spec }, Match::Snapshot))
}
