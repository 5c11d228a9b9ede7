//! What a model does not support is refused, left out or sent, by the table.

use super::*;

#[test]
fn what_a_model_cannot_do() {
    use WireApi::{ChatCompletions as Chat, Responses};
    #[track_caller]
    fn check(request: CompletionRequest, model: &str, api: WireApi, expected: &[&str]) {
        assert_eq!(messages(&request, model, api, Basis::OpenAI), expected, "{model}");
        assert_eq!(
            messages(&request, "my-deployment", api, Basis::OpenAI),
            [""; 0],
            "unknown models refuse nothing"
        );
    }
    let picture = || of([image("image/png", "AAAA")]);
    check(picture(), "gpt-4o", Chat, &[]);
    check(picture(), "gpt-6.2-sol", Chat, &[]);
    let blind =
        "gpt-3.5-turbo-0125 takes no images: leave them out, or use a model that does, such as gpt-5.6-terra";
    check(picture(), "gpt-3.5-turbo-0125", Chat, &[blind]);
    let armless = "o1-mini takes no tools: leave them out, or use a model that does, such as gpt-5.6-terra";
    check(request().with_tools([tool("now")]), "o1-mini", Chat, &[armless]);
    check(request().with_max_tokens(16_384), "gpt-4o", Chat, &[]);
    let fewer = "max_tokens is 16385, but gpt-4o answers with 16384 at most: ask for fewer";
    check(request().with_max_tokens(16_385), "gpt-4o", Chat, &[fewer]);
    for model in ["gpt-5.3-codex", "gpt-5.4-pro", "o3-pro-2025-06-10"] {
        let elsewhere = format!("{model} does not answer on Chat Completions: use the Responses API");
        check(request(), model, Chat, &[&elsewhere]);
        check(request(), model, Responses, &[]);
    }
    let elsewhere = "gpt-audio-1.5 does not answer on the Responses API: use Chat Completions";
    check(request(), "gpt-audio-1.5", Responses, &[elsewhere]);
    check(
        request().with_response_format(schema("a", json!({}))),
        "gpt-4-turbo",
        Chat,
        &["gpt-4-turbo does not follow a JSON Schema: use a model that does, such as gpt-5.6-terra, \
           or describe the form in the prompt"],
    );
    check(
        request().with_response_format(ResponseFormat::JsonObject),
        "gpt-4",
        Chat,
        &[
            "gpt-4 has no JSON mode: use a model that has, such as gpt-5.6-terra, or ask for JSON in the prompt",
        ],
    );
    let no_stop = "o3 takes no stop texts: leave them out, and cut the answer after it has come";
    check(request().with_stop(["END"]), "o3", Chat, &[no_stop]);
    check(request().with_stop(["END"]), "gpt-4o", Chat, &[]);
    let no_bias = "gpt-5.1 does not take logit_bias: leave it out";
    check(request().with_logit_bias([("7", 1)]), "gpt-5.1", Chat, &[no_bias]);
    check(
        request().with_extra("logprobs", true),
        "o3",
        Chat,
        &["o3 does not return logprobs: leave them out"],
    );
    check(request().with_extra("logprobs", false), "o3", Chat, &[]);
    let with_reasoning =
        "gpt-5.5 does not return logprobs with reasoning: leave them out, or set reasoning_effort to none";
    check(request().with_extra("top_logprobs", 2), "gpt-5.5", Chat, &[with_reasoning]);
    check(request().with_extra("logprobs", true).with_tools([tool("now")]), "gpt-5.5", Chat, &[]);
}

