"""What a provider's own words mean where no field tells it. Rows of the table, data only.

``unless`` names the statuses whose messages repeat what the user wrote.
"""

from __future__ import annotations

from jobapp.classification.rule import Mark, ResetRule, Rule
from jobapp.domain.types import Kind, Scope

TEXT = (Mark.MESSAGE,)

_OPENROUTER = "OpenRouter docs, errors and limits, 2026-08-22; Gitlawb/openclaude#936, 2026-04"


def phrases(lines: str) -> str:
    """Return the pattern that finds any of *lines*."""
    return "|".join(line.strip() for line in lines.strip().splitlines())


def sentence(lines: str) -> str:
    """Return the pattern that finds any of *lines* where a sentence or a clause begins.

    What a provider repeats of a user seldom begins one, and what it quotes is gone already.
    """
    return rf"(?:^|[.:;!>)\]·|-] ?|\d )(?:{phrases(lines)})"


_ROUTED = (
    Rule(
        "openrouter-in-flight-words", Kind.UNAVAILABLE, Scope.MODEL,
        "running requests hold the budget until they end", TEXT, "in-flight requests", _OPENROUTER,
    ),
    Rule(
        "openrouter-free-day-words", Kind.QUOTA, Scope.FREE_MODELS,
        "the day's requests of all free models are spent",
        (Mark.MESSAGE, Mark.UPSTREAM), "free-models-per-day", _OPENROUTER, reset=ResetRule.UTC_MIDNIGHT,
    ),
    Rule(
        "openrouter-free-minute-words", Kind.RATE_LIMIT, Scope.FREE_MODELS, "the free models' minute is full",
        (Mark.MESSAGE, Mark.UPSTREAM), "free-models-per-min", _OPENROUTER,
    ),
    Rule(
        "openrouter-model-day", Kind.QUOTA, Scope.MODEL, "the model's day is spent", TEXT, r"\blimit_rpd/",
        _OPENROUTER, reset=ResetRule.UTC_MIDNIGHT,
    ),
    Rule(
        "openrouter-model-minute", Kind.RATE_LIMIT, Scope.MODEL, "the model's minute is full",
        TEXT, r"\blimit_rp[ms]/", _OPENROUTER,
    ),
    Rule(
        "openrouter-upstream-busy", Kind.UNAVAILABLE, Scope.MODEL, "the provider behind OpenRouter is busy",
        (Mark.MESSAGE, Mark.UPSTREAM), "rate-limited upstream|upstream_provider_shared_pool", _OPENROUTER,
        unless={Mark.STATUS: "40[0134]"},
    ),
    Rule(
        "openrouter-upstream-failed", Kind.UNAVAILABLE, Scope.MODEL,
        "the provider behind OpenRouter failed; the key is fine", TEXT, r"\bprovider returned error",
        _OPENROUTER, unless={Mark.STATUS: "40[03-6]|41.|422"},
    ),
    Rule(
        "openrouter-upstream-mark", Kind.UNAVAILABLE, Scope.MODEL, "the provider behind OpenRouter is busy",
        (Mark.FIELD,), "^provider_(?:code|name)$", _OPENROUTER, also={Mark.STATUS: "429"},
    ),
    Rule(
        "openrouter-broken-off", Kind.UNAVAILABLE, Scope.MODEL,
        "the provider behind OpenRouter broke off its answer",
        (Mark.SHAPE,), "^broken_off$", _OPENROUTER, also={Mark.STATUS: "408|429|5..|none|200"},
    ),
)  # fmt: skip

