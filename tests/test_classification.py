"""What a provider's "no" means."""

from __future__ import annotations

import json
import random
import re
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobapp.classification.classify import RULES, Mark, ResetRule, classify, parse_rules
from jobapp.classification.evidence import read_evidence
from jobapp.classification.rules import UNKNOWN
from jobapp.domain.exceptions import ConfigError
from jobapp.domain.types import ErrorFacts, Kind, Scope
from tests.error_forms import DAY, FORMS, anthropic, gemini, openai, openrouter, retry_info, violations
from tests.mutations import HARMS_A_KEY, harmed, shuffled

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def facts(body=None, status=None, provider="openai", **more):
    return ErrorFacts(provider, status=status, body=body, **more)


@pytest.mark.parametrize(
    ("kind", "scope", "given_facts"),
    FORMS,
    ids=[f"{number}-{form[2].provider}-{form[0]}" for number, form in enumerate(FORMS)],
)
def test_each_form_means_what_it_means_and_covers_what_it_covers(kind, scope, given_facts):
    verdict = classify(given_facts, NOW)
    assert (verdict.kind, verdict.scope) == (kind, scope), verdict


def test_every_row_of_the_table_is_needed_by_some_form():
    told = {classify(given_facts, NOW).rule for _, _, given_facts in FORMS}
    assert {rule.id for rule in (*RULES, UNKNOWN)} - told == set()


# the user's own words


@pytest.mark.parametrize(
    "message",
    [
        'messages.1.content.0.text: Input should be valid (got "429 rate_limit_error: credit balance is too low")',
        "messages.0.content: Your credit balance is too low. This organization has been disabled.",
        "Invalid value: 'insufficient_quota'. Supported values are: 'system' and 'user'.",
        "Invalid schema for function 'daily_limit_429': missing properties.",
        'Invalid \'messages[0]\': {"error": {"code": "insufficient_quota", "message": "Insufficient credits"}}',
        "Invalid prompt: “You exceeded your current quota, check billing details”",
        "This model's maximum context length is 429 tokens, you asked for 402 requests per day",
        "Unknown name `free-tier-per-day`: Cannot find field.",
        "Invalid content: Insufficient credits to proceed per day",
        "Please use a valid role: user, model. Got: Your credit balance is too low.",
    ],
)
@pytest.mark.parametrize("wrap", [openai, lambda text: anthropic("invalid_request_error", text)])
def test_what_a_user_wrote_is_never_taken_for_the_providers_words(message, wrap):
    assert classify(facts(wrap(message), 400), NOW).kind is Kind.REQUEST


def test_the_name_of_the_model_is_never_taken_for_the_providers_words():
    body = openai("Rate limit reached for ft-per-day (my-org) on requests per min (RPM)", "requests")
    assert classify(facts(body, 429, model="ft-per-day"), NOW).kind is Kind.RATE_LIMIT


def test_another_providers_words_count_for_nothing_at_openrouter():
    body = openrouter(
        400, "Provider returned error", raw="Insufficient credits per day 429", provider_name="X"
    )
    assert classify(facts(body, 400, "openrouter"), NOW).kind is Kind.REQUEST


def test_an_echo_of_the_request_beside_the_error_is_not_read():
    body = {
        "error": {"message": "Bad parameter"},
        "request": {"messages": [{"content": "insufficient_quota"}]},
    }
    assert classify(facts(body, 400), NOW).kind is Kind.REQUEST


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Error code: 429 - slow", Kind.RATE_LIMIT),
        ("status: 401", Kind.AUTH),
        ("[403 Forbidden] no", Kind.AUTH),
        ("request failed (503): x", Kind.UNAVAILABLE),
        ("it took 429 tokens and 402 requests", Kind.UNAVAILABLE),
        ("id 4291-503-401a, 1,429 items, 429.5 s", Kind.UNAVAILABLE),
    ],
)
def test_digits_count_only_where_a_status_is_meant(text, kind):
    assert classify(facts(message=text), NOW).kind is kind


