"""Sites: what has to stand at a body's place before it runs."""

from __future__ import annotations

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
