"""The table of error forms: the first row that matches says what a rejection means, so order is precedence.

Fields stand before words; money, days and keys before the status, for each comes with several statuses.
What is left is told by the status, and without one by whatever there is.
"""

from __future__ import annotations

from jobapp.classification.rule import Mark, ResetRule, Rule
from jobapp.classification.rules_by_code import BY_CODE, CODES, words
from jobapp.classification.rules_by_message import BY_WORDS, TEXT, phrases
from jobapp.classification.rules_by_service import BY_SERVICE
from jobapp.domain.types import Kind, Scope

_HTTP = "RFC 9110 and 6585; the providers' docs, 2026-11"
_NAMES = "class names of the SDKs, 2026-11-23"
_BY_STATUS = (
    Rule(
        "unauthorized", Kind.AUTH, Scope.KEY, "the key is not accepted", (Mark.STATUS,), "401|407", _HTTP,
    ),
    Rule(
        "payment", Kind.QUOTA, Scope.KEY, "payment is required", (Mark.STATUS,), "402", _HTTP,
        reset=ResetRule.PAYMENT,
    ),
    # a server that is not known may have other reasons: its keys are left alone
    Rule(
        "forbidden", Kind.AUTH, Scope.KEY, "the key lacks a permission", (Mark.STATUS,), "403", _HTTP,
        providers=("openai", "anthropic", "google", "openrouter"),
    ),
    Rule(
        "overloaded", Kind.UNAVAILABLE, Scope.MODEL, "the provider is overloaded; the key is fine", CODES,
        words(r"""
            \w*overloaded\w* provider_unavailable service_?unavailable\w* modelnotreadyexception no_capacity
            capacity_(?:exhausted|exceeded) queue_exceeded
        """), _HTTP, unless={Mark.STATUS: "40[04]|413|422"},
    ),
    Rule(
        "overloaded-words", Kind.UNAVAILABLE, Scope.MODEL, "the provider is overloaded; the key is fine",
        TEXT, phrases(r"""
            overloaded
            no capacity available
            \bresource exhausted\W+please try again later
            (?:at|over) capacity
            (?:server|system) is (?:\w+ ){0,2}busy
            experiencing high demand
            automated queries
        """), "google-gemini/gemini-cli#7392; ikechan8370/chatgpt-plugin#125",
        unless={Mark.STATUS: "40[04]|413|422"},
    ),
    Rule(
        "long-wait", Kind.QUOTA, Scope.MODEL,
        "the wait is an hour and more: a spent quota, not a busy minute",
        (Mark.WAIT,), "^long$", "jasonacox/TinyLLM#17", also={Mark.STATUS: "429|none"},
    ),
    Rule(
        "gemini-unmarked", Kind.RATE_LIMIT, Scope.MODEL, "a window is full, and nothing says which", TEXT,
        "exceeded your current quota", "googleapis/python-genai#1427, 2025-09", providers=("google",),
    ),
    Rule(
        "resource-exhausted", Kind.RATE_LIMIT, Scope.MODEL, "a window is full, and nothing says which",
        (*CODES, Mark.EXCEPTION), words("resource_?exhausted"), "googleapis/python-genai#2065, 2026",
        unless={Mark.STATUS: "40[014]|422"},
    ),
    Rule(
        "exceeded-current-quota", Kind.QUOTA, Scope.KEY, "credit or a spend limit is used up", TEXT,
        "exceeded your current quota", "continuedev/continue#9500, 2026-01", reset=ResetRule.PAYMENT,
        unless={Mark.MESSAGE: r"ai\.google\.dev", Mark.STATUS: "40[04]|413|422"},
    ),
    Rule(
        "rate-limit", Kind.RATE_LIMIT, Scope.MODEL, "a short window is full", (*CODES, Mark.REASON),
        words(r"""
            rate_?limit(?:s|ed|_?exceeded|_?reached)?(?:_error)? model_rate_limit (?:user)?ratelimitexceeded
            slow_down too_?many_?requests\w* throttl\w*(?:\.\w+)? token_limit_exceeded 1302 1303 1305
        """), "OpenAI error-codes guide, 2026-11; Anthropic docs, 2026-09; reports on Bedrock and Z.ai, 2026",
        unless={Mark.STATUS: "40[014]|422"},
    ),
    Rule(
        "too-many-requests", Kind.RATE_LIMIT, Scope.MODEL, "a short window is full",
        (Mark.STATUS,), "429", _HTTP,
    ),
    Rule(
        "minute-in-413", Kind.RATE_LIMIT, Scope.MODEL, "the minute's tokens are used up", TEXT,
        r"\b(?:tokens|requests) per min", "reports on Groq, 2026",
        also={Mark.STATUS: "413"},
    ),
    Rule(
        "unavailable", Kind.UNAVAILABLE, Scope.MODEL, "the provider is unavailable; the key is fine",
        (Mark.STATUS,), "408|409|42[45]|49[89]|50[^1]|5[1-9].", _HTTP,
    ),
    Rule(
        "bad-request", Kind.REQUEST, Scope.MODEL, "the request is at fault",
        (Mark.STATUS,), "^[34]..$|501", _HTTP,
    ),
)  # fmt: skip

