"""Secrets: values that enter keys by keyed digest only, and are never shown."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

HIDDEN: Final = "•••"
_SECRET: Final = ("key", "token", "secret", "password", "passwd", "credential")


@lru_cache(maxsize=10_000)
def looks_secret(name: str) -> bool:
    """Whether a name looks as if its value must not be shown.

    Example:
        >>> looks_secret("API_TOKEN"), looks_secret("monkey_count")
        (True, False)
    """
    return any(word.startswith(_SECRET) for word in name.lower().split("_"))
