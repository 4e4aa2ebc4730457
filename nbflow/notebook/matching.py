"""What IPython's completer asks about headers and commands; what knows the words is imported when it asks."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from IPython.core import completer

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.notebook.session import Session


def matcher(session: Callable[[], Session]) -> Any:
    """A matcher for IPython's completer.

    Args:
        session: Gives the session, whose tasks are completed.
    """
    ipython: Any = completer  # its decorators tell no types

    def nbflow_matcher(context: Any) -> dict[str, Any]:
        line = context.line_with_cursor[: context.cursor_position]
        words = importlib.import_module("nbflow.notebook.completion").words_for(line, session)
        found = [word for word in words if word.startswith(context.token)]
        # Names of the namespace mean nothing in such a line.
        return {
            "completions": [ipython.SimpleCompletion(text=word) for word in found],
            "suppress": bool(found),
        }

    return ipython.context_matcher()(nbflow_matcher)
