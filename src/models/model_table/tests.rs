//! The sources of facts, in any combination.

use proptest::prelude::*;

use super::*;
use crate::models::Support;

/// Ids that the table has as a row, as a snapshot, by their family, and not at all.
const IDS: &[&str] = &["gpt-5.6-terra", "gpt-5.4-2026-03-05", "gpt-5.6-nova", "my-model"];

fn facts() -> impl Strategy<Value = ModelFacts> {
    let limit = || proptest::option::of(1u32..2_000_000);
    (limit(), limit(), limit(), any::<Option<bool>>()).prop_map(|(window, input, output, tools)| ModelFacts {
        context_window: window,
        max_input_tokens: input,
        max_output_tokens: output,
        tools,
        ..ModelFacts::new()
    })
}

proptest! {
    #[test]
    fn the_last_source_that_states_a_fact_counts(
        server in proptest::option::of(facts()), settings in proptest::option::of(facts()), id in proptest::sample::select(IDS),
    ) {
        let table = |facts: &Option<ModelFacts>| facts.iter().map(|facts| (id.to_owned(), facts.clone())).collect();
        let (from_server, from_settings): (ModelTable, ModelTable) = (table(&server), table(&settings));
        let info = Sources { server: &from_server, settings: &from_settings }.info(id);
        let stated = |fact: &str| {
            let has = |facts: &Option<ModelFacts>| facts.iter().any(|facts| facts.stated().any(|name| name == fact));
            match (has(&settings), has(&server)) {
                (true, _) => Some(FactSource::Settings),
                (_, true) => Some(FactSource::Server),
                _ => None,
            }
        };
        for fact in ["context_window", "max_input_tokens", "max_output_tokens", "tools"] {
            let source = info.source(fact);
            match stated(fact) {
                Some(expected) => prop_assert_eq!(source, Some(expected), "{}", fact),
                None => prop_assert!(source.is_none_or(|source| source <= FactSource::Table), "{}", fact),
            }
        }
        let by = |source| match source {
            Some(FactSource::Settings) => settings.as_ref(),
            Some(FactSource::Server) => server.as_ref(),
            _ => None,
        };
        if let Some(facts) = by(stated("context_window")) {
            prop_assert_eq!(info.spec.context_window, facts.context_window);
        }
        if let Some(tools) = by(stated("tools")).and_then(|facts| facts.tools) {
            prop_assert_eq!(info.spec.tools, Support::from(tools));
        }
        // A limit of the table that has no room in the stated window is unknown.
        if let (Some(window), None) = (info.spec.context_window, stated("max_output_tokens")) {
            prop_assert!(info.spec.max_output_tokens.is_none_or(|limit| limit <= window));
        }
        if stated("context_window").is_none() && stated("max_input_tokens").is_none() {
            prop_assert_eq!(info.spec.context_window, lookup(id).spec.context_window);
        }
    }
}

#[test]
fn only_a_whole_date_is_a_snapshot() {
    let table = ModelTable::new().with_model("my-model", ModelFacts::new().with_context_window(7));
    let window =
        |id: &str| Sources { server: &ModelTable::new(), settings: &table }.lookup(id).spec.context_window;
    assert_eq!(window("my-model-2030-01-02"), Some(7));
    for other in ["my-model-2507", "my-model-x", "my", "my-model:free", "a/my-model"] {
        assert_eq!(window(other), None, "{other}");
    }
}
