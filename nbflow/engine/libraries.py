"""Settings of libraries as slots: what the notebook has set otherwise than a library starts.

A library that is not loaded yet stands as it starts. Looking never imports anything: what is put back
before a library is there is kept for it.
"""

from __future__ import annotations

import json
import re
import sys
from functools import cache, lru_cache
from importlib.util import module_from_spec
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.engine.changes import Tables
from nbflow.engine.library import Changed, Library, frozen
from nbflow.engine.slots import SETTINGS, key_of
from nbflow.types import Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# --- the libraries ---------------------------------------------------------------------------


def _table(parameters: Any) -> dict[str, object]:
    """The parameters of matplotlib as a plain table: its own methods take their time."""
    return dict(dict[str, object].items(cast("dict[str, object]", parameters)))


class _Parameters:
    """What tells quickly whether the parameters of matplotlib have changed, lists among them in place.

    Args:
        parameters: They.
    """

    def __init__(self, parameters: dict[str, object]) -> None:
        self._tables = Tables([parameters])
        self._mark: object = None
        self._lists: list[list[object]] = []

    def mark(self) -> object:
        """What is equal only where they are."""
        mark = self._tables.mark()
        if mark != self._mark:
            values = dict[str, object].values(self._tables.tables[0])
            lists = cast("list[list[object]]", [value for value in values if type(value) is list])
            self._mark, self._lists = mark, lists
        return mark, list(map(tuple, self._lists))


def _mark_of_matplotlib(module: Any) -> object:
    return _parameters_of(module, id(module.rcParams)).mark()


@lru_cache(maxsize=1)
def _parameters_of(module: Any, table: int) -> _Parameters:
    """What tells of its parameters, as long as it is not loaded anew, with another table of them."""
    return _Parameters(module.rcParams)


@lru_cache(maxsize=4)
def _start_of_matplotlib(module: Any) -> Mapping[str, object]:
    """As of the first look: its own copy has the same lists, which code may change in place."""
    return {name: frozen(value) for name, value in _table(module.rcParamsOrig).items()}


def _put_in_matplotlib(module: Any, name: str, value: Any) -> None:
    module.rcParams[name] = module.cycler(**dict(value)) if name == "axes.prop_cycle" else value


def _options(module: Any, *, display: bool) -> Iterator[tuple[str, object]]:
    """The options of pandas by name: those that decide how tables look, or all others."""
    for path, table in _tables(module, len(module._registered_options))[0]:
        for key, value in table.items():
            name = f"{path}{key}"
            if not isinstance(value, dict) and name.startswith(("display.", "styler.")) is display:
                yield name, value


@lru_cache(maxsize=1)
def _tables(module: Any, count: int) -> tuple[list[tuple[str, dict[str, object]]], Tables]:
    """The tables that hold them and what their names begin with, as long as none is registered."""
    found: list[tuple[str, dict[str, object]]] = [("", module._global_config)]
    for path, table in found:
        inner = [key for key, value in table.items() if isinstance(value, dict)]
        found += [(f"{path}{key}.", cast("dict[str, object]", table[key])) for key in inner]
    return found, Tables([table for _, table in found])


def _mark_of_pandas(module: Any) -> object:
    return _tables(module, len(module._registered_options))[1].mark()


def _start_of_pandas(module: Any) -> Mapping[str, object]:
    return {name: option.defval for name, option in module._registered_options.items()}


def _put_in_pandas(module: Any, name: str, value: object) -> None:
    module.set_option(name, value)


_PRINT_OPTIONS: Final[Mapping[str, object]] = {
    "edgeitems": 3, "threshold": 1000, "floatmode": "maxprec", "precision": 8, "suppress": False,
    "linewidth": 75, "nanstr": "nan", "infstr": "inf", "sign": "-", "formatter": None, "legacy": False,
    "override_repr": None,
}  # fmt: skip
_ERRORS: Final[Mapping[str, object]] = {
    "divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn",
}  # fmt: skip
_ARITHMETIC: Final = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")


def _of_context(context: Any) -> Mapping[str, object]:
    """The settings of decimal numbers; what has happened in computing is none."""
    traps = (signal.__name__ for signal, is_on in context.traps.items() if is_on)
    return {**{name: getattr(context, name) for name in _ARITHMETIC}, "traps": tuple(sorted(traps))}


def _of_decimal(module: Any) -> Mapping[str, object]:
    return _of_context(module.getcontext())


def _mark_of_decimal(module: Any) -> object:
    context = module.getcontext()
    ways = (context.prec, context.rounding, context.Emin, context.Emax, context.capitals, context.clamp)
    return ways, repr(context.traps)


def _start_of_decimal(module: Any) -> Mapping[str, object]:
    return _of_context(module.DefaultContext)


