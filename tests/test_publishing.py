"""Displays without a wait for streams in which nothing waits, in a real kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.process

CELLS = {
    "load": "%load_ext nbflow\nSEEN = []",
    "two": "#@task two\nprint('two', end='')\ntwo = 2",
}
HOOK = "SEEN.append(message['content']['transient'].get('display_id', '')) or message"
KINDS = """
KIND = get_ipython().display_pub.__class__
PUBLISH, FLUSH = KIND.publish, KIND._flush_streams

def publish(self, *args, **more):
    SEEN.append("base" if "session" in super(KIND, self).trait_names() else "")
    PUBLISH(self, *args, **more)

def flush(self):
    SEEN.append("flushed")
    FLUSH(self)
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel in which the cells above ran."""
    with Kernel(tmp_path_factory.mktemp("kernel")) as kernel:
        kernel.begin(**CELLS)
        yield kernel


def order(kernel: Kernel, id: str) -> list[str]:
    """What a cell shows, in the order in which it comes."""
    return [text.partition(":")[0] for text in kernel.run(id).texts]


class TestOrder:
    """What was written before is seen before."""

    def test_what_is_shown_again(self, kernel: Kernel) -> None:
        """The outputs of an earlier run, then the badge."""
        assert order(kernel, "two") == ["two", "two"]

    def test_what_the_users_own_code_writes(self, kernel: Kernel) -> None:
        """Also where no body runs: a line that is not at its end is flushed all the same."""
        kernel.run(
            "ask", "get_ipython().events.register('pre_run_cell', lambda info: print('first', end=''))"
        )
        assert order(kernel, "two")[-1] == "two"
        assert "".join(kernel.run("two").texts[:-1]) == "firsttwo"
        kernel.run("end", "get_ipython().events.callbacks['pre_run_cell'].pop()")


class TestOthers:
    """What others do with displays, they do with badges."""

    def test_a_hook(self, kernel: Kernel) -> None:
        """It sees the message, and may keep it."""
        kernel.run("hook", f"get_ipython().display_pub.register_hook(lambda message: {HOOK})")
        kernel.run("two")
        assert "nbflow-" in kernel.value("SEEN[-1]")
        kernel.run("keep", "get_ipython().display_pub.register_hook(lambda message: None)")
        assert order(kernel, "two") == ["two"]
        kernel.run("end", "del get_ipython().display_pub._hooks[:]")

    @pytest.mark.parametrize(
        ("put", "seen", "end"),
        [
            (
                "publish.__module__ = KIND.__module__; KIND.publish = publish",
                "base",
                "KIND.publish = PUBLISH",
            ),
            ("KIND._flush_streams = flush", "flushed", "KIND._flush_streams = FLUSH"),
        ],
        ids=["a publisher that calls its base", "another way to flush"],
    )
    def test_what_stands_in_its_class(self, kernel: Kernel, put: str, seen: str, end: str) -> None:
        """What is put in the place of the kernel's own is done for badges, too."""
        kernel.run("kinds", KINDS)
        kernel.run("put", put)
        assert order(kernel, "two") == ["two", "two"]
        assert kernel.value("SEEN[-1]") == repr(seen)
        kernel.run("end", end)

    def test_a_publisher_of_ones_own(self, kernel: Kernel) -> None:
        """What stands in the place of the kernel's method is called."""
        own = "lambda *args, **more: SEEN.append('own')"
        kernel.run("own", f"get_ipython().display_pub.publish = {own}")
        assert order(kernel, "two") == ["two"]
        assert kernel.value("SEEN[-1]") == "'own'"
        kernel.run("end", "del get_ipython().display_pub.publish")
        assert order(kernel, "two") == ["two", "two"]
