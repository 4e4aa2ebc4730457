"""`python -m tests.prefect PYTHON`: plays the snippets on an installed Prefect and on nbflow.

PYTHON is the interpreter of an environment that has Prefect 3. Differences are printed; with `--keep` what
Prefect said is written down for `tests/test_prefect.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.prefect.snippets import SNIPPETS

HERE = Path(__file__).parent
KEPT = HERE / "prefect_3_9_1.json"

_QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
}


def said_by(library: str, python: str) -> dict[str, list[str]]:
    """What each snippet says on a library, in a process of its own and in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, **_QUIET, "PREFECT_HOME": folder}
        played = subprocess.run(
            [python, str(HERE / "play.py"), library],
            input=json.dumps(SNIPPETS),
            text=True,
            capture_output=True,
            env=environment,
            cwd=folder,
            check=True,
        )
    return json.loads(played.stdout.splitlines()[-1])


def main() -> None:
    """Play, compare, and print what differs."""
    theirs, ours = said_by("prefect", sys.argv[1]), said_by("nbflow", sys.executable)
    if "--keep" in sys.argv:
        KEPT.write_text(json.dumps(theirs, indent=1, ensure_ascii=False) + "\n")
    different = [name for name in SNIPPETS if theirs[name] != ours[name]]
    for name in different:
        print(f"{name}\n  prefect: {theirs[name]}\n  nbflow:  {ours[name]}")
    print(f"{len(different)} of {len(SNIPPETS)} snippets differ")


if __name__ == "__main__":
    main()