_MONEY = (
    Rule(
        "regain-access", Kind.QUOTA, Scope.KEY, "a spend limit is reached until the day it names", TEXT,
        sentence(r"""
            you have reached your (?:specified )?(?:\w+ )?API usage limits
            you will regain access on
        """), "anthropics/claude-code#38035, 2026-03-24; Anthropic docs, rate limits, 2026-09",
        reset=ResetRule.MONTH,
    ),
    Rule(
        "credit-words", Kind.QUOTA, Scope.KEY, "credit or a spend limit is used up", TEXT, sentence(r"""
            your credit balance is too low
            insufficient (?:account )?(?:credits?|balance|funds|quota)
            (?:this request )?requires more credits
            billing hard limit
            key limit exceeded
            (?:budget|credit) (?:has been |limit )?exceeded
            prompt tokens limit exceeded
            (?:your |the )?(?:\w+ )?credits? (?:is|are|has been|have been) (?:depleted|exhausted|used up)
            (?:you(?:'re| are| have)? )?(?:no|run out of|out of|not enough) (?:\w+ )?credits?\b
            you(?:'re| are) out of extra usage
            (?:sorry, )?your account\b[\w<> -]{0,60}(?:is suspended|is not active)[\w ,]{0,40}billing
            (?:sorry, )?your account balance is insufficient
            (?:you(?:'ve| have) )?(?:depleted|used up) your (?!daily)
            you(?:r [\w ]{2,40})? ha(?:ve|s) (?:exceeded|reached|hit)[\w' ]{0,40} (?:spend|credit)
            you(?:r [\w ]{2,40})? ha(?:ve|s) (?:exceeded|reached|hit)[\w' ]{0,40} (?:usage|budget) limit
            you(?:r [\w ]{2,40})? ha(?:ve|s) (?:either )?used all[\w' ]{0,40} credit
        """), "anthropics/claude-code#66314; continuedev/continue#5499", reset=ResetRule.PAYMENT,
    ),
    Rule(
        "credit-hints", Kind.QUOTA, Scope.KEY, "credit or a spend limit is used up", TEXT, phrases(r"""
            can only afford
            prepayment credits
            have any credits
            purchase (?:more )?credits
            (?:monthly|weekly) (?:spend(?:ing)?|usage|credit) (?:cap|limit|threshold)
            monthly included credits
            balance is (?:insufficient|too low|not enough)
            insufficient balance
            please recharge
            key with a higher (?:monthly |daily |weekly )?limit
            failure to pay
            past invoices
            payment required
            account is in good standing
            \bfree (?:tier|quota)\b[\w ]{0,30} (?:exhausted|used up)
        """), "infiniflow/ragflow#1552; continuedev/continue#11443, #10373",
        reset=ResetRule.PAYMENT, unless={Mark.STATUS: "40[04]|413|422"},
    ),
)  # fmt: skip

_DAYS = (
    Rule(
        "above-the-minute", Kind.REQUEST, Scope.MODEL, "one request asks for more than a minute allows",
        TEXT, r"\brequest too large\b", "reports on OpenAI and Groq, 2026", also={Mark.SHAPE: "above_limit"},
    ),
    Rule(
        "too-large-for-a-minute", Kind.REQUEST, Scope.MODEL, "one request asks for more than a minute allows",
        TEXT, r"\brequest too large\b", "reports on OpenAI and Groq, 2026",
        also={Mark.WAIT: "none"}, unless={Mark.SHAPE: "within_limit"},
    ),
    Rule(
        "long-context", Kind.REQUEST, Scope.MODEL, "the plan does not cover a request of this length",
        TEXT, "extra usage is required for long context", "anthropics/claude-code#42616, 2026-04-02",
    ),
    Rule(
        "rolling-day", Kind.QUOTA, Scope.MODEL,
        "the day's requests or tokens are spent; they return bit by bit",
        TEXT, r"\((?:RPD|TPD|IPD|ASD)\)|\bon (?:requests|tokens|images|audio seconds) per day\b",
        "feder-cr#109, 2024-08-28; openai-agents-js#1022, 2026-02-26; reports on Groq, 2026",
        reset=ResetRule.ROLLING,
    ),
    Rule(
        "subscription-window", Kind.QUOTA, Scope.KEY, "the subscription's window is used up", (Mark.HEADER,),
        r"^anthropic-ratelimit-unified-(?:(?:\w+-)?status: rejected|\w+-utilization: [1-9])",
        "observed 2026-11, headers of Claude subscriptions",
        also={Mark.STATUS: "429|none"},
    ),
    Rule(
        "day-words", Kind.QUOTA, Scope.MODEL, "the day's requests or tokens are spent", TEXT, phrases(r"""
            \bdaily (?:\w+ ){0,3}(?:limit|quota|cap|allowance|allocation)
            \b(?:per|a|each)[ _-]?day\b
            / ?day\b
            per_?\w*_day\b
            PerDay
            ByDay
            \b(?:TPD|RPD)\b
            \bper 86,?400 ?s
            \bduration_s: ?86400\b
            limit for today
            today's (?:quota|limit)
        """), "diegosouzapw/OmniRoute#6980; Ivy-Interactive/Ivy-Tendril#1756",
        unless={Mark.STATUS: "40[014]|413|422|5.."},
    ),
    Rule(
        "month-words", Kind.QUOTA, Scope.KEY, "the week's or the month's quota is spent", TEXT, phrases(r"""
            \b(?:weekly|monthly) (?:\w+ ){0,3}(?:limit|quota|cap|allowance)
            (?:per|/|\ba) ?(?:month|week)\b
            usage limit (?:has been )?reached
            reached your usage limit
            hit your (?:\w+ )?limit
            out of call volume quota
            quota will be replenished
        """), "openai/codex#3899; anthropics/claude-code#42801", unless={Mark.STATUS: "40[014]|413|422|5.."},
    ),
)  # fmt: skip

