"""What the design itself demands not to be called fresh, although a fresh run would give the same.

Three sentences of the design say of a result that it is *as of* and no more, whatever could be proven of it:

- `held`: somebody has put it there by hand, and it and all below are as of (2.0, 2.8);
- `own file`: a path both read and written makes it so (2.4);
- `unverified`: a plain cell of an earlier kernel has not run in this one (2.7, 2.8).

Nothing is plainly fresh below them. A step is set apart only where it is *as of* for such reasons and for
no other: each of its causes is one, or comes from a step above of which all of this is true. What is stale
or waits never is: something is proven to differ there, or may, and a body gives the same only by luck.

A cleverer rule could prove some of what is set apart, if the design let it: a cell that writes a file
before it reads it reads what it wrote, and a plain cell of an earlier kernel with the same text and the same
inputs did what it would do now. What could be proven within the design, and is not, counts as needless.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbflow.types import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbflow.engine.book import Step
    from nbflow.testing import Notebook
    from nbflow.types import Cause

RULES: Final = ("held", "own file", "unverified")


def demanded_by(notebook: Notebook, cell: str) -> str:
    """The rule by which a cell is *as of*, the first where there are several; empty where it need not be."""
    rules = list(_rules(notebook, notebook.step(cell)))
    return rules[0] if all(rules) else ""


def _rules(notebook: Notebook, step: Step) -> Iterator[str]:
    """The rule behind each reason why a step is not fresh; an empty text where a reason is none of them."""
    judgement = notebook.sweep.judgement(step)
    if judgement.verdict is not Verdict.AS_OF:
        yield ""
        return
    for cause in judgement.causes:
        if cause.category == "upstream":
            yield from _rules(notebook, notebook.book.named(cause.origin))
            continue
        yield _rule(cause)
        if cause.category == "held":
            return  # the rest only tells how it differs from what is now


def _rule(cause: Cause) -> str:
    if cause.category == "outside" and cause.subject.endswith("which it writes itself"):
        return "own file"
    return cause.category if cause.category in RULES else ""
