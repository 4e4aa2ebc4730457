"""What surrounds the body of a cell wherever it runs: what `nbflow.context` shows, where its prints go.

A cell that awaits runs in context variables of its own, where NumPy and `decimal` keep their settings.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from nbflow.engine.libraries import LIBRARIES
from nbflow.engine.loops import shown
from nbflow.running.logs import logger_of_call, prints_of
from nbflow.running.runs import Run

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from contextlib import AbstractContextManager

    from nbflow.engine.effects import Call
    from nbflow.engine.stateful import States

_BROUGHT: Final[ContextVar[object]] = ContextVar("nbflow_brought", default=None)


class LeftSettings:
    """The settings of libraries that a cell which awaits has left, for those below it.

    Args:
        states: The states of the process.

    Example:
        >>> import decimal
        >>> from contextvars import copy_context
        >>> from nbflow.engine.stateful import States
        >>> left = LeftSettings(States())
        >>> def cell_that_awaits():
        ...     decimal.setcontext(decimal.Context(prec=5))
        ...     left.note()
        >>> copy_context().run(cell_that_awaits)
        >>> before = decimal.getcontext().prec
        >>> left.begin()
        >>> before, decimal.getcontext().prec
        (28, 5)
    """

    def __init__(self, states: States) -> None:
        self._states = states
        self._left: Mapping[str, object] | None = None

    def note(self) -> None:
        """Such a cell ends, or has been given settings of its own."""
        with suppress(Exception):  # libraries are not ours
            self._left = self._now()

    @contextmanager
    def noted(self) -> Generator[None]:
        """For a block between two cells, whose context may be an old one: what it changes is left."""
        before: Mapping[str, object] | None = None
        with suppress(Exception):
            before = self._now()
        try:
            yield
        finally:
            with suppress(Exception):
                if self._now() != before:
                    self.note()

    def _now(self) -> Mapping[str, object]:
        now = self._states.settings(anew=True)
        return {key: state for key, state in now.items() if LIBRARIES[key].in_context}

    def begin(self) -> None:
        """A cell begins: what the last one found is the notebook's own by now, or was lost with it."""
        if _BROUGHT.get() is self._left:
            self._left = None
        self.bring()

    def bring(self) -> None:
        """Put them where the present cell finds them, unless they have been put there already."""
        left = self._left
        if left is None or _BROUGHT.get() is left:
            return
        _BROUGHT.set(left)
        with suppress(Exception):
            now = self._states.settings(anew=True)
            for key in [key for key in left if left[key] != now.get(key)]:
                self._states.restore(key, left[key])


def shown_in(call: Call, *, is_kept: bool = True) -> dict[str, Any]:
    """What `nbflow.context` shows of the run to the body of a cell; `is_kept`: whether what it logs is."""
    return {**shown(call), "logger": logger_of_call(call, is_kept=is_kept)}


def prints_in(call: Call) -> AbstractContextManager[None]:
    """Where the prints of a body go: to the log of its run, if its task says so."""
    run = call.spec.body
    return prints_of(run) if isinstance(run, Run) else nullcontext()
