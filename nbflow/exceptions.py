"""The errors of nbflow: one tree, and every message says what to do next.

    NbflowError
      DefinitionError              wrong before anything ran
        DuplicateTaskError         two cells claim one name
        CycleError                 tasks wait for each other; names the path
        UnknownTaskError           no task of that name
        OptionError (ValueError)   an option of a task, flow or setting makes no sense
        UnboundInputError          an input that nothing provides
        AnalysisError              a cell that cannot be understood
          CellSyntaxError          … because it is not Python
      RunError                     a caller wanted the value of a run that has none
        TaskFailedError            it failed, crashed or was cancelled
        TaskTimeoutError (TimeoutError)   it reached its own limit
        WorkerError                something cannot pass between the kernel and a worker
        WorkerTraceback            where in a worker something was raised, as a text
        UpstreamError              something before it has no value
        NotFinishedError           it has not ended yet
        MissingParameterError      a parameter without default was not given
        ParameterTypeError (TypeError)    an argument is not what its annotation says
        ParameterBindError (TypeError)    the arguments of a call do not fit its signature
      CacheError                   never fails a run: the run goes on without the cache
        DigestError                a value without digest; names the part
        StorageError               a value that cannot be stored; says why
        StoreError                 the store itself: full, read-only, corrupt, newer, no key
      SessionError
        NotLoadedError             a placeholder was used before its value was loaded
      ExportError                  a notebook that cannot be written as a module
      InternalError                a mistake of nbflow, not of the user
        IllegalTransitionError     a state that may not follow the one before

Errors that a user's body raises are never wrapped: they are kept as they are. The signals of
`nbflow.engine.signals` are no errors and live elsewhere. Every error can be pickled.
"""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nbflow.states import State


_MOST_NAMED: Final = 10


class NbflowError(Exception):
    """Any error that nbflow raises on purpose.

    Example:
        >>> issubclass(OptionError, (NbflowError, ValueError))
        True
    """

    def _render_traceback_(self) -> list[str]:
        # IPython asks an exception for this: what the user did wrong is in no line of ours.
        return lines_of_users(self)


def lines_of_users(error: BaseException) -> list[str]:
    """An error as IPython shows it, below the lines of the user that led to it and none of ours."""
    return import_module("nbflow.notebook.tracebacks").lines_of(error)


def lines_of_stop(stop: KeyboardInterrupt) -> list[str]:
    """A Stop as IPython shows it, below the lines of the user that it ended, and none of ours."""
    return import_module("nbflow.notebook.tracebacks").lines_of_stop(stop)


class DefinitionError(NbflowError):
    """A task, flow or cell is wrong before anything ran."""


class DuplicateTaskError(DefinitionError):
    """Two cells or functions claim one task name."""

    @classmethod
    def named(cls, name: str, owner: str) -> Self:
        """Make the error for the task `name` that `owner` (a cell's label) has already.

        Example:
            >>> print(DuplicateTaskError.named("clean", "cell 3"))
            task 'clean' is defined in cell 3 already; give this one another name, or run `%flow forget clean`
        """
        return cls(
            f"task {name!r} is defined in {owner} already; "
            f"give this one another name, or run `%flow forget {name}`"
        )


class CycleError(DefinitionError):
    """Tasks wait for each other.

    Args:
        message: What happened and what to do.
        path: The names along the cycle; the first is repeated at the end.
    """

    def __init__(self, message: str, *, path: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.path = tuple(path)

    @classmethod
    def along(cls, path: Sequence[str]) -> Self:
        """Make the error for a cycle given as names from a task back to itself.

        Example:
            >>> print(CycleError.along(["a", "b", "a"]))
            tasks wait for each other: a -> b -> a; remove one of these dependencies
        """
        return cls(
            f"tasks wait for each other: {' -> '.join(path)}; remove one of these dependencies", path=path
        )


class UnknownTaskError(DefinitionError):
    """No task of that name is registered."""

    @classmethod
    def named(cls, name: str, known: Iterable[str] = ()) -> Self:
        """Make the error for `name`, with the nearest of the `known` names.

        Example:
            >>> print(UnknownTaskError.named("claen", ["clean", "model"]))
            there is no task 'claen'; did you mean 'clean'?
            >>> print(UnknownTaskError.named("x"))
            there is no task 'x'; there are none yet, see `%flow status`
        """
        names = list(known)
        listed = ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "")
        others = f"tasks: {listed}" if names else "there are none yet, see `%flow status`"
        return cls(f"there is no task {name!r}; {_nearest(name, names, others)}")


