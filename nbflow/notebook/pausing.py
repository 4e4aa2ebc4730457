"""Pausing a run of the session's flow, or of an explicit one: nothing new starts until somebody says so."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, Protocol

from nbflow.running.runs import Run
from nbflow.running.steering import STEERING
from nbflow.states import StateType

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.drive import Entered

_MOMENT: Final = 0.1


class Behind(Protocol):
    """A run in the background, which is held back there."""

    @property
    def number(self) -> int:
        """The number of the flow run; 0: none goes on."""
        ...

    @property
    def is_paused(self) -> bool:
        """Whether one goes on that is held back."""
        ...

    def hold(self) -> object:
        """Let no further body of it begin."""
        ...

    def let_go(self) -> object:
        """Let them begin again, soon."""
        ...


class Pausing:
    """Holds back what is about to start in the thread that runs cells, and a run in the background.

    A run waits in the state Pending, before anything of it is measured. Stop ends it as it ends any other.

    Args:
        tell: Called with the name of what waits, and with nothing when it goes on.
        behind: The run in the background.
    """

    def __init__(self, tell: Callable[[str], object], behind: Behind) -> None:
        self._tell = tell
        self._behind = behind
        self._free = threading.Event()
        self._free.set()

    @property
    def is_asked(self) -> bool:
        """Whether the next task will wait, or one does."""
        return not self._free.is_set() or self._behind.is_paused

    def ask(self) -> None:
        """Let nothing new start."""
        self._free.clear()
        self._behind.hold()

    def go_on(self) -> None:
        """Let what waits start, and all after it."""
        self._free.set()
        self._behind.let_go()

    def rest(self) -> bool:
        """No cell runs, so that none is held back any more; whether something else still is."""
        self._free.set()
        return self._behind.is_paused

    def note(self, entered: Entered) -> None:
        """A run entered a state: one that is about to start waits, if that was asked for.

        Raises:
            KeyboardInterrupt: If the user pressed Stop meanwhile.
        """
        is_about_to_start = entered.state.type is StateType.PENDING
        is_behind = entered.spec.flow_run == self._behind.number
        if self._free.is_set() or not is_about_to_start or is_behind or not _is_here():
            return
        self._tell(entered.spec.name)
        try:
            while not self._free.wait(_MOMENT):
                pass
        finally:
            self._free.set()
            self._tell("")


class FlowPausing:
    """Holds back what is about to start within the runs of an explicit flow, in whichever thread.

    Args:
        tell: Called with the name of what waits, and with nothing when it goes on.
        run: Gives the identifier of the flow run that is under way.
        is_own: Whether a run belongs to the flow.
    """

    def __init__(
        self, tell: Callable[[str], object], run: Callable[[], str], is_own: Callable[[Run], bool]
    ) -> None:
        self._tell = tell
        self._run = run
        self._is_own = is_own

    @property
    def is_asked(self) -> bool:
        """Whether what comes next will wait, or something does."""
        return STEERING.is_held(self._run())

    def ask(self) -> None:
        """Let nothing new start."""
        STEERING.hold(self._run())

    def go_on(self) -> None:
        """Let what waits start, and all after it."""
        STEERING.go_on(self._run())
        self._tell("")

    def rest(self) -> bool:
        """No cell runs, so that nothing is held back any more."""
        if self.is_asked:
            self.go_on()
        return False

    def note(self, entered: Entered) -> None:
        """A run entered a state: one that is about to start waits, if that was asked for."""
        run = entered.spec.body
        if not self.is_asked or not isinstance(run, Run) or not self._is_own(run):
            return
        if entered.state.type is StateType.PENDING:
            self._tell(run.name)
        elif entered.state.is_final() and run.id == self._run():
            self._tell("")


def _is_here() -> bool:
    """Whether this is the thread that cells run in, which Stop reaches."""
    return threading.current_thread() is threading.main_thread()
