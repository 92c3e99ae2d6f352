"""The table of error forms: first match wins, so order is precedence.

Structure before text; money and days before the status; a day before a minute. Sources: FORMS is the
collection of error forms of 2026-11, PROVIDERS the provider facts of 2026-11-23.
"""

from __future__ import annotations

from jobapp.core.rules import Place, Reset, Rule
from jobapp.core.types import Kind, Scope

RATE_LIMIT, QUOTA, AUTH, UNAVAILABLE, REQUEST = (
    Kind.RATE_LIMIT,
    Kind.QUOTA,
    Kind.AUTH,
    Kind.UNAVAILABLE,
    Kind.REQUEST,
)
KEY, MODEL, FREE_MODELS = Scope.KEY, Scope.MODEL, Scope.FREE_MODELS
CODES = (Place.CODE, Place.TYPE, Place.ERROR_TYPE)
TEXT = (Place.MESSAGE,)
GOOGLE = ("google", "gemini", "google_genai")

_OPENROUTER = (
    Rule(
        "openrouter-in-flight-budget", UNAVAILABLE, MODEL,
        "the running requests use up the budget; they will end",
        (Place.LIMIT_SOURCE, Place.REASON), r"in_flight_budget", "PROVIDERS 2 OpenRouter",
    ),
    Rule(
        "openrouter-in-flight-text", UNAVAILABLE, MODEL,
        "the running requests use up the budget; they will end",
        TEXT, r"in-flight requests", "FORMS OpenRouter",
    ),
    Rule(
        "openrouter-free-day", QUOTA, FREE_MODELS, "the day's free requests are spent, for all free models",
        (Place.LIMIT_SOURCE,), r"free_tier_daily", "PROVIDERS 2 OpenRouter", reset=Reset.UTC_MIDNIGHT,
    ),
    Rule(
        "openrouter-free-minute", RATE_LIMIT, FREE_MODELS, "the minute's free requests are used up",
        (Place.LIMIT_SOURCE,), r"free_tier_(?:minute|rpm|per_minute)", "PROVIDERS 2 OpenRouter",
    ),
    Rule(
        "openrouter-budget", QUOTA, KEY, "a budget or the credit is spent",
        (Place.LIMIT_SOURCE,), r"^openrouter_(?:credits|key_limit|\w*budget)$", "PROVIDERS 2 OpenRouter",
        reset=Reset.PAYMENT,
    ),
    Rule(
        "openrouter-moderation", REQUEST, MODEL, "moderation refused the input",
        (Place.FIELD,), r"^(?:reasons|flagged_input|patterns)$", "FORMS OpenRouter",
        unless={Place.STATUS: "429"},
    ),
    Rule(
        "openrouter-free-day-text",
        QUOTA, FREE_MODELS, "the day's free requests are spent, for all free models",
        (Place.MESSAGE, Place.UPSTREAM), r"free-models-per-day", "PROVIDERS 2 OpenRouter",
        reset=Reset.UTC_MIDNIGHT,
    ),
    Rule(
        "openrouter-free-minute-text", RATE_LIMIT, FREE_MODELS, "the minute's free requests are used up",
        (Place.MESSAGE, Place.UPSTREAM), r"free-models-per-min", "PROVIDERS 2 OpenRouter",
    ),
    Rule(
        "openrouter-model-minute", RATE_LIMIT, MODEL, "the model's minute is full",
        TEXT, r"\blimit_rp[ms]/", "FORMS OpenRouter",
    ),
    Rule(
        "openrouter-model-day", QUOTA, MODEL, "the model's day is spent",
        TEXT, r"\blimit_rpd/", "FORMS OpenRouter", reset=Reset.UTC_MIDNIGHT,
    ),
    Rule(
        "openrouter-upstream-limit", UNAVAILABLE, MODEL,
        "the provider behind OpenRouter is busy; the key is fine",
        (Place.LIMIT_SOURCE, Place.MESSAGE, Place.UPSTREAM),
        r"upstream_provider|(?:temporarily )?rate-limited upstream", "FORMS OpenRouter",
        unless={Place.STATUS: r"40[0134]"},
    ),
    Rule(
        "openrouter-upstream-busy", UNAVAILABLE, MODEL,
        "the provider behind OpenRouter is busy; the key is fine",
        TEXT, r"provider returned error", "FORMS OpenRouter", also={Place.STATUS: "429|402|5.."},
    ),
    Rule(
        "openrouter-upstream-code", UNAVAILABLE, MODEL,
        "the provider behind OpenRouter is busy; the key is fine",
        (Place.FIELD,), r"^provider_(?:code|name)$", "FORMS OpenRouter", also={Place.STATUS: "429"},
    ),
    Rule(
        "openrouter-upstream-capacity", UNAVAILABLE, MODEL, "the provider behind OpenRouter is full",
        (Place.CODE,), r"^capacity_exhausted$", "PROVIDERS 2 OpenRouter",
    ),
    Rule(
        "openrouter-broken-off", UNAVAILABLE, MODEL, "the provider behind OpenRouter broke off its answer",
        (Place.SHAPE,), r"^broken_off$", "FORMS OpenRouter", also={Place.STATUS: "429|5..|408"},
    ),
)  # fmt: skip

