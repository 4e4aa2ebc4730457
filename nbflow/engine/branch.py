"""A branch: the steps as they are now, brought up to date over names of their own while the notebook goes on.

A branch begins with copies of all that its tasks need and no store has. From then on it shares nothing
with the notebook but the store: what its tasks make is kept under their own keys, and the notebook takes
over what is still the result of its own code and inputs.
"""

from __future__ import annotations

from copy import copy
from operator import is_
from typing import TYPE_CHECKING

from nbflow.engine.apart import with_classes
from nbflow.engine.bind import first_of
from nbflow.engine.book import Book
from nbflow.engine.observe import Observer
from nbflow.engine.own import OwnWorkspace
from nbflow.engine.plan import Work
from nbflow.engine.private import hand_over
from nbflow.engine.sites import site_of
from nbflow.engine.sweep import Sweep
from nbflow.types import Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from nbflow.engine.action import Action
    from nbflow.engine.apply import Workspace
    from nbflow.engine.bind import Version
    from nbflow.engine.book import Step
    from nbflow.engine.trunk import Trunk
    from nbflow.types import Trace


class Branch:
    """Copies of a notebook's steps, whose bodies run elsewhere or not at all.

    Args:
        trunk: The notebook's parts.
        number: The number of the flow run.
    """

    def __init__(self, trunk: Trunk, number: int) -> None:
        world = trunk.world
        self._trunk = trunk
        self.book = _copied(trunk.sweep.book)
        self._began = {step.id: _stands_of(step) for step in trunk.sweep.book}
        self.sweep = Sweep(self.book, trunk.sweep.outside.anew())
        self.workspace = OwnWorkspace(trunk.workspace)
        observer = Observer(self.workspace, trunk.files, world.clock, world.define)
        self.work = Work(self.book, self.sweep, self.workspace, observer, trunk.runs.beside(number))
        self.work.run_aside(trunk.work)

    def of(self, steps: Iterable[Step]) -> list[Step]:
        """The copies of steps of the notebook."""
        return [self.book.steps[step.id] for step in steps]

    def begin(self, targets: Collection[Step]) -> list[Step]:
        """Copy what the tasks need that stands in the notebook's names, and that no store has.

        Args:
            targets: The copies of those that are asked for, which may be up to date.

        Returns:
            The copies of the tasks that may run, in flow order.
        """
        self.sweep.look_outside()
        pending = [step for step in self.sweep.pending() if not step.plain and step.ran is not None]
        due = [*pending, *(step for step in targets if step not in pending)]
        with self._trunk.work.lending():
            for step in due:
                self._take_inputs(step)
        return due

    def _take_inputs(self, step: Step) -> None:
        if step.ran is None:
            return
        for versions in with_classes(site_of(step, step.ran, self.sweep.view(step))).units:
            if not self.workspace.is_available(versions):
                self.work.define_missing(versions)
            if not self.workspace.is_available(versions):
                _hand(versions, self._trunk.workspace, self.workspace)

    def take_over(self, ids: Iterable[str]) -> list[Step]:
        """Let the notebook stand at what was made here, where that is what its code gives on its inputs now.

        Args:
            ids: The steps whose bodies have run here.

        Returns:
            The steps of the notebook that stand at it.
        """
        made = {id: trace for id in ids if (trace := self.book.steps[id].trace) is not None}
        return self._trunk.work.take_over(made, self._give)

    def leave_behind(self, ids: Iterable[str]) -> dict[str, Trace]:
        """Let steps of the notebook that stand at nothing tell how what was made here differs from now.

        Args:
            ids: The steps whose bodies have run here.

        Returns:
            By step, what was made of code or inputs that are others now.
        """
        ours, left = self._trunk.sweep.book.steps, dict[str, "Trace"]()
        for id in ids:
            made = self.book.steps[id].trace
            if made is not None and id in ours and ours[id].trace is not made:
                left[id] = made
                if ours[id].trace is None:
                    ours[id].earlier = made
                    self._trunk.sweep.touch(ours[id])
        return left

    def take_over_failures(self, action: Action) -> None:
        """Let steps of the notebook that are still what they were have failed, or been void, as their copies.

        Args:
            action: What was done here.
        """
        void = [id for id in action.executed if self.book.steps[id].failure]
        ended = [id for id in (*action.errors, *action.refused, *void) if id not in action.inline]
        for step in filter(None, map(self._trunk.sweep.book.steps.get, dict.fromkeys(ended))):
            if self._is_untouched(step):
                copied = self.book.steps[step.id]
                step.trace, step.failure = copied.trace, copied.failure
                step.ended, step.ended_on = copied.ended, copied.ended_on
                step.left_random_alone = copied.left_random_alone
                self._trunk.sweep.touch(step)

    def _is_untouched(self, step: Step) -> bool:
        """Whether a step of the notebook is not up to date, and nothing has happened to it meanwhile."""
        is_done = self._trunk.sweep.judgement(step).verdict in (Verdict.FRESH, Verdict.AS_OF)
        began = self._began.get(step.id)
        return not is_done and began is not None and all(map(is_, _stands_of(step), began))

    def _give(self, versions: Mapping[str, Version]) -> bool:
        """Let the notebook have a unit; a class is made again by its definition."""
        main = self._trunk.workspace
        if main.is_available(versions) or first_of(versions).output.sort == "class":
            return True
        return _hand(versions, self.workspace, main)


def _hand(versions: Mapping[str, Version], giver: Workspace, taker: Workspace) -> bool:
    values = giver.of_one_copy(versions)
    return values is not None and hand_over(versions, values, giver, taker, {})


def _stands_of(step: Step) -> tuple[object, ...]:
    return step.ran, step.trace, step.ended, step.hold


def _copied(book: Book) -> Book:
    copies = Book(tells_states=book.tells_states, starts_plain=book.starts_plain)
    for step in book.steps.values():
        copies.steps[step.id] = copy(step)
    for step in book:
        copies.append(copies.steps[step.id])
    return copies
