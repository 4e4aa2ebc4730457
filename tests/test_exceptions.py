"""Errors: one tree, messages that help, nothing lost on the way to another process."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from nbflow import exceptions
from nbflow.exceptions import (
    CellSyntaxError,
    CycleError,
    DigestError,
    DuplicateTaskError,
    IllegalTransitionError,
    MissingParameterError,
    NbflowError,
    NotLoadedError,
    OptionError,
    RunError,
    StorageError,
    StoreError,
    TaskTimeoutError,
    UnboundInputError,
    UnknownTaskError,
    text_of,
)
from nbflow.states import Failed

ERRORS = [
    kind
    for _, kind in inspect.getmembers(exceptions, inspect.isclass)
    if issubclass(kind, Exception) and kind.__module__ == exceptions.__name__
]


class TestTree:
    """Whoever catches `NbflowError` catches everything, and the drawing is true."""

    @pytest.mark.parametrize("kind", ERRORS)
    def test_every_error_is_an_nbflow_error(self, kind: type[Exception]) -> None:
        """There is one root."""
        assert issubclass(kind, NbflowError)

    def test_the_drawing_names_every_error_at_its_depth(self) -> None:
        """The tree in the module's text is the tree of classes."""
        drawing = exceptions.__doc__ or ""
        drawn = {
            name: (len(indent) - 4) // 2
            for indent, name in re.findall(r"^( {4,})(\w+(?:Error|Traceback))", drawing, flags=re.MULTILINE)
        }
        assert drawn == {kind.__name__: kind.__mro__.index(NbflowError) for kind in ERRORS}

    @pytest.mark.parametrize(("kind", "also"), [(OptionError, ValueError), (TaskTimeoutError, TimeoutError)])
    def test_errors_that_python_knows_are_caught_by_its_name(self, kind: type, also: type) -> None:
        """A user's `except ValueError` works."""
        assert issubclass(kind, also)


class TestPickling:
    """Errors cross process borders."""

    @pytest.mark.parametrize(
        "error",
        [
            CycleError.along(["a", "b", "a"]),
            CellSyntaxError.of("cell 2", SyntaxError("bad", ("", 3, 1, "x", 3, 2))),
            DigestError("no digest", path="model.lock"),
            StorageError("cannot be stored", reason="a lock"),
            StoreError("the store is full", reason="full"),
            NotLoadedError("df is not loaded", name="df"),
            RunError("no value", run="a#1", state=Failed("x")),
            TaskTimeoutError("too slow", run="a#1"),
        ],
    )
    def test_message_and_attributes_survive(self, error: NbflowError) -> None:
        """What is read in the kernel is what was raised in the worker."""
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


class TestMessages:
    """Each message names what it is about and the next step."""

    @pytest.mark.parametrize(
        ("error", "parts"),
        [
            (DuplicateTaskError.named("clean", "cell 3"), ["'clean'", "cell 3", "%flow forget clean"]),
            (CycleError.along(["a", "b", "a"]), ["a -> b -> a", "remove"]),
            (UnknownTaskError.named("claen", ["clean"]), ["'claen'", "did you mean 'clean'"]),
            (UnknownTaskError.named("zzz"), ["'zzz'", "%flow status"]),
            (OptionError.unknown("policy", "X", ["B", "A"]), ["policy 'X'", "A, B"]),
            (UnboundInputError.of("clean", "raw"), ["'clean'", "'raw'", "run the cell"]),
            (CellSyntaxError.of("cell 2", SyntaxError("bad")), ["cell 2", "bad", "run it again"]),
            (MissingParameterError.named("a", "b", flow="etl"), ["'etl'", "parameters 'a', 'b'", "a=…, b=…"]),
            (IllegalTransitionError.between("r#1", None, "Running"), ["r#1", "begin as Running", "report"]),
        ],
    )
    def test_what_and_what_next(self, error: NbflowError, parts: list[str]) -> None:
        """A user need not look anything up."""
        assert [part for part in parts if part not in str(error)] == []

    def test_attributes_say_the_same_to_programs(self) -> None:
        """Path, line and reason need not be parsed out of a text."""
        assert CycleError.along(["a", "a"]).path == ("a", "a")
        assert CellSyntaxError.of("c", SyntaxError("bad", ("", 3, 1, "x", 3, 2))).line == 3
        assert StoreError("the store is full").reason == "the store is full"


class Mute(Exception):
    """An exception whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError


class TestText:
    """An exception in one line."""

    @pytest.mark.parametrize(
        ("error", "text"),
        [
            (ValueError("no: "), "ValueError: no: "),
            (KeyError(), "KeyError"),
            (Mute(), "Mute"),
            (OSError("\udce9"), "OSError: \\udce9"),
        ],
    )
    def test_its_type_and_what_it_says(self, error: Exception, text: str) -> None:
        """Whatever its own code does."""
        assert text_of(error) == text
