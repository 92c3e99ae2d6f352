"""What all adapters on official SDKs share: one way to ask, to stream, to read failures and to close."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple, NoReturn

from jobapp.classification.exception_facts import read_exception
from jobapp.domain.exceptions import ConfigError, InvalidRequestError, JobAppError
from jobapp.domain.redaction import redact
from jobapp.domain.settings import ProviderSettings
from jobapp.domain.types import ApiKey, ChatRequest, ErrorFacts, Reply
from jobapp.providers import PROVIDERS
from jobapp.providers.adapter import ErrorInReplyError
from jobapp.providers.client_cache import ClientCache, LoopCaches, Opened
from jobapp.providers.machine import check_headers
from jobapp.providers.request_context import AnswerTooLargeError, SizeLimit, begin_request
from jobapp.providers.responses import facts_without, mask_in, reply_error
from jobapp.providers.stream_reader import StreamReader

BAD_ARGUMENTS = (TypeError, ValueError, LookupError, AttributeError, NotImplementedError)
"""What an SDK raises for arguments it can't send and, once an answer came, for an answer it can't read."""

REDIRECTS = frozenset({301, 302, 303, 307, 308})

RESERVED = frozenset({"model", "messages", "contents", "stream", "timeout"})
"""Arguments that a call sets itself."""


class Calls(NamedTuple):
    """What an adapter uses of one key's client.

    Attributes:
        create: Asks and returns the answer.
        stream: Asks and returns the events of the answer.
        owner: The client, which some SDKs close as soon as nobody holds it.
        create_json: Asks and returns the answer's JSON; ``None`` where the SDK always makes its own object.
    """

    create: Callable[..., Any]
    stream: Callable[..., Any]
    owner: Any
    create_json: Callable[..., Any] | None = None

    def ask(self, request: ChatRequest, arguments: dict[str, Any]) -> Any:
        """Ask for the whole answer to *request*, in the form that it needs."""
        create = self.create if request.needs_raw or self.create_json is None else self.create_json
        return create(**arguments)


class SDKAdapter:
    """An adapter that finds one client per key for threads, and one per key and event loop.

    A subclass makes the pools and clients, translates requests, and reads answers and events.

    Args:
        settings: Where the provider is, and how long a request may take.
    """

    sdk: ClassVar[str]
    """The module that must be there."""
    distribution: ClassVar[str]
    """What to install to have it."""
    reader: ClassVar[type[StreamReader]]
    """What reads its streams."""

    def __init__(self, settings: ProviderSettings) -> None:
        self.provider = settings.name
        self.most = settings.max_answer * 2**20
        self._settings = settings
        self._base_url = (settings.base_url or PROVIDERS[settings.name].base_url).rstrip("/")
        self._clients = ClientCache(self._open_pool, self._open_client)
        self._async_clients = LoopCaches(self._open_async_pool, self._open_async_client)

    def warm_up(self, key: ApiKey) -> None:
        """Load the SDK and make the first client, where there is none."""
        if self._clients.is_open:
            return
        opened = self._clients.begin()
        try:
            self._clients.client(opened, key)
        finally:
            self._end(opened)

    async def awarm_up(self, key: ApiKey) -> None:
        """Do so for the running event loop; the import of an SDK goes to a thread."""
        clients = self._async_clients.of_loop()
        if clients.is_open:
            return
        await self._import_beside_loop(key)
        opened = clients.begin()
        try:
            clients.client(opened, key)
        finally:
            await self._aend(opened)

    def send(self, request: ChatRequest, key: ApiKey, timeout: float) -> Reply:
        """Ask and return the answer."""
        arguments = self._arguments(request, timeout)
        context, opened = begin_request(timeout, SizeLimit(self.most)), None
        try:
            opened = self._clients.begin()
            answer = self._clients.client(opened, key).ask(request, arguments)
            return self._reply(declared_as_text(answer), context.response, request.model)
        except Exception as error:
            self._explain(error, key, context.response, request.model)
            raise
        finally:
            context.response = None  # the context holds the context until the next one
            self._end(opened)

    async def asend(self, request: ChatRequest, key: ApiKey, timeout: float) -> Reply:
        """Ask and return the answer, in the running event loop."""
        await self._import_beside_loop(key)
        arguments, clients = self._arguments(request, timeout), self._async_clients.of_loop()
        context, opened = begin_request(timeout, SizeLimit(self.most)), None
        try:
            opened = clients.begin()
            answer = await clients.client(opened, key).ask(request, arguments)
            return self._reply(declared_as_text(answer), context.response, request.model)
        except Exception as error:
            self._explain(error, key, context.response, request.model)
            raise
        finally:
            context.response = None
            await self._aend(opened)

    def stream(
        self, request: ChatRequest, key: ApiKey, timeout: float, left: float | None = None
    ) -> Generator[str | Reply]:
        """Ask and yield the answer's text as it comes, then the whole reply."""
        arguments = self._stream_arguments(request, timeout)
        reader, opened = self.reader(self, request.model, timeout, left), None
        try:
            opened = self._clients.begin()
            for event in self._clients.client(opened, key).stream(**arguments):
                if piece := reader.read(event):
                    yield piece
                    reader.context.limit.renew()  # the caller's time is no silence
            yield reader.reply()
        except BaseException as error:
            self._explain_in_stream(error, key, reader)
            raise
        finally:
            if (response := reader.response) is not None:
                response.close()
            reader.context.response = None
            self._end(opened)

    async def astream(
        self, request: ChatRequest, key: ApiKey, timeout: float, left: float | None = None
    ) -> AsyncGenerator[str | Reply]:
        """Ask and yield the answer's text as it comes, in the running event loop, then the whole reply."""
        await self._import_beside_loop(key)
        arguments = self._stream_arguments(request, timeout)
        clients = self._async_clients.of_loop()
        reader, opened = self.reader(self, request.model, timeout, left), None
        limit = reader.context.limit
        try:
            opened = clients.begin()
            async with asyncio.timeout(limit.left):
                events = aiter(await clients.client(opened, key).stream(**arguments))
            while True:
                async with asyncio.timeout(limit.left):
                    event = await anext(events, None)
                if event is None:
                    break
                if piece := reader.read(event):
                    yield piece
                    limit.renew()  # the caller's time is no silence
            yield reader.reply()
        except BaseException as error:
            self._explain_in_stream(error, key, reader)
            raise
        finally:
            if (response := reader.response) is not None:
                await response.aclose()
            reader.context.response = None
            await self._aend(opened)

    def error_facts(self, error: Exception, model: str, key: ApiKey | None = None) -> ErrorFacts | None:
        """Return what *error* tells, without the text of *key*; ``None`` for arguments that can't be sent."""
        if key is not None:
            mask_in(error, key.secret)
        if isinstance(error, ErrorInReplyError):
            facts = error.facts
        elif isinstance(error, (*BAD_ARGUMENTS, JobAppError, Warning)):  # with python -W error
            return None
        else:
            facts = read_exception(error, self.provider, model)
            if facts.status is None:
                facts = self._unreached(error, facts, key)
        return facts_without(facts, key.secret) if key else facts

    def _unreached(self, error: Exception, facts: ErrorFacts, key: ApiKey | None) -> ErrorFacts:
        """Return *facts* with the words for why the server was not reached, where that is what happened."""
        from jobapp.providers.unreached import why_unreached

        why = why_unreached(error, self._address(key) if key else self._base_url)
        return replace(facts, message=why) if why else facts

    def _address(self, key: ApiKey) -> str:
        """Return where *key* is sent."""
        return key.base_url or self._base_url

    def close(self) -> None:
        """Close the synchronous clients, after the last request under way; a later call opens new ones."""
        if pool := self._clients.empty():
            pool.close()

    async def aclose(self) -> None:
        """Close the clients of the running event loop, and the synchronous ones, in the same manner."""
        if pool := self._async_clients.empty():
            await pool.aclose()
        self.close()

    def _end(self, opened: Opened | None) -> None:
        if opened is not None and (pool := opened.end()) is not None:
            pool.close()

    async def _aend(self, opened: Opened | None) -> None:
        if opened is not None and (pool := opened.end()) is not None:
            await pool.aclose()

    async def _import_beside_loop(self, key: ApiKey) -> None:
        """Let a thread make the first client, for the import of an SDK takes up to a second."""
        if self.sdk not in sys.modules:
            await asyncio.to_thread(self.warm_up, key)

    def _arguments(self, request: ChatRequest, timeout: float) -> dict[str, Any]:
        """Return *request* as the SDK's arguments."""
        raise NotImplementedError

    def _stream_arguments(self, request: ChatRequest, timeout: float) -> dict[str, Any]:
        """Return *request* as the SDK's arguments for a stream."""
        return self._arguments(request, timeout)

    def _reply(self, answer: Any, response: Any, model: str) -> Reply:
        """Return the SDK's answer as a reply, or raise the error it holds."""
        raise NotImplementedError

    def _open_pool(self) -> Any:
        raise NotImplementedError

    def _open_async_pool(self) -> Any:
        raise NotImplementedError

    def _open_client(self, pool: Any, key: ApiKey) -> Calls:
        raise NotImplementedError

    def _open_async_client(self, pool: Any, key: ApiKey) -> Calls:
        raise NotImplementedError

    def _options(self, request: ChatRequest) -> dict[str, Any]:
        """Return the provider's own arguments of *request*, a copy."""
        if not RESERVED.isdisjoint(request.options):
            names = ", ".join(sorted(RESERVED.intersection(request.options)))
            hint = f"; set deadline=… or providers.{self.provider}.timeout" if "timeout" in names else ""
            self._refuse(request.model, f"{names}: every call sets this itself{hint}")
        options = dict(request.options)
        check_headers(options.get("extra_headers"), f"{self.provider}: extra_headers")
        return options

    def _unreadable_errors(self) -> tuple[type[Exception], ...]:
        """Return what the SDK raises for an answer it can't read."""
        return BAD_ARGUMENTS

    def _refuse(self, model: str, why: str) -> NoReturn:
        """Say before sending what the provider can't do."""
        raise InvalidRequestError(f"{self.provider}: {why}", provider=self.provider, model=model)

    def _explain_in_stream(self, error: BaseException, key: ApiKey, reader: StreamReader) -> None:
        """Do so for a stream; let *error*, which may be its caller's end of it, tell the tokens so far."""
        error.usage_so_far = reader.usage_so_far()  # type: ignore[attr-defined]
        if isinstance(error, Exception):
            self._explain(error, key, reader.response, reader.model, reader.failing_event())

    def _explain(self, error: Exception, key: ApiKey, response: Any, model: str, event: Any = None) -> None:
        """Let *error* tell the response that came before it, and the whole *event* of a stream that it is in.

        SDKs often leave out status and headers, and of an event keep a part.

        Raises:
            ErrorInReplyError: The error is no rejection, but a response that can't be read.
            ConfigError: The SDK can't be imported, or the address redirects.
        """
        if isinstance(error, ImportError):
            fix = f"pip install --upgrade {self.distribution}"
            raise ConfigError(f"{self.provider}: its SDK is broken or too old ({error}); {fix}") from error
        if response is None:
            return
        if too_large := cause_of(error, AnswerTooLargeError):
            message = f"the answer is too large: {too_large} (providers.{self.provider}.max_answer)"
            raise reply_error(self.provider, model, response, message, message) from error
        if response.status_code in REDIRECTS:
            here, there = redact(self._address(key)), redact(response.headers.get("location") or "nowhere")
            place = f"the base_url of the key {key.name} in " if key.base_url else ""
            setting = f"providers.{self.provider}.{'keys' if key.base_url else 'base_url'}"
            raise ConfigError(
                f"{self.provider}: {here} redirects to {there}, where no key is sent unasked; "
                f"set {place}{setting} to the right address"
            ) from error
        if isinstance(error, self._unreadable_errors()):
            message = f"the answer can't be read: {type(error).__name__}: {error}"
            raise reply_error(self.provider, model, response, message, event) from error
        if getattr(error, "response", None) is None:
            error.response = response  # type: ignore[attr-defined]  # where status errors have it
            if hasattr(error, "body") and isinstance(event, dict):
                error.body = event


def declared_as_text(answer: Any) -> Any:
    """Return *answer*; where a server said that its JSON is text, the JSON."""
    if not isinstance(answer, str):
        return answer
    try:
        return json.loads(answer)
    except ValueError:
        return answer


def cause_of(error: BaseException | None, kind: type[Exception]) -> Exception | None:
    """Return the exception of that *kind* among *error* and what it was raised from."""
    while error is not None:
        if isinstance(error, kind):
            return error
        error = error.__cause__ or error.__context__
    return None
