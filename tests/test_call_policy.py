"""The rules of a call, driven without a network, a clock or a key."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobapp.calls.call_policy import (
    MOMENT,
    POLL,
    Answered,
    Enter,
    GaveUp,
    Rejected,
    Send,
    Served,
    Settle,
    StopReason,
    Wait,
    backoff,
    call_policy,
)
from jobapp.domain.settings import Jitter, OnExhausted, RetrySettings, Strategy
from jobapp.domain.types import ApiKey, Kind, Verdict
from jobapp.pool.reservation import NoneFree, Take, Taken

OK = "answer"
RPM = Verdict(Kind.RATE_LIMIT, retry_after=2.0)
UNHINTED = Verdict(Kind.RATE_LIMIT)
RPD = Verdict(Kind.QUOTA)
AUTH = Verdict(Kind.AUTH)
DOWN = Verdict(Kind.UNAVAILABLE)
FAULTY = Verdict(Kind.REQUEST)
SPENT = 600.0
"""How long a spent key stays blocked here."""


@dataclass
class World:
    """Keys that answer by a script, in virtual time; it performs what the policy yields and writes it down."""

    scripts: dict[str, list[str | Verdict]]
    deadline: float | None = None
    now: float = 0.0
    blocked: dict[str, float] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    model: str = ""
    under_way: str = ""

    def __post_init__(self) -> None:
        self.keys = {name: ApiKey(name, f"secret-{name}") for name in self.scripts}
        self.names = {key.fingerprint: name for name, key in self.keys.items()}

    @property
    def left(self) -> float | None:
        return None if self.deadline is None else self.deadline - self.now

    def run(self, rules: RetrySettings, models: Sequence[str] = ("m",), seed: int = 0) -> Served | GaveUp:
        flow = call_policy(models, rules, random.Random(seed))
        answer: object = None
        for _ in range(10_000):
            try:
                action = flow.send(answer)
            except StopIteration as end:
                assert not self.under_way, "every rejection is settled"
                outcome: Served | GaveUp = end.value
                return outcome
            answer = self.perform(action)
        raise AssertionError("the policy does not end")

    def perform(self, action: object) -> object:
        match action:
            case Enter(target):
                self.model = target
            case Take():
                return self.take(action)
            case Send(key):
                return self.ask(key)
            case Settle(verdict, cooldown):
                self.settle(verdict, cooldown)
            case Wait(seconds):
                self.now += seconds
                self.waits.append(seconds)
        return None

    def take(self, action: Take) -> Taken | NoneFree:
        left = self.left
        if left is not None and left <= 0:
            return NoneFree(None, left)
        max_wait = action.max_wait if left is None else min(left, action.max_wait)
        waits = {name: max(0.0, self.blocked.get(name, 0.0) - self.now) for name in self.keys}
        wanted = self.names.get(action.stay or "")
        if wanted and waits[wanted] <= max_wait:
            return Taken(self.keys[wanted], waits[wanted], left)
        open_to_us = {n: w for n, w in waits.items() if self.keys[n].fingerprint not in action.skip}
        free = [n for n, w in open_to_us.items() if w == 0]
        if free:
            return Taken(self.keys[free[0]], 0.0, left)
        first = min(open_to_us, key=lambda n: open_to_us[n], default=None)
        if first is not None and open_to_us[first] <= max_wait:
            return Taken(self.keys[first], open_to_us[first], left)
        return NoneFree(min(waits.values(), default=None), left)

    def settle(self, verdict: Verdict, cooldown: float | None) -> None:
        name, self.under_way = self.under_way, ""
        assert name, "there is a reservation to settle"
        if verdict.kind in (Kind.RATE_LIMIT, Kind.QUOTA, Kind.AUTH):
            self.blocked[name] = self.now + (SPENT if cooldown is None else cooldown)
            self.log.append(f"block {name} {verdict.kind.value}")

    def ask(self, key: ApiKey) -> Answered | Rejected:
        assert not self.under_way, "the rejection before is settled"
        self.log.append(f"{self.model}:{key.name}")
        said = self.scripts[key.name].pop(0) if self.scripts[key.name] else OK
        if isinstance(said, str):
            return Answered(said)
        self.under_way = key.name
        return Rejected(said, self.left)


def rules(**changes) -> RetrySettings:
    defaults = {"jitter": Jitter.NONE, "retry_delay": 1.0, "max_retries": 3}
    return RetrySettings(**{**defaults, **changes})


def sent(world: World) -> list[str]:
    return [entry.split(":")[1] for entry in world.log if ":" in entry]


def test_an_answer_ends_the_call_with_one_request():
    world = World({"A": [], "B": []})
    outcome = world.run(rules())
    assert isinstance(outcome, Served)
    assert sent(world) == ["A"]
    assert world.waits == []


def test_a_busy_minute_is_waited_out_on_the_same_key():
    world = World({"A": [RPM], "B": []})
    assert isinstance(world.run(rules()), Served)
    assert sent(world) == ["A", "A"]
    assert world.waits == [2.0]


def test_a_spent_day_rotates_at_once_and_costs_no_retry():
    world = World({"A": [RPD], "B": [RPM, RPM, RPM]})
    assert isinstance(world.run(rules()), Served)
    assert sent(world) == ["A", "B", "B", "B", "B"]
    assert "block A quota" in world.log


def test_a_bad_key_rotates_at_once():
    world = World({"A": [AUTH], "B": []})
    assert isinstance(world.run(rules()), Served)
    assert sent(world) == ["A", "B"]
    assert world.waits == []


def test_a_faulty_request_burns_no_second_key():
    world = World({"A": [FAULTY], "B": []})
    outcome = world.run(rules())
    assert isinstance(outcome, GaveUp)
    assert outcome.reason is StopReason.REQUEST
    assert sent(world) == ["A"]


def test_an_overloaded_server_is_retried_with_the_same_key_and_marks_none():
    world = World({"A": [DOWN, DOWN], "B": []})
    assert isinstance(world.run(rules()), Served)
    assert sent(world) == ["A", "A", "A"]
    assert world.waits == [1.0, 2.0]
    assert not any(entry.startswith("block") for entry in world.log)


def test_all_keys_share_the_retries_of_an_overloaded_server():
    world = World({"A": [DOWN] * 9, "B": [DOWN] * 9})
    outcome = world.run(rules(max_retries=2))
    assert isinstance(outcome, GaveUp)
    assert outcome.reason is StopReason.TRIES
    assert len(sent(world)) == 3


def test_each_key_has_its_own_retries_for_busy_minutes():
    world = World({"A": [RPM] * 9, "B": [RPM] * 9})
    outcome = world.run(rules(max_retries=2))
    assert isinstance(outcome, GaveUp)
    assert outcome.reason is StopReason.TRIES
    assert sent(world) == ["A"] * 3 + ["B"] * 3


def test_no_retries_means_one_try_for_each_key():
    world = World({"A": [RPM], "B": [RPM], "C": []})
    assert isinstance(world.run(rules(max_retries=0)), Served)
    assert sent(world) == ["A", "B", "C"]
    assert world.waits == []


def test_without_retry_there_is_one_attempt_and_no_rotation():
    for said in (RPM, RPD, AUTH, DOWN):
        world = World({"A": [said], "B": []})
        outcome = world.run(rules(retry=False))
        assert isinstance(outcome, GaveUp)
        assert sent(world) == ["A"]
        assert world.waits == []


def test_what_the_one_attempt_learnt_is_kept():
    world = World({"A": [RPD], "B": []})
    world.run(rules(retry=False))
    assert "block A quota" in world.log


def test_a_hint_beyond_max_wait_sends_the_call_to_the_next_key():
    world = World({"A": [Verdict(Kind.RATE_LIMIT, retry_after=90.0)], "B": []})
    assert isinstance(world.run(rules(max_wait=60.0)), Served)
    assert sent(world) == ["A", "B"]
    assert world.waits == []


def test_a_hint_beyond_max_wait_and_no_other_key_is_told_as_no_key():
    world = World({"A": [Verdict(Kind.RATE_LIMIT, retry_after=90.0)]})
    outcome = world.run(rules(max_wait=60.0))
    assert isinstance(outcome, GaveUp)
    assert (outcome.reason, outcome.wait) == (StopReason.NO_KEY, 90.0)


def test_spread_takes_the_next_free_key_instead_of_waiting():
    world = World({"A": [RPM], "B": []})
    assert isinstance(world.run(rules(strategy=Strategy.SPREAD)), Served)
    assert sent(world) == ["A", "B"]
    assert world.waits == []


def test_a_fallback_answers_when_every_key_of_the_model_is_spent():
    world = World({"A": [RPD, OK], "B": [RPD, OK]})
    original = world.perform

    def perform(action: object) -> object:
        if action == Enter("spare"):
            world.blocked.clear()
        return original(action)

    world.perform = perform  # type: ignore[method-assign]  # the spare model's quota is its own
    assert isinstance(world.run(rules(), models=("m", "spare")), Served)
    assert world.log == ["m:A", "block A quota", "m:B", "block B quota", "spare:A"]


def test_a_faulty_request_may_be_answered_by_a_fallback():
    world = World({"A": [FAULTY]})
    assert isinstance(world.run(rules(), models=("m", "spare")), Served)
    assert world.log == ["m:A", "spare:A"]


def test_no_key_is_told_only_when_every_model_is_out_of_keys():
    world = World({"A": [RPD]})
    outcome = world.run(rules(), models=("m", "spare"))
    assert isinstance(outcome, GaveUp)
    assert outcome.reason is StopReason.NO_KEY
    world = World({"A": [FAULTY, RPD]})
    outcome = world.run(rules(), models=("m", "spare"))
    assert isinstance(outcome, GaveUp)
    assert outcome.reason is StopReason.TRIES


def test_a_wait_that_would_pass_the_deadline_is_not_begun():
    world = World({"A": [Verdict(Kind.RATE_LIMIT, retry_after=10.0)]}, deadline=5.0)
    outcome = world.run(rules())
    assert isinstance(outcome, GaveUp)
    assert outcome.reason is StopReason.DEADLINE
    assert world.waits == []


def test_a_deadline_too_near_for_the_wait_takes_another_key_instead():
    world = World({"A": [Verdict(Kind.RATE_LIMIT, retry_after=10.0)], "B": []}, deadline=5.0)
    assert isinstance(world.run(rules()), Served)
    assert sent(world) == ["A", "B"]


def test_a_backoff_that_would_pass_the_deadline_is_not_begun():
    world = World({"A": [DOWN] * 9}, deadline=2.5)
    outcome = world.run(rules())
    assert isinstance(outcome, GaveUp)
    assert outcome.reason is StopReason.DEADLINE
    assert world.waits == [1.0]


def test_waiting_for_a_spent_key_goes_on_when_it_is_free():
    world = World({"A": [RPD]})
    assert isinstance(world.run(rules(on_exhausted=OnExhausted.WAIT, max_wait=5.0)), Served)
    assert sent(world) == ["A", "A"]
    assert sum(world.waits) == pytest.approx(SPENT)
    assert max(world.waits) <= POLL


def test_a_wait_that_is_cut_into_slices_is_news_once_and_tells_how_long_it_is():
    world = World({"A": [RPD]})
    seen: list[Wait] = []
    original = world.perform

    def perform(action: object) -> object:
        if isinstance(action, Wait):
            seen.append(action)
        return original(action)

    world.perform = perform  # type: ignore[method-assign]  # the waits are written down
    world.run(rules(on_exhausted=OnExhausted.WAIT, max_wait=0.0))
    assert [wait.whole for wait in seen if wait.news] == [pytest.approx(SPENT)]


def test_waiting_ends_early_when_a_key_is_freed():
    world = World({"A": [RPD]})
    original = world.perform

    def perform(action: object) -> object:
        if isinstance(action, Wait) and world.now >= 30:
            world.blocked.clear()
        return original(action)

    world.perform = perform  # type: ignore[method-assign]  # another process resets the key after 30 s
    assert isinstance(world.run(rules(on_exhausted=OnExhausted.WAIT)), Served)
    assert 30 <= world.now <= 32


def test_waiting_obeys_the_deadline():
    world = World({"A": [RPD]}, deadline=100.0)
    outcome = world.run(rules(on_exhausted=OnExhausted.WAIT))
    assert isinstance(outcome, GaveUp)
    assert outcome.reason is StopReason.DEADLINE
    assert world.waits == []


def test_the_fallback_comes_before_the_waiting():
    world = World({"A": [RPD]})
    world.run(rules(on_exhausted=OnExhausted.WAIT, deadline=None), models=("m", "spare"))
    assert world.log[:2] == ["m:A", "block A quota"]
    assert world.log[-1] in {"m:A", "spare:A"}


def test_without_a_key_the_call_ends_at_once():
    outcome = World({}).run(rules())
    assert isinstance(outcome, GaveUp)
    assert (outcome.reason, outcome.wait) == (StopReason.NO_KEY, None)


@given(st.integers(0, 5000), st.floats(0, 1e4), st.floats(0, 1e4), st.sampled_from(Jitter), st.integers())
def test_a_backoff_stays_within_its_jitter_range(retry, delay, most, jitter, seed):
    settings = RetrySettings(retry_delay=delay, max_delay=most, jitter=jitter)
    base = min(most, delay * 2.0 ** min(retry, 60))
    least = {Jitter.FULL: 0.0, Jitter.EQUAL: base / 2, Jitter.NONE: base}[jitter]
    assert least <= backoff(retry, settings, random.Random(seed)) <= base


said = st.sampled_from([OK, RPM, UNHINTED, RPD, AUTH, DOWN, FAULTY])


@given(
    scripts=st.dictionaries(st.sampled_from("ABCDE"), st.lists(said, max_size=12), max_size=5),
    settings=st.builds(
        RetrySettings,
        retry=st.booleans(),
        max_retries=st.integers(0, 4),
        retry_delay=st.floats(0.1, 5.0),
        jitter=st.sampled_from(Jitter),
        max_wait=st.floats(0, 120),
        strategy=st.sampled_from(Strategy),
    ),
    deadline=st.none() | st.floats(0.1, 200),
    models=st.sampled_from([("m",), ("m", "spare")]),
    seed=st.integers(),
)
def test_every_call_ends_and_keeps_its_bounds(scripts, settings, deadline, models, seed):
    spent = {name: list(script) for name, script in scripts.items()}
    world = World(spent, deadline=deadline)
    outcome = world.run(settings, models, seed)
    assert isinstance(outcome, Served | GaveUp)
    assert deadline is None or world.now <= deadline
    most = len(models) * ((settings.max_retries + 1) * len(scripts) + settings.max_retries)
    assert len(sent(world)) <= (max(1, most) if settings.retry else len(models))
    for name in scripts:
        rejections = world.log.count(f"block {name} quota") + world.log.count(f"block {name} auth")
        assert rejections <= 1, "a spent key is never asked again"


@given(st.lists(st.floats(0.1, 50.0), min_size=1, max_size=4), st.sampled_from(Jitter), st.integers())
def test_a_servers_hint_is_never_undercut(hints, jitter, seed):
    world = World({"A": [Verdict(Kind.RATE_LIMIT, retry_after=hint) for hint in hints]})
    world.run(rules(jitter=jitter, max_retries=5), seed=seed)
    assert len(world.waits) == len(hints)
    assert all(waited >= hint - 1e-9 for waited, hint in zip(world.waits, hints, strict=True))


def test_even_without_retry_a_moment_is_waited_while_another_call_tries_the_key():
    world = World({"A": []})
    world.blocked["A"] = MOMENT / 2
    assert isinstance(world.run(rules(retry=False)), Served)
    assert sum(world.waits) == pytest.approx(MOMENT / 2)


def test_without_retry_more_than_a_moment_is_not_waited():
    world = World({"A": []})
    world.blocked["A"] = 2 * MOMENT
    outcome = world.run(rules(retry=False))
    assert isinstance(outcome, GaveUp)
    assert (outcome.reason, world.waits) == (StopReason.NO_KEY, [])


def actions(rules_: RetrySettings, *answers: object, only: str | None = None) -> tuple[list[object], object]:
    """Return what the policy yields when it is sent *answers* one after the other, and what it returns."""
    flow = call_policy(["m"], rules_, random.Random(0), only=only)
    yielded: list[object] = [next(flow)]
    try:
        for answer in (None, *answers):
            yielded.append(flow.send(answer))  # noqa: PERF401 - extend would swallow the end
    except StopIteration as end:
        return yielded, end.value
    return yielded, None


A = ApiKey("A", "secret-a")


def test_an_answer_is_told_with_the_key_that_gave_it():
    _, end = actions(rules(), Taken(A), Answered("text"))
    assert end == Served(A, "text")


@pytest.mark.parametrize(
    ("verdict", "changes", "reason"),
    [
        (FAULTY, {}, StopReason.REQUEST),
        (RPD, {"retry": False}, StopReason.TRIES),
        (DOWN, {"max_retries": 0}, StopReason.TRIES),
    ],
)
def test_a_model_that_is_given_up_tells_what_was_said_last(verdict, changes, reason):
    _, end = actions(rules(**changes), Taken(A), Rejected(verdict), None)
    assert end == GaveUp(reason, verdict)


def test_a_backoff_beyond_the_deadline_tells_what_was_said_last():
    _, end = actions(rules(retry_delay=5.0), Taken(A, left=3.0), Rejected(DOWN, 3.0), None)
    assert end == GaveUp(StopReason.DEADLINE, DOWN)


@pytest.mark.parametrize("left", [5.0, 5.5])
def test_a_backoff_that_ends_with_the_deadline_is_begun(left):
    yielded, _ = actions(rules(retry_delay=5.0, max_wait=5.0), Taken(A), Rejected(DOWN, left), None)
    assert yielded[-1] == Wait(5.0, A)


def test_out_of_keys_tells_what_was_said_last():
    _, end = actions(rules(), Taken(A), Rejected(RPD), None, NoneFree(90.0))
    assert end == GaveUp(StopReason.NO_KEY, RPD, 90.0)


def test_a_wait_tells_its_key_and_its_whole_length_and_is_news_once():
    yielded, _ = actions(rules(), Taken(A, 40.0), None, Taken(A, 20.0), None, Taken(A), Answered("text"))
    waits = [action for action in yielded if isinstance(action, Wait)]
    assert waits == [Wait(2.0, A, news=True, whole=40.0), Wait(1.0, A, news=False, whole=20.0)]


def test_the_look_for_a_key_has_jitter_unless_the_rules_want_none():
    for jitter, low, high in ((Jitter.NONE, 0.0, 0.0), (Jitter.FULL, 1e-9, 0.05), (Jitter.EQUAL, 1e-9, 0.05)):
        yielded, _ = actions(rules(jitter=jitter))
        (take,) = [action for action in yielded if isinstance(action, Take)]
        assert low <= take.jitter <= high


def test_a_call_for_one_account_asks_for_its_key_alone_from_the_first_look_on():
    yielded, _ = actions(rules(), Taken(A), Rejected(RPM), None, only=A.fingerprint)
    looks = [action for action in yielded if isinstance(action, Take)]
    assert [(take.stay, take.only) for take in looks] == [(A.fingerprint, A.fingerprint)] * 2


def test_after_an_overloaded_server_the_same_key_is_asked_again():
    yielded, _ = actions(rules(), Taken(A), Rejected(DOWN), None, None)
    assert isinstance(yielded[-1], Take)
    assert yielded[-1].stay == A.fingerprint


def test_a_deadline_that_is_over_is_the_reason_and_not_the_keys():
    for left in (0.0, -1.0):
        _, end = actions(rules(), NoneFree(None, left))
        assert end == GaveUp(StopReason.DEADLINE)
    _, end = actions(rules(), NoneFree(None, 0.5))
    assert end == GaveUp(StopReason.NO_KEY)


def test_the_deadline_is_the_reason_only_where_the_rules_would_have_waited():
    assert actions(rules(max_wait=10.0), NoneFree(10.0, 9.0))[1] == GaveUp(StopReason.DEADLINE, None, 10.0)
    assert actions(rules(max_wait=10.0), NoneFree(10.0, 10.0))[1] == GaveUp(StopReason.NO_KEY, None, 10.0)
    assert actions(rules(max_wait=10.0), NoneFree(11.0, 9.0))[1] == GaveUp(StopReason.NO_KEY, None, 11.0)


def test_equal_jitter_reaches_from_half_of_the_backoff_to_the_whole():
    drawn = [
        backoff(0, rules(jitter=Jitter.EQUAL, retry_delay=8.0), random.Random(seed)) for seed in range(300)
    ]
    assert 4.0 <= min(drawn) < 4.2
    assert 7.8 < max(drawn) <= 8.0


def test_a_wait_that_grows_is_told_again_and_one_that_goes_on_is_not():
    flow = call_policy(["m"], rules(on_exhausted=OnExhausted.WAIT), random.Random(0))
    next(flow)
    flow.send(False)
    waits = []
    for seconds in (0.02, 40.0, 39.0):
        waits.append(flow.send(Taken(A, seconds)))
        flow.send(None)
    assert [wait.news for wait in waits if isinstance(wait, Wait)] == [True, True, False]
