"""OpenRouter, on the OpenAI SDK, which it is made for (openrouter.ai/docs, quickstart, 2026-08)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from jobapp.domain.types import Usage
from jobapp.providers.fields import cost_told, field_of
from jobapp.providers.openai import OpenAIAdapter


class OpenRouterAdapter(OpenAIAdapter):
    """OpenRouter's chat completions: errors after work began come with status 200, in the answer."""

    # what the account's activity page calls the program
    headers: ClassVar[Mapping[str, str]] = {"X-OpenRouter-Title": "jobapp"}

    def usage_of(self, usage: Any) -> Usage:
        """Return what an answer cost, dollars too (openrouter.ai/docs, usage accounting, 2026-11)."""
        return replace(super().usage_of(usage), cost=cost_told(field_of(usage, "cost")))

    def is_failure(self, choice: Any) -> bool:
        """Return whether *choice* holds an error, its own or one of the model's host."""
        reasons = (field_of(choice, "finish_reason"), field_of(choice, "native_finish_reason"))
        return "error" in reasons or bool(field_of(choice, "error"))
