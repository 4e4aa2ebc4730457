"""The commands of `%flow`: each is one function over the session, found by its name.

A command takes the words behind it and returns what shows itself, or None.
"""

from __future__ import annotations

import importlib
import re
import shlex
from dataclasses import fields
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

from nbflow.exceptions import OptionError, SessionError
from nbflow.notebook.lines import Command, Words, read_pair, words_of
from nbflow.retries import parse_duration
from nbflow.views import Shown, show_diff, show_lines, show_why
from nbflow.views.table import NO_TASKS
from nbflow.views.words import counted, duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbflow.engine.action import Action
    from nbflow.engine.requests import Working
    from nbflow.notebook.auditing import Audited
    from nbflow.notebook.holds import Restored
    from nbflow.notebook.session import Session


def perform(session: Session, line: str) -> Any:
    """Do what a `%flow` line says.

    Raises:
        OptionError: If there is no such command, or the words behind it make no sense.
        SessionError: If it changes names and stands where that would go unseen.
    """
    command, words = _read(session, line)
    return None if _is_part_of_run(session, command) else command.run(session, words)


async def perform_waiting(session: Session, line: str) -> Any:
    """Do what a `%flow` line says, where bodies may await something; errors as `perform`."""
    command, words = _read(session, line)
    is_behind = "--background" in words.switches or _goes_on(session, command, words)
    if command.run not in (_run, _resume) or is_behind or _is_part_of_run(session, command):
        return perform(session, line)
    resumed = command.run is _resume
    work = _resuming(session, words) if resumed else _work(session, words)
    return session.report.action(await session.perform_waiting(work), words.plain, resumed=resumed)


def _is_part_of_run(session: Session, command: Command) -> bool:
    """Whether a plain cell that ends with the command is itself brought up to date by a run."""
    return command.acts and session.running is not None and session.running.plain


def refuse_within(session: Session, told: str) -> None:
    """Refuse a command in a cell that the flow itself runs, unless that is brought up to date by a run.

    Args:
        session: The session.
        told: How the command is written.

    Raises:
        SessionError: If it stands in such a cell.
    """
    running = session.running
    if running is not None and (not running.plain or session.is_own(running)):
        where = f"{told} cannot run inside {running.name}: the flow is running"
        raise SessionError(f"{where}; give it a cell of its own")


def _read(session: Session, line: str) -> tuple[Command, Words]:
    try:
        words = shlex.split(line.rstrip("; "))
    except ValueError as error:
        raise OptionError(f"the line cannot be read: {error}") from None
    name, rest = (words[0], words[1:]) if words else ("", [])
    if name and _HELP.intersection(rest):
        name, rest = "help", [name]
    command = COMMANDS.get("help" if name in _HELP else name)
    if command is None:
        raise OptionError.unknown("command", name, filter(None, COMMANDS), "%flow help lists them")
    told = words_of(name, command, rest)
    if command.acts:
        refuse_within(session, f"`%flow {line}`")
        session.plain.finish(line)
    return command, told


_HELP: Final = frozenset({"--help", "-h", "?"})
"""What asks for help instead, behind a command or alone."""


# --- the commands --------------------------------------------------------------------------------


def _flow(session: Session, words: Words) -> Shown:
    return session.live.show()


def _run(session: Session, words: Words) -> Shown:
    if "--background" in words.switches:
        return _run_behind(session, words)
    return session.report.action(session.perform(_work(session, words)), words.plain)


def _resuming(session: Session, words: Words) -> Working[Action]:
    # Loading the extension must cost next to nothing: what only runs need is imported then.
    return importlib.import_module("nbflow.notebook.resuming").resume(session, words.plain)


def _goes_on(session: Session, command: Command, words: Words) -> bool:
    """Whether a line lets a run in the background go on that is paused."""
    return command.run is _resume and not words.plain and session.background.is_paused


def _resume(session: Session, words: Words) -> Shown:
    if not words.plain and session.background.is_paused:
        number = session.background.go_on()
        return show_lines(*session.background.words or (f"run #{number} has ended",))
    done = session.perform(_resuming(session, words))
    return session.report.action(done, words.plain, resumed=True)


