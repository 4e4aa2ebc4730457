"""Objects on their way: what is named, what is sent itself, and what is refused."""

from __future__ import annotations

import enum
import io
import os
import sys
from typing import Any

import pytest

from nbflow import task
from nbflow.task_runners.shipping import packed, shipped, this_process, unpacked


class Late(ValueError):
    """An exception whose constructor writes its text."""

    def __init__(self, flight: int) -> None:
        super().__init__(f"flight {flight} is late")
        self.flight = flight


class Missing(OSError):
    """One of Python's with a constructor of its own."""

    def __init__(self, path: str, *, asked: int) -> None:
        super().__init__(2, "is missing", path)
        self.asked = asked


class Named:
    """An object that says it is found by its name."""

    def __init__(self, module: str) -> None:
        self.__module__ = module
        self.size = 7

    def __reduce__(self) -> str:
        return "found"


found = Named(__name__)


@task
def double(x):
    """A task of a module."""
    return 2 * x


class TestPacked:
    """Bytes, and back."""

    @pytest.mark.parametrize(
        "value", [1, "text", [1, {"a": (2,)}], {3}, None, b"abc", len, sys, io.StringIO("x")]
    )
    def test_what_pickle_knows(self, value: Any) -> None:
        """Comes back equal."""
        made = unpacked(packed(value))
        assert made == value or made.getvalue() == value.getvalue()

    def test_code_with_what_it_uses(self) -> None:
        """Functions without a name, closures, bodies."""
        step = 4
        assert unpacked(packed(lambda x: x + step))(3) == 7
        assert shipped(lambda: step)() == 4

    def test_classes_are_themselves_at_home(self) -> None:
        """Also after a way through bytes, untouched."""

        class Here:
            number = 1

        class Colour(enum.Enum):
            RED = 1

        made = unpacked(packed([Here, Here(), Colour.RED]))
        assert made[0] is Here
        assert type(made[1]) is Here
        assert made[2] is Colour.RED

    def test_exceptions_say_what_they_said(self) -> None:
        """Their constructors do not write their texts once more, in groups neither."""
        group = ExceptionGroup("both", [Late(7), Missing("a.csv", asked=3)])
        group.add_note("in May")
        late, missing = unpacked(packed(group)).exceptions
        assert (str(late), late.flight) == ("flight 7 is late", 7)
        assert (str(missing), missing.filename, missing.asked) == (str(Missing("a.csv", asked=3)), "a.csv", 3)
        assert unpacked(packed(group)).__notes__ == ["in May"]
        stop = unpacked(packed(StopIteration(7)))
        assert stop.value == 7

    def test_a_task_of_a_module_is_named(self) -> None:
        """Of the notebook's the code is sent; a copy with other options is another one."""
        assert unpacked(packed(double)) is double
        assert unpacked(packed(double.with_options(retries=2))).options.retries == 2

    def test_what_is_found_by_its_name(self) -> None:
        """Is named where it is found so, and sent itself elsewhere."""
        assert unpacked(packed(found)) is found
        for module in (__name__, "__main__"):
            assert unpacked(packed(Named(module))).size == 7

    def test_open_files_are_refused(self) -> None:
        """Their content would be copied in silence."""
        with open(os.devnull) as file, pytest.raises(Exception, match="send its path"):
            packed(file)

    def test_a_process_has_one_name(self) -> None:
        """Another one has another."""
        assert this_process() == this_process()
        read, write = os.pipe()
        process = os.fork()
        if process == 0:
            os.write(write, this_process().encode())
            os._exit(0)
        os.waitpid(process, 0)
        assert os.read(read, 100).decode() != this_process()
        os.close(read)
        os.close(write)
