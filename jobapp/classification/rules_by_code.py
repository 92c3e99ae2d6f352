"""What the fields of a rejection mean: codes, types, reasons, names of quotas. Rows of the table, data only.

Codes that tell a busy minute stand in :mod:`jobapp.classification.rules`: the day, the month or the balance
that the provider's words name is stronger than they are.
"""

from __future__ import annotations

from jobapp.classification.rule import Mark, ResetRule, Rule
from jobapp.classification.rules_by_message import phrases
from jobapp.domain.types import Kind, Scope

CODES = (Mark.CODE, Mark.TYPE, Mark.ERROR_TYPE)

_OPENROUTER = "OpenRouter docs, errors and limits, 2026-08-22; openrouter 1.3.84"
_OPENAI = "OpenAI error-codes guide, help pages 5955604 and 6614457, 2026-11"
_ANTHROPIC = "Anthropic docs, errors and rate limits, 2026-09; anthropic 2.12.0"
_GOOGLE = "ai.google.dev, rate limits, 2026-10; gemini-cli, googleQuotaErrors tests, 2026"


def words(names: str) -> str:
    """Return the pattern that is exactly one of *names*, which blanks part."""
    return rf"^(?:{'|'.join(names.split())})$"


_LIMIT_SOURCES = (
    Rule(
        "openrouter-in-flight", Kind.UNAVAILABLE, Scope.MODEL,
        "running requests hold the budget until they end",
        (Mark.LIMIT_SOURCE, Mark.REASON), "in_flight_budget", _OPENROUTER,
    ),
    Rule(
        "openrouter-free-day", Kind.QUOTA, Scope.FREE_MODELS,
        "the day's requests of all free models are spent",
        (Mark.LIMIT_SOURCE,), "^openrouter_free_tier_daily$", _OPENROUTER, reset=ResetRule.UTC_MIDNIGHT,
    ),
    Rule(
        "openrouter-free-minute", Kind.RATE_LIMIT, Scope.FREE_MODELS, "the free models' minute is full",
        (Mark.LIMIT_SOURCE,), "^openrouter_free_tier_", _OPENROUTER,
    ),
    Rule(
        "openrouter-budget", Kind.QUOTA, Scope.KEY, "a budget or the credit is spent",
        (Mark.LIMIT_SOURCE,), r"^openrouter_(?:credits|key_limit|\w*budget)$", _OPENROUTER,
        reset=ResetRule.PAYMENT,
    ),
    Rule(
        "openrouter-upstream-pool", Kind.UNAVAILABLE, Scope.MODEL, "the provider behind OpenRouter is busy",
        (Mark.LIMIT_SOURCE,), "^upstream_", _OPENROUTER, unless={Mark.STATUS: "40[0134]"},
    ),
    Rule(
        "openrouter-request-above-budget", Kind.QUOTA, Scope.KEY, "the credit does not cover this request",
        (Mark.REASON,), words("weight_exceeds_budget"), _OPENROUTER, reset=ResetRule.PAYMENT,
    ),
    Rule(
        "openrouter-moderation", Kind.REQUEST, Scope.MODEL, "moderation or a guardrail refused the input",
        (Mark.FIELD,), words("reasons flagged_input patterns"), _OPENROUTER, unless={Mark.STATUS: "429"},
    ),
)  # fmt: skip

