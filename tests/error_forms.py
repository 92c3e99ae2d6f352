"""The forms in which providers say no, shortened to what tells them apart; each with its meaning and scope."""

from __future__ import annotations

import json

from jobapp.domain.types import ErrorFacts, Kind, Scope

RATE_LIMIT, QUOTA, AUTH, UNAVAILABLE, REQUEST = Kind
KEY, MODEL, FREE = Scope.KEY, Scope.MODEL, Scope.FREE_MODELS

FORMS: list[tuple[Kind, Scope, ErrorFacts]] = []


def form(kind, scope, provider, status, body=None, headers=None, message="", exceptions=()):
    facts = ErrorFacts(provider, status, headers or {}, body, message, None, exceptions)
    FORMS.append((kind, scope, facts))


def openai(message, type_=None, code=None):
    return {"error": {"message": message, "type": type_, "param": None, "code": code}}


def anthropic(type_, message, **more):
    return {"type": "error", "error": {"type": type_, "message": message, **more}, "request_id": "req_011"}


def gemini(status, message, *details, code=429):
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def violations(*ids, **more):
    return {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [
            {"quotaMetric": "generativelanguage.googleapis.com/x", "quotaId": id_, **more} for id_ in ids
        ],
    }


def retry_info(delay):
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def error_info(reason, **metadata):
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "metadata": metadata}


def openrouter(code, message, **metadata):
    return {"error": {"code": code, "message": message, **({"metadata": metadata} if metadata else {})}}


MINUTE = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
GEMINI_HEAD = "You exceeded your current quota, please check your plan"
LIMITED = "rate_limit_exceeded"

# OpenAI: the message alone tells a minute from a day
form(
    RATE_LIMIT,
    MODEL,
    "openai",
    429,
    openai(
        "Rate limit reached on requests per min (RPM): Limit 3. Please try again in 20s.", "requests", LIMITED
    ),
)
form(
    RATE_LIMIT,
    MODEL,
    "openai",
    429,
    openai("Rate limit reached on tokens per min (TPM): Limit 9, billing page.", "tokens", LIMITED),
)
form(
    RATE_LIMIT,
    MODEL,
    "openai",
    None,
    message="Rate limit reached for x on requests per min. Limit: 3 / min. Add a payment method.",
)
form(
    QUOTA,
    MODEL,
    "openai",
    429,
    openai(
        "Rate limit reached on requests per day (RPD): Limit 200. Please try again in 7m12s.",
        "requests",
        LIMITED,
    ),
)
form(
    QUOTA,
    MODEL,
    "openai",
    429,
    openai("Rate limit reached on tokens per day (TPD): Limit 9. Please try again in 8s.", "tokens", LIMITED),
)
form(QUOTA, MODEL, "openai", None, message="Rate limit reached for x on requests per day. Limit: 200 / day.")
form(
    REQUEST,
    MODEL,
    "openai",
    429,
    openai("Request too large for x on tokens per min (TPM): Limit 3, Requested 4.", "tokens", LIMITED),
)
form(
    RATE_LIMIT,
    MODEL,
    "openai",
    429,
    openai("Reduce request rate.", "rate_limit_error", "slow_down"),
    {"Retry-After": "0"},
)
form(RATE_LIMIT, MODEL, "openai", 503, openai("Slow down.", "rate_limit_error", "slow_down"))
form(RATE_LIMIT, MODEL, "openai", 429, message="Too Many Requests")
form(RATE_LIMIT, MODEL, "openai", 429, "", {"retry-after": "20"})
form(QUOTA, MODEL, "openai", 429, "", {"retry-after": "82000"})
for code in (
    "insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded", "organization_usage_limit_exceeded", "a_code_of_next_year",
):  # fmt: skip
    form(QUOTA, KEY, "openai", 429, openai("words of next year", "insufficient_quota", code))
