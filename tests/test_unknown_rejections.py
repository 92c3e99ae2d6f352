"""Rejections that no rule knows: their form, the row that makes them known, and the file that keeps them."""

from __future__ import annotations

import json
import logging
import os
import threading
from datetime import UTC, datetime

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from jobapp.classification.classify import RULES, classify, parse_rules
from jobapp.classification.unknown_forms import UnknownForm, suggested_row, unknown_form
from jobapp.core.api_key_manager import APIKeyManager
from jobapp.core.config_manager import ConfigManager
from jobapp.domain.types import ErrorFacts, Kind
from jobapp.stores.unknown_rejections import FILE_NAME, MOST, UnknownRejections
from jobapp.testing import FakeClock
from tests.command_support import cli

__all__ = ["cli"]

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ODD = ErrorFacts(
    "groq", 429, {}, {"error": {"code": "flux_gone", "message": 'flux 7 is empty for "my prompt"'}}
)


def form_of(facts, secrets=()):
    return unknown_form(facts, classify(facts, NOW), secrets)


def verdict_with_its_row(facts, kind="quota"):
    """Judge *facts* with the row that was suggested for them, as a user pastes it."""
    rows = yaml.safe_load(suggested_row(form_of(facts)))
    return classify(facts, NOW, (*parse_rules([rows[0] | {"kind": kind}], "rules"), *RULES))


def test_a_429_with_words_that_nobody_knows_has_a_form_without_what_it_quotes():
    form = form_of(ODD)
    assert form == UnknownForm("groq", "429", "flux_gone", "flux 7 is empty for", "rate_limit")


@pytest.mark.parametrize(
    "facts",
    [
        ErrorFacts("groq", 429, {"retry-after": "3"}, {"error": {"code": "flux_gone"}}),
        ErrorFacts("groq", 429, {}, {"error": {"code": "rate_limit_exceeded", "message": "flux"}}),
        ErrorFacts("groq", 429),
        ErrorFacts("groq", 500, {}, "flux"),
    ],
    ids=["a wait is told", "a code is known", "nothing is said", "the status is clear"],
)
def test_what_a_rule_knows_or_says_nothing_has_no_form(facts):
    assert form_of(facts) is None


def test_numbers_and_ids_do_not_make_another_form():
    texts = ("flux 7 of job-1a is empty", "flux 81 of job-9z is empty")
    assert len({form_of(ErrorFacts("groq", message=text)).identity for text in texts}) == 1


def test_a_key_that_looks_like_none_is_not_in_the_form():
    form = form_of(ErrorFacts("groq", message="flux for hunter-two is empty"), ["hunter-two"])
    assert "hunter" not in repr(form)
    assert "***" in form.words


@pytest.mark.parametrize(
    "facts",
    [
        ODD,
        ErrorFacts("groq", message="flux 42 (part b) isn't there: it's empty? [x]"),
        ErrorFacts("", message="an odd thing " * 40),
        ErrorFacts("my-own", 429, {}, {"error": {"message": "100% of 5 flux: 'a' is gone + back"}}),
        ErrorFacts("other", message="今天的流量没有了 7"),
    ],
)
def test_the_suggested_row_makes_its_rejection_known(facts):
    verdict = verdict_with_its_row(facts)
    assert verdict.rule.startswith("my-")
    assert verdict.kind is Kind.QUOTA


@given(st.text(max_size=200), st.sampled_from([None, 429]))
def test_any_words_give_a_row_that_the_configuration_takes(words, status):
    facts = ErrorFacts("groq", status, {}, None, words)
    form = form_of(facts)
    if form is not None:
        assert verdict_with_its_row(facts).rule.startswith("my-")


@pytest.fixture
def manager(tmp_path, monkeypatch):
    monkeypatch.setenv("GROQ_API_KEY", "a-canary-of-a-key")
    (tmp_path / "config.yaml").write_text(f"paths: {{cache: {json.dumps(str(tmp_path))}}}", encoding="utf-8")
    config = ConfigManager(tmp_path / "config.yaml")
    return lambda: APIKeyManager("GROQ_API_KEY", [], config_manager=config, clock=FakeClock(NOW))