# times


def verdict_of_gemini_day(delay):
    details = [violations(DAY)] + ([retry_info(delay)] if delay else [])
    return classify(facts(gemini("RESOURCE_EXHAUSTED", "x", *details), 429, "google"), NOW)


@pytest.mark.parametrize("delay", ["5s", "59s", "599s", "-3s", "soon", None])
def test_a_short_delay_beside_geminis_day_is_not_believed(delay):
    verdict = verdict_of_gemini_day(delay)
    assert verdict.retry_after is None
    assert verdict.resets_at == datetime(2026, 11, 24, 0, 0, tzinfo=UTC)
    assert verdict.repeat_resets_at == datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(("delay", "seconds"), [("600s", 600), ("39043s", 39043), ("99999s", 25 * 3600)])
def test_a_long_delay_beside_geminis_day_is_believed_up_to_25_hours(delay, seconds):
    verdict = verdict_of_gemini_day(delay)
    assert verdict.resets_at == NOW + timedelta(seconds=seconds)
    assert verdict.repeat_resets_at is None


def test_openais_day_is_rolling_so_its_hint_is_a_delay_and_no_instant():
    body = openai("on requests per day (RPD): Limit 200. Please try again in 7m12s.", "requests")
    verdict = classify(facts(body, 429), NOW)
    assert (verdict.kind, verdict.retry_after, verdict.resets_at) == (Kind.QUOTA, 432.0, None)


def test_a_spend_limit_returns_on_the_day_it_names():
    body = anthropic("invalid_request_error", "You will regain access on 2026-12-01 at 00:00 UTC.")
    assert classify(facts(body, 400, "anthropic"), NOW).resets_at == datetime(2026, 12, 1, tzinfo=UTC)


def test_a_tiers_spend_limit_without_a_date_returns_on_the_first():
    body = anthropic("rate_limit_error", "x", details={"error_code": "enforced_spend_limit_reached"})
    assert classify(facts(body, 429, "anthropic"), NOW).resets_at == datetime(2026, 12, 1, tzinfo=UTC)


def test_spent_money_has_no_date_whatever_delay_comes_with_it():
    verdict = classify(facts(openai("x", "insufficient_quota"), 429, headers={"retry-after": "7200"}), NOW)
    assert (verdict.retry_after, verdict.resets_at) == (None, None)


def test_openrouters_free_day_ends_when_its_header_says_or_at_midnight_utc():
    told = {"X-RateLimit-Reset": str(int((NOW + timedelta(hours=3)).timestamp() * 1000))}
    body = openrouter(429, "Rate limit exceeded: free-models-per-day", headers=told)
    assert classify(facts(body, 429, "openrouter"), NOW).resets_at == NOW + timedelta(hours=3)
    body = openrouter(429, "Rate limit exceeded: free-models-per-day")
    assert classify(facts(body, 429, "openrouter"), NOW).resets_at == datetime(2026, 11, 24, tzinfo=UTC)


def test_a_budget_returns_when_its_metadata_says():
    body = openrouter(403, "x", limit_source="openrouter_key_limit", resets_at="2026-12-01T00:00:00.000Z")
    assert classify(facts(body, 403, "openrouter"), NOW).resets_at == datetime(2026, 12, 1, tzinfo=UTC)


def test_no_quota_for_a_model_is_asked_again_after_a_day_whatever_the_hint():
    body = gemini("RESOURCE_EXHAUSTED", "limit: 0 Please retry in 5s.", retry_info("5s"))
    verdict = classify(facts(body, 429, "google"), NOW)
    assert (verdict.scope, verdict.resets_at) == (Scope.MODEL, NOW + timedelta(days=1))


