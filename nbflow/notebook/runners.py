"""Where the bodies of a session's tasks run: as the task says, else the command, else the setting."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nbflow.arguments import as_runner
from nbflow.engine.abreast import MOST
from nbflow.exceptions import OptionError
from nbflow.notebook.named import ByName

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable

    from nbflow.engine.book import Step
    from nbflow.engine.elsewhere import Elsewhere
    from nbflow.task_runners.base import Runner


class Runners:
    """Tells the runner of each step.

    Args:
        setting: Gives what the setting `runner` says.
        names: The user's namespace, in which runners can be named.
    """

    def __init__(self, setting: Callable[[], str], names: dict[str, Any]) -> None:
        self._setting = setting
        self._names = names
        self._asked = ""

    @contextmanager
    def asked(self, name: str) -> Generator[None]:
        """For a block, let tasks run there that do not say themselves where they do; empty: as ever.

        Raises:
            OptionError: If there is no such runner.
        """
        if name:
            self.named(name)
        before, self._asked = self._asked, name
        try:
            yield
        finally:
            self._asked = before

    def of(self, step: Step) -> Runner:
        """The runner of a step.

        Raises:
            OptionError: If what names it stands for none.
        """
        if step.runner is None:
            return self.usual
        return as_runner(step.runner.found() if isinstance(step.runner, ByName) else step.runner)

    @property
    def usual(self) -> Runner:
        """Where bodies run whose tasks do not say it.

        Raises:
            OptionError: If what is set stands for no runner.
        """
        if self._asked:
            return self.named(self._asked)
        try:
            return self.named(self._setting())
        except OptionError as error:
            raise OptionError(f"setting runner (see `%flow config`): {error}") from None

    def serve(self, elsewhere: Elsewhere) -> None:
        """Say of the bodies of a flow whether they run elsewhere, and where there is room for them."""
        elsewhere.says, elsewhere.refuses = self.is_elsewhere, self.refusal
        elsewhere.is_apart = lambda step: not self.of(step).promises.shares_namespace
        elsewhere.room = lambda step: room_of(self.of(step))

    def is_elsewhere(self, step: Step) -> bool:
        """Whether the body of a step runs on names of its own rather than on the user's."""
        return self.of(step).promises.concurrent

    def refusal(self, step: Step) -> str:
        """Why the runner of a step does not take its body; empty: it does."""
        runner = self.of(step)
        return "" if runner.promises.takes_cells else f"the runner {runner.name} takes tasks of flows only"

    def named(self, name: str) -> Runner:
        """The runner that a name stands for, among ours or in the notebook.

        Raises:
            OptionError: If it stands for none.
        """
        try:
            return as_runner(name)
        except OptionError:
            if name not in self._names:
                raise
        return as_runner(self._names[name])


def room_of(runner: Runner) -> tuple[Hashable, int]:
    """What tells a runner from others, and how many places it has for bodies."""
    return id(runner), getattr(runner, "max_workers", None) or MOST
