"""Settings of libraries: looked at, put back, and told in words."""

from __future__ import annotations

import decimal
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

import matplotlib as mpl
import numpy as np
import pandas as pd
import plotly.express as px
import plotly.io as pio
import polars as pl
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st

from nbflow.engine.libraries import LIBRARIES, first_other, set_in, told
from nbflow.engine.library import AS_IT_STARTS
from nbflow.engine.stateful import States, current_state, restore_state
from nbflow.store.digests import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbflow.engine.library import Changed

pytestmark = pytest.mark.usefixtures("as_libraries_start")

CASES: Final[list[tuple[str, Callable[[], object], str]]] = [
    ("matplotlib", lambda: mpl.rcParams.update({"axes.grid": True}), "axes.grid: True"),
    (
        "matplotlib",
        lambda: mpl.rcParams["font.family"].append("serif"),
        "font.family: ('sans-serif', 'serif')",
    ),
    (
        "matplotlib",
        lambda: mpl.rcParams.update({"axes.prop_cycle": "cycler('color', 'rg')"}),
        "axes.prop_cycle: ",
    ),
    (
        "matplotlib",
        lambda: mpl.rcParams.update(
            {"axes.prop_cycle": mpl.rcsetup.cycler(color=mpl.colormaps["gray"]([0.0, 1.0]))}
        ),
        "axes.prop_cycle: (('color', ((0.0, 0.0, 0.0, 1.0), (1.0, 1.0, 1.0, 1.0))),)",
    ),
    (
        "matplotlib",
        lambda: mpl.rcParams.update(
            {
                "axes.prop_cycle": mpl.rcsetup.cycler(color=["r", "g"])
                + mpl.rcsetup.cycler(linewidth=np.arange(2.0))
            }
        ),
        "axes.prop_cycle: (('color', ('r', 'g')), ('linewidth', (0.0, 1.0)))",
    ),
    (
        "matplotlib",
        lambda: mpl.rcParams.update({"axes.titlecolor": np.array([1.0, 0.0, 0.0])}),
        "axes.titlecolor: (1.0, 0.0, 0.0)",
    ),
    ("pandas", lambda: pd.set_option("mode.sim_interactive", True), "mode.sim_interactive: True"),
    ("pandas display", lambda: pd.set_option("display.max_rows", 7), "display.max_rows: 7"),
    (
        "pandas display",
        lambda: pd.set_option("display.float_format", "{:.2f}".format),
        "display.float_format: '{:.2f}'.format",
    ),
    ("numpy", lambda: np.seterr(divide="raise"), "divide: raise"),
    ("numpy print", lambda: np.set_printoptions(precision=3), "precision: 3"),
    (
        "numpy print",
        lambda: np.set_printoptions(precision=3, formatter={"float": "{:.1f}".format}, legacy="1.21"),
        "formatter: ",
    ),
    ("decimal", lambda: setattr(decimal.getcontext(), "prec", 50), "prec: 50"),
    (
        "decimal",
        lambda: decimal.getcontext().traps.update({decimal.Inexact: True}),
        "traps: ('DivisionByZero', 'Inexact', 'InvalidOperation', 'Overflow')",
    ),
    ("sklearn", lambda: sklearn.set_config(transform_output="pandas"), "transform_output: pandas"),
    (
        "plotly",
        lambda: setattr(pio.templates, "default", "plotly_dark"),
        "templates.default: plotly_dark",
    ),
    ("polars print", lambda: pl.Config.set_tbl_rows(3), "POLARS_FMT_MAX_ROWS: 3"),
    (
        "polars print",
        lambda: (pl.Config.set_fmt_float("full"), pl.Config.set_thousands_separator(",")),
        "set_fmt_float: full; set_thousands_separator: ,",
    ),
    ("plotly express", lambda: setattr(px.defaults, "width", 300), "width: 300"),
]


