"""Digests in several processes with different hash seeds; this file is also the program they run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CELL = """
import abc, array, collections, dataclasses, datetime, decimal, enum, fractions, functools, ipaddress, json
import logging, pathlib, random, re, sys, threading, types, typing, uuid, zoneinfo
import numpy as np, pandas as pd, polars as pl, pyarrow as pa, scipy.sparse as sparse
from sklearn.linear_model import LinearRegression
from sklearn.ensemble import RandomForestClassifier

WORDS = [f"word {i}" for i in range(40)]
LATE = {*WORDS}

class Plain:
    "An object of the notebook."
    kinds = {"a", "b", "c"}
    def __init__(self, **parts): self.__dict__.update(parts)
    def go(self, x): return x in {"a", "b", "c"} or super().__repr__()

class Slotted:
    __slots__ = ("a", "b")
    def __init__(self, a, b): self.a, self.b = a, b

@dataclasses.dataclass(order=True)
class Point:
    x: int = 1
    tags: set = dataclasses.field(default_factory=lambda: {"u", "v", "w"})

class Side(enum.Enum):
    LEFT = frozenset(WORDS)
    RIGHT = 2

class Flags(enum.Flag):
    A = 1
    B = 2

class Abstract(abc.ABC):
    @abc.abstractmethod
    def f(self): ...
    @abc.abstractmethod
    def g(self): ...

Pair = collections.namedtuple("Pair", "a b")
T = typing.TypeVar("T")

class Box(typing.Generic[T]):
    held: list[T]

def helper(x, k=frozenset(WORDS)): return x in {"x", "y", "z"} and k and LATE
def recursive(x): return recursive(x - 1) + other(x)
def other(x): return recursive(x) + helper(x)
def make(n):
    def inner(x): return inner(x) + n
    return inner

@functools.lru_cache
def cached(x): return helper(x)

@functools.singledispatch
def generic(x): return 1

@generic.register
def _(x: int): return 2

loop = [1]; loop.append(loop)
cyclic = Plain(); cyclic.parts = {cyclic, Plain(a=1), Plain(a=2, up=cyclic)}
frame = pd.DataFrame({"i": [1, 2], "s": ["a", None], "c": pd.Categorical(["x", "y"]),
                      "t": pd.to_datetime(["2020-01-01", None]).tz_localize("UTC"),
                      "n": pd.array([1, None], dtype="Int64"), "o": [{"a", "b"}, None]}, index=["p", "q"])
estimator = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
forest = RandomForestClassifier(n_estimators=2, random_state=0).fit([[1.0], [2.0]], WORDS[:2])

