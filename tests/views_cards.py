"""Cards for the tests of the views, and readers of what comes out."""

from __future__ import annotations

from html.parser import HTMLParser

from nbflow.types import Cause, Verdict
from nbflow.views import Edge, FlowCard, TaskCard

NOW = 1_762_540_800.0
VOID = frozenset({"br", "hr", "img", "input", "path", "rect"})

LATE = Cause("input", "LATE", "15", "18", "cell 2")
ABOVE = Cause("upstream", "X", after="stale", origin="features")


def flow_of(size: int, *, reach: int = 6) -> FlowCard:
    """A flow of many tasks in all verdicts and some states."""
    looks = [
        (Verdict.FRESH, "Cached", ()),
        (Verdict.FRESH, "Completed", ()),
        (Verdict.STALE, "Completed", (LATE,)),
        (Verdict.STALE, "Failed", (ABOVE,)),
        (Verdict.WAITS, "Completed", (ABOVE,)),
        (Verdict.AS_OF, "Completed", (Cause("outside", "network: requests.get"),)),
        (Verdict.STALE, "Running", (LATE,)),
    ]
    tasks = [
        TaskCard(
            f"task_{place}",
            verdict,
            state,
            causes,
            1.5 * place,
            2.0,
            run=3,
            made=NOW - 60 * place,
            size=place,
        )
        for place in range(size)
        for verdict, state, causes in [looks[place % len(looks)]]
    ]
    steps = [(place, place - 1 - place * 7 % reach) for place in range(1, size)]
    steps += [(place, place - 1 - place * 5 % reach) for place in range(2, size)]
    edges = [Edge(f"task_{max(0, early)}", f"task_{late}", ("df", f"x{early}")) for late, early in steps]
    return FlowCard(tuple(tasks), tuple(dict.fromkeys(edges)), "flights", NOW)


class Reader(HTMLParser):
    """Reads HTML strictly: every tag is closed, in order; keeps tags, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag and what it says."""
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag, which is closed at once."""
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        """Only the tag opened last may be closed."""
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note the text, rules left aside."""
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    def is_safe(self) -> bool:
        """Whether nothing in it can run or fetch anything."""
        names = {name for name, _ in self.attributes}
        active = {"script", "iframe", "img", "object", "embed", "link", "foreignobject", "a", "form"}
        fetched = any("url(" in value or "javascript:" in value.lower() for _, value in self.attributes)
        return (
            not active & set(self.tags) and not any(name.startswith("on") for name in names) and not fetched
        )

    @property
    def text(self) -> str:
        """All words that a reader sees."""
        return " ".join("".join(self.words).split())
