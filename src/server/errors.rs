//! The table of error bodies of OpenAI, Azure and compatible servers. A new error code is a row of `CODES`.
//!
//! Codes are compared without case and separators (`RateLimitReached` is `rate_limit_reached`). Phrases are compared with
//! lower-case words without punctuation, and match from the beginning of a word; one that ends in a space also to its end.

use tachikoma_backends_core::ErrorCategory::{self, *};

use crate::runtime::error_body::ErrorTable;

/// The error table of this backend.
pub(crate) static ERRORS: ErrorTable = ErrorTable {
    codes: CODES,
    field_too_long_codes: FIELD_TOO_LONG,
    conversation_fields: CONVERSATION_FIELDS,
    response_keys: RESPONSE_KEYS,
    stale_state_codes: STALE_STATE_CODES,
    stale_state_phrases: STALE_STATE_PHRASES,
    stale_state_hint: STALE_STATE_HINT,
    other_api_hint: OTHER_API_HINT,
    request_id_headers: REQUEST_ID_HEADERS,
};

/// The headers with the provider's id of a request. Azure's own has another name.
const REQUEST_ID_HEADERS: &[&str] = &["x-request-id", "apim-request-id"];

/// Error codes and types that are more specific than the status.
const CODES: &[(&str, ErrorCategory)] = &[
    // OpenAI
    ("invalid_api_key", Authentication),
    ("account_deactivated", Authentication),
    ("invalid_organization", Authentication),
    ("mismatched_organization", Authentication),
    ("unsupported_country_region_territory", Permission),
    ("model_not_found", NotFound),
    ("context_length_exceeded", ContextLength),
    ("content_filter", ContentFilter),
    ("content_policy_violation", ContentFilter),
    ("invalid_prompt", ContentFilter),
    ("rate_limit_exceeded", RateLimit),
    ("credit_balance_exhausted", Quota),
    ("insufficient_quota", Quota),
    ("billing_hard_limit_reached", Quota),
    ("billing_not_active", Quota),
    ("usage_not_included", Quota),
    ("access_terminated", Permission),
    ("server_error", Server),
    ("server_is_overloaded", Overloaded),
    ("slow_down", Overloaded),
    ("request_timeout", Timeout),
    ("vector_store_timeout", Timeout),
    ("image_content_policy_violation", ContentFilter),
    ("empty_image_file", InvalidRequest),
    ("failed_to_download_image", InvalidRequest),
    ("image_file_not_found", InvalidRequest),
    ("image_file_too_large", InvalidRequest),
    ("image_parse_error", InvalidRequest),
    ("image_too_large", InvalidRequest),
    ("image_too_small", InvalidRequest),
    ("invalid_base64_image", InvalidRequest),
    ("invalid_image", InvalidRequest),
    ("invalid_image_format", InvalidRequest),
    ("invalid_image_mode", InvalidRequest),
    ("invalid_image_url", InvalidRequest),
    ("unsupported_image_media_type", InvalidRequest),
    ("invalid_request_error", InvalidRequest),
    // Azure
    ("responsible_ai_policy_violation", ContentFilter),
    ("deployment_not_found", NotFound),
    ("unauthorized", Authentication),
    ("permission_denied", Permission),
    ("too_many_requests", RateLimit),
    ("no_capacity", Overloaded),
    // GitHub Models and Copilot
    ("rate_limit_reached", RateLimit),
    ("rate_limited", RateLimit),
    ("tokens_limit_reached", ContextLength),
    ("model_max_prompt_tokens_exceeded", ContextLength),
    // Anthropic, whose codes gateways pass on
    ("authentication_error", Authentication),
    ("permission_error", Permission),
    ("not_found_error", NotFound),
    ("rate_limit_error", RateLimit),
    ("overloaded_error", Overloaded),
    ("billing_error", Quota),
    ("api_error", Server),
    ("timeout_error", Timeout),
    // llama.cpp, vLLM, SGLang
    ("exceed_context_size_error", ContextLength),
    ("unavailable_error", Overloaded),
    ("internal_server_error", Server),
    ("not_found_error", NotFound),
    // Google
    ("resource_exhausted", RateLimit),
    ("unauthenticated", Authentication),
    ("api_key_invalid", Authentication),
    ("unavailable", Overloaded),
    ("deadline_exceeded", Timeout),
    ("billing_disabled", Quota),
    // Amazon
    ("throttling_exception", RateLimit),
    ("access_denied_exception", Permission),
    ("unrecognized_client_exception", Authentication),
    ("expired_token_exception", Authentication),
    ("resource_not_found_exception", NotFound),
    ("model_not_ready_exception", Overloaded),
    ("service_unavailable_exception", Overloaded),
    ("model_timeout_exception", Timeout),
    ("internal_server_exception", Server),
    // DeepSeek, MiniMax, SiliconFlow
    ("insufficient_balance", Quota),
    ("insufficient_balance_error", Quota),
    ("1008", Quota),
    ("1026", ContentFilter),
    ("1027", ContentFilter),
    ("1039", RateLimit),
    ("30001", Quota),
    ("30011", Quota),
    // Moonshot
    ("exceeded_current_quota_error", Quota),
    ("rate_limit_reached_error", RateLimit),
    ("engine_overloaded_error", Overloaded),
    // Zhipu, Z.ai
    ("1113", Quota),
    ("1211", NotFound),
    ("1261", ContextLength),
    ("1301", ContentFilter),
    ("1302", RateLimit),
    ("1303", RateLimit),
    ("1304", RateLimit),
    ("1305", Overloaded),
    ("1308", RateLimit),
    // DashScope, Volcengine
    ("arrearage", Quota),
    ("account_overdue_error", Quota),
    ("prepaid_bill_overdue", Quota),
    ("postpaid_bill_overdue", Quota),
    ("commodity_not_purchased", Quota),
    ("allocation_quota.free_tier_only", Quota),
    ("throttling", RateLimit),
    ("throttling.rate_quota", RateLimit),
    ("throttling.allocation_quota", RateLimit),
    ("throttling.burst_rate", RateLimit),
    ("limit_requests", RateLimit),
    ("limit_burst_rate", RateLimit),
    ("data_inspection_failed", ContentFilter),
    ("sensitive_content_detected", ContentFilter),
    ("server_overloaded", Overloaded),
    ("invalid_endpoint_or_model.not_found", NotFound),
    // OpenRouter, Vercel, LiteLLM, new-api, Novita, Groq, Hugging Face
    ("moderation", ContentFilter),
    ("insufficient_funds", Quota),
    ("insufficient_credits", Quota),
    ("payment_required", Quota),
    ("budget_exceeded", Quota),
    ("insufficient_user_quota", Quota),
    ("pre_consume_token_quota_failed", Quota),
    ("not_enough_balance", Quota),
    ("credits_error", Quota),
    ("blocked_api_access", Quota),
    ("context_window_exceeded_error", ContextLength),
    ("capacity_exceeded", Overloaded),
    ("flex_tier_capacity", Overloaded),
    ("overloaded", Overloaded),
];

