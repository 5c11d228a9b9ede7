//! The constructors of hosted tools, against their JSON and OpenAI's document.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jsonschema::Validator;
use serde_json::{Value, json};
use tachikoma_backend_codex::tools::{
    AllowedCaller, ApplyPatchTool, CodeInterpreterTool, Comparison, ComputerTool, ContainerMemory,
    ContainerSettings, ContainerSkill, FileFilter, FileRanker, FileSearchTool, ImageAction, ImageBackground,
    ImageFidelity, ImageFormat, ImageGenerationTool, ImageModeration, ImageQuality, LocalShellAction,
    LocalShellTool, LocalSkill, McpApproval, McpConnector, McpServer, McpToolFilter, Namespace,
    ProgrammaticToolCalling, SearchContextSize, ShellAction, ShellOutput, ShellTool, ToolSearchTool,
    WebSearchTool, tool_search_result,
};
use tachikoma_backend_codex::{CodexBackend, CodexBackendConfig};
use tachikoma_backends_core::{
    CompletionRequest, CustomTool, GrammarSyntax, HostedTool, Message, ToolCall, ToolDefinition,
    ToolParameter, ToolParameters, ToolSpec,
};

/// The branches of the document's union of tools that have no constructor here.
const LEFT_OUT: &[(&str, &str)] = &[
    ("FunctionTool", "ToolDefinition of the core"),
    ("CustomToolParam", "CustomTool of the core"),
    ("ComputerUsePreviewTool", "a preview, replaced by ComputerTool"),
    ("WebSearchPreviewTool", "a preview, replaced by WebSearchTool"),
];

fn schemas() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/closure.json");
    let text = std::fs::read_to_string(path).unwrap();
    // The one recursive reference is of a keyword that newer drafts of JSON Schema do not have.
    let recursive = "\"$recursiveRef\": \"#\"";
    assert_eq!(text.matches(recursive).count(), 1, "only that of CompoundFilter");
    let text = text.replace(recursive, "\"$ref\": \"#/components/schemas/CompoundFilter\"");
    let mut document: Value = serde_json::from_str(&text).unwrap();
    document["components"]["schemas"].take()
}

fn validator(name: &str) -> Validator {
    let reference = format!("#/components/schemas/{name}");
    jsonschema::validator_for(&json!({"$ref": reference, "components": {"schemas": schemas()}})).unwrap()
}

#[track_caller]
fn assert_valid(validator: &Validator, value: &Value) {
    let errors: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new(), "{value:#}");
}

fn row<Tool: Into<HostedTool>>(tool: Tool, json: Value) -> (HostedTool, Value) {
    (tool.into(), json)
}

fn search_parameters() -> ToolParameters {
    ToolParameters::new().with("goal", ToolParameter::string("What to do"))
}

