"""What rejections teach of a key's window, where no header tells it."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobapp.limits.estimated import EstimatedLimit
from jobapp.limits.window import MINUTE
from jobapp.limits.window_length import DOUBTS, MARGIN, USUAL_LENGTHS, WindowLengthEstimate


class Provider:
    """A provider that opens a window with its first request and tells nothing but yes and no."""

    def __init__(self, limit: int, length: float) -> None:
        self.limit = limit
        self.length = length
        self.start = -math.inf
        self.used = 0

    def answers(self, now: float) -> bool:
        if now >= self.start + self.length:
            self.start, self.used = now, 0
        self.used += 1
        return self.used <= self.limit


class Caller:
    """Asks as soon as what was learnt allows it, and each second where nothing is known; nothing travels."""

    def __init__(self, provider: Provider, length: WindowLengthEstimate | None = None) -> None:
        self.provider = provider
        self.length = length or WindowLengthEstimate()
        self.learnt = EstimatedLimit(self.length)
        self.now = 1000.0
        self.answered = self.rejected = 0

    def ask(self) -> bool:
        """Ask now, whatever was learnt."""
        if window := self.learnt.window:
            window.use(self.now)
            self.learnt.begin(self.now)
            window.begin(self.now)
        else:
            self.learnt.begin(self.now)
        yes = self.provider.answers(self.now)
        if yes:
            self.answered += 1
            self.learnt.answered(self.now, 0, 0)
        else:
            self.rejected += 1
            self.learnt.rejected(self.now, self.now, None, 0)
        return yes

    def ask_until_refused(self) -> None:
        while self.ask():
            pass

    def wait(self, backoff: float) -> None:
        """Sleep until there should be room, *backoff* seconds where that is not known."""
        window, reopens_at = self.learnt.window, self.learnt.reopens_at()
        if window is not None:
            self.now = max(self.now, window.ready_at(self.now))
        elif reopens_at is not None:
            self.now = max(self.now, reopens_at)
        else:
            self.now += backoff

    def work_for(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            if not self.ask() or self.learnt.window is not None:
                self.wait(self.provider.length / 10)


def limit_of(caller: Caller) -> tuple[int, float] | None:
    window = caller.learnt.window
    return None if window is None else (window.limit, window.length)


def test_nothing_is_known_before_a_refusal():
    caller = Caller(Provider(10, 60.0))
    for _ in range(5):
        assert caller.ask()
    assert limit_of(caller) is None
    assert caller.learnt.reopens_at() is None


def test_the_limit_is_what_was_answered_and_the_length_the_first_usual_one_that_fits():
    caller = Caller(Provider(10, 60.0))
    caller.ask_until_refused()
    for seconds in (20, 20, 20, 20):
        caller.now += seconds
        caller.ask()
    assert limit_of(caller) == (10, 60.0 * (1 + MARGIN))


def test_the_time_of_return_is_known_after_the_next_refusal_already():
    caller = Caller(Provider(3, 60.0))
    caller.ask_until_refused()
    caller.now += 40
    caller.ask()
    caller.now += 21
    opened = caller.now
    caller.ask_until_refused()
    assert caller.learnt.reopens_at() == opened + 60.0 * (1 + MARGIN)


def test_keys_of_one_model_learn_the_length_together():
    first = Caller(Provider(3, 60.0))
    second = Caller(Provider(5, 60.0), first.length)
    for caller in (first, second):
        caller.ask_until_refused()
    opened = second.now
    for _ in range(2):
        first.now += 31
        first.ask()
    assert second.learnt.reopens_at() == opened + 60.0 * (1 + MARGIN)


@pytest.mark.parametrize("length", USUAL_LENGTHS)
@pytest.mark.parametrize("limit", [1, 3, 10, 100])
def test_a_learnt_window_is_used_to_the_full_and_seldom_overrun(limit, length):
    caller = Caller(Provider(limit, length))
    caller.work_for(60 * length)
    assert caller.answered >= 0.9 * 60 * limit
    assert caller.rejected <= 25
    before = caller.rejected
    caller.work_for(20 * length)
    assert caller.rejected <= before + 2


def test_a_limit_that_was_taken_for_too_low_grows_to_what_it_is():
    provider = Provider(4, 60.0)
    caller = Caller(provider)
    caller.work_for(300)
    provider.limit = 40
    caller.work_for(60 * 60)
    assert limit_of(caller) is not None
    assert caller.learnt.window is not None
    assert 36 <= caller.learnt.window.limit <= 40


def test_a_limit_that_sinks_is_followed_at_once():
    provider = Provider(20, 60.0)
    caller = Caller(provider)
    caller.work_for(300)
    provider.limit = 5
    caller.work_for(60)
    before = caller.rejected
    caller.work_for(600)
    assert caller.rejected <= before + 5
    assert caller.answered >= 45


def test_a_hint_tells_the_length_at_the_first_refusal():
    learnt = EstimatedLimit(WindowLengthEstimate())
    for second in range(4):
        learnt.begin(1000.0 + second)
    learnt.rejected(1003.1, 1003.0, 56.9, 0)
    assert learnt.window is not None
    assert learnt.window.limit == 3
    assert learnt.reopens_at() == pytest.approx(1000.0 + 60.0 * (1 + MARGIN))


def test_what_is_still_under_way_when_a_refusal_comes_counts_for_the_limit_until_it_is_refused_too():
    learnt = EstimatedLimit(WindowLengthEstimate())
    for _ in range(8):
        learnt.begin(1000.0)
    limits = []
    for _ in range(3):
        learnt.rejected(1000.2, 1000.0, 59.8, 5)
        assert learnt.window is not None
        limits.append(learnt.window.limit)
    assert limits == [7, 6, 5]


def test_a_window_of_which_the_beginning_was_not_seen_teaches_no_limit():
    learnt = EstimatedLimit(WindowLengthEstimate())
    for second in range(0, 300, 10):
        learnt.begin(1000.0 + second)
        learnt.answered(1000.0 + second, 0, 0)
    learnt.begin(1300.0)
    learnt.rejected(1300.0, 1300.0, None, 0)
    assert learnt.window is None
    assert learnt.reopens_at() is None


def test_a_refused_trial_keeps_the_limit_and_waits_for_an_answer():
    caller = Caller(Provider(10, 60.0))
    caller.ask_until_refused()
    caller.now += 40
    assert not caller.ask()
    assert limit_of(caller) is None
    caller.now += 25
    assert caller.ask()
    assert limit_of(caller) == (10, 60.0 * (1 + MARGIN))


def test_trials_that_are_refused_together_leave_the_limit_as_it_was():
    caller = Caller(Provider(10, 60.0))
    caller.ask_until_refused()
    learnt, sent_at = caller.learnt, caller.now + 30
    for _ in range(8):
        learnt.begin(sent_at)
    for under_way in reversed(range(8)):
        learnt.rejected(sent_at + 0.1, sent_at, None, under_way)
    caller.now += 61
    assert caller.ask()
    assert learnt.window is not None
    assert learnt.window.limit == 10


def test_the_first_request_of_a_guessed_window_is_sent_alone_until_a_guess_was_right():
    caller = Caller(Provider(3, 60.0))
    caller.ask_until_refused()
    caller.now += 61
    for _ in range(3):
        caller.ask()
    caller.wait(0)
    learnt = caller.learnt
    assert learnt.window is not None
    learnt.window.use(caller.now)
    learnt.begin(caller.now)
    learnt.window.begin(caller.now)
    assert learnt.unsure()
    learnt.answered(caller.now, 0, 0)
    assert not learnt.unsure()
    for _ in range(2):
        caller.ask()
    caller.wait(0)
    learnt.window.use(caller.now)
    learnt.begin(caller.now)
    assert not learnt.unsure()


def test_a_length_that_contradicts_what_was_seen_is_forgotten_after_some_times():
    length = WindowLengthEstimate()
    length.not_over(31.0)
    length.over(62.0)
    assert length.seconds == 60.0 * (1 + MARGIN)
    for _ in range(DOUBTS - 1):
        length.not_over(100.0)
    assert length.seconds == 60.0 * (1 + MARGIN)
    length.not_over(100.0)
    assert not length.known


def test_a_window_that_is_over_a_little_late_was_measured_badly():
    length = WindowLengthEstimate()
    length.not_over(44.0)
    length.over(45.0)
    length.not_over(45.2)
    assert length.known
    assert length.seconds > 45.2


def test_an_unusual_length_is_the_longest_that_was_seen():
    length = WindowLengthEstimate()
    length.not_over(40.0)
    length.over(45.0)
    assert length.seconds == 45.0 * (1 + MARGIN)


@given(
    length=st.floats(0.5, 5000.0),
    looks=st.lists(st.floats(0.01, 10_000.0), max_size=60),
)
def test_what_is_gone_by_is_never_shorter_than_what_was_seen_to_be_too_short(length, looks):
    shared = WindowLengthEstimate()
    for seconds in looks:
        if seconds >= length:
            shared.over(seconds)
        else:
            shared.not_over(seconds)
    shortest = max((seconds for seconds in looks if seconds < length), default=0.0)
    assert shared.seconds > shortest or math.isclose(shared.seconds, shortest)
    assert shared.known == any(seconds >= length for seconds in looks)


@given(limit=st.integers(1, 50), length=st.sampled_from(USUAL_LENGTHS), seed=st.integers(0, 1000))
def test_whatever_the_pauses_a_caller_is_never_kept_from_a_free_key_for_long(limit, length, seed):
    rng = random.Random(seed)
    caller = Caller(Provider(limit, length))
    for _ in range(200):
        asked_at = caller.now
        caller.wait(length / 10)
        assert caller.now - asked_at <= max(length, MINUTE) * (1 + MARGIN) * 1.1
        caller.ask()
        caller.now += rng.choice([0.0, 0.0, 0.0, length / 7, 2 * length])
