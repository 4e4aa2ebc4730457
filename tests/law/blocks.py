"""Blocks of cells as people write them, each about one thing that a cache can get wrong.

A block is a text: cells divided by `---`, the first word of each its kind (`plain`, `task`, `effect`
or `map`). In it `@n`, `@l` and `@d` stand for a number, a list and a frame that some cell above gives,
`$` for a suffix of the block's own, and `<<a|b>>` for a part that is edited from one to another.
The line before the cells says what the block gives to those below: files as well (`f`), and names
(`x`) whose digest tells more than their content, as that of an instance tells its class.
"""

from __future__ import annotations

from typing import Final

START: Final = """
n0:n l0:l d0:d
plain
import copy, functools, json, operator, os, pickle, collections, enum, dataclasses
import numpy as np, pandas as pd
from pathlib import Path
---
plain
n0 = <<2|3|4>>
l0 = [<<1|5>>, 2, 3]
---
task
d0 = pd.DataFrame({"a": l0, "b": <<1|2>>})
"""

BLOCKS: Final = (
    """r$:l
plain
def h$(v): return v * <<2|3>> + @n
---
task
r$ = [h$(v) for v in @l]
""",
    """p$:l
plain
class M$:
    unit = <<1|2>>
    def __init__(self, k): self.k = k
    def go(self, v): return v + self.k * self.unit
---
task
m$ = M$(@n)
---
task
p$ = [m$.go(v) for v in @l]
""",
    """t$:n
plain
@dataclasses.dataclass
class D$:
    a: int = <<1|2>>
    b: list = dataclasses.field(default_factory=list)
    def total(self): return self.a + len(self.b) + @n
---
task
v$ = D$(<<3|4>>)
v$.b.append(@n)
---
task
t$ = v$.total()
""",
    """s$:n
plain
e$s = @l
---
map e$=e$s
y$ = e$ * <<2|3>> + @n
---
task
s$ = sum(y$)
""",
    """k$:n f$.txt:f
task
Path("f$.txt").write_text(str(@n + <<0|1>>))
---
task
k$ = int(Path("f$.txt").read_text()) + <<0|1>>
""",
    """c$:d c$.csv:f
task
@d.to_csv("c$.csv", index=False)
---
task
c$ = pd.read_csv("c$.csv").assign(z=<<1|2>>)
""",
    """d$:d g$:n
task
d$ = pd.DataFrame({"a": @l, "b": <<1|2>>})
---
task
d$["c"] = d$["a"] + @n
---
task
g$ = int(d$["c"].sum())
""",
    """v$:n
task
q$ = list(@l)
w$ = [q$, <<1|2>>]
---
<<plain|task>>
q$.append(@n)
---
task
v$ = len(w$[0]) + w$[1]
""",
    """v$:n
task
w$ = [@l, <<1|2>>]
---
task
v$ = sum(w$[0]) + w$[1]
---
plain
w$[0].append(<<7|8>>)
---
task
u$ = sum(w$[0])
""",
    """z$:l
plain
def mk$(k):
    seen = []
    def add(v):
        seen.append(v)
        return k + <<1|2>> * len(seen)
    return add
---
task
c$ = mk$(@n)
---
task
z$ = [c$(v) for v in @l]
""",
    """sent$:n e$.txt:f
effect
Path("e$.txt").write_text(str(@n))
sent$ = <<1|2>>
---
task
a$ = sent$ + @n
""",
    """j$:n o$:l
plain
import library
---
task
o$ = library.scale(@l)
j$ = library.OFFSET + <<0|1>>
""",
    """j$:n
task
from library import scale as scale$, OFFSET as OFFSET$
---
task
j$ = scale$(@l)[0] + OFFSET$
""",
    """s$:n
task
a$ = np.array(@l, dtype=float)
b$ = a$[: <<1|2>>]
---
task
b$ += @n
---
task
s$ = int(a$.sum())
""",
    """k$:n
plain
cfg$ = {"k": <<1|2>>, "m": {"x": @n}}
---
plain
cfg$["m"]["x"] += <<1|2>>
---
task
k$ = cfg$["m"]["x"] + cfg$["k"]
""",
    """x$:n
plain
def deco$(f):
    @functools.wraps(f)
    def inner(*a): return f(*a) + <<1|2>>
    return inner
---
plain
@deco$
def f$(v): return v + @n
---
task
x$ = f$(<<1|3>>)
""",
    """x$:n
plain
@functools.lru_cache
def f$(v): return v + @n
---
task
x$ = f$(<<1|3>>)
""",
    """k$:n
task
t$ = [@n, <<1|2>>]
---
task
t$ = t$ * 2
k$ = len(t$) + t$[0]
---
plain
del t$
""",
    """x$:n
plain
def f$(v, acc=[]):
    acc.append(v)
    return len(acc) + <<0|1>>
---
task
x$ = f$(@n)
---
task
y$ = f$(@n) + x$
""",
    """k$:n
plain
class C$:
    made = <<0|1>>
    def __init__(self): C$.made += 1
---
task
c$ = C$()
---
task
k$ = C$.made + @n
""",
    """k$:n
plain
count$ = @n
def tick$():
    global count$
    count$ += <<1|2>>
    return count$
---
task
k$ = tick$()
---
task
m$ = tick$() + k$
""",
    """x$:n
task
@l.sort(reverse=<<True|False>>)
---
task
x$ = @l[0]
""",
    """x$:n
plain
add$ = functools.partial(operator.add, @n)
---
task
x$ = add$(<<1|2>>)
""",
    """x$:n p$.pkl:f handle$:x
task
with open("p$.pkl", "wb") as handle$: pickle.dump(@l, handle$)
---
task
with open("p$.pkl", "rb") as handle$: x$ = sum(pickle.load(handle$)) + <<0|1>>
""",
    """k$:n
plain
os.environ["NBFLOW_LAW_$"] = str(@n + <<1|2>>)
---
task
k$ = int(os.environ["NBFLOW_LAW_$"])
""",
    """k$:n p$:x
plain
class P$:
    def __init__(self, v): self.v = v
    def go(self): return self.v
---
task
p$ = P$(@n)
---
plain
P$.go = lambda self: self.v * <<2|3>>
---
task
k$ = p$.go()
""",
    """x$:n
plain
def first$(v): return second$(v) + <<0|1>>
---
plain
def second$(v): return v + @n
---
task
x$ = first$(<<1|2>>)
""",
    """d$:d
task
d$ = @d.copy()
---
task
d$.loc[d$["a"] > <<1|2>>, "a"] = @n
d$.drop(columns=[c for c in d$ if c not in "ab"], inplace=True)
---
task
r$ = d$["a"].tolist()
""",
    """x$:n
task
exec("x$ = @n + <<1|2>>")
""",
    """k$:n
task
cnt$ = collections.Counter(@l)
cnt$.update([<<1|2>>])
---
task
k$ = max(cnt$.values()) + @n
""",
    """k$:n
plain
class Color$(enum.Enum):
    RED = <<1|2>>
    BLUE = 9
---
task
col$ = {Color$.RED: @n}
---
task
k$ = col$[Color$.RED] + Color$.RED.value
""",
    """k$:n it$:x
task
it$ = iter(list(@l))
a$ = next(it$)
---
task
k$ = sum(it$) + <<0|1>>
""",
    """k$:n
plain
class Node$:
    def __init__(self): self.kids, self.v = [], @n
---
task
root$ = Node$()
root$.kids.append(root$)
leaf$ = Node$()
root$.kids.append(leaf$)
---
task
leaf$.v = <<5|6>>
---
task
k$ = sum(kid.v for kid in root$.kids)
""",
    """k$:n
plain
try:
    limit$ = @l[<<0|9>>]
except IndexError:
    limit$ = @n
---
task
k$ = limit$ + <<0|1>>
""",
    """k$:n
task
if @n % 2: odd$ = <<1|2>>
---
task
k$ = odd$ if "odd$" in globals() else 0
""",
    """k$:n
plain
class Lazy$:
    @property
    def v(self):
        if not hasattr(self, "_v"): self._v = @n + <<1|2>>
        return self._v
---
task
z$ = Lazy$()
---
task
k$ = z$.v
""",
    """k$:n o$:n
task
a$, b$ = [@n], [<<1|2>>]
---
<<task|plain>>
a$, b$ = b$, a$
---
task
a$.append(3)
k$ = sum(b$)
---
task
o$ = sum(a$)
""",
    """k$:n
plain
hooks$ = []
def on$(f):
    hooks$.append(f)
    return f
---
plain
@on$
def hook$(v): return v + <<1|2>>
---
task
k$ = sum(f(@n) for f in hooks$)
""",
    """k$:n g$.json:f
effect
Path("g$.json").write_text(json.dumps({"n": @n, "k": <<1|2>>}))
---
task
k$ = json.loads(Path("g$.json").read_text())["n"]
""",
    """k$:n now$:x c$:x s$:x
plain
import sqlite3, time
now$ = time.time()
c$ = sqlite3.connect(":memory:")
limit$ = <<2|3>>
def inc$(v): return v + <<1|2>> + @n
---
task
k$ = inc$(limit$)
---
task
s$ = now$ + @n
""",
    """m$:l
plain
each$ = @l
def step$(v): return [v, @n * <<1|2>>]
---
map e$=each$
y$ = step$(e$)
---
task
m$ = [v for pair in y$ for v in pair]
---
plain
each$.append(4)
""",
)
