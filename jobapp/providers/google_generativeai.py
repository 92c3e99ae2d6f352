"""Google's Gemini API, on google-generativeai, whose support has ended: for where google-genai is missing.

Its several keys, its REST transport and its errors in streams are reached through private names, which is
safe as 0.8.6 is its last release. To drop it, delete this file and its line in ``PROVIDERS``.
"""

from __future__ import annotations

import asyncio
import contextvars
import io
import json
import warnings
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext, suppress
from functools import cache, partial
from itertools import islice
from typing import Any

from jobapp.domain.types import ApiKey, ChatRequest, Reply
from jobapp.providers.addresses import each_address
from jobapp.providers.client_cache import Opened
from jobapp.providers.gemini import contents_of, system_of
from jobapp.providers.google import GoogleAdapter
from jobapp.providers.http_client import CONNECT_SECONDS
from jobapp.providers.machine import check_machine
from jobapp.providers.options import COMMON, check_names, for_gemini
from jobapp.providers.request_context import TAIL_LENGTH, TimeLimit, current_request
from jobapp.providers.responses import reply_error
from jobapp.providers.sdk_adapter import Calls

THREADS = 64
"""How many requests of event loops run at once."""

ARGUMENTS = ("generation_config", "safety_settings", "tools", "tool_config")
"""Options that are arguments of the SDK's call; all others are fields of its ``GenerationConfig``."""


ANNOTATIONS = frozenset({"title", "default", "examples", "additionalProperties", "$schema", "$id", "strict"})
"""Words of JSON schemas that the SDK's ``Schema`` has no field for, and that a good answer does without."""


class Pool:
    """Connections that all keys share, and threads for event loops: the SDK's own asyncio knows gRPC only."""

    def __init__(self) -> None:
        from requests.adapters import HTTPAdapter

        self.connections = HTTPAdapter(pool_maxsize=100)
        self.connections.poolmanager.pool_classes_by_scheme = _limited_pools()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="jobapp-google")

    def runner(self) -> Callable[..., Future[Any]]:
        """Return what does its work in a thread, with the context variables of now."""
        run: Callable[..., Any] = contextvars.copy_context().run
        return partial(self._threads.submit, run)

    def close(self) -> None:
        """Close the connections now: requests leaves that to the end of the last that refers to them."""
        self._threads.shutdown(wait=False)
        for manager in (self.connections.poolmanager, *self.connections.proxy_manager.values()):
            for host in manager.pools.keys():  # noqa: SIM118 - it is no mapping that can be iterated over
                if pool := manager.pools.get(host):  # another thread may close them too
                    pool.close()
        self.connections.close()


class GoogleGenerativeAIAdapter(GoogleAdapter):
    """Gemini's ``generateContent`` over REST; a cancelled task's request runs on in its thread until it ends.

    Options are fields of ``GenerationConfig`` or arguments of the SDK's ``generate_content``; ``max_tokens``
    and ``stop`` are understood here too.
    """

    sdk = "google.generativeai"
    distribution = "google-generativeai"

    async def awarm_up(self, key: ApiKey) -> None:
        """Load the SDK in a thread and make the first client, which threads and loops use alike."""
        await self._import_beside_loop(key)
        self.warm_up(key)

    async def asend(self, request: ChatRequest, key: ApiKey, timeout: float) -> Reply:
        """Ask and return the answer, in a thread."""
        await self._import_beside_loop(key)
        opened = self._clients.begin()
        try:
            return await asyncio.wrap_future(opened.pool.runner()(self.send, request, key, timeout))
        finally:
            self._end(opened)

    async def astream(
        self, request: ChatRequest, key: ApiKey, timeout: float, left: float | None = None
    ) -> AsyncGenerator[str | Reply]:
        """Ask and yield the answer's text as it comes, each piece read in a thread, then the whole reply."""
        await self._import_beside_loop(key)
        opened, pieces = self._clients.begin(), self.stream(request, key, timeout, left)
        run = opened.pool.runner()
        step: Future[str | Reply | None] = run(next, pieces, None)
        try:
            while (piece := await asyncio.wrap_future(step)) is not None:
                yield piece
                step = run(next, pieces, None)
        except GeneratorExit as closed:
            pieces.throw(closed)
        finally:
            step.add_done_callback(
                lambda _: self._close(pieces, opened)
            )  # at once, unless a thread is reading

    def _close(self, pieces: Generator[Any], opened: Opened) -> None:
        pieces.close()
        self._end(opened)

    def _unreadable_errors(self) -> tuple[type[Exception], ...]:
        from google.protobuf.json_format import ParseError

        return (*super()._unreadable_errors(), ParseError)

    def _open_pool(self) -> Any:
        return Pool()

    def _open_client(self, pool: Any, key: ApiKey) -> Calls:
        check_machine()
        _sdk()  # first, for it keeps the warnings of what it imports
        from google.ai.generativelanguage import GenerativeServiceClient

        options = {"api_key": key.secret, "api_endpoint": self._address(key)}
        client = GenerativeServiceClient(client_options=options, transport="rest")
        session = client.transport._session  # noqa: SLF001 (see above)
        session._refresh_status_codes = ()  # noqa: SLF001 (a 401 would be sent three times)
        session.max_redirects = 0  # requests would carry the key to another host
        session.hooks["response"].append(_note)
        for scheme in ("https://", "http://"):
            session.mount(scheme, pool.connections)
        return Calls(client.generate_content, lambda **call: self._events(client, **call), client)

    def _events(self, client: Any, **call: Any) -> Iterator[Any]:
        """Yield a stream's answers; raise the errors in it, of which the SDK makes empty answers."""
        events = client.stream_generate_content(**call)
        message_class = events._response_message_cls  # noqa: SLF001 (see above)
        model = call["request"].model

        def grab() -> Any:
            text = events._ready_objs.popleft()  # noqa: SLF001 (see above)
            if '"error"' in text and "error" in (body := json.loads(text)):
                raise reply_error(self.provider, model, events._response, "the stream holds an error", body)  # noqa: SLF001
            return message_class.from_json(text, ignore_unknown_fields=True)

        events._grab = grab  # noqa: SLF001 (see above)
        try:
            yield from events
        except ValueError:  # no array: read what it is, for its facts
            deque(islice(events._response_itr, TAIL_LENGTH), maxlen=0)  # noqa: SLF001 (see above)
            raise

    def _arguments(self, request: ChatRequest, timeout: float) -> dict[str, Any]:
        options = self._known_options(request)
        arguments = {name: options.pop(name, None) for name in ARGUMENTS}
        arguments["generation_config"] = {**(arguments["generation_config"] or {}), **options}
        model = _sdk().GenerativeModel(request.model, system_instruction=system_of(request, self._refuse))
        contents = contents_of(request, self._refuse)
        native = model._prepare_request(contents=contents, **arguments)  # noqa: SLF001 (see above)
        return {"request": native, "retry": None, "timeout": timeout}

    def _known_options(self, request: ChatRequest) -> dict[str, Any]:
        """Return the options under Gemini's names, their schemas without what the SDK has no field for."""
        known, given = _sdk().protos.GenerationConfig.meta.fields, self._options(request)
        check_names(given, {*known, *ARGUMENTS, *COMMON}, self.provider)
        options = for_gemini(given, "response_schema", "parameters")
        for holder in (options, *(declared_in(options.get("tools")))):
            for name in holder.keys() & {"response_schema", "parameters"}:
                holder[name] = described(holder[name])
        return options

    def whole(self, last: Any, parts: list[Any]) -> Any:
        """Return the *last* answer of a stream with all the *parts* that came."""
        if last.candidates:
            last.candidates[0].content.parts = parts
        return last

    def raw(self, answer: Any) -> Any:
        """Return *answer* as callers of the SDK know it."""
        return _sdk().types.GenerateContentResponse.from_response(answer)


