"""Random notebooks: cells of a few statements over a handful of names, and random actions on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

DATA = ("a", "b", "c", "d")
FUNCTIONS = ("f", "g")
FILES = ("F.txt", "G.txt")

PRELUDE = """
import random

def flat(v):
    if isinstance(v, (list, tuple)):
        return [y for x in v for y in flat(x)]
    if hasattr(v, "inner"):
        return flat(v.inner)
    return [v]

def val(v):
    return sum((i + 1) * x for i, x in enumerate(flat(v))) % 5

def mix(k, *vs):
    return [(k * 7 + sum((i + 1) * val(v) * 3 for i, v in enumerate(vs)) + 1) % 5]

def innermost(v):
    while True:
        if hasattr(v, "inner"):
            v = v.inner
        elif isinstance(v[-1], list) or hasattr(v[-1], "inner"):
            v = v[-1]
        else:
            return v

def bump(v, k):
    v = innermost(v)
    v[0] = (v[0] + k) % 5

def clamp(v, k):
    v = innermost(v)
    v[0] = max(v[0], k)
"""

LIBRARY = """
def scale(u):
    simple = isinstance(u, list) and all(isinstance(x, int) for x in u)
    return [(sum(u) * {k} + {k}) % 5 if simple else {k}]

OFFSET = {k}
"""

TEMPLATES = {
    "new": "{x} = [{k}]",
    "atom": "{x} = {k}",
    "maybe_atom": "if val({y}) % 2: {x} = {k}",
    "mix": "{x} = mix({k}, {y}, {z})",
    "idem": "{x} = [max(val({y}), val({z}))]",
    "alias": "{x} = {y}",
    "hold": "{x} = [{k}, {y}]",
    "copy": "{x} = list({y}) if isinstance({y}, list) else [val({y})]",
    "bump": "bump({x}, {k})",
    "clamp": "clamp({x}, {k})",
    "append": "if isinstance({x}, list): {x}.append({k})",
    "augment": "if isinstance({x}, list): {x} += [{k}]",
    "swap": "{x}, {y} = {y}, {x}",
    "del": "del {x}",
    "maybe": "if val({y}) % 2: {x} = [{k}]",
    "maybe_bump": "if val({y}) % 2: bump({x}, 1)",
    "raise": "if val({y}) % 3 == 0: raise ValueError",
    "try": "try:\n    {x} = [val({y})]\nexcept NameError:\n    {x} = [4]",
    "read": """try:
    with open({path!r}) as handle:
        {x} = [int(handle.read())]
