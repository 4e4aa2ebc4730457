"""Inputs that a header ignores: a body gets an object without a digest as others have left it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from nbflow.engine.slots import NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.engine.apply import Workspace
    from nbflow.engine.bind import Version
    from nbflow.engine.observation import Observation
    from nbflow.engine.sites import Site


def to_put_back(site: Site, workspace: Workspace) -> tuple[dict[str, Version], ...]:
    """The units that have to stand before a body runs, without those that it takes as they are.

    Args:
        site: The body at its place.
        workspace: The names.
    """
    if not site.step.keeping.compared.without:
        return site.units
    return tuple(versions for versions in site.units if not _taken(versions, site, workspace))


def as_left(observation: Observation, units: tuple[dict[str, Version], ...], site: Site) -> Observation:
    """An observation that says so where a body took something as others have left it.

    Args:
        observation: What was seen of the body.
        units: The units that were put back for it.
        site: The body at its place.
    """
    if not site.step.keeping.compared.without:
        return observation
    kept = {key for versions in units for key in versions}
    taken = sorted({key for versions in site.units for key in versions} - kept)
    if not taken:
        return observation
    return replace(observation, doubt=f"finds {', '.join(taken)} as others have left it, and ignores that")


def _taken(versions: Mapping[str, Version], site: Site, workspace: Workspace) -> bool:
    (key, version), *others = versions.items()
    is_ignored = version.output.slot.kind == NAME and key in site.step.keeping.compared.without
    is_used = is_ignored and not others and workspace.holds_used(key, version)
    return is_used and not workspace.is_available(versions)
