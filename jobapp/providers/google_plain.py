"""A short way through google-genai for a request of plain text.

The SDK brings each request into the form of the wire by way of three models, a quarter of a call's time.
Plain text is in that form already. Here it goes to the SDK's own sender, and the answer through the SDK's
own reader: headers, time-outs, exceptions and the class of the answer are the same. Sender and reader have
private names (google-genai 1.50 to 3.6); where a version has others, its public methods are used.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from jobapp.providers.sdk_adapter import Calls

WHOLE, STREAMED = "generateContent", "streamGenerateContent?alt=sse"

_SAMPLE: dict[str, Any] = {"candidates": [{"content": {"parts": [{"text": "Hello"}]}}], "usageMetadata": {}}
"""Read once beforehand: the SDK builds its models at the first answer, in the middle of a fork perhaps."""

Reader = Callable[[Any], Any]
"""Makes the SDK's answer of its HTTP response."""


def shortened(client: Any) -> Calls:
    """Return the calls of *client* in a thread."""
    models, found = client.models, _sender_and_reader(client, "request", "request_streamed")
    if found is None:
        return Calls(models.generate_content, models.generate_content_stream, client)
    send, send_streamed, read = found

    def create(**asked: Any) -> Any:
        if (plain := _plain(WHOLE, **asked)) is None:
            return models.generate_content(**asked)
        return read(send("post", *plain))

    def stream(**asked: Any) -> Iterator[Any]:
        if (plain := _plain(STREAMED, **asked)) is None:
            return iter(models.generate_content_stream(**asked))
        return map(read, send_streamed("post", *plain))

    return Calls(create, stream, client)


def ashortened(client: Any) -> Calls:
    """Return the calls of *client* in an event loop."""
    models, found = client.aio.models, _sender_and_reader(client, "async_request", "async_request_streamed")
    if found is None:
        return Calls(models.generate_content, models.generate_content_stream, client)
    send, send_streamed, read = found

    async def create(**asked: Any) -> Any:
        if (plain := _plain(WHOLE, **asked)) is None:
            return await models.generate_content(**asked)
        return read(await send("post", *plain))

    async def stream(**asked: Any) -> AsyncIterator[Any]:
        if (plain := _plain(STREAMED, **asked)) is None:
            events: AsyncIterator[Any] = await models.generate_content_stream(**asked)
            return events
        return _aread(read, await send_streamed("post", *plain))

    return Calls(create, stream, client)


async def _aread(read: Reader, responses: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for response in responses:
        yield read(response)


def _sender_and_reader(client: Any, *senders: str) -> tuple[Any, Any, Reader] | None:
    from google.genai import models, types

    try:
        send, send_streamed = (getattr(client._api_client, name) for name in senders)  # noqa: SLF001 (see above)
        of_wire = models._GenerateContentResponse_from_mldev  # noqa: SLF001
        make = types.GenerateContentResponse._from_response  # noqa: SLF001
    except AttributeError:
        return None

    def read(response: Any) -> Any:
        body = json.loads(response.body) if response.body else {}
        answer = make(response=of_wire(body), kwargs={})
        answer.sdk_http_response = types.HttpResponse(headers=response.headers)
        return answer

    make(response=of_wire(_SAMPLE), kwargs={})
    return send, send_streamed, read


def _plain(method: str, *, model: str, contents: Any, config: Any) -> tuple[str, dict[str, Any]] | None:
    """Return path and body of one turn of text to a model that is called by its mere name, else ``None``."""
    if config is not None or not isinstance(contents, dict) or "/" in model:
        return None
    if any(part.keys() != {"text"} for part in contents["parts"]):
        return None
    return f"models/{model}:{method}", {"contents": [contents]}
