"""The workspace: names put back in units, live objects kept, the right versions standing."""

from __future__ import annotations

from typing import Any

import pytest

from nbflow.engine.apply import Workspace
from nbflow.engine.bind import Version
from nbflow.engine.labels import Label, next_copy
from nbflow.store.digests import unit_digest
from nbflow.store.memory import MemoryStore
from nbflow.types import Output, Slot
from tests.cells import opened


class Desk:
    """A workspace over a few names, and versions made of what they hold."""

    def __init__(self, budget: int = 2**20, **names: Any) -> None:
        self.names: dict[str, Any] = dict(names)
        self.store = MemoryStore(self.names, budget=budget)
        self.workspace = Workspace(self.names, self.store)

    def make(self, *keys: str, step: str = "s", stored: bool = True) -> dict[str, Version]:
        """Label what these keys hold as one unit that a step made, and store it."""
        looks = {key: self.workspace.look(key) for key in keys}
        unit = unit_digest({key: self.names[key] for key in keys}, self.names) if len(keys) > 1 else ""
        outputs = {
            key: Output(Slot("name", key), looks[key].digest, unit or looks[key].digest, keys) for key in keys
        }
        versions = {key: Version(step, output) for key, output in outputs.items()}
        copy = next_copy()
        for key, version in versions.items():
            self.workspace.label(key, Label(looks[key].digest, looks[key].memory, version, copy=copy))
        if stored:
            self.store.put(next(iter(outputs.values())).unit, tuple(self.names[key] for key in keys))
        return versions

    def rebind(self, **names: Any) -> None:
        """Bind names as a body does: the workspace is told what they hold."""
        for key, value in names.items():
            self.workspace._keep(key)
            self.names[key] = value
            now = self.workspace.look(key)
            self.workspace.label(key, Label(now.digest, now.memory))


class TestLabels:
    """What a key holds, and with whom it shares memory."""

    def test_names_that_share_memory_are_a_group(self) -> None:
        """Also over a third one."""
        inner = [1]
        desk = Desk(a=inner, b=[inner], c=[inner, 2], d=[1])
        desk.workspace.ensure("abcd")
        assert desk.workspace.group("a") == {"a", "b", "c"}
        assert desk.workspace.group("d") == {"d"}
        desk.workspace.label("c", None)
        assert desk.workspace.group("c") == {"c"}
        assert desk.workspace.group("b") == {"a", "b"}

    def test_immutable_values_share_nothing(self) -> None:
        """One object under two names, and nobody can tell."""
        desk = Desk(a=(1, "x"), b=None)
        desk.names["b"] = desk.names["a"]
        desk.workspace.ensure("ab")
        assert desk.workspace.group("a") == {"a"}

    def test_a_key_holds_a_version_not_an_equal_value(self) -> None:
        """By who made it."""
        desk = Desk(a=[1])
        (version,) = desk.make("a").values()
        assert desk.workspace.holds("a", version)
        assert not desk.workspace.holds("a", Version("other", version.output))
        assert not desk.workspace.holds("b", version)

    def test_a_value_without_a_digest_stands_for_itself(self) -> None:
        """The same object gives the same token, another one another."""
        desk = Desk(a=(x for x in ()), b=(x for x in ()))
        look = desk.workspace.look
        assert look("a").digest == look("a").digest != look("b").digest


class TestOthers:
    """What is bound between two actions, by nobody who was watched."""

    @staticmethod
    def desk(**names: Any) -> Desk:
        """A desk that others share, after an action."""
        desk = Desk(**names)
        desk.workspace = Workspace(desk.names, desk.store, is_shared=True)
        desk.workspace.ensure(names)
        desk.workspace.begin()
        desk.workspace.close()
        return desk

    def test_a_name_that_others_bind_has_no_label(self) -> None:
        """Nor has one that they delete; all others keep theirs."""
        desk = self.desk(a=[1], b=[2], c=None)
        desk.names["a"] = [1]
        del desk.names["c"]
        desk.workspace.begin()
        assert set(desk.workspace.labels) == {"b"}

    def test_one_that_was_labelled_meanwhile_has_none_either(self) -> None:
        """What was looked at between two actions can be bound by others after that."""
        desk = self.desk(a=[1])
        desk.names["new"], desk.names["other"] = [2], [3]
        desk.workspace.ensure(("new", "other"))
        desk.names["new"] = [4]
        desk.workspace.begin()
        assert set(desk.workspace.labels) == {"a", "other"}

    def test_a_label_given_anew_does_not_hide_that_others_bound_the_name(self) -> None:
        """It may speak of the object before."""
        desk = self.desk(a=[1])
        label = desk.workspace.labels["a"]
        desk.names["a"] = [2]
        desk.workspace.label("a", label)
        desk.workspace.begin()
        assert not desk.workspace.labels