def _put_in_decimal(module: Any, name: str, value: Any) -> None:
    context = module.getcontext()
    if name != "traps":
        setattr(context, name, value)
        return
    for signal in context.traps:
        context.traps[signal] = signal.__name__ in value


_TORCH: Final[Mapping[str, object]] = {
    "default_dtype": "torch.float32", "float32_matmul_precision": "highest",
    "deterministic_algorithms": False, "deterministic_algorithms.warn_only": False,
    "cudnn.deterministic": False, "cudnn.benchmark": False,
}  # fmt: skip
_TORCH_OF_THREAD: Final[Mapping[str, object]] = {"grad_enabled": True, "default_device": "cpu"}
_TORCH_PRINTS: Final[Mapping[str, object]] = {
    "precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None,
}  # fmt: skip


def _of_torch(module: Any) -> Mapping[str, object]:
    return {
        "default_dtype": str(module.get_default_dtype()),
        "deterministic_algorithms": module.are_deterministic_algorithms_enabled(),
        "deterministic_algorithms.warn_only": module.is_deterministic_algorithms_warn_only_enabled(),
        "float32_matmul_precision": module.get_float32_matmul_precision(),
        "cudnn.deterministic": module.backends.cudnn.deterministic,
        "cudnn.benchmark": module.backends.cudnn.benchmark,
    }


def _put_in_torch(module: Any, name: str, value: Any) -> None:
    group, _, part = name.partition(".")
    if group == "cudnn":
        setattr(module.backends.cudnn, part, value)
    elif group == "deterministic_algorithms":
        is_on, warns = (now := _of_torch(module))[group], now[f"{group}.warn_only"]
        module.use_deterministic_algorithms(is_on if part else value, warn_only=value if part else warns)
    elif name == "default_dtype":
        module.set_default_dtype(getattr(module, value.removeprefix("torch.")))
    else:
        module.set_float32_matmul_precision(value)


def _of_torch_in_thread(module: Any) -> Mapping[str, object]:
    return {"grad_enabled": module.is_grad_enabled(), "default_device": str(module.get_default_device())}


def _put_in_torch_in_thread(module: Any, name: str, value: Any) -> None:
    (module.set_grad_enabled if name == "grad_enabled" else module.set_default_device)(value)


def _of_torch_prints(module: Any) -> Mapping[str, object]:
    return {name: getattr(module._tensor_str.PRINT_OPTS, name) for name in _TORCH_PRINTS}


_POLARS: Final[Mapping[str, object]] = {
    "set_fmt_float": "mixed", "set_float_precision": None, "set_thousands_separator": "",
    "set_decimal_separator": ".", "set_trim_decimal_zeros": False,
}  # fmt: skip
"""Its settings that are no environment variables, by the names of what sets them."""


def _put_in_polars(module: Any, name: str, value: Any) -> None:
    if name in _POLARS:
        getattr(module.Config, name)(value if value != _POLARS[name] else None)
    else:
        module.Config.load(json.dumps({"environment": {name: value}}))


def _of_plotly_express(module: Any) -> Mapping[str, object]:
    return {name: getattr(module.defaults, name) for name in module.defaults.__slots__}


def _start_of_plotly_express(module: Any) -> Mapping[str, object]:
    defaults = type(module.defaults)()
    return {name: getattr(defaults, name) for name in defaults.__slots__}


def _options_of_xarray(module: Any, *, display: bool) -> Mapping[str, object]:
    return {name: value for name, value in module.OPTIONS.items() if name.startswith("display_") is display}


@lru_cache(maxsize=1)
def _start_of_xarray(module: Any) -> Mapping[str, object]:
    """As a second copy of the module has them: it keeps no other record of how it starts."""
    copy = module_from_spec(module.__spec__)
    module.__spec__.loader.exec_module(copy)
    return copy.OPTIONS


def _of_altair(module: Any) -> Mapping[str, object]:
    return {name: registry.active for name, registry in _registries_of_altair(module).items()} | {
        f"{name}.options": tuple(sorted(registry.options.items()))
        for name, registry in _registries_of_altair(module).items()
    }


def _registries_of_altair(module: Any) -> Mapping[str, Any]:
    """Its theme, and what becomes of the data of charts."""
    return {"theme": module.theme, "data_transformers": module.data_transformers}


def _put_in_altair(module: Any, name: str, value: Any) -> None:
    group, _, part = name.partition(".")
    registry = _registries_of_altair(module)[group]
    active = registry.active if part else value
    registry.enable(active, **dict(value if part else registry.options))


