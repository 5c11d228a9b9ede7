//! Tables for the error bodies of all servers: statuses, phrases, keys and hints. The codes of a provider are in its
//! [`ErrorTable`](super::ErrorTable).
//!
//! Phrases match lower-case words without punctuation, from the start of a word; one that ends in a space also ends at a word's end.

use std::ops::RangeInclusive;

use tachikoma_backends_core::ErrorCategory::{self, *};

/// What an HTTP status alone means.
#[derive(Clone, Copy, Debug)]
pub(super) struct StatusRow {
    pub(super) category: ErrorCategory,
    pub(super) retryable: bool,
    /// Whether the server may have processed the request all the same.
    pub(super) maybe_processed: bool,
}

const fn row(category: ErrorCategory, retryable: bool) -> StatusRow {
    StatusRow { category, retryable, maybe_processed: false }
}

const fn lost(category: ErrorCategory) -> StatusRow {
    StatusRow { category, retryable: true, maybe_processed: true }
}

/// The first row that holds the status counts.
pub(super) const STATUSES: &[(RangeInclusive<u16>, StatusRow)] = &[
    // Success without a response: nothing that a second attempt would change.
    (200..=299, row(Parse, false)),
    (300..=399, row(Configuration, false)),
    (401..=401, row(Authentication, false)),
    (402..=402, row(Quota, false)),
    (403..=403, row(Permission, false)),
    (404..=405, row(NotFound, false)),
    (407..=407, row(Configuration, false)),
    (408..=408, lost(Timeout)),
    // A conflict is a lock that another request holds; other clients try again.
    (409..=409, row(Server, true)),
    (410..=410, row(NotFound, false)),
    // Failed dependency: the model behind the endpoint failed.
    (424..=424, row(Server, true)),
    // Too early.
    (425..=425, row(Server, true)),
    (429..=429, row(RateLimit, true)),
    (451..=451, row(Permission, false)),
    // Groq: no capacity in the flex tier.
    (498..=498, row(Overloaded, true)),
    // A gateway or its client gave up before the server answered.
    (499..=499, lost(Timeout)),
    (502..=502, lost(Server)),
    (503..=503, row(Overloaded, true)),
    (504..=504, lost(Timeout)),
    // Cloudflare: an unreadable response, and none in time.
    (520..=520, lost(Server)),
    (524..=524, lost(Server)),
    (529..=529, row(Overloaded, true)),
    (598..=599, lost(Timeout)),
    (500..=u16::MAX, row(Server, true)),
    (0..=u16::MAX, row(InvalidRequest, false)),
];

/// The account has no money left: waiting does not help, whatever the status and the code.
pub(super) const BILLING_PHRASES: &[&str] = &[
    "insufficient quota",
    "insufficient account",
    "out of credit",
    "credit limit",
    "credits error",
    "monthly included credits",
    "billing hard limit",
    "billing is not active",
    "billing not active",
    "billing is disabled",
    "billing disabled",
    "billing to be enabled",
    "enable billing",
    "check your billing",
    "check your plan and billing details on",
    "hard limit reached",
    "spending limit",
    "spend limit",
    "spending cap",
    "spend cap",
    "spend alert",
    "payment required",
    "payment method required",
    "no payment method",
    "past due",
    "past invoices",
    "unpaid",
    "overdue",
    "arrearage",
    "in arrears",
    "in good standing",
    "budget has been exceeded",
    "budget exceeded",
    "exceeded your budget",
    "exceeded budget",
    "out of budget",
    "budget exhausted",
    "no remaining budget",
    "subscription expired",
    "subscription has expired",
    "no active subscription",
    "plan has expired",
    "package has expired",
    "free tier of the model has been exhausted",
    "key limit exceeded",
    "token quota is not enough",
    "余额不足",
    "余额已",
    "欠费",
    "请充值",
    "额度不足",
    "额度已",
];

/// Words for money on an account, and words for the lack of it: both in one sentence mean that it is used up.
pub(super) const MONEY: &[&str] =
    &["balance ", "balances ", "credit ", "credits ", "funds ", "prepaid ", "prepayment ", "wallet "];
pub(super) const LACK: &[&str] = &[
    "insufficient", "not enough", "too low", "exhaust", "deplet", "run out", "ran out", "running out",
    "out of ", "no ", "not have", "doesnt have", "dont have", "negative", "used up", "used all", "below",
    "lack", "expired", "afford", "requires more", "need more", "zero ", "empty ",
];

