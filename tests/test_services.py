"""Services by name: a variable is all that each needs. The page about them is made from the data.

python -m tests.test_services      writes the page anew
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobapp import LLMInterface, MissingKeyError, ProviderError
from jobapp.__main__ import main
from jobapp.commands.exit_codes import KEY as NO_GOOD_KEY
from jobapp.providers import PROVIDERS, SERVICES, canonical_name
from jobapp.testing import Fault, Response, Simulator
from tests.service_refusals import REFUSALS, Refusal

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "services.md"
KEY = "sk-a-service-0001"


def row(spec):
    keys = [*(f"`{prefix}_API_KEY`" for prefix in spec.key_prefixes), *(f"`{v}`" for v in spec.key_variables)]
    names = ", ".join(f"`{name}`" for name in (spec.name, *spec.aliases))
    needed = " or ".join(keys) if spec.needs_key else "none needed"
    cells = (names, needed, f"`{spec.base_url}`", f"`{spec.base_url_env}`", spec.reset_timezone, spec.source)
    return f"| {' | '.join(cells)} |"


def page():
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition("<!-- services -->\n")
    _, _, tail = rest.partition("<!-- end of services -->\n")
    table = "\n".join(
        ["| name | keys in | address | overridden by | day ends in | source |", "|---" * 6 + "|"]
    )
    rows = "\n".join(map(row, SERVICES.values()))
    return f"{head}<!-- services -->\n{table}\n{rows}\n<!-- end of services -->\n{tail}"


def test_the_page_shows_the_services_as_they_are():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tests.test_services`"


@pytest.fixture
def serve(monkeypatch, tmp_path):
    """Return what plays a service: the simulator, at the address that its variable overrides."""
    with Simulator() as simulator:
        monkeypatch.setenv("JOBAPP_CACHE_DIR", str(tmp_path))
        monkeypatch.chdir(tmp_path)

        def play(name, secret=KEY):
            monkeypatch.setenv(SERVICES[name].base_url_env, simulator.environ()["OPENAI_BASE_URL"])
            return simulator.add_key("openai", secret)

        yield play


@pytest.mark.parametrize("name", SERVICES)
def test_a_variable_is_all_that_a_service_needs(name, serve, monkeypatch):
    spec = SERVICES[name]
    serve(name)
    monkeypatch.setenv(f"{spec.key_prefixes[-1]}_API_KEY", KEY)
    with LLMInterface() as llm:
        done = llm.complete("Hello", provider=name, model="a-model")
        assert (done.provider, done.key) == (name, f"{spec.key_prefixes[-1]}_API_KEY")
        assert name in {status.provider for status in llm.key_status()}


@pytest.mark.parametrize(
    "spec", [s for s in SERVICES.values() if s.key_variables], ids=lambda spec: spec.name
)
def test_a_variable_of_another_name_is_found_too(spec, serve, monkeypatch):
    serve(spec.name)
    monkeypatch.setenv(spec.key_variables[0], KEY)
    with LLMInterface() as llm:
        assert llm.complete("Hello", provider=spec.name, model="m").key == spec.key_variables[0]


@pytest.mark.parametrize("name", [name for name, spec in SERVICES.items() if not spec.needs_key])
def test_a_server_on_this_machine_is_asked_without_a_key(name, serve):
    serve(name, "not-needed")
    with LLMInterface() as llm:
        assert llm.send_prompt("Hello", provider=name, model="m")


def test_a_service_without_its_key_names_the_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("JOBAPP_CACHE_DIR", str(tmp_path))
    with (
        LLMInterface() as llm,
        pytest.raises(MissingKeyError, match="No API keys available for groq: set GROQ_API_KEY"),
    ):
        llm.send_prompt("Hello", provider="groq", model="m")


@pytest.mark.parametrize(
    ("fault", "state"),
    [(Fault.SPENT_DAY, "quota"), (Fault.BAD_KEY, "auth"), (Fault.BUSY_MINUTE, "rate_limit")],
)
def test_a_services_no_goes_on_with_its_next_key(fault, state, serve, monkeypatch):
    serve("groq").fail(fault)
    serve("groq", "sk-a-service-0002")
    monkeypatch.setenv("GROQ_API_KEYS", f"{KEY},sk-a-service-0002")
    with LLMInterface() as llm:
        done = llm.complete("Hello", provider="groq", model="m", max_retries=0)
        assert done.key == "GROQ_API_KEYS[2]"
        assert state in {status.state for status in llm.key_status()}


@pytest.mark.parametrize(
    "refusal", REFUSALS, ids=[f"{at}-{each.service}-{each.kind}" for at, each in enumerate(REFUSALS)]
)
def test_a_services_own_no_is_understood_through_the_sdk(refusal: Refusal, serve, monkeypatch):
    body = refusal.body if isinstance(refusal.body, str) else json.dumps(refusal.body)
    key = serve(refusal.service)
    key.script([Response(refusal.status, refusal.headers, body)])
    monkeypatch.setenv(f"{SERVICES[refusal.service].key_prefixes[0]}_API_KEY", KEY)
    with LLMInterface() as llm, pytest.raises(ProviderError) as raised:
        llm.send_prompt("Hello", provider=refusal.service, model="m", retry=False)
    verdict = raised.value.verdict
    assert verdict is not None
    assert verdict.kind is refusal.kind, verdict
    assert key.requests == 1


@pytest.mark.parametrize("name", [name for name, spec in SERVICES.items() if spec.needs_key])
def test_the_keys_of_a_service_can_be_checked(name, serve, monkeypatch, capsys):
    serve(name)
    monkeypatch.setenv(f"{SERVICES[name].key_prefixes[0]}_API_KEYS", f"{KEY},sk-a-service-0009")
    assert main(["check", "--json", "--provider", name]) == NO_GOOD_KEY
    assert [row["state"] for row in json.loads(capsys.readouterr().out)["keys"]] == ["good", "bad"]


def test_no_name_means_two():
    names = [
        name for spec in (*SERVICES.values(), *PROVIDERS.values()) for name in (spec.name, *spec.aliases)
    ]
    assert len(names) == len(set(names))
    assert all(canonical_name(spec.name) == spec.name for spec in SERVICES.values())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
