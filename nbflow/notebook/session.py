"""The session: the one mutable root of a notebook with nbflow, over the user's namespace.

It turns what the user does (a cell, `%flow run`) into work of the engine and brings the result back to
the screen. It knows no IPython: what it needs of it are the bodies and the screen that it is given.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import filterfalse
from typing import TYPE_CHECKING, Any

from nbflow.analysis.names import is_managed
from nbflow.engine.action import Action
from nbflow.engine.book import Book, Step, read_body
from nbflow.engine.drive import answered, answered_waiting
from nbflow.engine.forcing import forced
from nbflow.engine.gates import asks_person
from nbflow.engine.preview import expected_seconds, preview, preview_above
from nbflow.engine.slots import slot_of
from nbflow.engine.trunk import Overrides, World, trunk_over
from nbflow.exceptions import CacheError, SessionError, TaskTimeoutError
from nbflow.notebook.advance import Advance
from nbflow.notebook.automatic import Automatic
from nbflow.notebook.background import Background
from nbflow.notebook.badges import Badges
from nbflow.notebook.cells import does_wait
from nbflow.notebook.ended import note_ends, was_run
from nbflow.notebook.execution import Executor
from nbflow.notebook.functions import Functions
from nbflow.notebook.holds import Holds
from nbflow.notebook.last import TOLD, Last
from nbflow.notebook.left_settings import LeftSettings
from nbflow.notebook.live import LiveViews
from nbflow.notebook.mentions import stale_mention, without_result
from nbflow.notebook.outputs import decode, waits_mark
from nbflow.notebook.parameters import Given
from nbflow.notebook.past import Past
from nbflow.notebook.places import KERNEL, Cell, Places
from nbflow.notebook.plain import PlainCells
from nbflow.notebook.recall import Recall
from nbflow.notebook.recent import MOST, Recent
from nbflow.notebook.redisplay import Redisplay
from nbflow.notebook.remembered import Remembered
from nbflow.notebook.report import Report
from nbflow.notebook.runners import Runners
from nbflow.notebook.snapshots import Snapshots
from nbflow.notebook.with_plain import run_plain
from nbflow.running.records import records_over
from nbflow.states import Origin
from nbflow.store.owners import this_owner
from nbflow.types import Licence, Standing, Trace

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from nbflow.engine.drive import Entered
    from nbflow.engine.requests import Working
    from nbflow.notebook.asked import Asked
    from nbflow.notebook.outputs import Item
    from nbflow.notebook.surroundings import Surroundings


@dataclass
class Session:
    """The flow of one notebook in one kernel.

    Args:
        around: What it stands on.
    """

    around: Surroundings
    parameters: Overrides = field(default_factory=Overrides)
    auto: bool = False
    lasts: dict[str, Last] = field(default_factory=dict[str, Last])
    saved_seconds: dict[str, float] = field(default_factory=dict[str, float])
    inline: dict[str, str] = field(default_factory=dict[str, str])
    notices: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        around, may = self.around, self.around.settings.settings.plain == "quiet"
        self.book = Book(starts_plain=may)
        self.places = Places(self.book, around.saved, around.bodies.source_of, around.is_console)
        world = World(
            names=around.names,
            store=around.store,
            clock=around.clock,
            define=around.bodies.define,
            parameters=self.parameters,
            kinds=around.kinds,
            key=around.key,
            notebook=around.notebook,
            sleep=around.sleep,
            files=around.files,
            is_shared=True,
            of_shell=around.hidden,
            since=around.clock() if around.is_headless else 0.0,
        )
        self.trunk = trunk_over(world, self.book)
        self.work = self.trunk.work
        self.places.names = around.names
        self.places.disown = self.trunk.workspace.disown
        self.report, self.past_runs, self.automatic = Report(self), Past(self), Automatic(self)
        self.given = Given(self.book, self.parameters, around.given)
        self.functions, self.holds = Functions(self), Holds(self)
        self.places.is_maker = self.functions.is_maker
        self.plain, self.background = PlainCells(self), Background(self)
        self.live, self.redisplay = LiveViews(self), Redisplay(self)
        self.advance, self.badges = Advance(self), Badges(self)
        self.runners = Runners(lambda: self.around.settings.settings.runner, around.names)
        self.runners.serve(self.work.elsewhere)
        what = around.bodies, around.screen, around.routes, self.parameters, self.trunk.flow
        self.snapshots = Snapshots(self)
        self.remembered = Remembered(self.trunk.runs.journal, around.store.history)
        self.recent = Recent(partial(Recall(self).newest, MOST))
        self.left_settings = LeftSettings(self.trunk.workspace.states)
        self._executor = Executor(
            *what, self.places.cells, self.functions.reading, self.remembered.heard, self.runners.of
        )
        self._is_remembered = False
        self._not_users: set[str] = set()
        self._told: set[str] = set()
        self.trunk.runs.journal.subscribe(self._note_state, straight=TOLD)
        self.records = records_over(self.trunk.runs.journal, around.store, notebook=around.notebook)
        self._make_kernel_step()

    def _make_kernel_step(self) -> None:
        """Names from before nbflow watched are what this step has made."""
        step = Step(KERNEL, "earlier cells", read_body(""), Licence.USER, plain=True)
        self.book.insert(step, 0)
        self.work.adopt(step, ())
        self._adopt_strangers()

    def __nbflow_digest__(self) -> str:
        """A name that holds the session holds this one: in another kernel it is another."""
        return f"session of {this_owner()}"

    def close(self) -> None:
        """End the session: what is in memory stays valid."""
        for part in (self.live, self.badges, self.remembered, self.trunk):
            part.close()
        self.background.cancel()
        self.work.write_down()
        self.snapshots.close()
        self.around.store.close()

    # --- cells ---------------------------------------------------------------------------------

    def after_plain(self, cell: Cell) -> None:
        """What follows when a plain cell ran without an error."""
        if self.around.is_headless:
            self.around.store.history.flush()  # flows that it ran are told from there
        if self.auto and not self.background.is_going:
            self.perform(self.automatic.run())
        if not self.places.has_tasks:
            return
        step, trunk = cell.step, self.trunk
        if line := without_result(step) or stale_mention(step, trunk.sweep, trunk.workspace):
            self.around.screen.say(line)
        self.refresh_badges()

    def run_header(self, asked: Asked, source: str | None = None) -> Working[None]:
        """Run a cell with a header: register its task, or parameters, and bring it up to date.

        Args:
            asked: The cell.
            source: Its body as plain Python, where that is known already.

        Raises:
            OptionError: If the header makes no sense.
            CellSyntaxError: If the body is not Python.
            SessionError: If it waits for something that only the user can do.
            BaseException: What its body raised.
        """
        if self.plain.is_running:
            raise SessionError("give %%task a cell of its own, as its first line")
        if self.running is not None:
            raise SessionError(f"%%task cannot run inside {self.running.name}: the flow is running")
        self.prepare()
        cell = self.places.take(asked, source)
        self.functions.drop(cell.step)
        self.given.take(cell.step)
        self.work.adopt_source(cell.step)
        if cell.options.defer:
            self._show_result(cell, Action())
            self._close_cell(cell, only_ours=True)
            return
        if asked.asks and self._is_too_long(cell):
            self.refresh_badges()
            return
        yield from self.background.waited_for([cell.step])
        if self.places.awaiting():
            self._refuse_waiting([cell.step], forced(self.work, [cell.step], force=self.around.forces))
        work = self.work.run_cell(cell.step, force=self.around.forces, is_adopted=True)
        action = yield from self.working(cell.step, work)
        self._show_result(cell, action)
        self._close_cell(cell, only_ours=not action.executed)
        error = action.stop or action.errors.get(cell.step.id)
        if error is not None:
            raise error
        self._raise_if_waiting(cell, action)
        if self.auto:
            yield from self.automatic.run()

    def run_flow(
        self, names: Sequence[str] = (), *, force: bool = False, plain: bool = False, runner: str = ""
    ) -> Working[Action]:
        """Bring all tasks, or those named and what they need, up to date.

        Args:
            names: Names of tasks; none: all tasks.
            force: Whether their bodies run even where an earlier result fits.
            plain: Whether plain cells that are not up to date run as well, in order.
            runner: Where bodies of tasks run that do not say themselves; empty: as the setting says.

        Raises:
            UnknownTaskError: If a name is none of a task.
            OptionError: If there is no such runner.
            KeyboardInterrupt: If the user pressed Stop.
        """
        self.prepare()
        targets = [self.places.named(name).step for name in names] if names else None
        if force:
            self.holds.end_accepted(targets)
        with self.runners.asked(runner):
            done = (yield from run_plain(self, targets)) if plain else Action()
            done.add((yield from self.run_steps(targets, force=force)))
        return done

    def run_steps(
        self, targets: Sequence[Step] | None, *, force: bool = False, origin: Origin = Origin.NAMED
    ) -> Working[Action]:
        """Bring all tasks, or these steps and what they need, up to date, see `Work.run_flow`.

        Raises:
            KeyboardInterrupt: If the user pressed Stop.
            SessionError: If one of them awaits something, and this thread cannot.
        """
        yield from self.background.waited_for(targets)
        runs_anyway = forced(self.work, targets, force=force, is_asked=origin is Origin.NAMED)
        self._refuse_waiting(targets, runs_anyway)
        work = self.work.run_flow(targets, force=force, origin=None if targets is None else origin)
        with self.advance.told(targets, runs_anyway):
            action = yield from self.working(None, work)
        self.refresh_badges()
        if action.stop is not None:
            raise action.stop
        return action

    def cannot_wait(self, step: Step) -> bool:
        """Whether its body awaits something, and nobody here can."""
        here = not self._executor.can_wait and does_wait(step.body.source)
        return here and not self.runners.of(step).promises.takes_cells

    def _refuse_waiting(self, targets: Sequence[Step] | None, runs_anyway: Sequence[Step]) -> None:
        """Nothing runs where something that awaits had to be awaited, and nobody can.

        Raises:
            SessionError: If so.
        """
        if not any(map(self.cannot_wait, self.places.awaiting())):
            return
        steps = [line.step for line in preview(self.work, targets) if line.does in ("runs", "may run")]
        found = next(filter(self.cannot_wait, (*steps, *runs_anyway)), None)
        if found is not None:
            how = "run its cell, or `%flow run` in a cell of its own"
            raise SessionError(f"nothing was run: {found.name} awaits at its top level; {how}")

    def prepare(self) -> None:
        """Take note of what changed beside the cells: the file, strange names, earlier kernels."""
        self.places.follow_file()
        self._adopt_strangers()
        self.remember()

    def working(self, own: Step | None, work: Working[Action]) -> Working[Action]:
        """One flow run: it has a number, and a snapshot if it did anything."""
        self._executor.own = own
        number = self.records.numbers.take()
        # A plain cell's own run is no run of the flow, as it is none in Jupyter.
        self.trunk.runs.number = 0 if own is not None and own.plain else number
        started = self.around.clock()
        try:
            action = yield from work
        except KeyboardInterrupt as stop:  # between two bodies: nothing more of what was done is to be told
            self.refresh_badges()
            raise stop.with_traceback(None) from None
        finally:
            self._executor.own = None
        self.automatic.note(action)
        self._count_saved(action)
        self.functions.follow_all(action.executed)
        if action.executed or action.reused or action.refused:
            self.snapshots.note_run(number, started, at_once=own is None)
        else:
            self.records.numbers.give_back(number)
            self.snapshots.note_holds()
        for text in self._new_notices():
            self.notices.append(text)
            self.around.screen.say(text)
        if self.around.is_headless:
            self.around.store.history.flush()
        return action

    def _count_saved(self, action: Action) -> None:
        for id in (*action.executed, *action.reused):
            self.saved_seconds.pop(id, None)
        for id in action.executed:
            self.inline.pop(id, None)
        self.inline |= action.inline
        for id in action.reused:
            trace = self.book.steps[id].bound_trace
            # Who waits for what is being made saves nothing by that.
            if not (made := self.report.number_of(trace)) or made != self.background.awaited:
                self.saved_seconds[id] = trace.seconds if trace is not None else 0.0

    def _new_notices(self) -> list[str]:
        new = [text for text in (*self.around.store.notices, *self.places.notices) if text not in self._told]
        self._told.update(new)
        return new

    def _show_result(self, cell: Cell, action: Action) -> None:
        """The outputs of what the cell has now: shown live, if it ran; else those kept with its result."""
        trace = cell.step.bound_trace
        cell.shown, cell.screen = (trace.id, trace.captured) if trace is not None else ("", "")
        if trace is not None and cell.step.id not in action.executed:
            self.around.screen.replay(self.kept_outputs(trace))

    def kept_outputs(self, trace: Trace) -> list[Item]:
        """What a body has shown, as far as the store has it."""
        try:
            return decode(self.around.store.load(trace.captured)[0]) if trace.captured else []  # type: ignore[arg-type]
        except CacheError:
            return []

    def _raise_if_waiting(self, cell: Cell, action: Action) -> None:
        if cell.step.id in {*action.executed, *action.reused}:
            return
        failed = next(((id, error) for id, error in action.errors.items() if id != cell.step.id), None)
        if failed is not None:
            name = self.book.steps[failed[0]].name
            raise SessionError(f"{cell.step.name} was not run: {name} failed ({failed[1]})") from failed[1]
        judgement = self.trunk.sweep.judgement(cell.step)
        state = action.refused.get(cell.step.id)
        if state is not None and state.is_failed():
            raise SessionError(f"{cell.step.name} was not run: {state.message}")
        spent = self.book.steps.get(action.spent.get(cell.step.id, ""))
        words = self.report.waiting_words(judgement.causes, spent)
        # Nobody is there whom an error would stop, and what does not hang on a person goes on.
        if self.around.is_headless and asks_person(self.report.root_causes(cell.step)):
            self.around.screen.say(f"{cell.step.name} waits: {words}", waits_mark(cell.step.name, words))
        elif state is None and cell.step.bound_trace is None:
            raise SessionError(f"{cell.step.name} was not run: {words}")

    def _is_too_long(self, cell: Cell) -> bool:
        """Whether so much has to run above that the user should say so first; then the plan is shown."""
        if expected_seconds(preview_above(self.work, cell.step)) <= self.around.settings.settings.ask_above:
            return False
        self.around.screen.show(self.report.plan([cell.step], ask=cell.step.name))
        return True

    # --- performing ----------------------------------------------------------------------------

    @property
    def running(self) -> Step | None:
        """The step whose body the flow is running now."""
        return self._executor.running

    def is_own(self, step: Step) -> bool:
        """Whether it is the step of the cell that runs."""
        return self._executor.own is step

    @property
    def is_at_work(self) -> bool:
        """Whether work of the flow is under way in this thread, be it waiting for a body."""
        return bool(self._executor.at_work)

    def perform(self, work: Working[Any]) -> Any:
        """Do work in this thread."""
        with self._executor.waiting(can_wait=False):
            return answered(work, self._executor.answer)

    async def perform_waiting(self, work: Working[Any]) -> Any:
        """Do work in which bodies may await something."""
        with self._executor.waiting(can_wait=True), self.left_settings.noted():
            return await answered_waiting(work, self._executor.answer_waiting)

    def _note_state(self, entered: Entered) -> None:
        spec, transition = entered.spec, entered.transition
        step = self.trunk.runs.steps.get(spec.id)
        if step is None:
            return  # it belongs to a flow of its own
        number, attempt = spec.flow_run, transition.attempt
        self.lasts[step] = Last(entered.state.name, number, attempt, entered.state.message, spec.id)
        self.recent.note(step, entered)
        self.trunk.sweep.news.add(step)
        self.badges.note(step, entered)

    # --- earlier kernels -----------------------------------------------------------------------

    def remember(self) -> None:
        """Find the results of earlier kernels for the saved cells that have not run here yet."""
        if self._is_remembered:
            return
        self._is_remembered = True
        if self.places.remember(partial(was_run, self)):
            self.snapshots.take_up_holds()
            self.work.remember()
            while self.functions.follow_all(self.book.order):
                self.snapshots.take_up_holds()
                self.work.remember()
            note_ends(self)

    def _adopt_strangers(self) -> None:
        """Names that nobody is known to have made come from before nbflow watched, or beside it."""
        unknown = {*filterfalse(self._not_users.__contains__, self.around.names)}
        unknown -= self.trunk.workspace.versioned()
        self._not_users |= {key for key in unknown if key in self.around.hidden or is_managed(key)}
        end = self.trunk.sweep.end()
        strange = [key for key in unknown - self._not_users if not end.bound(slot_of(key)).written]
        if strange:
            self.work.adopt(self.book.steps[KERNEL], strange)
            self.functions.follow(self.book.steps[KERNEL])

    # --- holds, parameters, the book -----------------------------------------------------------

    def set_parameters(self, texts: Mapping[str, str]) -> None:
        """Override parameters until they are reset.

        Args:
            texts: Name to value as text; it takes the type of the default.

        Raises:
            SessionError: If no `%%params` cell has such a name.
            OptionError: If a text is no value of the default's type.
        """
        self._apply_parameters(self.given.set(texts))

    def reset_parameters(self) -> None:
        """Let the defaults count again, or what whoever started the kernel has given."""
        self._apply_parameters(self.given.reset())

    def _apply_parameters(self, names: Collection[str]) -> None:
        """Run the cells that set these names, as if they had been edited: so the rest can be judged."""
        for step in [step for step in self.book if step.parameters.intersection(names)]:
            if step.ran is not None and step.standing is Standing.HERE:
                action = self.perform(self.working(step, self.work.run_cell(step)))
                for error in action.errors.values():
                    raise error
        self.refresh_badges()

    def forget(self, name: str) -> None:
        """Take a task out of the flow; what it made stays, by value, and running its cell brings it back."""
        self.places.forget(self.places.named(name))
        self.prepare()
        self.refresh_badges()

    def visualize(self) -> Any:
        """The graph of the flow as a `graphviz.Digraph`, coloured by verdict and state.

        Raises:
            NbflowError: If the package graphviz is not installed.
        """
        self.prepare()
        return self.report.dot()

    # --- badges --------------------------------------------------------------------------------

    def _close_cell(self, cell: Cell, *, only_ours: bool) -> None:
        """Put the badge below the cell that ran and bring all others up to date."""
        if self.around.settings.settings.badge != "off":
            cell.badge = f"nbflow-{self.around.notebook}-{cell.step.id}-{cell.number}"
            self.badges.show(cell, only_ours=only_ours)
        self.refresh_badges(but=cell)

    def refresh_badges(self, but: Cell | None = None) -> None:
        """Update the badges on the screen that say something else now, and the live view."""
        self.live.follow()
        if self.around.screen.can_update:
            self.redisplay.bring()
        badged = [cell for cell in self.badges.cells() if cell is not but]
        if not badged or not self.around.screen.can_update:
            return
        sweep = self.trunk.sweep
        sweep.look()
        sweep.settle()
        for cell in self.report.with_other_badges(badged):
            self.badges.show(cell, updates=True)
        sweep.news.clear()

    def has_to_wait(self, source: str = "") -> bool:
        """Whether running a body, given as plain Python, may mean to await something, there or above it."""
        if does_wait(source):
            return True
        return any(not step.plain for step in self.places.awaiting())

    def is_raised_by_body(self, error: BaseException) -> bool:
        """Whether an error is what the last body raised, rather than a message of ours."""
        is_limit = isinstance(error, TaskTimeoutError)
        return not is_limit and any(raised is error for raised in self.work.action.errors.values())
