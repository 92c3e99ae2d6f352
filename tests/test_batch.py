"""Many prompts in one call, by threads and event loops, through the real SDKs."""

from __future__ import annotations

import asyncio
import itertools
import threading

import pytest

from jobapp import (
    AllAttemptsFailedError,
    ConfigError,
    DeadlineExceededError,
    InvalidRequestError,
    JobAppError,
    LLMInterface,
    NoAPIKeysAvailableError,
)
from jobapp.batch.concurrency import FIRST, MOST, Concurrency
from jobapp.batch.rows import identity, read_row
from jobapp.testing import Fault
from tests.calling import ONE, TWO, world_of

MODEL = {"provider": "openai", "model": "gpt-4o-mini"}


def by_thread(llm, prompts, **arguments):
    yield from llm.batch(prompts, **{**MODEL, **arguments})


def by_loop(llm, prompts, **arguments):
    """Yield all that comes, then what was raised."""
    results, error = [], None

    async def collect():
        async with llm:
            answered = llm.abatch(prompts, **{**MODEL, **arguments})
            results.extend([result async for result in _caught(answered)])

    async def _caught(answered):
        nonlocal error
        try:
            async for result in answered:
                yield result
        except (JobAppError, OSError) as raised:
            error = raised

    asyncio.run(collect())
    yield from results
    if error is not None:
        raise error


@pytest.fixture(params=[by_thread, by_loop])
def run(request):
    return request.param


@pytest.fixture
def world(tmp_path, monkeypatch):
    with world_of("openai", "send", tmp_path, monkeypatch) as opened:
        yield opened


def texts(results):
    return sorted(result.text for result in results)


def questions(count):
    return [f"Question {number}" for number in range(count)]


def echoes(count):
    return sorted(f"echo: {question}" for question in questions(count))


def until_error(results):
    """Return the results that came, and what ended them."""
    came = []
    try:
        came.extend(results)
    except JobAppError as error:
        return came, error
    return came, None


def test_every_prompt_is_answered_once(world, run):
    world.add(ONE)
    with world.interface() as llm:
        assert texts(run(llm, questions(50))) == echoes(50)
    assert world.requests(ONE) == [50]


def test_in_order_the_results_come_as_the_prompts_did(world, run):
    world.add(ONE)
    with world.interface() as llm:
        results = list(run(llm, questions(50), ordered=True))
    assert [(result.index, result.text) for result in results] == [
        (number, f"echo: Question {number}") for number in range(50)
    ]


def test_a_spent_quota_is_a_pause_and_no_failed_row(world, run):
    world.add(ONE, per_day=5)
    world.add(TWO, per_day=5)
    with world.interface() as llm:
        began = world.clock.now()
        assert texts(run(llm, questions(20), concurrency=4)) == echoes(20)
    assert (world.clock.now() - began).total_seconds() > 3600


def test_without_waiting_it_ends_with_the_time_after_all_that_was_answered(world, run):
    world.add(ONE, per_day=15)
    with world.interface() as llm:
        came, error = until_error(run(llm, questions(60), on_exhausted="raise"))
    assert isinstance(error, NoAPIKeysAvailableError)
    assert error.available_at is not None
    assert len(came) == 15
    assert all(result.error is None for result in came)


def test_a_prompts_own_fault_is_a_result_and_the_others_are_answered(world, run):
    world.add(ONE)
    world.simulator.on_request = lambda request: Fault.BAD_REQUEST if request.prompt == "Question 7" else None
    with world.interface() as llm:
        results = list(run(llm, questions(20)))
    (failed,) = [result for result in results if result.error]
    assert failed.index == 7
    assert isinstance(failed.error, InvalidRequestError)
    with pytest.raises(InvalidRequestError):
        _ = failed.text
    assert len(results) == 20


def test_ten_faults_alike_at_the_start_are_the_settings(world, run):
    world.add(ONE)
    world.simulator.on_request = lambda _: Fault.BAD_REQUEST
    with world.interface() as llm:
        came, error = until_error(run(llm, questions(1000)))
    assert came == []
    assert isinstance(error, ConfigError)
    assert "the first 10 rows failed alike" in str(error)
    assert sum(world.requests(ONE)) < 10 + MOST


