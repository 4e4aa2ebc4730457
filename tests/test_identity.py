"""What a task is, for its results."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from nbflow import Task, task
from nbflow.exceptions import CacheError
from nbflow.running.identity import code_digest, identity_of, named_arguments, takes

RATE = {"rate": 1}


def made(by: Any) -> Task:
    """A task that holds something."""

    def scale(x: int) -> int:
        return by * x

    return task(scale)


def reads_rate() -> int:
    """Depends on a global."""
    return RATE["rate"]


class Box:
    """Something with a method."""

    def __init__(self, size: int) -> None:
        self.size = size

    def put(self) -> int:
        """How much there is."""
        return self.size


class Add(Task):
    """A task of a class of one's own."""

    def __init__(self, more: Any, **options: Any) -> None:
        super().__init__(**options)
        vars(self)["more"] = more

    def run(self, x: int) -> int:
        """Add."""
        return x + self.more


class TestIdentity:
    """What tells tasks apart, whatever their code."""

    def test_by_name_and_place(self) -> None:
        """And by what they hold of the function that made them."""
        tasks = [task(len), task(max), task(len, name="size"), made(1), made(2), Add(1), Add(2)]
        assert len({identity_of(each) for each in tasks}) == 7
        assert [identity_of(each) for each in (made(1), Add(1))] == [
            identity_of(each) for each in (made(1), Add(1))
        ]

    def test_methods_by_their_objects(self) -> None:
        """Equal ones are the same."""
        tasks = [task(Box(size).put) for size in (1, 2, 1)]
        one, other, again = (identity_of(each) for each in tasks)
        assert one == again != other

    def test_main_modules_of_two_notebooks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Are two, others are what their names say."""
        of = made(1)
        assert identity_of(of, "a") == identity_of(of, "b")
        monkeypatch.setattr(of.fn, "__module__", "__main__")
        assert identity_of(of, "a") != identity_of(of, "b")

    def test_options_do_not_count(self) -> None:
        """But for the name."""
        assert identity_of(made(1)) == identity_of(made(1).with_options(retries=3, tags=["a"]))

    def test_what_is_held_has_no_digest(self) -> None:
        """Then nobody can tell it from others."""
        with pytest.raises(CacheError, match="'scale' reaches"):
            identity_of(made(threading.Lock()))


class TestCode:
    """All code that a task reaches."""

    def test_globals_count_by_value(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Also when they were changed in place."""
        before = code_digest(task(reads_rate))
        assert code_digest(task(reads_rate)) == before
        monkeypatch.setitem(RATE, "rate", 2)
        assert code_digest(task(reads_rate)) != before

    def test_instances_count_by_what_was_set(self) -> None:
        """Not by what was derived, or by options."""
        one, again, other = Add(1), Add(1, retries=2), Add(2)
        assert again.signature is not None
        assert code_digest(one) == code_digest(again) != code_digest(other)

    def test_a_part_without_digest(self) -> None:
        """Is named, with what to do."""
        with pytest.raises(CacheError, match=r"'scale' reaches by, .* nbflow.register_digest"):
            code_digest(made(threading.Lock()))


class TestArguments:
    """The arguments of a call by name."""

    @pytest.mark.parametrize(
        ("args", "kwargs", "expected"),
        [
            ((1,), {}, {"x": 1, "rest": (), "fast": True}),
            ((1, 2, 3), {"fast": False}, {"x": 1, "rest": (2, 3), "fast": False}),
            ((), {"x": 1, "origin": "JFK"}, {"x": 1, "rest": (), "fast": True, "origin": "JFK"}),
        ],
    )
    def test_however_they_were_given(self, args: Any, kwargs: Any, expected: dict[str, Any]) -> None:
        """By position, by name, by default, or as further ones."""

        def load(x: int, *rest: int, fast: bool = True, **more: Any) -> None: ...

        of = task(load)
        named = named_arguments(of, of.arguments(args, kwargs))
        assert {"rest": (), **named} == expected

    def test_further_ones_never_hide_others(self) -> None:
        """Whatever names they have."""

        def show(x: int = 0, /, *rest: int, **more: Any) -> None: ...

        of = task(show)
        calls = [
            ((1, 2), {}),
            ((1, 2), {"rest": (3,)}),
            ((1,), {"rest": (2,)}),
            ((1, 2), {"x": 1}),
            ((5, 2), {"x": 1}),
            ((1, 2), {"more": {"x": 1}}),
        ]
        named = [named_arguments(of, of.arguments(args, kwargs)) for args, kwargs in calls]
        assert all(one not in named[:place] for place, one in enumerate(named))

    @pytest.mark.parametrize(("name", "is_taken"), [("x", True), ("rest", True), ("y", False)])
    def test_which_there_can_be(self, name: str, is_taken: bool) -> None:
        """Parameters; any where further ones are taken."""

        def load(x: int, *rest: int) -> None: ...

        def show(**more: Any) -> None: ...

        assert (takes(task(load), name), takes(task(show), name)) == (is_taken, True)

    def test_of_what_nobody_knows_the_signature(self) -> None:
        """They are what was given."""

        def unknown(*args: Any) -> None: ...

        of = task(unknown)
        vars(of)["signature"] = None
        assert named_arguments(of, of.arguments((1,), {})) == {"args": (1,), "kwargs": {}}
