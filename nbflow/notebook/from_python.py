"""The session from Python: the commands of `%flow` as methods, and tasks as values that show themselves."""

from __future__ import annotations

import importlib
import inspect
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbflow.notebook import commands
from nbflow.notebook.live import LiveShown
from nbflow.notebook.session import Session
from nbflow.states import Pending, State, state_of
from nbflow.types import Verdict
from nbflow.views import HistoryCard, show_history
from nbflow.views.words import causes_words

AnyRun = int | str
"""A run, as its user has it at hand."""

if TYPE_CHECKING:
    from nbflow.notebook.auditing import Audited
    from nbflow.notebook.versions import Versions
    from nbflow.types import Cause
    from nbflow.views import RunLine, Shown, TaskCard


class PythonSession(Session):
    """The session of a notebook, as its user calls it: `nbflow.session()`.

    Each method is a command of `%flow` and takes what that takes. Those that change names run at the end of a
    cell, as nobody would see what code after them does. A run is its number `12` (or `"#12"`), `-1` for the
    result before the present one, or a time such as `"yesterday 14:00"`.
    """

    def __repr__(self) -> str:
        return f"<nbflow session of {self.around.notebook}>"

    @property
    def flow(self) -> FlowTasks:
        """The tasks by name; it shows itself as `%flow` does."""
        self.prepare()
        return FlowTasks(self)

    def run(
        self,
        *tasks: str,
        only: bool = False,
        force: bool = False,
        plain: bool = False,
        runner: str = "",
        background: bool = False,
        **parameters: object,
    ) -> Shown:
        """Bring all tasks, or these and what they need, up to date.

        Args:
            *tasks: Their names; none: all.
            only: Whether nothing but these runs, from the latest results above them.
            force: Whether their bodies run even where an earlier result fits.
            plain: Whether stale plain cells run as well, each after what it needs.
            runner: Where bodies of tasks run that do not say themselves; empty: as the setting says.
            background: Whether the notebook goes on meanwhile.
            **parameters: Flow parameters, which count until they are reset.
        """
        given = {"--only": only, "--force": force, "--plain": plain, "--background": background}
        switches = [switch for switch, is_on in given.items() if is_on]
        pairs = [word for name, value in parameters.items() for word in ("-p", f"{name}={_as_text(value)}")]
        where = ["--runner", runner] if runner else []
        return self._do("run", *tasks, *switches, *where, *pairs)

    def pause(self) -> Shown:
        """Hold back what the run in the background would start next; what runs there goes on."""
        return self._do("pause")

    def resume(self, *tasks: str) -> Shown:
        """Go on with a run that is paused; else run what waits for a person, or those of these tasks."""
        return self._do("resume", *tasks)

    def cancel(self) -> Shown:
        """End the run in the background; what is done stays."""
        return self._do("cancel")

    def plan(self, *tasks: str) -> Shown:
        """What a run would do, in order, and why; nothing runs."""
        return self._do("plan", *tasks)

    def status(self) -> Shown:
        """One line a task."""
        return self._do("status")

    def why(self, task: str = "") -> Shown:
        """Why a task is as it is; by default the first that is not up to date."""
        return self._do("why", task)

    def history(self, task: str = "") -> Shown:
        """The runs of a task, or with `#12` those in a flow run; by default all."""
        return self._do("history", task)

    def past(self, task: str, run: AnyRun = -1) -> object:
        """The value that a task had after an earlier run, see `nbflow.past`."""
        self.prepare()
        return self.past_runs.value(task, run_text(run))

    def versions(self, name: str) -> Versions:
        """What tasks and cells have made of a name, in flow order, each with its value where that is kept.

        Args:
            name: The name of a variable.

        Raises:
            OptionError: If no task or cell has made it.
        """
        found: Versions = importlib.import_module("nbflow.notebook.versions").versions_of(self, name)
        return found

    def diff(self, task: str, first: AnyRun = "", second: AnyRun = "") -> Shown:
        """Two runs of a task side by side; by default the last two that differ; one: that run and now."""
        return self._do("diff", task, run_text(first), run_text(second))

    def open(self, task: str, run: AnyRun = "") -> Shown:
        """Put what a run started from into the names, and its body into a new cell."""
        return self._do("open", task, run_text(run))

    def restore(self, what: AnyRun, run: AnyRun = "") -> Shown:
        """Put back the values of an earlier run of a task, or, with a run alone, of the whole flow."""
        return self._do("restore", run_text(what), run_text(run))

    def pin(self, task: str, run: AnyRun = "") -> Shown:
        """Hold a task at its present result, or at that of a run, until it is unpinned."""
        return self._do("pin", task, run_text(run))

    def unpin(self, task: str) -> Shown:
        """End that."""
        return self._do("unpin", task)

    def accept(self, *tasks: str, because: str = "") -> Shown:
        """Take present results for up to date until something they look at changes."""
        return self._do("accept", *(("--because", because) if because else ()), *tasks)

    def audit(self, *tasks: str) -> Audited:
        """Run all tasks, or these, once more, apart from the notebook, and compare what they make."""
        return self._do("audit", *tasks)

    def export(self, path: str | os.PathLike[str], *, force: bool = False) -> Shown:
        """Write the flow as a plain Python module with task functions and a `main`.

        Its cells are taken as they were last run, in flow order.

        Args:
            path: Where it goes, a file that ends in `.py`.
            force: Whether a file may be replaced that was not exported, or was edited since.

        Raises:
            ExportError: If a module cannot do what the notebook does.
        """
        return self._do("export", os.fspath(path), *(["--force"] if force else []))

    def cache(self, what: str = "size") -> Shown:
        """What takes how much of the store: in all, or with `ls` task by task."""
        return self._do("cache", what)

    def _do(self, name: str, *words: str) -> Any:
        line = shlex.join((name, *filter(None, words)))
        if commands.COMMANDS[name].acts:
            commands.refuse_within(self, f"session().{name}")
            self.plain.finish_call(name, _line_in_cell())
        return commands.perform(self, line)


