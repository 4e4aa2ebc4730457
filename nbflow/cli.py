"""The command line: `nbflow run NOTEBOOK`, `nbflow export NOTEBOOK`, `nbflow cache …`, and questions.

The questions are `status`, `plan`, `why` and `history`; they need no kernel and change nothing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nbflow.exceptions import NbflowError

if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: By default the process's.

    Returns:
        The exit code: 0 completed, 1 failed, 2 wrong usage, 130 stopped.
    """
    told = _parser().parse_args(arguments)
    try:
        return told.do(told)
    except NbflowError as error:
        print(f"nbflow: {error}", file=sys.stderr)
        return USAGE_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nbflow", description="Notebooks as incremental workflows: only what is invalidated runs again."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run a notebook: plain cells in order, tasks incrementally")
    run.add_argument("notebook", type=Path, help="the notebook's file; it is not changed")
    run.add_argument(
        "-p", dest="parameters", action="append", default=[], metavar="NAME=VALUE", help="set a parameter"
    )
    run.add_argument(
        "--task",
        dest="tasks",
        action="extend",
        nargs="+",
        default=[],
        metavar="T",
        help="run only these tasks and what they need",
    )
    run.add_argument("--output", type=Path, metavar="OUT.ipynb", help="write the executed notebook")
    run.add_argument("--force", action="store_true", help="run every task even where an earlier result fits")
    run.add_argument("--runner", default="", metavar="NAME", help="where bodies of tasks run, such as thread")
    run.set_defaults(do=_run)
    export = commands.add_parser(
        "export", help="write a notebook as a Python module with task functions and a main; nothing runs"
    )
    export.add_argument("notebook", type=Path, help="the notebook's file, as it is saved")
    export.add_argument(
        "file", type=Path, nargs="?", metavar="FILE.py", help="the module; by default beside the notebook"
    )
    export.add_argument(
        "--force", action="store_true", help="replace a file that was not exported, or was edited since"
    )
    export.set_defaults(do=_export)
    for what, (names, text) in _QUESTIONS.items():
        _take_question(commands.add_parser(what, help=f"{text}; runs nothing"), what, names)
    _take_cache(commands.add_parser("cache", help="what a store holds; check it, tidy it, remove results"))
    return parser


_QUESTIONS: Final = {
    "status": ("*", "a line for each task: certainly stale, or unknown"),
    "plan": ("*", "what a run would do at least, and why"),
    "why": ("?", "why a task is stale, with what changed"),
    "history": ("?", "the runs of a notebook, or of a task"),
}
"""What can be asked without a kernel, how many tasks may stand behind it, and what it tells."""
_BY_DEFAULT: Final = {
    "*": "only these; by default all",
    "?": "only this one; by default the first that is stale, and all runs",
}


def _take_question(question: argparse.ArgumentParser, what: str, names: str) -> None:
    question.add_argument("notebook", type=Path, help="the notebook's file, as it is saved")
    question.add_argument("tasks", nargs=names, metavar="TASK", default=(), help=_BY_DEFAULT[names])
    question.set_defaults(do=_answer, what=what)


def _take_cache(cache: argparse.ArgumentParser) -> None:
    whats = ("ls", "size", "verify", "gc", "clear", "trust")
    cache.add_argument("what", choices=whats, nargs="?", default="size")
    cache.add_argument(
        "place", type=Path, nargs="?", default=Path(), help="a notebook, its folder, or the store itself"
    )
    cache.add_argument("task", nargs="?", default="", help="only of this task")
    cache.add_argument("--older", metavar="D", help="only what was not used for 12h, 7d …")
    cache.add_argument("--yes", action="store_true", help="trust without being asked")
    cache.set_defaults(do=_cache)


def _run(told: argparse.Namespace) -> int:
    from nbflow.notebook.headless import Headless, run_notebook
    from nbflow.notebook.lines import read_pair

    pairs = dict(read_pair(text) for text in told.parameters)
    return run_notebook(
        Headless(told.notebook, pairs, told.output, told.force, told.runner, tuple(told.tasks))
    )


def _export(told: argparse.Namespace) -> int:
    from nbflow.notebook.exporting import export_notebook

    print(export_notebook(told.notebook, told.file, force=told.force))
    return 0


def _answer(told: argparse.Namespace) -> int:
    from nbflow.notebook.asking import answer
    from nbflow.views.terminal import for_terminal

    names = (told.tasks,) if isinstance(told.tasks, str) else tuple(told.tasks or ())
    print(for_terminal(answer(told.what, told.notebook, names)))
    return 0


def _cache(told: argparse.Namespace) -> int:
    from nbflow.cache import answer, trust

    if told.what == "trust":
        return trust(told.place, print, (lambda question: "yes") if told.yes else _ask)
    age = [] if told.older is None else ["--older", told.older]
    print(answer(told.what, told.place, [*filter(None, (told.task,)), *age]))
    return 0


def _ask(question: str) -> str:
    return input(question) if sys.stdin.isatty() else ""


if __name__ == "__main__":
    sys.exit(main())