class TestPlacing:
    """Units are put back together."""

    def test_nothing_is_done_where_it_stands(self) -> None:
        """The object stays the same."""
        desk = Desk(a=[1])
        before, versions = desk.names["a"], desk.make("a")
        assert desk.workspace.place(versions)
        assert desk.names["a"] is before

    def test_an_equal_value_of_somebody_else_is_replaced(self) -> None:
        """By version, not by digest."""
        desk = Desk(a=[1])
        versions = desk.make("a")
        desk.rebind(a=[1])
        assert desk.workspace.place(versions)
        assert desk.workspace.holds("a", versions["a"])

    def test_two_names_come_from_one_copy(self) -> None:
        """What is changed through one is seen through the other."""
        inner = [1]
        desk = Desk(a=inner, b=[inner])
        versions = desk.make("a", "b")
        desk.rebind(a=[5], b=[6])
        assert desk.workspace.place(versions)
        desk.names["a"].append(2)
        assert desk.names["b"] == [[1, 2]]
        assert inner == [1]

    def test_a_name_outside_the_unit_keeps_its_object(self) -> None:
        """The unit gets a copy of its own."""
        inner = [1]
        desk = Desk(a=inner, z=None)
        versions = desk.make("a")
        desk.rebind(z=inner)
        assert desk.workspace.place(versions)
        assert desk.names["a"] is not desk.names["z"] is inner

    @pytest.mark.parametrize("stored", [True, False])
    def test_it_does_not_depend_on_the_store(self, stored: bool) -> None:
        """An object that lost its name is kept where it is not stored."""
        desk = Desk(a=[1])
        versions = desk.make("a", stored=stored)
        desk.rebind(a=[2])
        assert desk.workspace.is_available(versions)
        assert desk.workspace.place(versions)
        assert desk.names["a"] == [1]

    def test_a_spent_unit(self) -> None:
        """Is told, and nothing is touched."""
        desk = Desk(a=[1])
        versions = desk.make("a", stored=False)
        memory = desk.workspace.labels["a"].memory
        desk.rebind(a=[2])
        desk.workspace.spend(memory)
        assert not desk.workspace.is_available(versions)
        assert not desk.workspace.place(versions)
        assert desk.names["a"] == [2]

    def test_what_nobody_is_bound_to_is_let_go(self) -> None:
        """Memory is not kept for history."""
        desk = Desk(a=[1])
        versions = desk.make("a", stored=False)
        desk.rebind(a=[2])
        desk.workspace.prune(lambda unit, key: unit == versions["a"].output.unit)
        assert desk.workspace.is_available(versions)
        desk.workspace.prune(lambda unit, key: False)
        assert not desk.workspace.is_available(versions)

    def test_two_copies_of_a_unit_are_not_mixed(self) -> None:
        """What is left of the one and what is left of the other make no unit."""
        first, second = [1], [1]
        desk = Desk(a=first, b=first)
        versions = desk.make("a", "b", stored=False)
        desk.rebind(a=[0])
        desk.names.update(a=second, b=second)
        assert desk.make("a", "b", stored=False) == versions
        desk.workspace.label("a", None)
        assert not desk.workspace.is_available(versions)
        assert not desk.workspace.place(versions)
        assert desk.workspace.is_available({"a": versions["a"]})

    def private(self) -> tuple[Desk, dict[str, Version]]:
        """Two names that hold a copy of which only is known that nobody else shares its memory."""
        inner = [1]
        desk = Desk(a=inner, b=inner, z=None)
        versions = desk.make("a", "b", stored=False)
        desk.rebind(z=inner)
        assert desk.workspace.place(versions)
        desk.workspace.prune(lambda unit, key: False)
        assert desk.workspace.labels["a"].is_private
        return desk, versions

    def test_a_kept_object_that_another_name_came_to_hold_is_not_given_away(self) -> None:
        """A body bound it to another name before its own one lost it."""
        desk, versions = self.private()
        for key in "ab":
            desk.names["z"] = desk.names.pop(key)
            desk.workspace.let_go(key, desk.names["z"], may_have_changed=True)
            desk.workspace.label(key, None)
        desk.workspace.label("z", None)
        desk.workspace.ensure("z")
        assert desk.workspace.place(versions)
        assert desk.names["a"] is desk.names["b"] is not desk.names["z"]

    def test_a_kept_object_is_spent_with_its_partner(self) -> None:
        """Also where it was kept before anybody looked what memory the two share."""
        desk, versions = self.private()
        desk.rebind(a=[0])
        memory = desk.workspace.look("b").memory
        desk.workspace.refine("b", memory)
        assert desk.workspace.is_available(versions)
        desk.workspace.spend(memory)
        assert not desk.workspace.is_available({"a": versions["a"]})

    def test_unbinding(self) -> None:
        """A name that is not there stays away; an unstored object can come back."""
        desk = Desk(a=[1])
        versions = desk.make("a", stored=False)
        desk.workspace.unbind("a")
        desk.workspace.unbind("never")
        assert desk.names == {}
        assert desk.workspace.place(versions)
        assert desk.names == {"a": [1]}


