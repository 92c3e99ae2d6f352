"""The two loops that perform what the policy of a call decides: in a thread, and in an event loop.

Streams use them too; only ``ask`` differs: it sends one request, and tells what came of it.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from jobapp.calls.call import Call, Opened
from jobapp.calls.call_policy import Answered, Enter, Flow, GaveUp, Rejected, Send, Served, Settle, Wait
from jobapp.domain.types import ApiKey, Block
from jobapp.pool.reservation import Take
from jobapp.pool.withdrawn import is_every_keys

Ask = Callable[[Call, ApiKey], Answered | Rejected]
_Result = TypeVar("_Result")
AsyncAsk = Callable[[Call, ApiKey], Awaitable[Answered | Rejected]]


def drive(call: Call, flow: Flow, ask: Ask) -> Served | GaveUp:
    """Perform what *flow* decides, in this thread."""
    answer: Any = None
    try:
        while True:
            try:
                action = flow.send(answer)
            except StopIteration as end:
                outcome: Served | GaveUp = end.value
                return outcome
            answer = None
            match action:
                case Take():
                    if call.store_is_stale:
                        _in_time(call, call.refresh_store)
                    answer = call.take(action)
                case Send():
                    answer = ask(call, action.key)
                case Enter():
                    answer = call.enter(action.target)
                    call.warm_up()
                case Settle():
                    blocks = call.settle(action)
                    _remember(call, blocks)
                    answer = is_every_keys(blocks)
                case Wait():
                    call.clock.sleep(call.wait(action))
    except BaseException as error:
        call.abandon(error)
        raise


async def adrive(call: Call, flow: Flow, ask: AsyncAsk) -> Served | GaveUp:
    """Perform what *flow* decides, in the running event loop; the store's I/O goes to a thread."""
    answer: Any = None
    try:
        while True:
            try:
                action = flow.send(answer)
            except StopIteration as end:
                outcome: Served | GaveUp = end.value
                return outcome
            answer = None
            match action:
                case Take():
                    if call.store_is_stale:
                        await in_thread(call.refresh_store, max_wait=_for_the_store(call))
                    answer = await from_thread(call.take, action) if call.waits else call.take(action)
                case Send():
                    answer = await ask(call, action.key)
                case Enter():
                    answer = call.enter(action.target)
                    await call.awarm_up()
                case Settle():
                    blocks = await from_thread(call.settle, action) if call.waits else call.settle(action)
                    await _aremember(call, blocks)
                    answer = is_every_keys(blocks)
                case Wait():
                    await call.clock.asleep(call.wait(action))
    except BaseException as error:
        call.abandon(error)
        raise


def _remember(call: Call, blocks: tuple[Block, ...]) -> None:
    if blocks:
        _in_time(call, call.remember, blocks)
        call.blocked(blocks)


async def _aremember(call: Call, blocks: tuple[Block, ...]) -> None:
    if blocks:
        await in_thread(call.remember, blocks, max_wait=_for_the_store(call))
        call.blocked(blocks)


def _in_time(call: Call, work: Callable[..., object], *arguments: Any) -> None:
    """Do *work* of the store; one that takes too much of the time that is left goes on in a thread."""
    seconds = _for_the_store(call)
    if seconds is None:
        work(*arguments)
        return
    thread = threading.Thread(target=work, args=arguments, name="jobapp-store")
    thread.start()
    thread.join(seconds)


def _for_the_store(call: Call) -> float | None:
    """Return the seconds that a call with a deadline waits for the store; as many are left for the answer."""
    left = call.left
    return None if left is None else max(0.0, left / 2)


async def in_thread(work: Callable[..., object], *arguments: Any, max_wait: float | None = None) -> None:
    """Do *work* of the store in a thread, to its end even if nobody waits for it any more.

    Args:
        work: What to do.
        *arguments: Its arguments.
        max_wait: Seconds to wait for it at most.
    """
    import asyncio

    future = asyncio.get_running_loop().run_in_executor(None, work, *arguments)
    done, _ = await asyncio.wait({future}, timeout=max_wait)
    for ended in done:
        ended.result()


async def from_thread(work: Callable[..., _Result], *arguments: Any) -> _Result:
    """Return what *work* returns in a thread; a task that is cancelled meanwhile goes when it is done."""
    import asyncio

    future = asyncio.get_running_loop().run_in_executor(None, work, *arguments)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait({future})
        raise


def ask_whole(call: Call, key: ApiKey) -> Answered | Rejected:
    """Ask for a whole answer."""
    timeout = call.begin(key)
    try:
        reply = call.target.adapter.send(call.request, key, timeout)
    except Exception as error:  # noqa: BLE001 - the adapter tells which are the provider's
        return call.rejected(key, error)
    return call.answered(key, reply)


async def aask_whole(call: Call, key: ApiKey) -> Answered | Rejected:
    """Ask for a whole answer, in the running event loop."""
    import asyncio

    timeout = call.begin(key)
    try:
        async with asyncio.timeout(timeout):
            reply = await call.target.adapter.asend(call.request, key, timeout)
    except Exception as error:  # noqa: BLE001 - the adapter tells which are the provider's
        return call.rejected(key, error)
    return call.answered(key, reply)


def ask_stream(call: Call, key: ApiKey) -> Answered | Rejected:
    """Ask for a stream, up to its first piece."""
    timeout, left = call.begin_stream(key)
    pieces = call.target.adapter.stream(call.request, key, timeout, left)
    try:
        first = next(pieces)
    except Exception as error:  # noqa: BLE001 - the adapter tells which are the provider's
        return call.rejected(key, error)
    except BaseException:
        pieces.close()
        raise
    return call.answered(key, Opened(first, pieces))


async def aask_stream(call: Call, key: ApiKey) -> Answered | Rejected:
    """Ask for a stream, up to its first piece, in the running event loop."""
    import asyncio

    timeout, left = call.begin_stream(key)
    pieces = call.target.adapter.astream(call.request, key, timeout, left)
    try:
        async with asyncio.timeout(left):
            first = await anext(pieces)
    except Exception as error:  # noqa: BLE001 - the adapter tells which are the provider's
        return call.rejected(key, error)
    except BaseException:
        await pieces.aclose()
        raise
    return call.answered(key, Opened(first, pieces))
