"""What gateways and services beyond the four providers say, English and Chinese. Rows, data only.

They stand before all others: such services put a quota's code on a busy minute, a 429 on an overload and
a 403 on a spent plan, so that what their words state plainly goes before code and status.
"""

from __future__ import annotations

from jobapp.classification.rule import Mark, ResetRule, Rule
from jobapp.classification.rules_by_code import CODES, words
from jobapp.classification.rules_by_message import TEXT, phrases
from jobapp.domain.types import Kind, Scope

_REPEATING = "404|413|422"
"""Statuses whose messages repeat what the user wrote."""

_GATEWAYS = "public reports on gateways and services, 2026; one-api and new-api, source, 2026"
_ZHIPU = "docs.z.ai, error codes, 2026; public reports, 2026-08"

_MINUTES = (
    Rule(
        "minute-in-words", Kind.RATE_LIMIT, Scope.MODEL, "a short window is full, whatever its code says",
        TEXT, phrases(r"""
            \b(?:queries|requests|tokens) per min
            \bmax (?:organization )?(?:RPM|TPM)\b
            \borganization max [RT]PM
            \bmax RPM: ?\d
            error-code\W?#token-limit
            每分钟
            速率限制
            请求(?:过于|太)?频繁
            频率(?:限制|过高|超)
            并发(?:数|请求|量)?[^,。，]{0,6}(?:超|上限|限制|过高)
        """), _GATEWAYS, unless={Mark.STATUS: f"400|401|403|{_REPEATING}",
        Mark.MESSAGE: r"per day|\((?:RPD|TPD)\)|每[天日]|余额|欠费|overloaded|too large|at capacity"},
        also={Mark.CODE: r"insufficient_quota|credit_limit|^429$|rate|limit|^13|^$"},
    ),
    Rule(
        "minute-without-code", Kind.RATE_LIMIT, Scope.MODEL, "a short window is full", TEXT, phrases(r"""
            \bmax RPM: ?\d
            \bmax TPM: ?\d
            请求(?:过于|太)?频繁
            速率限制
            每分钟
        """), _GATEWAYS,
        unless={Mark.STATUS: f"400|401|403|{_REPEATING}|5..", Mark.MESSAGE: "每[天日]|余额"},
    ),
    Rule(
        "dashscope-minute", Kind.RATE_LIMIT, Scope.MODEL, "the minute's tokens are used up", CODES,
        words(r"insufficient_quota throttling\.allocationquota"),
        "help.aliyun.com/model-studio, error-code, 2026-11: it returns within a minute",
        also={Mark.STATUS: "429"}, unless={Mark.MESSAGE: r"\bfree\b|余额|欠费|免费"},
        providers=("dashscope",),
    ),
    Rule(
        "charge-in-doubt", Kind.RATE_LIMIT, Scope.KEY, "an earlier charge is still being settled", TEXT,
        r"\bstill being (?:reconciled|processed|settled)\b", "public reports, 2026",
        also={Mark.STATUS: "402"},
    ),
)  # fmt: skip

_OVERLOADS = (
    Rule(
        "capacity-words", Kind.UNAVAILABLE, Scope.MODEL, "the service is overloaded; the key is fine", TEXT,
        phrases(r"""
            \bengine is (?:currently |temporarily )?overloaded
            \bworker\b[\w ]{0,30} limit reached
            \bDEGRADED function\b
            \b(?:service )?tier capacity exceeded\b
            \bcapacity temporarily exceeded\b
            \bupstream\b[\w ]{0,20} saturated
            \bupstream load\b
            \blimiting requests \(not your
            \bprovider rate limit exceeded
            负载(?:已)?饱和
            过载
            访问量过大
            (?:服务器?|系统|模型)(?:当前)?(?:非常)?(?:繁忙|忙碌|压力)
            当前(?:请求|使用)(?:的)?人数(?:过|较)多
            算力不足
            资源(?:紧张|不足)
        """), _GATEWAYS, unless={Mark.STATUS: f"401|403|{_REPEATING}", Mark.MESSAGE: "余额|欠费|资源包"},
    ),
)  # fmt: skip