class TestActions:
    """What stands when an action ends."""

    def test_what_is_not_to_stand_goes_back(self) -> None:
        """To the very objects of before."""
        desk = Desk(a=[1], b=[2])
        first, _ = desk.make("a"), desk.make("b")
        desk.rebind(a=[7])
        before = dict(desk.names)
        desk.workspace.begin()
        desk.workspace.place(first)
        desk.workspace.unbind("b")
        desk.workspace.settle({})
        assert all(desk.names[key] is before[key] for key in "ab")

    def test_what_stands(self) -> None:
        """Versions, or nothing."""
        desk = Desk(a=[1], b=[2])
        first, _ = desk.make("a"), desk.make("b")
        desk.rebind(a=[7])
        desk.workspace.begin()
        desk.workspace.settle({"a": first["a"], "b": None})
        assert desk.names == {"a": [1]}

    def test_a_unit_is_never_mixed(self) -> None:
        """A member that comes back brings those that are there already: they are one copy."""
        inner = [1]
        desk = Desk(a=inner, b=[inner])
        versions = desk.make("a", "b")
        desk.rebind(a=[5])
        desk.workspace.begin()
        desk.workspace.settle({"a": versions["a"]})
        desk.names["a"].append(2)
        assert desk.names["b"] == [[1, 2]]

    def test_names_that_cannot_be_one_copy_hold_the_unit_no_more(self) -> None:
        """Where the one has an object of before and the other one that was made since."""
        inner = [1]
        desk = Desk(a=inner, b=inner)
        versions = desk.make("a", "b", stored=False)
        old = desk.workspace.labels["a"]
        desk.workspace.begin()
        desk.workspace.note("a")
        desk.names["a"] = [1]
        desk.workspace.spend(old.memory)
        memory = desk.workspace.look("a").memory
        desk.workspace.label("a", Label(old.digest, memory, versions["a"], copy=next_copy()))
        desk.workspace.settle(versions)
        assert not any(desk.workspace.holds(key, version) for key, version in versions.items())
        assert desk.names == {"a": [1], "b": [1]}

    def test_an_object_that_was_changed_does_not_go_back(self) -> None:
        """Its version does, from the store."""
        desk = Desk(a=[1])
        desk.make("a")
        changed = desk.names["a"]
        desk.workspace.begin()
        desk.workspace.note("a")
        changed.append(2)
        desk.workspace.spend(desk.workspace.labels["a"].memory)
        now = desk.workspace.look("a")
        desk.workspace.label("a", Label(now.digest, now.memory))
        desk.workspace.settle({})
        assert desk.names["a"] == [1]
        assert desk.names["a"] is not changed


class TestUnseeded:
    """The state of a generator that nobody seeded is nobody's name."""

    def test_after_a_draw(self) -> None:
        """It goes on, and nothing stands in the namespace for it."""
        notebook, cells = opened("import random", "x = random.random()", "y = random.random()", plain=[0])
        assert not [name for name in notebook.names if name.startswith("<")]
        assert notebook.names["x"] != notebook.names["y"]
        notebook.run(cells[1])
        notebook.flow()
        assert [name for name in notebook.names if not name.startswith("__")] == ["random", "x", "y"]
