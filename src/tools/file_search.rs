//! The tool that searches vector stores.

use super::hosted::texts;
use crate::openai::types;

hosted_tool! {
    /// A search of the files in vector stores, run by the server.
    ///
    /// ```
    /// use tachikoma_backend_codex::tools::{Comparison, FileFilter, FileSearchTool};
    ///
    /// let recent = FileFilter::compare("year", Comparison::AtLeast, 2024);
    /// let search = FileSearchTool::new(["vs_1"]).with_max_num_results(5).with_filter(recent);
    /// ```
    FileSearchTool(FileSearchTool)
}

tool_choices! {
    /// What orders the results of a file search.
    FileRanker(RankerVersionType) {
        /// The newest one.
        Auto = Auto,
        /// That of 2024-11-15.
        Default20241115 = Default20241115,
    }
}

impl FileSearchTool {
    /// A search of these vector stores, by id.
    pub fn new(vector_store_ids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::from_generated(types::FileSearchTool {
            filters: None,
            max_num_results: None,
            ranking_options: None,
            type_: types::FileSearchToolType::FileSearch,
            vector_store_ids: texts(vector_store_ids),
        })
    }

    tool_settings! {
        /// The most results, from 1 to 50.
        with_max_num_results(max_num_results: u32);
    }

    /// Limits the search to files whose attributes match.
    #[must_use]
    pub fn with_filter(mut self, filter: FileFilter) -> Self {
        self.tool.filters = Some(match filter.0 {
            types::CompoundFilterFiltersItem::ComparisonFilter(filter) => {
                types::Filters::ComparisonFilter(filter)
            }
            types::CompoundFilterFiltersItem::CompoundFilter(filter) => {
                types::Filters::CompoundFilter(filter)
            }
        });
        self
    }

    /// What orders the results.
    #[must_use]
    pub fn with_ranker(mut self, ranker: FileRanker) -> Self {
        self.ranking().ranker = Some(ranker.into());
        self
    }

    /// The least score of a result, from 0 to 1.
    #[must_use]
    pub fn with_score_threshold(mut self, threshold: f64) -> Self {
        self.ranking().score_threshold = Some(threshold);
        self
    }

    /// Weighs matches of meaning against matches of words.
    #[must_use]
    pub fn with_hybrid_search(mut self, embedding_weight: f64, text_weight: f64) -> Self {
        self.ranking().hybrid_search = Some(types::HybridSearchOptions { embedding_weight, text_weight });
        self
    }

    fn ranking(&mut self) -> &mut types::RankingOptions {
        self.tool.ranking_options.get_or_insert(types::RankingOptions {
            hybrid_search: None,
            ranker: None,
            score_threshold: None,
        })
    }
}

/// A condition on the attributes of files.
///
/// ```
/// use tachikoma_backend_codex::tools::{Comparison, FileFilter};
///
/// let filter = FileFilter::all([
///     FileFilter::compare("team", Comparison::In, vec!["core", "web"]),
///     FileFilter::compare("draft", Comparison::Equal, false),
/// ]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct FileFilter(types::CompoundFilterFiltersItem);

tool_choices! {
    /// How an attribute is compared with a value.
    Comparison(ComparisonFilterType) {
        /// Equal to it.
        Equal = Eq,
        /// Not equal to it.
        NotEqual = Ne,
        /// Greater than it.
        Greater = Gt,
        /// Greater than it or equal.
        AtLeast = Gte,
        /// Less than it.
        Less = Lt,
        /// Less than it or equal.
        AtMost = Lte,
        /// In the list.
        In = In,
        /// Not in the list.
        NotIn = Nin,
    }
}

impl FileFilter {
    /// The attribute `key` compares so with the value: [`Comparison::In`] and [`Comparison::NotIn`] with a list, the others with one
    /// value.
    pub fn compare(
        key: impl Into<String>,
        comparison: Comparison,
        value: impl Into<FileFilterValue>,
    ) -> Self {
        let (key, value) = (key.into(), value.into().0);
        let filter = types::ComparisonFilter { key, type_: comparison.into(), value };
        Self(types::CompoundFilterFiltersItem::ComparisonFilter(filter))
    }

    /// All of these match.
    pub fn all(filters: impl IntoIterator<Item = Self>) -> Self {
        Self::compound(types::CompoundFilterType::And, filters)
    }

    /// One of these matches at least.
    pub fn any(filters: impl IntoIterator<Item = Self>) -> Self {
        Self::compound(types::CompoundFilterType::Or, filters)
    }

    fn compound(type_: types::CompoundFilterType, filters: impl IntoIterator<Item = Self>) -> Self {
        let filters = filters.into_iter().map(|filter| filter.0).collect();
        Self(types::CompoundFilterFiltersItem::CompoundFilter(types::CompoundFilter { filters, type_ }))
    }
}

/// The value that an attribute is compared with: a text, a number, a boolean, or a list of texts or numbers. Numbers are sent as
/// 64-bit floating point, so integers beyond 2^53 lose digits.
#[derive(Clone, Debug, PartialEq)]
pub struct FileFilterValue(types::ComparisonFilterValue);

/// Implements `From` for [`FileFilterValue`], one row for each kind of value, with its item in lists.
macro_rules! filter_values {
    ($($type:ty => $variant:ident, |$value:ident| $sent:expr;)*) => {$(
        impl From<$type> for FileFilterValue {
            fn from($value: $type) -> Self {
                Self(types::ComparisonFilterValue::$variant($sent))
            }
        }

        impl From<Vec<$type>> for FileFilterValue {
            fn from(values: Vec<$type>) -> Self {
                let items = values.into_iter().map(|$value| types::ComparisonFilterValueArrayItem::$variant($sent));
                Self(types::ComparisonFilterValue::Array(items.collect()))
            }
        }
    )*};
}

filter_values! {
    &str => Text, |value| value.to_owned();
    String => Text, |value| value;
    i32 => Number, |value| f64::from(value);
    i64 => Number, |value| value as f64;
    f64 => Number, |value| value;
}

impl From<bool> for FileFilterValue {
    fn from(value: bool) -> Self {
        Self(types::ComparisonFilterValue::Boolean(value))
    }
}
