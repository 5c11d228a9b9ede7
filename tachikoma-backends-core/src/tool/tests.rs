//! Tests of tool definitions and their parameters.

use super::*;

#[test]
fn every_kind_of_parameter() {
    let inner = ToolParameters::new().with("x", ToolParameter::number("across"));
    let tool = ToolDefinition::builder("draw-it_2")
        .description("Draws")
        .parameter("text", ToolParameter::string("what"))
        .parameter("times", ToolParameter::integer("how often").with_range(1..=5).with_default(1))
        .parameter("bold", ToolParameter::boolean("heavy").optional())
        .parameter("tags", ToolParameter::array("labels", ToolParameter::string("label")))
        .parameter("colour", ToolParameter::enumeration("which", ["red", "blue"]))
        .parameter("at", ToolParameter::object("where", inner))
        .strict(true)
        .build()
        .unwrap();
    let expected = json!({
        "type": "object",
        "properties": {
            "text": {"type": "string", "description": "what"},
            "times": {"type": "integer", "description": "how often", "minimum": 1, "maximum": 5, "default": 1},
            "bold": {"type": "boolean", "description": "heavy"},
            "tags": {"type": "array", "description": "labels", "items": {"type": "string", "description": "label"}},
            "colour": {"type": "string", "description": "which", "enum": ["red", "blue"]},
            "at": {"type": "object", "description": "where",
                "properties": {"x": {"type": "number", "description": "across"}}, "required": ["x"]},
        },
        "required": ["text", "tags", "colour", "at"],
    });
    assert_eq!(tool.parameters.to_json_schema(), expected);
    let value = serde_json::to_value(&tool).unwrap();
    assert_eq!(value["parameters"], expected);
    assert_eq!(serde_json::from_value::<ToolDefinition>(value).unwrap(), tool);
}

#[test]
fn shortcuts_are_parameters() {
    let (long, short) = (ToolDefinition::builder("t"), ToolDefinition::builder("t"));
    let long = long
        .parameter("a", ToolParameter::string("text"))
        .parameter("b", ToolParameter::string("text").optional())
        .parameter("c", ToolParameter::integer("number"))
        .parameter("d", ToolParameter::integer("number").optional())
        .parameter("e", ToolParameter::boolean("flag"))
        .parameter("f", ToolParameter::boolean("flag").optional());
    let short = short
        .required_string("a", "text")
        .optional_string("b", "text")
        .required_int("c", "number")
        .optional_int("d", "number")
        .required_bool("e", "flag")
        .optional_bool("f", "flag");
    assert_eq!(short.build().unwrap(), long.build().unwrap());
}

#[test]
fn a_parameter_can_be_replaced() {
    let parameters = ToolParameters::new()
        .with("a", ToolParameter::string("first"))
        .with("a", ToolParameter::integer("second").optional());
    let schema = parameters.to_json_schema();
    assert_eq!(schema["properties"]["a"]["type"], "integer");
    assert_eq!(schema["required"], json!([]));
}

#[test]
fn a_type_becomes_its_schema() {
    #[derive(JsonSchema)]
    #[allow(dead_code)]
    struct Arguments {
        /// Name of the city
        city: String,
        days: Option<u8>,
    }
    let tool = ToolDefinition::from_type::<Arguments>("weather", "The weather");
    tool.validate().unwrap();
    let schema = tool.parameters.to_json_schema();
    assert_eq!(schema["properties"]["city"], json!({"type": "string", "description": "Name of the city"}));
    assert_eq!(schema["required"], json!(["city"]));
    assert_eq!(schema.get("$schema"), None);
}

#[test]
fn a_tool_without_parameters_takes_nothing_in_any_form() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Unit;
    #[derive(Debug, Deserialize, PartialEq)]
    struct Empty {}
    let tool = ToolDefinition::new("now", "The time", ToolParameters::new());
    for text in ["", "{}", " {} ", "null", "{\"timezone\": \"UTC\"}"] {
        let call = ToolCall::new("a", "now", text);
        assert_eq!(tool.parse_arguments(&call), Ok(()), "{text}");
        assert_eq!(tool.parse_arguments(&call), Ok(Unit), "{text}");
        assert_eq!(tool.parse_arguments(&call), Ok(Empty {}), "{text}");
    }
    let parameters = ToolParameters::new().with("zone", ToolParameter::string("Where"));
    let tool = ToolDefinition::new("now", "The time", parameters);
    assert!(tool.parse_arguments::<u8>(&ToolCall::new("a", "now", "{}")).is_err());
}

#[test]
fn what_no_provider_takes_is_refused() {
    #[track_caller]
    fn check(name: &str, parameters: Value, expected: &str) {
        let parameters = ToolParameters::try_from(parameters).unwrap();
        let error = ToolDefinition::new(name, "", parameters).validate().unwrap_err();
        assert_eq!(error.to_string(), format!("invalid request: tool {name:?}: {expected}"));
    }
    let none = || ToolParameters::new().to_json_schema();
    check("", none(), "the name is empty");
    check(&"a".repeat(65), none(), "the name is longer than 64 characters");
    check("get weather", none(), "the name holds ' '; use letters, digits, '_' and '-'");
    let text = "the parameters' schema is not of type \"object\"; wrap them in a struct";
    check("a", json!({"type": "string"}), text);
    check("a", json!({"type": "object", "required": ["x"]}), "parameter \"x\" is required but not defined");
    assert!(ToolParameters::try_from(json!("x")).is_err());
}

#[test]
fn secrets_of_hosted_tools_are_masked() {
    let tool = HostedTool::new("mcp")
        .with_setting("server_label", "open")
        .with_setting("authorization", "secret-1")
        .with_setting("headers", json!({"X-Key": "secret-2"}))
        .with_setting(
            "container",
            json!({"network_policy": {"domain_secrets": [{"name": "secret-3", "value": "secret-4"}], "depth": 2}}),
        );
    let spec = ToolSpec::from(tool.clone());
    for text in [format!("{tool:?}"), format!("{spec:#?}")] {
        assert!(!text.contains("secret-"), "{text}");
        for name in ["mcp", "open", "X-Key", "authorization", "depth"] {
            assert!(text.contains(name), "{name} is missing in {text}");
        }
    }
    assert_eq!(tool.into_json()["authorization"], "secret-1");
}