#[test]
fn efforts_and_tools() {
    use ReasoningEffort::{High, Low, Max, XHigh};
    use WireApi::{ChatCompletions as Chat, Responses};
    const NONE: ReasoningEffort = ReasoningEffort::None;
    #[track_caller]
    fn check(effort: Option<ReasoningEffort>, with_tool: bool, model: &str, api: WireApi, expected: &[&str]) {
        let mut request = request().with_tools(with_tool.then(|| tool("now")));
        request.reasoning_effort = effort;
        assert_eq!(messages(&request, model, api, Basis::OpenAI), expected, "{model}");
    }
    check(Some(High), false, "gpt-5.1", Chat, &[]);
    let unknown = "gpt-5.1 does not support the reasoning effort xhigh: use one of none, low, medium, high";
    check(Some(XHigh), false, "gpt-5.1", Chat, &[unknown]);
    check(Some(Low), false, "gpt-4o", Chat, &["gpt-4o does not reason: leave reasoning_effort (low) out"]);
    check(Some(NONE), false, "gpt-4o", Chat, &[]);
    check(Some(Low), false, "o1-mini", Chat, &[]);
    let lower = "gpt-5.6-terra takes the effort max only on the Responses API: use that, or a lower effort";
    check(Some(Max), false, "gpt-5.6-terra", Chat, &[lower]);
    check(Some(Max), false, "gpt-5.6-terra", Responses, &[]);
    check(Some(Max), false, "my-deployment", Chat, &[]);
    let not_both = "gpt-5.4 takes tools on Chat Completions only with the reasoning effort none, not low: \
                    set it to none, or use the Responses API";
    check(Some(Low), true, "gpt-5.4", Chat, &[not_both]);
    check(Some(Low), true, "gpt-5.4", Responses, &[]);
    check(None, true, "gpt-5.4", Chat, &[]);
    check(Some(NONE), true, "gpt-5.4", Chat, &[]);
    check(Some(Low), true, "gpt-5.2", Chat, &[]);
    let nowhere = "gpt-6-astra takes no tools on Chat Completions: use the Responses API";
    check(None, true, "gpt-6-astra", Chat, &[nowhere]);
    check(Some(Low), true, "gpt-6-astra", Chat, &[nowhere]);
    check(None, true, "gpt-6.2-astra", Chat, &[]);
}

#[test]
fn a_model_that_does_not_stream() {
    for (stream, expected) in [(true, 1), (false, 0)] {
        let findings = validate(&request(), &target("o3-pro", WireApi::Responses, stream));
        assert_eq!(findings.len(), expected, "{findings:?}");
    }
    let finding = validate(&request(), &target("o3-pro", WireApi::Responses, true)).remove(0);
    assert_eq!(finding.message, "o3-pro does not stream its answer: ask for the whole of it with `complete`");
}

#[test]
fn only_what_is_sure_is_refused() {
    for (basis, to_openai, elsewhere) in
        [(Basis::Request, true, true), (Basis::OpenAI, true, false), (Basis::Family, false, false)]
    {
        let finding = Finding { message: String::new(), basis, by_api: false };
        assert_eq!((finding.is_error(true), finding.is_error(false)), (to_openai, elsewhere), "{basis:?}");
    }
    let request = request().with_max_tokens(100_000);
    let expected = "max_tokens is 100000, but gpt-4.1-prod (as the gpt-4.1 family) answers with 32768 at most: \
                    ask for fewer";
    assert_eq!(messages(&request, "gpt-4.1-prod", WireApi::ChatCompletions, Basis::Family), [expected]);
}

#[test]
fn rejected_sampling_is_left_out() {
    #[track_caller]
    fn check(
        mut request: CompletionRequest,
        model: &str,
        api: WireApi,
        expected: &CompletionRequest,
        notes: &[&str],
    ) {
        assert_eq!(adapt(&mut request, &target(model, api, false)), notes, "{model}");
        assert_eq!(request, *expected, "{model}");
    }
    let all = || {
        let with_sampling = request().with_temperature(0.2).with_top_p(0.9);
        with_sampling.with_frequency_penalty(0.5).with_presence_penalty(0.5)
    };
    for model in ["gpt-4o", "my-deployment", "gpt-oss-20b", "gpt-4o-prod"] {
        check(all(), model, WireApi::ChatCompletions, &all(), &[]);
    }
    let names = "temperature, top_p, frequency_penalty, presence_penalty";
    for model in ["o3", "gpt-5.6-terra", "gpt-5.6-nova"] {
        let note = format!("{model} does not take {names}: left out of the request");
        check(all(), model, WireApi::ChatCompletions, &request(), &[&note]);
    }
    let penalties = "gpt-5.1 does not take frequency_penalty, presence_penalty: left out of the request";
    check(
        all(),
        "gpt-5.1",
        WireApi::ChatCompletions,
        &request().with_temperature(0.2).with_top_p(0.9),
        &[penalties],
    );
    let usual = request().with_temperature(1.0).with_top_p(1.0).with_presence_penalty(0.0);
    check(usual, "o3", WireApi::ChatCompletions, &request(), &[]);
}