def test_nine_faults_are_the_prompts_own(world, run):
    world.add(ONE)
    world.simulator.on_request = lambda _: Fault.BAD_REQUEST
    with world.interface() as llm:
        results = list(run(llm, questions(9), ordered=True))
    assert [result.index for result in results if result.error] == list(range(9))


@pytest.mark.parametrize("count", [1, 20])
def test_what_cannot_be_read_is_a_result_that_names_its_place(world, run, count):
    world.add(ONE)
    prompts = [*questions(count), {"text": "?"}, 5, "", *questions(count)]
    with world.interface() as llm:
        results = list(run(llm, prompts, ordered=True))
    failed = [result for result in results if result.error]
    assert [result.index for result in failed] == [count, count + 1, count + 2]
    assert str(failed[0].error).startswith(f"row {count + 1}: has neither prompt nor messages")
    assert len(results) == len(prompts)


def test_a_server_that_is_overloaded_for_a_while_costs_no_row(world, run):
    world.add(ONE)
    asked = itertools.count()
    world.simulator.on_request = lambda _: Fault.OVERLOADED if 20 < next(asked) < 60 else None
    with world.interface() as llm:
        assert texts(run(llm, questions(40))) == echoes(40)


def test_one_prompt_that_breaks_the_server_does_not_keep_the_others(world, run):
    world.add(ONE)
    world.simulator.on_request = lambda request: Fault.OVERLOADED if request.prompt == "Question 3" else None
    with world.interface() as llm:
        results = list(run(llm, questions(200), concurrency=2))
    assert [result.index for result in results if result.error] == [3]
    assert len(results) == 200


def test_a_server_that_is_away_from_the_start_ends_it(world, run):
    world.add(ONE)
    world.simulator.on_request = lambda _: Fault.OVERLOADED
    with world.interface() as llm:
        came, error = until_error(run(llm, questions(100)))
    assert came == []
    assert isinstance(error, AllAttemptsFailedError)


def test_the_deadline_is_the_whole_batchs(world, run):
    world.add(ONE, per_day=15)
    with world.interface() as llm:
        began = world.clock.monotonic()
        came, error = until_error(run(llm, questions(60), deadline=600))
    assert isinstance(error, DeadlineExceededError)
    assert len(came) == 15
    assert world.clock.monotonic() - began <= 600


def test_a_pause_before_another_try_does_not_pass_the_deadline(world, run):
    world.add(ONE)
    world.simulator.on_request = lambda request: Fault.OVERLOADED if request.prompt == "Question 3" else None
    with world.interface() as llm:
        began = world.clock.monotonic()
        came, error = until_error(run(llm, questions(8), deadline=40))
    assert isinstance(error, DeadlineExceededError)
    assert len(came) == 7
    assert world.clock.monotonic() - began <= 40


def test_where_the_input_breaks_what_was_asked_is_handed_out_before_its_error(world, run):
    world.add(ONE)

    def prompts():
        yield from questions(7)
        raise OSError("the disk is gone")

    came = []
    with world.interface() as llm, pytest.raises(OSError, match="the disk is gone"):
        came.extend(run(llm, prompts()))
    assert texts(came) == echoes(7)


def test_nothing_is_read_ahead_of_what_is_under_way(world):
    world.add(ONE)
    read = itertools.count()
    with world.interface() as llm:
        results = llm.batch((f"Question {next(read)}" for _ in itertools.count()), concurrency=3, **MODEL)
        for came, _ in enumerate(itertools.islice(results, 30), start=1):
            assert next(read) - came <= 2 * came + 3  # each look counts one
        results.close()


def test_in_order_a_slow_prompt_is_not_outrun_without_end(world):
    world.add(ONE)
    let_go = threading.Event()
    world.simulator.on_request = lambda request: (
        let_go.wait(20) and None if request.prompt == "first" else None
    )
    read = []

    def prompts():
        yield "first"
        for number in range(10_000):
            read.append(number)
            if len(read) > 14:
                let_go.set()
            yield f"Question {number}"

    with world.interface() as llm:
        results = llm.batch(prompts(), concurrency=4, ordered=True, **MODEL)
        threading.Timer(1.0, let_go.set).start()
        assert next(results).text == "echo: first"
        assert len(read) <= 16
        results.close()


