"""The message that the events of an Anthropic stream tell, of whatever its blocks are."""

from __future__ import annotations

from types import SimpleNamespace as Event

from jobapp.providers.anthropic import message_of


def delta(index, **fields):
    return Event(type="content_block_delta", index=index, delta=Event(**fields))


def test_every_kind_of_block_is_put_together():
    events = [
        Event(
            type="message_start",
            message=Event(content=[], stop_reason=None, stop_sequence=None, usage=Event(output_tokens=1)),
        ),
        Event(type="content_block_start", content_block=Event(type="thinking", thinking="", signature="")),
        delta(0, type="thinking_delta", thinking="Let me "),
        delta(0, type="thinking_delta", thinking="see."),
        delta(0, type="signature_delta", signature="signed"),
        Event(type="content_block_start", content_block=Event(type="text", text="", citations=None)),
        delta(1, type="text_delta", text="It is "),
        delta(1, type="text_delta", text="so."),
        delta(1, type="citations_delta", citation="page 1"),
        delta(1, type="citations_delta", citation="page 2"),
        Event(type="content_block_start", content_block=Event(type="tool_use", input={})),
        delta(2, type="input_json_delta", partial_json='{"city": '),
        delta(2, type="input_json_delta", partial_json='"Paris"}'),
        Event(type="content_block_stop", index=2),
        Event(
            type="message_delta",
            delta=Event(stop_reason="tool_use", stop_sequence=None),
            usage=Event(output_tokens=9),
        ),
        Event(type="message_stop"),
    ]
    message = message_of(events)
    thinking, text, tool = message.content
    assert (thinking.thinking, thinking.signature) == ("Let me see.", "signed")
    assert (text.text, text.citations) == ("It is so.", ["page 1", "page 2"])
    assert tool.input == {"city": "Paris"}
    assert (message.stop_reason, message.usage.output_tokens) == ("tool_use", 9)