def _run_behind(session: Session, words: Words) -> Shown:
    other = next((word for word in ("--only", "--plain") if word in words.switches), "")
    if other:
        raise OptionError(f"--background runs no plain cells and keeps to the flow; leave out {other}")
    if session.around.is_headless:  # nobody would see its end
        return session.report.action(session.perform(_work(session, words)), words.plain)
    if words.pairs:
        session.set_parameters(dict(words.pairs))
    runner = dict(words.values).get("--runner", "")
    return session.background.run(words.plain, force="--force" in words.switches, runner=runner)


def _cancel(session: Session, words: Words) -> Shown:
    number = session.background.cancel()
    return show_lines(f"run #{number} was cancelled" if number else _NOTHING_RUNS)


def _pause(session: Session, words: Words) -> Shown:
    session.background.pause()
    return show_lines(*session.background.words or (f"{_NOTHING_RUNS}, so that there is nothing to pause",))


_NOTHING_RUNS: Final = "nothing runs in the background"


def _work(session: Session, words: Words) -> Working[Action]:
    if words.pairs:
        session.set_parameters(dict(words.pairs))
    if "--only" in words.switches:
        latest = importlib.import_module("nbflow.notebook.latest")
        return latest.run_only(session, words.plain, force="--force" in words.switches)
    return session.run_flow(
        words.plain,
        force="--force" in words.switches,
        plain="--plain" in words.switches,
        runner=dict(words.values).get("--runner", ""),
    )


def _plan(session: Session, words: Words) -> Shown:
    session.prepare()
    if not any(session.places.tasks()):
        return show_lines(NO_TASKS)
    targets = [session.places.named(name).step for name in words.plain] or None
    return session.report.plan(targets)


def _status(session: Session, words: Words) -> Shown:
    session.prepare()
    return session.report.status()


def _why(session: Session, words: Words) -> Shown:
    session.prepare()
    name = words.one_or_none("task") or session.report.first_not_fresh()
    if not name:
        return show_lines("everything is up to date" if any(session.places.tasks()) else NO_TASKS)
    subject = session.past_runs.subject(name) if name.endswith("]") else None
    if subject is None or subject.index is None:
        return session.report.why(name)
    return show_why(importlib.import_module("nbflow.notebook.item").why_item(session, subject))


def _history(session: Session, words: Words) -> Shown:
    session.prepare()
    return session.report.history(words.one_or_none("task or run"))


def _diff(session: Session, words: Words) -> Shown:
    if not 1 <= len(words.plain) <= 3:
        raise OptionError("name the task: %flow diff TASK [RUN] [RUN]")
    session.prepare()
    return show_diff(importlib.import_module("nbflow.notebook.comparing").compare(session, *words.plain))


def _open(session: Session, words: Words) -> Shown:
    if not 1 <= len(words.plain) <= 2:
        raise OptionError(
            "name the task: %flow open TASK [RUN], or an item of a mapped one: %flow open TASK[3]"
        )
    session.prepare()
    return importlib.import_module("nbflow.notebook.reopening").reopen(session, *words.plain)


def _export(session: Session, words: Words) -> Shown:
    path = words.one_or_none("file")
    if not path:
        raise OptionError("name the file: %flow export FILE.py")
    exporting = importlib.import_module("nbflow.notebook.exporting")
    return show_lines(exporting.export_session(session, path, force="--force" in words.switches))


def _restore(session: Session, words: Words) -> Shown:
    first, *runs = words.plain or ("",)
    if not first:
        raise OptionError("say what: %flow restore TASK [RUN], %flow restore RUN, or %flow restore latest")
    if first == "latest" or runs[:1] == ["latest"]:
        session.holds.restore_latest(runs if first == "latest" else [first])
        return show_lines("every name holds its latest version again")
    if is_run(first):
        return show_lines(_restored_words(session.holds.restore_flow(first)))
    session.holds.restore(first, runs[0] if runs else "-1")
    return session.report.status()


def is_run(word: str) -> bool:
    """Whether a word means a run rather than a task: `#12`, `-1`, or a time.

    Example:
        >>> is_run("#12"), is_run("yesterday 14:00"), is_run("clean")
        (True, True, False)
    """
    return not word.isidentifier() or word in ("today", "yesterday")


