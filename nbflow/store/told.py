"""Paths as people tell them: from the working folder, or from home."""

from __future__ import annotations

import os
import re
from typing import Final

HERE: Final = "the working folder"


def told_path(path: str) -> str:
    """A path as short as it still leads there from the working folder; other paths stay.

    Args:
        path: It, or a text that is none.

    Example:
        >>> told_path(os.getcwd() + "/data/a.csv"), told_path(os.getcwd())
        ('data/a.csv', 'the working folder')
        >>> told_path("/srv/a.csv"), told_path("data/a.csv")
        ('/srv/a.csv', 'data/a.csv')
    """
    if not path.startswith("/"):
        return path
    for folder, instead in _folders():
        if path == folder:
            return instead or HERE
        if path.startswith(f"{folder}/"):
            return os.path.join(instead, path[len(folder) + 1 :])
    return path


def with_told_paths(text: str) -> str:
    """A text whose paths are told so; those of folders themselves stay.

    Example:
        >>> with_told_paths(f"reads {os.getcwd()}/own.txt, which it writes itself")
        'reads own.txt, which it writes itself'
    """
    for folder, instead in _folders():
        told = os.path.join(instead, "")
        text = re.sub(rf"(?<![^\s(]){re.escape(folder)}/(?=[^/\s])", lambda _, told=told: told, text)
    return text


def _folders() -> list[tuple[str, str]]:
    """Where paths are told from, and what stands for it."""
    try:
        here = os.getcwd()
    except OSError:  # it is removed
        here = ""
    # The root is no place to tell anything from.
    return [each for each in ((here, ""), (os.path.expanduser("~"), "~")) if each[0] not in ("", "/", "~")]
