"""Twins: one random notebook, its tasks once on the user's names and once elsewhere, told step by step."""

from __future__ import annotations

import os
import random as global_random
import shutil
from random import Random
from typing import TYPE_CHECKING, Any

from nbflow.testing import Notebook
from nbflow.types import FILE
from tests.cells import kept
from tests.law.game import TRACKED, Game, canon

if TYPE_CHECKING:
    from pathlib import Path

    from nbflow.engine.action import Action
    from nbflow.engine.book import Step
    from nbflow.engine.requests import Working
    from nbflow.task_runners.base import Runner

_OBJECTS = ("handle",)
"""Names that hold something which is equal to nothing else, such as a closed file."""


class Told(Notebook):
    """A notebook that notes what each action did."""

    actions: tuple[tuple[Any, ...], ...] = ()

    def _driven(self, work: Working[Action]) -> Action:
        action = super()._driven(work)
        told = sorted(action.executed), sorted(action.reused), sorted(action.errors)
        self.actions += (told,)
        return action


def moments(seed: int, features: tuple[str, ...], folder: Path, runner: Runner | None) -> list[Any]:
    """Play a game and say after each action how things stand, up to the first body that fails.

    What a failed body left in the user's names is there on the next run of a plain cell; elsewhere it
    leaves nothing.
    """
    start = os.getcwd()
    shutil.rmtree(folder, ignore_errors=True)
    global_random.seed(seed)
    told: list[Any] = []
    try:
        game = Game(Random(seed), features, folder, lambda: Told(store=kept(), runner=runner))
        for _ in range(12):
            notebook = game.notebook
            assert isinstance(notebook, Told)
            if any(errors for _, _, errors in notebook.actions):
                break
            told.append((tuple(game.log), notebook.actions, _standing(notebook, str(folder))))
            game.act()
    finally:
        os.chdir(start)
    return told


def _standing(notebook: Notebook, folder: str) -> Any:
    steps = [_told(notebook, step, folder) for step in notebook.book]
    return steps, {name: canon(notebook.names[name]) for name in TRACKED if name in notebook.names}


def _told(notebook: Notebook, step: Step, folder: str) -> Any:
    trace, judgement = step.trace, notebook.judgement(step.id)
    causes = [(cause.category, cause.subject.replace(folder, "")) for cause in judgement.causes]
    if trace is None:
        return step.id, judgement.verdict, causes
    entries = [(each.looked, each.digest) for each in trace.entries]
    outputs = [
        (each.slot, each.members, each.classes, each.preview if each.slot.kind != FILE else "")
        + ((each.digest, each.unit) if each.slot.locator not in _OBJECTS else ())
        for each in trace.outputs
    ]
    rest = trace.static_key, trace.unknowns, trace.flags, trace.definitions
    return step.id, judgement.verdict, causes, entries, outputs, rest