def test_a_hint_is_kept_for_a_busy_minute_and_an_overload_and_for_nothing_else():
    hint = {"retry-after": "7"}
    for status, wanted in ((429, 7.0), (503, 7.0), (401, None), (400, None), (402, None)):
        assert classify(facts("", status, headers=hint), NOW).retry_after == wanted


def test_a_now_in_another_zone_or_without_one_changes_nothing():
    body = openrouter(429, "free-models-per-day")
    wanted = classify(facts(body, 429, "openrouter"), NOW)
    there = NOW.astimezone(tz=None)
    assert classify(facts(body, 429, "openrouter"), there) == wanted
    assert classify(facts(body, 429, "openrouter"), NOW.replace(tzinfo=None)) == wanted


# the table


def test_ids_are_unique_and_every_row_names_its_reason_and_its_source():
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.reason and rule.source and rule.where for rule in RULES)


def test_a_verdict_tells_its_rule_the_reason_and_the_providers_words():
    verdict = classify(facts(openai("Slow down, please", None, "slow_down"), 429), NOW)
    assert verdict.rule == "rate-limit"
    assert verdict.reason == "a short window is full"
    assert verdict.message == "Slow down, please"


def test_an_unknown_failure_harms_no_key_and_has_its_own_rule():
    verdict = classify(facts(message="something odd"), NOW)
    assert (verdict.kind, verdict.rule) == (Kind.UNAVAILABLE, "unknown")


def test_long_words_of_a_provider_are_shortened():
    assert len(classify(facts(openai("x " * 5000), 429), NOW).message) == 300


# a user's own rows


def test_a_users_rows_go_before_the_table():
    row = {
        "id": "gateway-day",
        "kind": "quota",
        "scope": "model",
        "pattern": "team allowance",
        "reset": "utc_midnight",
    }
    rules = (*parse_rules([row], "config.yaml"), *RULES)
    verdict = classify(facts({"detail": "Team allowance used up"}, 429), NOW, rules)
    assert (verdict.kind, verdict.scope, verdict.rule) == (Kind.QUOTA, Scope.MODEL, "gateway-day")
    assert verdict.resets_at == datetime(2026, 11, 24, tzinfo=UTC)
    assert classify(facts("Too many", 429), NOW, rules).kind is Kind.RATE_LIMIT


def test_a_row_may_look_in_several_places_and_be_limited_in_every_way():
    row = {
        "id": "r", "kind": "auth", "where": ["code", "type"], "pattern": "^odd$", "also": {"status": 429},
        "unless": {"message": "never mind"}, "providers": "lab", "reason": "it said odd",
    }  # fmt: skip
    rules = parse_rules([row], "config.yaml")
    assert classify(facts(openai("x", "odd"), 429, "lab"), NOW, rules).reason == "it said odd"
    for other in (
        facts(openai("x", "odd"), 429, "another"),
        facts(openai("x", "odd"), 500, "lab"),
        facts(openai("never mind", "odd"), 429, "lab"),
        facts(openai("odd"), 429, "lab"),
    ):
        assert classify(other, NOW, rules).rule == "unknown"


def test_what_a_row_leaves_out_has_a_default():
    rule = parse_rules([{"id": "r", "kind": "quota", "pattern": "x"}], "config.yaml")[0]
    assert (rule.scope, rule.where, rule.reset) == (Scope.KEY, (Mark.MESSAGE,), ResetRule.STATED)