_BAD_REQUEST_CODES = (
    Rule(
        "region", REQUEST, MODEL, "the network's country is not served; the key is fine",
        CODES, r"^unsupported_country_region_territory$", "FORMS OpenAI",
    ),
    Rule(
        "region-forbidden", REQUEST, MODEL, "the network is not served; the key is fine",
        (Place.TYPE,), r"^forbidden$", "FORMS Anthropic", also={Place.MESSAGE: "request not allowed"},
    ),
    Rule(
        "no-access-to-model", AUTH, MODEL, "this key may not use this model",
        TEXT, r"(?:does not|do not|doesn't|don't) have (?:access to|permission to use) (?:the )?(?:model"
        r"|\w+ model)"
        r"|must be verified to use the model|not allowed to sample from this model",
        "FORMS OpenAI", also={Place.STATUS: "40[13]"}, unless={Place.MESSAGE: "does not exist"},
    ),
    Rule(
        "unknown-model", REQUEST, MODEL, "there is no such model or address",
        CODES, r"^(?:model_not_found|not_found_error|not_found|deploymentnotfound|unknown_model)$", "FORMS",
        unless={Place.MESSAGE: "data policy"},
    ),
    Rule(
        "too-long", REQUEST, MODEL, "the request is too long for the model",
        CODES, r"^(?:context_length_exceeded|string_above_max_length|request_too_large"
        r"|context_window_exceeded"
        r"|tokens_limit_reached|max_tokens_exceeded)$", "FORMS",
    ),
    Rule(
        "content-policy", REQUEST, MODEL, "a content filter refused it",
        CODES, r"^(?:content_policy(?:_violation)?|content_filter|moderation(?:_blocked)?"
        r"|responsibleaipolicyviolation"
        r"|invalid_prompt|cyber_policy\w*|content_blocked|safety)$", "FORMS OpenAI",
    ),
    Rule(
        "field-of-request", REQUEST, MODEL, "a field of the request is at fault",
        TEXT, r"^(?:litellm\.\S+ )?(?:\w+Error: )?(?:messages|tools|system|input|contents?"
        r"|generation_config|tool_choice|thinking)"
        r"(?:[.\[]\S*)?: ", "FORMS Anthropic", unless={Place.STATUS: "401|402|403|429|5.."},
    ),
)  # fmt: skip