#[test]
fn cache_options_go_to_models_that_take_them() {
    let plain = || Message::user(vec![ContentPart::text("a"), ContentPart::file_id("file-1")]);
    let marked = || {
        let parts = [ContentPart::text("a"), ContentPart::file_id("file-1")];
        Message::user(parts.map(ContentPart::with_cache_breakpoint).to_vec())
    };
    let keyed = |messages: Message| of([messages]).with_prompt_cache_key("run-1");
    let options = || PromptCache::default().with_mode(PromptCacheMode::Explicit);
    for api in [WireApi::Responses, WireApi::ChatCompletions] {
        for (model, takes) in [
            ("gpt-5.6-terra", true),
            ("gpt-5.6-nova", true),
            ("gpt-6-rosalind", true),
            ("gpt-6.2-sol", true),
            ("my-deployment", true),
            ("gpt-5.5", false),
            ("gpt-5.4-pro", false),
            ("o3", false),
            ("gpt-4o", false),
        ] {
            for (mut request, without) in [
                (keyed(marked()), keyed(plain())),
                (keyed(plain()).with_prompt_cache(options()), keyed(plain())),
            ] {
                let expected = if takes { request.clone() } else { without };
                let notes = adapt(&mut request, &target(model, api, false));
                assert_eq!((request, notes.len()), (expected, usize::from(!takes)), "{model}: {notes:?}");
            }
            assert_eq!(adapt(&mut keyed(plain()), &target(model, api, false)), [""; 0], "{model}");
        }
    }
}

#[test]
fn tools_go_without_reasoning_where_they_must() {
    #[track_caller]
    fn check(model: &str, api: WireApi, expected: Option<ReasoningEffort>, notes: usize) {
        let mut request =
            request().with_tools([tool("now")]).with_temperature(0.2).with_parallel_tool_calls(false);
        let warnings = adapt(&mut request, &target(model, api, false));
        assert_eq!((request.reasoning_effort, warnings.len()), (expected, notes), "{model}: {warnings:?}");
    }
    // With the effort none, temperature stays.
    check("gpt-5.6-terra", WireApi::ChatCompletions, Some(ReasoningEffort::None), 1);
    check("gpt-5.6-terra", WireApi::Responses, None, 1);
    check("gpt-6.2-astra", WireApi::ChatCompletions, Some(ReasoningEffort::None), 1);
    check("gpt-5.1", WireApi::ChatCompletions, None, 0);
    check("gpt-4o", WireApi::ChatCompletions, None, 0);
    for asked in [true, false] {
        for (model, expected) in [("o3", None), ("gpt-5.1", Some(asked)), ("my-deployment", Some(asked))] {
            let mut request = request().with_parallel_tool_calls(asked);
            assert_eq!(validate(&request, &target(model, WireApi::ChatCompletions, false)), []);
            adapt(&mut request, &target(model, WireApi::ChatCompletions, false));
            assert_eq!(request.parallel_tool_calls, expected, "{model}");
        }
    }
    let mut request = request().with_reasoning_effort(ReasoningEffort::None);
    assert_eq!(adapt(&mut request, &target("gpt-4o", WireApi::ChatCompletions, false)), [""; 0]);
    assert_eq!(request.reasoning_effort, None);
}

/// The places where an effort can stand.
fn with_effort(request: CompletionRequest, effort: &str, place: usize) -> CompletionRequest {
    match place {
        0 => request.with_reasoning_effort(effort.parse().unwrap()),
        1 => request.with_extra("reasoning_effort", effort),
        _ => request.with_extra("reasoning", json!({"effort": effort, "context": "all_turns"})),
    }
}

