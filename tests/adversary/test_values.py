"""Digests of all kinds of values: different exactly where a program can tell values apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from nbflow.exceptions import DigestError
from nbflow.store.digests import digest, fingerprint
from tests.adversary import values
from tests.adversary.values import DIFFERENT, EQUAL, expressions, namespace

FILE = Path(values.__file__)


@pytest.fixture(scope="module")
def names():
    """The names that the expressions mean."""
    return namespace()


class TestDifferent:
    """Values that a program can tell apart."""

    def test_each_from_all_others(self, names):
        """No two of some nine hundred values have one digest."""
        found = defaultdict(list)
        for kind in DIFFERENT:
            for text in expressions(kind):
                found[digest(eval(text, names))].append(text)
        assert [texts for texts in found.values() if len(texts) > 1] == []
        assert len(found) > 850

    @pytest.mark.parametrize("kind", DIFFERENT)
    def test_made_again(self, kind, names):
        """A value that is made again in the same way has the same digest."""
        texts = expressions(kind)
        unstable = [text for text in texts if digest(eval(text, names)) != digest(eval(text, names))]
        assert unstable == []

    @pytest.mark.process
    def test_in_two_processes(self):
        """Each value has the same digest in processes that hash texts differently."""
        root = str(FILE.parents[2])
        made = []
        for seed in ("1", "2"):
            environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": root}
            command = [sys.executable, "-W", "ignore", str(FILE)]
            made.append(json.loads(subprocess.check_output(command, env=environment)))
        assert {text for text in made[0] if made[0][text] != made[1][text]} == set()
        assert len(made[0]) > 850


class TestEqual:
    """Values that no program can tell apart."""

    @pytest.mark.parametrize("pair", EQUAL.strip().split("\n"))
    def test_pairs(self, pair, names):
        """However a value was made, its content decides."""
        one, other = pair.split(" == ")
        assert digest(eval(one, names)) == digest(eval(other, names))


WITHOUT = """
threading.Lock()
threading.Event()
threading.local()
threading.Thread(target=len)
weakref.ref(Plain)
weakref.WeakValueDictionary()
(i for i in [1])
open(os.devnull)
contextvars.ContextVar("a")
contextvars.copy_context()
object()
queue.Queue()
sys._getframe()
struct.Struct("i")
random.SystemRandom()
re.match("a", "ab")
functools.cmp_to_key(operator.lt)
logging.StreamHandler()
[1, {"a": threading.Lock()}]
Plain(lock=threading.Lock())
functools.partial(len, (i for i in []))
"""


class TestWithoutContent:
    """What has no content that could be compared."""

    @pytest.mark.filterwarnings("ignore::ResourceWarning")
    @pytest.mark.parametrize("text", WITHOUT.strip().split("\n"))
    def test_no_digest(self, text, names):
        """It is an error instead of a digest that would claim equality."""
        exec("import contextvars, os, queue, sys, threading, weakref", names)
        with pytest.raises(DigestError):
            digest(eval(text, names))


class TestCodeInside:
    """The code of the user's own that an object is of counts, however the object says it is made."""

    CLASS = "import copyreg, functools, numpy as np\nclass C:\n    def __init__(self): self.a = 1\n    {}\n"

    @pytest.mark.parametrize(
        "rest",
        [
            "def __reduce__(self): return make, (1,)\ndef make(a): return C()\nmade = C()",
            "def __reduce__(self): return 'made'\nmade = C()",
            "def __getstate__(self): return (1,)\nmade = C()",
            "pass\ncopyreg.pickle(C, lambda value: (str, ('x',)))\nmade = C()",
            "def __getnewargs__(self): return ()\nmade = C()",
            "pass\nmade = C().method",
            "pass\nmade = functools.partial(C.method, 1)",
            "pass\nmade = np.array([C()], dtype=object)",
            "pass\nmade = np.frompyfunc(C.method, 1, 1)",
            "pass\nmade = np.vectorize(C.method)",
            "pass\nmade = type('D', (C,), {})()",
            "pass\nmade = iter([C()])",
        ],
    )
    def test_an_edited_method(self, rest):
        """Another method of its class makes it another value."""
        made = []
        for number in (1, 1, 2):
            inside = f"def method(self): return {number}\n    {rest}"
            names = {"__name__": "__main__"}
            exec(compile(self.CLASS.format(inside), "<cell>", "exec"), names)
            made.append(fingerprint(names["made"], names).digest)
        assert made[0] == made[1] != made[2]