class OptionError(DefinitionError, ValueError):
    """An option of a task, a flow or a setting makes no sense."""

    @classmethod
    def unknown(cls, what: str, name: str, known: Iterable[str], otherwise: str = "") -> Self:
        """Make the error for an unknown `name` of the kind `what`.

        Args:
            what: What it was meant to be.
            name: What was given.
            known: What there is.
            otherwise: What to do where none of that is near; by default one of them is to be used.

        Example:
            >>> print(OptionError.unknown("trigger", "all_succesful", ["all_successful", "all_failed"]))
            unknown trigger 'all_succesful'; did you mean 'all_successful'?
            >>> print(OptionError.unknown("parameter", "year", ()))
            unknown parameter 'year'; there is none
        """
        names = sorted(known)
        listed = f"use one of {', '.join(names)}" if names else "there is none"
        return cls(f"unknown {what} {name!r}; {_nearest(name, names, otherwise or listed)}")


class UnboundInputError(DefinitionError):
    """An input that no task, parameter or cell provides."""

    @classmethod
    def of(cls, task: str, name: str) -> Self:
        """Make the error for the input `name` of `task`.

        Example:
            >>> print(UnboundInputError.of("clean", "raw"))
            task 'clean' needs 'raw', which nothing defines before it; run the cell that makes it, or pass it
        """
        return cls(
            f"task {task!r} needs {name!r}, which nothing defines before it; "
            "run the cell that makes it, or pass it"
        )


class AnalysisError(DefinitionError):
    """A cell that the analysis cannot understand."""


class CellSyntaxError(AnalysisError):
    """A cell that is not Python.

    Args:
        message: What happened and what to do.
        line: The line within the cell, counted from 1; 0 where unknown.
    """

    def __init__(self, message: str, *, line: int = 0) -> None:
        super().__init__(message)
        self.line = line

    @classmethod
    def of(cls, cell: str, error: SyntaxError) -> Self:
        """Make the error for the cell labelled `cell` from Python's own.

        Example:
            >>> print(CellSyntaxError.of("cell 2", SyntaxError("invalid syntax", ("", 3, 1, "x =", 3, 4))))
            cell 2 is not Python: invalid syntax, line 3; correct it and run it again
        """
        line = error.lineno or 0
        place = f", line {line}" if line else ""
        return cls(f"{cell} is not Python: {error.msg}{place}; correct it and run it again", line=line)

    def below(self, lines: int) -> Self:
        """The same with its line counted from so many lines above.

        Example:
            >>> error = CellSyntaxError.of("cell 2", SyntaxError("invalid syntax", ("", 3, 1, "x =", 3, 4)))
            >>> print(error.below(1))
            cell 2 is not Python: invalid syntax, line 4; correct it and run it again
        """
        said = str(self).replace(f", line {self.line};", f", line {self.line + lines};")
        return type(self)(said, line=self.line + lines if self.line else 0)


class RunError(NbflowError):
    """The value of a run was asked for and it has none.

    Args:
        message: What happened and what to do.
        run: Identifier of the run, or an empty string.
        state: The run's state, where known.
    """

    def __init__(self, message: str, *, run: str = "", state: State | None = None) -> None:
        super().__init__(message)
        self.run = run
        self.state = state


class TaskFailedError(RunError):
    """A run failed, crashed or was cancelled without an exception of the user's."""


class TaskTimeoutError(RunError, TimeoutError):
    """A run reached the limit that its own task sets."""


class WorkerError(RunError):
    """What a task needs, made or raised cannot pass between the kernel and a worker."""


class WorkerTraceback(RunError):
    """Where in a worker an exception was raised: its cause, as a text.

    Attributes:
        frames: File, line and function of each frame, outermost first.
        before: The same, as a text, of the exception that it came after; empty where there is none.
    """

    frames: tuple[tuple[str, int, str], ...] = ()
    before: str = ""

    def __str__(self) -> str:
        return f"in a worker process:\n{super().__str__()}"


