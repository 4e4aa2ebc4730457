"""Settings of libraries that are kept in context variables, as those of NumPy and `decimal` are.

A cell that awaits has context variables of its own, and so has what a button of the page starts: what is set
there is lost with them. What a task sets there is for the cells below it, so it is put where these find it.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from nbflow.engine.libraries import LIBRARIES

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

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
        ...     with left.noted():
        ...         decimal.setcontext(decimal.Context(prec=5))
        >>> copy_context().run(cell_that_awaits)
        >>> before = decimal.getcontext().prec
        >>> left.begin()
        >>> before, decimal.getcontext().prec
        (28, 5)
    """

    def __init__(self, states: States) -> None:
        self._states = states
        self._left: Mapping[str, object] | None = None

    @contextmanager
    def noted(self) -> Generator[None]:
        """For a block whose context variables nobody has later: what it sets is left."""
        before = self._now()
        try:
            yield
        finally:
            now = self._now()
            if now != before:
                self._left = now

    def _now(self) -> Mapping[str, object] | None:
        """How they are set; None where a library does not say."""
        try:
            now = self._states.settings(anew=True)
        except Exception:  # noqa: BLE001 - libraries are not ours
            return None
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
        with suppress(Exception):  # libraries are not ours
            now = self._states.settings(anew=True)
            for key in [key for key in left if left[key] != now.get(key)]:
                self._states.restore(key, left[key])
