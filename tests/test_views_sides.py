"""Two runs side by side."""

from __future__ import annotations

from dataclasses import replace

from nbflow.views import ChangeCard, DiffCard, SideCard, show_diff
from nbflow.views.sides import diff_summary, diff_text
from tests.views_cards import NOW, Reader

BEFORE = SideCard("run 3", "Completed", NOW - 60, 1.25)
AFTER = SideCard("run 5", "Failed", NOW, 0.8, attempts=2)
LATE = ChangeCard("LATE", before="15", after="18")
RAW = ChangeCard("raw", before="DataFrame", after="DataFrame", is_same=True)
FRAME = ChangeCard("df", before="DataFrame, 4 × 2", after="DataFrame, 4 × 3", notes=("column added: c",))
DIFF = DiffCard(
    "features",
    BEFORE,
    AFTER,
    ("x = 1\ny = 2", "x = 1\ny = 3"),
    (RAW, LATE),
    (FRAME,),
    ("late 15", "late 18"),
    ("run 5 ran because LATE changed",),
    (("band", "def band(h): return 6", "def band(h): return 4"),),
    NOW,
)


class TestText:
    """As text."""

    def test_all_of_it(self) -> None:
        """What differs stands in tables, what does not in one line."""
        text = diff_text(DIFF).splitlines()
        assert text[0] == "features · run 3 → run 5"
        assert text[4:] == [
            "  run 5 ran because LATE changed",
            "code",
            "   x = 1",
            "  -y = 2",
            "  +y = 3",
            "code of band",
            "  -def band(h): return 6",
            "  +def band(h): return 4",
            "inputs",
            "  name  run 3  run 5",
            "  LATE  15     18",
            "  the same in both: raw",
            "values",
            "  name  run 3             run 5             difference",
            "  df    DataFrame, 4 × 2  DataFrame, 4 × 3  column added: c",
            "shown",
            "  -late 15",
            "  +late 18",
        ]

    def test_what_is_equal(self) -> None:
        """Takes a line."""
        same = replace(DIFF, code=("x", "x"), inputs=(RAW,), outputs=(), shown=("", ""), helpers=(), notes=())
        assert diff_text(same).splitlines()[4:] == ["code: the same", "inputs: the same in both: raw"]
        assert diff_summary(same) == "nothing differs"

    def test_code_that_is_not_known(self) -> None:
        """Is not called equal."""
        assert "code: the source of one of them is not recorded" in diff_text(replace(DIFF, code=None))


class TestHtml:
    """As HTML."""

    def test_it_says_the_same(self) -> None:
        """In the same order, in colours that are the host's."""
        shown = show_diff(DIFF)
        words = Reader(shown.html).text
        parts = ["features", "run 3 → run 5", "showed differ", "because", "-y = 2", "+y = 3", "code of band"]
        parts += ["inputs"]
        parts += ["LATE15", "the same in both: raw", "values", "column added: c", "shown", "+late 18"]
        places = [words.index(part) for part in parts]
        assert places == sorted(places)
        assert "currentColor" in shown.html

    def test_what_users_write_is_escaped(self) -> None:
        """Wherever it stands."""
        evil = "<script>alert(1)</script>"
        change = ChangeCard(evil, evil, evil, evil + "2", (evil,))
        card = DiffCard(
            evil, SideCard(evil, evil), SideCard(evil), (evil, "x"), (change,), (change,), (evil, ""), (evil,)
        )
        assert "<script>" not in show_diff(card).html
