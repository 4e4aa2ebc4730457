"""Play many games and print what was claimed: `python -m tests.law.nightly --games 2000 --from 0`.

Of the steps that are not called fresh although a fresh run would give the same, two shares of all checks
are told: those of which the design itself demands that, by the rule that does (see `demanded.py`), and all
others, which are needless. Needless are also those that no rule could know to be equal: what they read
differs, or a step above them is stale, and their values, of which there are few, come out the same by luck.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.law.game import Tally, play

MIXES = (
    ("base",),
    ("atoms",),
    ("mutate",),
    ("alias",),
    ("files",),
    ("fail",),
    ("functions",),
    ("classes",),
    ("modules",),
    ("parameters",),
    ("random",),
    ("alias", "order"),
    ("alias", "restart"),
    ("alias", "fail"),
    ("mutate", "hold"),
    ("maps",),
    ("maps", "functions", "order", "restart"),
    ("all",),
    ("all", "order", "restart", "hold"),
    ("mutate", "only"),
    ("alias", "fail", "only", "effects"),
    ("all", "order", "restart", "hold", "only", "effects"),
    ("all", "restart", "audit"),
)


def main() -> int:
    """Play the games of a seed range over every mix of features; exit with 1 after a wrong claim."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--games", type=int, default=20, help="games a mix of features")
    parser.add_argument("--from", dest="first", type=int, default=0, help="first seed")
    parser.add_argument("--mix", type=int, nargs="*", default=range(len(MIXES)), help="which mixes")
    parser.add_argument("--show", type=int, default=1, help="how many wrong claims to print a mix")
    options = parser.parse_args()
    sys.dont_write_bytecode = True
    wrong = sum(play_mix(MIXES[mix], options.first, options.games, options.show) for mix in options.mix)
    return 1 if wrong else 0


def play_mix(features: tuple[str, ...], first: int, games: int, most: int) -> int:
    """Play the games of one mix and print a line about them."""
    tally = Tally()
    root = Path(tempfile.mkdtemp(prefix="nbflow-law-"))
    start = Path.cwd()
    try:
        for seed in range(first, first + games):
            play(seed, features, root / str(seed), tally)
            os.chdir(start)
            shutil.rmtree(root / str(seed))
    finally:
        os.chdir(start)
        shutil.rmtree(root, ignore_errors=True)
    print(
        f"{'+'.join(features):26s} games {tally.games:5d} checks {tally.checks:7d} fresh {tally.fresh:7d}",
        f"names {tally.names:6d} wrong {len(tally.wrong):3d}",
        tally.shares(),
        f"bodies {tally.executed}" + (f" audited {tally.audited}" if tally.audited else ""),
        flush=True,
    )
    for text in tally.wrong[:most]:
        print("   ", text)
    for text in tally.reasons[:: max(1, len(tally.reasons) // most)][:most] if most > 1 else ():
        print("    needless:", text)
    return len(tally.wrong)


if __name__ == "__main__":
    raise SystemExit(main())