form(
    QUOTA,
    KEY,
    "openai",
    429,
    openai("Your account is not active", "billing_not_active", "billing_not_active"),
)
form(
    QUOTA,
    KEY,
    "openai",
    400,
    openai("Billing hard limit", "invalid_request_error", "billing_hard_limit_reached"),
)
form(
    QUOTA,
    KEY,
    "openai",
    429,
    message="429 You exceeded your current quota, please check your plan and billing details.",
)
form(QUOTA, KEY, "openai", 429, openai("You have run out of credits."))
form(
    AUTH,
    KEY,
    "openai",
    401,
    openai("Incorrect API key provided: sk-x***y.", "invalid_request_error", "invalid_api_key"),
)
form(AUTH, KEY, "openai", 401, openai("account deactivated", "requests", None))
form(AUTH, KEY, "openai", 401, {"error": "Missing scopes: api.model.read."})
form(
    AUTH,
    KEY,
    "openai",
    401,
    {"message": "insufficient permissions", "type": "invalid_request_error", "code": None},
)
form(AUTH, KEY, "openai", 403, openai("Your IP is not authorized to use this key."))
form(
    AUTH, KEY, "openai", None, {"success": False, "message": "code account_deactivated, message it is closed"}
)
form(
    AUTH,
    KEY,
    "openai",
    None,
    message="openai.error.AuthenticationError: Incorrect API key provided: <sk-P***M>.",
)
form(AUTH, KEY, "openai", 429, openai("Your access was terminated due to violation of our policies"))
form(
    AUTH,
    MODEL,
    "openai",
    403,
    openai("Project `p` does not have access to model `m`", "invalid_request_error", "model_not_found"),
)
form(
    REQUEST,
    MODEL,
    "openai",
    403,
    openai("Country not supported", "request_forbidden", "unsupported_country_region_territory"),
)
form(
    REQUEST,
    MODEL,
    "openai",
    404,
    openai("The model `rate-limit-429` does not exist", "invalid_request_error", "model_not_found"),
)
form(REQUEST, MODEL, "openai", None, message="The model `text-rpd-402` does not exist")
form(
    REQUEST,
    MODEL,
    "openai",
    400,
    openai("maximum context length is 8192", "invalid_request_error", "context_length_exceeded"),
)
form(REQUEST, MODEL, "openai", 400, openai("rejected by our safety system", None, "content_policy_violation"))
form(
    REQUEST,
    MODEL,
    "openai",
    400,
    openai("must be verified to stream", "invalid_request_error", "unsupported_value"),
)
form(UNAVAILABLE, MODEL, "openai", 500, openai("The server had an error", "server_error"))
form(
    UNAVAILABLE,
    MODEL,
    "openai",
    503,
    openai("try later", "service_unavailable_error", "server_is_overloaded"),
)
form(
    UNAVAILABLE,
    MODEL,
    "openai",
    429,
    message="openai.error.RateLimitError: The server is currently overloaded with other requests.",
)
form(
    RATE_LIMIT,
    MODEL,
    "openai",
    200,
    {"type": "response.failed", "response": {"error": {"code": LIMITED, "message": "TPM"}}},
)
form(
    QUOTA,
    KEY,
    "openai",
    200,
    {"type": "response.failed", "response": {"error": {"code": "insufficient_quota"}}},
)
form(
    RATE_LIMIT,
    MODEL,
    "openai",
    None,
    {"errors": {"data": [{"code": "token_limit_exceeded", "message": "Enqueued"}]}},
)