_KEYS = (
    Rule(
        "bad-key-words", Kind.AUTH, Scope.KEY, "the key is not accepted", TEXT, phrases(r"""
            \b(?:incorrect|invalid|no|missing|expired|wrong) (?:or \w+ )?api[ -]?(?:key|token)
            \binvalid (?:x-api-key|bearer token|access token|subscription key|credentials)
            \b(?:invalid|no|missing) (?:cookie )?auth(?:entication|orization)? (?:credentials|token|header)
            \bapi[ -]?key:? (?:\w+ ){0,3}(?:not (?:valid|found)|invalid|expired|missing|disabled|revoked)
            \bapi[ -]?key (?:is )?required
            reported as leaked
            authentication fail(?:s|ed)
            (?:didn't|did not) provide an api key
            resolve authentication method
            unregistered callers
            user not found
            member of an organization
            validate credentials
            \btoken (?:has |is )?(?:expired|invalid)
            token included in the request is invalid
        """), "continuedev/continue#10513, #10250; googleapis/python-genai#1764",
        unless={Mark.STATUS: "404|413|422|429|5.."},
    ),
    Rule(
        "closed-account", Kind.AUTH, Scope.KEY,
        "the account, project or organisation is closed or restricted",
        TEXT, sentence(
            r"(?:\w+ ){0,4}(?:account|organi[sz]ation|project|consumer|team|user|key|service|gemini|access)\b"
            r"[\w' ,()]{0,60}? (?:has been|have been|was) (?:\w+ )?(?:disabled|deactivated|suspended|banned"
            r"|restricted|terminated|deleted|denied access)"
            r"|(?:\w+ ){0,4}(?:account|organi[sz]ation|project|key) is (?:disabled|deactivated|suspended"
            r"|banned)"
        ), "anthropics/claude-code#72457; songquanpeng/one-api#1775", unless={Mark.STATUS: "404|413|422|5.."},
    ),
    Rule(
        "no-access-to-model", Kind.AUTH, Scope.MODEL, "this key may not use this model", TEXT, phrases(r"""
            \b(?:does|do) ?(?:not|n't) have (?:access to|permission to use) (?:the )?(?:\w+ )?model
            must be verified to use the model
            not allowed to sample from this model
        """), "continuedev/continue#10120, 2026-02", also={Mark.STATUS: "40[13]|none"},
        unless={Mark.MESSAGE: "does not exist"},
    ),
    Rule(
        "permission-words", Kind.AUTH, Scope.KEY, "the key lacks a permission", TEXT, phrases(r"""
            insufficient permissions for this operation
            missing scopes
            \bIP (?:address )?(?:is )?not (?:authori[sz]ed|allowed)
            has not been used in project
            organi[sz]ation has disabled
            not allowed to access this (?:organi[sz]ation|project)
            verify your account
        """), "continuedev/continue#10059; microsoft/PowerToys#32989",
        unless={Mark.STATUS: "404|413|422|429|5.."},
    ),
    Rule(
        "privacy-settings", Kind.AUTH, Scope.MODEL,
        "the account's privacy settings leave no provider of this model",
        TEXT, r"\bdata policy", "dnakov/anon-kode#13, 2025-03-05", also={Mark.STATUS: "40[034]|none"},
    ),
)  # fmt: skip

