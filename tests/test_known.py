"""What source and files prove of the steps of a notebook."""

from __future__ import annotations

from nbflow.engine.known import Knowledge
from nbflow.testing import Notebook


class TestRoots:
    """The steps above a stale one that have causes of their own."""

    def test_many_ways_lead_to_one(self) -> None:
        """It is named once, and not looked for once a way: here there are more than 10 ** 12."""
        notebook = Notebook()
        source = notebook.add("k = 1", plain=True)
        notebook.add("v0, v1 = k, k")
        for number in range(2, 60):
            last = notebook.add(f"v{number} = v{number - 1} + v{number - 2}")
        notebook.run_all()
        notebook.edit(source, "k = 2")
        notebook.run(source)
        knowledge = Knowledge(notebook.sweep, notebook.explainer)
        found = knowledge.of_all()[last]
        assert found.is_stale
        assert [(cause.category, cause.subject) for cause in knowledge.why(found)[:1]] == [("input", "k")]
