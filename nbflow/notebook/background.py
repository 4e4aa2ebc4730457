"""A flow run that leaves the prompt: `%flow run --background`.

Its tasks are copies that run elsewhere, see `nbflow.engine.branch`. Whatever belongs to it but the bodies is
done between two cells, in the thread that cells run in; what it made is taken over there when it ends.
"""

from __future__ import annotations

from contextlib import ExitStack
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from nbflow.arguments import as_runner
from nbflow.engine.branch import Branch
from nbflow.engine.generators import GENERATORS
from nbflow.engine.marks import REFUTED
from nbflow.engine.preview import preview
from nbflow.engine.reading import Reading
from nbflow.engine.requests import Waiting
from nbflow.engine.slots import RANDOM
from nbflow.engine.trunk import Overrides
from nbflow.exceptions import OptionError, SessionError, text_of
from nbflow.notebook.execution import Executor
from nbflow.notebook.live import LiveShown
from nbflow.notebook.runners import room_of
from nbflow.states import Origin
from nbflow.types import Licence
from nbflow.views import Shown, show_lines
from nbflow.views.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nbflow.engine.abreast import Abreast
    from nbflow.engine.action import Action
    from nbflow.engine.book import Step
    from nbflow.engine.requests import Request, Working
    from nbflow.notebook.session import Session
    from nbflow.task_runners.base import Runner
    from nbflow.types import Trace

_LATER: Final = 0.25
"""Seconds after which what was put off because a cell runs is tried again."""

_SHARED: Final = "it draws from a global random generator, and bodies ran in the background meanwhile"


@dataclass(slots=True)
class _Going:
    """A run that goes on.

    Args:
        branch: Where its tasks are.
        work: What remains to be done.
        executor: Has bodies run.
        names: The tasks asked for; none: all.
        due: Identifiers of the tasks that may run.
        number: The number of the flow run.
        started: When it began, seconds since the epoch.
        waits: What it waits for.
        undo: What to do when it ends.
        told: What it did, once it has ended.
        is_shown: Whether its line stands on the screen.
    """

    branch: Branch
    work: Working[Action]
    executor: Executor
    names: Sequence[str]
    due: list[str]
    number: int
    started: float
    waits: Waiting = field(default_factory=lambda: Waiting(()))
    undo: ExitStack = field(default_factory=ExitStack)
    told: Shown = field(default_factory=lambda: show_lines(""))
    is_shown: bool = False

    @property
    def left(self) -> list[Step]:
        """The copies of the tasks that have not ended."""
        action = self.branch.work.action
        ended = {*action.executed, *action.reused, *action.errors, *action.refused, *action.inline}
        return [self.branch.book.steps[id] for id in self.due if id not in ended]

    @property
    def abreast(self) -> Abreast:
        """What of it goes on at the same time."""
        return self.branch.work.elsewhere.abreast

    @property
    def shown_as(self) -> str:
        """Under which id its line is shown."""
        return f"nbflow-background-{self.number}"