/// Words that servers use for an exhausted quota and for a limit per minute or day alike: a period or a wait in the body
/// makes it a rate limit.
pub(super) const QUOTA_PHRASES: &[&str] = &[
    "exceeded your current quota",
    "exceeded your quota",
    "exceeded current quota",
    "plan and billing",
    "billing details",
    "usage limit",
    "top up",
    "recharge",
    "add credits",
    "add more credits",
    "purchase credits",
    "purchase more credits",
    "buy credits",
    "buy more credits",
    "payment method",
];

/// As [`QUOTA_PHRASES`], but a code that names a rate limit is believed before them.
pub(super) const VAGUE_QUOTA_PHRASES: &[&str] = &[
    "quota exceeded",
    "quotaexceeded",
    "quota has been exceeded",
    "quota exhausted",
    "exceeded the quota",
    "exceeds quota",
    "exceeds the quota",
    "exceeded quota",
    "out of quota",
    "quota limit",
    "quota reached",
];

/// Words for a limit per period.
pub(super) const PERIODS: &[&str] = &[
    "per second", "per sec", "per minute", "per min", "per hour", "per day", "every minute", "a minute",
    "rps ", "rpm ", "rph ", "rpd ", "tps ", "tpm ", "tph ", "tpd ", "daily", "hourly", "hour ", "hours ",
    "rate limit", "ratelimit", "rate quota", "too many requests", "concurren", "reset at", "reset in",
    "reset after", "resets at", "resets in", "limit requests", "每分钟", "每日",
];

/// Words for a limit that was reached.
pub(super) const REACHED: &[&str] = &["reached", "exceed", "limit hit", "over the limit"];

/// Words, without separators, for success.
pub(super) const SUCCESS_WORDS: &[&str] = &["success", "ok", "succeeded", "successful", "nil"];

/// Other words for a limit per period, in texts that are not about money.
pub(super) const THROTTLING: &[&str] =
    &["throttl", "please wait", "slow down", "reduce the rate", "reduce your rate", "请求过于频繁", "限流"];

/// Phrases for a conversation that is too long that no rule below covers.
pub(super) const CONTEXT_PHRASES: &[&str] = &[
    "reduce the length of", "reduce your prompt", "reduce the prompt", "shorten your prompt",
    "shorten the prompt", "shorten your input", "shorten the input", "range of input length",
    "too many tokens", "too many input tokens", "too many prompt tokens", "token limit exceeded",
    "token total exceeds", "tokens limit exceeded", "token limit reached", "context overflow",
    "context exceed", "context too long", "context too large", "context is too", "context the overflows",
    "上下文长度", "输入长度", "输入过长", "超出最大长度", "超过最大长度", "超长", "token数超", "tokens超",
];

/// Words for the context window of a model.
pub(super) const CONTEXT_NOUNS: &[&str] = &[
    "context length", "context window", "context size", "context limit", "context budget", "context token",
    "maximum context", "max context", "model context", "models context", "model length", "model len ",
    "sequence length", "n ctx ",
];

/// Words after which a number states the context length.
pub(super) const STATED_LIMITS: &[&str] = &[
    "context length",
    "context window",
    "context size",
    "context limit",
    "maximum prompt length",
    "max prompt length",
    "maximum input length",
    "max input length",
    "maximum sequence length",
    "maximum model length",
    "maximum allowed input length",
    "maximum input tokens",
    "max input tokens",
    "maximum prompt tokens",
    "max prompt tokens",
];

/// Words for the input of a model. A request is not always its text.
pub(super) const INPUTS: &[&str] = &[
    "prompt", "input", "messages ", "message ", "conversation", "chat history", "history ", "transcript",
    "total token", "token count",
];
pub(super) const REQUESTS: &[&str] = &["request ", "query "];

/// Words for exceeding.
pub(super) const EXCEEDING: &[&str] = &[
    "exceed", "overflow", "surpass", "too long", "too large", "too big", "too many", "longer than",
    "larger than", "greater than", "bigger than", "more than", "over the", "above the", "beyond",
    "does not fit", "doesnt fit", "do not fit", "cannot fit", "not enough", "out of ", "must be less than",
    "must be fewer than", "must be smaller than", "must be shorter than", "must be < ", "must be <= ",
    "must have less than", "should be less than", "should have less than", "at most", "only supports",
    "only takes", "only handle", "limit is ", "only accepts", "supports up to", "shorten", "shorter",
    "reduce",
];

/// Words for length, in tokens or characters.
pub(super) const LENGTHS: &[&str] =
    &["token", "length", "too long", "longer", "limit", "context", "model", "window"];
