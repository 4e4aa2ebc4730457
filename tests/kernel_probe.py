"""What tests look at inside a kernel, out of nbflow's sight: which code really ran, what names hold.

Its source is executed in the kernel as a module without a file, so that neither the notebook's names nor
its local modules know of it. Executions are counted by Python itself, which announces every code object
that is run.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from types import CodeType
from typing import Any

RAN: list[CodeType] = []


def listen() -> None:
    """Count from now on every code object that is executed at top level; for good."""
    sys.addaudithook(_heard)


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    is_code = event == "exec" and isinstance(arguments[0], CodeType)
    # What a cell with a header is for IPython is a call of its magic; its body is another code object.
    if is_code and not _calls_header(arguments[0]):
        RAN.append(arguments[0])


def _calls_header(code: CodeType) -> bool:
    return "run_cell_magic" in code.co_names and bool({"task", "params"} & set(code.co_consts))


def taken(sources: str) -> str:
    """The cells whose code ran since this was last asked, in order, as JSON; repeats included.

    Args:
        sources: Identifiers of cells to their texts, as JSON.
    """
    from ipykernel.compiler import get_file_name

    names = {get_file_name(text): id for id, text in json.loads(sources).items()}
    found: list[str] = []
    parts: Counter[tuple[str, CodeType]] = Counter()
    for code in RAN:
        # IPython runs a cell in several parts, each once in one execution.
        part, id = (code.co_filename, code), names.get(code.co_filename)
        parts[part] += 1
        if id is not None and parts[part] > found.count(id):
            found.append(id)
    RAN.clear()
    return json.dumps(found)


def standing() -> str:
    """Verdicts of all steps, what the names called fresh hold, and whose outputs are current, as JSON."""
    import nbflow
    from nbflow.engine.slots import slot_of

    session = nbflow.session()
    session.prepare()
    sweep, workspace = session.trunk.sweep, session.trunk.workspace
    sweep.look_outside()
    verdicts = {step.id: sweep.judgement(step).verdict.value for step in session.book if step.ran}
    verdicts.pop("kernel")
    values: dict[str, Any] = {}
    for key, value in session.around.names.items():
        bound = sweep.end().bound(slot_of(key))
        if bound.version is None or bound.doubts or bound.version.step == "kernel":
            continue
        if workspace.holds(key, bound.version) and is_data(value):
            values[key] = canon(value)
    screens = [cell.step.id for cell in session.places.tasks() if _is_current(session, cell)]
    return json.dumps({"verdicts": verdicts, "values": values, "screens": screens})


def _is_current(session: Any, cell: Any) -> bool:
    """Whether nbflow says, by keeping silent, that what stands below a cell is of its fresh result."""
    trace, verdict = cell.step.bound_trace, session.trunk.sweep.judgement(cell.step).verdict.value
    if trace is None or not cell.badge or verdict != "fresh":
        return False
    return "run this cell to show" not in session.report.badge(cell).bundle()["text/html"]


def load_over(folder: str) -> str:
    """Begin anew in another folder: no names, no local modules, no history; nbflow is not loaded."""
    import os
    from pathlib import Path

    from IPython.core.getipython import get_ipython

    import nbflow

    shell: Any = get_ipython()
    nbflow.unload_ipython_extension(shell)
    shell.extension_manager.loaded.discard("nbflow")
    shell.reset(new_session=False)
    here = os.getcwd()
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(here):
            del sys.modules[name]
    sys.path[:] = [path for path in sys.path if path != here]
    os.chdir(folder)
    os.environ["JPY_SESSION_NAME"] = str(Path(folder) / "nb.ipynb")
    RAN.clear()
    return nbflow.__file__


def shell() -> str:
    """What an extension could leave behind in the shell and in the process, as JSON."""
    import signal
    import threading

    from IPython.core.getipython import get_ipython

    shell: Any = get_ipython()
    manager, completer = shell.magics_manager, shell.Completer
    found = {
        "magics": [sorted(group) for group in manager.magics.values()],
        "registry": sorted(manager.registry),
        "events": {event: len(callbacks) for event, callbacks in shell.events.callbacks.items()},
        "transformers": list(map(len, (shell.input_transformers_cleanup, shell.input_transformers_post))),
        "syntax": len(shell.ast_transformers),
        "completers": len(completer.custom_matchers),
        "names": sorted(name for name in shell.user_ns if not name.startswith("_")),
        "hidden": sorted(name for name in shell.user_ns_hidden if not name.startswith("_i")),
        "interrupt": repr(signal.getsignal(signal.SIGINT)),
        "streams": [type(stream).__name__ for stream in (sys.stdout, sys.stderr, sys.displayhook)],
        "publisher": sorted(vars(shell.display_pub)),
        "finders": [len(sys.meta_path), len(sys.path_hooks), *sys.path],
        "threads": threading.active_count(),
        "files": _open_files(),
    }
    return json.dumps(found)


def _open_files() -> list[str]:
    import os

    found: list[str] = []
    for each in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        try:
            found.append(os.readlink(f"/proc/self/fd/{each}").partition(":")[0])
        except OSError:
            continue
    # IPython opens its own history when it likes.
    return sorted(path for path in found if "history.sqlite" not in path)


def is_data(value: Any) -> bool:
    """Whether a value is compared: neither code nor a module."""
    return not (callable(value) or isinstance(value, type(sys)))


def canon(value: Any) -> Any:
    """A value as JSON can hold it, with every digit; equal for equal values of two processes."""
    kind = type(value).__name__
    if isinstance(value, list | tuple):
        return [kind, [canon(item) for item in value]]
    if isinstance(value, dict):
        return [kind, [[canon(key), canon(item)] for key, item in value.items()]]
    if kind == "DataFrame":
        return [kind, canon(value.index), [[column, canon(value[column])] for column in value.columns]]
    if hasattr(value, "tolist"):
        name = getattr(value, "name", None)
        return [kind, str(value.dtype), repr(name), repr(getattr(value, "shape", ())), repr(value.tolist())]
    if hasattr(value, "__dict__"):
        return [kind, canon(vars(value))]
    return [kind, repr(value)]
