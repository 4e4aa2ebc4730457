"""In another process: a body runs on names made of what was sent, seen by the same observer as at home."""

from __future__ import annotations

import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec

from nbflow.engine.apply import Workspace
from nbflow.engine.baggage import Back, made_by, rebuilt, set_libraries, things_of
from nbflow.engine.book import Step
from nbflow.engine.drive import answered
from nbflow.engine.effects import Call, Ended, Outcome, RunSpec
from nbflow.engine.generators import GENERATORS
from nbflow.engine.labels import Label
from nbflow.engine.observe import Observer
from nbflow.engine.requests import Execution
from nbflow.engine.slots import NAME
from nbflow.exceptions import SessionError, text_of
from nbflow.store.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.baggage import Define, Job
    from nbflow.engine.observation import Observation
    from nbflow.store.files import Files


def performed(
    job: Job, names: dict[str, Any], files: Files, define: Define, run: Callable[[dict[str, Any]], Outcome]
) -> Outcome:
    """Run a body that was sent; what came of it.

    Args:
        job: The body.
        names: Names of which nothing is known to anybody, in which only what a shell gives stands.
        files: Watches its files.
        define: Executes imports and definitions over names.
        run: Executes the code of the body over names, and says how it ended.
    """
    names["__name__"] = job.module
    workspace = Workspace(names, MemoryStore(names))
    with files.watch():  # what modules read that are imported here belongs to who uses them
        why = (
            _unloaded(job)
            or rebuilt(job.things, names, define)
            or set_libraries(job.settings, names)
            or _misfit(job, workspace)
        )
    if why:
        return refused(job.attempt, why)
    observer = Observer(workspace, files, time.time, define)
    call = Call(RunSpec(job.step, job.step), job.attempt, 1, 1, None, {})
    execution = Execution(Step(job.step, job.step, job.body), job.body, call, workspace)
    work = observer.run(execution, job.reached, hide=True)
    observation = answered(work, lambda _: run(names))
    return msgspec.structs.replace(observation.outcome, away=_back(job, observation, observer, workspace))


def refused(attempt: str, why: str) -> Outcome:
    """The outcome of a body that has to run on the user's names."""
    return Outcome(attempt, Ended.CANCELLED, why, away=Back(why))


def _unloaded(job: Job) -> str:
    """Load the random generators: who draws from one that its own body loads would not be seen."""
    for name in sorted(GENERATORS[key].module for key in job.generators):
        try:
            import_module(name)
        except Exception as error:  # noqa: BLE001 - modules are user code
            return f"{name} cannot be loaded in a worker: {text_of(error)}"
    return ""


def _misfit(job: Job, workspace: Workspace) -> str:
    """Label the names; say which holds something else than at home."""
    for key, digest in job.digests.items():
        now = workspace.look(key)
        if now.digest != digest:
            return f"{key} is another thing in a worker"
        workspace.label(key, Label(now.digest, now.memory, None, now.classes))
    odd = (name for name, digest in job.modules.items() if _digest(name, workspace) != digest)
    return next((f"the module {name} is another one in a worker" for name in odd), "")


def _digest(module: str, workspace: Workspace) -> str:
    try:
        return workspace.look_at(import_module(module)).digest
    except Exception:  # noqa: BLE001 - modules are user code
        return ""


def _back(job: Job, seen: Observation, observer: Observer, workspace: Workspace) -> Back:
    watch = seen.watch if seen.watch is not observer.no_watch else None
    back = Back(
        seen.fault,
        outputs=tuple(output for output in seen.outputs if output.slot.kind == NAME and seen.has_returned),
        told=watch.told() if watch is not None else None,
        started=seen.started,
        seconds=seen.seconds,
        folder=seen.folder,
        context=dict(seen.context),
        data=seen.data,
        drew=seen.drew,
    )
    changed = {key for key in seen.changed if not key.startswith("<")} if seen.has_returned else set[str]()
    names = workspace.names
    try:
        sources = made_by(job.body, changed)
        things = tuple(things_of(changed & names.keys(), names, workspace, sources))
    except SessionError as error:
        return msgspec.structs.replace(back, why=back.why or str(error))
    return msgspec.structs.replace(back, things=things, gone=tuple(sorted(changed - names.keys())))