_ALTAIR: Final[Mapping[str, object]] = {
    "theme": "default", "theme.options": (), "data_transformers": "default", "data_transformers.options": (),
}  # fmt: skip
_SETS_OPTIONS: Final = r"(?m:^(?!\s*(async\s+)?with\b).*\bset_options\b)"
"""What sets options of xarray, but for a block: that leaves none."""

MATPLOTLIB: Final = "<matplotlib settings>"

LIBRARIES: Final[dict[str, Library]] = {
    MATPLOTLIB: Library(
        "matplotlib",
        lambda module: _table(module.rcParams),
        _start_of_matplotlib,
        _put_in_matplotlib,
        (
            r"rcParams(?!\s*\[[^\]]+\]+(?!\]|\s*[-+*/%|&]{0,2}=[^=])|\.get\b|\.copy\b)"
            r"|\brcdefaults\b|\brc_file|\brc\(|\bstyle\.use\b|\bxkcd\b|\bset_(theme|style|context|palette)\b|\bsns\.(set|reset_\w+)\("
        ),
        leave_out=frozenset({"backend", "backend_fallback", "interactive", "savefig.directory"}),
    ),
    "<pandas settings>": Library(
        "pandas._config.config",
        lambda module: dict(_options(module, display=False)),
        _start_of_pandas,
        _put_in_pandas,
        r"\b(re)?set_option\b|\boptions\.(?!display\b|styler\b)\w+\.",
        leave_out=frozenset({"compute.use_numexpr"}),
    ),
    "<pandas display settings>": Library(
        "pandas._config.config",
        lambda module: dict(_options(module, display=True)),
        _start_of_pandas,
        _put_in_pandas,
        r"\b(re)?set_option\b|\boptions\.(display|styler)\b|\bset_eng_float_format\b",
        shown=True,
    ),
    "<numpy settings>": Library(
        "numpy",
        lambda module: module.geterr(),
        lambda module: _ERRORS,
        lambda module, name, value: module.seterr(**{name: value}),
        r"\bseterr\b",
        in_context=True,
    ),
    "<numpy print settings>": Library(
        "numpy",
        lambda module: module.get_printoptions(),
        lambda module: _PRINT_OPTIONS,
        # What is not said of formatters starts anew.
        lambda module, name, value: module.set_printoptions(**{**module.get_printoptions(), name: value}),
        r"\bset_printoptions\b",
        shown=True,
        in_context=True,
    ),
    "<decimal settings>": Library(
        "decimal",
        _of_decimal,
        _start_of_decimal,
        _put_in_decimal,
        r"\bsetcontext\b|\bgetcontext\(\)(\.\w+\s*([-+*/%]{0,2}=[^=]|\[)|\s*(;|\n|$))",
        in_context=True,
    ),
    "<sklearn settings>": Library(
        "sklearn._config",
        lambda module: module.get_config(),
        lambda module: module._global_config,
        lambda module, name, value: module.set_config(**{name: value}),
        r"\bset_config\b",
        of_thread=True,
    ),
    "<torch settings>": Library(
        "torch",
        _of_torch,
        lambda module: _TORCH,
        _put_in_torch,
        r"\bset_default_(dtype|tensor_type)\b|\buse_deterministic_algorithms\b"
        r"|\bset_deterministic_debug_mode\b|\bset_float32_matmul_precision\b|\bcudnn\.\w+\s*=[^=]",
    ),
    "<torch thread settings>": Library(
        "torch",
        _of_torch_in_thread,
        lambda module: _TORCH_OF_THREAD,
        _put_in_torch_in_thread,
        r"\bset_default_device\b|(?m:^[ \t]*(_ *= *)?(torch\.)?set_grad_enabled\b)",
        of_thread=True,
    ),
    "<torch print settings>": Library(
        "torch",
        _of_torch_prints,
        lambda module: _TORCH_PRINTS,
        lambda module, name, value: setattr(module._tensor_str.PRINT_OPTS, name, value),
        r"\bset_printoptions\b",
        shown=True,
    ),
    "<polars print settings>": Library(
        "polars.config",
        lambda module: module.Config.state(),
        lambda module: _POLARS,
        _put_in_polars,
        r"\bConfig\.(set_|load|restore_defaults)",
        shown=True,
    ),
    "<plotly settings>": Library(
        "plotly.io._templates",
        lambda module: {"templates.default": module.templates.default},
        lambda module: {"templates.default": "plotly"},
        lambda module, name, value: setattr(module.templates, "default", value),
        r"\btemplates\.default\b",
    ),
    "<plotly express settings>": Library(
        "plotly.express._core",
        _of_plotly_express,
        _start_of_plotly_express,
        lambda module, name, value: setattr(module.defaults, name, value),
        r"\b(px|express)\.(set_)?defaults\b",
    ),
    "<xarray settings>": Library(
        "xarray.core.options",
        lambda module: _options_of_xarray(module, display=False),
        _start_of_xarray,
        lambda module, name, value: module.set_options(**{name: value}),
        _SETS_OPTIONS,
    ),
    "<xarray display settings>": Library(
        "xarray.core.options",
        lambda module: _options_of_xarray(module, display=True),
        _start_of_xarray,
        lambda module, name, value: module.set_options(**{name: value}),
        _SETS_OPTIONS,
        shown=True,
    ),
    "<altair settings>": Library(
        "altair",
        _of_altair,
        lambda module: _ALTAIR,
        _put_in_altair,
        r"\bthemes?\.(enable|register)\b|\bdata_transformers\.\w+\(",
    ),
}
"""Workspace key to settings; what is followed of modules and classes comes to them, see `patches.py`."""

