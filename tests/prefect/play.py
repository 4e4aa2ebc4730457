"""Plays all snippets on one library and prints what each said, as JSON: `python play.py prefect`."""

from __future__ import annotations

import importlib
import json
import logging
import sys
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def play(library: str, snippets: Mapping[str, str]) -> dict[str, list[str]]:
    """What each snippet said; an error that it did not catch is its last word.

    Args:
        library: The package that stands for `prefect`.
        snippets: Name to code.
    """
    prefect = importlib.import_module(library)
    return {name: _said(prefect, library, code) for name, code in snippets.items()}


def _said(prefect: Any, library: str, code: str) -> list[str]:
    said: list[str] = []

    def say(*words: object) -> None:
        said.append(" ".join(map(str, words)))

    def value_of(state: Any) -> object:
        of = state.value if library == "nbflow" else state.result
        return of(raise_on_failure=False)

    names = {
        "prefect": prefect, "flow": prefect.flow, "task": prefect.task, "say": say, "value_of": value_of,
        "NAME": uuid.uuid4().hex,
    }  # fmt: skip
    text = (
        code
        if library == "prefect"
        else code.replace("from prefect.utilities.annotations", f"from {library}")
    )
    text = text.replace("from prefect", f"from {library}")
    try:
        exec(compile(text, "<snippet>", "exec"), names)
    except BaseException as error:  # what a snippet ends with is what is compared
        said.append(f"{type(error).__name__}: {error}".splitlines()[0])
    return said


def main() -> None:
    """Read the snippets from the input, play them, and print what they said."""
    logging.disable(logging.CRITICAL)
    print(json.dumps(play(sys.argv[1], json.load(sys.stdin))), flush=True)


if __name__ == "__main__":
    main()
