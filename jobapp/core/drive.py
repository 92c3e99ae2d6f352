"""The two loops that perform what the policy of a call decides: in a thread, and in an event loop.

Streams use them too; only ``ask`` differs: it sends one request, and tells what came of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from jobapp.core.call import Call, Opened
from jobapp.core.call_policy import Answered, Enter, Flow, GaveUp, Learn, Refused, Send, Served, Take, Wait
from jobapp.core.types import ApiKey

Ask = Callable[[Call, ApiKey], Answered | Refused]
AsyncAsk = Callable[[Call, ApiKey], Awaitable[Answered | Refused]]


def drive(call: Call, flow: Flow, ask: Ask) -> Served | GaveUp:
    """Perform what *flow* decides, in this thread."""
    answer: Any = None
    try:
        while True:
            action = flow.send(answer)
            answer = None
            match action:
                case Take():
                    if call.store.stale:
                        call.store.refresh()
                    answer = call.take(action)
                case Send():
                    answer = ask(call, action.key)
                case Enter():
                    call.enter(action.target)
                case Learn():
                    call.target.manager.remember(call.learn(action))
                case Wait():
                    call.clock.sleep(call.wait(action))
    except StopIteration as end:
        outcome: Served | GaveUp = end.value
        return outcome
    except BaseException as error:
        call.abandon(error)
        raise


async def adrive(call: Call, flow: Flow, ask: AsyncAsk) -> Served | GaveUp:
    """Perform what *flow* decides, in the running event loop; the store's I/O goes to a thread."""
    import asyncio

    answer: Any = None
    try:
        while True:
            action = flow.send(answer)
            answer = None
            match action:
                case Take():
                    if call.store.stale:
                        await asyncio.to_thread(call.store.refresh)
                    answer = call.take(action)
                case Send():
                    answer = await ask(call, action.key)
                case Enter():
                    call.enter(action.target)
                case Learn():
                    await asyncio.to_thread(call.target.manager.remember, call.learn(action))
                case Wait():
                    await call.clock.asleep(call.wait(action))
    except StopIteration as end:
        outcome: Served | GaveUp = end.value
        return outcome
    except BaseException as error:
        call.abandon(error)
        raise


def ask_whole(call: Call, key: ApiKey) -> Answered | Refused:
    """Ask for a whole answer."""
    timeout = call.begin(key)
    try:
        reply = call.target.adapter.send(call.request, key, timeout)
    except Exception as error:  # noqa: BLE001 - the adapter tells which are the provider's
        return call.refused(key, error)
    return call.answered(key, reply)


async def aask_whole(call: Call, key: ApiKey) -> Answered | Refused:
    """Ask for a whole answer, in the running event loop."""
    import asyncio

    timeout = call.begin(key)
    try:
        async with asyncio.timeout(timeout):
            reply = await call.target.adapter.asend(call.request, key, timeout)
    except Exception as error:  # noqa: BLE001 - the adapter tells which are the provider's
        return call.refused(key, error)
    return call.answered(key, reply)


def ask_stream(call: Call, key: ApiKey) -> Answered | Refused:
    """Ask for a stream, up to its first piece."""
    timeout = call.begin(key)
    pieces = call.target.adapter.stream(call.request, key, timeout)
    try:
        first = next(pieces)
    except Exception as error:  # noqa: BLE001 - the adapter tells which are the provider's
        return call.refused(key, error)
    except BaseException:
        pieces.close()
        raise
    return call.answered(key, Opened(first, pieces))


async def aask_stream(call: Call, key: ApiKey) -> Answered | Refused:
    """Ask for a stream, up to its first piece, in the running event loop."""
    import asyncio

    timeout = call.begin(key)
    pieces = call.target.adapter.astream(call.request, key, timeout)
    try:
        async with asyncio.timeout(timeout):
            first = await anext(pieces)
    except Exception as error:  # noqa: BLE001 - the adapter tells which are the provider's
        return call.refused(key, error)
    except BaseException:
        await pieces.aclose()
        raise
    return call.answered(key, Opened(first, pieces))