def test_each_form_is_logged_and_kept_once_over_managers(manager, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, logger="jobapp"):
        for each in (manager(), manager()):
            for _ in range(3):
                assert each.judge(ODD).kind is Kind.RATE_LIMIT
    (said,) = [record.message for record in caplog.records if "flux" in record.message]
    assert said == (
        "groq: a rejection that no rule knows (HTTP 429 flux_gone), taken for rate_limit: flux 7 is empty for; "
        "`jobapp explain --unknown` shows it with a row for your rules"
    )
    (line,) = (tmp_path / FILE_NAME).read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["code"] == "flux_gone"
    if os.name != "nt":
        assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_the_file_is_bounded_and_keeps_the_newest(tmp_path):
    kept = UnknownRejections(tmp_path / FILE_NAME, FakeClock(NOW))
    for number in range(3 * MOST):
        assert kept.note(f"form {number}", {"words": "x"})
    rows = UnknownRejections(tmp_path / FILE_NAME, FakeClock(NOW)).rows()
    assert [row["form"] for row in rows] == [f"form {number}" for number in range(2 * MOST, 3 * MOST)]
    assert len((tmp_path / FILE_NAME).read_text(encoding="utf-8").splitlines()) <= 2 * MOST


def test_a_broken_line_hides_no_other(tmp_path):
    path = tmp_path / FILE_NAME
    path.write_bytes(b'{"form": "a"}\n{"form": 7}\n[]\n\xff{"fo\n{"form": "b"}\n')
    assert [row["form"] for row in UnknownRejections(path, FakeClock(NOW)).rows()] == ["a", "b"]


def test_a_place_that_is_no_file_costs_no_call_and_warns_once_for_a_form(tmp_path, caplog):
    (tmp_path / FILE_NAME).mkdir()
    kept = UnknownRejections(tmp_path / FILE_NAME, FakeClock(NOW))
    assert kept.note("a", {})
    assert not kept.note("a", {})
    assert str(tmp_path / FILE_NAME) in caplog.text


def test_threads_keep_each_form_once(tmp_path):
    kept = UnknownRejections(tmp_path / FILE_NAME, FakeClock(NOW))
    new: list[bool] = []
    threads = [
        threading.Thread(target=lambda: new.extend(kept.note(f"f{n}", {}) for n in range(20)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(new) == 20
    assert len(kept.rows()) == 20


def test_the_command_lists_them_with_rows_to_paste(cli, monkeypatch, tmp_path):
    assert cli("explain", "--unknown") == 0
    assert cli.out == "none: a rule knew every rejection so far\n"
    config = ConfigManager()
    keys = APIKeyManager("GROQ_API_KEY", [], config_manager=config, clock=cli.clock)
    keys.judge(ODD)
    keys.judge(ErrorFacts("groq", 429, {}, {"error": {"code": "flux_gone", "message": "another text"}}))
    assert cli("explain", "--unknown") == 0
    assert "HTTP 429  taken for rate_limit" in cli.out
    assert "flux_gone flux 7 is empty for" in cli.out
    rules = yaml.safe_load(cli.out[cli.out.index("rules:\n") - 2 :])["rules"]
    assert [rule.id for rule in parse_rules(rules, "rules")] == ["my-groq-flux-gone", "my-groq-flux-gone-2"]
    assert cli("explain", "--unknown", "--json") == 0
    told = json.loads(cli.out)
    assert [row["words"] for row in told["unknown"]] == ["flux 7 is empty for", "another text"]


def test_explain_invites_a_row_for_what_it_does_not_know(cli):
    assert cli("explain", "--provider", "groq", "--status", "429", "the flux is empty") == 0
    rules = yaml.safe_load(cli.out[cli.out.index("  rules:\n") :])["rules"]
    assert parse_rules(rules, "rules")[0].pattern == "the flux is empty"
    assert cli("explain", "--provider", "groq", "--status", "429", "Rate limit reached") == 0
    assert "rules:" not in cli.out