except FileNotFoundError:
    {x} = [9]""",
    "write": "with open({path!r}, 'w') as handle: handle.write(str(val({y})))",
    "def": "def {f}(u): return mix({k}, u, {z})",
    "def_call": "def f(u): return mix({k}, u, g(u))",
    "def_mutate": "def {f}(u):\n    bump({z}, {k})\n    return [val(u)]",
    "call": "{x} = {f}({y})",
    "class": """class Box:
    def __init__(self, inner): self.inner = inner
    def get(self): return mix({k}, self.inner)
    def push(self): bump(self.inner, {k})""",
    "instance": "{x} = Box({y})",
    "instance_copy": "{x} = Box([val({y})])",
    "method": "{x} = {y}.get() if hasattr({y}, 'get') else mix(1, {y})",
    "method_mutate": "if hasattr({y}, 'push'): {y}.push()",
    "kind": "{x} = [1 + isinstance({y}, Box)]",
    "import": "import library\n{x} = library.scale({y})",
    "import_from": "from library import OFFSET\n{x} = [OFFSET]",
    "parameter": "{x} = [(year + val({y})) % 5]",
    "elements": "xs = [[{k}], val({y}), [val({z})]]",
    "few_elements": "xs = [{k}] * (val({y}) % 3)",
    "more_elements": "xs.append({k})",
    "item": "{x} = [val(m[0])] if len(m) else [{k}]",
    "items": "{x} = [sum(val(each) for each in m) % 5]",
    "draw": "{x} = [random.randrange(5)]",
    "seed": "random.seed({k})",
}

ITEMS = (
    "m = mix({k}, e, {z})",
    "m = [val(e), val({y})]",
    "m = e * {k} if isinstance(e, int) else [val(e)]",
    "if val(e) % 4 == 3: raise ValueError\nm = [val(e) + val({y})]",
    "m = {f}(e)",
)
"""Bodies that run once for each `e` of `xs`; they change nothing in place."""

BASE = ("new", "mix", "mix", "idem")
FEATURES = {
    "base": BASE,
    "atoms": (*BASE, "atom", "atom", "maybe_atom", "maybe_atom", "alias"),
    "mutate": (*BASE, "bump", "bump", "clamp", "append", "augment"),
    "alias": (*BASE, "bump", "bump", "alias", "alias", "hold", "copy", "swap"),
    "files": (*BASE, "read", "read", "write"),
    "fail": (*BASE, "raise", "maybe", "maybe", "del", "try", "maybe_bump"),
    "functions": (*BASE, "def", "def", "def_call", "def_mutate", "call", "call", "call"),
    "classes": (*BASE, "class", "instance", "instance_copy", "method", "method", "method_mutate", "kind"),
    "modules": (*BASE, "import", "import_from"),
    "parameters": (*BASE, "parameter", "parameter"),
    "random": (*BASE, "draw", "draw", "seed"),
}
FEATURES["all"] = tuple(kind for name in list(FEATURES) for kind in FEATURES[name])
FEATURES["maps"] = (*BASE, "bump", "elements", "few_elements", "more_elements", "item", "items", "items")
ACTION_FEATURES = ("order", "restart", "hold", "quiet", "only", "effects", "audit")


@dataclass(frozen=True)
class Cell:
    """A cell as generated."""

    source: str
    plain: bool
    mapped: bool = False


class Author:
    """Writes random cells that use the given features.

    Args:
        random: The source of luck.
        features: Names out of `FEATURES` and `ACTION_FEATURES`.
    """

    def __init__(self, random: Random, features: tuple[str, ...]) -> None:
        self.random = random
        self.features = features
        self.kinds = [kind for feature in features for kind in FEATURES.get(feature, ())] or list(BASE)

    def uses(self, feature: str) -> bool:
        """Whether cells may use a feature."""
        return feature in self.features or "all" in self.features

    def statement(self) -> str:
        """One random statement."""
        return self.filled(TEMPLATES[self.random.choice(self.kinds)])

    def filled(self, template: str) -> str:
        """A template with random names."""
        r = self.random
        return template.format(
            x=r.choice(DATA),
            y=r.choice(DATA),
            z=r.choice(DATA),
            k=r.randrange(1, 5),
            f=r.choice(FUNCTIONS),
            path=r.choice(FILES),
        )

    def source(self) -> str:
        """A cell of one to three statements."""
        return "\n".join(self.statement() for _ in range(self.random.choice((1, 1, 1, 2, 2, 3))))

    def item_source(self) -> str:
        """The body of a cell that is mapped."""
        kinds = ITEMS if self.uses("functions") else ITEMS[:-1]
        return self.filled(self.random.choice(kinds))

    def cell(self) -> Cell:
        """A random cell, a task slightly more often than a plain one."""
        if "maps" in self.features and self.random.random() < 0.3:
            return Cell(self.item_source(), plain=False, mapped=True)
        return Cell(self.source(), self.random.random() < 0.45)

    def prologue(self) -> list[Cell]:
        """Cells that bind most names, so that random cells have something to read."""
        start = ["a = [1]", "b = [2]", "c = [3]", "d = [4]"]
        if self.uses("functions"):
            start += ["def f(u): return mix(1, u, c)", "def g(u): return mix(1, u, d)"]
        if "maps" in self.features:
            start += ["xs = [[1], 2]", "m = ()"]
        if self.uses("classes"):
            start += [TEMPLATES["class"].format(k=1)]
        plain = [self.random.random() < 0.45 for _ in range(2)]
        return [Cell("\n".join(start[i::2]), plain[i]) for i in range(2)]
