"""From files and environment to frozen settings: what ``ConfigManager`` is made of."""