# Anthropic: spend limits come as 400 and as 429, told by a detail or by words
form(
    RATE_LIMIT,
    MODEL,
    "anthropic",
    429,
    anthropic("rate_limit_error", "exceed your rate limit of 9 input tokens per minute"),
    {"retry-after": "12"},
)
form(
    RATE_LIMIT,
    MODEL,
    "anthropic",
    429,
    anthropic("rate_limit_error", "Number of concurrent connections has exceeded your rate limit."),
)
form(
    RATE_LIMIT,
    MODEL,
    "anthropic",
    429,
    anthropic("rate_limit_error", "acceleration limit", details={"error_code": "ramp_limit_exceeded"}),
)
form(
    RATE_LIMIT,
    MODEL,
    "anthropic",
    429,
    {"error": {"code": "rate_limit_error", "type": "invalid_request_error", "message": "x"}},
)
form(
    RATE_LIMIT,
    MODEL,
    "anthropic",
    429,
    anthropic("rate_limit_error", "Rate limited"),
    {"anthropic-ratelimit-unified-status": "allowed_warning"},
)
form(
    QUOTA,
    KEY,
    "anthropic",
    429,
    anthropic("rate_limit_error", "Rate limited"),
    {"anthropic-ratelimit-unified-status": "rejected"},
)
form(
    QUOTA,
    KEY,
    "anthropic",
    429,
    anthropic("rate_limit_error", "Rate limited"),
    {"anthropic-ratelimit-unified-5h-utilization": "1.02"},
)
form(
    QUOTA,
    KEY,
    "anthropic",
    429,
    anthropic("rate_limit_error", "crossed", details={"error_code": "enforced_spend_limit_reached"}),
)
form(
    QUOTA,
    KEY,
    "anthropic",
    429,
    anthropic("rate_limit_error", "crossed", details={"error_code": "contract_spend_limit_reached"}),
)
form(
    QUOTA,
    MODEL,
    "anthropic",
    429,
    anthropic("rate_limit_error", "Number of tokens has exceeded your daily rate limit"),
)
form(
    QUOTA,
    KEY,
    "anthropic",
    400,
    anthropic("invalid_request_error", "You have reached your specified API usage limits."),
)
form(
    QUOTA,
    KEY,
    "anthropic",
    400,
    anthropic("invalid_request_error", "You have reached your specified workspace API usage limits."),
)
form(
    QUOTA,
    KEY,
    "anthropic",
    400,
    anthropic("invalid_request_error", "Your credit balance is too low to access it."),
)
form(QUOTA, KEY, "anthropic", 402, anthropic("billing_error", "billing"))
form(QUOTA, KEY, "anthropic", None, message="Claude AI usage limit reached|1795500000")
form(AUTH, KEY, "anthropic", 401, anthropic("authentication_error", "invalid x-api-key"))
form(AUTH, KEY, "anthropic", 403, anthropic("permission_error", "no permission for this resource"))
form(AUTH, KEY, "anthropic", 400, anthropic("invalid_request_error", "This organization has been disabled."))
form(
    AUTH,
    KEY,
    "anthropic",
    400,
    anthropic("invalid_request_error", "on hold", details={"error_code": "organization_on_hold"}),
)
form(AUTH, KEY, "anthropic", None, message="API_ERROR 401 authentication_error invalid x-api-key")
form(REQUEST, MODEL, "anthropic", 403, {"error": {"type": "forbidden", "message": "Request not allowed"}})
form(
    REQUEST,
    MODEL,
    "anthropic",
    429,
    anthropic("rate_limit_error", "Extra usage is required for long context requests."),
)
form(
    REQUEST,
    MODEL,
    "anthropic",
    400,
    anthropic("invalid_request_error", "prompt is too long: 202609 tokens > 200000 maximum"),
)
form(
    REQUEST,
    MODEL,
    "anthropic",
    None,
    anthropic("invalid_request_error", "Output blocked by content filtering policy", details=None),
)
form(REQUEST, MODEL, "anthropic", 404, anthropic("not_found_error", "model: claude-rate_limit_error-429"))
form(REQUEST, MODEL, "anthropic", 413, {"error": {"type": "request_too_large", "message": "too large"}})
form(REQUEST, MODEL, "anthropic", 451, message="Unavailable For Legal Reasons: not available in your region")
form(UNAVAILABLE, MODEL, "anthropic", 529, anthropic("overloaded_error", "Overloaded"))
form(UNAVAILABLE, MODEL, "anthropic", 200, anthropic("overloaded_error", "Overloaded"))
form(UNAVAILABLE, MODEL, "anthropic", 529, "")
form(UNAVAILABLE, MODEL, "anthropic", 504, anthropic("timeout_error", "timed out"))
form(UNAVAILABLE, MODEL, "anthropic", 500, anthropic("api_error", "Internal"))