/// Each tool without settings and with all of them, and what is sent.
fn rows() -> Vec<(HostedTool, Value)> {
    let both = [AllowedCaller::Direct, AllowedCaller::Programmatic];
    let parameters = search_parameters().to_json_schema();
    let empty = ToolParameters::new().to_json_schema();
    vec![
        row(WebSearchTool::new(), json!({"type": "web_search"})),
        row(
            WebSearchTool::new()
                .with_allowed_domains(["docs.rs", "rust-lang.org"])
                .with_external_web_access(false)
                .with_search_context_size(SearchContextSize::High)
                .with_city("Ulm")
                .with_region("Swabia")
                .with_country("DE")
                .with_timezone("Europe/Berlin"),
            json!({
                "type": "web_search",
                "filters": {"allowed_domains": ["docs.rs", "rust-lang.org"]},
                "external_web_access": false,
                "search_context_size": "high",
                "user_location": {
                    "type": "approximate", "city": "Ulm", "region": "Swabia", "country": "DE", "timezone": "Europe/Berlin",
                },
            }),
        ),
        row(FileSearchTool::new(["vs_1"]), json!({"type": "file_search", "vector_store_ids": ["vs_1"]})),
        row(
            FileSearchTool::new(["vs_1".to_owned(), "vs_2".to_owned()])
                .with_max_num_results(5)
                .with_ranker(FileRanker::Default20241115)
                .with_score_threshold(0.5)
                .with_hybrid_search(0.25, 0.75)
                .with_filter(FileFilter::all([
                    FileFilter::compare("team", Comparison::In, vec!["core", "web"]),
                    FileFilter::any([
                        FileFilter::compare("year", Comparison::AtLeast, 2024.5),
                        FileFilter::compare("draft", Comparison::NotEqual, true),
                    ]),
                ])),
            json!({
                "type": "file_search",
                "vector_store_ids": ["vs_1", "vs_2"],
                "max_num_results": 5,
                "ranking_options": {
                    "ranker": "default-2024-11-15",
                    "score_threshold": 0.5,
                    "hybrid_search": {"embedding_weight": 0.25, "text_weight": 0.75},
                },
                "filters": {"type": "and", "filters": [
                    {"type": "in", "key": "team", "value": ["core", "web"]},
                    {"type": "or", "filters": [
                        {"type": "gte", "key": "year", "value": 2024.5},
                        {"type": "ne", "key": "draft", "value": true},
                    ]},
                ]},
            }),
        ),
        row(
            FileSearchTool::new(["vs_1"]).with_filter(FileFilter::compare(
                "lang".to_owned(),
                Comparison::Equal,
                "de".to_owned(),
            )),
            json!({
                "type": "file_search",
                "vector_store_ids": ["vs_1"],
                "filters": {"type": "eq", "key": "lang", "value": "de"},
            }),
        ),
        row(CodeInterpreterTool::new(), json!({"type": "code_interpreter", "container": {"type": "auto"}})),
        row(
            CodeInterpreterTool::in_container("cntr_1").with_allowed_callers(both),
            json!({
                "type": "code_interpreter",
                "container": "cntr_1",
                "allowed_callers": ["direct", "programmatic"],
            }),
        ),
        row(
            CodeInterpreterTool::in_new_container(
                ContainerSettings::new()
                    .with_file_ids(["file-1"])
                    .with_memory_limit(ContainerMemory::Gb64)
                    .without_network(),
            ),
            json!({"type": "code_interpreter", "container": {
                "type": "auto",
                "file_ids": ["file-1"],
                "memory_limit": "64g",
                "network_policy": {"type": "disabled"},
            }}),
        ),
        row(
            CodeInterpreterTool::in_new_container(
                ContainerSettings::new()
                    .without_network()
                    .with_domain_secret("a.com", "KEY", "s1")
                    .with_domain_secret("b.com", "KEY", "s2")
                    .with_allowed_domains(["a.com", "c.com"]),
            ),
            json!({"type": "code_interpreter", "container": {"type": "auto", "network_policy": {
                "type": "allowlist",
                "allowed_domains": ["a.com", "c.com", "b.com"],
                "domain_secrets": [
                    {"domain": "a.com", "name": "KEY", "value": "s1"},
                    {"domain": "b.com", "name": "KEY", "value": "s2"},
                ],
            }}}),
        ),
        row(
            CodeInterpreterTool::in_new_container(
                ContainerSettings::new().with_allowed_domains(Vec::<String>::new()),
            ),
            json!({"type": "code_interpreter", "container": {"type": "auto", "network_policy": {"type": "disabled"}}}),
        ),
        row(ImageGenerationTool::new(), json!({"type": "image_generation"})),
        row(
            ImageGenerationTool::new()
                .with_action(ImageAction::Edit)
                .with_background(ImageBackground::Transparent)
                .with_input_fidelity(ImageFidelity::High)
                .with_mask_url("data:image/png;base64,AA==")
                .with_model("gpt-image-2")
                .with_moderation(ImageModeration::Low)
                .with_output_compression(50)
                .with_output_format(ImageFormat::Webp)
                .with_partial_images(2)
                .with_quality(ImageQuality::Medium)
                .with_size("1024x1536"),
            json!({
                "type": "image_generation",
                "action": "edit",
                "background": "transparent",
                "input_fidelity": "high",
                "input_image_mask": {"image_url": "data:image/png;base64,AA=="},
                "model": "gpt-image-2",
                "moderation": "low",
                "output_compression": 50,
                "output_format": "webp",
                "partial_images": 2,
                "quality": "medium",
                "size": "1024x1536",
            }),
        ),
        row(
            ImageGenerationTool::new().with_mask_file_id("file-1"),
            json!({"type": "image_generation", "input_image_mask": {"file_id": "file-1"}}),
        ),
        row(
            McpServer::new("docs", "https://example.com/mcp"),
            json!({"type": "mcp", "server_label": "docs", "server_url": "https://example.com/mcp"}),
        ),
        row(
            McpServer::connector("mail", McpConnector::OutlookEmail)
                .with_authorization("token")
                .with_header("X-Team", "core")
                .with_header("X-Key", "key")
                .with_description("The team's mail")
                .with_allowed_tools(["search"])
                .with_allowed_callers([AllowedCaller::Programmatic])
                .with_defer_loading(true)
                .with_approval(McpApproval::Never),
            json!({
                "type": "mcp",
                "server_label": "mail",
                "connector_id": "connector_outlookemail",
                "authorization": "token",
                "headers": {"X-Team": "core", "X-Key": "key"},
                "server_description": "The team's mail",
                "allowed_tools": ["search"],
                "allowed_callers": ["programmatic"],
                "defer_loading": true,
                "require_approval": "never",
            }),
        ),
        row(
            McpServer::tunnel("inside", "tunnel_0123456789abcdef0123456789abcdef")
                .with_tool_filter(McpToolFilter::names(["read", "write"]).with_read_only(false))
                .with_approval(McpApproval::Always)
                .without_approval_for(McpToolFilter::read_only())
                .with_approval_for(McpToolFilter::names(["write"])),
            json!({
                "type": "mcp",
                "server_label": "inside",
                "tunnel_id": "tunnel_0123456789abcdef0123456789abcdef",
                "allowed_tools": {"tool_names": ["read", "write"], "read_only": false},
                "require_approval": {"always": {"tool_names": ["write"]}, "never": {"read_only": true}},
            }),
        ),
        row(ToolSearchTool::hosted(), json!({"type": "tool_search"})),
        row(
            ToolSearchTool::client("Finds tools", search_parameters()),
            json!({
                "type": "tool_search",
                "execution": "client",
                "description": "Finds tools",
                "parameters": parameters,
            }),
        ),
        row(
            Namespace::new("crm", "Customers")
                .with_tool(
                    ToolDefinition::new("orders", "Open orders", search_parameters())
                        .with_strict(true)
                        .with_extra("defer_loading", true)
                        .with_extra("allowed_callers", vec!["programmatic"]),
                )
                .with_tool(ToolDefinition::new("now", "", ToolParameters::new()))
                .with_tool(CustomTool::new("sql", "Runs SQL").with_grammar(GrammarSyntax::Regex, "SELECT .+"))
                .with_tool(CustomTool::new("note", "")),
            json!({
                "type": "namespace",
                "name": "crm",
                "description": "Customers",
                "tools": [
                    {
                        "type": "function",
                        "name": "orders",
                        "description": "Open orders",
                        "parameters": parameters,
                        "strict": true,
                        "defer_loading": true,
                        "allowed_callers": ["programmatic"],
                    },
                    {"type": "function", "name": "now", "parameters": empty, "strict": false},
                    {
                        "type": "custom",
                        "name": "sql",
                        "description": "Runs SQL",
                        "format": {"type": "grammar", "syntax": "regex", "definition": "SELECT .+"},
                    },
                    {"type": "custom", "name": "note"},
                ],
            }),
        ),
        row(ShellTool::local(), json!({"type": "shell", "environment": {"type": "local"}})),
        row(
            ShellTool::local_with_skills([LocalSkill::new("pdf", "Reads PDFs", "skills/pdf")])
                .with_allowed_callers([AllowedCaller::Direct]),
            json!({
                "type": "shell",
                "environment": {
                    "type": "local",
                    "skills": [{"name": "pdf", "description": "Reads PDFs", "path": "skills/pdf"}],
                },
                "allowed_callers": ["direct"],
            }),
        ),
        row(
            ShellTool::in_container("cntr_1"),
            json!({"type": "shell", "environment": {"type": "container_reference", "container_id": "cntr_1"}}),
        ),
        row(
            ShellTool::in_new_container(ContainerSettings::new()),
            json!({"type": "shell", "environment": {"type": "container_auto"}}),
        ),
        row(
            ShellTool::in_new_container_with_skills(
                ContainerSettings::new()
                    .with_file_ids(["file-1"])
                    .with_memory_limit(ContainerMemory::Gb1)
                    .with_allowed_domains(["crates.io"]),
                [
                    ContainerSkill::by_id("skill_1"),
                    ContainerSkill::by_id("skill_2").with_version("latest"),
                    ContainerSkill::from_zip("lint", "Lints", [1, 2, 3]).with_version("not sent"),
                ],
            ),
            json!({"type": "shell", "environment": {
                "type": "container_auto",
                "file_ids": ["file-1"],
                "memory_limit": "1g",
                "network_policy": {"type": "allowlist", "allowed_domains": ["crates.io"]},
                "skills": [
                    {"type": "skill_reference", "skill_id": "skill_1"},
                    {"type": "skill_reference", "skill_id": "skill_2", "version": "latest"},
                    {
                        "type": "inline",
                        "name": "lint",
                        "description": "Lints",
                        "source": {"type": "base64", "media_type": "application/zip", "data": "AQID"},
                    },
                ],
            }}),
        ),
        row(LocalShellTool::new(), json!({"type": "local_shell"})),
        row(ApplyPatchTool::new(), json!({"type": "apply_patch"})),
        row(
            ApplyPatchTool::new().with_allowed_callers([AllowedCaller::Direct]),
            json!({"type": "apply_patch", "allowed_callers": ["direct"]}),
        ),
        row(ComputerTool::new(), json!({"type": "computer"})),
        row(ProgrammaticToolCalling::new(), json!({"type": "programmatic_tool_calling"})),
    ]
}