values = {
    "none": None,
    "bool": True,
    "int": 3,
    "big": 10**50,
    "float": -0.0,
    "nan": float("nan"),
    "complex": 1j,
    "str": "ä",
    "bytes": b"a" * 99,
    "bytearray": bytearray(b"a"),
    "memoryview": memoryview(b"a"),
    "array": array.array("i", [1]),
    "range": range(3),
    "slice": slice(1),
    "ellipsis": ...,
    "list": [1, 2.0, "a"],
    "mixed": [1, [2], (3, {4})],
    "tuple": (1, (2,)),
    "dict": {"b": 1,
    "a": [2]},
    "set": set(WORDS),
    "frozenset": frozenset(WORDS),
    "mixed set": {1, "a", (2, "b"), frozenset(WORDS), None},
    "nested sets": {frozenset({frozenset(WORDS), "a"}), frozenset({"b", 1})},
    "set of floats": {1.5, float("inf"), -2.5},
    "keys in a set": {Side.LEFT, Side.RIGHT},
    "set of types": {int, str, Plain, Point},
    "set of functions": {helper, other, len, make},
    "set of objects": {Plain(a=1), Plain(a={"x", "y"}), Plain(b=2)},
    "cyclic": cyclic,
    "loop": loop,
    "deque": collections.deque([1], 2),
    "ordered": collections.OrderedDict(a=1),
    "counter": collections.Counter("aab"),
    "default": collections.defaultdict(set, a=set(WORDS)),
    "proxy": types.MappingProxyType({"a": 1}),
    "decimal": decimal.Decimal("1.0"),
    "fraction": fractions.Fraction(1, 3),
    "date": datetime.date(2020, 1, 1),
    "zone": datetime.datetime(2020, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
    "uuid": uuid.UUID(int=1),
    "path": pathlib.Path("a"),
    "pattern": re.compile("a"),
    "address": ipaddress.ip_address("::1"),
    "exception": ValueError(1),
    "logger": logging.getLogger("a"),
    "random": random.Random(1),
    "object": Plain(a=1, b=set(WORDS)),
    "slots": Slotted(1, set(WORDS)),
    "dataclass": Point(),
    "enum": Side.LEFT,
    "flags": Flags.A | Flags.B,
    "pair": Pair(1, {"a", "b"}),
    "box": Box(),
    "class": Plain,
    "abstract": Abstract,
    "enum class": Side,
    "dataclass class": Point,
    "pair class": Pair,
    "generic class": Box,
    "alias": list[int],
    "union": int | None,
    "typing": typing.Optional[dict[str, int]],
    "function": helper,
    "recursive": recursive,
    "mutual": [recursive, other],
    "closure": make(3),
    "lambda": lambda x: x in {"a", "b", "c"},
    "cached": cached,
    "generic": generic,
    "partial": functools.partial(helper, k=set(WORDS)),
    "bound": Plain(a=1).go,
    "unbound": Plain.go,
    "builtin": len,
    "method": [1].append,
    "wrapper": (1).__add__,
    "module": json,
    "numpy": np.arange(6.0).reshape(2, 3).T,
    "structured": np.zeros(2, [("a", "u1"), ("b", "f8")]),
    "objects": np.array([set(WORDS), "a"], dtype=object),
    "strings": np.array(WORDS),
    "scalar": np.float32(1),
    "dtype": np.dtype("f4"),
    "ufunc": np.add,
    "numpy function": np.sum,
    "numpy random": np.random.default_rng(1),
    "masked": np.ma.array([1, 2], mask=[0, 1]),
    "frame": frame,
    "series": frame["s"],
    "index": frame.index,
    "timestamp": pd.Timestamp(0),
    "missing": [pd.NA, pd.NaT],
    "pandas dtype": frame["c"].dtype,
    "grouped dtype": frame["t"].dtype,
    "polars": pl.DataFrame({"a": WORDS,
    "b": [[1]] * 40}),
    "categories": pl.Series(WORDS, dtype=pl.Categorical),
    "lazy": pl.LazyFrame({"a": [1]}).select(pl.col("a") + 1),
    "arrow": pa.table({"a": [1, None],
    "b": ["x", None]}),
    "dictionary": pa.array(WORDS).dictionary_encode(),
    "schema": pa.schema([("a", pa.int64())]),
    "sparse": sparse.csr_array(np.eye(3)),
    "estimator": estimator,
    "forest": forest,
}
"""

WITHOUT = """
withheld = {"lock": threading.Lock(), "object": object(), "generator": (i for i in WORDS), "file": sys.stdout}
"""


def digests() -> dict[str, str]:
    """Every digest of the cell, of the values with globals followed and in the notebook."""
    from nbflow.exceptions import DigestError
    from nbflow.store.digests import digest, fingerprint, key_digest, unit_digest

    names: dict = {"__name__": "__main__"}
    exec(compile(CELL + WITHOUT, "<cell>", "exec"), names)
    found = {name: digest(value) for name, value in names["values"].items()}
    for name, value in names["values"].items():
        looked = fingerprint(value, names)
        found[f"{name} in the notebook"] = looked.digest
        found[f"reach of {name}"] = repr([sorted(looked.reach.reads), sorted(looked.code.items())])
    for name, value in names["withheld"].items():
        try:
            found[name] = digest(value)
        except DigestError as error:
            found[name] = error.path
    found["unit"] = unit_digest({name: names[name] for name in ("loop", "cyclic", "frame")}, names)
    found["key"] = key_digest("a", 1, b"b")
    return found


@pytest.mark.process
class TestProcesses:
    """Digests in processes that hash strings differently."""

    def test_all_are_equal(self, tmp_path):
        """Four processes with different hash seeds give the same digests."""
        root = str(Path(__file__).parents[1])
        running = []
        for seed in ("0", "1", "2", "random"):
            environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": root}
            output = (tmp_path / seed).open("w+")
            command = (
                [sys.executable, "-X", "dev", str(Path(__file__))]
                if seed == "2"
                else [sys.executable, __file__]
            )
            running.append((subprocess.Popen(command, stdout=output, env=environment, cwd=tmp_path), output))
        made = []
        for process, output in running:
            assert process.wait() == 0
            output.seek(0)
            made.append(json.load(output))
            output.close()
        unstable = {name for name in made[0] if len({each[name] for each in made}) > 1}
        assert not unstable
        assert len(made[0]) > 200

    def test_the_values_differ(self):
        """The values of the cell are told apart, and those without content have no digest."""
        made = digests()
        plain = {name: made[name] for name in made if " in the " not in name and "reach of" not in name}
        withheld = [plain.pop(name) for name in ("lock", "object", "generator", "file")]
        assert withheld == ["value"] * 4
        assert len(set(plain.values())) == len(plain)


if __name__ == "__main__":
    print(json.dumps(digests()))
