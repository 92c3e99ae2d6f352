"""Options that mean the same everywhere, in each provider's words. Pure.

``temperature``, ``top_p``, ``max_tokens``, ``stop``, ``response_format``, ``tools`` and ``tool_choice`` are
written as OpenAI has them, and translated; all others go to the provider untouched. An option that nobody
knows, but whose name is nearly one that somebody does, is a slip, and is said before anything is sent.

Sources: the SDKs' signatures (openai 3.57, anthropic 2.14, google-genai 3.6), 2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from jobapp.domain.exceptions import ConfigError
from jobapp.providers.tools import functions_in

COMMON = (
    *("temperature", "top_p", "max_tokens", "max_completion_tokens", "stop"),
    *("response_format", "tools", "tool_choice"),
)

REASONING = re.compile(r"(?:^|/)(?:o\d|gpt-5)")
"""OpenAI's models that take ``max_completion_tokens`` only (API reference, chat completions, 2026-11)."""

Options = dict[str, Any]


def check_names(options: Mapping[str, Any], known: Collection[str], provider: str) -> None:
    """Raise where an option is nobody's and nearly one of the *known* names.

    Raises:
        ConfigError: It names the option, and what was most likely meant.
    """
    for name in options:
        if name not in known and (meant := get_close_matches(name, known, n=1, cutoff=0.8)):
            raise ConfigError(f"{provider}: unknown option {name!r}: did you mean {meant[0]!r}?")


def schema_of(response_format: Any) -> tuple[str, Mapping[str, Any]] | None:
    """Return name and JSON schema of a ``response_format``: OpenAI's form, or a pydantic class."""
    if hasattr(response_format, "model_json_schema"):
        return response_format.__name__, response_format.model_json_schema()
    if not isinstance(response_format, Mapping) or response_format.get("type") != "json_schema":
        return None
    inner = response_format.get("json_schema")
    if not isinstance(inner, Mapping) or not isinstance(inner.get("schema"), Mapping):
        raise ConfigError('response_format: "json_schema" must hold a name and a schema')
    return str(inner.get("name") or "answer"), inner["schema"]


def for_openai(options: Options, model: str) -> Options:
    """Return *options* as OpenAI's chat completions have them."""
    if REASONING.search(model) and "max_tokens" in options:
        options.setdefault("max_completion_tokens", options.pop("max_tokens"))
    wanted = options.get("response_format")
    if wanted is not None and not isinstance(wanted, Mapping) and (found := schema_of(wanted)):
        name, schema = found
        options["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": name, "schema": schema},
        }
    return options


def for_anthropic(options: Options) -> Options:
    """Return *options* as Anthropic's messages have them.

    Raises:
        ConfigError: A JSON object without a schema is asked for, which Anthropic has no word for.
    """
    if "max_completion_tokens" in options:
        options.setdefault("max_tokens", options.pop("max_completion_tokens"))
    if "stop" in options:
        stop = options.pop("stop")
        options.setdefault("stop_sequences", [stop] if isinstance(stop, str) else stop)
    if "response_format" in options and (wanted := options.pop("response_format")) is not None:
        options.setdefault("output_config", {"format": _anthropic_format(wanted)})
    if (functions := functions_in(options.get("tools"))) is not None:
        options["tools"] = [_anthropic_tool(function) for function in functions]
    if "parallel_tool_calls" in options and options.pop("parallel_tool_calls") is False:
        options.setdefault("tool_choice", "auto")
        options["tool_choice"] = {
            **_anthropic_choice(options["tool_choice"]),
            "disable_parallel_tool_use": True,
        }
    elif "tool_choice" in options:
        options["tool_choice"] = _anthropic_choice(options["tool_choice"])
    return options


def _anthropic_format(wanted: Any) -> Mapping[str, Any]:
    found = schema_of(wanted)
    if found is None:
        raise ConfigError(
            "response_format: anthropic answers with JSON by a schema only: "
            '{"type": "json_schema", "json_schema": {"name": …, "schema": …}}, or a pydantic class'
        )
    return {"type": "json_schema", "schema": closed(found[1])}


def closed(schema: Any) -> Any:
    """Return *schema* with objects that take no other properties, as strict modes want it."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    inner = {name: closed(each) for name, each in schema.items()}
    return {**inner, "additionalProperties": False} if schema.get("type") == "object" else inner


def _anthropic_tool(function: Mapping[str, Any]) -> Mapping[str, Any]:
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    described = {"description": function["description"]} if function.get("description") else {}
    return {"name": function.get("name"), **described, "input_schema": schema}


def _anthropic_choice(choice: Any) -> dict[str, Any]:
    if isinstance(choice, str):
        return {"type": {"required": "any"}.get(choice, choice)}
    function = choice.get("function") if isinstance(choice, Mapping) else None
    return {"type": "tool", "name": function["name"]} if isinstance(function, Mapping) else dict(choice)


def for_gemini(options: Options, schema_field: str, parameters_field: str) -> Options:
    """Return *options* as Gemini's ``GenerateContentConfig`` has them.

    Args:
        options: As they were given.
        schema_field: What the SDK calls the JSON schema of an answer.
        parameters_field: What it calls the JSON schema of a function's parameters.
    """
    for name in ("max_tokens", "max_completion_tokens"):
        if name in options:
            options.setdefault("max_output_tokens", options.pop(name))
    if "stop" in options:
        stop = options.pop("stop")
        options.setdefault("stop_sequences", [stop] if isinstance(stop, str) else stop)
    if "response_format" in options and (wanted := options.pop("response_format")) is not None:
        options.setdefault("response_mime_type", "application/json")
        if found := schema_of(wanted):
            options.setdefault(schema_field, found[1])
    if (functions := functions_in(options.get("tools"))) is not None:
        declared = [_declaration(function, parameters_field) for function in functions]
        options["tools"] = [{"function_declarations": declared}]
    if "tool_choice" in options:
        options.setdefault(
            "tool_config", {"function_calling_config": _gemini_choice(options.pop("tool_choice"))}
        )
    return options


def _declaration(function: Mapping[str, Any], parameters_field: str) -> Mapping[str, Any]:
    told = {name: function[name] for name in ("name", "description") if function.get(name)}
    parameters = function.get("parameters")
    return {**told, parameters_field: parameters} if parameters else told


def _gemini_choice(choice: Any) -> Mapping[str, Any]:
    if isinstance(choice, str):
        return {"mode": {"required": "ANY", "none": "NONE"}.get(choice, "AUTO")}
    function = choice.get("function") if isinstance(choice, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    return {"mode": "ANY", "allowed_function_names": [name]} if name else dict(choice)