_PLANS = (
    Rule(
        "plan-window", Kind.QUOTA, Scope.KEY, "the plan's window of hours, days or weeks is used up", TEXT,
        phrases(r"""
            \b(?:\d{1,3}|five|seven)[ -]?(?:hour|day)\)? (?:\w+ ){0,3}(?:limit|quota|cap|allowance)
            \b(?:weekly|monthly|daily) \(\d{1,2}-day\)
            \bsession (?:usage )?(?:limit|quota)
            \b(?:usage )?(?:limit|quota)\b[\w ]{0,20} for this (?:billing )?(?:cycle|period|week|month)
            \bcurrent \d{1,3}-hour window
            已达到[^,。，]{0,24}(?:使用)?(?:上限|限额)
            限额将[在于]
            (?:每[日天周月]|[当今]日|本[周月])[^,。，]{0,12}(?:上限|限额|配额|额度|次数)[^,。，]{0,8}(?:用|达|超|耗)
        """), "public reports on plans and subscriptions, 2026",
        unless={Mark.STATUS: f"400|401|{_REPEATING}|5.."},
    ),
    Rule(
        "plan-expired", Kind.QUOTA, Scope.KEY, "the plan has ended", TEXT, phrases(r"""
            \bplan\b[\w ]{0,20} (?:has|is) expired
            \bsubscription (?:has |is )?(?:expired|ended|cancelled)
            套餐(?:已)?(?:过期|到期)
        """), _ZHIPU, reset=ResetRule.PAYMENT, unless={Mark.STATUS: f"{_REPEATING}|5.."},
    ),
    Rule(
        "service-credit", Kind.QUOTA, Scope.KEY, "credit, a budget or a free allowance is used up", TEXT,
        phrases(r"""
            \b(?:crossed|exceeded|over) budget\b
            \bbudget (?:has been |is |limit )?(?:crossed|exceeded|exhausted)
            \bbalance is \W{0,2}0(?:\.0+)?\b
            \binsufficient (?:account )?(?:quota|balance|funds|credits?)\b
            \bfree (?:allocated )?(?:quota|tier|allowance|allocation)\b[\w ,'()-]{0,40}(?:exceeded|exhausted)
            \bfree (?:allocated )?(?:quota|tier|allowance|allocation)\b[\w ,'()-]{0,40}(?:used up|ended)
            \bno free quota\b
            n't have a free (?:quota )?tier
            \b(?:account|bill|payment) (?:is |has an? )?(?:overdue|in arrears|arrears)
            draw from your extra usage
            余额不足
            欠费
            请(?:及时|先)?充值
            无可用资源包
            (?:免费)?额度[^,。，]{0,6}(?:不足|用完|用尽|耗尽|已用)
            账户[^,。，]{0,8}(?:已)?(?:停用|欠)
        """), _GATEWAYS, reset=ResetRule.PAYMENT, unless={Mark.STATUS: f"{_REPEATING}|5..",
        Mark.MESSAGE: r"overloaded|per min|per day|#token-limit|temporarily limiting"},
    ),
)  # fmt: skip

_KEYS = (
    Rule(
        "service-key", Kind.AUTH, Scope.KEY, "the key is not accepted", TEXT, phrases(r"""
            \bcredential is only authori[sz]ed for
            ^authorization failed
            \bdetail\W{1,5}authorization failed
            \bExpiredToken\b
            \bsecurity token\b[\w ]{0,30} (?:expired|invalid)
            \baccess to this endpoint is forbidden
            \bendpoint is forbidden
            \bnot allowed to use (?:this )?(?:api|service|endpoint|key)
            (?:API|api) ?(?:密钥|[Kk]ey)[^,。，]{0,12}(?:无效|错误|过期|失效|不存在)
            无效的? ?(?:令牌|密钥|API|token)
            (?:令牌|密钥)[^,。，]{0,6}(?:过期|失效|无效|不正确)
            (?:鉴权|认证|身份验证|身份认证)(?:失败|不通过|错误)
            账[户号][^,。，]{0,8}(?:封禁|冻结|锁定|注销)
        """), _GATEWAYS, unless={Mark.STATUS: f"{_REPEATING}|429|5.."},
    ),
)  # fmt: skip

_CODES = (
    Rule(
        "zhipu-balance", Kind.QUOTA, Scope.KEY, "the balance or the plan is used up", CODES,
        words("1113 1309"), _ZHIPU, reset=ResetRule.PAYMENT,
    ),
    Rule(
        "zhipu-window", Kind.QUOTA, Scope.KEY, "the plan's window or the day is used up", CODES,
        words("1304 1308 1310"), _ZHIPU,
    ),
    Rule(
        "zhipu-busy", Kind.UNAVAILABLE, Scope.MODEL, "the model is overloaded; the key is fine", CODES,
        words("1305 1312"), _ZHIPU,
    ),
    Rule(
        "zhipu-account", Kind.AUTH, Scope.KEY, "the account is locked or irregular", CODES,
        words("1112 1121"), _ZHIPU,
    ),
)  # fmt: skip

BY_SERVICE: tuple[Rule, ...] = (*_OVERLOADS, *_MINUTES, *_PLANS, *_KEYS, *_CODES)