def _restored_words(restored: Restored) -> str:
    names = ", ".join(restored.steps) or "nothing that is not so already"
    lines = [f"as at the end of run {restored.number}: {names}; `%flow restore latest` returns"]
    if restored.lost:
        lines.append(f"not stored: {', '.join(restored.lost)}; what these made stays as it is")
    if restored.again:
        again = f"`%flow open {restored.again} #{restored.number}`"
        lines.append(f"{again} gives you code and inputs of then to compute {restored.again} again")
    if restored.gone:
        lines.append(f"{counted(restored.gone, 'cell')} of then are gone")
    return "\n".join(lines)


def _checkout(session: Session, words: Words) -> Shown:
    run = words.one_or_none("run")
    if not run:
        raise OptionError("name the run: %flow checkout RUN, as %flow history shows it")
    return show_lines(_restored_words(session.holds.restore_flow(run)))


def _pin(session: Session, words: Words) -> Shown:
    if not 1 <= len(words.plain) <= 2:
        raise OptionError("name the task: %flow pin TASK [RUN]")
    session.holds.pin(*words.plain)
    held = f"{words.plain[0]} stays as it is, and all below is as of it"
    return show_lines(f"{held}, until `%flow unpin` or a run of its cell")


def _unpin(session: Session, words: Words) -> Shown:
    name = words.one_or_none("task")
    if not name:
        raise OptionError("name the task: %flow unpin TASK")
    session.holds.unpin(name)
    return session.report.status()


def _accept(session: Session, words: Words) -> Shown:
    if not words.plain:
        raise OptionError("name the tasks: %flow accept TASK…, or %flow accept --because CAUSE")
    because, names = "", list(words.plain)
    if "--because" in words.switches:
        because = next((word for word in names if ":" in word), names[0])
        names.remove(because)
    accepted = session.holds.accept(names, because)
    return show_lines(f"taken for up to date as it is now: {', '.join(accepted)}")


def _audit(session: Session, words: Words) -> Audited:
    return importlib.import_module("nbflow.notebook.auditing").audit(session, words.plain)


def _auto(session: Session, words: Words) -> Shown:
    told = words.one_or_none("word")
    if told not in ("", "on", "off"):
        raise OptionError.unknown("mode", told, ("on", "off"))
    limits = [_limit(value) for _, value in words.values]
    if told or limits:
        session.auto = told != "off"
        session.automatic.begin(*limits[-1:])
    below = duration(session.automatic.below)
    state = f"on: after each cell, tasks expected under {below} run" if session.auto else "off"
    return show_lines(f"auto is {state}")


