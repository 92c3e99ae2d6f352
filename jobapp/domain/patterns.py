"""Regular expressions that are compiled at first use, so that importing them costs nothing."""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache(maxsize=1024)
def compiled(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """Return *pattern* ready for use; :mod:`re` keeps fewer than the table has."""
    return re.compile(pattern, flags)
