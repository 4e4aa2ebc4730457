"""Notebooks put together from blocks of cells, each claim compared with a fresh plain run.

`python -m tests.law.workbooks --games 40 --from 0 --threads` plays a range of them.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from nbflow.analysis import analyze
from nbflow.store.digests import NoDigestError
from nbflow.task_runners.thread import ThreadPoolTaskRunner
from nbflow.testing import Notebook
from nbflow.types import Effect
from tests.cells import kept
from tests.law.blocks import BLOCKS, START
from tests.law.game import Game, Tally, Truth, play_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FEATURES: Final = ("files", "modules", "order", "restart", "hold", "only", "effects")
_EDITED: Final = re.compile("<<(.*?)>>")
_GIVEN: Final = re.compile(r"@([nld])\b")


@dataclass(frozen=True)
class Draft:
    """A cell of which some parts are still to be chosen."""

    kind: str
    text: str

    def written(self, random: Random) -> str:
        """Its text, with a choice for each part."""
        return _chosen(self.text, random)


@dataclass
class Composer:
    """Puts blocks together: what one needs, another one above it gives."""

    random: Random
    given: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in "nldfx"})

    def drafts(self, among: Sequence[str], least: int) -> list[Draft]:
        """The cells of a notebook, at least so many."""
        found = self._block(START, 0)
        blocks = self.random.sample(among, len(among))
        for suffix, block in enumerate(blocks, 1):
            if len(found) >= least:
                break
            found += self._block(block, suffix)
        return found

    def _block(self, block: str, suffix: int) -> list[Draft]:
        gives, _, cells = block.strip().replace("$", str(suffix)).partition("\n")
        one = {kind: self.random.choice(names) for kind, names in self.given.items() if names}
        drafts = [self._draft(cell, one) for cell in cells.split("\n---\n")]
        for name, _, kind in (each.partition(":") for each in gives.split()):
            self.given[kind].append(name)
        return drafts

    def _draft(self, cell: str, one: dict[str, str]) -> Draft:
        kind, _, text = cell.partition("\n")
        return Draft(_chosen(kind, self.random), _GIVEN.sub(lambda m: one[m[1]], text))


def _chosen(text: str, random: Random) -> str:
    return _EDITED.sub(lambda match: random.choice(match[1].split("|")), text)


class _Author:
    """Uses whatever the actions ask for."""

    features = FEATURES

    def uses(self, feature: str) -> bool:
        """Whether cells may use a feature."""
        return feature in FEATURES


class Workbook(Game):
    """A notebook of blocks in a folder of its own, with an oracle beside it."""

    def __init__(
        self,
        seed: int,
        folder: Path,
        make: Callable[[], Notebook],
        blocks: Sequence[str] = BLOCKS,
        least: int = 8,
    ) -> None:
        self.author = _Author()  # type: ignore[assignment]
        self.open(Random(seed), folder, make)
        self.prelude = ""
        composer = Composer(self.random)
        drafts = composer.drafts(blocks, least)
        self.files = (*composer.given["f"], "F.txt")
        self.fixed = 1
        self.drafts = {self.put(draft): draft for draft in drafts}
        self.cells = list(self.drafts)[1:]
        self.tracked = {name for draft in drafts for name in analyze(draft.written(self.random)).writes}
        self.tracked -= {*composer.given["x"]}
        self.notebook.run_all()

    def put(self, draft: Draft) -> str:
        """Add a cell to the notebook."""
        source = draft.written(self.random)
        pairs = (pair.partition("=") for pair in draft.kind.split()[1:])
        mapped = {name: of for name, _, of in pairs}
        cell = self.notebook.add(source, plain=draft.kind == "plain", **mapped)
        if draft.kind == "effect":
            self.notebook.let(cell, effect=Effect.ONCE)
        return cell

    def edit(self) -> str:
        """Choose the parts of a cell anew."""
        cell = self.pick()
        self.past[cell] = self.notebook.step(cell).body.source
        self.notebook.edit(cell, self.drafts[cell].written(self.random))
        return f"edit {cell}"

    def insert(self) -> str:
        """Nothing is written that nobody has thought of."""
        return self.edit()

    def touch(self) -> str:
        """Put other digits into a file, of the same size and time."""
        path = self.folder / self.random.choice(sorted(self.files))
        if not path.exists() or path.suffix == ".pkl":
            return "touch nothing"
        stat, text = path.stat(), path.read_text()
        path.write_text(re.sub(r"\d", lambda _: str(self.random.randrange(1, 9)), text))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        return f"touch {path.name}"

    # -- the oracle

    def snapshot(self) -> dict[str, str]:
        """The contents of the files in the current folder."""
        return {path: Path(path).read_bytes().hex() for path in self.files if Path(path).exists()}

    def content(self, name: str, names: dict[str, object]) -> str:
        """The digest of what a name holds; a text of its own for what has none."""
        try:
            return super().content(name, names)
        except NoDigestError:
            return "no digest"

    def told(self, name: str, names: dict[str, object]) -> str:
        """What tells the value of a name from others."""
        return self.content(name, names)

    def lost_file(self, cell: str, truths: dict[str, Truth]) -> str:
        """Which file on disk is not what the step left, although nobody below it names it."""
        below = list(truths)[list(truths).index(cell) + 1 :]
        for path, content in truths[cell].files.items():
            here = self.folder / path
            on_disk = here.read_bytes().hex() if here.exists() else ""
            if on_disk != content and not any(path in self.source(step) for step in below):
                return f"{path} is missing or another than it leaves"
        return ""

    @contextmanager
    def beside(self) -> Iterator[None]:
        """As in any game, with an environment of its own."""
        environment = dict(os.environ)
        try:
            with super().beside():
                yield
        finally:
            os.environ.clear()
            os.environ.update(environment)

    def restart(self) -> str:
        """Restart the kernel: its environment is gone, too."""
        for name in [name for name in os.environ if name.startswith("NBFLOW_LAW_")]:
            del os.environ[name]
        return super().restart()


def elsewhere() -> Notebook:
    """A notebook whose tasks run in threads."""
    return Notebook(store=kept(), runner=ThreadPoolTaskRunner())


def here() -> Notebook:
    """A notebook whose tasks run on the user's names."""
    return Notebook(store=kept())


def play_workbook(
    seed: int, folder: Path, tally: Tally, make: Callable[[], Notebook] = here, actions: int = 20
) -> Workbook:
    """Play a game with the notebook of a seed, stopping at the first wrong claim."""
    game = Workbook(seed, folder, make)
    play_on(game, tally, actions=actions, label=str(seed))
    return game


def main() -> int:
    """Play a range of notebooks; exit with 1 after a wrong claim."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--games", type=int, default=40)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--threads", action="store_true")
    options = parser.parse_args()
    sys.dont_write_bytecode = True
    root, start, tally = Path(tempfile.mkdtemp(prefix="nbflow-law-")), Path.cwd(), Tally()
    try:
        for seed in range(options.first, options.first + options.games):
            known = len(tally.wrong)
            play_workbook(seed, root / str(seed), tally, elsewhere if options.threads else here)
            os.chdir(start)
            for text in tally.wrong[known:]:
                print(text)
    finally:
        os.chdir(start)
        shutil.rmtree(root, ignore_errors=True)
    print(f"games {tally.games} checks {tally.checks} fresh {tally.fresh} wrong {len(tally.wrong)}", end=" ")
    print(tally.shares())
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
