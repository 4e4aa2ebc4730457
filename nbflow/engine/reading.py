"""Reads of task functions while code runs: each gets the value that stands there, or says why not.

A body of the flow has the values of all functions that it was seen to read put in place before it runs. A
plain cell has them brought up to date first. A read that nobody saw coming is refused: the value that
stands there then may be an old one. Who reads gets a copy of its own, so that nobody changes the value.
"""

from __future__ import annotations

from contextlib import nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbflow.engine.bind import by_unit
from nbflow.engine.influence import reached_through
from nbflow.engine.placeholder import is_placeholder
from nbflow.engine.slots import key_of, slot_of
from nbflow.engine.wiring import asked_by, value_steps
from nbflow.exceptions import SessionError, text_of
from nbflow.types import Standing, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from nbflow.engine.apply import Workspace
    from nbflow.engine.bind import Version
    from nbflow.engine.book import Body, Step
    from nbflow.engine.plan import Work

_DONE = (Verdict.FRESH, Verdict.AS_OF)


@dataclass(slots=True)
class _Running:
    """A body of the flow that runs: its step, its names, and why a read in it was refused, if one was."""

    reading: Reading
    step: Step
    workspace: Workspace
    refused: SessionError | None = None
    outer: _Running | None = None

    def __enter__(self) -> None:
        self.outer = _RUNNING.get()
        _RUNNING.set(self)

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        _RUNNING.set(self.outer)
        if error is None and self.refused is not None:
            raise self.refused


_RUNNING: ContextVar[_Running | None] = ContextVar("nbflow_reading", default=None)