_MONEY = (
    Rule(
        "spend-cap-of-tier", QUOTA, KEY, "the month's spend limit of the tier is reached",
        CODES, r"^(?:enforced|contract)_spend_limit_reached$", "PROVIDERS 2 Anthropic", reset=Reset.MONTH,
    ),
    Rule(
        "spend-or-credit", QUOTA, KEY, "credit or a spend limit is used up",
        CODES, r"^(?:insufficient_(?:quota|credits?|balance|funds)|credit_balance_\w+|credits?_exhausted"
        r"|credit_limit"
        r"|\w*_(?:spend|usage|budget)_limit_(?:exceeded|reached)|billing_not_active"
        r"|billing_hard_limit_reached"
        r"|billing_error|payment_required|budget_exceeded|exceeded_current_quota(?:_error)?|out_of_credits"
        r"|arrearage|accountoverdueerror|setlimitexceeded|insufficientbalance|servicequotaexceededexception"
        r"|insufficient_user_quota|no_credits)$",
        "PROVIDERS 2 OpenAI, Anthropic, OpenRouter", reset=Reset.PAYMENT,
    ),
    Rule(
        "usage-limit", QUOTA, KEY, "the plan's usage limit is reached",
        CODES, r"^usage_limit_(?:reached|exceeded)$|^usage_not_included$", "public reports 2026",
        reset=Reset.STATED,
    ),
    Rule(
        "no-balance-zai", QUOTA, KEY, "the balance is used up",
        (Place.CODE,), r"^(?:1113|1008)$", "FORMS Others (Z.ai, MiniMax)", reset=Reset.PAYMENT,
    ),
    Rule(
        "gemini-no-credits", QUOTA, KEY, "the prepaid credits are used up",
        (Place.REASON,), r"^INSUFFICIENT_\w*CREDITS\w*$", "FORMS Google", reset=Reset.PAYMENT,
    ),
    Rule(
        "request-above-budget", QUOTA, KEY, "the credit does not cover this request",
        (Place.REASON,), r"^weight_exceeds_budget$", "PROVIDERS 2 OpenRouter", reset=Reset.PAYMENT,
    ),
    Rule(
        "regain-access", QUOTA, KEY, "a spend limit is reached",
        TEXT, r"reached your (?:specified )?(?:\w+ )?API usage limits|you will regain access on",
        "PROVIDERS 2 Anthropic", reset=Reset.MONTH,
    ),
    Rule(
        "exceeded-current-quota", QUOTA, KEY, "credit or a spend limit is used up",
        TEXT, r"exceeded your current quota", "PROVIDERS 2 OpenAI", reset=Reset.PAYMENT,
        unless={Place.MESSAGE: r"ai\.google\.dev|ai\.dev/|per ?(?:minute|day)", Place.QUOTA_ID: ".",
                Place.CODE: "RESOURCE_EXHAUSTED", Place.EXCEPTION: "ResourceExhausted"},
        providers=(),
    ),
    Rule(
        "money-text", QUOTA, KEY, "credit or a spend limit is used up",
        TEXT, r"(?:^|[.:!>)\]·-]\s?|\W(?:your|the|have|has|either|you) |\d )"
        r"(?:credit balance is too low|insufficient (?:credits?|balance|funds|account balance)"
        r"|(?:this request )?requires more credits|(?:prepayment |\w+ )?credits? (?:is|are|has been"
        r"|have been) (?:depleted|exhausted|used up)"
        r"|(?:have )?(?:no|run out of|out of|not enough) (?:api |remaining )?credits?\b"
        r"|used all (?:available|your|of your)[\w ]{0,20}credits|billing hard limit"
        r"|key limit exceeded|account is not active, please check your billing"
        r"|(?:exceeded|reached)[\w' ]{0,40}\b(?:spend(?:ing)?|usage|credit|budget|balance) (?:cap|limits?"
        r"|threshold|quota)"
        r"|budget (?:has been |is )?exceeded|budget limit exceeded|prompt tokens limit exceeded)",
        "FORMS", reset=Reset.PAYMENT,
    ),
    Rule(
        "money-text-anywhere", QUOTA, KEY, "credit or a spend limit is used up",
        TEXT, r"can only afford|prepayment credits|monthly (?:spend(?:ing)?|usage|credit) (?:cap|limit"
        r"|threshold)"
        r"|balance is (?:insufficient|too low|not enough)|insufficient balance|(?:please )?recharge"
        r"|top[- ]up your"
        r"|key with a higher (?:\w+ )?limit|failure to pay|past invoices|in arrears|overdue"
        r"|monthly included credits|payment required|purchase more credits|account is in good standing",
        "FORMS; public reports 2026", reset=Reset.PAYMENT,
        unless={Place.STATUS: "404|413|422"},
    ),
)  # fmt: skip

_BAD_KEYS = (
    Rule(
        "bad-key", AUTH, KEY, "the key is not accepted",
        CODES, r"^(?:invalid_api_key|incorrect_api_key|missing_api_key|expired_api_key|account_deactivated"
        r"|authentication(?:_error)?|invalid_authentication(?:_error)?|auth_error|unauthorized"
        r"|unauthenticated"
        r"|organization_on_hold|invalid_token|token_expired|access_terminated_error|invalidapikey"
        r"|authenticationerror|unrecognizedclientexception|expiredtokenexception|invalidsignatureexception)$",
        "FORMS",
    ),
    Rule(
        "bad-google-key", AUTH, KEY, "the key or its project is not accepted",
        (Place.REASON,), r"^(?:API_KEY_\w+|CONSUMER_(?:SUSPENDED|INVALID)|SERVICE_DISABLED|BILLING_DISABLED"
        r"|VALIDATION_REQUIRED|IAM_PERMISSION_DENIED|ACCESS_TOKEN_\w+|CREDENTIALS_MISSING|USER_PROJECT_DENIED"
        r"|ACCOUNT_STATE_INVALID|keyInvalid|keyExpired|accessNotConfigured|ipRefererBlocked"
        r"|TOS_VIOLATION)$", "FORMS Google",
    ),
)  # fmt: skip