/// Codes for a field that is too long: the conversation is too long if the field is part of it.
const FIELD_TOO_LONG: &[&str] = &["string_above_max_length", "array_above_max_length"];

/// The last names of fields that hold the conversation.
const CONVERSATION_FIELDS: &[&str] =
    &["content", "text", "input", "prompt", "messages", "output", "instructions"];

/// Keys of a response that an error does not have.
const RESPONSE_KEYS: &[&str] =
    &["choices", "output", "content", "candidates", "embedding", "embeddings", "data"];

const OTHER_API_HINT: &str = "Check that the base URL is that of an OpenAI-compatible API.";

/// Codes for state of an earlier response that the server rejects.
const STALE_STATE_CODES: &[&str] = &["invalid_encrypted_content"];

/// Phrases for it; the text must contain every phrase of a row.
const STALE_STATE_PHRASES: &[&[&str]] = &[
    &["provided without its required"],
    &["items are not persisted"],
    &["item with id", "not found"],
    &["item rs ", "not found"],
    &["item msg ", "not found"],
    &["item fc ", "not found"],
    &["item ws ", "not found"],
    &["item ctc ", "not found"],
    &["item mcp ", "not found"],
    &["encrypted content", "not be verified"],
    &["encrypted content", "not be decrypted"],
    &["encrypted content", "not be parsed"],
    &["encrypted content", "did not match"],
    &["encrypted content", "does not match"],
    &["encrypted content", "invalid"],
    &["encrypted content", "expired"],
];

const STALE_STATE_HINT: &str = "Send the conversation without the state of earlier responses: set provider_state of its \
                                messages to None. To refer to stored responses, send `store: true` with with_extra.";

#[cfg(test)]
mod tests;
