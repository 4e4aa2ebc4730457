"""Sites: what has to stand at a body's place before it runs."""

from __future__ import annotations

import pytest

from nbflow.engine.book import definition_body
from nbflow.engine.sites import site_of, with_own
from tests.cells import opened


class TestSites:
    """What bodies need."""

    def test_a_site_names_what_it_reads_and_who_made_it(self) -> None:
        """A builtin of the same name must not be hidden by a leftover."""
        notebook, (first, second) = opened("a = [1]", "b = len(a)")
        step = notebook.step(second)
        assert step.ran is not None
        site = site_of(step, step.ran, notebook.sweep.view(step))
        assert [list(versions) for versions in site.units] == [["a"]]
        assert site.writers == {first}
        assert site.unbound == ("len",)

    def test_a_definition_finds_what_its_own_cell_defines(self) -> None:
        """At the place of the cell nobody has made it yet."""
        notebook, (cell,) = opened("class A: pass\nclass B(A): pass")
        step = notebook.step(cell)
        assert step.ran is not None
        site = site_of(step, definition_body(step.ran, "B"), notebook.sweep.view(step))
        assert site.unbound == ("A",)
        completed = with_own(site, step.ran, notebook.judgement(cell))
        assert completed.unbound == ()
        assert [list(versions) for versions in completed.units] == [["A"]]


class TestWhoFailed:
    """The error of a body that misses a name because who binds it has failed."""

    @pytest.mark.parametrize("fails", ["del box\n1 / 0", "if True: del box\nbox.append(1 / 0)"])
    def test_it_names_the_cell(self, fails: str) -> None:
        """Which has to be run first."""
        notebook, (_, failed, reader) = opened("box = [1]", fails, "n = len(box)", plain=(0, 1))
        error = notebook.run(reader).errors[reader]
        name = notebook.step(failed).name
        assert str(error) == (
            f"name 'box' is not defined: {name}, which may bind or change it, failed; run that first"
        )
        assert notebook.step(reader).failure == f"NameError: {error}"

    def test_a_name_that_nobody_has_made_is_no_fault_of_others(self) -> None:
        """Python's own words are all there is to say."""
        notebook, (_, reader) = opened("1 / 0", "n = nowhere", plain=(0,))
        assert str(notebook.run(reader).errors[reader]) == "name 'nowhere' is not defined"