_GOOGLE = (
    Rule(
        "capacity", UNAVAILABLE, MODEL, "the model has no capacity left; the key is fine",
        (Place.REASON,), r"^MODEL_CAPACITY_EXHAUSTED$", "FORMS Google",
    ),
    Rule(
        "no-quota-for-model", QUOTA, MODEL, "this key has no quota at all for this model",
        (Place.MESSAGE, Place.QUOTA_ID), r"\blimit: ?0(?![\d.])|^quotalimitvalue=0$", "PROVIDERS 2 Gemini",
        reset=Reset.NOT_ENTITLED, unless={Place.STATUS: "400|404|422|5.."},
    ),
    Rule(
        "gemini-day", QUOTA, MODEL, "the day's requests or tokens are spent",
        (Place.QUOTA_ID,), r"per_?day|per day|daily", "PROVIDERS 2 Gemini", reset=Reset.GEMINI_DAY,
    ),
    Rule(
        "gemini-month", QUOTA, MODEL, "the month's quota is spent",
        (Place.QUOTA_ID,), r"per_?month", "FORMS Google", reset=Reset.STATED,
    ),
    Rule(
        "gemini-minute", RATE_LIMIT, MODEL, "the minute's requests or tokens are used up",
        (Place.QUOTA_ID,), r"per_?(?:minute|second|hour)|per (?:minute|second|hour)", "PROVIDERS 2 Gemini",
    ),
    Rule(
        "quota-exhausted", QUOTA, MODEL, "the quota is spent",
        (Place.REASON, Place.CODE), r"^(?:QUOTA_EXHAUSTED|quota_exceeded|dailyLimitExceeded\w*"
        r"|daily_limit_exceeded)$",
        "FORMS Google", reset=Reset.STATED,
    ),
)  # fmt: skip

_DAYS = (
    Rule(
        "above-limit-of-minute", REQUEST, MODEL, "one request asks for more than a minute allows",
        TEXT, r"\brequest too large\b", "FORMS OpenAI, Groq", also={Place.WAIT: "none"},
    ),
    Rule(
        "rolling-day", QUOTA, MODEL, "the day's requests or tokens are spent; they return bit by bit",
        TEXT, r"\((?:RPD|TPD|IPD|ASD)\)|on (?:requests|tokens|images) per day\b",
        "PROVIDERS 3 OpenAI; FORMS Groq",
        reset=Reset.ROLLING,
    ),
    Rule(
        "subscription-window", QUOTA, KEY, "the subscription's window is used up",
        (Place.HEADER,), r"^anthropic-ratelimit-unified-status: rejected", "FORMS Anthropic",
        unless={Place.STATUS: "40.|5.."},
    ),
    Rule(
        "day-text", QUOTA, MODEL, "the day's requests or tokens are spent",
        TEXT, r"\bdaily (?:\w+ ){0,3}(?:limit|quota|cap|allowance)|(?:limit"
        r"|quota) (?:\w+ ){0,4}(?:for (?:today|the day)|of the day)"
        r"|(?:requests?|tokens?|calls?|messages?|images?|neurons|limit\w*|quota)(?: \w+){0,3} (?:per|a"
        r"|each) day\b|/ ?day\b"
        r"|per[_-]?day|\b(?:TPD|RPD)\b|\bper 86,?400 ?s|ByDay\b|daily_limit|today's (?:quota|limit)",
        "FORMS; public reports 2026",
        unless={Place.STATUS: "400|401|404|422"},
    ),
    Rule(
        "month-text", QUOTA, KEY, "the week's or month's quota is spent",
        TEXT, r"\b(?:weekly|monthly) (?:\w+ ){0,3}(?:limit|quota|cap|allowance|credits)|(?:per|/"
        r"|a) ?(?:month|week)\b"
        r"|usage limit reached|reached your usage limit|out of call volume quota|quota will be replenished",
        "FORMS; public reports 2026", unless={Place.STATUS: "400|401|404|422"},
    ),
)  # fmt: skip