_REQUESTS = (
    Rule(
        "region", Kind.REQUEST, Scope.MODEL, "the network's country is not served; the key is fine",
        (*CODES, Mark.UPSTREAM), r"\bunsupported_country_region_territory\b", _OPENAI,
    ),
    Rule(
        "network-refused", Kind.REQUEST, Scope.MODEL, "the network is not served; the key is fine",
        CODES, words("forbidden"), "langgenius/dify#5445, 2024-06",
        also={Mark.MESSAGE: "^request not allowed"},
    ),
    Rule(
        "unknown-model-or-no-access", Kind.REQUEST, Scope.MODEL,
        "there is no such model, or this key may not use it", (Mark.MESSAGE,), phrases(r"""
            \b(?:does|do) ?(?:not|n't) have access to (?:it\b|(?:the |this )?(?:\w+ )?(?:model|deployment)\b)
            and that you have access to the model
        """), "pydantic/pydantic-ai, cassettes of OpenAI and Cohere, 2025",
        also={Mark.STATUS: "40[04]", Mark.MESSAGE: r"\b(?:model|deployment)\b"},
    ),
    Rule(
        "unknown-model", Kind.REQUEST, Scope.MODEL, "there is no such model or address", CODES,
        words("model_not_found model_decommissioned not_found(?:_error)? deploymentnotfound unknown_model"),
        f"{_OPENAI}; {_ANTHROPIC}; Groq docs, deprecations, 2026-11",
        unless={Mark.MESSAGE: "data policy", Mark.STATUS: "403"},
    ),
    Rule(
        "too-long", Kind.REQUEST, Scope.MODEL, "the request is too long for the model", CODES, words("""
            context_length_exceeded string_above_max_length request_too_large context_window_exceeded
            tokens_limit_reached
        """), f"{_OPENAI}; {_ANTHROPIC}",
    ),
    Rule(
        "content-policy", Kind.REQUEST, Scope.MODEL, "a content filter refused it", CODES, words("""
            content_policy(?:_violation)? content_filter moderation(?:_blocked)? responsibleaipolicyviolation
            invalid_prompt cyber_policy_violation
        """), _OPENAI,
    ),
    Rule(
        "field-of-request", Kind.REQUEST, Scope.MODEL, "a field of the request is at fault", (Mark.MESSAGE,),
        r"^(?:messages|tools|system|input|contents?|generation_?config|tool_choice|thinking|max_tokens"
        r"|metadata"
        r"|temperature)(?:[.\[]\S*)?: ", _ANTHROPIC, unless={Mark.STATUS: "40[123]|429|5.."},
    ),
    Rule(
        "part-of-request", Kind.REQUEST, Scope.MODEL, "a part of the request is at fault", (Mark.MESSAGE,),
        r"^(?:invalid|unknown|unsupported|unrecognized|unexpected|expected|missing|must|cannot|could not"
        r"|unable|failed|please|the (?:value|field|parameter))\b"
        r"(?! (?:\w+[ -]){0,3}(?:api|key|token|credential|auth|bearer|access|account|organi|project|billing"
        r"|scopes))",
        f"{_OPENAI}; {_ANTHROPIC}; {_GOOGLE}", also={Mark.STATUS: "40[04]|422"},
    ),
)  # fmt: skip

_MONEY = (
    Rule(
        "tier-spend-limit", Kind.QUOTA, Scope.KEY, "the month's spend limit of the organisation is reached",
        CODES, words("(?:enforced|contract)_spend_limit_reached"), _ANTHROPIC, reset=ResetRule.MONTH,
    ),
    Rule(
        "spend-or-credit", Kind.QUOTA, Scope.KEY, "credit or a spend limit is used up", CODES, words(r"""
            insufficient_(?:user_)?(?:quota|credits?|balance|funds) credit_balance_exhausted
            \w*_(?:spend|usage|budget)_limit_(?:exceeded|reached) budget_exceeded payment_required
            billing_(?:not_active|hard_limit_reached|error)
        """), f"{_OPENAI}; {_ANTHROPIC}; {_OPENROUTER}", reset=ResetRule.PAYMENT,
    ),
    Rule(
        "spend-or-credit-elsewhere", Kind.QUOTA, Scope.KEY, "credit or a spend limit is used up", CODES,
        words(r"""
            exceeded_current_quota(?:_error)? credit_limit credits?_exhausted spend_limit_exceeded arrearage
            accountoverdueerror setlimitexceeded insufficientbalance allocationquota\.freetieronly 1113 1008
        """), "reports on Moonshot, Together, DashScope, Ark, Z.ai (1113) and MiniMax (1008), 2026",
        reset=ResetRule.PAYMENT,
    ),
    Rule(
        "plan-usage-limit", Kind.QUOTA, Scope.KEY, "the plan's usage is used up",
        CODES, words("usage_limit_(?:reached|exceeded) usage_not_included"), "reports on Codex, 2026",
    ),
    Rule(
        "gemini-no-credits", Kind.QUOTA, Scope.KEY, "the prepaid credits are used up",
        (Mark.REASON,), r"^INSUFFICIENT_\w*CREDITS", _GOOGLE, reset=ResetRule.PAYMENT,
    ),
)  # fmt: skip

