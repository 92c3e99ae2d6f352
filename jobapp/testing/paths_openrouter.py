"""What OpenRouter answers without asking a model: models, the key, credits, generations.

All fields that OpenRouter's own SDK (1.3.84), which checks answers, wants.
"""

from __future__ import annotations

from typing import Any

from jobapp.testing.http_values import Response
from jobapp.testing.meters import PAST, Room
from jobapp.testing.visit import Visit, told
from jobapp.testing.wire_openrouter import DOLLARS

CONTEXT = 131_072
CREDITS = 1000.0
NO_FREE_LIMIT = Room(1000, 1000, PAST)
"""What a key without a limit of its own has: openrouter.ai/docs, limits, 2026."""
GENERATION: dict[str, Any] = {
    "api_type": "completions",
    "app_id": None,
    "cache_discount": None,
    "cancelled": False,
    "data_region": "global",
    "external_user": None,
    "generation_time": 1,
    "http_referer": None,
    "is_byok": False,
    "latency": 1,
    "moderation_latency": None,
    "native_tokens_cached": 0,
    "native_tokens_completion_images": None,
    "native_tokens_reasoning": 0,
    "num_fetches": None,
    "num_input_audio_prompt": None,
    "num_media_completion": None,
    "num_media_prompt": None,
    "num_search_results": None,
    "origin": "",
    "preset_id": None,
    "provider_name": "Simulated",
    "provider_responses": None,
    "router": None,
    "service_tier": None,
    "upstream_id": None,
    "upstream_inference_cost": 0,
    "user_agent": None,
    "web_search_engine": None,
    "workspace_id": None,
}


def models(visit: Visit) -> Response:
    """Return the list of models."""
    rows = [_model(name) for name in visit.facts.models]
    return told({"data": rows, "total_count": len(rows), "links": {"next": None}})


def _model(name: str) -> dict[str, Any]:
    price = "0" if name.endswith(":free") else f"{DOLLARS:.6f}"
    modalities = {"input_modalities": ["text"], "output_modalities": ["text"]}
    return {
        "id": name,
        "canonical_slug": name,
        "hugging_face_id": None,
        "name": name,
        "created": 0,
        "description": "A simulated model.",
        "context_length": CONTEXT,
        "architecture": {"modality": "text->text", **modalities, "tokenizer": "Other", "instruct_type": None},
        "pricing": {"prompt": price, "completion": price, "request": "0", "image": "0"},
        "top_provider": {"context_length": CONTEXT, "max_completion_tokens": None, "is_moderated": False},
        "per_request_limits": None,
        "supported_parameters": [
            "max_tokens",
            "stop",
            "temperature",
            "tools",
            "tool_choice",
            "response_format",
        ],
        "supported_voices": None,
        "default_parameters": None,
        "links": {"details": f"/api/v1/models/{name}/endpoints"},
    }


def key(visit: Visit) -> Response:
    """Return what is known of the key; a request counts as a dollar of its limit."""
    day, free = visit.facts.day, visit.facts.free_day or NO_FREE_LIMIT
    used = day.limit - day.remaining if day else 0
    return told(
        {
            "data": {
                "label": "simulated",
                "limit": day and day.limit,
                "limit_remaining": day and day.remaining,
                "limit_reset": "daily" if day else None,
                "usage": used,
                "usage_daily": used,
                "usage_weekly": used,
                "usage_monthly": used,
                "byok_usage": 0,
                "byok_usage_daily": 0,
                "byok_usage_weekly": 0,
                "byok_usage_monthly": 0,
                "include_byok_in_limit": False,
                "is_free_tier": False,
                "is_management_key": False,
                "is_provisioning_key": False,
                "allowed_data_regions": [],
                "budgets": [],
                "effective_budget": None,
                "creator_user_id": "user_simulated",
                "organization_id": None,
                "workspace_id": None,
                "expires_at": None,
                "rate_limit": {"interval": "10s", "note": "This field is deprecated.", "requests": -1},
                "free_model_daily_requests": {
                    "used": free.limit - free.remaining,
                    "limit": free.limit,
                    "remaining": free.remaining,
                },
            }
        }
    )


def credits_left(visit: Visit) -> Response:
    """Return the balance: what all generations of the account cost is used."""
    used = sum(row["total_cost"] for row in visit.account.rows("gen-"))
    return told({"data": {"total_credits": CREDITS, "total_usage": round(used, 9)}})


def generation(visit: Visit) -> Response:
    """Return what one answer took."""
    name = visit.request.query.get("id", "")
    return told({"data": {**GENERATION, **visit.account.find(name, f"Generation {name} not found").row}})