_KEY_TEXTS = (
    Rule(
        "bad-key-text", AUTH, KEY, "the key or its account is not accepted",
        TEXT, r"(?:incorrect|invalid|no|missing|expired|wrong|bad) (?:or (?:missing|expired"
        r"|invalid) )?(?:api[ -]?key|x-api-key"
        r"|bearer token|auth(?:entication|orization)? (?:credentials|token|header)|access token"
        r"|subscription key|cookie auth)"
        r"|api[ -]?key\W{0,3}(?:\w+ ){0,3}(?:not valid|(?:is )?(?:invalid|expired|missing|disabled"
        r"|revoked|required|not found)|was reported as leaked|not valid|reported as leaked)"
        r"|reported as leaked|authentication fail(?:s|ed)|(?:didn't|did not) provide an api key"
        r"|invalid authentication"
        r"|could not resolve authentication method|unregistered callers|user not found"
        r"|must be a member of an organization"
        r"|invalid credentials|could not validate credentials|token (?:has )?expired|token is invalid",
        "FORMS", unless={Place.STATUS: "404|413|422|429"},
    ),
    Rule(
        "closed-account", AUTH, KEY, "the account, project or organisation is closed or restricted",
        TEXT, r"(?:account|organization|organisation|project|consumer|team|user|key)\b[\w' ,()-]{0,60}?"
        r"(?:has|have) been (?:\w+ )?(?:disabled|deactivated|suspended|restricted|banned|blocked"
        r"|terminated|denied access|deleted)"
        r"|account (?:is|was) (?:disabled|deactivated|suspended|banned|restricted)",
        "FORMS", unless={Place.STATUS: "404|413|422|5.."},
    ),
    Rule(
        "permission-text", AUTH, KEY, "the key lacks a permission",
        TEXT, r"insufficient permissions for this operation|missing scopes"
        r"|IP (?:address )?(?:is )?not (?:authori[sz]ed|allowed|whitelisted)"
        r"|has not been used in project|(?:organization|account) (?:\w+ )?requires verification"
        r"|verify your account",
        "FORMS", also={Place.STATUS: "40[0137]|None"},
    ),
    Rule(
        "privacy-settings", AUTH, MODEL, "the account's privacy settings leave no provider for this model",
        TEXT, r"data policy", "FORMS OpenRouter", also={Place.STATUS: "404|403|400"},
    ),
)  # fmt: skip

_REQUEST_TEXTS = (
    Rule(
        "file-of-another-key", REQUEST, MODEL, "it asks for what another key owns or what is gone",
        TEXT, r"permission to access the (?:file|cached ?content|tuned ?model)|cachedcontent not found",
        "public reports 2026",
    ),
    Rule(
        "region-text", REQUEST, MODEL, "the network's country is not served; the key is fine",
        TEXT, r"(?:location|country|region|territory)[\w, ]{0,40} (?:is |are )?not (?:supported|available"
        r"|allowed)"
        r"|not available in your (?:country|region)|request not allowed|unavailable for legal reasons",
        "FORMS OpenAI, Anthropic, Google",
    ),
    Rule(
        "moderation-text", REQUEST, MODEL, "moderation refused the input",
        TEXT, r"requires moderation|was flagged|flagged for|content filter|content management policy"
        r"|safety system"
        r"|content policy|blocked by (?:guardrail|content)|violat\w+ (?:our|the|openai's"
        r"|usage) (?:\w+ ){0,2}polic",
        "FORMS", unless={Place.STATUS: "429|5.."},
    ),
    Rule(
        "page-forbidden", REQUEST, MODEL,
        "a gate in front of the provider refused the network; the key is fine",
        (Place.SHAPE,), r"^html$", "public reports 2026", also={Place.STATUS: "403"},
    ),
    Rule(
        "upstream-refused", UNAVAILABLE, MODEL,
        "the provider behind OpenRouter refused OpenRouter; the key is fine",
        TEXT, r"provider returned error", "public reports 2026", also={Place.STATUS: "40[123]"},
    ),
    Rule(
        "too-long-text", REQUEST, MODEL, "the request is too long for the model",
        TEXT, r"prompt is too long|maximum context length|input token count|context (?:window|length)"
        r"|exceeds? the (?:maximum|model|limit|context)|string too long|request exceeds the maximum size"
        r"|too many (?:total )?(?:text )?tokens? in",
        "FORMS", unless={Place.STATUS: "401|402|403|429|5.."},
    ),
    Rule(
        "unknown-model-text", REQUEST, MODEL, "there is no such model or address",
        TEXT, r"(?:does not exist|is not found for api version|not a valid model|unknown model"
        r"|no endpoints found"
        r"|model[\w ]{0,20} not found|is not supported for generatecontent)",
        "FORMS", unless={Place.STATUS: "401|402|403|429|5.."},
    ),
)  # fmt: skip