GOOD = {"id": "r", "kind": "quota", "pattern": "x"}


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"kind": "quota", "pattern": "x"}, "`id` is missing"),
        ({"id": "r", "pattern": "x"}, "`kind` is missing"),
        ({"id": "r", "kind": "quota"}, "`pattern` is missing"),
        ({**GOOD, "kind": "rpd"}, "must be one of rate_limit, quota, auth, unavailable, request"),
        ({**GOOD, "scope": "world"}, "must be one of key, model, free_models"),
        ({**GOOD, "where": "boddy"}, "the places are code, type"),
        ({**GOOD, "where": 3}, "a name or a list of names"),
        ({**GOOD, "pattern": "("}, "no regular expression"),
        ({**GOOD, "pattern": True}, "must hold a regular expression"),
        ({**GOOD, "also": ["status"]}, "must map places to patterns"),
        ({**GOOD, "also": {"status": "["}}, "no regular expression"),
        ({**GOOD, "unless": {"nowhere": "x"}}, "the places are"),
        ({**GOOD, "reset": "tomorrow"}, "must be one of stated, rolling"),
        ({**GOOD, "id": 7}, "`id` must be text"),
        ({**GOOD, "colour": "red"}, "unknown setting 'colour'"),
        ("quota", "must be a mapping"),
    ],
)
def test_a_bad_row_is_refused_with_its_file_its_number_and_the_fix(row, named):
    with pytest.raises(ConfigError) as caught:
        parse_rules([GOOD | {"id": "first"}, row], "config.yaml")
    assert str(caught.value).startswith("config.yaml, row 2: ")
    assert named in str(caught.value)


def test_two_rows_of_one_id_and_no_list_at_all_are_refused():
    with pytest.raises(ConfigError, match="row 2: the id 'r' is taken"):
        parse_rules([GOOD, GOOD], "config.yaml")
    with pytest.raises(ConfigError, match="must be a list"):
        parse_rules(cast("Any", "quota"), "config.yaml")


# whatever comes

WORDS = st.sampled_from(
    ["insufficient_quota", "429", "Rate limit (RPD)", "PerDay", "limit: 0", "{", "[violations {", '"', "\\", "retry in 5s",
     "<html>", "data: {", "type.googleapis.com", "error", "\n", "You will regain access on 9999-99-99 at 00:00 UTC",
     "-inf", "nan", "1e999", "9" * 5000]
)  # fmt: skip
NAMES = st.sampled_from(
    ["error", "message", "code", "type", "status", "details", "metadata", "reason", "raw", "headers", "retryDelay",
     "quotaId", "violations", "choices", "resets_at", "retry_after", "key", "value", "Retry-After", "errors", "data"]
)  # fmt: skip
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | WORDS
    | st.binary(max_size=8)
)
BODIES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=25,
)
TEXTS = st.text(max_size=60) | st.lists(WORDS | NAMES | st.text(max_size=5), max_size=12).map(" ".join)
STATUSES = st.none() | st.sampled_from([0, 200, 400, 401, 402, 403, 404, 413, 429, 500, 503, 529, 10**30, -1])
ANY_FACTS = st.builds(
    ErrorFacts,
    provider=st.sampled_from(["openai", "anthropic", "google", "openrouter", "", "other"]),
    status=STATUSES,
    headers=st.dictionaries(
        st.sampled_from(["Retry-After", "retry-after-ms", "X-RateLimit-Reset", "x-ratelimit-remaining-tokens",
                         "x-ratelimit-reset-tokens", "anthropic-ratelimit-unified-reset", "x"]),
        TEXTS | WORDS,
        max_size=4,
    ),
    body=BODIES | TEXTS | BODIES.map(repr),
    message=TEXTS,
    model=st.none() | st.sampled_from(["m", "gpt", ""]),
    exceptions=st.lists(st.sampled_from(["KeyError", "RateLimitError", "x"]), max_size=2).map(tuple),
)  # fmt: skip


@given(ANY_FACTS, st.datetimes(min_value=datetime(2001, 1, 1), max_value=datetime(9000, 1, 1)))  # noqa: DTZ001 - naive
@settings(max_examples=400, deadline=None)
def test_it_never_raises_and_its_times_make_sense(any_facts, now):
    now = now.replace(tzinfo=UTC)
    verdict = classify(any_facts, now)
    assert verdict.rule
    assert verdict.retry_after is None or 0 <= verdict.retry_after <= timedelta(days=35).total_seconds()
    for instant in (verdict.resets_at, verdict.repeat_resets_at):
        assert instant is None or now < instant <= now + timedelta(days=35)
    assert verdict.resets_at is None or verdict.kind is Kind.QUOTA