class UpstreamError(RunError):
    """Something that a task needs has no value."""


class NotFinishedError(RunError):
    """The value of a run was asked for before it ended."""


class MissingParameterError(RunError):
    """A parameter without default was not given."""

    @classmethod
    def named(cls, *names: str, flow: str = "") -> Self:
        """Make the error for the parameters `names` of `flow`.

        Example:
            >>> print(MissingParameterError.named("year", flow="etl"))
            flow 'etl' needs the parameter 'year'; pass `year=…` or give it a default
        """
        listed = ", ".join(repr(name) for name in names)
        plural = "s" if len(names) > 1 else ""
        passed = ", ".join(f"{name}=…" for name in names)
        return cls(
            f"flow {flow!r} needs the parameter{plural} {listed}; pass `{passed}` or give it a default"
        )


class ParameterTypeError(RunError, TypeError):
    """An argument of a flow is not what its annotation says, and cannot be made it."""

    @classmethod
    def of(cls, flow: str, problems: Iterable[str]) -> Self:
        """Make the error for the arguments of `flow`.

        Example:
            >>> print(ParameterTypeError.of("etl", ["year: Input should be a valid integer, got 'x'"]))
            flow 'etl' refuses year: Input should be a valid integer, got 'x'; pass what is annotated
        """
        return cls(f"flow {flow!r} refuses {'; '.join(problems)}; pass what is annotated")


class ParameterBindError(RunError, TypeError):
    """The arguments of a call do not fit the signature of its task or flow."""


class CacheError(NbflowError):
    """Something about digests or the store; it never fails a run."""


class DigestError(CacheError):
    """A value has no digest.

    Args:
        message: What happened and what to do.
        path: Where in the value the part without digest is, such as `model.steps[0].lock`.
    """

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class StorageError(CacheError):
    """A value cannot be stored.

    Args:
        message: What happened and what to do.
        reason: Why not, in a few words.
    """

    def __init__(self, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or message


class StoreError(CacheError):
    """The store itself does not work.

    Args:
        message: What happened and what to do.
        reason: `read-only`, `full`, `corrupt`, `newer`, `no key`, … in a few words.
    """

    def __init__(self, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or message


class SessionError(NbflowError):
    """A session cannot do what was asked."""


class NotLoadedError(SessionError):
    """A placeholder was used before its value was loaded.

    Args:
        message: What happened and what to do.
        name: The name that holds the placeholder.
    """

    def __init__(self, message: str, *, name: str = "") -> None:
        super().__init__(message)
        self.name = name


class ExportError(NbflowError):
    """A notebook cannot be written as a module that does the same."""


class InternalError(NbflowError):
    """A mistake of nbflow itself; please report it with `%flow history`."""


class IllegalTransitionError(InternalError):
    """A state that may not follow the one before."""

    @classmethod
    def between(cls, run: str, old: str | None, new: str) -> Self:
        """Make the error for a `run` that would go from the state named `old` to `new`.

        Example:
            >>> print(IllegalTransitionError.between("clean#3", "Completed", "Running"))
            run clean#3 may not go from Completed to Running; please report this with `%flow history`
        """
        start = f"go from {old} to {new}" if old else f"begin as {new}"
        return cls(f"run {run} may not {start}; please report this with `%flow history`")


def _nearest(name: str, known: Iterable[str], otherwise: str) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else otherwise


def text_of(error: BaseException) -> str:
    """An exception in one line: its type and what it says, even where that cannot be had.

    Example:
        >>> text_of(KeyError("a")), text_of(ValueError())
        ("KeyError: 'a'", 'ValueError')
    """
    kind = type(error).__name__
    try:
        said = str(error)
    except Exception:  # noqa: BLE001 - the text of an exception is user code
        return kind
    return f"{kind}: {writable(said)}" if said else kind


def writable(text: str) -> str:
    r"""A text as it can be kept: by their escapes where surrogates stand for bytes that are no text.

    Python names files so whose names are none.

    Example:
        >>> print(writable("caf\udce9.csv"))
        caf\udce9.csv
    """
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