_REQUESTS = (
    Rule(
        "file-of-another-key", Kind.REQUEST, Scope.MODEL,
        "it asks for what belongs to another key or is gone",
        TEXT, "permission to access the (?:file|cached ?content|tuned ?model)|cachedcontent not found",
        "snailyp/gemini-balance#401",
    ),
    Rule(
        "region-words", Kind.REQUEST, Scope.MODEL, "the network's country is not served; the key is fine",
        TEXT, phrases(r"""
            \b(?:location|country|region|territory)\b[\w, ]{0,40}\bnot (?:supported|available|allowed)
            not available in your (?:country|region)
            ^request not allowed
            unavailable for legal reasons
        """), "zed-industries/zed#30496; vacuityv/ai-java-sdk#12", unless={Mark.STATUS: "429|5.."},
    ),
    Rule(
        "moderation-words", Kind.REQUEST, Scope.MODEL, "moderation refused the input", TEXT, phrases(r"""
            requires moderation
            \bflagged\b
            content filter
            content management policy
            content policy
            safety system
            provider terms of service
            blocked by (?:a |our )?(?:guardrail|content|moderation)
            violat\w+ (?:of )?(?:our|the|openai's|usage) (?:\w+ ){0,2}polic
        """), "anthropics/claude-code#62817, #58367", unless={Mark.STATUS: "401|429|5.."},
    ),
    Rule(
        "page-forbidden", Kind.REQUEST, Scope.MODEL,
        "a gate before the provider refused the network, not the key",
        (Mark.SHAPE,), "^html$", "OpenHands/OpenHands#4480; anthropics/claude-code#30437, 2026-03",
        also={Mark.STATUS: "403"},
    ),
    Rule(
        "openrouter-forbidden", Kind.REQUEST, Scope.MODEL,
        "OpenRouter or the provider behind it refused this request",
        (Mark.STATUS,), "403", _OPENROUTER, providers=("openrouter",),
        unless={Mark.ERROR_TYPE: "permission|authentication",
        Mark.MESSAGE: "permission|management key|denied"},
    ),
    Rule(
        "too-long-words", Kind.REQUEST, Scope.MODEL, "the request is too long for the model", TEXT,
        phrases("""
            prompt is too long
            maximum context length
            input token count
            context (?:window|length)
            exceeds? the (?:maximum|model|context)
            string too long
        """), "stackblitz-labs/bolt.diy#401; boldsoftware/exe.dev#62",
        unless={Mark.STATUS: "40[123]|429|5.."},
    ),
    Rule(
        "unknown-model-words", Kind.REQUEST, Scope.MODEL, "there is no such model or address", TEXT,
        phrases(r"""
            does not exist
            is not found for api version
            not a valid model
            unknown model
            no endpoints found
            \bmodel\b[\w ./-]{0,40} (?:not found|not supported)
            not supported for generatecontent
        """), "musistudio/claude-code-router#583; Keksuccino/Linguji#15",
        unless={Mark.STATUS: "40[123]|429|5.."},
    ),
)  # fmt: skip

BY_WORDS: tuple[Rule, ...] = (*_ROUTED, *_MONEY, *_DAYS, *_KEYS, *_REQUESTS)
