"""What the SDKs that Stainless generates have in common: how clients are made, and a short way through them.

``create`` walks all its parameters to bring what a caller may have written into the form of the wire, a tenth
to a quarter of a call's time. A request of plain text is in that form already, and ``post``, which ``create``
itself ends in and the SDKs' READMEs offer for other addresses, sends it as it is; given the whole address, it
joins no parts of it either. All else is the same: the headers, the time-out, the exceptions, and the class of
the answer, unless only its text is wanted: then its JSON is read as it is, which saves an eighth of a call.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib import import_module
from platform import platform
from typing import Any, ClassVar, NamedTuple

from jobapp.domain.types import ApiKey
from jobapp.providers.http_client import open_async_client, open_client
from jobapp.providers.sdk_adapter import Calls, SDKAdapter

PLAIN = frozenset({"model", "messages", "timeout", "max_tokens", "system", "stream_options"})
"""Arguments that adapters set themselves, in the form of the wire."""


class Endpoint(NamedTuple):
    """What an adapter asks of a client.

    Attributes:
        create: The SDK's method.
        path: The address that it posts to, beneath the base address.
        answer: The class of a whole answer.
        event: The class of a stream's events.
    """

    create: Callable[..., Any]
    path: str
    answer: type[Any]
    event: Any


class StainlessAdapter(SDKAdapter):
    """An adapter on an SDK whose clients are made and used as Stainless has it.

    These SDKs read headers and more from the environment; they would go out with every key, so a subclass
    takes them out of each client. What a caller wants to send so goes into ``extra_headers``.
    """

    client: ClassVar[str]
    """The class of its clients; that of event loops has ``Async`` before its name."""

    def _open_pool(self) -> Any:
        return open_client(self._part("DefaultHttpxClient"))

    def _open_async_pool(self) -> Any:
        return open_async_client(self._part("DefaultAsyncHttpxClient"))

    def _open_client(self, pool: Any, key: ApiKey) -> Calls:
        return self._calls(pool, key, "", self._address(key))

    def _open_async_client(self, pool: Any, key: ApiKey) -> Calls:
        return self._calls(pool, key, "Async", self._address(key))

    def _calls(self, pool: Any, key: ApiKey, kind: str, address: str) -> Calls:
        client = self._part(f"{kind}{self.client}")(
            api_key=key.secret,
            base_url=address,
            http_client=pool,
            max_retries=0,
            timeout=self._settings.timeout,
        )
        platform()  # the first request would ask the machine for it, in the middle of a fork perhaps
        endpoint = self._endpoint(client)
        post = partial(
            client.post,
            f"{address}{endpoint.path}",
            stream_cls=self._part(f"{kind}Stream")[endpoint.event],
        )
        create = endpoint.create
        post_for = partial(post, cast_to=endpoint.answer)
        return Calls(
            shortened(create, post_for),
            shortened(create, post_for, stream=True),
            client,
            shortened(create, partial(post, cast_to=object)),
        )

    def _endpoint(self, client: Any) -> Endpoint:
        """Take out of *client* what the environment put in, and return what is asked of it."""
        raise NotImplementedError

    def _part(self, name: str) -> Any:
        try:
            return getattr(import_module(self.sdk), name)
        except AttributeError as error:
            raise ImportError(f"{self.sdk} has no {name}") from error


def into_body(arguments: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """Return *arguments* with those that the SDK's signature does not know in the body of the request."""
    unknown = arguments.keys() - known
    if not unknown:
        return arguments
    body = {name: arguments.pop(name) for name in sorted(unknown)}
    return {**arguments, "extra_body": {**body, **(arguments.get("extra_body") or {})}}


@cache
def names_of(create: Callable[..., Any]) -> frozenset[str]:
    """Return the names of the arguments that an SDK's method takes."""
    return frozenset(inspect.signature(create).parameters) - {"self"}


def shortened(create: Callable[..., Any], post: Callable[..., Any], **fixed: Any) -> Callable[..., Any]:
    """Return what takes the arguments of *create* and sends plain text by *post*.

    Args:
        create: The SDK's method, for everything else.
        post: Takes ``body`` and ``options``, and knows address and classes.
        **fixed: Arguments that both are given: ``stream``.
    """

    def ask(**arguments: Any) -> Any:
        if not _is_plain(arguments):
            return create(**arguments, **fixed)
        timeout = arguments.pop("timeout")
        return post(body={**arguments, **fixed}, options={"timeout": timeout}, **fixed)

    return ask


def _is_plain(arguments: Mapping[str, Any]) -> bool:
    return (
        arguments.keys() <= PLAIN
        and isinstance(arguments.get("system", ""), str)
        and all(len(turn) == 2 and isinstance(turn["content"], str) for turn in arguments["messages"])  # noqa: PLR2004 - role and content
    )