_SPOKEN: Final = ("rcParams", "rcdefaults", "rc_file", "rc(", "style.use", "xkcd", "set_", "seterr", "sns.",
                  "options", "context", "deterministic", "cudnn", "Config.", "default",
                  "theme", "data_")  # fmt: skip
"""One is in all that speaks of setting: looking for them is quick, where one pattern of all is not."""

MARKS: Final[Mapping[str, Callable[[Any], object]]] = {
    "matplotlib": _mark_of_matplotlib,
    "pandas._config.config": _mark_of_pandas,
    "numpy": lambda module: (module.geterr(), module.get_printoptions()),
    "decimal": _mark_of_decimal,
    "sklearn._config": lambda module: module.get_config(),
    "torch": lambda module: (_of_torch(module), _of_torch_in_thread(module), _of_torch_prints(module)),
    "polars.config": lambda module: module.Config.state(),
    "plotly.io._templates": lambda module: module.templates.default,
    "plotly.express._core": lambda module: repr(_of_plotly_express(module)),
    "xarray.core.options": lambda module: dict(module.OPTIONS),
    "altair": _of_altair,
}
"""Module to what is quick to have of it, and equal only where all its settings are."""


# --- texts -----------------------------------------------------------------------------------

_BETWEEN: Final = "; "
_LONG: Final = 80
_NOTHING: Final[Mapping[str, object]] = {}


@cache
def set_in(source: str) -> frozenset[str]:
    """The keys of the settings that a source speaks of setting.

    Example:
        >>> sorted(set_in("plt.rcParams['axes.grid'] = True"))
        ['<matplotlib settings>']
    """
    asked = LIBRARIES.items() if any(map(source.__contains__, _SPOKEN)) else ()
    return frozenset(key for key, each in asked if each.spoken and re.search(each.spoken, source))


def told(changed: Changed) -> str:
    """Changed settings as a text.

    Example:
        >>> told((("axes.grid", True), ("font.size", 12.0)))
        'axes.grid: True; font.size: 12.0'
    """
    return _BETWEEN.join(f"{name}: {_text(value)}" for name, value in changed)


def _text(value: object) -> str:
    text = " ".join((value if isinstance(value, str) and value else _named(value)).split())
    text = text.replace(_BETWEEN, ", ")
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


def _named(value: object) -> str:
    """Code by its name: where it lies in memory tells nobody anything."""
    if value is ...:
        return "not there"
    name = getattr(value, "__qualname__", "") if callable(value) else ""
    owner = getattr(value, "__self__", None)
    if name and isinstance(owner, str):
        return f"{owner!r}.{name.rpartition('.')[2]}"
    return name or _PLACE_IN_MEMORY.sub("", repr(value))


_PLACE_IN_MEMORY: Final = re.compile(r" at 0x[0-9a-fA-F]+")


def first_other(locator: str, before: str, after: str) -> tuple[str, str, str, int]:
    """The first setting that differs between two texts of `told`: its name, both texts of it, and how many.

    Example:
        >>> first_other("numpy", "divide: warn", "divide: raise")
        ('divide', 'warn', 'raise', 1)
    """
    then, now = _read(before), _read(after)
    names = sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
    if not names:
        return "", before, after, 0
    name = names[0]
    start = _start(locator, name) if not (name in then and name in now) else ""
    return name, then.get(name, start), now.get(name, start), len(names)


def _read(text: str) -> dict[str, str]:
    pairs = (part.partition(": ") for part in text.split(_BETWEEN) if part)
    return {name: value for name, _, value in pairs}


def _start(locator: str, name: str) -> str:
    """A setting as its library starts."""
    library = LIBRARIES.get(key_of(Slot(SETTINGS, locator)))
    module = sys.modules.get(library.module) if library is not None else None
    start = library.start(module) if library is not None and module is not None else _NOTHING
    return _text(frozen(start[name])) if name in start else "as it starts"
