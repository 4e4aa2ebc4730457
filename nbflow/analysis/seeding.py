"""Who sets the global random generators, as the text tells."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from nbflow.analysis.facts import dotted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SEEDING: Final[Mapping[str, str]] = {
    "random.seed": "random",
    "numpy.random.seed": "numpy",
    "np.random.seed": "numpy",
    "torch.manual_seed": "torch",
    "torch.random.manual_seed": "torch",
}

_SETTING: Final[Mapping[str, str]] = {
    **_SEEDING,
    "random.setstate": "random",
    "numpy.random.set_state": "numpy",
    "np.random.set_state": "numpy",
    "torch.set_rng_state": "torch",
    "torch.random.set_rng_state": "torch",
}

_CALLED_SO: Final = re.compile(
    r"((set|fix|init|reset|manual)_)?((all|global|random|rng)_)*seeds?(_(all|everything|everywhere|random))?"
    r"|setstate|set_state"
)
"""Functions that set all generators, as they are usually called: `set_seed`, `seed_everything`."""

_EFFECT: Final = "random: "


def seeds_of(statements: Iterable[ast.stmt]) -> frozenset[str]:
    r"""Name the global generators that a cell seeds before anything in it could draw.

    Example:
        >>> seeds_of(ast.parse("import random\nSEED = 1\nrandom.seed(SEED)\nx = random.random()").body)
        frozenset({'random'})
    """
    origins: dict[str, str] = {}
    seeded: set[str] = set()
    for statement in statements:
        generator = _seeded_by(statement, origins)
        if generator:
            seeded.add(generator)
        elif not _cannot_draw(statement):
            break
        _note_origins(statement, origins)
    return frozenset(seeded)


def _seeded_by(statement: ast.stmt, origins: Mapping[str, str]) -> str:
    match statement:
        case ast.Expr(value=ast.Call(func=function, args=[seed])) if _is_plain(seed):
            root, dot, rest = dotted(function).partition(".")
            full = origins.get(root, root) + dot + rest
            return _SEEDING.get(full, "")
        case _:
            return ""


def _is_plain(seed: ast.expr) -> bool:
    """Say whether a seed is written down; None, and what is computed, may differ from run to run."""
    if isinstance(seed, ast.Constant):
        return seed.value is not None
    return isinstance(seed, ast.Name | ast.UnaryOp) or (
        isinstance(seed, ast.BinOp) and _is_plain(seed.left) and _is_plain(seed.right)
    )


def _cannot_draw(statement: ast.stmt) -> bool:
    match statement:
        case ast.Import() | ast.ImportFrom() | ast.Pass():
            return True
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return not (statement.decorator_list or statement.args.defaults or statement.args.kw_defaults)
        case ast.ClassDef(bases=[], keywords=[], decorator_list=[], body=body):
            return all(_cannot_draw(part) for part in body)
        case ast.Expr(value=value) | ast.Assign(targets=[ast.Name()], value=value):
            return _is_written_down(value)
        case ast.AnnAssign(target=ast.Name(), value=value):
            return value is None or _is_written_down(value)
        case _:
            return False


def _is_written_down(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _note_origins(statement: ast.stmt, origins: dict[str, str]) -> None:
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            name = alias.asname or alias.name.partition(".")[0]
            origins[name] = alias.name if alias.asname else name
    elif isinstance(statement, ast.ImportFrom):
        for alias in statement.names:
            origins[alias.asname or alias.name] = f"{statement.module}.{alias.name}"


def seeding_effect(parts: Sequence[str], path: str) -> str:
    """What a call does to the global random generators, as an effect; empty: nothing known.

    A method called `seed` is that of some other generator.

    Args:
        parts: The parts of what is called, with what its root stands for.
        path: It as written.

    Example:
        >>> seeding_effect(["numpy", "random", "seed"], "np.random.seed")
        'random: numpy'
        >>> seeding_effect(["seed_all"], "seed_all"), seeding_effect(["env", "seed"], "env.seed")
        ('random: seed_all', '')
    """
    known = _SETTING.get(".".join(parts))
    if known:
        return _EFFECT + known
    is_method = len(parts) > 1 and parts[-1] in ("seed", "setstate", "set_state")
    return "" if is_method or not _CALLED_SO.fullmatch(parts[-1]) else _EFFECT + path


def may_set(generator: str, effects: Iterable[str]) -> bool:
    """Whether a body with these effects may set a global random generator.

    Args:
        generator: `random`, `numpy` or `torch`.
        effects: What it, or code that it may call, visibly does.

    Example:
        >>> may_set("numpy", ["random: numpy"]), may_set("torch", ["random: numpy", "random: seed_all"])
        (True, False)
        >>> may_set("torch", ["random: seed_everything"])
        True
    """
    told = {effect.removeprefix(_EFFECT) for effect in effects if effect.startswith(_EFFECT)}
    known = told.intersection(_SETTING.values())
    return generator in known if known else bool(told)