_STATUSES = (
    Rule("status-401", AUTH, KEY, "the key is not accepted", (Place.STATUS,), "401|407", "RFC 9110"),
    Rule(
        "status-402", QUOTA, KEY, "payment is required", (Place.STATUS,), "402", "PROVIDERS 2",
        reset=Reset.PAYMENT,
    ),
    Rule(
        "permission", AUTH, KEY, "the key lacks a permission", (Place.STATUS,), "403", "FORMS",
    ),
    Rule(
        "overloaded-type", UNAVAILABLE, MODEL, "the provider is overloaded; the key is fine",
        CODES, r"overloaded|^(?:provider_unavailable|service_unavailable\w*|serveroverloaded"
        r"|modelnotreadyexception"
        r"|no_capacity|capacity_exceeded|upstream_\w+)$", "FORMS",
        unless={Place.STATUS: "400|404|413|422"},
    ),
    Rule(
        "overloaded-text", UNAVAILABLE, MODEL, "the provider is overloaded; the key is fine",
        TEXT, r"overloaded|no capacity available|resource exhausted\W+please try again later|at capacity"
        r"|over capacity"
        r"|server is (?:\w+ )?busy|system is (?:too |\w+ )?busy|high demand(?! for)|automated queries",
        "FORMS", unless={Place.STATUS: "400|404|413|422"},
    ),
    Rule(
        "long-wait", QUOTA, MODEL, "the wait is longer than an hour: a spent quota",
        (Place.WAIT,), "^long$", "FORMS rule 5", also={Place.STATUS: "429"},
    ),
    Rule(
        "rate-limit-code", RATE_LIMIT, MODEL, "a short window is full",
        (Place.CODE, Place.TYPE, Place.ERROR_TYPE, Place.REASON),
        r"^(?:rate_?limit(?:_exceeded|_error|_reached|ed|exceeded|reached|s)?(?:_error)?|slow_down"
        r"|too_?many_?requests\w*"
        r"|resource_exhausted|rate_limit_reached_error|throttl\w*(?:\.\w+)?|throttlingexception|requests"
        r"|tokens"
        r"|token_limit_exceeded|userratelimitexceeded|concurrency_limit\w*|limitation)$",
        "FORMS; PROVIDERS 2", unless={Place.STATUS: "400|401|403|404|422"},
    ),
    Rule("status-429", RATE_LIMIT, MODEL, "a short window is full", (Place.STATUS,), "429", "RFC 6585"),
    Rule(
        "rate-limit-text-413", RATE_LIMIT, MODEL, "a short window is full",
        TEXT, r"\b(?:tokens|requests) per min", "FORMS Groq", also={Place.STATUS: "413",
        Place.WAIT: "short|long"},
    ),
    Rule(
        "status-bad-request", REQUEST, MODEL, "the request is at fault",
        (Place.STATUS,), "40[04569]|41.|42[0-36]|451|501|3..", "RFC 9110", unless={Place.STATUS: "408|409"},
    ),
    Rule(
        "status-unavailable", UNAVAILABLE, MODEL, "the provider is unavailable; the key is fine",
        (Place.STATUS,), "5..|408|409|42[45]|49.", "RFC 9110",
    ),
)  # fmt: skip