class Background:
    """Runs in the background of a session: one at a time.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._going: _Going | None = None
        self.awaited = 0
        """The number of the run that what a cell wanted last had to wait for; 0: for none."""

    @property
    def words(self) -> tuple[str, ...]:
        """A line on the run that goes on, if there is one."""
        if self._going is None:
            return ()
        left = [step.name for step in self._going.left]
        told = f"{counted(len(left), 'task')} to go: {', '.join(left)}" if left else "about to end"
        if not self.is_paused:
            return (f"run #{self.number} goes on in the background, {told}; `%flow cancel` ends it",)
        begun = ", ".join(step.name for step in self._going.abreast.begun)
        ends = f"; {begun} runs to its end" if begun else ""
        how = "`%flow resume` goes on with it, `%flow cancel` ends it"
        return (f"run #{self.number} is paused in the background, {told}{ends}; {how}",)

    @property
    def is_going(self) -> bool:
        """Whether one goes on."""
        return self._going is not None

    @property
    def number(self) -> int:
        """The number of the flow run that goes on; 0: none does."""
        return self._going.number if self._going is not None else 0

    @property
    def is_alone(self) -> bool:
        """Whether one goes on and no cell runs, so that *Stop* can mean nothing else."""
        return self.is_going and self._is_idle

    @property
    def is_paused(self) -> bool:
        """Whether one goes on of which no further body begins."""
        return self._going is not None and self._going.abreast.turns.is_held

    def run(self, names: Sequence[str] = (), *, force: bool = False, runner: str = "") -> Shown:
        """Bring all tasks, or those named and what they need, up to date while the notebook goes on.

        Args:
            names: Names of tasks; none: all tasks.
            force: Whether their bodies run even where an earlier result fits.
            runner: Where bodies of tasks run that do not say themselves; empty: as the setting says, but
                never inline.

        Raises:
            SessionError: If a run goes on in the background already.
            UnknownTaskError: If a name is none of a task.
            OptionError: If there is no such runner, or it runs bodies inline.
        """
        session = self._session
        if self._going is not None:
            raise SessionError(f"run #{self._going.number} goes on in the background; `%flow cancel` ends it")
        self._check(runner)
        session.prepare()
        targets = [session.places.named(name).step for name in names]
        if force:
            session.holds.end_accepted(targets or None)
        going = self._going = self._begin(targets, names, force=force, runner=runner)
        going.undo.enter_context(session.around.routes.kept())
        self._move(going.work.send, None)
        if not self.is_going:
            return going.told
        going.is_shown, shown = True, show_lines(*self.words)
        screen = session.around.screen
        return LiveShown(shown.html, shown.text, "", lambda: screen.show(shown, going.shown_as))

    def _check(self, runner: str) -> None:
        with self._session.runners.asked(runner):
            if runner and not self._session.runners.usual.promises.runs_beside:
                raise OptionError(f"--background runs task cells in threads; leave out --runner {runner}")

    def _begin(self, targets: Sequence[Step], names: Sequence[str], *, force: bool, runner: str) -> _Going:
        session, number = self._session, self._session.records.numbers.take()
        branch = Branch(session.trunk, number)
        copies = branch.of(targets)
        due = [step.id for step in branch.begin(copies) if step in copies or _is_the_flows(step)]
        reading = Reading(branch.work, lambda steps, again: {}, lambda step: "it is not up to date")
        executor = Executor(
            session.around.bodies,
            session.around.screen,
            session.around.routes,
            Overrides(),
            session.trunk.flow,
            {id: copy(cell) for id, cell in session.places.cells.items()},
            reading,
            session.remembered.heard,
            partial(self._runner, runner),
            is_beside=True,
        )
        branch.work.elsewhere.room = lambda step: room_of(self._runner(runner, step))
        origin = Origin.NAMED if targets else Origin.CATCH_UP
        work = branch.work.run_flow(copies or None, force=force, origin=origin)
        return _Going(branch, work, executor, names, due, number, session.around.clock())

    def _runner(self, asked: str, step: Step) -> Runner:
        with self._session.runners.asked(asked):
            found = self._session.runners.of(step)
        return found if found.promises.runs_beside else as_runner("thread")

    # --- going on --------------------------------------------------------------------------------

    def follow(self) -> None:
        """Between two cells: go on with what bodies have come to meanwhile."""
        going = self._going
        if going is None:
            return
        self._doubt_random_states(going)
        while self._going is not None and any(each.done() for each in going.waits.futures):
            self._move(going.work.send, None)

    def _follow_if_idle(self) -> None:
        if self._is_idle:
            self.follow()

    @property
    def _is_idle(self) -> bool:
        return not (self._session.plain.is_running or self._session.is_at_work)

    def _move(self, how: Callable[[Any], Request], what: object) -> None:
        """Let the run go on until it has to wait for bodies, or ends."""
        going = self._going
        if going is None:
            return
        try:
            request = how(what)
            while not isinstance(request, Waiting):
                request = going.work.send(going.executor.answer(request))
        except StopIteration as end:
            self._end(going, end.value)
        except BaseException as fault:
            self._end(going, going.branch.work.action)
            if isinstance(fault, KeyboardInterrupt):
                raise
            self._session.around.screen.say(f"the run in the background ended: {text_of(fault)}")
        else:
            going.waits = request
            if self.is_paused:
                self._tell_paused()  # what ran to its end has ended
            for future in request.futures:
                future.add_done_callback(lambda _: self._session.around.link.soon(self._follow_if_idle))

    def _end(self, going: _Going, action: Action) -> None:
        """The run is over: what it made is taken over, and its line says what it did."""
        session, self._going = self._session, None
        going.undo.close()
        self._doubt_random_states(going)
        taken = going.branch.take_over([*action.executed, *action.reused])
        for step in taken:
            session.saved_seconds.pop(step.id, None)
            session.inline.pop(step.id, None)
        unused = going.branch.leave_behind(action.executed)
        if taken:
            session.functions.follow_all([step.id for step in taken])
            session.snapshots.note_run(going.number, going.started)
        going.branch.take_over_failures(action)
        session.refresh_badges()
        going.told = self._words_of(going, _known(action, session), unused)
        if going.is_shown:
            self._show(going, going.told)

    def _words_of(self, going: _Going, action: Action, unused: Mapping[str, Trace]) -> Shown:
        session, steps = self._session, self._session.book.steps
        asked = [name for name in going.names if any(step.name == name for step in session.book)]
        left = [f"{steps[id].name} was not run in the background: {why}" for id, why in action.inline.items()]
        return session.report.action(action, asked, unused=unused, notices=left, number=going.number)

    def _show(self, going: _Going, shown: Shown) -> None:
        screen = self._session.around.screen
        if screen.can_update:
            screen.show(shown, going.shown_as, updates=True)
        elif not self.is_going:
            screen.say(shown.text)

    # --- being steered ---------------------------------------------------------------------------

    def waited_for(self, targets: Sequence[Step] | None) -> Working[None]:
        """Let tasks in the background end whose results these steps, or what they need, would have to make.

        Raises:
            KeyboardInterrupt: If the user pressed Stop; the run in the background goes on.
            SessionError: If it is paused.
        """
        self.awaited = 0
        while self._going is not None and self._has_what(targets):
            self.awaited = self.number
            if self._going.abreast.is_at_rest:
                raise SessionError(f"nothing was run, as it would wait: {self.words[0]}")
            yield Waiting(self._going.waits.futures)
            self.follow()

    def _has_what(self, targets: Sequence[Step] | None) -> bool:
        if self._going is None:
            return False
        wanted = {line.step for line in preview(self._session.work, targets)}
        keys = {(step.id, step.body.static_key) for step in wanted.union(targets or ())}
        left = ((step.id, step.ran.static_key) for step in self._going.left if step.ran is not None)
        return not keys.isdisjoint(left)

    def hold(self) -> None:
        """Let no further body begin, in whichever thread this is asked; what runs goes on."""
        if self._going is not None:
            self._going.abreast.turns.is_held = True
            self._session.around.link.soon(self._tell_paused)

    def pause(self) -> int:
        """The same, and its line says so at once.

        Returns:
            The number of the flow run; 0: none goes on.
        """
        self.hold()
        self._tell_paused()
        return self.number

    def go_on(self) -> int:
        """Let bodies begin again, if that was held back.

        Returns:
            The number of the flow run; 0: none was paused.
        """
        going = self._going
        if going is None or not self.is_paused:
            return 0
        going.abreast.turns.go_on()
        self._tell_paused()
        self.follow()
        return going.number

    def let_go(self) -> None:
        """The same once no cell runs, in whichever thread this is asked."""
        if self.is_paused:
            self._session.around.link.soon(self.go_on)

    def _tell_paused(self) -> None:
        if self._going is not None and self._going.is_shown:
            self._show(self._going, show_lines(*self.words))
        self._session.live.follow()

    def cancel(self) -> int:
        """End the run that goes on: nothing new begins, what runs is given up, what is done counts.

        Returns:
            The number of the flow run; 0: none went on.
        """
        number = self.number
        while (going := self._going) is not None:
            self._move(going.work.throw, KeyboardInterrupt())
        return number

    def end(self) -> None:
        """The same as soon as no cell runs, in whichever thread this is asked."""
        self._session.around.link.soon(partial(self._cancel_if_idle, self.number))

    def _cancel_if_idle(self, number: int) -> None:
        if self.number != number:
            return  # it has ended by itself, and another one is not meant
        if self._is_idle:
            self.cancel()
        else:
            self._session.around.link.soon(partial(self._cancel_if_idle, number), _LATER)

    # --- what all share ------------------------------------------------------------------------------

    def _doubt_random_states(self, going: _Going) -> None:
        """While bodies run beside it nobody can tell who has moved a global random state.

        What cells drew meanwhile, and the states that are not what the last cell left, stand for nothing.
        """
        workspace, sweep = self._session.trunk.workspace, self._session.trunk.sweep
        seeded = [key for key in workspace.seeded() if key in GENERATORS]
        for key in seeded:
            label = workspace.labels[key]
            if label.version is not None and workspace.look(key).digest != label.digest:
                workspace.note(key)
                workspace.label(key, None)
        for step in self._session.book if seeded else ():
            if step.trace is not None and step.trace.started >= going.started and _draws(step.trace):
                workspace.marks.set(REFUTED, step.trace.id, _SHARED)  # else it would be found again
                step.trace, step.failure = None, _SHARED
                sweep.touch(step)


def _is_the_flows(step: Step) -> bool:
    """Whether the flow starts a step by itself."""
    return step.licence is Licence.FLOW and not step.idle


def _draws(trace: Trace) -> bool:
    return any(output.slot.kind == RANDOM for output in trace.outputs)


def _known(action: Action, session: Session) -> Action:
    """What an action did with steps that are still there; a body that may not run there has not failed."""
    steps = session.book.steps
    return replace(
        action,
        errors={id: error for id, error in action.errors.items() if id not in action.inline},
        executed=[id for id in action.executed if id in steps and id not in action.inline],
        reused=[id for id in action.reused if id in steps],
        refused={id: state for id, state in action.refused.items() if id in steps},
        inline={id: why for id, why in action.inline.items() if id in steps},
    )
