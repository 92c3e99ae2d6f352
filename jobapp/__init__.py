"""Call LLM providers with several API keys: it tells a busy minute from a spent day, and remembers."""

__version__ = "0.1.0"