_KEYS = (
    Rule(
        "bad-key", Kind.AUTH, Scope.KEY, "the key is not accepted", CODES, words("""
            (?:invalid|incorrect|missing|expired|no)_api_key account_deactivated
            (?:invalid_)?authentication(?:_error)? auth_error unauthorized unauthenticated
            organization_(?:on_hold|restricted|disabled) access_terminated(?:_error)? invalid_token
            token_expired invalidapikey unrecognizedclientexception expiredtokenexception
            invalidsignatureexception
        """), f"{_OPENAI}; {_ANTHROPIC}; {_OPENROUTER}; reports on Groq, DashScope and Bedrock, 2026",
    ),
    Rule(
        "bad-google-key", Kind.AUTH, Scope.KEY, "the key or its project is not accepted", (Mark.REASON,),
        words(r"""
            API_KEY_\w+ CONSUMER_\w+ (?:SERVICE|BILLING)_DISABLED VALIDATION_REQUIRED \w*PERMISSION_DENIED
            ACCESS_TOKEN_\w+ CREDENTIALS_MISSING USER_PROJECT_DENIED ACCOUNT_STATE_INVALID TOS_VIOLATION
            key(?:Invalid|Expired) accessNotConfigured
        """), _GOOGLE,
    ),
    Rule(
        "no-access-to-model-code", Kind.AUTH, Scope.MODEL, "this key may not use this model", (Mark.TYPE,),
        words("accessdeniedexception"), "reports on Bedrock, 2026", also={Mark.MESSAGE: "model"},
    ),
)  # fmt: skip

_QUOTA_NAMES = (
    Rule(
        "gemini-capacity", Kind.UNAVAILABLE, Scope.MODEL, "the model has no capacity left; the key is fine",
        (Mark.REASON,), words("MODEL_CAPACITY_EXHAUSTED"), _GOOGLE,
    ),
    Rule(
        "no-quota-for-model", Kind.QUOTA, Scope.MODEL, "this key has no quota at all for this model",
        (Mark.MESSAGE, Mark.QUOTA_ID), r"\blimit: ?0(?![\d.])|^quotalimitvalue=0$",
        "dev.to nils44344, 2026-10-07; home-assistant/core#132832", reset=ResetRule.NOT_ENTITLED,
        unless={Mark.STATUS: "40[0134]|422|5.."},
    ),
    Rule(
        "gemini-day", Kind.QUOTA, Scope.MODEL, "the day's requests or tokens are spent",
        (Mark.QUOTA_ID,), "per[_ ]?day|daily", _GOOGLE, reset=ResetRule.GEMINI_DAY,
    ),
    Rule(
        "gemini-month", Kind.QUOTA, Scope.MODEL, "the month's quota is spent",
        (Mark.QUOTA_ID,), "per[_ ]?month", _GOOGLE,
    ),
    Rule(
        "gemini-minute", Kind.RATE_LIMIT, Scope.MODEL, "the minute's requests or tokens are used up",
        (Mark.QUOTA_ID,), "per[_ ]?(?:minute|second|hour)", _GOOGLE,
    ),
    Rule(
        "quota-exhausted", Kind.QUOTA, Scope.MODEL, "the quota is spent", (Mark.REASON, Mark.CODE),
        words(r"quota_exhausted quota_exceeded daily_?limit_?exceeded\w*"),
        f"{_GOOGLE}; developersdigest.tech, Gemini Interactions API, 2026-10-17",
    ),
    Rule(
        "google-rate-limit", Kind.RATE_LIMIT, Scope.MODEL, "a short window is full", (Mark.REASON,),
        words("(?:user)?RateLimitExceeded"), "Google APIs, older error form", also={Mark.STATUS: "403"},
    ),
)  # fmt: skip

BY_CODE: tuple[Rule, ...] = (*_LIMIT_SOURCES, *_REQUESTS, *_MONEY, *_KEYS, *_QUOTA_NAMES)
