"""Many prompts with all the keys."""
