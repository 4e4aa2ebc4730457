"""What all bodies share and somebody else may change while one runs: then nobody can tell what it saw.

Bodies in threads go on while cells run, and files are edited at any time. What a body sees of
environment variables and local modules is told from before it runs; so it must hold until it has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from nbflow.engine.influence import reached
from nbflow.engine.record import see_bound
from nbflow.engine.slots import WORKING_FOLDER, FolderKind
from nbflow.store.events import FOLDER, UNPICKLES
from nbflow.types import UNBOUND, WHILE_IT_RAN, Entry, Looked

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from nbflow.engine.bind import View
    from nbflow.engine.book import Body, Step
    from nbflow.engine.enact import Finished
    from nbflow.engine.observation import Observation
    from nbflow.engine.record import Seen
    from nbflow.engine.slots import Outside
    from nbflow.engine.sweep import Sweep
    from nbflow.store.watching import Watch


def sure(finished: Finished, asked: Collection[Entry], outside: Outside) -> Finished:
    """The same run; with a fault where others changed meanwhile what its body may have seen.

    Args:
        finished: The run.
        asked: What its body is said to have seen outside, as it was before the run.
        outside: What there is now.
    """
    observation = finished.observation
    watch = observation.watch if observation is not None else None
    if observation is None or watch is None or not observation.is_whole:
        return finished
    if watch.saw_nothing and not asked:
        return finished
    moved = ", ".join(dict.fromkeys((*_moved(watch, asked, outside), *_folder(watch, observation))))
    fault = f"{moved} {WHILE_IT_RAN}"
    return replace(finished, observation=replace(observation, fault=fault)) if moved else finished


def with_found(seen: Seen, observation: Observation, step: Step, body: Body, sweep: Sweep) -> Seen:
    """What a body saw, with what it found only while it ran.

    Modules may be found once it has set where they are looked for, and a pickle finds code by its name.

    Args:
        seen: What there was before it ran.
        observation: What it did.
        step: Whose body it is.
        body: The body.
        sweep: The judgements, which look at these modules again.
    """
    watch = observation.watch
    if watch is None or watch.saw_nothing:
        return seen
    names = [name for text in watch.outside if (name := text.removeprefix(UNPICKLES)) != text]
    if names and not step.plain:
        seen = _with_names(seen, names, body, sweep.view(step))
    if not watch.process_state:
        return seen
    slots = (entry.looked.slot for entry in seen.asked if entry.digest == UNBOUND)
    late = [slot for slot in slots if slot.kind == "module"]
    sweep.look_outside(late)
    outside = sweep.outside
    now = (Entry(Looked(slot), outside.digest(slot) or UNBOUND, outside.show(slot)) for slot in late)
    found = {entry.looked: entry for entry in now}
    return replace(seen, asked=tuple(found.get(entry.looked, entry) for entry in seen.asked))


def _with_names(seen: Seen, names: Iterable[str], body: Body, view: View) -> Seen:
    """With the code of the notebook that stands under some names, and what that reads."""
    slots = reached(body, view, also=[name for name in names if "." not in name])
    more = see_bound(body, [slot for slot in slots if slot not in seen.entries], view)
    return replace(
        seen,
        entries={**seen.entries, **more.entries},
        units={**seen.units, **more.units},
        classes={**seen.classes, **more.classes},
    )


def _moved(watch: Watch, asked: Iterable[Entry], outside: Outside) -> Iterator[str]:
    yield from sorted(watch.settled.variables.keys() & watch.trail.shaken)
    for entry in asked:
        slot = entry.looked.slot
        if slot.kind == "environment":
            is_own, is_shaken = slot.locator in watch.trail.touched, slot.locator in watch.trail.shaken
        elif slot == WORKING_FOLDER:
            is_own, is_shaken = FOLDER in watch.trail.touched, FOLDER in watch.trail.shaken
        elif slot.kind == "module":
            # Where it wrote a file or set the path for modules, it may have changed this one itself.
            is_own, is_shaken = bool(watch.written or watch.process_state), False
        else:
            continue
        if is_shaken or not (is_own or outside.is_still(entry)):
            yield slot.locator


def _folder(watch: Watch, observation: Observation) -> Iterator[str]:
    """The working folder, if a relative path may have meant another file."""
    if watch.saw_nothing:
        return  # and the system is not asked, which can take longer than all else about a small cell
    is_own, is_shaken = FOLDER in watch.trail.touched, FOLDER in watch.trail.shaken
    is_another = observation.folder != (FolderKind().now("") or "gone")
    if is_shaken or (is_another and not is_own):
        yield FOLDER