#[test]
fn what_a_server_is_known_to_take_is_sent() {
    let sampling = || request().with_temperature(0.5).with_top_p(0.9).with_extra("top_logprobs", 2);
    #[track_caller]
    fn check(request: &CompletionRequest, model: &str, api: WireApi) {
        let (mut adapted, target) = (request.clone(), target(model, api, true));
        assert_eq!(validate(request, &target), [], "{model}");
        assert_eq!(adapt(&mut adapted, &target), [""; 0], "{model}");
        assert_eq!(adapted, *request, "{model}");
    }
    check(&request().with_stop(["five"]), "o3-mini", WireApi::ChatCompletions);
    check(&request().with_tools([tool("now")]), "gpt-5.4-mini", WireApi::Responses);
    for model in ["gpt-5.1", "gpt-5.4", "gpt-5.6-sol", "gpt-6-sol", "gpt-6.2-sol"] {
        for place in 0..3 {
            for api in [WireApi::ChatCompletions, WireApi::Responses] {
                check(&with_effort(sampling(), "none", place), model, api);
            }
            check(&with_effort(request().with_stop(["END"]), "none", place), model, WireApi::ChatCompletions);
        }
        // Of an effort that this release does not know yet the server judges.
        check(&sampling().with_extra("reasoning_effort", "dreamy"), model, WireApi::ChatCompletions);
    }
}

/// Every row, with every field that sampling has, at every effort, wherever the effort stands.
#[test]
fn sampling_is_left_out_only_where_the_table_denies_it() {
    use crate::models::{MODELS, Sampling};
    type Field = (&'static str, fn(CompletionRequest) -> CompletionRequest);
    const FIELDS: [Field; 6] = [
        ("temperature", |request| request.with_temperature(0.5)),
        ("top_p", |request| request.with_top_p(0.5)),
        ("logprobs", |request| request.with_extra("top_logprobs", 2)),
        ("frequency_penalty", |request| request.with_frequency_penalty(0.5)),
        ("logit_bias", |request| request.with_logit_bias([("7", 1)])),
        ("stop", |request| request.with_stop(["END"])),
    ];
    for row in MODELS {
        for (field, set) in FIELDS {
            for effort in ["", "none", "low"] {
                for place in 0..3 {
                    let request = set(request());
                    let request =
                        if effort.is_empty() { request } else { with_effort(request, effort, place) };
                    let asked: Option<ReasoningEffort> = effort.parse().ok();
                    let is_off = asked.or(row.default_effort) == Some(ReasoningEffort::None);
                    let by_sampling = match row.sampling {
                        Sampling::Allowed => true,
                        Sampling::OnlyWithoutReasoning => is_off,
                        Sampling::Rejected => false,
                    };
                    let is_taken = match field {
                        "temperature" | "top_p" | "logprobs" => by_sampling,
                        "stop" => row.stop != Support::No || is_off && row.sampling != Sampling::Rejected,
                        _ => row.penalties != Support::No,
                    };
                    let target = target(row.id, WireApi::ChatCompletions, false);
                    let findings = validate(&request, &target);
                    let mut adapted = request.clone();
                    let notes = adapt(&mut adapted, &target).join("; ");
                    let words = if field == "stop" { "stop texts" } else { field };
                    let is_refused = findings.iter().any(|finding| finding.message.contains(words));
                    let is_dropped = notes.contains(field);
                    assert_eq!(
                        !is_refused && !is_dropped,
                        is_taken,
                        "{} {field} {effort} in place {place}: {findings:?} {notes}",
                        row.id
                    );
                }
            }
        }
    }
}

/// What no source denies is neither refused nor left out.
#[test]
fn an_open_cell_refuses_nothing() {
    let schema = ResponseFormat::JsonSchema {
        name: "a".to_owned(),
        description: None,
        schema: json!({}),
        strict: None,
    };
    let all = of([image("image/png", "AAAA")])
        .with_tools([tool("now")])
        .with_response_format(schema)
        .with_stop(["END"])
        .with_max_tokens(4096)
        .with_temperature(0.5)
        .with_logit_bias([("7", 1)])
        .with_parallel_tool_calls(true);
    for model in ["my-deployment", "gpt-9", "llama-3", "gpt-rosalind-discovery"] {
        let mut adapted = all.clone();
        assert_eq!(validate(&all, &target(model, WireApi::ChatCompletions, true)), [], "{model}");
        assert_eq!(adapt(&mut adapted, &target(model, WireApi::ChatCompletions, false)), [""; 0], "{model}");
        assert_eq!(adapted, all, "{model}");
    }
}