class Reading:
    """Answers reads of task functions.

    Args:
        work: Brings steps up to date.
        bring: Has steps brought up to date, or run in any case, and returns what those raised that
            failed, by step.
        why: Says in words why a step is not up to date.
    """

    def __init__(
        self,
        work: Work,
        bring: Callable[[Sequence[Step], bool], Mapping[str, BaseException]],
        why: Callable[[Step], str],
    ) -> None:
        self._work = work
        self._bring = bring
        self._why = why
        self._plain: Step | None = None
        self._errors: dict[str, BaseException | None] = {}
        self._refused: SessionError | None = None

    # --- what runs -----------------------------------------------------------------------------

    def within(self, step: Step, workspace: Workspace) -> AbstractContextManager[None]:
        """While the body of a step of the flow runs; a refused read ends it even if it was caught.

        Args:
            step: The step.
            workspace: The names that the body runs over.

        Raises:
            SessionError: If a read in it was refused.
        """
        return nullcontext() if step is self._plain else _Running(self, step, workspace)

    def begin_plain(self, step: Step) -> None:
        """Before a plain cell runs by itself: what it will read is brought up to date."""
        self.end_plain()
        self._bring_all(asked_by(self._work, step.body))
        self._make_again(step)
        self._plain = step

    def _make_again(self, step: Step) -> None:
        """Have tasks run again whose values a plain cell reaches, and that went with their kernel."""
        if not self._work.runs.recalls:
            return  # what is gone was used up here
        workspace = self._work.workspace
        gone = (each for key, each in self._away(step).items() if not workspace.is_available({key: each}))
        makers = {each.step: self._work.book.steps[each.step] for each in gone}
        makers = {id: maker for id, maker in makers.items() if self._may_make_again(maker)}
        if makers:
            self._bring([makers[id] for id in sorted(makers)], True)
            made = {key: each for key, each in self._away(step).items() if each.step in makers}
            for versions in by_unit(made):
                workspace.place(versions)
            workspace.close()

    def _may_make_again(self, step: Step) -> bool:
        """Whether what a task made is of an earlier kernel: else somebody here has used it up."""
        is_reused = step.trace is not None and step.trace.started < self._work.runs.since
        is_free = not step.plain and step.effect is None and step.hold is None
        return is_reused and is_free and step.standing is Standing.HERE

    def _away(self, step: Step) -> dict[str, Version]:
        """The values that a plain cell reaches by names, and that do not stand there."""
        view, slots = self._work.sweep.view(step), reached_through(step.body, self._work.live_reach)
        bound = {key_of(slot): version for slot in slots if (version := view.bound(slot).version)}
        return {key: each for key, each in bound.items() if self._is_away(key, each)}

    def _is_away(self, key: str, version: Version) -> bool:
        workspace = self._work.workspace
        return is_placeholder(workspace.names.get(key)) or not workspace.holds(key, version)

    def end_plain(self) -> SessionError | None:
        """After it ran; return why a read in it was refused, if one was."""
        refused, self._refused = self._refused, None
        self._plain = None
        self._errors.clear()
        return refused

    def _bring_all(self, steps: Sequence[Step]) -> None:
        if not steps:
            return
        errors = dict(self._bring(steps, False))
        # What can be read only once, as an iterator, is made again for each who reads it.
        spent = [step for step in steps if self._is_done(step) and not self._put(step)]
        if spent:
            errors |= self._bring(spent, True)
            for step in spent:
                self._put(step)
        self._errors = {step.id: errors.get(step.id) for step in steps}

    def _is_done(self, step: Step) -> bool:
        return self._work.sweep.judgement(step).verdict in _DONE

    def _put(self, step: Step) -> bool:
        """Let the value that the step gives now stand under its key; False where it is spent."""
        version, workspace = self._version_of(step), self._work.workspace
        placed = version is not None and workspace.place({version.output.slot.locator: version})
        workspace.close()
        return placed

    def _holds(self, step: Step) -> bool:
        """Whether the value that the step gives now stands under its key, and is up to date."""
        version = self._version_of(step)
        if version is None or not self._is_done(step):
            return False
        return self._work.workspace.holds(version.output.slot.locator, version)

    def _version_of(self, step: Step) -> Version | None:
        """The value that the step of a task function gives now."""
        wiring = step.body.wiring
        return self._work.sweep.judgement(step).version(slot_of(wiring.key)) if wiring is not None else None

    def wires(self, task: Any) -> str:
        """What the parameters of a task function are wired to, for people."""
        workspace = self._work.workspace
        step = self._step_of(task.key) if self._is_named(task, task.__name__, workspace) else None
        wiring = step.body.wiring if step is not None else None
        return ", ".join(key for _, key in wiring.wires) if wiring is not None else ""

    # --- a read --------------------------------------------------------------------------------

    def read(self, task: Any) -> tuple[Any] | None:
        """The value of a task function, in a tuple; None where it is none of the flow.

        Raises:
            SessionError: If it has none here, or one that nobody can vouch for.
        """
        __tracebackhide__ = True
        name: str = task.__name__
        running = _RUNNING.get()
        if not self._is_named(task, name, running.workspace if running is not None else self._work.workspace):
            return None
        if running is not None:
            return running.reading._read_within(running, name, task.key)
        step = self._step_of(task.key)
        if self._plain is not None and name in self._plain.body.analysis.definitions:
            raise self._refuse(f"{name}() is read in the cell that defines it; read it in a cell below")
        if step is None:
            return None
        if self._plain is None:
            self._bring_all([step])
        elif step.id not in self._errors:
            raise self._unseen(name)
        return self._value_of(step, name, task.key)

    def _read_within(self, running: _Running, name: str, key: str) -> tuple[Any] | None:
        """A read in a body of the flow: what it reaches was put in place before it ran."""
        wiring = running.step.body.wiring
        if wiring is not None and wiring.key == key:
            raise self._refuse(f"{name}() reads its own value; call it with arguments to call itself")
        step = self._step_of(key)
        if step is None:
            return None
        if slot_of(key) not in self._work.sweep.judgement(running.step).reached:
            raise self._unseen(name)
        if key not in running.workspace.names:
            raise self._refuse(f"{name}() has no value here: {self._why(step)}")
        return (running.workspace.private_copy(key),)

    def _value_of(self, step: Step, name: str, key: str) -> tuple[Any]:
        error = self._errors.get(step.id)
        if isinstance(error, KeyboardInterrupt):
            raise error
        if error is not None:
            raise SessionError(f"{name}() failed ({text_of(error)})") from error
        if not self._holds(step):
            raise SessionError(f"{name}() has no value that is up to date: {self._why(step)}")
        return (self._work.workspace.private_copy(key),)

    @staticmethod
    def _is_named(task: object, name: str, workspace: Workspace) -> bool:
        """Whether it is what its name stands for in the notebook; a copy of it is as good."""
        held = workspace.names.get(name)
        if held is task or type(held) is not type(task):
            return held is task
        return workspace.look_at(task).digest == workspace.look_at(held).digest

    def _step_of(self, key: str) -> Step | None:
        """The last step that gives a value of this key."""
        found = [step for step in value_steps(self._work.book) if _is_of(step.body, key)]
        return found[-1] if found else None

    def _unseen(self, name: str) -> SessionError:
        text = f"nobody saw that {name}() is read here, so it was not brought up to date; write {name}()"
        return self._refuse(f"{text} in the cell itself")

    def _refuse(self, text: str) -> SessionError:
        refused, running = SessionError(text), _RUNNING.get()
        if running is not None:
            running.refused = refused
        else:
            self._refused = refused
        return refused


def _is_of(body: Body, key: str) -> bool:
    return body.wiring is not None and body.wiring.key == key