def _line_in_cell() -> int:
    """In which line of a cell a method was called; 0: in a function."""
    frame = inspect.currentframe()
    for _ in range(3):  # this function, `_do`, the method
        frame = frame.f_back if frame is not None else None
    return frame.f_lineno if frame is not None and frame.f_code.co_name == "<module>" else 0


def run_text(run: AnyRun) -> str:
    """A run as the commands of `%flow` have it.

    Args:
        run: Its number; counted back from the present result where it is negative; or a text.

    Example:
        >>> run_text(12), run_text(-1), run_text("yesterday 14:00")
        ('#12', '-1', 'yesterday 14:00')
    """
    if isinstance(run, str):
        return run
    return f"#{run}" if run >= 0 else str(run)


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else repr(value)


class FlowTasks(Mapping[str, "FlowTask"]):
    """The tasks of a session by name, in flow order.

    Args:
        session: The session.
    """

    def __init__(self, session: PythonSession) -> None:
        self._session = session

    def __getitem__(self, name: str) -> FlowTask:
        """The task of a name, or of one that it had before.

        Raises:
            UnknownTaskError: If there is none.
        """
        return FlowTask(self._session.past_runs.subject(name).present().name, self._session)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def __contains__(self, name: object) -> bool:
        return any(known == name for known in self)

    def __iter__(self) -> Iterator[str]:
        return (cell.step.name for cell in self._session.places.tasks())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<flow of {', '.join(self) or 'no tasks yet'}>"

    def _ipython_display_(self) -> None:
        shown = self._session.live.show()
        if isinstance(shown, LiveShown):
            shown.display()
        else:
            self._session.around.screen.show(shown)


@dataclass(frozen=True, slots=True, repr=False)
class Freshness:
    """Whether a task is up to date.

    Args:
        verdict: `fresh`, `stale`, `waits` or `as of`.
        causes: Why it is not fresh, root cause first.

    Example:
        >>> from nbflow.types import Cause
        >>> Freshness(Verdict.FRESH), Freshness(Verdict.STALE, (Cause("input", "LATE", "15", "18"),))
        (fresh, stale: LATE changed: 15 → 18)
    """

    verdict: Verdict
    causes: tuple[Cause, ...] = ()

    def __repr__(self) -> str:
        return ": ".join(filter(None, (self.verdict.value, causes_words(self.causes))))


class Runs(tuple["RunLine", ...]):
    """The runs of a task, newest first; they show themselves as `%flow history` shows them."""

    __slots__ = ()

    def __repr__(self) -> str:
        return self._shown().text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return self._shown().bundle()

    def _shown(self) -> Shown:
        return show_history(HistoryCard(tuple(self), self[0].task if self else ""))


@dataclass(frozen=True, slots=True, repr=False)
class FlowTask:
    """One task of a session, as it stands when it is asked.

    Args:
        name: Its name.
        session: The session.
    """

    name: str
    session: PythonSession

    @property
    def state(self) -> State:
        """The state that its last run is or ended in; Pending where it never ran."""
        history = self.session.around.store.history
        runs = self.session.past_runs.runs_of(self.session.past_runs.subject(self.name))
        path = history.transitions(runs[0].id) if runs else ()
        return state_of(path[-1]) if path else Pending()

    @property
    def freshness(self) -> Freshness:
        """Whether it is up to date now, and why not."""
        step, sweep = self.session.places.named(self.name).step, self.session.trunk.sweep
        self.session.prepare()
        sweep.look()
        return Freshness(sweep.judgement(step).verdict, self.session.report.root_causes(step))

    @property
    def is_stale(self) -> bool:
        """Whether it would run at the next flow run, or waits for somebody to let it."""
        return self.freshness.verdict in (Verdict.STALE, Verdict.WAITS)

    @property
    def runs(self) -> Runs:
        """Its runs, newest first."""
        return Runs(self.session.past_runs.lines(self.name))

    @property
    def reads(self) -> tuple[str, ...]:
        """The names and files that its result was made of."""
        return self._card().reads

    @property
    def writes(self) -> tuple[str, ...]:
        """The names and files that it made."""
        return self._card().writes

    @property
    def upstream(self) -> tuple[str, ...]:
        """The tasks that make what it reads."""
        edges = self.session.report.flow_card().edges
        return self._tasks(edge.source for edge in edges if edge.target == self.name)

    @property
    def downstream(self) -> tuple[str, ...]:
        """The tasks that read what it makes."""
        edges = self.session.report.flow_card().edges
        return self._tasks(edge.target for edge in edges if edge.source == self.name)

    def _tasks(self, names: Iterator[str]) -> tuple[str, ...]:
        tasks = set(self.session.flow)
        return tuple(dict.fromkeys(name for name in names if name in tasks))

    def _card(self) -> TaskCard:
        cell = self.session.places.named(self.name)
        return self.session.report.card(cell.step, cell)

    def __repr__(self) -> str:
        return self.session.why(self.name).text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return self.session.why(self.name).bundle()
