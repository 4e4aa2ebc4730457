"""The body of a run, called within what it may see: the same in the kernel and in a worker."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from nbflow.context import of_run
from nbflow.engine.drive import calls_user_code
from nbflow.running.deciding import has_states, value_of_task
from nbflow.running.logs import logger_of, prints_of
from nbflow.running.scope import SETTING
from nbflow.running.transactions import entered
from nbflow.states import Role

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
    from concurrent.futures import Future

    from nbflow.engine.effects import Call
    from nbflow.running.runs import Run
    from nbflow.running.scope import Scope
    from nbflow.running.transactions import Transaction


class Bodies:
    """Calls the body of one run, once for each attempt.

    Args:
        run: The run.
        around: The scope that it was started in.
        transaction: The transaction that the run is; None: none.
    """

    def __init__(self, run: Run, around: Scope, transaction: Transaction | None = None) -> None:
        self._run = run
        self._around = around
        self._transaction = transaction
        self._within: Scope | None = None
        self._stopped: str | None = None
        self._abandoned = ""

    def abandon(self, attempt: str) -> None:
        """Nothing that an attempt starts counts any more, because it has reached its limit."""
        self._abandoned = attempt
        if self._within is not None:
            self._within.stop(f"{self._run.name} reached its limit")

    def stop(self, reason: str) -> Sequence[Future[Any]]:
        """Stop what the body has started; what another thread is just moving on ends later."""
        self._stopped = reason
        if self._within is None:
            return ()
        self._within.stop(reason)
        return [future.ended for future in list(self._within.open)]

    @calls_user_code
    def execute(self, effect: Call) -> Any:
        """Call the body; what it submitted is over when this returns or raises."""
        with self._entered(effect) as scope:
            try:
                value = self._run.of.execute(scope, effect)
                if self._run.of.yields:
                    value = list(value)
                if self._run.role is not Role.FLOW and has_states(value):
                    scope.wait_open()
                    value = value_of_task(value)
                scope.wait_open()
            except BaseException as stop:
                scope.stop_after(stop)
                scope.wait_open()
                raise
            return value

    async def await_body(self, effect: Call) -> Any:
        """Do what `execute` does, awaiting."""
        with self._entered(effect) as scope:
            try:
                made = self._run.of.execute(scope, effect)
                value = [each async for each in made] if self._run.of.yields else await made
                if self._run.role is not Role.FLOW and has_states(value):
                    await scope.await_open()
                    value = value_of_task(value)
                await scope.await_open()
            except BaseException as stop:
                scope.stop_after(stop)
                await scope.await_open()
                raise
            return value

    @calls_user_code
    def steps(self, effect: Call) -> Generator[Any, Any, Any]:
        """The values that the body yields, whenever somebody wants the next one."""
        with self._entered(effect) as scope:
            try:
                made: Generator[Any, Any, Any] = self._run.of.execute(scope, effect)
                value = yield from made
                scope.wait_open()
            except BaseException as stop:
                scope.stop_after(stop)
                scope.wait_open()
                raise
            return value

    async def await_steps(self, effect: Call) -> AsyncGenerator[Any, Any]:
        """Do what `steps` does, awaiting."""
        with self._entered(effect) as scope:
            made: AsyncGenerator[Any, Any] = self._run.of.execute(scope, effect)
            move = partial(made.asend, None)
            try:
                while True:
                    value = await move()
                    try:
                        move = partial(made.asend, (yield value))
                    except Exception as thrown:  # noqa: BLE001  # the generator may catch it
                        move = partial(made.athrow, thrown)
            except StopAsyncIteration:
                return
            except GeneratorExit:
                await made.aclose()
                raise
            except BaseException as stop:
                scope.stop_after(stop)
                raise
            finally:
                await scope.await_open()

    @contextmanager
    def _entered(self, effect: Call) -> Generator[Scope]:
        """What the body sees around it."""
        self._around.raise_stop()
        scope = self._run.of.scope_for(self._run, self._around, effect)
        scope.around = self._around
        if effect.attempt == self._abandoned:
            scope.stop(f"{self._run.name} reached its limit")
        else:
            self._within = scope
        if self._stopped is not None:
            scope.stop(self._stopped)
        token = SETTING.set(scope)
        try:
            with entered(self._transaction), of_run(self._shown(scope, effect)), prints_of(self._run):
                yield scope
        finally:
            SETTING.reset(token)
            if scope.owns_runner and scope.runner is not None:
                scope.runner.close()

    def _shown(self, scope: Scope, effect: Call) -> Mapping[str, Any]:
        """What `nbflow.context` shows to the body."""
        run = self._run
        shown = {**scope.shown, "logger": logger_of(run)}
        if run.role is not Role.FLOW:
            shown |= {
                "task_name": run.of.name,
                "task_run_id": run.id,
                "task_run_name": run.name,
                "task_run_count": effect.run_count,
                "task_tags": run.tags,
            }
        if run.index is not None:
            shown["map_index"] = run.index
        if effect.spec.started_by_name:
            shown["resume"] = True
        if effect.loop > 1:
            shown |= {"task_loop_count": effect.loop, "task_loop_result": effect.loop_result}
        return shown