class Torch(ModuleType):
    """What of torch keeps settings, as that does."""

    float32, float64 = "torch.float32", "torch.float64"

    def __init__(self) -> None:
        super().__init__("torch")
        self.set: dict[str, Any] = {}
        self.backends = SimpleNamespace(cudnn=SimpleNamespace(deterministic=False, benchmark=False))
        prints = SimpleNamespace(precision=4, threshold=1000, edgeitems=3, linewidth=80, sci_mode=None)
        self._tensor_str = SimpleNamespace(PRINT_OPTS=prints)
        of = self.set.get
        self.get_default_dtype = lambda: of("dtype", self.float32)
        self.get_default_device = lambda: of("device", "cpu")
        self.get_float32_matmul_precision = lambda: of("precision", "highest")
        self.is_grad_enabled = lambda: of("grad", True)
        self.are_deterministic_algorithms_enabled = lambda: of("deterministic", False)
        self.is_deterministic_algorithms_warn_only_enabled = lambda: of("warn_only", False)
        self.set_default_dtype = lambda value: self.set.update(dtype=value)
        self.set_default_device = lambda value: self.set.update(device=value)
        self.set_float32_matmul_precision = lambda value: self.set.update(precision=value)
        self.set_grad_enabled = lambda value: self.set.update(grad=value)

    def use_deterministic_algorithms(self, is_on: bool, *, warn_only: bool = False) -> None:
        """Set both at once."""
        self.set.update(deterministic=is_on, warn_only=warn_only)


class Registry:
    """What Altair keeps its themes in."""

    def __init__(self) -> None:
        self.active = "default"
        self.options: dict[str, Any] = {}

    def enable(self, name: str, **options: Any) -> None:
        """Choose one, with options."""
        self.active, self.options = name, options


class Altair(ModuleType):
    """What Altair says of its settings."""

    def __init__(self) -> None:
        super().__init__("altair")
        self.theme, self.data_transformers = Registry(), Registry()


TORCH: Final[list[tuple[str, Callable[[Any], object], str]]] = [
    ("torch", lambda torch: torch.set_default_dtype(torch.float64), "default_dtype: torch.float64"),
    (
        "torch",
        lambda torch: torch.use_deterministic_algorithms(True, warn_only=True),
        "deterministic_algorithms: True; deterministic_algorithms.warn_only: True",
    ),
    ("torch", lambda torch: torch.set_float32_matmul_precision("high"), "float32_matmul_precision: high"),
    (
        "torch",
        lambda torch: setattr(torch.backends.cudnn, "deterministic", True),
        "cudnn.deterministic: True",
    ),
    ("torch thread", lambda torch: torch.set_grad_enabled(False), "grad_enabled: False"),
    ("torch thread", lambda torch: torch.set_default_device("meta"), "default_device: meta"),
    (
        "torch print",
        lambda torch: vars(torch._tensor_str.PRINT_OPTS).update(precision=2, sci_mode=True),
        "precision: 2; sci_mode: True",
    ),
]


def state(library: str) -> Any:
    """How a library is set now."""
    return current_state(f"<{library} settings>")


@pytest.fixture
def as_libraries_start() -> Iterator[None]:
    """Libraries as they start, before and afterwards."""
    mpl.use("agg")
    yield
    for key in LIBRARIES:
        restore_state(key, AS_IT_STARTS)


