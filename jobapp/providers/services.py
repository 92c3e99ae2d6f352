"""Services that speak OpenAI's protocol, by name: where they are, which variables hold their keys. Data only.

With a row here ``provider="groq"`` and ``GROQ_API_KEY`` in the environment are enough. Limits are not in it:
they go stale, and are learnt. Addresses and variables are those of the services' own pages and of the
registry models.dev, both read in 2026-10 and 2026-11.
"""

from __future__ import annotations

from jobapp.providers.spec import OPENAI_COMPATIBLE, ProviderSpec

CHINA = "Asia/Shanghai"


def _service(
    name: str,
    base_url: str,
    *prefixes: str,
    aliases: tuple[str, ...] = (),
    key_variables: tuple[str, ...] = (),
    reset_timezone: str = "UTC",
    source: str,
    needs_key: bool = True,
    reserves_max_tokens: bool = False,
) -> ProviderSpec:
    prefixes = prefixes or (name.upper().replace("-", "_"),)
    return ProviderSpec(
        name=name,
        adapters=(OPENAI_COMPATIBLE,),
        key_prefixes=prefixes,
        base_url=base_url,
        base_url_env=f"{prefixes[0]}_BASE_URL",
        default_model="",
        reset_timezone=reset_timezone,
        aliases=aliases,
        reserves_max_tokens=reserves_max_tokens,
        key_variables=key_variables,
        needs_key=needs_key,
        source=source,
    )


SERVICES: dict[str, ProviderSpec] = {
    spec.name: spec
    for spec in (
        _service("groq", "https://api.groq.com/openai/v1", source="console.groq.com/docs/openai"),
        _service(
            "cerebras",
            "https://api.cerebras.ai/v1",
            source="inference-docs.cerebras.ai/resources/openai",
            reserves_max_tokens=True,  # inference-docs.cerebras.ai/support/rate-limits
        ),
        _service("mistral", "https://api.mistral.ai/v1", source="docs.mistral.ai/api"),
        _service(
            "deepseek", "https://api.deepseek.com", source="api-docs.deepseek.com", reset_timezone=CHINA
        ),
        _service(
            "together", "https://api.together.xyz/v1", source="docs.together.ai", aliases=("togetherai",)
        ),
        _service(
            "fireworks",
            "https://api.fireworks.ai/inference/v1",
            source="docs.fireworks.ai",
            aliases=("fireworks-ai",),
        ),
        _service("xai", "https://api.x.ai/v1", source="docs.x.ai", aliases=("grok",)),
        _service(
            "nvidia", "https://integrate.api.nvidia.com/v1", source="docs.api.nvidia.com", aliases=("nim",)
        ),
        _service(
            "github-models",
            "https://models.github.ai/inference",
            "GITHUB_MODELS",
            key_variables=("GITHUB_TOKEN",),
            source="docs.github.com/github-models (announced to end 2026-07-30)",
        ),
        _service(
            "huggingface",
            "https://router.huggingface.co/v1",
            "HUGGINGFACE",
            "HF",
            aliases=("hf",),
            key_variables=("HF_TOKEN", "HUGGINGFACEHUB_API_TOKEN"),
            source="huggingface.co/docs/inference-providers",
        ),
        _service("sambanova", "https://api.sambanova.ai/v1", source="docs.sambanova.ai"),
        _service(
            "moonshot",
            "https://api.moonshot.ai/v1",
            "MOONSHOT",
            "KIMI",
            aliases=("kimi",),
            reset_timezone=CHINA,
            source="platform.moonshot.ai/docs",
        ),
        _service(
            "zhipu",
            "https://open.bigmodel.cn/api/paas/v4",
            "ZHIPU",
            "ZHIPUAI",
            "ZAI",
            aliases=("zhipuai", "zai", "bigmodel"),
            reset_timezone=CHINA,
            source="docs.bigmodel.cn; abroad set ZHIPU_BASE_URL=https://api.z.ai/api/paas/v4 (docs.z.ai)",
        ),
        _service(
            "dashscope",
            "https://dashscope.aliyuncs.com/compatible-mode/v1",
            aliases=("qwen", "alibaba"),
            reset_timezone=CHINA,
            source="help.aliyun.com/model-studio; abroad DASHSCOPE_BASE_URL with dashscope-intl.aliyuncs.com",
        ),
        _service(
            "siliconflow", "https://api.siliconflow.cn/v1", source="docs.siliconflow.cn", reset_timezone=CHINA
        ),
        _service("perplexity", "https://api.perplexity.ai", source="docs.perplexity.ai"),
        _service(
            "cohere",
            "https://api.cohere.ai/compatibility/v1",
            source="docs.cohere.com/docs/compatibility-api",
        ),
        _service(
            "digitalocean",
            "https://inference.do-ai.run/v1",
            key_variables=("DIGITALOCEAN_ACCESS_TOKEN",),
            source="docs.digitalocean.com, 2026-07-13",
        ),
        _service(
            "ollama",
            "http://localhost:11434/v1",
            source="docs.ollama.com/openai; in the cloud OLLAMA_BASE_URL=https://ollama.com/v1",
            needs_key=False,
        ),
        _service("lmstudio", "http://localhost:1234/v1", source="lmstudio.ai/docs", needs_key=False),
        _service("vllm", "http://localhost:8000/v1", source="docs.vllm.ai", needs_key=False),
    )
}
"""The services, by canonical name. Azure and Cloudflare are not here: their addresses hold an account's name,
which ``providers.<name>.base_url`` says."""
