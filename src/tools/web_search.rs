//! The tool that searches the web.

use super::hosted::texts;
use crate::openai::types;

hosted_tool! {
    /// A search of the web, run by the server. Its results are citations of the response's text.
    ///
    /// ```
    /// use tachikoma_backend_codex::tools::{SearchContextSize, WebSearchTool};
    ///
    /// let search = WebSearchTool::new()
    ///     .with_allowed_domains(["docs.rs"])
    ///     .with_search_context_size(SearchContextSize::High)
    ///     .with_country("DE")
    ///     .with_timezone("Europe/Berlin");
    /// ```
    WebSearchTool(WebSearchTool) {
        external_web_access: None,
        filters: None,
        search_context_size: None,
        type_: types::WebSearchToolType::WebSearch,
        user_location: None,
    }
}

tool_choices! {
    /// How much of what is found goes into the model's context.
    SearchContextSize(WebSearchToolSearchContextSize) {
        /// The least, for quick and cheap searches.
        Low = Low,
        /// The server's default.
        Medium = Medium,
        /// The most.
        High = High,
    }
}

impl WebSearchTool {
    tool_settings! {
        /// Whether pages may be fetched live. Without, only what is cached is searched.
        with_external_web_access(external_web_access: bool);
        /// How much of what is found goes into the model's context.
        with_search_context_size(search_context_size: SearchContextSize);
    }

    /// Limits the search to these domains and their subdomains.
    #[must_use]
    pub fn with_allowed_domains(mut self, domains: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tool.filters = Some(types::WebSearchToolFilters { allowed_domains: Some(texts(domains)) });
        self
    }

    /// The user's city, as text.
    #[must_use]
    pub fn with_city(mut self, city: impl Into<String>) -> Self {
        self.location().city = Some(city.into());
        self
    }

    /// The user's region, as text.
    #[must_use]
    pub fn with_region(mut self, region: impl Into<String>) -> Self {
        self.location().region = Some(region.into());
        self
    }

    /// The user's country, as two letters of ISO 3166-1.
    #[must_use]
    pub fn with_country(mut self, country: impl Into<String>) -> Self {
        self.location().country = Some(country.into());
        self
    }

    /// The user's time zone, by its IANA name.
    #[must_use]
    pub fn with_timezone(mut self, timezone: impl Into<String>) -> Self {
        self.location().timezone = Some(timezone.into());
        self
    }

    fn location(&mut self) -> &mut types::WebSearchApproximateLocation {
        self.tool.user_location.get_or_insert(types::WebSearchApproximateLocation {
            city: None,
            country: None,
            region: None,
            timezone: None,
            type_: Some(types::WebSearchApproximateLocationType::Approximate),
        })
    }
}
