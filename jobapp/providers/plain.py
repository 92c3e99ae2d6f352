"""The short way through an SDK, for requests that hold nothing but text.

``create`` walks all its parameters to bring what a caller may have written into the form of the wire, a tenth
to a quarter of a call's time. A request of plain text is in that form already, and ``post``, which ``create``
itself ends in and the SDKs' READMEs offer for other addresses, sends it as it is; given the whole address, it
joins no parts of it either. All else is the same: the headers, the time-out, the exceptions, and the class of
the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

PLAIN = frozenset({"model", "messages", "timeout", "max_tokens", "system", "stream_options"})
"""Arguments that adapters set themselves, in the form of the wire."""


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
