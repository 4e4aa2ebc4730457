"""In-place changes and aliases: whatever way it is made, the flow gives what a fresh run gives."""

# ruff: noqa: E501 - a cell of a table stays one line

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from nbflow.exceptions import NotLoadedError
from nbflow.testing import Notebook
from tests.cells import change, kept, opened, verdicts

pytestmark = pytest.mark.filterwarnings("ignore")


@dataclass(frozen=True)
class Case:
    """A chain of task cells, of which one changes what another made.

    Args:
        cells: Their sources.
        shown: An expression over what they leave.
        place: Which cell is edited.
        edited: Its other source.
        lasts: Whether what is changed can be put back; attributes of classes and weak references cannot.
        doubtful: Whether nobody can tell all that they look at, as of a function handed to who may read
            what documents it.
    """

    cells: tuple[str, ...]
    shown: str
    place: int
    edited: str
    lasts: bool = True
    doubtful: bool = False

    @property
    def verdicts(self) -> set[str]:
        """What may be said of its cells once all of them have run."""
        return {"fresh", "as of"} if self.doubtful else {"fresh"}

    @property
    def other(self) -> tuple[str, ...]:
        """The sources after the edit."""
        return (*self.cells[: self.place], self.edited, *self.cells[self.place + 1 :])


CASES = {
    "list append": Case(("d=[1]", "d.append(2)", "y=sum(d)"), "(d,y)", 0, "d=[5]"),
    "list sort": Case(("d=[3,1,2]", "d.sort()", "y=d[0]"), "(d,y)", 0, "d=[9,8]"),
    "list reverse via builtin": Case(("d=[3,1,2]", "list.reverse(d)", "y=d[0]"), "(d,y)", 0, "d=[9,8]"),
    "list extend alias": Case(
        ("d=[1]", "e=d", "e.extend([2])", "y=d"), "(d,e,y, d is e)", 2, "e.extend([3])"
    ),
    "slice assign": Case(("d=[1,2,3]", "d[1:]=[9]", "y=d"), "(d,y)", 1, "d[1:]=[7,7]"),
    "del item": Case(("d=[1,2,3]", "del d[0]", "y=d[0]"), "(d,y)", 1, "del d[1]"),
    "augmented": Case(("d=[1]", "d+=[2]", "y=len(d)"), "(d,y)", 1, "d+=[2,3]"),
    "dict update": Case(("d={'a':1}", "d.update(b=2)", "y=d['b']"), "(d,y)", 1, "d.update(b=3)"),
    "dict setdefault": Case(
        ("d={'a':1}", "d.setdefault('l',[]).append(1)", "y=d['l']"),
        "(d,y)",
        1,
        "d.setdefault('l',[]).append(2)",
    ),
    "dict pop": Case(("d={'a':1,'b':2}", "p=d.pop('a')", "y=len(d)"), "(d,p,y)", 0, "d={'a':3,'b':2,'c':1}"),
    "dict view": Case(
        ("d={'a':[1]}", "v=d.values()\nfor x in v: x.append(2)\ndel v,x", "y=d['a']"),
        "(d,y)",
        0,
        "d={'a':[4]}",
    ),
    "set add": Case(("s={1}", "s.add(2)", "y=sorted(s)"), "(s,y)", 1, "s.add(3)"),
    "set ior": Case(("s={1}", "s|={2}", "y=sorted(s)"), "(s,y)", 1, "s|={3}"),
    "bytearray": Case(("b=bytearray(b'ab')", "b[0]=120", "y=bytes(b)"), "(b,y)", 1, "b[0]=121"),
    "memoryview": Case(
        ("b=bytearray(b'ab')", "m=memoryview(b)\nm[0]=120\ndel m", "y=bytes(b)"),
        "(b,y)",
        0,
        "b=bytearray(b'cd')",
    ),
    "deque": Case(
        ("from collections import deque\nq=deque([1])", "q.appendleft(0)", "y=list(q)"),
        "(y,)",
        1,
        "q.appendleft(7)",
    ),
    "defaultdict": Case(
        ("from collections import defaultdict\nq=defaultdict(list)", "q['a'].append(1)", "y=dict(q)"),
        "(y,)",
        1,
        "q['a'].append(2)",
    ),
    "defaultdict by reading": Case(
        ("from collections import defaultdict\nq=defaultdict(list)", "_n=q['zz']\nn=len(q)", "y=len(q)"),
        "(y,n)",
        0,
        "from collections import defaultdict\nq=defaultdict(list,{'u':1})",
    ),
    "counter": Case(
        ("from collections import Counter\nq=Counter('aab')", "q.subtract('a')", "y=q['a']"),
        "(y,)",
        1,
        "q.subtract('aa')",
    ),
    "heapq": Case(
        ("h=[3,1]", "import heapq\nheapq.heapify(h)\nheapq.heappush(h,0)", "y=h[0]"), "(h,y)", 0, "h=[5,4]"
    ),
    "bisect": Case(("h=[1,3]", "import bisect\nbisect.insort(h,2)", "y=h"), "(h,y)", 0, "h=[1,9]"),
    "random.shuffle": Case(
        ("import random\nrandom.seed(1)\nd=list(range(9))", "random.shuffle(d)", "y=d[0]"),
        "(d,y)",
        0,
        "import random\nrandom.seed(2)\nd=list(range(9))",
    ),
    "np shuffle": Case(
        ("import numpy as np\nnp.random.seed(1)\nd=np.arange(9)", "np.random.shuffle(d)", "y=d[0]"),
        "(d.tolist(),int(y))",
        0,
        "import numpy as np\nnp.random.seed(2)\nd=np.arange(9)",
    ),
    "np rng shuffle": Case(
        (
            "import numpy as np\nrng=np.random.default_rng(1)\nd=np.arange(9)",
            "rng.shuffle(d)",
            "y=d[0]+rng.integers(100)",
        ),
        "(d.tolist(),int(y))",
        0,
        "import numpy as np\nrng=np.random.default_rng(2)\nd=np.arange(9)",
    ),
    "np inplace": Case(
        ("import numpy as np\nd=np.arange(4)", "d+=1", "y=d.sum()"), "(d.tolist(),int(y))", 1, "d+=2"
    ),
    "np out": Case(
        (
            "import numpy as np\na=np.arange(4)\nd=np.zeros(4,int)",
            "import numpy as np\nnp.add(a,1,out=d)",
            "y=d.sum()",
        ),
        "(d.tolist(),int(y))",
        1,
        "import numpy as np\nnp.add(a,2,out=d)",
    ),
    "np view": Case(
        ("import numpy as np\nd=np.arange(6)", "v=d[::2]", "v[:]=9", "y=d.sum()"),
        "(d.tolist(),v.tolist(),int(y))",
        2,
        "v[:]=8",
    ),
    "np reshape view": Case(
        ("import numpy as np\nd=np.arange(6)", "v=d.reshape(2,3)", "v[0,0]=9", "y=int(d[0])"),
        "(d.tolist(),y)",
        2,
        "v[0,0]=8",
    ),
    "np T view": Case(
        ("import numpy as np\nd=np.arange(6).reshape(2,3)", "v=d.T", "d[0,1]=9", "y=int(v[1,0])"),
        "(d.tolist(),y)",
        2,
        "d[0,1]=8",
    ),
    "np sort": Case(
        ("import numpy as np\nd=np.array([3,1])", "d.sort()", "y=int(d[0])"),
        "(d.tolist(),y)",
        0,
        "import numpy as np\nd=np.array([9,8])",
    ),
    "np fill in helper": Case(
        (
            "import numpy as np\ndef z(a): a.fill(0)",
            "import numpy as np\nd=np.arange(3)",
            "z(d)",
            "y=int(d.sum())",
        ),
        "(d.tolist(),y)",
        1,
        "import numpy as np\nd=np.arange(4)",
    ),
    "np put": Case(
        ("import numpy as np\nd=np.arange(3)", "import numpy as np\nnp.put(d,[0],[7])", "y=int(d[0])"),
        "(d.tolist(),y)",
        1,
        "import numpy as np\nnp.put(d,[0],[8])",
    ),
    "np copyto": Case(
        ("import numpy as np\nd=np.arange(3)", "import numpy as np\nnp.copyto(d,5)", "y=int(d[0])"),
        "(d.tolist(),y)",
        1,
        "import numpy as np\nnp.copyto(d,6)",
    ),
    "np flat": Case(
        ("import numpy as np\nd=np.arange(4).reshape(2,2)", "d.flat[0]=9", "y=int(d[0,0])"),
        "(d.tolist(),y)",
        1,
        "d.flat[0]=8",
    ),
    "np ufunc.at": Case(
        ("import numpy as np\nd=np.zeros(3)", "import numpy as np\nnp.add.at(d,[0,0],1)", "y=float(d[0])"),
        "(d.tolist(),y)",
        1,
        "import numpy as np\nnp.add.at(d,[0,0,0],1)",
    ),
    "pd column": Case(
        ("import pandas as pd\nd=pd.DataFrame({'a':[1,2]})", "d['b']=d.a*2", "y=int(d.b.sum())"),
        "(d.to_dict(),y)",
        1,
        "d['b']=d.a*3",
    ),
    "pd inplace": Case(
        (
            "import pandas as pd\nd=pd.DataFrame({'a':[2,1]})",
            "d.sort_values('a',inplace=True)",
            "y=int(d.a.iloc[0])",
        ),
        "(d.to_dict(),y)",
        0,
        "import pandas as pd\nd=pd.DataFrame({'a':[9,8]})",
    ),
    "pd drop inplace": Case(
        (
            "import pandas as pd\nd=pd.DataFrame({'a':[2,1],'b':[1,1]})",
            "d.drop(columns='b',inplace=True)",
            "y=len(d.columns)",
        ),
        "(d.to_dict(),y)",
        0,
        "import pandas as pd\nd=pd.DataFrame({'a':[2,1],'b':[1,1],'c':[1,1]})",
    ),
    "pd rename cols": Case(
        ("import pandas as pd\nd=pd.DataFrame({'a':[2,1]})", "d.columns=['z']", "y=list(d)"),
        "(d.to_dict(),y)",
        1,
        "d.columns=['w']",
    ),
    "pd index": Case(
        ("import pandas as pd\nd=pd.DataFrame({'a':[2,1]})", "d.index=[5,6]", "y=list(d.index)"),
        "(d.to_dict(),y)",
        1,
        "d.index=[7,8]",
    ),
    "pd loc": Case(
        ("import pandas as pd\nd=pd.DataFrame({'a':[2,1]})", "d.loc[0,'a']=9", "y=int(d.a.sum())"),
        "(d.to_dict(),y)",
        1,
        "d.loc[0,'a']=8",
    ),
    "pd at": Case(
        ("import pandas as pd\nd=pd.DataFrame({'a':[2,1]})", "d.at[0,'a']=9", "y=int(d.a.sum())"),
        "(d.to_dict(),y)",
        1,
        "d.at[0,'a']=8",
    ),
    "pd insert": Case(
        ("import pandas as pd\nd=pd.DataFrame({'a':[2,1]})", "d.insert(0,'z',[1,1])", "y=list(d)"),
        "(d.to_dict(),y)",
        1,
        "d.insert(1,'z',[1,1])",
    ),
    "pd pop": Case(
        ("import pandas as pd\nd=pd.DataFrame({'a':[2,1],'b':[3,4]})", "b=d.pop('b')", "y=list(d)"),
        "(d.to_dict(),b.tolist(),y)",
        0,
        "import pandas as pd\nd=pd.DataFrame({'a':[2,1],'b':[5,4]})",
    ),
    "pd update": Case(
        (
            "import pandas as pd\nd=pd.DataFrame({'a':[2,1]})",
            "import pandas as pd\nd.update(pd.DataFrame({'a':[7]}))",
            "y=int(d.a.sum())",
        ),
        "(d.to_dict(),y)",
        1,
        "import pandas as pd\nd.update(pd.DataFrame({'a':[8]}))",
    ),
    "pd attrs": Case(
        ("import pandas as pd\nd=pd.DataFrame({'a':[2,1]})", "d.attrs['u']=1", "y=d.attrs['u']"),
        "(d.to_dict(),d.attrs,y)",
        1,
        "d.attrs['u']=2",
    ),
    "pd series name": Case(
        ("import pandas as pd\nd=pd.Series([1,2],name='u')", "d.name='v'", "y=d.name"),
        "(d.name,y)",
        1,
        "d.name='w'",
    ),
    "pd values buffer": Case(
        (
            "import pandas as pd\nd=pd.DataFrame({'a':[2,1]})",
            "v=d.a.to_numpy(copy=True)\nv[0]=4",
            "y=int(d.a.sum()+v.sum())",
        ),
        "(d.to_dict(),v.tolist(),y)",
        0,
        "import pandas as pd\nd=pd.DataFrame({'a':[3,1]})",
    ),
    "pd object cell list": Case(
        ("import pandas as pd\nd=pd.DataFrame({'a':[[1],[2]]})", "d.a[0].append(5)", "y=d.a[0]"),
        "(d.a.tolist(),y)",
        1,
        "d.a[0].append(6)",
    ),
    "pl extend": Case(
        (
            "import polars as pl\nd=pl.DataFrame({'a':[1]})",
            "import polars as pl\nd.extend(pl.DataFrame({'a':[2]}))",
            "y=d['a'].sum()",
        ),
        "(d.to_dict(as_series=False),y)",
        1,
        "import polars as pl\nd.extend(pl.DataFrame({'a':[3]}))",
    ),
    "pl setitem": Case(
        ("import polars as pl\nd=pl.DataFrame({'a':[1]})", "d[0,'a']=5", "y=d['a'].sum()"),
        "(d.to_dict(as_series=False),y)",
        1,
        "d[0,'a']=6",
    ),
    "pl columns": Case(
        ("import polars as pl\nd=pl.DataFrame({'a':[1]})", "d.columns=['b']", "y=d.columns"),
        "(d.to_dict(as_series=False),y)",
        1,
        "d.columns=['c']",
    ),
    "sklearn fit": Case(
        (
            "from sklearn.linear_model import LinearRegression\nm=LinearRegression()\nX=[[1],[2]]\nt=[1,2]",
            "m.fit(X,t)",
            "y=float(m.predict([[3]])[0])",
        ),
        "(round(y,6),m.coef_.round(6).tolist())",
        0,
        "from sklearn.linear_model import LinearRegression\nm=LinearRegression()\nX=[[1],[2]]\nt=[1,3]",
    ),
    "sklearn partial_fit": Case(
        (
            "from sklearn.linear_model import SGDClassifier\nm=SGDClassifier(random_state=0)\nX=[[1.],[2.]]\nt=[0,1]",
            "m.partial_fit(X,t,classes=[0,1])",
            "m.partial_fit(X,t)\nc=m.t_",
        ),
        "(c,m.t_,m.coef_.tolist())",
        1,
        "m.partial_fit(X,t,classes=[0,1]);m.partial_fit(X,t)",
    ),
    "sklearn set_params": Case(
        ("from sklearn.linear_model import Ridge\nm=Ridge()", "m.set_params(alpha=3)", "y=m.alpha"),
        "(y,m.alpha)",
        1,
        "m.set_params(alpha=4)",
    ),
    "object attr": Case(("class A: pass\na=A();a.n=1", "a.n=2", "y=a.n"), "(a.n,y)", 1, "a.n=3"),
    "object nested": Case(
        ("class A: pass\na=A();a.b=A();a.b.l=[1]", "a.b.l.append(2)", "y=a.b.l"),
        "(a.b.l,y)",
        1,
        "a.b.l.append(3)",
    ),
    "setattr": Case(
        ("class A: pass\na=A();a.n=1", "setattr(a,'n',2)", "y=a.n"), "(a.n,y)", 1, "setattr(a,'n',3)"
    ),
    "__dict__": Case(
        ("class A: pass\na=A();a.n=1", "a.__dict__.update(n=2)", "y=a.n"),
        "(a.n,y)",
        1,
        "a.__dict__.update(n=3)",
    ),
    "method": Case(
        ("class A:\n  def __init__(s): s.n=0\n  def inc(s): s.n+=1", "a=A()", "a.inc()", "y=a.n"),
        "(a.n,y)",
        2,
        "a.inc();a.inc()",
    ),
    "bound method": Case(
        ("class A:\n  def __init__(s): s.n=0\n  def inc(s): s.n+=1", "a=A()\nf=a.inc", "f()", "y=a.n"),
        "(a.n,y)",
        2,
        "f();f()",
    ),
    "property setter": Case(
        (
            "class A:\n  def __init__(s): s._n=0\n  @property\n  def n(s): return s._n\n  @n.setter\n  def n(s,v): s._n=v",
            "a=A()",
            "a.n=4",
            "y=a.n",
        ),
        "(a.n,y)",
        2,
        "a.n=5",
    ),
    "slots object": Case(
        ("class A:\n  __slots__=('n',)", "a=A();a.n=1", "a.n=2", "y=a.n"), "(a.n,y)", 2, "a.n=3"
    ),
    "__iadd__": Case(
        (
            "class A:\n  def __init__(s): s.l=[]\n  def __iadd__(s,o): s.l.append(o); return s",
            "a=A()",
            "a+=1",
            "y=a.l",
        ),
        "(a.l,y)",
        2,
        "a+=2",
    ),
    "__setitem__": Case(
        (
            "class A:\n  def __init__(s): s.d={}\n  def __setitem__(s,k,v): s.d[k]=v",
            "a=A()",
            "a['x']=1",
            "y=a.d",
        ),
        "(a.d,y)",
        2,
        "a['x']=2",
    ),
    "class attr": Case(("class A:\n  n=1", "A.n=2", "y=A.n"), "(A.n,y)", 1, "A.n=3", lasts=False),
    "class attr list": Case(
        ("class A:\n  l=[]", "A.l.append(1)", "y=A.l"), "(A.l,y)", 1, "A.l.append(2)", lasts=False
    ),
    "class attr through instance": Case(
        ("class A:\n  l=[]", "a=A()", "a.l.append(1)", "y=A.l"), "(A.l,y)", 2, "a.l.append(2)", lasts=False
    ),
    "function attr": Case(
        ("def f(): return 1\nf.n=0", "f.n+=1", "y=f.n"), "(f.n,y)", 1, "f.n+=2", doubtful=True
    ),
    "closure list": Case(
        (
            "def mk():\n  l=[]\n  def add(x): l.append(x); return list(l)\n  return add\nadd=mk()",
            "a=add(1)",
            "b=add(2)",
        ),
        "(a,b)",
        1,
        "a=add(5)",
    ),
    "closure nonlocal": Case(
        (
            "def mk():\n  n=0\n  def nxt():\n    nonlocal n\n    n+=1\n    return n\n  return nxt\nnxt=mk()",
            "a=nxt()",
            "b=nxt()",
        ),
        "(a,b)",
        1,
        "a=nxt()+nxt()",
    ),
    "default arg": Case(
        ("def f(x,acc=[]):\n  acc.append(x)\n  return list(acc)", "a=f(1)", "b=f(2)"), "(a,b)", 1, "a=f(7)"
    ),
    "partial list": Case(
        ("from functools import partial\nl=[]\nadd=partial(list.append,l)", "add(1)", "y=l"),
        "(l,y)",
        1,
        "add(2)",
    ),
    "partial method": Case(("l=[]\nadd=l.append", "add(1)", "y=l"), "(l,y)", 1, "add(2)"),
    "generator consumed": Case(
        ("def g():\n  yield from range(5)\nit=g()", "a=next(it)", "b=next(it)"),
        "(a,b)",
        1,
        "a=next(it)+next(it)",
    ),
    "iterator consumed": Case(
        ("it=iter([1,2,3,4])", "a=next(it)", "b=next(it)"), "(a,b)", 1, "a=next(it)+next(it)"
    ),
    "zip consumed": Case(
        ("it=zip([1,2,3,4],'abcd')", "a=next(it)", "b=next(it)"), "(a,b)", 1, "next(it);a=next(it)"
    ),
    "file-like StringIO": Case(
        ("import io\ns=io.StringIO('a\\nb\\nc')", "a=s.readline()", "b=s.readline()"),
        "(a,b)",
        1,
        "s.readline();a=s.readline()",
    ),
    "itertools.count": Case(
        ("import itertools\nc=itertools.count()", "a=next(c)", "b=next(c)"), "(a,b)", 1, "a=next(c)+next(c)"
    ),
    "global in helper": Case(
        ("N=0\ndef inc():\n  global N\n  N+=1", "inc()", "y=N"), "(N,y)", 1, "inc();inc()"
    ),
    "global list in helper": Case(
        ("L=[]\ndef add(x): L.append(x)", "add(1)", "y=list(L)"), "(L,y)", 1, "add(2)"
    ),
    "nested alias in container": Case(
        ("a=[1]\nb={'k':a}", "b['k'].append(2)", "y=a"), "(a,b,y)", 1, "b['k'].append(3)"
    ),
    "alias in tuple": Case(("a=[1]\nb=(a,)", "b[0].append(2)", "y=a"), "(a,b,y)", 1, "b[0].append(3)"),
    "alias in object": Case(
        ("class A: pass\na=[1]\no=A();o.l=a", "o.l.append(2)", "y=a"), "(a,o.l,y)", 1, "o.l.append(3)"
    ),
    "alias then rebind": Case(("a=[1]\nb=a", "a=[7]", "b.append(2)", "y=(a,b)"), "(a,b,y)", 2, "b.append(3)"),
    "swap": Case(("a=[1]\nb=[2]", "a,b=b,a", "a.append(3)", "y=(a,b)"), "(a,b,y)", 2, "a.append(4)"),
    "swap twice": Case(("a=[1]\nb=[2]", "a,b=b,a", "a,b=b,a", "y=(a,b)"), "(a,b,y)", 0, "a=[5]\nb=[6]"),
    "del": Case(("a=[1]\nb=a", "del a", "y=b"), "('a' in globals(),b,y)", 0, "a=[2]\nb=a"),
    "del and redefine": Case(("a=1", "del a", "a=3", "y=a"), "(a,y)", 2, "a=4"),
    "redefine chain": Case(("d=[1]", "d=d+[2]", "d=d+[3]", "d=d+[4]", "y=d"), "(d,y)", 1, "d=d+[9]"),
    "redefine with mutation chain": Case(
        ("d=[1]", "d=d+[2]\nd.append(0)", "d.sort()", "e=d", "e.append(5)", "y=d"),
        "(d,e,y)",
        1,
        "d=d+[9]\nd.append(0)",
    ),
    "for target mutated": Case(
        ("d=[[1],[2]]", "for x in d: x.append(0)", "y=d"), "(d,x,y)", 1, "for x in d: x.append(9)"
    ),
    "comprehension mutation": Case(
        ("d=[[1],[2]]", "_=[x.append(0) for x in d]\ndel _", "y=d"), "(d,y)", 0, "d=[[3]]"
    ),
    "map mutation": Case(("d=[[1],[2]]", "r=list(map(list.clear,d))", "y=d"), "(d,y)", 0, "d=[[3]]"),
    "copy no alias": Case(
        ("import copy\nd=[[1]]\ne=copy.copy(d)", "e[0].append(2)", "y=d"), "(d,e,y)", 1, "e[0].append(3)"
    ),
    "operator.iadd": Case(
        ("d=[1]", "import operator\noperator.iadd(d,[2])", "y=d"),
        "(d,y)",
        1,
        "import operator\noperator.iadd(d,[3])",
    ),
    "walrus": Case(("d=[1]", "(e:=d).append(2)", "y=d"), "(d,e,y)", 1, "(e:=d).append(3)"),
    "with context": Case(
        (
            "class C:\n  def __init__(s): s.l=[]\n  def __enter__(s): s.l.append(1); return s\n  def __exit__(s,*a): s.l.append(2)",
            "c=C()",
            "with c: pass",
            "y=c.l",
        ),
        "(c.l,y)",
        2,
        "with c: c.l.append(7)",
    ),
    "decorated registry": Case(
        ("R={}\ndef reg(f): R[f.__name__]=f; return f", "@reg\ndef one(): return 1", "y=sorted(R)"),
        "(sorted(R),y)",
        1,
        "@reg\ndef two(): return 1",
    ),
    "registry call": Case(
        ("R={}\ndef reg(f): R[f.__name__]=f; return f", "@reg\ndef one(): return 1", "y=R['one']()"),
        "(y,)",
        1,
        "@reg\ndef one(): return 2",
    ),
    "descriptor": Case(
        (
            "class D:\n  def __set__(s,o,v): o.__dict__['v']=v*2\n  def __get__(s,o,t=None): return o.__dict__['v']\nclass A:\n  f=D()",
            "a=A()",
            "a.f=2",
            "y=a.f",
        ),
        "(a.f,y)",
        2,
        "a.f=3",
    ),
    "weak dict": Case(
        ("import weakref\nclass K: pass\nk=K()\nw=weakref.WeakKeyDictionary()", "w[k]=1", "y=len(w)"),
        "(y,)",
        1,
        "w[k]=2",
        lasts=False,
    ),
    "scipy sparse": Case(
        ("import scipy.sparse as s\nm=s.lil_matrix((2,2))", "m[0,0]=5", "y=float(m.sum())"),
        "(y,)",
        1,
        "m[0,0]=6",
    ),
    "ordereddict move": Case(
        ("from collections import OrderedDict\nd=OrderedDict(a=1,b=2)", "d.move_to_end('a')", "y=list(d)"),
        "(y,)",
        1,
        "d.move_to_end('b')",
    ),
    "array module": Case(
        ("import array\na=array.array('i',[1])", "a.append(2)", "y=a.tolist()"), "(y,)", 1, "a.append(3)"
    ),
    "json load into": Case(
        ("d={}", "import json\nd.update(json.loads('{\"a\":1}'))", "y=d"),
        "(d,y)",
        1,
        "import json\nd.update(json.loads('{\"a\":2}'))",
    ),
    "pydantic": Case(
        ("from pydantic import BaseModel\nclass P(BaseModel):\n  n:int=1", "p=P()", "p.n=5", "y=p.n"),
        "(p.n,y)",
        2,
        "p.n=6",
    ),
    "enum value": Case(
        ("from enum import Enum\nclass E(Enum):\n  A=[1]", "E.A.value.append(2)", "y=E.A.value"),
        "(y,)",
        1,
        "E.A.value.append(3)",
    ),
    "two tasks mutate": Case(("d=[1]", "d.append(2)", "d.append(3)", "y=d"), "(d,y)", 1, "d.append(8)"),
    "mutate then raise-catch": Case(
        ("d=[1]", "try:\n  d.append(2)\n  1/0\nexcept ZeroDivisionError: pass", "y=d"),
        "(d,y)",
        1,
        "try:\n  d.append(3)\n  1/0\nexcept ZeroDivisionError: pass",
    ),
    "thread mutation": Case(
        (
            "d=[1]",
            "import threading\nt=threading.Thread(target=d.append,args=(2,))\nt.start();t.join()\ndel t",
            "y=d",
        ),
        "(d,y)",
        1,
        "import threading\nt=threading.Thread(target=d.append,args=(3,))\nt.start();t.join()\ndel t",
    ),
    "pool map mutation": Case(
        (
            "d=[[1],[2]]",
            "from concurrent.futures import ThreadPoolExecutor as T\nwith T(2) as p: list(p.map(lambda x: x.append(0),d))\ndel p",
            "y=d",
        ),
        "(d,y)",
        0,
        "d=[[4]]",
    ),
    "atexit-like callback": Case(
        ("cb=[]\nd=[0]\ncb.append(lambda: d.append(1))", "for f in cb: f()\ndel f", "y=d"),
        "(d,y)",
        0,
        "cb=[]\nd=[5]\ncb.append(lambda: d.append(1))",
    ),
    "module attr": Case(
        ("import types\nm=types.SimpleNamespace(n=1)", "m.n=2", "y=m.n"), "(m.n,y)", 1, "m.n=3"
    ),
    "string builder": Case(("s=''", "s+='a'", "s+='b'", "y=s"), "(s,y)", 1, "s+='z'"),
    "int counter": Case(("n=0", "n+=1", "n+=1", "y=n"), "(n,y)", 1, "n+=5"),
    "tuple with list aug": Case(("t=([1],2)", "t[0].append(3)", "y=t"), "(t,y)", 1, "t[0].append(4)"),
    "dataclass field": Case(
        (
            "from dataclasses import dataclass,field\n@dataclass\nclass P:\n  l:list=field(default_factory=list)",
            "p=P()",
            "p.l.append(1)",
            "y=p.l",
        ),
        "(p.l,y)",
        2,
        "p.l.append(2)",
    ),
    "pd helper returns what it changed": Case(
        (
            "import pandas as pd\ndef add(df):\n  df['z']=1\n  return df",
            "import pandas as pd\nd=pd.DataFrame({'a':[2,1]})",
            "e=add(d)",
            "y=list(d)",
        ),
        "(d.to_dict(),y)",
        1,
        "import pandas as pd\nd=pd.DataFrame({'a':[2,3]})",
    ),
    "deep copy": Case(
        ("import copy\nd=[[1]]\ne=copy.deepcopy(d)", "e[0].append(2)", "y=d"), "(d,e,y)", 1, "e[0].append(3)"
    ),
}