def test_leaving_the_loop_ends_what_is_under_way_and_its_thread(world):
    world.add(ONE, per_day=5)
    world.settings["retry"] = {"jitter": "none"}
    with world.interface() as llm:
        for _ in llm.batch(questions(50), **MODEL):
            break
        assert "jobapp-batch" not in {thread.name for thread in threading.enumerate()}
        assert llm.send_prompt("Hello", **MODEL) == "echo: Hello"


def test_a_row_has_arguments_of_its_own_over_the_batchs(world, run):
    world.add(ONE)
    rows = [
        {"id": "a", "prompt": "Hello", "model": "gpt-4o"},
        {"custom_id": 7, "messages": [{"role": "user", "content": "Hello"}]},
    ]
    with world.interface() as llm:
        results = list(run(llm, rows, ordered=True))
    assert [(result.id, result.completion.model) for result in results] == [
        ("a", "gpt-4o"),
        ("7", "gpt-4o-mini"),
    ]


def test_prompts_may_come_asynchronously(world):
    world.add(ONE)

    async def prompts():
        for question in questions(10):
            await asyncio.sleep(0)
            yield question

    async def collect():
        async with world.interface() as llm:
            return [result async for result in llm.abatch(prompts(), **MODEL)]

    assert texts(asyncio.run(collect())) == echoes(10)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"prompts": "Hello"}, "prompts: must be a list"),
        ({"prompts": {"prompt": "Hello"}}, "prompts: must be a list"),
        ({"prompts": ["Hello"], "concurrency": 0}, "concurrency: must be a whole number"),
        ({"prompts": ["Hello"], "deadline": -1}, "deadline: must be a number"),
    ],
)
@pytest.mark.parametrize("way", ["batch", "abatch"])
def test_a_wrong_argument_is_told_at_once(world, way, arguments, told):
    world.add(ONE)
    with world.interface() as llm, pytest.raises(ConfigError, match=told):
        getattr(llm, way)(**arguments, **MODEL)


def test_an_unknown_rule_is_told_and_nothing_is_sent(world, run):
    world.add(ONE)
    with world.interface() as llm:
        came, error = until_error(run(llm, questions(30), on_exhausted="pray"))
    assert came == []
    assert "on_exhausted" in str(error)
    assert world.requests(ONE) == [0]


def test_a_missing_key_ends_it_at_once(own_folders, run):
    came, error = until_error(run(LLMInterface(), questions(3)))
    assert came == []
    assert "OPENAI_API_KEY" in str(error)


class TestConcurrency:
    def test_it_starts_slowly_and_doubles_each_round(self):
        found = Concurrency()
        rounds = [found.limit]
        for _ in range(4):
            for _ in range(found.limit):
                found.answered()
            rounds.append(found.limit)
        assert rounds == [FIRST, 8, 16, 32, 64]

    def test_an_overload_halves_it_once_for_all_that_were_under_way(self):
        found = Concurrency()
        for _ in range(100):
            found.answered()
        for under_way in range(63, -1, -1):
            found.overloaded(under_way)
        assert found.limit == MOST / 2

    def test_after_an_overload_it_grows_by_one_a_round(self):
        found = Concurrency()
        for _ in range(100):
            found.answered()
        found.overloaded(0)
        for _ in range(33):
            found.answered()
        assert found.limit == MOST / 2 + 1

    def test_it_never_falls_below_one(self):
        found = Concurrency()
        for _ in range(10):
            found.overloaded(0)
        assert found.limit == 1

    def test_what_a_person_set_stays(self):
        found = Concurrency(7)
        found.answered()
        found.overloaded(0)
        assert found.limit == 7


def test_a_row_without_an_id_is_named_by_its_content_whatever_its_order():
    one, other = {"prompt": "a", "model": "m"}, {"model": "m", "prompt": "a"}
    assert read_row(0, one).id == read_row(5, other).id == identity(one)
    assert read_row(0, {**one, "model": "n"}).id != identity(one)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"prompt": "a", "messages": []}, "row 3: has prompt and messages"),
        (
            {"custom_id": "a", "method": "POST", "url": "/v1", "body": {}},
            "row 3: url: must be one of",
        ),
        ({"prompt": "a", "deadline": 5}, "row 3: deadline is the whole batch's"),
        ({"prompt": "a", "id": []}, "row 3: its id must be"),
        (None, "row 3: is NoneType"),
    ],
)
def test_a_row_of_no_known_form_says_what_to_write(row, told):
    with pytest.raises(ConfigError, match=told):
        read_row(2, row)