def declared_in(tools: Any) -> list[dict[str, Any]]:
    """Return the declarations of functions in *tools* as :func:`for_gemini` makes them."""
    found = [tool.get("function_declarations") for tool in tools or () if isinstance(tool, dict)]
    return [each for declared in found if isinstance(declared, list) for each in declared]


def described(schema: Any) -> Any:
    """Return *schema* without words that only annotate it: the SDK has no field for them, and refuses."""
    if isinstance(schema, list):
        return [described(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    kept = {name: each for name, each in schema.items() if name == "properties" or name not in ANNOTATIONS}
    return {
        name: {key: described(inner) for key, inner in each.items()}
        if name == "properties"
        else described(each)
        for name, each in kept.items()
    }


@cache
def _sdk() -> Any:
    with warnings.catch_warnings():  # the README says once that this SDK is at its end
        warnings.simplefilter("ignore")
        import google.generativeai as sdk
    return sdk


def _note(response: Any, **_: Any) -> None:
    """Keep a response; take an error out of the array that a stream brings it in: the SDK can't read that."""
    context = current_request()
    context.response = response
    response.iter_content = context.body.watch(response.iter_content)
    if not response.ok:
        try:
            body = response.json()
        except ValueError:
            return
        if isinstance(body, list) and len(body) == 1:
            response._content = json.dumps(body[0]).encode()  # noqa: SLF001 (there is no other way)


class _LimitedSocket:
    """A socket whose reads end when the request's time is over; requests limits each read by itself."""

    def __init__(self, plain: Any) -> None:
        self._plain = plain

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        """Return what one response is read from."""
        return io.BufferedReader(_LimitedReads(self._plain, current_request().limit))


class _LimitedReads(io.RawIOBase):
    def __init__(self, plain: Any, limit: TimeLimit) -> None:
        self._plain = plain
        self._limit = limit
        self._reads = plain.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Any:
        left = self._limit.left
        if left <= 0:
            raise TimeoutError(f"the answer was not complete within {self._limit:g} seconds")
        self._plain.settimeout(left)
        return self._reads.readinto(buffer)

    def close(self) -> None:
        self._reads.close()
        super().close()


@cache
def _limited_pools() -> dict[str, type[Any]]:
    """Return pools of connections with limited sockets, by scheme."""
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    def limited(pool: type[Any], connection: type[Any]) -> type[Any]:
        class Connection(connection):  # type: ignore[misc]  # its base is one of two
            _dns_host: str

            def connect(self) -> None:
                host = self._dns_host
                limit = TimeLimit(min(current_request().limit.left, CONNECT_SECONDS))
                try:
                    for address, seconds, last in each_address(host, self.port, limit):
                        self._dns_host, self.timeout = address, seconds
                        with nullcontext() if last else suppress(NewConnectionError, ConnectTimeoutError):
                            super().connect()
                            break
                finally:
                    self._dns_host = host
                self.sock: Any = _LimitedSocket(self.sock)

        return type("HostPool", (pool,), {"ConnectionCls": Connection})

    return {
        "http": limited(HTTPConnectionPool, HTTPConnection),
        "https": limited(HTTPSConnectionPool, HTTPSConnection),
    }
