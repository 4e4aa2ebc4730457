"""Observing bodies: what they changed, and how values are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbflow.engine.book import read_body
from nbflow.engine.observe import is_managed
from nbflow.engine.previews import preview
from nbflow.secrets import HIDDEN, looks_secret
from nbflow.types import UNBOUND, Output
from tests.cells import change, opened

if TYPE_CHECKING:
    from pathlib import Path


def outputs(*sources: str) -> dict[str, Output]:
    """What the last of these cells is seen to write."""
    notebook, cells = opened(*sources)
    trace = notebook.step(cells[-1]).trace
    assert trace is not None, notebook.step(cells[-1]).failure
    return {output.slot.locator: output for output in trace.outputs}


class TestOnlyComputes:
    """Bodies that run nobody's code are not watched."""

    @pytest.mark.parametrize(
        "source",
        [
            "x = 1 + y * 2",
            "x, y = 1, [2, (3, 'four')]",
            "x: int = -1 if y > 2 else 0",
            "x = f'{y:>5}'",
            "if y and z: x = 1",
            "y += 1",
        ],
    )
    def test_assignments_of_literals_and_names(self, source: str) -> None:
        """With operators between them."""
        assert read_body(source).only_computes

    @pytest.mark.parametrize(
        "source",
        [
            "x = f()",
            "x = y.z",
            "x = y[0]",
            "x = [y for y in z]",
            "x",
            "import os",
            "del x",
            "for x in y: pass",
            "with x: pass",
            "class A: pass",
            "@d\ndef f(): pass",
            "def f(): pass",
            "y.z = 1",
            "x = 'a.csv'",
            "assert x",
            "raise x",
        ],
    )
    def test_all_else(self, source: str) -> None:
        """May run somebody's code, open a file or show something."""
        assert not read_body(source).only_computes

    def test_operators_of_the_users_own_are_seen(self, tmp_path: Path) -> None:
        """Only exact numbers, texts and the like are known to run none."""
        source = (
            f"class Odd:\n    def __add__(self, other): return open({str(tmp_path / 'note')!r}, 'w').close()"
        )
        assert str(tmp_path / "note") in outputs(source, "a = Odd()", "x = a + 1")


class TestChanges:
    """Names bound, changed in place, deleted."""

    @pytest.mark.parametrize(
        ("source", "written"),
        [
            ("x = 1", {"x"}),
            ("a.append(1)", {"a"}),
            ("a", set()),
            ("len(a)", set()),
            ("a = a", {"a"}),
            ("del a", {"a"}),
            ("for i in a: pass", {"i"}),
            ("a.append(1); a.pop()", set()),
            ("exec('hidden = 1')", {"hidden"}),
            ("globals()['hidden'] = 1", {"hidden"}),
            ("exec('a.append(1)')", {"a"}),
            ("x = a", {"a", "x"}),
            ("x = a[:]", {"x"}),
            ("import os.path as p", {"p"}),
            ("_ = 1", set()),
        ],
    )
    def test_of_names(self, source: str, written: set[str]) -> None:
        """By comparison, not by analysis alone; who comes to share memory is written, too."""
        assert outputs("a = [1]", source).keys() == written

    def test_a_deleted_name_is_an_output(self) -> None:
        """Its content is that there is none; so for one that was made and deleted in one cell."""
        assert outputs("a = [1]", "del a")["a"].digest == UNBOUND
        assert outputs("x = 1\ndel x")["x"].digest == UNBOUND

    def test_the_members_of_a_unit(self) -> None:
        """Are all written, with one digest for the unit and one each for the values."""
        found = outputs("a = [1]", "b = [a]")
        assert found["a"].members == found["b"].members == ("a", "b")
        assert found["a"].unit == found["b"].unit
        assert found["a"].digest != found["b"].digest

    def test_the_same_contents_shared_otherwise(self) -> None:
        """Are another unit."""
        assert outputs("a = [1]\nb = [a, a]")["b"].unit != outputs("a = [1]\nb = [a, [1]]")["b"].unit

    def test_sorts(self) -> None:
        """Functions, classes and modules are told apart from values."""
        found = outputs("import os\ndef f(): pass\nclass A: pass\nx = 1")
        assert {key: output.sort for key, output in found.items()} == {
            "os": "module", "f": "function", "A": "class", "x": "value",
        }  # fmt: skip

    def test_code_that_writes_globals(self) -> None:
        """Belongs to whoever calls it."""
        found = outputs("def f():\n    global hidden\n    hidden = 1", "f()")
        assert found.keys() == {"hidden"}


class TestFailures:
    """What is said of a body that did not end well."""

    def test_in_one_line(self) -> None:
        """Type and text."""
        notebook, cells = opened("x = 1", "raise ValueError('too late')")
        assert notebook.step(cells[1]).failure == "ValueError: too late"

    def test_what_it_left_is_left(self) -> None:
        """The namespace keeps it, without a version."""
        notebook, cells = opened("x = [1]", "y = 1")
        change(notebook, cells[1], "y = 2\nx.append(2)\nraise ValueError")
        assert (notebook.names["x"], notebook.names["y"]) == ([1, 2], 2)
        assert not notebook.is_current("x")
        assert not notebook.is_current("y")


class TestNames:
    """Names that belong to no step."""

    @pytest.mark.parametrize(
        "name", ["_", "__", "___", "_i", "_ii", "_iii", "In", "Out", "_3", "_i12", "__name__"]
    )
    def test_of_ipython_and_python(self, name: str) -> None:
        """They change with every cell."""
        assert is_managed(name)

    @pytest.mark.parametrize("name", ["_x", "i", "_i3x", "__x", "x_", "out", "_total", "__init"])
    def test_of_the_user(self, name: str) -> None:
        """Also with underscores."""
        assert not is_managed(name)


class TestPreviews:
    """Short texts for people."""

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (1, "1"),
            (None, "None"),
            ("x" * 100, "'" + "x" * 58 + "…"),
            ([1, "a"], "[1, 'a']"),
            (list(range(9)), "list of 9"),
            ([[1]], "list of 1"),
            ({"a": 1}, "{'a': 1}"),
            (["x" * 30], "list of 1"),
            ((), "()"),
        ],
    )
    def test_of_values(self, value: object, text: str) -> None:
        """At most sixty characters; what is not flat is named by its type and size."""
        assert preview(value) == text

    def test_no_code_of_the_users_is_called(self) -> None:
        """A subclass with a `repr` of its own is named by its type."""

        class Loud(int):
            def __repr__(self) -> str:
                raise AssertionError

        assert preview(Loud(1)) == "Loud"
        assert preview([Loud(1)]) == "list of 1"

    @pytest.mark.parametrize(
        ("name", "secret"),
        [
            ("api_key", True),
            ("PASSWORD", True),
            ("db_credentials", True),
            ("monkey", False),
            ("tokens_left", True),
        ],
    )
    def test_secrets(self, name: str, secret: bool) -> None:
        """By whole words of the name; their values are shown nowhere."""
        assert looks_secret(name) is secret
        assert (outputs(f"{name} = 'hush'")[name].preview == HIDDEN) is secret