_WITHOUT_STATUS = (
    Rule(
        "request-code", Kind.REQUEST, Scope.MODEL, "the request is at fault", CODES, words(r"""
            invalid_\w+ unsupported_\w+ bad_request(?:_error)? failed_precondition out_of_range
            validationexception unprocessable_entity unimplemented
        """), _HTTP,
    ),
    Rule(
        "permission-code", Kind.AUTH, Scope.KEY, "the key lacks a permission",
        CODES, words("permission_error permission_denied forbidden"), _HTTP,
    ),
    Rule(
        "rate-limit-words", Kind.RATE_LIMIT, Scope.MODEL, "a short window is full", TEXT, phrases(r"""
            \brate[ -]?limit
            too many requests
            \b(?:requests|tokens)(?: \w+)? (?:per|/) ?min
            \bthrottl
            limit reached for
            resource (?:has been )?exhausted
            quota exceeded
            exceeded (?:your|the) (?:\w+ )?quota
            concurrent (?:requests|connections)
        """), "stagewise-io/stagewise#927; phodal/auto-dev#21; QwenLM/Qwen#2254",
    ),
    Rule(
        "server-code", Kind.UNAVAILABLE, Scope.MODEL, "the provider failed; the key is fine", CODES,
        words(r"""
            server(?:_error)? api_error internal(?:_server)?(?:_error)? timeout(?:_error)? unavailable
            deadline_exceeded \w*serverexception modeltimeoutexception bad_gateway gateway_timeout aborted
            cancelled upstream_\w+
        """), _HTTP,
    ),
    Rule(
        "rate-limit-exception", Kind.RATE_LIMIT, Scope.MODEL, "a short window is full", (Mark.EXCEPTION,),
        words("RateLimitError TooManyRequests(?:Error)? ThrottlingException"), _NAMES,
    ),
    Rule(
        "key-exception", Kind.AUTH, Scope.KEY, "the key is not accepted", (Mark.EXCEPTION,), words("""
            AuthenticationError Unauthenticated Unauthorized(?:Error)? PermissionDenied(?:Error)?
            Forbidden(?:Error)?
        """), _NAMES,
    ),
    Rule(
        "request-exception", Kind.REQUEST, Scope.MODEL, "the request is at fault", (Mark.EXCEPTION,),
        words("""
            BadRequest(?:Error)? InvalidRequestError InvalidArgument NotFound(?:Error)? FailedPrecondition
            UnprocessableEntityError ContextWindowExceededError ContentPolicyViolationError
            UnsupportedParamsError
        """), _NAMES,
    ),
    Rule(
        "connection", Kind.UNAVAILABLE, Scope.MODEL, "the provider was not reached; the key is fine",
        (Mark.EXCEPTION,),
        "Connect|Timeout|TimedOut|Network|Protocol|Socket|SSL|TLS|gaierror|herror|Pipe|EOF|IncompleteRead"
        "|ChunkedEncoding|ReadError|WriteError|ProxyError|MaxRetry|NameResolution|OSError|Disconnected"
        "|Transport|Unavailable|ServerError|InternalError|DeadlineExceeded|BadGateway|Cancelled"
        "|JSONDecodeError|ResponseValidationError",
        _NAMES,
    ),
    Rule(
        "connection-words", Kind.UNAVAILABLE, Scope.MODEL,
        "the provider was not reached or failed; the key is fine",
        TEXT, phrases(r"""
            timed? ?-?out
            \bconnection\b
            \bnetwork\b
            \bupstream\b
            \b(?:ssl|tls)\b
            \bE(?:CONN|NOTFOUND|PIPE|AI_|TIMEDOUT)
            getaddrinfo
            name resolution
            name or service not known
            certificate
            socket hang up
            fetch failed
            failed to fetch
            \bterminated\b
            broken pipe
            disconnected
            eof occurred
            incomplete (?:chunked )?read
            event loop is closed
            aborted
            unavailable
            bad gateway
            server error
            internal error
            try again later
        """), "openai-python and anthropic-sdk-python, _exceptions.py, 2026-11",
    ),
    Rule(
        "programming-error", Kind.REQUEST, Scope.MODEL, "the call itself is wrong", (Mark.EXCEPTION,),
        words("""
            TypeError ValueError LookupError AttributeError AssertionError NotImplementedError ImportError
            NameError
        """), "Python, built-in exceptions", also={Mark.STATUS: "none"},
    ),
)  # fmt: skip

RULES: tuple[Rule, ...] = (*BY_SERVICE, *BY_CODE, *BY_WORDS, *_BY_STATUS, *_WITHOUT_STATUS)

UNKNOWN = Rule(
    "unknown", Kind.UNAVAILABLE, Scope.MODEL, "nothing says what it was; no key is set aside", (), "",
    "the choice that harms no key",
)  # fmt: skip