# Gemini: the quota's name tells, a day before a minute, and 400 may be the key
form(
    RATE_LIMIT,
    MODEL,
    "google",
    429,
    gemini("RESOURCE_EXHAUSTED", GEMINI_HEAD, violations(MINUTE), retry_info("31s")),
)
form(
    QUOTA,
    MODEL,
    "google",
    429,
    gemini("RESOURCE_EXHAUSTED", GEMINI_HEAD, retry_info("31s"), violations(MINUTE, DAY)),
)
form(QUOTA, MODEL, "google", 429, [gemini("RESOURCE_EXHAUSTED", GEMINI_HEAD, violations(DAY, MINUTE))])
form(
    QUOTA,
    MODEL,
    "google",
    429,
    gemini("RESOURCE_EXHAUSTED", f"{GEMINI_HEAD} limit: 0, model: m Please retry in 5s.", retry_info("5s")),
)
form(
    QUOTA,
    MODEL,
    "google",
    429,
    gemini(
        "RESOURCE_EXHAUSTED",
        "x",
        error_info("RATE_LIMIT_EXCEEDED", quota_limit="APerMinute", quota_limit_value="0"),
    ),
)
form(
    QUOTA,
    MODEL,
    "google",
    429,
    gemini(
        "RESOURCE_EXHAUSTED",
        "x",
        error_info("RATE_LIMIT_EXCEEDED", quota_limit="RequestsPerDayPerUserPerTier"),
    ),
)
form(
    RATE_LIMIT,
    MODEL,
    "google",
    429,
    gemini(
        "RESOURCE_EXHAUSTED",
        "x",
        error_info("RATE_LIMIT_EXCEEDED", quota_limit="APerMinutePerProject", quota_limit_value="60"),
    ),
)
form(
    QUOTA,
    MODEL,
    "google",
    429,
    message="Quota exceeded for quota metric 'Requests' and limit 'Requests per day per user per tier'",
)
form(
    RATE_LIMIT,
    MODEL,
    "google",
    429,
    message="429 Quota exceeded for aiplatform.googleapis.com/requests_per_minute_per_model with base model: gemini-pro.",
)
form(
    QUOTA,
    MODEL,
    "google",
    None,
    message=f"429 {GEMINI_HEAD}. * Quota exceeded for metric: x.googleapis.com/requests_per_model_per_day, limit: 250",
)
form(QUOTA, MODEL, "google", 429, message=f"{GEMINI_HEAD}. limit: 20 Please retry in 10h17m5.7s.")
form(RATE_LIMIT, MODEL, "google", 429, message=f"{GEMINI_HEAD}. limit: 20 Please retry in 44.09s.")
form(
    RATE_LIMIT,
    MODEL,
    "google",
    429,
    gemini("RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
)
form(QUOTA, KEY, "google", 429, gemini("RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."))
form(
    QUOTA,
    KEY,
    "google",
    402,
    gemini("FAILED_PRECONDITION", "Your prepayment credits are depleted.", code=402),
)
form(
    QUOTA,
    KEY,
    "google",
    429,
    gemini("RESOURCE_EXHAUSTED", "Your project has exceeded its monthly spending cap."),
)
form(
    QUOTA,
    KEY,
    "google",
    429,
    gemini("RESOURCE_EXHAUSTED", "x", error_info("INSUFFICIENT_G1_CREDITS_BALANCE")),
)
form(
    QUOTA,
    MODEL,
    "google",
    429,
    gemini("RESOURCE_EXHAUSTED", "x", error_info("QUOTA_EXHAUSTED"), retry_info("68940s")),
)
form(QUOTA, MODEL, "google", 429, {"error": {"code": "quota_exceeded", "message": "x"}})
form(
    UNAVAILABLE,
    MODEL,
    "google",
    429,
    gemini("RESOURCE_EXHAUSTED", "x", error_info("MODEL_CAPACITY_EXHAUSTED")),
)
form(
    UNAVAILABLE,
    MODEL,
    "google",
    429,
    gemini("RESOURCE_EXHAUSTED", "Resource exhausted. Please try again later."),
)
form(
    AUTH, KEY, "google", 400, gemini("INVALID_ARGUMENT", "renew it", error_info("API_KEY_INVALID"), code=400)
)
form(
    AUTH,
    KEY,
    "google",
    400,
    message='400 API key expired. [reason: "API_KEY_INVALID"\ndomain: "googleapis.com"\n]',
)
form(AUTH, KEY, "google", 403, gemini("PERMISSION_DENIED", "x", error_info("CONSUMER_SUSPENDED"), code=403))
form(AUTH, KEY, "google", 403, message="403 Your API key was reported as leaked. Please use another API key.")
form(AUTH, KEY, "google", 403, gemini("PERMISSION_DENIED", "Your project has been denied access.", code=403))
form(
    AUTH,
    KEY,
    "google",
    403,
    gemini("PERMISSION_DENIED", "This service has been disabled in this account", code=403),
)
form(
    REQUEST, MODEL, "google", 400, gemini("FAILED_PRECONDITION", "User location is not supported.", code=400)
)
form(
    REQUEST,
    MODEL,
    "google",
    403,
    gemini("PERMISSION_DENIED", "You do not have permission to access the File abc", code=403),
)
form(
    REQUEST,
    MODEL,
    "google",
    400,
    [gemini("INVALID_ARGUMENT", "The input token count exceeds the maximum", code=400)],
)
form(
    REQUEST,
    MODEL,
    "google",
    404,
    gemini("NOT_FOUND", "models/gemini-PerDay-RESOURCE_EXHAUSTED is not found", code=404),
)
form(UNAVAILABLE, MODEL, "google", 503, gemini("UNAVAILABLE", "The model is overloaded.", code=503))
form(
    UNAVAILABLE, MODEL, "google", None, "Sorry... your computer or network may be sending automated queries."
)

# OpenRouter: whose limit it is, then its own words; another provider's words never count against the key
form(
    QUOTA,
    FREE,
    "openrouter",
    429,
    openrouter(429, "Rate limit exceeded: free-models-per-day-stealth. Add 10 credits to unlock 1000"),
)
form(QUOTA, FREE, "openrouter", 429, openrouter("429", "x", limit_source="openrouter_free_tier_daily"))
form(
    RATE_LIMIT,
    FREE,
    "openrouter",
    429,
    openrouter(429, "Rate limit exceeded: free-models-per-min. Add credits for 1000 requests per day"),
)
form(
    RATE_LIMIT,
    FREE,
    "openrouter",
    200,
    'data: {"error":{"code":429,"message":"Provider returned error","metadata":{"raw":"free-models-per-min"}}}',
)
form(
    RATE_LIMIT,
    MODEL,
    "openrouter",
    429,
    openrouter(429, "Rate limit exceeded: limit_rpm/a/b/0. High demand for it on OpenRouter"),
)
form(
    UNAVAILABLE,
    MODEL,
    "openrouter",
    429,
    openrouter(429, "Provider returned error", raw="insufficient_quota per day", provider_name="X"),
)
form(
    UNAVAILABLE, MODEL, "openrouter", 429, openrouter(429, "x", limit_source="upstream_provider_shared_pool")
)
form(
    UNAVAILABLE,
    MODEL,
    "openrouter",
    429,
    openrouter(429, "x", error_type=LIMITED, provider_code="rate_limited"),
)
form(RATE_LIMIT, MODEL, "openrouter", 429, openrouter(429, "x", error_type=LIMITED, provider_name=None))
form(
    UNAVAILABLE,
    MODEL,
    "openrouter",
    429,
    {"error": {"code": 429, "availability": {"code": "capacity_exhausted", "retry_after": 5}}},
)
form(
    QUOTA,
    KEY,
    "openrouter",
    402,
    openrouter(402, "Insufficient credits. Add more", limit_source="openrouter_credits"),
)
form(
    QUOTA, KEY, "openrouter", 402, openrouter(402, "This request requires more credits, or fewer max_tokens.")
)
form(QUOTA, KEY, "openrouter", 402, openrouter(402, "x", reason="weight_exceeds_budget"))
form(UNAVAILABLE, MODEL, "openrouter", 402, openrouter(402, "x", limit_source="openrouter_in_flight_budget"))
form(
    UNAVAILABLE,
    MODEL,
    "openrouter",
    402,
    openrouter(402, "exceed your credits given your current in-flight requests."),
)
form(QUOTA, KEY, "openrouter", 403, openrouter(403, "Key limit exceeded (daily limit)."))
for source in ("key_limit", "workspace_budget", "guardrail_budget"):
    form(QUOTA, KEY, "openrouter", 403, openrouter(403, "x", limit_source=f"openrouter_{source}"))
form(
    REQUEST,
    MODEL,
    "openrouter",
    403,
    openrouter(403, "x", reasons=["violence"], flagged_input="Key limit exceeded 429"),
)
form(REQUEST, MODEL, "openrouter", 403, openrouter(403, "blocked", patterns=["secret"]))
form(
    REQUEST,
    MODEL,
    "openrouter",
    403,
    openrouter(403, "prohibited by provider Terms Of Service.", provider_name=None),
)
form(
    REQUEST,
    MODEL,
    "openrouter",
    400,
    openrouter(400, "Provider returned error", raw="rate limit", provider_name="X"),
)
form(REQUEST, MODEL, "openrouter", 404, openrouter(404, "No endpoints found for a/b."))
form(AUTH, MODEL, "openrouter", 404, openrouter(404, "No endpoints found matching your data policy."))
form(AUTH, KEY, "openrouter", 401, openrouter(401, "User not found."))
form(
    AUTH,
    KEY,
    "openrouter",
    200,
    {"status": "failed", "error": {"code": "server_error", "message": "x"}, "error_type": "authentication"},
)
form(AUTH, KEY, "openrouter", 403, openrouter(403, "x", error_type="permission_denied"))
form(QUOTA, KEY, "openrouter", 402, openrouter(402, "x", error_type="payment_required"))
form(
    UNAVAILABLE,
    MODEL,
    "openrouter",
    200,
    {"choices": [{"finish_reason": "error", "error": {"code": 502, "message": "x"}}]},
)
form(
    UNAVAILABLE,
    MODEL,
    "openrouter",
    200,
    {"choices": [{"native_finish_reason": "error", "message": {"content": "Insufficient credits"}}]},
)
form(UNAVAILABLE, MODEL, "openrouter", 200, 'data: {"error":"upstream timeout"}\n\n')

# others
form(
    QUOTA,
    MODEL,
    "groq",
    429,
    openai("Rate limit reached on tokens per day (TPD): try again in 1h34m52.896s", "tokens", LIMITED),
)
form(
    REQUEST,
    MODEL,
    "groq",
    413,
    openai(
        "Request too large on tokens per minute (TPM): Limit 6, Requested 9, try again.", "tokens", LIMITED
    ),
)
form(
    RATE_LIMIT,
    MODEL,
    "groq",
    413,
    openai("Request too large on tokens per minute (TPM): Limit 8, Requested 2, please try again in 4.2s."),
)
form(
    AUTH,
    KEY,
    "groq",
    400,
    openai("Organization has been restricted.", "invalid_request_error", "organization_restricted"),
)
form(
    RATE_LIMIT,
    MODEL,
    "azure",
    429,
    {"error": {"code": "429", "message": "exceeded token rate limit. Please retry after 7 seconds."}},
)
form(
    QUOTA,
    MODEL,
    "azure",
    429,
    {"error": {"code": "RateLimitReached", "message": "exceeded. Please retry after 86400 seconds."}},
)
form(
    QUOTA,
    MODEL,
    "github",
    429,
    {
        "error": {
            "message": "Rate limit of 150 per 86400s exceeded for UserByModelByDay. Please wait 33 seconds"
        }
    },
)
form(
    QUOTA,
    KEY,
    "azure",
    403,
    {"statusCode": 403, "message": "Out of call volume quota. Quota will be replenished in 12:13:05."},
)
form(
    QUOTA,
    KEY,
    "xai",
    403,
    {
        "code": "The caller does not have permission",
        "error": "Your team has either used all available credits or more.",
    },
)
form(QUOTA, KEY, "deepseek", 402, openai("Insufficient Balance", "unknown_error", "invalid_request_error"))
form(
    AUTH,
    KEY,
    "deepseek",
    401,
    openai("Authentication Fails", "authentication_error", "invalid_request_error"),
)
form(
    RATE_LIMIT,
    MODEL,
    "mistral",
    429,
    {"message": "Service tier capacity exceeded", "type": "invalid_request_error", "code": "3505"},
)
form(QUOTA, KEY, "zai", 429, {"error": {"code": "1113", "message": "x"}})
form(RATE_LIMIT, MODEL, "zai", 429, {"error": {"code": "1302", "message": "High concurrency"}})
form(
    QUOTA,
    MODEL,
    "moonshot",
    429,
    openai("request reached organization TPD rate limit", "rate_limit_reached_error"),
)
form(QUOTA, KEY, "moonshot", 429, openai("account is suspended", "exceeded_current_quota_error"))
form(UNAVAILABLE, MODEL, "moonshot", 429, openai("try again later", "engine_overloaded_error"))
form(RATE_LIMIT, MODEL, "cohere", 429, {"message": "Trial key, limited to 10 API calls / minute."})
form(QUOTA, KEY, "cohere", 429, {"message": "Trial key, limited to 1000 API calls / month."})
form(REQUEST, MODEL, "voyage", 400, {"detail": "Model nonexistent is not supported."})
form(QUOTA, MODEL, "bedrock", 429, {"message": "Too many tokens per day, please wait"})
form(
    RATE_LIMIT,
    MODEL,
    "bedrock",
    None,
    message="An error occurred (ThrottlingException): Too many tokens, please wait",
)
form(
    AUTH,
    MODEL,
    "bedrock",
    403,
    {"message": "no access to the model"},
    {"x-amzn-errortype": "AccessDeniedException:http://x"},
)
form(
    QUOTA,
    KEY,
    "fireworks",
    412,
    openai("Account a is suspended, possibly due to reaching the monthly spending limit"),
)
form(QUOTA, KEY, "litellm", 400, openai("Budget has been exceeded!", "budget_exceeded", "400"))
form(QUOTA, KEY, "codex", 429, {"error": {"type": "usage_limit_reached", "resets_in_seconds": 6000}})
form(
    REQUEST,
    MODEL,
    "other",
    403,
    "<!DOCTYPE html><title>Attention Required!</title><h1>Sorry, you have been blocked</h1>",
)
form(RATE_LIMIT, MODEL, "other", 429, "<html><head><title>429 Too Many Requests</title></head></html>")
form(UNAVAILABLE, MODEL, "other", 502, "<html><head><title>502 Bad Gateway</title></head></html>")

# no status at all
for words in (
    "Name or service not known", "Connection refused", "Server disconnected without sending a response.",
    "peer closed connection (incomplete chunked read)", "[SSL: CERTIFICATE_VERIFY_FAILED]", "Event loop is closed",
    "The read operation timed out", "read ECONNRESET", "socket hang up", "getaddrinfo ENOTFOUND api.anthropic.com",
):  # fmt: skip
    form(UNAVAILABLE, MODEL, "openai", None, message=words)
for names in (
    ("APITimeoutError", "APIConnectionError"), ("ConnectError", "TransportError"), ("ChunkedEncodingError", "OSError"),
    ("RemoteProtocolError",), ("ServiceUnavailable", "ServerError"), ("CancelledError",), ("JSONDecodeError", "ValueError"),
):  # fmt: skip
    form(UNAVAILABLE, MODEL, "openai", None, exceptions=names)
form(RATE_LIMIT, MODEL, "openai", None, exceptions=("RateLimitError", "APIError"))
form(AUTH, KEY, "openai", None, exceptions=("AuthenticationError", "APIError"))
form(REQUEST, MODEL, "openai", None, exceptions=("BadRequestError", "APIError"))
form(REQUEST, MODEL, "openai", None, exceptions=("KeyError", "LookupError"))
form(UNAVAILABLE, MODEL, "openai", None)
form(UNAVAILABLE, MODEL, "openai", 200, "garbage that is no JSON")
form(UNAVAILABLE, MODEL, "openai", 200, b"\xff\xfe\x00")

form(
    RATE_LIMIT,
    MODEL,
    "groq",
    413,
    openai("Request too large on tokens per minute (TPM): Limit 8,000, Requested 2,900."),
)
form(
    REQUEST,
    MODEL,
    "groq",
    413,
    openai("Request too large on tokens per minute (TPM): Limit 8, Used 0, Requested 9. try again in 4s."),
)
form(
    REQUEST,
    MODEL,
    "openai",
    429,
    openai("Request too large on tokens per min (TPM). Reduce it.", "tokens", LIMITED),
)

# rows that nothing above needs
form(
    REQUEST,
    MODEL,
    "openai",
    400,
    openai("Unknown parameter: rate_limit_exceeded. Insufficient credits per day"),
)
form(AUTH, KEY, "openai", 400, openai("Invalid API key"))
form(RATE_LIMIT, FREE, "openrouter", 429, openrouter(429, "x", limit_source="openrouter_free_tier_minute"))
form(QUOTA, MODEL, "openrouter", 429, openrouter(429, "Rate limit exceeded: limit_rpd/a/b/0."))
form(
    UNAVAILABLE,
    MODEL,
    "openrouter",
    429,
    openrouter(429, "x", raw="a/b is temporarily rate-limited upstream."),
)
form(QUOTA, MODEL, "google", 429, gemini("RESOURCE_EXHAUSTED", "x", violations("GroundedRequestsPerMonth")))
form(RATE_LIMIT, MODEL, "google", 403, {"error": {"errors": [{"reason": "userRateLimitExceeded"}]}})
form(REQUEST, MODEL, "anthropic", 400, anthropic("invalid_request_error", "messages: text must be non-empty"))
form(REQUEST, MODEL, "openai", 403, openai("Your country is not supported"))
form(REQUEST, MODEL, "openrouter", 403, openrouter(403, "a/b is for paying customers", provider_name="X"))
form(REQUEST, MODEL, "azure", 400, openai("triggered the content management policy"))
form(REQUEST, MODEL, "anthropic", None, message="prompt is too long: 9 tokens > 8 maximum")
form(QUOTA, KEY, "huggingface", 402, {"error": "Subscribe for 20x more monthly included credits."})
form(QUOTA, KEY, "nvidia", 402, {"title": "Payment missing", "status": 402})
form(AUTH, KEY, "google", 403, message="Generative Language API has not been used in project 1 before")
form(AUTH, KEY, "anthropic", None, anthropic("permission_error", "no"))
form(REQUEST, MODEL, "openai", None, {"type": "error", "code": "invalid_value", "message": "no"})
form(
    UNAVAILABLE, MODEL, "openai", None, {"type": "error", "error": {"type": "server_error", "message": "no"}}
)
form(UNAVAILABLE, MODEL, "openai", 503, openai("That model is currently overloaded", "server_error"))
form(UNAVAILABLE, MODEL, "vercel", 503, message="no")
form(RATE_LIMIT, MODEL, "other", None, message="Too many requests")
form(AUTH, KEY, "other", 401, {"detail": "no"})
form(QUOTA, KEY, "other", 402, {"detail": "no"})

# wrappings
INNER = json.dumps(gemini("RESOURCE_EXHAUSTED", GEMINI_HEAD, violations(DAY)), indent=2)
for wrapped in (
    json.dumps({"error": {"message": INNER, "code": 429, "status": "Too Many Requests"}}),
    f"got status: 429 Too Many Requests. {json.dumps({'error': {'message': INNER}})}",
    json.dumps(json.dumps(json.loads(INNER))),
    f"litellm.RateLimitError: VertexAIException - b'{INNER}'",
    "429 RESOURCE_EXHAUSTED. " + repr(json.loads(INNER)),
    INNER.replace('"', '\\"').replace("\n", "\\n"),
    INNER[: INNER.index(DAY) + len(DAY)],
    INNER.replace(GEMINI_HEAD, "line\nbreaks\n"),
    INNER.replace('"@type"', '" @type"'),
    "\n".join(f"│ {line} │" for line in INNER.splitlines()),
    "│ data: '[" + "\\n' +  │\n│   '".join(INNER.splitlines()),
    f'429 x [violations {{\n  quota_metric: "m"\n  quota_id: "{DAY}"\n  quota_value: 50\n}}\n, retry_delay {{\n  seconds: 23\n}}\n]',
):
    form(QUOTA, MODEL, "google", 429, message=wrapped)
    form(QUOTA, MODEL, "google", 429, wrapped)