def fresh(cells: tuple[str, ...], shown: str) -> str:
    """What a plain run of all cells from the top gives; the generators stay as they are."""
    names: dict[str, Any] = {"__name__": "__main__"}
    states = random.getstate(), np.random.get_state()
    try:
        for source in cells:
            exec(source, names)
        return repr(eval(shown, names))
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def seen(notebook: Notebook, shown: str) -> str:
    """What the notebook's names give; `not loaded` where one says that it is gone."""
    try:
        text = repr(eval(shown, notebook.names))
    except NotLoadedError:
        return "not loaded"
    return "not loaded" if "is not loaded" in text else text


def all_cases(*, lasting: bool = False) -> list[Any]:
    """The table for pytest."""
    return [pytest.param(case, id=name) for name, case in CASES.items() if case.lasts or not lasting]


class TestInPlace:
    """Tasks that change what others made."""

    @pytest.mark.parametrize("case", all_cases())
    def test_an_edit_in_the_chain_gives_what_a_fresh_run_gives(self, case: Case) -> None:
        """Each body starts from its inputs, never from leftovers; all is fresh then, and equal."""
        notebook, cells = opened(*case.cells, notebook=Notebook(store=kept()))
        assert seen(notebook, case.shown) == fresh(case.cells, case.shown)
        assert set(verdicts(notebook)) <= case.verdicts
        change(notebook, cells[case.place], case.edited)
        notebook.flow()
        assert seen(notebook, case.shown) == fresh(case.other, case.shown)
        assert set(verdicts(notebook)) <= case.verdicts

    @pytest.mark.parametrize("case", all_cases(lasting=True))
    def test_running_all_again_executes_nothing_and_changes_nothing(self, case: Case) -> None:
        """A change made twice is a change made once."""
        notebook, _ = opened(*case.cells, notebook=Notebook(store=kept()))
        notebook.run_all()
        notebook.flow()
        assert notebook.log == []
        assert seen(notebook, case.shown) == fresh(case.cells, case.shown)

    @pytest.mark.parametrize("case", all_cases(lasting=True))
    def test_a_restart_and_the_way_back_give_no_other_value(self, case: Case) -> None:
        """What cannot be stored says that it is gone; everything else equals a fresh run."""
        notebook, cells = opened(*case.cells, notebook=Notebook(store=kept()))
        notebook.restart()
        notebook.run_all()
        assert seen(notebook, case.shown) in (fresh(case.cells, case.shown), "not loaded")
        change(notebook, cells[case.place], case.edited)
        notebook.flow()
        assert seen(notebook, case.shown) in (fresh(case.other, case.shown), "not loaded")
        change(notebook, cells[case.place], case.cells[case.place])
        notebook.flow()
        assert seen(notebook, case.shown) in (fresh(case.cells, case.shown), "not loaded")


