"""How each provider words each fault: data, read by the wires.

Facts are from the providers' error and limit pages and from public issues, gathered 2026-11-23; the telling
marks (status, type, code, ``(RPD)``, ``PerDay`` …) are theirs, the rest of the wording is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobapp.testing.faults import Fault


@dataclass(frozen=True, slots=True)
class Form:
    """One fault in one provider's words.

    Attributes:
        status: The HTTP status.
        type: ``error.type``; Google's ``status``; OpenRouter's ``metadata.error_type``.
        code: ``error.code``; Anthropic's ``details.error_code``; Google's ``reason``; OpenRouter's
            ``metadata.limit_source``; ``None`` where there is none.
        text: The message, with fields in braces.
    """

    status: int
    type: str
    code: str | None
    text: str


_REACHED = (
    "Rate limit reached for {model} in organization org-simulated on {meter}:"
    " Limit {limit}, Used {limit}, Requested 1."
)
_OVER_QUOTA = "You exceeded your current quota, please check your plan and billing details."
_FAULTY = "invalid_request_error"

OPENAI: dict[Fault, Form] = {
    Fault.BUSY_MINUTE: Form(429, "requests", "rate_limit_exceeded", _REACHED),
    Fault.BUSY_TOKENS: Form(429, "tokens", "rate_limit_exceeded", _REACHED),
    Fault.SPENT_DAY: Form(429, "requests", "rate_limit_exceeded", _REACHED),
    Fault.SPENT_MONTH: Form(429, "insufficient_quota", "organization_usage_limit_exceeded", _OVER_QUOTA),
    Fault.NO_CREDIT: Form(429, "insufficient_quota", "insufficient_quota", _OVER_QUOTA),
    Fault.BAD_KEY: Form(401, _FAULTY, "invalid_api_key", "Incorrect API key provided: {masked_key}."),
    Fault.SUSPENDED: Form(401, _FAULTY, "account_deactivated", "This key's account has been deactivated."),
    Fault.NO_ACCESS: Form(
        403, _FAULTY, "model_not_found", "Project `proj_simulated` does not have access to model `{model}`"
    ),
    Fault.REGION: Form(
        403,
        "request_forbidden",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    Fault.OVERLOADED: Form(503, "service_unavailable_error", "server_is_overloaded", "We are overloaded."),
    Fault.SERVER_ERROR: Form(500, "server_error", None, "The server had an error with your request."),
    Fault.UNKNOWN_MODEL: Form(
        404, _FAULTY, "model_not_found", "The model `{model}` does not exist or you do not have access to it."
    ),
    Fault.TOO_LARGE: Form(
        429,
        "tokens",
        "rate_limit_exceeded",
        "Request too large for {model} in organization org-simulated on tokens per min (TPM):"
        " Limit {limit}, Requested {detail}.",
    ),
    Fault.BAD_REQUEST: Form(400, _FAULTY, "invalid_value", "{detail}"),
    Fault.CONTEXT_OVERFLOW: Form(
        400,
        _FAULTY,
        "context_length_exceeded",
        "This model's maximum context length is {limit} tokens. However, your messages resulted in {detail}"
        " tokens. Please reduce the length of the messages.",
    ),
    Fault.WITHDRAWN: Form(
        404, _FAULTY, "model_not_found", "The model `{model}` has been deprecated and is no longer available."
    ),
    # openai.com, flex processing, 2026: 429 "Resource Unavailable"; its fields are not documented
    Fault.NO_CAPACITY: Form(429, "resource_unavailable", "resource_unavailable", "Resource Unavailable"),
    Fault.UNKNOWN_PATH: Form(404, _FAULTY, None, "Invalid URL {detail}"),
    Fault.UNKNOWN_OBJECT: Form(404, _FAULTY, None, "{detail}"),
}

OPENAI[Fault.UPSTREAM_LIMIT] = OPENAI[Fault.OVERLOADED]

_WOULD_EXCEED = (
    "This request would exceed your organization's rate limit of {limit} {meter} per minute"
    " (org: simulated, model: {model})."
)

ANTHROPIC: dict[Fault, Form] = {
    Fault.BUSY_MINUTE: Form(429, "rate_limit_error", None, _WOULD_EXCEED),
    Fault.BUSY_TOKENS: Form(429, "rate_limit_error", None, _WOULD_EXCEED),
    Fault.SPENT_DAY: Form(400, _FAULTY, None, "You have reached your specified API usage limits."),
    Fault.SPENT_MONTH: Form(
        429, "rate_limit_error", "enforced_spend_limit_reached", "You have reached your API usage limits."
    ),
    Fault.NO_CREDIT: Form(400, _FAULTY, None, "Your credit balance is too low to access the Anthropic API."),
    Fault.BAD_KEY: Form(401, "authentication_error", None, "invalid x-api-key"),
    Fault.SUSPENDED: Form(400, _FAULTY, None, "This organization has been disabled."),
    Fault.NO_ACCESS: Form(
        403, "permission_error", None, "Your API key does not have permission to use the model {model}."
    ),
    Fault.REGION: Form(403, "forbidden", None, "Request not allowed"),
    Fault.OVERLOADED: Form(529, "overloaded_error", None, "Overloaded"),
    Fault.SERVER_ERROR: Form(500, "api_error", None, "Internal server error"),
    Fault.UNKNOWN_MODEL: Form(404, "not_found_error", None, "model: {model}"),
    Fault.TOO_LARGE: Form(413, "request_too_large", None, "Request exceeds the maximum size"),
    Fault.BAD_REQUEST: Form(400, _FAULTY, None, "{detail}"),
    Fault.CONTEXT_OVERFLOW: Form(400, _FAULTY, None, "prompt is too long: {detail} tokens > {limit} maximum"),
    Fault.WITHDRAWN: Form(404, "not_found_error", None, "model: {model}"),
    Fault.NO_CAPACITY: Form(529, "overloaded_error", None, "Overloaded"),
    Fault.UNKNOWN_PATH: Form(404, "not_found_error", None, "Not Found {detail}"),
    Fault.UNKNOWN_OBJECT: Form(404, "not_found_error", None, "{detail}"),
}

ANTHROPIC[Fault.UPSTREAM_LIMIT] = ANTHROPIC[Fault.OVERLOADED]

_EXCEEDED = f"{_OVER_QUOTA} \n* Quota exceeded for metric: {{metric}}, limit: {{limit}}, model: {{model}}"
_SPENT = "RESOURCE_EXHAUSTED"

GOOGLE: dict[Fault, Form] = {
    Fault.BUSY_MINUTE: Form(429, _SPENT, None, _EXCEEDED),
    Fault.BUSY_TOKENS: Form(429, _SPENT, None, _EXCEEDED),
    Fault.SPENT_DAY: Form(429, _SPENT, None, _EXCEEDED),
    Fault.NO_ACCESS: Form(429, _SPENT, None, _EXCEEDED),
    Fault.SPENT_MONTH: Form(429, _SPENT, None, "Your project has exceeded its monthly spending cap."),
    Fault.NO_CREDIT: Form(429, _SPENT, None, "Your prepayment credits are depleted."),
    Fault.BAD_KEY: Form(
        400, "INVALID_ARGUMENT", "API_KEY_INVALID", "API key not valid. Please pass a valid API key."
    ),
    Fault.SUSPENDED: Form(
        403,
        "PERMISSION_DENIED",
        "CONSUMER_SUSPENDED",
        "Permission denied: Consumer 'api_key:{key}' has been suspended.",
    ),
    Fault.REGION: Form(400, "FAILED_PRECONDITION", None, "User location is not supported for the API use."),
    Fault.OVERLOADED: Form(503, "UNAVAILABLE", None, "The model is overloaded. Please try again later."),
    Fault.SERVER_ERROR: Form(500, "INTERNAL", None, "An internal error has occurred."),
    Fault.UNKNOWN_MODEL: Form(
        404,
        "NOT_FOUND",
        None,
        "models/{model} is not found for API version v1beta, or is not supported for generateContent.",
    ),
    Fault.TOO_LARGE: Form(
        400,
        "INVALID_ARGUMENT",
        None,
        "The input token count ({detail}) exceeds the maximum number of tokens allowed ({limit}).",
    ),
    Fault.BAD_REQUEST: Form(400, "INVALID_ARGUMENT", None, "{detail}"),
    Fault.CONTEXT_OVERFLOW: Form(
        400,
        "INVALID_ARGUMENT",
        None,
        "The input token count ({detail}) exceeds the maximum number of tokens allowed ({limit}).",
    ),
    Fault.WITHDRAWN: Form(
        404,
        "NOT_FOUND",
        None,
        "models/{model} is not found for API version v1beta, or is no longer supported.",
    ),
    # ai.google.dev, flex inference, 2026: 503 where it is shed
    Fault.NO_CAPACITY: Form(503, "UNAVAILABLE", None, "The model is overloaded. Please try again later."),
    Fault.UNKNOWN_PATH: Form(404, "NOT_FOUND", None, "Method not found: {detail}"),
    Fault.UNKNOWN_OBJECT: Form(403, "PERMISSION_DENIED", None, "{detail}"),
}

GOOGLE[Fault.UPSTREAM_LIMIT] = GOOGLE[Fault.OVERLOADED]

GOOGLE_QUOTAS: Mapping[Fault, tuple[str, str]] = {
    Fault.BUSY_MINUTE: ("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "requests"),
    Fault.BUSY_TOKENS: ("GenerateContentInputTokensPerModelPerMinute-FreeTier", "input_token_count"),
    Fault.SPENT_DAY: ("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "requests"),
    Fault.NO_ACCESS: ("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "requests"),
}
"""``quotaId`` and the last word of the metric; a model outside the tier is told as a day of zero requests."""

_LIMITED, _UNPAID = "rate_limit_exceeded", "payment_required"

OPENROUTER: dict[Fault, Form] = {
    Fault.BUSY_MINUTE: Form(429, _LIMITED, None, "Rate limit exceeded: limit_rpm/{model}/simulated."),
    Fault.BUSY_TOKENS: Form(429, _LIMITED, None, "Rate limit exceeded: limit_tpm/{model}/simulated."),
    Fault.SPENT_DAY: Form(403, _UNPAID, "openrouter_key_limit", "Key limit exceeded (daily limit)."),
    Fault.SPENT_MONTH: Form(403, _UNPAID, "openrouter_workspace_budget", "Budget limit exceeded."),
    Fault.NO_CREDIT: Form(402, _UNPAID, "openrouter_credits", "Insufficient credits."),
    Fault.BAD_KEY: Form(401, "authentication", None, "User not found."),
    Fault.SUSPENDED: Form(401, "authentication", None, "Invalid credentials"),
    Fault.NO_ACCESS: Form(404, "not_found", None, "No endpoints found matching your data policy."),
    Fault.REGION: Form(403, "permission_denied", None, "This model is not available in your region."),
    Fault.OVERLOADED: Form(503, "provider_overloaded", None, "No provider available"),
    Fault.SERVER_ERROR: Form(500, "server", None, "Internal Server Error"),
    Fault.UNKNOWN_MODEL: Form(400, "invalid_request", None, "{model} is not a valid model ID"),
    Fault.TOO_LARGE: Form(
        400,
        "invalid_request",
        None,
        "This endpoint's maximum context length is {limit} tokens. However, you requested {detail} tokens.",
    ),
    Fault.BAD_REQUEST: Form(400, "invalid_request", None, "{detail}"),
    Fault.CONTEXT_OVERFLOW: Form(
        400,
        "context_length_exceeded",
        None,
        "This endpoint's maximum context length is {limit} tokens."
        " However, you requested about {detail} tokens.",
    ),
    Fault.UPSTREAM_LIMIT: Form(429, "rate_limit_exceeded", None, "Provider returned error"),
    Fault.WITHDRAWN: Form(404, "not_found", None, "No endpoints found for {model}."),
    Fault.NO_CAPACITY: Form(503, "provider_overloaded", None, "No provider available"),
    Fault.UNKNOWN_PATH: Form(404, "not_found", None, "Not Found {detail}"),
    Fault.UNKNOWN_OBJECT: Form(404, "not_found", None, "{detail}"),
}

OPENROUTER_FREE: Mapping[Fault, Form] = OPENROUTER | {
    Fault.BUSY_MINUTE: Form(429, _LIMITED, None, "Rate limit exceeded: free-models-per-min."),
    Fault.SPENT_DAY: Form(
        429,
        _LIMITED,
        "openrouter_free_tier_daily",
        "Rate limit exceeded: free-models-per-day. Add credits to unlock more free model requests per day",
    ),
}
"""Models whose name ends in ``:free`` have windows and a day of their own."""
