"""Test a program that uses jobapp, or any provider's SDK, without a network and without a real key.

In pytest, with the fixtures that come with the package::

    def test_a_spent_key_is_left_alone(llm_simulator):
        llm_simulator.add_key("openai", "sk-one", per_day=1)    # sets OPENAI_API_KEY
        llm_simulator.add_key("openai", "sk-two")               # sets OPENAI_API_KEY_BACKUP_1
        assert my_program("Hello") == my_program("Hello") == "echo: Hello"
        assert llm_simulator.requests("openai", "sk-one") == 2

Anywhere else, ``with Simulator() as sim:``. Real time is the default; a :class:`FakeClock` makes a day pass
at once. What goes wrong is a :class:`Fault`; what the model says a text, a :class:`ToolCall`, a
:class:`Thinking`, a :class:`Refusal` or an :class:`Answer`, alike for every provider; a :class:`Response`
replays what a provider once said.

Nothing is imported before it is asked for, so that the pytest plugin costs other test runs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobapp.testing.clock import FakeClock as FakeClock
    from jobapp.testing.faults import Fault as Fault
    from jobapp.testing.faults import Trouble as Trouble
    from jobapp.testing.holds import Hold as Hold
    from jobapp.testing.http_values import Request as Request
    from jobapp.testing.http_values import Response as Response
    from jobapp.testing.key import SimulatedKey as SimulatedKey
    from jobapp.testing.network import NetworkBlockedError as NetworkBlockedError
    from jobapp.testing.quota import Quota as Quota
    from jobapp.testing.simulator import Simulator as Simulator
    from jobapp.testing.steps import Answer as Answer
    from jobapp.testing.steps import Refusal as Refusal
    from jobapp.testing.steps import Thinking as Thinking
    from jobapp.testing.steps import ToolCall as ToolCall

_HOMES = {
    "Answer": "steps",
    "FakeClock": "clock",
    "Fault": "faults",
    "Hold": "holds",
    "NetworkBlockedError": "network",
    "Quota": "quota",
    "Refusal": "steps",
    "Request": "http_values",
    "Response": "http_values",
    "SimulatedKey": "key",
    "Simulator": "simulator",
    "Thinking": "steps",
    "ToolCall": "steps",
    "Trouble": "faults",
}

__all__ = list(_HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