class TestClasses:
    """Classes that stand or fall with what their own cell defines beside them."""

    BASE = "class Base:\n    shared = [1]\nclass Model(Base):\n    def get(self): return self.shared"

    def test_a_class_is_made_again_with_the_classes_of_its_own_cell(self) -> None:
        """The definition alone would not find its base."""
        notebook, (_, _, grow, _) = opened(
            self.BASE, "m = Model()", "m.shared.append(2)", "y = list(m.get())"
        )
        assert change(notebook, grow, "m.shared.append(3)").errors == {}
        notebook.flow()
        assert notebook.names["y"] == [1, 3]

    def test_a_cell_that_sets_an_attribute_of_a_class_makes_its_readers_stale(self) -> None:
        """The class is changed in place, as a list would be."""
        notebook, (_, setter, reader) = opened("class A:\n    n = 1", "A.n = 2", "y = A.n")
        change(notebook, setter, "A.n = 3")
        assert notebook.verdict(reader).value == "stale"
        notebook.flow()
        assert notebook.names["y"] == 3

    def test_it_is_set_again_in_a_new_kernel(self) -> None:
        """No store can put the attribute of a class back."""
        notebook, (_, setter, _) = opened(
            "class A:\n    n = 1", "A.n = 2", "y = A.n", notebook=Notebook(store=kept())
        )
        notebook.restart()
        assert [setter] in [action.executed for action in notebook.run_all()]
        assert notebook.names["A"].n == 2  # type: ignore[attr-defined]