#[test]
fn constructors_give_what_the_document_has() {
    let validator = validator("Tool");
    for (tool, expected) in rows() {
        let sent = Value::Object(tool.into_json());
        assert_eq!(sent, expected);
        assert_valid(&validator, &sent);
    }
}

/// The name of the branch that a tool's type belongs to.
fn branch(schemas: &Value, kind: &str) -> String {
    let branches = schemas["Tool"]["oneOf"].as_array().unwrap();
    let names = branches.iter().map(|branch| branch["$ref"].as_str().unwrap().rsplit('/').next().unwrap());
    let takes = |name: &&str| {
        schemas[name]["properties"]["type"]["enum"].as_array().unwrap().contains(&Value::from(kind))
    };
    names.filter(takes).collect::<Vec<_>>().join(" or ")
}

#[test]
fn every_tool_and_setting_of_the_document_has_a_constructor() {
    let schemas = schemas();
    let mut settings: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (tool, _) in rows() {
        let names = settings.entry(branch(&schemas, &tool.kind)).or_default();
        names.extend(tool.into_json().into_iter().map(|(name, _)| name));
    }
    let mut expected: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for branch in schemas["Tool"]["oneOf"].as_array().unwrap() {
        let name = branch["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
        let properties = schemas[name]["properties"].as_object().unwrap();
        expected.insert(name.to_owned(), properties.keys().cloned().collect());
    }
    for (name, reason) in LEFT_OUT {
        assert!(expected.remove(*name).is_some(), "the document has no {name} any more ({reason})");
    }
    assert_eq!(settings, expected, "left: what the constructors set; right: what the document has");
}

#[test]
fn newer_settings_are_sent_and_replace_typed_ones() {
    let tool = WebSearchTool::new()
        .with_search_context_size(SearchContextSize::Low)
        .with_setting("search_context_size", "huge")
        .with_setting("return_token_budget", 5);
    let spec = ToolSpec::from(tool);
    let expected = json!({"type": "web_search", "search_context_size": "huge", "return_token_budget": 5});
    assert_eq!(serde_json::to_value(spec).unwrap(), expected);
    let namespace = HostedTool::from(Namespace::new("a", "b").with_setting("strict", true)).into_json();
    assert_eq!(namespace["strict"], true);
}

#[test]
fn secrets_are_not_in_debug() {
    let server = McpServer::new("docs", "https://example.com/mcp")
        .with_authorization("secret-1")
        .with_header("X-Key", "secret-2");
    let container = ContainerSettings::new().with_domain_secret("a.com", "KEY", "secret-3");
    let python = CodeInterpreterTool::in_new_container(container.clone());
    let shell = ShellTool::in_new_container(container.clone());
    let function =
        ToolDefinition::new("get", "", ToolParameters::new().with("headers", ToolParameter::string("kept")));
    let tools =
        [ToolSpec::from(server.clone()), python.clone().into(), shell.clone().into(), function.into()];
    let request = CompletionRequest::new(vec![Message::user("Hi")]).with_tools(tools);
    let backend = CodexBackend::new(CodexBackendConfig::new("sk-test")).unwrap();
    let preview = format!("{:?}", backend.preview(&request).unwrap());
    assert!(preview.contains("kept"), "{preview}");
    let texts = [
        preview,
        format!("{request:?}"),
        format!("{server:?} {:?}", HostedTool::from(server.clone())),
        format!("{python:#?} {:#?}", ToolSpec::from(python.clone())),
        format!("{shell:?} {container:?}"),
    ];
    for text in texts {
        assert!(!text.contains("secret-"), "{text}");
    }
    assert!(format!("{server:?}").contains("https://example.com/mcp"), "the rest is readable");
}

#[test]
fn the_actions_of_shells_are_read() {
    let action = json!({"commands": ["ls", "pwd"], "timeout_ms": 1500, "max_output_length": 4096});
    assert_valid(&validator("FunctionShellAction"), &action);
    let call = ToolCall::new("call_1", "shell", action.to_string());
    let parsed: ShellAction = call.parse_arguments_as().unwrap();
    assert_eq!(serde_json::to_value(&parsed).unwrap(), action);
    assert_eq!(parsed.timeout().unwrap().as_millis(), 1500);

    let action = json!({
        "type": "exec", "command": ["ls", "-l"], "env": {"A": "b"}, "timeout_ms": null, "user": "me", "working_directory": "/",
    });
    assert_valid(&validator("LocalShellExecAction"), &action);
    let call = ToolCall::new("call_1", "local_shell", action.to_string());
    let parsed: LocalShellAction = call.parse_arguments_as().unwrap();
    assert_eq!(parsed.command, ["ls", "-l"]);
    assert_eq!(parsed.env["A"], "b");
    assert_eq!(parsed.timeout(), None);
    assert_eq!((parsed.user.as_deref(), parsed.working_directory.as_deref()), (Some("me"), Some("/")));

    for text in ["{}", r#"{"commands": "ls"}"#, r#"{"commands": [], "timeout_ms": -1}"#, "ls"] {
        let parsed = ToolCall::new("call_1", "shell", text).parse_arguments_as::<ShellAction>();
        assert!(parsed.is_err(), "{text}: {parsed:?}");
    }
    let schemas = schemas();
    let fields =
        |name: &str| schemas[name]["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(fields("FunctionShellAction"), ["commands", "max_output_length", "timeout_ms"]);
    let local = ["command", "env", "timeout_ms", "type", "user", "working_directory"];
    assert_eq!(fields("LocalShellExecAction"), local, "a field to read");
}

#[test]
fn the_outputs_of_shells_are_those_of_the_document() {
    let validator = validator("FunctionShellCallOutputContentParam");
    for (output, outcome) in [
        (ShellOutput::exit(0, "out", "err"), json!({"type": "exit", "exit_code": 0})),
        (ShellOutput::exit(-1, "out", "err"), json!({"type": "exit", "exit_code": -1})),
        (ShellOutput::timeout("out", "err"), json!({"type": "timeout"})),
    ] {
        let sent = serde_json::to_value(output).unwrap();
        assert_eq!(sent, json!({"stdout": "out", "stderr": "err", "outcome": outcome}));
        assert_valid(&validator, &sent);
    }
}

#[cfg(unix)]
#[test]
fn the_output_of_a_process_is_that_of_a_shell() {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{ExitStatus, Output};

    let output = |status| Output { status, stdout: b"a\xff".to_vec(), stderr: b"b".to_vec() };
    let exited = ShellOutput::from(output(ExitStatus::from_raw(3 << 8)));
    assert_eq!(exited, ShellOutput::exit(3, "a\u{fffd}", "b"));
    let killed = ShellOutput::from(output(ExitStatus::from_raw(9)));
    assert_eq!(killed, ShellOutput::exit(-1, "a\u{fffd}", "b"));
}

#[test]
fn found_tools_are_those_of_the_document() {
    let function =
        ToolDefinition::new("orders", "Open orders", search_parameters()).with_extra("defer_loading", true);
    let tools: [ToolSpec; 3] = [
        function.into(),
        CustomTool::new("note", "Notes").into(),
        McpServer::new("docs", "https://a.com").into(),
    ];
    let found = tool_search_result(tools);
    let validator = validator("Tool");
    let found = found.as_array().unwrap();
    found.iter().for_each(|tool| assert_valid(&validator, tool));
    let kinds: Vec<&str> = found.iter().map(|tool| tool["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["function", "custom", "mcp"]);
    assert_eq!(found[0]["defer_loading"], true);
}

#[cfg(feature = "apply-patch")]
#[tokio::test]
async fn a_runner_applies_patches() {
    use tachikoma_backend_codex::tools::apply_patch::PatchDirectory;
    use tachikoma_backend_codex::tools::apply_patch_tool;
    use tachikoma_backends_core::{ToolCallKind, ToolRunner};

    let path = std::env::temp_dir().join(format!("apply-patch-tool-{}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    let call = |id: &str, operation: Value| {
        ToolCall::new(id, "apply_patch", operation.to_string()).with_kind(ToolCallKind::Hosted)
    };
    let tool = apply_patch_tool(PatchDirectory::open(&path).unwrap());
    assert_eq!(tool.spec(), &ToolSpec::from(ApplyPatchTool::new()));
    let calls = [
        call("a", json!({"type": "create_file", "path": "a.txt", "diff": "+one"})),
        call("b", json!({"type": "delete_file", "path": "../a.txt"})),
        call("c", json!({"type": "update_file", "path": "a.txt", "diff": "@@\n-one\n+two"})),
    ];
    let results = ToolRunner::new().with_tools([tool]).run_calls(&calls).await;
    let text = std::fs::read_to_string(path.join("a.txt")).unwrap();
    std::fs::remove_dir_all(&path).unwrap();
    let results: Vec<(bool, String)> =
        results.iter().map(|result| (!result.success, result.content.to_text())).collect();
    assert_eq!(results[0], (false, "Created a.txt".to_owned()));
    assert!(results[1].0 && results[1].1.contains("../a.txt"), "{results:?}");
    assert_eq!(results[2], (false, "Updated a.txt".to_owned()));
    assert_eq!(text, "two\n");
}