pub(super) const TOKEN_LENGTHS: &[&str] = &["token", "length", "too long", "longer", "context"];

/// Words for the length of the output, which a shorter conversation does not change.
pub(super) const OUTPUT_LIMITS: &[&str] = &[
    "max completion tokens",
    "max output tokens",
    "max new tokens",
    "max tokens",
    "max token ",
    "maximum tokens",
    "maximum output tokens",
    "maximum completion tokens",
    "completion tokens",
    "output tokens",
    "output length",
    "generated tokens",
    "thinking budget",
    "budget tokens",
];

/// Words that begin a sentence about any field.
pub(super) const FIELD_ERRORS: &[&str] = &[
    "input validation error", "validation error", "invalid input", "invalid request", "bad request",
    "input should",
];

/// Parts of a request that can be too large on their own.
pub(super) const OTHER_PARTS: &[&str] = &[
    "image", "file", "audio", "video", "pdf", "byte", "kb ", "mb ", "string", "array", "tool", "function",
    "schema", "enum", "propert", "metadata", "dimension", "batch", "header", "url", "id ",
];

/// Phrases for the rest of the categories, where neither status nor code is specific.
pub(super) const PHRASES: &[(&str, ErrorCategory)] = &[
    ("failed to parse tool call arguments", InvalidRequest),
    ("content management policy", ContentFilter),
    ("rate limit", RateLimit),
    ("ratelimit", RateLimit),
    ("too many requests", RateLimit),
    ("requests per", RateLimit),
    ("tokens per", RateLimit),
    ("throttl", RateLimit),
    ("overloaded", Overloaded),
    ("at capacity", Overloaded),
    ("capacity exceeded", Overloaded),
    ("high demand", Overloaded),
    ("server is busy", Overloaded),
    ("service is busy", Overloaded),
    ("temporarily unavailable", Overloaded),
    ("shutting down", Server),
];

/// Keys whose value is an error of its own. Keys are compared in lower case, without `_` and `-`.
pub(super) const ERROR_KEYS: &[&str] = &["error", "err", "fault", "exception", "baseresp"];

/// Keys whose value is for people, in the order in which they are joined.
pub(super) const MESSAGE_KEYS: &[&str] = &[
    "title", "message", "errormessage", "errmessage", "errormsg", "errmsg", "msg", "statusmsg",
    "statusmessage", "statustext", "errordescription", "faultstring", "description", "detail", "details",
    "reason", "errors", "raw", "cause", "info",
];

/// Keys whose value is for programs, the most specific first.
pub(super) const CODE_KEYS: &[&str] =
    &["code", "errorcode", "errcode", "httpcode", "statuscode", "type", "errortype", "status", "reason"];

/// Codes that state only that there was an error.
pub(super) const EMPTY_CODES: &[&str] = &["error", "err", "fail", "failed", "failure", "none", "null"];

/// Keys that state a wait, and how many seconds a number in them counts for.
pub(super) const WAIT_KEYS: &[(&str, f64)] = &[
    ("retrydelay", 1.0),
    ("retryafter", 1.0),
    ("retryafterseconds", 1.0),
    ("retryaftersecs", 1.0),
    ("retryafterms", 0.001),
    ("retryinseconds", 1.0),
    ("resetsinseconds", 1.0),
    ("resetinseconds", 1.0),
    ("waitseconds", 1.0),
];

/// Keys whose value is the caller's own request or the model's text, not the server's message.
pub(super) const FOREIGN_KEYS: &[&str] =
    &["input", "request", "messages", "tools", "ctx", "content", "params", "output", "usage"];

/// Keys whose text makes an error of a body without a response.
pub(super) const LONE_MESSAGE_KEYS: &[&str] =
    &["message", "msg", "detail", "errormessage", "errormsg", "errors", "err", "exception", "fault"];

/// Keys below which codes are those of the error.
pub(super) const CODE_PARENTS: &[&str] = &[
    "innererror", "details", "detail", "errors", "metadata", "raw", "message", "msg", "body", "choices",
    "response", "cause", "data", "result",
];

/// The hint for an error of each category.
pub(super) const HINTS: &[(ErrorCategory, &str)] = &[
    (Authentication, "Check the API key, and that it belongs to this server."),
    (Permission, "Check what this key's project may use."),
    (NotFound, "Check the model's name and the base URL."),
    (ContextLength, "Shorten the conversation or lower max_tokens."),
    (ContentFilter, "Change the prompt."),
    (Quota, "Check the plan and the billing of the account; waiting does not help."),
    (Configuration, "Check the base URL."),
];
