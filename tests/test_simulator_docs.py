"""The simulator's page shows its paths, faults and variables; ``python -m tests.test_simulator_docs`` writes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from jobapp.testing import Fault
from jobapp.testing.environment import ADDRESS_VARIABLES
from jobapp.testing.forms import ANTHROPIC, GOOGLE, OPENAI, OPENROUTER, Form
from jobapp.testing.routing import ROUTES, Route
from jobapp.testing.service_headers import SERVICE_METERS
from tests.test_error_docs import documented, table

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "simulator.md"
FORMS = {"OpenAI": OPENAI, "Anthropic": ANTHROPIC, "Gemini": GOOGLE, "OpenRouter": OPENROUTER}
NAMES = {"openai": "OpenAI", "anthropic": "Anthropic", "google": "Gemini", "openrouter": "OpenRouter"}


def path_of(route: Route) -> str:
    path = re.sub(r"\(\?:.*?\)\?", "beta", route.path).replace("{}", "ID")
    return f"`{route.method} {path}`"


def what_of(route: Route) -> str:
    told = (route.serve or type(route.wire)).__doc__ or ""
    first = told.partition("\n")[0].rstrip(".").replace("``", "`")
    if route.serve is None:
        return "return a vector for each text" if "mbed" in route.path else "return the model's answer"
    return first[0].lower() + first[1:]


def paths() -> str:
    rows = [
        [NAMES[route.wire.provider], path_of(route), what_of(route), "yes" if route.serve is None else "–"]
        for route in ROUTES
    ]
    return table(("Provider", "Path", "What it does", "Costs quota"), rows)


def status_of(fault: Fault, forms: Mapping[Fault, Form]) -> str:
    if fault is Fault.BAD_GATEWAY:
        return "502"
    return str(forms[fault].status) if fault in forms else "–"


def faults() -> str:
    told = {name.strip("`"): words for name, words in documented(Fault)}
    rows = [
        [f"`{fault.name}`", told[fault], *(status_of(fault, form) for form in FORMS.values())]
        for fault in Fault
    ]
    return table(("Fault", "What goes wrong", *FORMS), rows)


def variables() -> str:
    rows = [
        [f"`{name}`", NAMES[provider], f"`…{path}`" if path else "`…`"]
        for name, (provider, path) in ADDRESS_VARIABLES.items()
    ]
    return table(("Variable", "Provider", "Value"), rows)


def services() -> str:
    rows = [
        [
            f"`{service}`",
            *(
                f"`x-ratelimit-limit-{meters[meter][0]}`" if meter in meters else "–"
                for meter in ("requests", "day", "tokens")
            ),
        ]
        for service, meters in SERVICE_METERS.items()
    ]
    return table(("Service", "Requests a window", "Requests a day", "Tokens"), rows)


PARTS: dict[str, Callable[[], str]] = {
    "paths": paths,
    "faults": faults,
    "variables": variables,
    "services": services,
}


def with_parts(page: str) -> str:
    for name, make in PARTS.items():
        start, end = f"<!-- {name}: made from the code -->", f"<!-- end of {name} -->"
        before, _, rest = page.partition(start)
        page = f"{before}{start}\n{make()}\n{end}{rest.partition(end)[2]}"
    return page


def test_the_page_shows_what_there_is():
    page = PAGE.read_text(encoding="utf-8")
    assert with_parts(page) == page


if __name__ == "__main__":
    PAGE.write_text(with_parts(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