class TestStates:
    """How a library is set, as a value."""

    @pytest.mark.parametrize(("library", "change", "text"), CASES)
    def test_what_is_set_is_seen_and_put_back(
        self, library: str, change: Callable[[], object], text: str
    ) -> None:
        """Only in the library that was set; the value does not change with it."""
        assert state(library) == AS_IT_STARTS
        change()
        after = state(library)
        assert told(after).startswith(text)
        assert [key for key in LIBRARIES if current_state(key)] == [f"<{library} settings>"]
        restore_state(f"<{library} settings>", AS_IT_STARTS)
        assert state(library) == AS_IT_STARTS
        restore_state(f"<{library} settings>", after)
        assert state(library) == after
        assert digest(state(library)) == digest(after)

    @pytest.mark.parametrize(("library", "change", "text"), CASES)
    def test_a_second_look(self, library: str, change: Callable[[], object], text: str) -> None:
        """Sees every change, and makes no state anew where there is none."""
        states = States()
        before = states.settings()
        assert states.settings(anew=True) is before
        change()
        assert states.settings() is before
        after = states.settings(anew=True)
        assert {key for key in after if after[key] != before[key]} == {f"<{library} settings>"}
        assert told(cast("Changed", after[f"<{library} settings>"])).startswith(text)

    @pytest.mark.parametrize(("library", "change", "text"), TORCH)
    def test_torch(
        self, monkeypatch: pytest.MonkeyPatch, library: str, change: Callable[[Any], object], text: str
    ) -> None:
        """Likewise, with a stand-in: it is too large to be installed for this."""
        torch = Torch()
        monkeypatch.setitem(sys.modules, "torch", torch)
        assert state(library) == AS_IT_STARTS
        change(torch)
        after = state(library)
        assert told(after) == text
        assert [key for key in LIBRARIES if current_state(key)] == [f"<{library} settings>"]
        restore_state(f"<{library} settings>", AS_IT_STARTS)
        assert state(library) == AS_IT_STARTS
        restore_state(f"<{library} settings>", after)
        assert state(library) == after

    def test_computing_changes_none(self) -> None:
        """What has happened to numbers is no setting."""
        decimal.Decimal(1) / decimal.Decimal(3)
        assert state("decimal") == AS_IT_STARTS

    def test_hosts_change_some(self) -> None:
        """Where figures are drawn is not up to the notebook."""
        mpl.rcParams["interactive"] = not mpl.rcParams["interactive"]
        assert state("matplotlib") == AS_IT_STARTS

    def test_an_import_changes_one(self) -> None:
        """Dask has pandas compute without numexpr once, however often a cell imports it."""
        pd.set_option("compute.use_numexpr", False)
        assert current_state("<pandas settings>") == AS_IT_STARTS
        pd.reset_option("compute.use_numexpr")

    def test_a_library_that_is_not_loaded(self) -> None:
        """Is not loaded by looking, and is set once it is there."""
        code = (
            "import sys\nfrom nbflow.engine.stateful import *\n"
            "key = '<matplotlib settings>'\nprint(current_state(key))\n"
            "restore_state(key, (('axes.grid', True),))\n"
            "print(current_state(key), 'matplotlib' in sys.modules)\n"
            "load_settings([key])\nimport matplotlib\nprint(matplotlib.rcParams['axes.grid'])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines() == ["()", "(('axes.grid', True),) False", "True"]

    def test_a_library_that_is_just_being_imported(self) -> None:
        """By another thread, perhaps: it is asked for nothing, and set once it is there."""
        code = (
            "import sys, types\nfrom nbflow.engine.stateful import *\n"
            "key = '<matplotlib settings>'\nrestore_state(key, (('axes.grid', True),))\n"
            "sys.modules['matplotlib'] = types.ModuleType('matplotlib')\n"
            "print(States().settings(anew=True)[key])\nrestore_state(key, (('font.size', 5.0),))\n"
            "del sys.modules['matplotlib']\nimport matplotlib\nprint(States().settings(anew=True)[key])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.stdout.splitlines() == [
            "(('axes.grid', True),)",
            "(('font.size', 5.0),)",
        ]

    def test_a_library_that_is_loaded_anew(self) -> None:
        """With other tables of its parameters: these are looked at from then on."""
        code = (
            "import importlib, matplotlib\nfrom nbflow.engine.stateful import *\n"
            "states, key = States(), '<matplotlib settings>'\nstates.settings(anew=True)\n"
            "importlib.reload(matplotlib)\nprint(states.settings(anew=True)[key])\n"
            "matplotlib.rcParams['font.size'] = 5\nprint(states.settings(anew=True)[key])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines() == ["()", "(('font.size', 5.0),)"]

    def test_xarray(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Likewise, with a stand-in: how it starts is what its module has when it is loaded."""
        source = tmp_path / "options.py"
        source.write_text(
            "OPTIONS = {'keep_attrs': 'default', 'display_width': 80}\n"
            "def set_options(**options):\n    OPTIONS.update(options)\n"
        )
        spec = spec_from_file_location("xarray.core.options", source)
        assert spec is not None
        assert spec.loader is not None
        options = module_from_spec(spec)
        spec.loader.exec_module(options)
        monkeypatch.setitem(sys.modules, "xarray.core.options", options)
        options.set_options(keep_attrs=True, display_width=60)
        assert [told(state(name)) for name in ("xarray", "xarray display")] == [
            "keep_attrs: True",
            "display_width: 60",
        ]
        restore_state("<xarray settings>", AS_IT_STARTS)
        assert options.OPTIONS == {"keep_attrs": "default", "display_width": 60}

    def test_altair(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Likewise: a theme with its options."""
        altair = Altair()
        monkeypatch.setitem(sys.modules, "altair", altair)
        assert state("altair") == AS_IT_STARTS
        altair.theme.enable("dark", size=3)
        after = state("altair")
        assert told(after) == "theme: dark; theme.options: (('size', 3),)"
        restore_state("<altair settings>", AS_IT_STARTS)
        assert (altair.theme.active, altair.theme.options) == ("default", {})
        restore_state("<altair settings>", after)
        assert (altair.theme.active, altair.theme.options) == ("dark", {"size": 3})


class TestTexts:
    """What a source says of settings, and what users are told."""

    @pytest.mark.parametrize(
        "source",
        [
            "plt.rcParams['axes.grid'] = True",
            "rc = plt.rcParams\nrc['axes.grid'] = True",
            "plt.rcParams['font.size'] *= 2",
            "plt.rcParams[names['size']] = 20",
            "rc('font', size=20)",
            "sns.set_theme()",
            "pd.options.display.max_rows = 3",
            "pd.set_option('mode.sim_interactive', True)",
            "np.seterr(all='raise')",
            "decimal.getcontext().prec = 5",
            "decimal.getcontext().prec += 5",
            "context = getcontext()\ncontext.prec = 5",
            "context = getcontext(); context.prec = 5",
            "torch.set_default_dtype(torch.float64)",
            "_ = torch.set_grad_enabled(False)",
            "torch.backends.cudnn.benchmark = True",
            "pio.templates.default = 'none'",
            "px.defaults.width = 300",
            "pl.Config.set_tbl_rows(3)",
            "import xarray as xr\nxr.set_options(keep_attrs=True)",
            "alt.theme.enable('dark')",
        ],
    )
    def test_a_source_that_sets(self, source: str) -> None:
        """Is found by how it speaks."""
        assert set_in(source)

    @pytest.mark.parametrize("key", [key for key, library in LIBRARIES.items() if library.spoken])
    @given(data=st.data())
    def test_whatever_a_library_is_spoken_of_like(self, key: str, data: st.DataObject) -> None:
        """Is found, in whichever words."""
        assert key in set_in(data.draw(st.from_regex(LIBRARIES[key].spoken)))

    @pytest.mark.parametrize(
        "source",
        [
            "with plt.rc_context({'axes.grid': True}), plt.style.context('bmh'): pass",
            "with pd.option_context('display.max_rows', 3), np.errstate(all='raise'): pass",
            "grid = plt.rcParams['axes.grid']",
            "size = plt.rcParams[names['size']] == 20",
            "prec = decimal.getcontext().prec",
            "with torch.set_grad_enabled(False), torch.no_grad(): pass",
            "with pl.Config(tbl_rows=3): pass",
            "if late:\n    with xr.set_options(keep_attrs=True):\n        pass",
            "if torch.backends.cudnn.benchmark == True: pass",
        ],
    )
    def test_a_source_that_does_not(self, source: str) -> None:
        """What ends with its block sets nothing, and neither does looking."""
        assert not set_in(source)

    def test_the_first_difference(self) -> None:
        """With the value that the library starts with, where one side has set none."""
        assert first_other("matplotlib", "", "axes.grid: True; font.size: 12") == (
            "axes.grid",
            "False",
            "True",
            2,
        )
        assert first_other("numpy", "divide: raise", "divide: ignore") == ("divide", "raise", "ignore", 1)
        assert first_other("nobody", "", "size: 1") == ("size", "as it starts", "1", 1)
