"""How a Redis or Valkey server is reached."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from importlib.resources import files
from queue import Empty, SimpleQueue
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

from jobapp.domain.exceptions import ConfigError, StateStoreError

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds without a try after a failure: doubled with each, up to the longest."""

_Value = TypeVar("_Value")


class ServerError(Exception):
    """The server can't be reached, or rejects."""


class Connection:
    """A client of the server, which connects when it is first used.

    Args:
        url: As redis-py reads it.
        namespace: What all names begin with.
        timeout: Seconds that an exchange may take.

    Attributes:
        client: redis-py's.
        prefix: What all names on the server begin with.

    Raises:
        StateStoreError: if redis-py is not installed.
        ConfigError: if *url* can't be read.
    """

    def __init__(self, url: str, namespace: str, timeout: float) -> None:
        self.client = open_client(url, timeout)
        import redis

        self.prefix = prefix_of(namespace)
        self._timeout = timeout
        self._errors = (redis.RedisError, OSError)

    def script(self, name: str) -> Any:
        """Return the script of that name beside this module; it is called with keys and arguments."""
        return self.client.register_script(files(__package__).joinpath(name).read_text())

    def in_time(self, work: Callable[[], _Value]) -> _Value:
        """Do *work*, which talks to the server, and wait for it no longer than the time-out.

        redis-py limits each read by itself, and a server may send byte after byte; so a thread does it.

        Raises:
            ServerError: if the server can't be reached, or rejects.
        """
        answers: SimpleQueue[_Value | Exception] = SimpleQueue()

        def ask() -> None:
            try:
                answers.put(work())
            except Exception as error:  # noqa: BLE001 - whatever a server says that is no Redis server
                answers.put(error)

        try:
            threading.Thread(target=ask, name="jobapp-redis", daemon=True).start()
        except RuntimeError:  # the interpreter ends, and starts no more threads
            ask()
        try:
            answer = answers.get(timeout=self._timeout)
        except Empty:
            self.close()  # which ends the thread's waiting
            raise ServerError(f"no answer within {self._timeout:g} seconds") from None
        if isinstance(answer, Exception):
            raise self._explained(answer) from answer
        return answer

    def _explained(self, error: Exception) -> ServerError:
        if isinstance(error, self._errors):
            return ServerError(f"{type(error).__name__}: {error}")
        return ServerError(f"what answers is no Redis server, or not its data ({type(error).__name__})")

    def close(self) -> None:
        """Release the connection; the next exchange makes another."""
        self.client.connection_pool.disconnect()


def open_client(url: str, timeout: float) -> Any:
    """Return redis-py's client, which connects when it is first used.

    Args:
        url: As redis-py reads it.
        timeout: Seconds that it waits for an answer.

    Raises:
        StateStoreError: if redis-py is not installed.
        ConfigError: if *url* can't be read.
    """
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as error:
        raise StateStoreError(
            f"state.url names the server {without_secrets(url)}, and the package redis is not installed: "
            "pip install '.[redis]' in jobapp's folder"
        ) from error
    limits = {"socket_timeout": timeout}
    if not url.startswith("unix:"):
        limits["socket_connect_timeout"] = timeout
    try:
        # a library that tries again by itself would make a call wait twice
        client = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **limits)
        client.connection_pool.make_connection()  # connects to nothing, but reads the options
    except (ValueError, TypeError):
        # redis-py's own words may hold the password
        raise ConfigError(
            "state.url (or JOBAPP_STATE_URL) can't be read: write redis://user:password@host:6379/0, "
            "with what is special in the password as %XX, or unix:///path/to/socket"
        ) from None
    return client


def prefix_of(namespace: str) -> str:
    """Return what all names on the server begin with; braces keep them in one slot of a cluster."""
    return f"{{{namespace}}}:"


def without_secrets(url: str) -> str:
    """Return *url* for people: without user, password and options."""
    return re.sub("//.*@", "//", url.partition("?")[0])


def take_option(url: str, name: str) -> tuple[str, str | None]:
    """Return *url* without its option *name*, and the option's value."""
    address, _, query = url.partition("?")
    options = dict(parse_qsl(query))
    value = options.pop(name, None)
    return (f"{address}?{urlencode(options)}" if options else address), value


def text_of(value: bytes | str) -> str:
    """Return what the server said as text, whatever the URL asks redis-py for."""
    return value if isinstance(value, str) else value.decode(errors="replace")