@given(ANY_FACTS, st.integers())
@settings(max_examples=200, deadline=None)
def test_the_order_of_keys_means_nothing(any_facts, seed):
    other = ErrorFacts(
        any_facts.provider, any_facts.status, shuffled(any_facts.headers, random.Random(seed)),
        shuffled(any_facts.body, random.Random(seed)), any_facts.message, any_facts.model, any_facts.exceptions,
    )  # fmt: skip
    assert classify(other, NOW) == classify(any_facts, NOW)


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_keys_means_nothing_in_any_form(seed):
    for _, _, given_facts in FORMS:
        body = shuffled(given_facts.body, random.Random(seed))
        other = ErrorFacts(
            given_facts.provider, given_facts.status, given_facts.headers, body, given_facts.message
        )
        assert classify(other, NOW).kind is classify(given_facts, NOW).kind or given_facts.exceptions


def test_frozen_mappings_and_tuples_are_read_like_dicts_and_lists():
    body = MappingProxyType({"error": MappingProxyType({"errors": ({"code": "insufficient_quota"},)})})
    assert classify(facts(body, 429), NOW).kind is Kind.QUOTA


def test_a_body_that_holds_itself_is_read_once():
    body: dict[str, Any] = {"error": {"message": "Slow down", "code": "slow_down"}}
    body["error"]["details"] = [body]
    assert classify(facts(body, 429), NOW).rule == "rate-limit"


KEYS = ["sk-abcdefgh12345678", "sk-ant-api03-ABC_def-123", "sk-or-v1-0123456789abcdef", "AIzaSyA1B2C3D4E5F6G7",
        "AQ.Ab8RN6Ibcdefghijk", "gsk_abcdefgh12345678", "xai-abcdefgh12345678"]  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
@given(noise=TEXTS)
@settings(max_examples=20, deadline=None)
def test_no_keys_text_is_in_any_field_of_a_verdict(key, noise):
    words = f"{noise[:40]} Incorrect API key provided: {key} ?key={key}, Bearer {key} api_key:{key}"
    bodies = [openai(words), {"error": words}, words, json.dumps(openai(words)), [openai(words)]]
    for body in bodies:
        assert key not in repr(classify(facts(body, 401, message=words), NOW))


@pytest.mark.parametrize(
    "text",
    [
        "a" * 10_000_000,
        "{" * 10_000_000,
        '{"error":' * 1_000_000,
        '{"' * 5_000_000,
        "[violations {" * 700_000,
        "'a' " * 2_500_000,
        "try again in 1 " * 600_000,
        "<html>" + "<a " * 3_000_000,
        "data: {}\n\n" * 1_000_000,
        json.dumps({"error": {"message": "x" * 10_000_000, "code": "slow_down"}}),
        json.dumps({"errors": [{"message": f"m{number}"} for number in range(400_000)]}),
    ],
    ids=lambda text: f"{len(text)}-{re.sub(r'[^a-z]+', '-', text[:12])}",
)
def test_ten_megabytes_leave_the_rules_only_a_few_thousand_characters(text):
    for given_facts in (facts(text, 429), facts(message=text, status=429)):
        evidence = read_evidence(given_facts)
        assert sum(len(word) for words in evidence.marks.values() for word in words) < 100_000
        assert classify(given_facts, NOW).kind is Kind.RATE_LIMIT


def test_no_mutation_that_keeps_the_deciding_sentence_sets_a_key_aside_that_the_original_left():
    forms = [form for _, _, form in FORMS if form.body is not None]
    assert any(classify(form, NOW).kind not in HARMS_A_KEY for form in forms)
    assert list(harmed(forms, 1_500, seed=1)) == []