def _limit(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError:
        raise OptionError(f"--below needs a time: 5, 30s, 2m; {text!r} is none") from None


def _params(session: Session, words: Words) -> Shown:
    if "--reset" in words.switches:
        session.reset_parameters()
    given = dict(read_pair(word) for word in words.plain)
    if given:
        session.set_parameters(given)
    session.prepare()
    return session.report.parameters()


def _order(session: Session, words: Words) -> Shown:
    session.prepare()
    return session.report.order()


def _forget(session: Session, words: Words) -> Shown:
    name = words.one_or_none("task")
    if not name:
        raise OptionError("name the task: %flow forget TASK")
    session.forget(name)
    back = "running its cell brings it back, and so does a restart as long as that is there"
    return show_lines(f"{name} is no task of the flow any more; {back}")


def _config(session: Session, words: Words) -> Shown:
    settings = session.around.settings
    names = [each.name for each in fields(settings.settings)]
    origins = {name: settings.origins.get(name, "default") for name in names}
    rows = [f"{name} = {getattr(settings.settings, name)!r}  ({origins[name]})" for name in names]
    return show_lines("\n".join(rows))


def _cache(session: Session, words: Words) -> Shown:
    module = importlib.import_module("nbflow.cache")
    session.work.write_down()
    store, notebook = session.around.store, session.around.notebook
    return show_lines(module.perform(store, module.read_words([*words.plain, *words.switches], notebook)))


def _help(session: Session, words: Words) -> Shown:
    name = words.one_or_none("command")
    if name not in COMMANDS:
        raise OptionError.unknown("command", name, filter(None, COMMANDS), "%flow help lists them")
    if not name:
        return show_lines(f"{help_text()}\n\n{_HOW_TO_TASK}")
    command = COMMANDS[name]
    return show_lines(f"%flow {name} {command.usage}".strip() + f"\n  {command.help}")


_HOW_TO_TASK: Final = "A cell becomes a task by its first line, `# @task NAME`; %%task? lists the options."


COMMANDS: Final[Mapping[str, Command]] = {
    "": Command(_flow, "", "the graph of the flow"),
    "run": Command(
        _run,
        "[TASK…] [--only] [--force] [--plain] [--runner NAME] [--background] [-p NAME=VALUE]",
        "bring everything, or these tasks and what they need, up to date",
        ("--only", "--force", "--plain", "--background"),
        ("--runner",),
        acts=True,
    ),
    "plan": Command(_plan, "[TASK…]", "what a run would do and why; runs nothing"),
    "status": Command(_status, "", "one line a task: state, freshness, age, duration"),
    "why": Command(_why, "[TASK]", "why it is stale, ran, was reused, waits or failed"),
    "history": Command(_history, "[TASK | #RUN]", "its runs, or what ran in a run: states, causes, results"),
    "diff": Command(
        _diff, "TASK [RUN] [RUN]", "two runs side by side: code, inputs, values; one RUN: that run and now"
    ),
    "open": Command(
        _open,
        "TASK[i] [RUN]",
        "what its last run, failed or not, started from into the names, and its body into a new cell",
        acts=True,
    ),
    "restore": Command(
        _restore, "[TASK] RUN|latest", "put back the values of an earlier run: #12, -1, a time", acts=True
    ),
    "checkout": Command(_checkout, "RUN", "put back the whole flow as it was after a run", acts=True),
    "pin": Command(_pin, "TASK [RUN]", "hold a task at a result whatever changes", acts=True),
    "unpin": Command(_unpin, "TASK", "end that", acts=True),
    "accept": Command(
        _accept,
        "TASK… | --because CAUSE [TASK…]",
        "take present results for up to date, until something changes",
        ("--because",),
        acts=True,
    ),
    "audit": Command(
        _audit,
        "[TASK…]",
        "run tasks once more, apart, and compare what they make; never effects",
        acts=True,
    ),
    "pause": Command(_pause, "", "hold back what a run in the background would start next; resume goes on"),
    "resume": Command(
        _resume, "[TASK…]", "go on with a paused run; else run what waits for a person: --manual", acts=True
    ),
    "cancel": Command(_cancel, "", "end the run in the background; what is done stays", acts=True),
    "auto": Command(
        _auto, "on|off [--below D]", "run short tasks after each cell", valued=("--below",), acts=True
    ),
    "params": Command(_params, "[NAME=VALUE…] [--reset]", "show or set parameters", ("--reset",), acts=True),
    "order": Command(_order, "", "all cells in flow order", acts=True),
    "forget": Command(_forget, "TASK", "take a task out of the flow", acts=True),
    "config": Command(
        _config, "", "the settings and where they come from; `%config NBFlow.runner = 'thread'` sets one"
    ),
    "export": Command(
        _export,
        "FILE.py [--force]",
        "the flow as a Python module with task functions and a main; --force replaces what you have edited",
        ("--force",),
    ),
    "help": Command(
        _help, "[COMMAND]", "all commands, or how to write one; %flow COMMAND --help does the same"
    ),
    "cache": Command(
        _cache,
        "[ls|size|verify|gc|clear] [TASK] [--older 7d]",
        "what takes how much of the store; check it, tidy it, remove results",
        ("--older",),
    ),
}


def help_text() -> str:
    """All commands, a line each where there is room, no line wider than a page."""
    rows = ((f"%flow {name} {command.usage}".strip(), command.help) for name, command in COMMANDS.items())
    return "\n".join(line for usage, text in rows for line in _help_lines(usage, text))


def _help_lines(usage: str, text: str) -> Iterator[str]:
    """How to write a command and what it does, below that where both do not fit side by side."""
    indent = " " * (_USAGE + 4)
    beside = f"  {usage:<{_USAGE}}  "
    if len(beside) > len(indent):
        yield f"  {usage}"
        beside = indent
    whole = _CODE.sub(lambda code: code[0].replace(" ", "\xa0"), text)
    lines = wrap(whole, _PAGE, initial_indent=beside, subsequent_indent=indent, break_on_hyphens=False)
    yield from (line.replace("\xa0", " ") for line in lines)


_CODE: Final = re.compile("`[^`]*`")
_PAGE: Final = 100
_USAGE: Final = 36


def no_session() -> SessionError:
    """What to say where nbflow is not loaded."""
    return SessionError("nbflow is not loaded in this kernel: run %load_ext nbflow")
