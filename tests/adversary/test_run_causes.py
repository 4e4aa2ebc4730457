"""Why each run ran, was reused, was skipped or waits, to the letter, as the history keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from nbflow import context
from nbflow.engine.drive import answered
from nbflow.engine.keeping import Keeping
from nbflow.engine.preview import preview
from nbflow.engine.requests import answering
from nbflow.store.disk import DiskStore
from nbflow.testing import FakeClock, Notebook
from nbflow.triggers import all_failed, any_failed, manual_only
from nbflow.types import Cause, Effect, Hold
from nbflow.views.words import cause_words
from tests.cells import kept

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nbflow.store.protocol import RunRecord


@dataclass
class Story:
    """A notebook of tasks `a`, `b`, `c` whose clock is moved by hand."""

    folder: Path
    store: Any = None

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.notebook = Notebook(store=self.store or kept(), clock=self.clock)
        self.cells: dict[str, str] = {}

    def add(self, *sources: str, plain: str = "", **rules: Any) -> Story:
        """Add cells and run them; those named in `plain` are plain ones."""
        for source in sources:
            name = "abcdef"[len(self.cells)]
            self.cells[name] = self.notebook.add(source, plain=name in plain, name=name)
            if rules:
                self.notebook.let(self.cells[name], **rules)
            self.notebook.run(self.cells[name])
        return self

    def let(self, name: str, **rules: Any) -> Story:
        """Set options of a task."""
        self.notebook.let(self.cells[name], **rules)
        return self

    def edit(self, name: str, source: str) -> Story:
        """Edit a cell and run it."""
        self.notebook.edit(self.cells[name], source)
        return self.run(name)

    def run(self, name: str) -> Story:
        """Run a cell."""
        self.notebook.run(self.cells[name])
        return self

    def flow(self) -> Story:
        """Run the flow."""
        self.notebook.flow()
        return self

    def later(self, seconds: float) -> Story:
        """Let time pass."""
        self.clock.advance(seconds)
        return self

    def restart(self) -> Story:
        """Restart the kernel."""
        self.notebook.restart()
        return self

    def last(self, name: str) -> RunRecord:
        """The last run of a cell."""
        (run,) = self.notebook.work.runs.history.runs(step=self.cells[name], limit=1)
        return run

    def ended(self, name: str) -> tuple[str, str]:
        """The state that it ended in, or stands in, and what that says."""
        state = self.notebook.work.runs.history.transitions(self.last(name).id)[-1]
        return state.name, state.message


def cause(category: str, subject: str, before: str = "", after: str = "", origin: str = "") -> Cause:
    """A cause, in the order in which people read it."""
    return Cause(category, subject, before, after, origin)


GENERATOR = "g = (i for i in range(3))"
LOCK = "import threading\ng = threading.Lock()"
WRITE = "with open({!r}, 'w') as s: _n = s.write('{}')"
READ = "with open({!r}) as s: x = s.read()"
SKIP = "from nbflow.engine import signals\nraise signals.SKIP('no data')"


def _in_context(s: Story) -> Story:
    s.add("from nbflow import context\nx = context.get('day', 1)")
    with context(day=2):
        return s.run("a")


def _another_context(s: Story) -> Story:
    with context(day=2):
        s.add("from nbflow import context\nx = context.get('day', 1)")
    with context(day=3):
        return s.run("a")


def _secret_context(s: Story) -> Story:
    with context(api_key="abc"):
        s.add("from nbflow import context\nx = len(context.get('api_key', ''))")
    with context(api_key="abcd"):
        return s.run("a")


def _gone_from_the_context(s: Story) -> Story:
    with context(day=2):
        s.add("from nbflow import context\nx = context.get('day', 1)")
    return s.run("a")


def _failed_then_changed(s: Story) -> Story:
    with context(day=0):
        s.add("from nbflow import context\nx = 1 // context.get('day', 1)")
    with context(day=2):
        return s.run("a")


def _forced_where_it_is_held(s: Story) -> Story:
    s.add("x = 1").edit("a", "x = 2")
    first = s.notebook.work.runs.history.runs(step=s.cells["a"])[-1]
    trace = s.notebook.work.workspace.store.trace(first.trace)
    assert trace is not None
    s.notebook.pin(s.cells["a"], Hold(trace, "restore"))
    answered(s.notebook.work.run_flow(None, force=True), answering(s.notebook._perform))
    return s


def _forced(s: Story) -> Story:
    s.add("x = 1")
    answered(s.notebook.work.run_flow(None, force=True), answering(s.notebook._perform))
    return s


def _overwritten(s: Story) -> Story:
    path = str(s.folder / "o.txt")
    s.add(WRITE.format(path, 1), READ.format(path), WRITE.format(path, 22))
    return s.edit("b", READ.format(path) + "\ny = x")


def _lost_key(s: Story) -> Story:
    keys = [bytes(32), bytes(31) + b"1"]
    s = Story(s.folder, lambda names: DiskStore(s.folder / "s", namespace=names, key=keys[0]))
    s.add("x = list(range(9))").restart()
    keys.pop(0)
    return s.restart().run("a")


def _evicted(s: Story) -> Story:
    s = Story(s.folder, lambda names: DiskStore(s.folder / "s", namespace=names, key=bytes(32)))
    s.add("x = list(range(100_000))")
    s.notebook.workspace.store.upkeep().evict(0, grace=0.0)  # type: ignore[attr-defined]
    return s.restart().run("a")


def _not_stored(s: Story) -> Story:
    s = Story(s.folder, kept(budget=0))
    return s.add("x = list(range(10**6))").restart().run("a")


RUNS: dict[str, tuple[Callable[[Story], Story], list[Cause]]] = {
    # name: what happens, the causes of the last run of `a`
    "first": (lambda s: s.add("x = 1"), [cause("never ran", "a")]),
    "edited": (lambda s: s.add("x = 1").edit("a", "x = 2"), [cause("code", "a", "as last run", "edited")]),
    "forced": (_forced, [cause("forced", "a")]),
    "forced where it is held": (_forced_where_it_is_held, [cause("forced", "a")]),
    "failed, then changed": (_failed_then_changed, [cause("context", "day", "0", "2")]),
    "new below a clock": (
        lambda s: (
            s.add("import time\nt = time.time()")
            .add("y = t > 0")
            .flow()
            .edit("a", "import time\nt = 1 + time.time()")
        ),
        [cause("code", "a", "as last run", "edited")],
    ),
    "no cache": (
        lambda s: s.add("x = 1").let("a", keeping=Keeping(reuses=False)).run("a"),
        [cause("no cache", "a")],
    ),
    "no cache, by the flow": (
        lambda s: s.add("x = 1").let("a", keeping=Keeping(reuses=False)).flow(),
        [cause("no cache", "a")],
    ),
    "refresh": (
        lambda s: s.add("x = 1").let("a", keeping=Keeping(refreshes=True)).run("a"),
        [cause("forced", "a", "", "asked for with --refresh")],
    ),
    "always": (
        lambda s: s.add("x = 1", effect=Effect.ALWAYS).run("a"),
        [cause("forced", "a", "", "its effect is repeated each time")],
    ),
    "expired": (
        lambda s: s.add("x = 1").let("a", keeping=Keeping(at_most=60)).later(100).flow(),
        [cause("expired", "a")],
    ),
    "expired, for a reader": (
        lambda s: s.add("x = 1", "y = x").let("a", keeping=Keeping(at_most=60)).later(100).run("b"),
        [cause("expired", "a")],
    ),
    "context": (_in_context, [cause("context", "day", "not set", "2")]),
    "another context": (_another_context, [cause("context", "day", "2", "3")]),
    "secret in the context": (_secret_context, [cause("context", "api_key", "•••", "•••")]),
    "gone from the context": (_gone_from_the_context, [cause("context", "day", "2", "not set")]),
    "consumed by a reader": (
        lambda s: s.add(GENERATOR, "y = list(g)").edit("b", "y = sum(g)"),
        [cause("spent", "g")],
    ),
    "overwritten by a later task": (_overwritten, [cause("spent", "o.txt", "", "overwritten")]),
    "gone with its kernel": (
        lambda s: s.add(LOCK, "y = g.locked()").restart().run("a").edit("b", "y = not g.locked()"),
        [cause("unstorable", "a", "", "it could not be stored and went with its kernel")],
    ),
    "gone with its kernel, by its cell again": (
        lambda s: s.add(LOCK).restart().run("a").run("a"),
        [cause("unstorable", "a", "", "it could not be stored and went with its kernel")],
    ),
    "evicted": (_evicted, [cause("evicted", "a")]),
    "not stored": (_not_stored, [cause("not stored", "a")]),
    "lost key": (_lost_key, [cause("refused", "a", "", "signed with another key")]),
}

OUTCOMES: dict[str, tuple[Callable[[Story], Story], str, tuple[str, str], list[Cause]]] = {
    # name: what happens, of whom the last run is asked, how it ended, why it is as it is now
    "trigger says no": (
        lambda s: s.add("x = 1").add("y = 1", trigger=all_failed, after=frozenset("a")).flow(),
        "b",
        ("TriggerFailed", "trigger all_failed: 'a' is Completed"),
        [cause("trigger", "b", "", "trigger all_failed: 'a' is Completed")],
    ),
    "trigger says yes": (
        lambda s: s.add("x = 1 / 0").add("y = 1", trigger=any_failed, after=frozenset("a")),
        "b",
        ("Completed", ""),
        [
            cause("failed", "a", "", "ZeroDivisionError: division by zero", "a"),
            cause("upstream", "a", "", "failed", "a"),
        ],
    ),
    "trigger does not say yes any more": (
        lambda s: (
            s.add("x = 1 / 0")
            .add("y = 1", trigger=any_failed, after=frozenset("a"))
            .edit("a", "x = 1")
            .flow()
        ),
        "b",
        ("TriggerFailed", "trigger any_failed: 'a' is Completed"),
        [
            cause("trigger", "b", "", "trigger any_failed: 'a' is Completed"),
            cause("upstream state", "a", "", "completed", "a"),
        ],
    ),
    "upstream failed": (
        lambda s: s.add("x = 1 / 0").add("y = 1", after=frozenset("a")),
        "b",
        ("TriggerFailed", "trigger all_successful: 'a' is Failed"),
        [
            cause("failed", "a", "", "ZeroDivisionError: division by zero", "a"),
            cause("never ran", "b"),
            cause("upstream", "a", "", "stale", "a"),
        ],
    ),
    "skips itself": (
        lambda s: s.add(SKIP),
        "a",
        ("Skipped", "no data"),
        [],
    ),
    "below a skip": (
        lambda s: s.add(SKIP).add("y = 1", after=frozenset("a")),
        "b",
        ("Skipped", "'a' is Skipped; skip_on_upstream_skip=False runs it all the same"),
        [
            cause("skipped", "a", "", "no data", "a"),
            cause("skipped", "b", "", "'a' is Skipped; `--skip-on-upstream-skip no` runs it all the same"),
        ],
    ),
    "waits for a person": (
        lambda s: s.add("x = 1", trigger=manual_only),
        "a",
        ("Paused", "trigger manual_only waits for a person; run `%flow resume`"),
        [cause("manual", "a", "", "`%flow resume a` runs it"), cause("never ran", "a")],
    ),
    "failed": (
        lambda s: s.add("x = 1").edit("a", "x = {}['k']"),
        "a",
        ("Failed", "KeyError: 'k'"),
        [cause("failed", "a", "", "KeyError: 'k'")],
    ),
}


class TestWhyItRan:
    """The causes that the history keeps of a run."""

    @pytest.mark.parametrize("name", RUNS)
    def test_each_cause(self, name: str, tmp_path: Path) -> None:
        """Exactly these, and the run has really run."""
        happens, expected = RUNS[name]
        story = happens(Story(tmp_path))
        run = story.last("a")
        told = tuple(
            Cause(each.category, each.subject.rpartition("/")[2], each.before, each.after, each.origin)
            for each in run.causes
        )
        assert told == tuple(expected)
        assert story.ended("a")[0] == "Completed"

    @pytest.mark.parametrize("name", RUNS)
    def test_words(self, name: str, tmp_path: Path) -> None:
        """One line, and nothing that a machine has spelled out."""
        for each in RUNS[name][0](Story(tmp_path)).last("a").causes:
            words = cause_words(each)
            assert words
            assert "\n" not in words
            assert not words.startswith(f"{each.category} {each.subject}:")

    @pytest.mark.parametrize("name", RUNS)
    def test_no_run_is_without_a_cause(self, name: str, tmp_path: Path) -> None:
        """Of all that have executed a body."""
        story = RUNS[name][0](Story(tmp_path))
        history = story.notebook.work.runs.history
        for run in history.runs(limit=100):
            if any(state.name == "Running" for state in history.transitions(run.id)):
                assert run.causes, run


class TestHowItEnded:
    """Trigger decisions, skips, failures and waiting."""

    @pytest.mark.parametrize("name", OUTCOMES)
    def test_each_outcome(self, name: str, tmp_path: Path) -> None:
        """The state with its message, and what `why` says from now on."""
        happens, of, ended, expected = OUTCOMES[name]
        story = happens(Story(tmp_path))
        assert story.ended(of) == ended
        assert list(story.notebook.why(story.cells[of])) == expected


class TestReuse:
    """Which run a result comes from, and what was compared."""

    def test_a_way_back(self, tmp_path: Path) -> None:
        """The run of the old text, by its code and what it had read."""
        story = Story(tmp_path).add("LATE = 15", "x = LATE + 1", plain="a")
        made = story.last("b")
        story.edit("a", "LATE = 16").flow().edit("a", "LATE = 15").flow()
        run, trace = story.last("b"), story.notebook.step(story.cells["b"]).trace
        assert story.ended("b") == ("Cached", "an earlier result")
        assert run.causes == ()
        assert trace is not None
        assert (run.trace, trace.run) == (trace.id, made.id)
        assert [(entry.looked.slot.locator, entry.preview) for entry in trace.entries] == [("LATE", "15")]

    def test_a_later_kernel(self, tmp_path: Path) -> None:
        """The run of the earlier one."""
        story = Story(tmp_path).add("LATE = 15", "x = LATE + 1", plain="a")
        made = story.last("b")
        story.restart().run("a").run("b")
        trace = story.notebook.step(story.cells["b"]).trace
        assert story.ended("b") == ("Cached", "an earlier result")
        assert trace is not None
        assert trace.run == made.id

    def test_another_task_of_equal_code(self, tmp_path: Path) -> None:
        """Whoever made it, by what it saw."""
        story = Story(tmp_path).add("x = 1", "y = x", "x = 1")
        trace = story.notebook.step(story.cells["c"]).trace
        assert story.ended("c") == ("Cached", "an earlier result")
        assert trace is not None
        assert trace.run == story.last("a").id


class TestPlans:
    """What a run would do, and why, before it does."""

    @pytest.mark.parametrize(
        ("happens", "expected"),
        [
            (
                lambda s: s.add("x = 1").let("a", keeping=Keeping(at_most=60)).later(100),
                [("runs", ["expired"])],
            ),
            (lambda s: s.add("LATE = 1", "x = LATE", plain="a").edit("a", "LATE = 2"), [("runs", ["input"])]),
            (
                lambda s: (
                    s.add("LATE = 1", "x = LATE", plain="a")
                    .edit("a", "LATE = 2")
                    .flow()
                    .edit("a", "LATE = 1")
                ),
                [("reuses", ["input"])],
            ),
        ],
    )
    def test_each(
        self, happens: Callable[[Story], Story], expected: list[tuple[str, list[str]]], tmp_path: Path
    ) -> None:
        """By its lines."""
        story = happens(Story(tmp_path))
        lines = [line for line in preview(story.notebook.work) if line.does != "is fresh"]
        assert [(line.does, [each.category for each in line.causes]) for line in lines] == expected
