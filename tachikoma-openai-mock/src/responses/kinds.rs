//! The types of output items: what each has besides its scripted fields, and the events that a stream plays it by.

/// A type of item.
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// What its ids begin with.
    pub(super) prefix: &'static str,
    pub(super) call_id: CallId,
    /// The fields that a script may leave out, with their values as JSON.
    pub(super) defaults: &'static [(&'static str, &'static str)],
    /// The item at its beginning: what these places hold instead, as JSON. `None` leaves out a field.
    pub(super) start: &'static [(&'static str, Option<&'static str>)],
    /// Whether a scripted `error` makes its status `failed`.
    pub(super) has_error_field: bool,
    /// The events between the item's first and its last.
    pub(super) steps: &'static [Step],
}

/// Where an item's `call_id` comes from.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum CallId {
    /// The item has none, or only the scripted one.
    Absent,
    /// The item has one of its own.
    Own,
    /// The item is an output: it has that of the last call.
    Last,
}

/// Events of a stream.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// An event without further fields.
    Progress(&'static str),
    /// `completed`, unless the item has failed; then the second event, if there is one.
    End(&'static str, Option<&'static str>),
    /// The deltas of a text field and its end.
    Text { delta: &'static str, done: &'static str, field: &'static str },
    /// The images before the last one.
    PartialImages,
    /// The commands of a shell call, one after the other.
    Commands,
    /// What each command of the shell has written.
    CommandOutputs,
    /// The parts of a message or of reasoning.
    Parts,
}

const BARE: Kind = Kind {
    name: "",
    prefix: "item_",
    call_id: CallId::Absent,
    defaults: &[],
    start: &[],
    has_error_field: false,
    steps: &[],
};

const COMPLETED: (&str, &str) = ("status", r#""completed""#);
const IN_PROGRESS: (&str, Option<&str>) = ("/status", Some(r#""in_progress""#));
const EMPTY_LIST: Option<&str> = Some("[]");
const EMPTY_TEXT: Option<&str> = Some(r#""""#);
const NULL: Option<&str> = Some("null");

/// The type of this name. One that the document lacks has an id and no events of its own.
pub(super) fn kind(name: &str) -> &'static Kind {
    KINDS.iter().find(|kind| kind.name == name).unwrap_or(&BARE)
}

const KINDS: [Kind; 28] = [
    Kind {
        name: "message",
        prefix: "msg_",
        defaults: &[COMPLETED, ("role", r#""assistant""#), ("content", "[]")],
        start: &[IN_PROGRESS, ("/content", EMPTY_LIST)],
        steps: &[Step::Parts],
        ..BARE
    },
    Kind {
        name: "reasoning",
        prefix: "rs_",
        defaults: &[("summary", "[]")],
        start: &[("/summary", EMPTY_LIST), ("/content", None), ("/encrypted_content", None)],
        steps: &[Step::Parts],
        ..BARE
    },
    Kind {
        name: "function_call",
        prefix: "fc_",
        call_id: CallId::Own,
        defaults: &[COMPLETED, ("arguments", r#""{}""#)],
        start: &[IN_PROGRESS, ("/arguments", EMPTY_TEXT)],
        steps: &[Step::Text {
            delta: "response.function_call_arguments.delta",
            done: "response.function_call_arguments.done",
            field: "arguments",
        }],
        ..BARE
    },
    Kind {
        name: "custom_tool_call",
        prefix: "ctc_",
        call_id: CallId::Own,
        defaults: &[("input", r#""""#)],
        start: &[("/input", EMPTY_TEXT)],
        steps: &[Step::Text {
            delta: "response.custom_tool_call_input.delta",
            done: "response.custom_tool_call_input.done",
            field: "input",
        }],
        ..BARE
    },
    Kind {
        name: "web_search_call",
        prefix: "ws_",
        defaults: &[COMPLETED, ("action", r#"{"type": "search"}"#)],
        // OpenAI's server sends no action here, although the document requires one.
        start: &[IN_PROGRESS, ("/action", None)],
        steps: &[
            Step::Progress("response.web_search_call.in_progress"),
            Step::Progress("response.web_search_call.searching"),
            Step::End("response.web_search_call.completed", None),
        ],
        ..BARE
    },
    Kind {
        name: "file_search_call",
        prefix: "fs_",
        defaults: &[COMPLETED, ("queries", "[]"), ("results", "null")],
        start: &[IN_PROGRESS, ("/queries", EMPTY_LIST), ("/results", NULL)],
        steps: &[
            Step::Progress("response.file_search_call.in_progress"),
            Step::Progress("response.file_search_call.searching"),
            Step::End("response.file_search_call.completed", None),
        ],
        ..BARE
    },
    Kind {
        name: "code_interpreter_call",
        prefix: "ci_",
        defaults: &[COMPLETED, ("code", r#""""#), ("container_id", r#""cntr_mock""#), ("outputs", "null")],
        start: &[IN_PROGRESS, ("/code", EMPTY_TEXT), ("/outputs", EMPTY_LIST)],
        steps: &[
            Step::Progress("response.code_interpreter_call.in_progress"),
            Step::Text {
                delta: "response.code_interpreter_call_code.delta",
                done: "response.code_interpreter_call_code.done",
                field: "code",
            },
            Step::Progress("response.code_interpreter_call.interpreting"),
            Step::End("response.code_interpreter_call.completed", None),
        ],
        ..BARE
    },
    Kind {
        name: "image_generation_call",
        prefix: "ig_",
        defaults: &[COMPLETED, ("result", "null")],
        start: &[IN_PROGRESS, ("/result", NULL)],
        steps: &[
            Step::Progress("response.image_generation_call.in_progress"),
            Step::Progress("response.image_generation_call.generating"),
            Step::PartialImages,
            Step::End("response.image_generation_call.completed", None),
        ],
        ..BARE
    },
    Kind {
        name: "mcp_list_tools",
        prefix: "mcpl_",
        defaults: &[("tools", "[]")],
        start: &[("/tools", EMPTY_LIST), ("/error", None)],
        steps: &[
            Step::Progress("response.mcp_list_tools.in_progress"),
            Step::End("response.mcp_list_tools.completed", Some("response.mcp_list_tools.failed")),
        ],
        ..BARE
    },
    Kind {
        name: "mcp_call",
        prefix: "mcp_",
        defaults: &[
            COMPLETED,
            ("arguments", r#""{}""#),
            ("approval_request_id", "null"),
            ("error", "null"),
            ("output", "null"),
        ],
        start: &[IN_PROGRESS, ("/arguments", EMPTY_TEXT), ("/error", NULL), ("/output", NULL)],
        has_error_field: true,
        steps: &[
            Step::Progress("response.mcp_call.in_progress"),
            Step::Text {
                delta: "response.mcp_call_arguments.delta",
                done: "response.mcp_call_arguments.done",
                field: "arguments",
            },
            Step::End("response.mcp_call.completed", Some("response.mcp_call.failed")),
        ],
        ..BARE
    },
    Kind { name: "mcp_approval_request", prefix: "mcpr_", ..BARE },
    Kind { name: "mcp_approval_response", prefix: "mcpa_", ..BARE },
    Kind {
        name: "tool_search_call",
        prefix: "tsc_",
        defaults: &[COMPLETED, SERVER, NO_CALL_ID, ("arguments", "{}")],
        start: &[IN_PROGRESS],
        ..BARE
    },
    Kind {
        name: "tool_search_output",
        prefix: "tso_",
        defaults: &[COMPLETED, SERVER, NO_CALL_ID, ("tools", "[]")],
        ..BARE
    },
    Kind {
        name: "additional_tools",
        prefix: "at_",
        defaults: &[("role", r#""developer""#), ("tools", "[]")],
        ..BARE
    },
    Kind { name: "compaction", prefix: "cmp_", ..BARE },
    Kind {
        name: "shell_call",
        prefix: "sh_",
        call_id: CallId::Own,
        defaults: &[COMPLETED, ("environment", "null")],
        start: &[IN_PROGRESS, ("/action/commands", EMPTY_LIST)],
        steps: &[Step::Commands],
        ..BARE
    },
    Kind {
        name: "shell_call_output",
        prefix: "sho_",
        call_id: CallId::Last,
        defaults: &[COMPLETED, ("max_output_length", "null"), ("output", "[]")],
        start: &[IN_PROGRESS, ("/output", EMPTY_LIST)],
        steps: &[Step::CommandOutputs],
        ..BARE
    },
    Kind {
        name: "local_shell_call",
        prefix: "lsh_",
        call_id: CallId::Own,
        defaults: &[COMPLETED],
        start: &[IN_PROGRESS],
        ..BARE
    },
    Kind {
        name: "apply_patch_call",
        prefix: "apc_",
        call_id: CallId::Own,
        defaults: &[COMPLETED],
        start: &[IN_PROGRESS],
        ..BARE
    },
    Kind {
        name: "computer_call",
        prefix: "cu_",
        call_id: CallId::Own,
        defaults: &[COMPLETED, ("pending_safety_checks", "[]")],
        start: &[IN_PROGRESS],
        ..BARE
    },
    Kind {
        name: "program",
        prefix: "prog_",
        call_id: CallId::Own,
        defaults: &[("fingerprint", r#""fp_mock""#)],
        ..BARE
    },
    output("program_output", "progo_"),
    output("function_call_output", "fco_"),
    output("custom_tool_call_output", "ctco_"),
    output("local_shell_call_output", "lsho_"),
    output("apply_patch_call_output", "apco_"),
    output("computer_call_output", "cuo_"),
];

const SERVER: (&str, &str) = ("execution", r#""server""#);
const NO_CALL_ID: (&str, &str) = ("call_id", "null");

/// An output that is there at once.
const fn output(name: &'static str, prefix: &'static str) -> Kind {
    Kind { name, prefix, call_id: CallId::Last, defaults: &[COMPLETED], ..BARE }
}