_WITHOUT_STATUS = (
    Rule(
        "request-type", REQUEST, MODEL, "the request is at fault",
        CODES, r"^(?:invalid_request(?:_error)?|invalid_argument|bad_request(?:_error)?"
        r"|failed_precondition|out_of_range"
        r"|validationexception|unprocessable_entity|unimplemented|invalid_\w+|unsupported_\w+)$", "FORMS",
    ),
    Rule(
        "permission-type", AUTH, KEY, "the key lacks a permission",
        CODES, r"^(?:permission_error|permission_denied|accessdeniedexception|forbidden)$", "FORMS",
    ),
    Rule(
        "rate-limit-text", RATE_LIMIT, MODEL, "a short window is full",
        TEXT, r"rate[ -]?limit|too many requests|(?:requests|tokens) (?:per|/) ?min|throttl|limit reached for"
        r"|resource (?:has been )?exhausted|quota exceeded|exceeded (?:your|the) (?:current |\w+ )?quota"
        r"|concurrent (?:requests|connections)",
        "FORMS",
    ),
    Rule(
        "server-type", UNAVAILABLE, MODEL, "the provider failed; the key is fine",
        CODES, r"^(?:server_error|api_error|internal(?:_server)?(?:_error)?|timeout(?:_error)?"
        r"|unavailable|deadline_exceeded"
        r"|internalserverexception|serviceunavailableexception|modeltimeoutexception|bad_gateway"
        r"|gateway_timeout"
        r"|server|unknown|aborted|cancelled)$", "FORMS",
    ),
    Rule(
        "exception-rate-limit", RATE_LIMIT, MODEL, "a short window is full",
        (Place.EXCEPTION,), r"^(?:RateLimitError|ResourceExhausted|TooManyRequests|ThrottlingException)$",
        "class names of the SDKs",
    ),
    Rule(
        "exception-auth", AUTH, KEY, "the key is not accepted",
        (Place.EXCEPTION,), r"^(?:AuthenticationError|Unauthenticated|Unauthorized"
        r"|PermissionDenied(?:Error)?|Forbidden"
        r"|UnauthorizedError|ForbiddenError|NoCredentialsError)$", "class names of the SDKs",
    ),
    Rule(
        "exception-request", REQUEST, MODEL, "the request is at fault",
        (Place.EXCEPTION,), r"^(?:BadRequestError|InvalidRequestError|InvalidArgument|NotFound(?:Error)?"
        r"|UnprocessableEntityError"
        r"|ContextWindowExceededError|ContentPolicyViolationError|UnsupportedParamsError|BadRequest"
        r"|LengthFinishReasonError)$",
        "class names of the SDKs",
    ),
    Rule(
        "connection", UNAVAILABLE, MODEL, "the provider was not reached; the key is fine",
        (Place.EXCEPTION,), r"Connect|Timeout|TimedOut|Network|Protocol|Socket|SSL|TLS|gaierror|herror"
        r"|BrokenPipe|EOF"
        r"|RemoteDisconnected|IncompleteRead|ChunkedEncoding|ReadError|WriteError|ProxyError|MaxRetry"
        r"|NewConnection|NameResolution"
        r"|OSError|InternalServerError|ServiceUnavailable|Transport|ServerError|DeadlineExceeded"
        r"|InternalError"
        r"|JSONDecodeError|ResponseValidationError|Cancelled",
        "class names of the SDKs",
    ),
    Rule(
        "connection-text", UNAVAILABLE, MODEL, "the provider was not reached or failed; the key is fine",
        TEXT, r"timed? ?-?out|connection|network|getaddrinfo|E(?:CONN|NOTFOUND|PIPE|AI_AGAIN|TIMEDOUT)"
        r"|socket hang up"
        r"|fetch failed|temporarily unavailable|service unavailable|bad gateway"
        r"|internal (?:server )?error|event loop is closed"
        r"|name resolution|name or service not known|certificate|ssl|tls|disconnected"
        r"|incomplete (?:chunked )?read|broken pipe"
        r"|peer closed|eof occurred|unavailable|try again later|upstream|server error|overload",
        "FORMS; public reports 2026",
    ),
    Rule(
        "programming-error", REQUEST, MODEL, "the call itself is wrong",
        (Place.EXCEPTION,), r"^(?:TypeError|ValueError|KeyError|AttributeError|IndexError"
        r"|NotImplementedError|AssertionError"
        r"|ImportError|NameError)$", "class names of Python",
    ),
)  # fmt: skip

RULES: tuple[Rule, ...] = (
    *_OPENROUTER,
    *_BAD_REQUEST_CODES,
    *_MONEY,
    *_BAD_KEYS,
    *_GOOGLE,
    *_DAYS,
    *_KEY_TEXTS,
    *_REQUEST_TEXTS,
    *_STATUSES,
    *_WITHOUT_STATUS,
)

UNKNOWN = Rule(
    "unknown", UNAVAILABLE, MODEL, "nothing says what it was; no key is marked", (), "", "the safest choice",
)  # fmt: skip
