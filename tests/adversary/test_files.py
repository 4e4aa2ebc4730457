"""Files against the adversary: readers and writers of many libraries, edits that stats hardly show."""

# ruff: noqa: E501 - a cell of a table stays one line

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from nbflow.testing import Notebook
from tests.cells import causes, change, kept, opened, verdicts

pytestmark = pytest.mark.filterwarnings("ignore")


@dataclass(frozen=True)
class Case:
    """A file and cells that read it.

    Args:
        writer: Source that writes the file; `{v}` stands for what it holds.
        path: The file.
        readers: Cells of which the last one reads it; those that begin with `!` are plain.
    """

    writer: str
    path: str
    readers: tuple[str, ...]

    def write(self, value: int) -> None:
        """Write the file, as somebody outside of the notebook does."""
        exec(self.writer.format(v=value), {})


H5 = "import h5py\nwith h5py.File('f.h5', 'w') as _s: _s['x'] = [{v}, 2]"
CASES = {
    "h5py": Case(H5, "f.h5", ("import h5py\nwith h5py.File('f.h5') as _s: x = _s['x'][:].tolist()",)),
    "h5py mode": Case(
        H5, "f.h5", ("import h5py\nwith h5py.File(name='f.h5', mode='r') as _s: x = _s['x'][:].tolist()",)
    ),
    "h5py dyn": Case(
        H5, "f.h5", ("from h5py import File\np = 'f' + '.h5'\nwith File(p) as _s: x = _s['x'][:].tolist()",)
    ),
    "h5py unseen": Case(
        H5, "f.h5", ("import h5py\nwith h5py.File('F.H5'.lower()) as _s: x = _s['x'][:].tolist()",)
    ),
    "h5py in a helper": Case(
        H5,
        "f.h5",
        (
            "!from h5py import File as Open\ndef load(p):\n    with Open(p.lower()) as s: return s['x'][:].tolist()",
            "x = load('F.H5')",
        ),
    ),
    "duckdb": Case(
        "import pandas as pd; pd.DataFrame({{'a':[{v},2]}}).to_csv('f.csv')",
        "f.csv",
        ("import duckdb\nx = duckdb.sql(\"select * from 'f.csv'\").fetchall()",),
    ),
    "duckdb reader": Case(
        "import pandas as pd; pd.DataFrame({{'a':[{v},2]}}).to_csv('f.csv')",
        "f.csv",
        ("import duckdb\nx = duckdb.read_csv('f.csv').fetchall()",),
    ),
    "pd.read_csv": Case(
        "import pandas as pd; d=pd.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.to_csv('f.csv')",
        "f.csv",
        ("import pandas as pd\nx=pd.read_csv('f.csv')",),
    ),
    "pd.read_csv gz": Case(
        "import pandas as pd; d=pd.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.to_csv('f.csv.gz')",
        "f.csv.gz",
        ("import pandas as pd\nx=pd.read_csv('f.csv.gz')",),
    ),
    "pd.read_csv pyarrow engine": Case(
        "import pandas as pd; d=pd.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.to_csv('f.csv')",
        "f.csv",
        ("import pandas as pd\nx=pd.read_csv('f.csv',engine='pyarrow')",),
    ),
    "pd.read_csv file url": Case(
        "import pandas as pd; d=pd.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.to_csv('f.csv')",
        "f.csv",
        ("import pandas as pd, os\nx=pd.read_csv('file://'+os.path.abspath('f.csv'))",),
    ),
    "pd.read_csv chunks": Case(
        "import pandas as pd; d=pd.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.to_csv('f.csv')",
        "f.csv",
        ("import pandas as pd\nx=pd.concat(pd.read_csv('f.csv',chunksize=1))",),
    ),
    "pd.read_table": Case(
        "import pandas as pd; d=pd.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.to_csv('f.tsv',sep='\\t')",
        "f.tsv",
        ("import pandas as pd\nx=pd.read_table('f.tsv')",),
    ),
    "pd.read_fwf": Case(
        "import pandas as pd; d=pd.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.to_string('f.txt')",
        "f.txt",
        ("import pandas as pd\nx=pd.read_fwf('f.txt')",),
    ),
    "pd.read_json": Case(
        "import pandas as pd; d=pd.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.to_json('f.json')",
        "f.json",
        ("import pandas as pd\nx=pd.read_json('f.json')",),
    ),
    "pd.read_parquet": Case(
        "import pandas as pd; d=pd.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.to_parquet('f.parquet')",
        "f.parquet",
        ("import pandas as pd\nx=pd.read_parquet('f.parquet')",),
    ),
    "pd.read_parquet dyn": Case(
        "import pandas as pd; d=pd.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.to_parquet('f.parquet')",
        "f.parquet",
        ("import pandas as pd\nfrom pathlib import Path\nx=pd.read_parquet(Path('.')/('f'+'.parquet'))",),
    ),
    "pd.read_parquet folder": Case(
        "import pandas as pd; d=pd.DataFrame({{'a':[{v},2],'b':[3,4]}})\nimport os;os.makedirs('pq',exist_ok=True);d.to_parquet('pq/a.parquet')",
        "pq/a.parquet",
        ("import pandas as pd\nx=pd.read_parquet('pq')",),
    ),
    "pd.read_parquet folder/": Case(
        "import pandas as pd; d=pd.DataFrame({{'a':[{v},2],'b':[3,4]}})\nimport os;os.makedirs('pq',exist_ok=True);d.to_parquet('pq/a.parquet')",
        "pq/a.parquet",
        ("import pandas as pd\nx=pd.read_parquet('pq/')",),
    ),
    "pd.read_feather": Case(
        "import pandas as pd; d=pd.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.to_feather('f.feather')",
        "f.feather",
        ("import pandas as pd\nx=pd.read_feather('f.feather')",),
    ),
    "pd.read_orc": Case(
        "import pandas as pd; d=pd.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.to_orc('f.orc')",
        "f.orc",
        ("import pandas as pd\nx=pd.read_orc('f.orc')",),
    ),
    "pd.read_pickle": Case(
        "import pandas as pd; d=pd.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.to_pickle('f.pkl')",
        "f.pkl",
        ("import pandas as pd\nx=pd.read_pickle('f.pkl')",),
    ),
    "pd.read_stata": Case(
        "import pandas as pd; d=pd.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.to_stata('f.dta')",
        "f.dta",
        ("import pandas as pd\nx=pd.read_stata('f.dta')",),
    ),
    "pd.read_xml": Case(
        "import pandas as pd; d=pd.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.to_xml('f.xml',parser='etree')",
        "f.xml",
        ("import pandas as pd\nx=pd.read_xml('f.xml',parser='etree')",),
    ),
    "pd.read_sql": Case(
        "import pandas as pd; d=pd.DataFrame({{'a':[{v},2],'b':[3,4]}})\nimport sqlite3\nwith sqlite3.connect('f.db') as c: d.to_sql('t',c,if_exists='replace')\nc.close()",
        "f.db",
        (
            "import pandas as pd, sqlite3\nc=sqlite3.connect('f.db')\nx=pd.read_sql('select * from t',c)\nc.close()\ndel c",
        ),
    ),
    "pl.read_csv": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_csv('f.csv')",
        "f.csv",
        ("import polars as pl\nx=pl.read_csv('f.csv')",),
    ),
    "pl.scan_csv": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_csv('f.csv')",
        "f.csv",
        ("import polars as pl\nx=pl.scan_csv('f.csv').collect()",),
    ),
    "pl.scan_csv lazy": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_csv('f.csv')",
        "f.csv",
        ("import polars as pl\nlf=pl.scan_csv('f.csv')", "x=lf.collect()"),
    ),
    "pl.read_parquet": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_parquet('f.parquet')",
        "f.parquet",
        ("import polars as pl\nx=pl.read_parquet('f.parquet')",),
    ),
    "pl.read_parquet dyn": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_parquet('f.parquet')",
        "f.parquet",
        ("import polars as pl\nfrom pathlib import Path\nx=pl.read_parquet(Path('.')/('f'+'.parquet'))",),
    ),
    "pl.read_parquet fstring": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_parquet('f1.parquet')",
        "f1.parquet",
        ("import polars as pl\nn=1\nx=pl.read_parquet(f'f{n}.parquet')",),
    ),
    "pl.read_parquet loop": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_parquet('f1.parquet')",
        "f1.parquet",
        ("import polars as pl\nx=pl.concat([pl.read_parquet(f'f{n}.parquet') for n in (1,)])",),
    ),
    "pl.read_parquet str concat": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_parquet('f1.parquet')",
        "f1.parquet",
        ("import polars as pl\nbase='f'\nx=pl.read_parquet(base+'1.parquet')",),
    ),
    "pl.read_parquet join": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nimport os;os.makedirs('dd',exist_ok=True);d.write_parquet('dd/f1.parquet')",
        "dd/f1.parquet",
        ("import polars as pl,os\nx=pl.read_parquet(os.path.join('dd','f1.parquet'))",),
    ),
    "pl.read_parquet / input dir": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nimport os;os.makedirs('dd',exist_ok=True);d.write_parquet('dd/f1.parquet')",
        "dd/f1.parquet",
        (
            "!from pathlib import Path\nDATA=Path('dd')",
            "import polars as pl,os\nx=pl.read_parquet(DATA/'f1.parquet')",
        ),
    ),
    "pl.read_parquet in helper": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nimport os;os.makedirs('dd',exist_ok=True);d.write_parquet('dd/f1.parquet')",
        "dd/f1.parquet",
        (
            "!import polars as pl\nfrom pathlib import Path\nDATA=Path('dd')\ndef load(n): return pl.read_parquet(DATA/f'{n}.parquet')",
            "x=load('f1')",
        ),
    ),
    "pl.read_parquet glob": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nimport os;os.makedirs('dd',exist_ok=True);d.write_parquet('dd/f1.parquet')",
        "dd/f1.parquet",
        ("import polars as pl,os\nx=pl.read_parquet('dd/*.parquet')",),
    ),
    "pl.read_parquet folder": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nimport os;os.makedirs('dd',exist_ok=True);d.write_parquet('dd/f1.parquet')",
        "dd/f1.parquet",
        ("import polars as pl,os\nx=pl.read_parquet('dd/')",),
    ),
    "pl.read_parquet folder noslash": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nimport os;os.makedirs('dd',exist_ok=True);d.write_parquet('dd/f1.parquet')",
        "dd/f1.parquet",
        ("import polars as pl,os\nx=pl.read_parquet('dd')",),
    ),
    "pl.scan_parquet glob": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nimport os;os.makedirs('dd',exist_ok=True);d.write_parquet('dd/f1.parquet')",
        "dd/f1.parquet",
        ("import polars as pl,os\nx=pl.scan_parquet('dd/*.parquet').collect()",),
    ),
    "pl.read_ipc": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_ipc('f.arrow')",
        "f.arrow",
        ("import polars as pl\nx=pl.read_ipc('f.arrow')",),
    ),
    "pl.scan_ipc": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_ipc('f.arrow')",
        "f.arrow",
        ("import polars as pl\nx=pl.scan_ipc('f.arrow').collect()",),
    ),
    "pl.read_ndjson": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_ndjson('f.ndjson')",
        "f.ndjson",
        ("import polars as pl\nx=pl.read_ndjson('f.ndjson')",),
    ),
    "pl.scan_ndjson": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_ndjson('f.ndjson')",
        "f.ndjson",
        ("import polars as pl\nx=pl.scan_ndjson('f.ndjson').collect()",),
    ),
    "pl.read_json": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_json('f.json')",
        "f.json",
        ("import polars as pl\nx=pl.read_json('f.json')",),
    ),
    "pl.read_avro": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_avro('f.avro')",
        "f.avro",
        ("import polars as pl\nx=pl.read_avro('f.avro')",),
    ),
    "pl.SQL": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_csv('f.csv')",
        "f.csv",
        ("import polars as pl\nx=pl.sql(\"select * from read_csv('f.csv')\").collect()",),
    ),
    "pq.read_table": Case(
        "import pyarrow as pa; d=pa.table({{'a':[{v},2],'b':[3,4]}})\nimport pyarrow.parquet as pq\npq.write_table(d,'f.parquet')",
        "f.parquet",
        ("import pyarrow.parquet as pq\nx=pq.read_table('f.parquet')",),
    ),
    "pq.ParquetFile": Case(
        "import pyarrow as pa; d=pa.table({{'a':[{v},2],'b':[3,4]}})\nimport pyarrow.parquet as pq\npq.write_table(d,'f.parquet')",
        "f.parquet",
        ("import pyarrow.parquet as pq\nx=pq.ParquetFile('f.parquet').read()",),
    ),
    "pq dyn": Case(
        "import pyarrow as pa; d=pa.table({{'a':[{v},2],'b':[3,4]}})\nimport pyarrow.parquet as pq\npq.write_table(d,'f.parquet')",
        "f.parquet",
        ("import pyarrow.parquet as pq\nx=pq.read_table('f'+'.parquet')",),
    ),
    "pq dyn mmap": Case(
        "import pyarrow as pa; d=pa.table({{'a':[{v},2],'b':[3,4]}})\nimport pyarrow.parquet as pq\npq.write_table(d,'f.parquet')",
        "f.parquet",
        ("import pyarrow.parquet as pq\nx=pq.read_table('f'+'.parquet',memory_map=True)",),
    ),
    "ds.dataset": Case(
        "import pyarrow as pa; d=pa.table({{'a':[{v},2],'b':[3,4]}})\nimport pyarrow.parquet as pq, os\nos.makedirs('dd',exist_ok=True)\npq.write_table(d,'dd/f.parquet')",
        "dd/f.parquet",
        ("import pyarrow.dataset as ds\nx=ds.dataset('dd').to_table()",),
    ),
    "ds.dataset slash": Case(
        "import pyarrow as pa; d=pa.table({{'a':[{v},2],'b':[3,4]}})\nimport pyarrow.parquet as pq, os\nos.makedirs('dd',exist_ok=True)\npq.write_table(d,'dd/f.parquet')",
        "dd/f.parquet",
        ("import pyarrow.dataset as ds\nx=ds.dataset('dd/').to_table()",),
    ),
    "pa csv": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_csv('f.csv')",
        "f.csv",
        ("import pyarrow.csv as c\nx=c.read_csv('f.csv')",),
    ),
    "pa csv dyn": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_csv('f.csv')",
        "f.csv",
        ("import pyarrow.csv as c\nx=c.read_csv('f'+'.csv')",),
    ),
    "pa json": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_ndjson('f.json')",
        "f.json",
        ("import pyarrow.json as c\nx=c.read_json('f.json')",),
    ),
    "pa feather": Case(
        "import pyarrow as pa; d=pa.table({{'a':[{v},2],'b':[3,4]}})\nimport pyarrow.feather as f\nf.write_feather(d,'f.feather')",
        "f.feather",
        ("import pyarrow.feather as f\nx=f.read_table('f.feather')",),
    ),
    "pa orc": Case(
        "import pyarrow as pa; d=pa.table({{'a':[{v},2],'b':[3,4]}})\nimport pyarrow.orc as f\nf.write_table(d,'f.orc')",
        "f.orc",
        ("import pyarrow.orc as f\nx=f.read_table('f.orc')",),
    ),
    "pa mmap": Case(
        "open('f.bin','w').write('{v}2')", "f.bin", ("import pyarrow as pa\nx=pa.memory_map('f.bin').read()",)
    ),
    "pa osfile": Case(
        "open('f.bin','w').write('{v}2')", "f.bin", ("import pyarrow as pa\nx=pa.OSFile('f.bin').read()",)
    ),
    "pa osfile dyn": Case(
        "open('f.bin','w').write('{v}2')", "f.bin", ("import pyarrow as pa\nx=pa.OSFile('f'+'.bin').read()",)
    ),
    "pa fs": Case(
        "open('f.bin','w').write('{v}2')",
        "f.bin",
        ("from pyarrow import fs\nx=fs.LocalFileSystem().open_input_file('f.bin').read()",),
    ),
    "np.load": Case(
        "import numpy as np; d=np.array([{v},2])\nnp.save('f.npy',d)",
        "f.npy",
        ("import numpy as np\nx=np.load('f.npy')",),
    ),
    "np.load npz": Case(
        "import numpy as np; d=np.array([{v},2])\nnp.savez('f.npz',d=d)",
        "f.npz",
        ("import numpy as np\nx=np.load('f.npz')['d']",),
    ),
    "np.load mmap": Case(
        "import numpy as np; d=np.array([{v},2])\nnp.save('f.npy',d)",
        "f.npy",
        ("import numpy as np\nx=np.load('f.npy',mmap_mode='r').sum()",),
    ),
    "np.loadtxt": Case(
        "import numpy as np; d=np.array([{v},2])\nnp.savetxt('f.txt',d)",
        "f.txt",
        ("import numpy as np\nx=np.loadtxt('f.txt')",),
    ),
    "np.genfromtxt": Case(
        "import numpy as np; d=np.array([{v},2])\nnp.savetxt('f.txt',d)",
        "f.txt",
        ("import numpy as np\nx=np.genfromtxt('f.txt')",),
    ),
    "np.fromfile": Case(
        "import numpy as np; d=np.array([{v},2])\nd.tofile('f.bin')",
        "f.bin",
        ("import numpy as np\nx=np.fromfile('f.bin')",),
    ),
    "np.memmap": Case(
        "import numpy as np; d=np.array([{v},2])\nd.tofile('f.bin')",
        "f.bin",
        ("import numpy as np\nx=np.memmap('f.bin',mode='r').sum()",),
    ),
    "np.DataSource": Case(
        "import numpy as np; d=np.array([{v},2])\nnp.savetxt('f.txt',d)",
        "f.txt",
        ("import numpy as np\nx=np.lib.npyio.DataSource().open('f.txt').read()",),
    ),
    "joblib": Case(
        "import numpy as np; d=np.array([{v},2])\nimport joblib;joblib.dump(d,'f.joblib')",
        "f.joblib",
        ("import joblib\nx=joblib.load('f.joblib')",),
    ),
    "joblib mmap": Case(
        "import numpy as np; d=np.array([{v},2])\nimport joblib;joblib.dump(d,'f.joblib')",
        "f.joblib",
        ("import joblib\nx=joblib.load('f.joblib',mmap_mode='r').sum()",),
    ),
    "sqlite3": Case(
        "import sqlite3\nc=sqlite3.connect('f.db')\nc.execute('create table if not exists t(a)');c.execute('delete from t');c.execute('insert into t values({v})')\nc.commit();c.close()",
        "f.db",
        (
            "import sqlite3\nc=sqlite3.connect('f.db')\nx=c.execute('select a from t').fetchall()\nc.close()\ndel c",
        ),
    ),
    "sqlite3 wal": Case(
        "import sqlite3\nc=sqlite3.connect('f.db')\nc.execute('pragma journal_mode=wal')\nc.execute('create table if not exists t(a)');c.execute('delete from t');c.execute('insert into t values({v})')\nc.commit();c.close()",
        "f.db",
        (
            "import sqlite3\nc=sqlite3.connect('f.db')\nx=c.execute('select a from t').fetchall()\nc.close()\ndel c",
        ),
    ),
    "sqlite3 uri ro": Case(
        "import sqlite3\nc=sqlite3.connect('f.db')\nc.execute('create table if not exists t(a)');c.execute('delete from t');c.execute('insert into t values({v})')\nc.commit();c.close()",
        "f.db",
        (
            "import sqlite3\nc=sqlite3.connect('file:f.db?mode=ro',uri=True)\nx=c.execute('select a from t').fetchall()\nc.close()\ndel c",
        ),
    ),
    "sqlite attach": Case(
        "import sqlite3\nc=sqlite3.connect('f.db')\nc.execute('create table if not exists t(a)');c.execute('delete from t');c.execute('insert into t values({v})')\nc.commit();c.close()",
        "f.db",
        (
            "import sqlite3\nc=sqlite3.connect(':memory:')\nc.execute(\"attach 'f.db' as o\")\nx=c.execute('select a from o.t').fetchall()\nc.close()\ndel c",
        ),
    ),
    "subprocess": Case(
        "open('f.txt','w').write('{v}2')",
        "f.txt",
        ("import subprocess\nx=subprocess.check_output(['cat','f.txt'])",),
    ),
    "subprocess shell": Case(
        "open('f.txt','w').write('{v}2')",
        "f.txt",
        ("import subprocess\nx=subprocess.check_output('cat f.txt',shell=True)",),
    ),
    "subprocess dyn": Case(
        "open('f.txt','w').write('{v}2')",
        "f.txt",
        ("import subprocess\nx=subprocess.check_output(['cat','f'+'.txt'])",),
    ),
    "subprocess shell dyn": Case(
        "open('ff','w').write('{v}2')",
        "ff",
        ("import subprocess\nx=subprocess.check_output('cat f*',shell=True)",),
    ),
    "os.popen": Case(
        "open('f.txt','w').write('{v}2')", "f.txt", ("import os\nx=os.popen('cat f.txt').read()",)
    ),
    "pathlib read_text": Case(
        "open('f.txt','w').write('{v}2')", "f.txt", ("from pathlib import Path\nx=Path('f.txt').read_text()",)
    ),
    "pathlib read_bytes": Case(
        "open('f.txt','w').write('{v}2')",
        "f.txt",
        ("from pathlib import Path\nx=Path('f.txt').read_bytes()",),
    ),
    "pathlib iterdir": Case(
        "import os;os.makedirs('dd',exist_ok=True);open('dd/f.txt','w').write('{v}2')",
        "dd/f.txt",
        ("from pathlib import Path\nx=[p.read_text() for p in Path('dd').iterdir()]",),
    ),
    "pathlib glob": Case(
        "import os;os.makedirs('dd',exist_ok=True);open('dd/f.txt','w').write('{v}2')",
        "dd/f.txt",
        ("from pathlib import Path\nx=[p.read_text() for p in Path('dd').glob('*.txt')]",),
    ),
    "os.walk": Case(
        "import os;os.makedirs('dd',exist_ok=True);open('dd/f.txt','w').write('{v}2')",
        "dd/f.txt",
        ("import os\nx=[open(os.path.join(r,f)).read() for r,_,fs in os.walk('dd') for f in fs]",),
    ),
    "open": Case("open('f.txt','w').write('{v}2')", "f.txt", ("with open('f.txt') as s: x=s.read()",)),
    "open handle kept": Case("open('f.txt','w').write('{v}2')", "f.txt", ("!s=open('f.txt')", "x=s.read()")),
    "os.open": Case(
        "open('f.txt','w').write('{v}2')",
        "f.txt",
        ("import os\nfd=os.open('f.txt',os.O_RDONLY)\nx=os.read(fd,9)\nos.close(fd)",),
    ),
    "gzip": Case(
        "import gzip\nwith gzip.open('f.gz','wt') as s: s.write('{v}2')",
        "f.gz",
        ("import gzip\nx=gzip.open('f.gz','rt').read()",),
    ),
    "bz2": Case(
        "import bz2\nwith bz2.open('f.bz2','wt') as s: s.write('{v}2')",
        "f.bz2",
        ("import bz2\nx=bz2.open('f.bz2','rt').read()",),
    ),
    "lzma": Case(
        "import lzma\nwith lzma.open('f.xz','wt') as s: s.write('{v}2')",
        "f.xz",
        ("import lzma\nx=lzma.open('f.xz','rt').read()",),
    ),
    "zipfile": Case(
        "import zipfile\nwith zipfile.ZipFile('f.zip','w') as s: s.writestr('a','{v}2')",
        "f.zip",
        ("import zipfile\nx=zipfile.ZipFile('f.zip').read('a')",),
    ),
    "tarfile": Case(
        "import tarfile\nopen('g.txt','w').write('{v}2')\nwith tarfile.open('f.tar','w') as s: s.add('g.txt')",
        "f.tar",
        ("import tarfile\nx=tarfile.open('f.tar').extractfile('g.txt').read()",),
    ),
    "pickle": Case(
        "import pickle\nwith open('f.pkl','wb') as s: pickle.dump({v},s)",
        "f.pkl",
        ("import pickle\nx=pickle.load(open('f.pkl','rb'))",),
    ),
    "json": Case(
        "import json\nwith open('f.json','w') as s: json.dump({v},s)",
        "f.json",
        ("import json\nx=json.load(open('f.json'))",),
    ),
    "csv": Case(
        "open('f.csv','w').write('{v},2')", "f.csv", ("import csv\nx=list(csv.reader(open('f.csv')))",)
    ),
    "configparser": Case(
        "open('f.ini','w').write('[a]\\nb={v}')",
        "f.ini",
        ("import configparser\nc=configparser.ConfigParser();c.read('f.ini')\nx=c['a']['b']\ndel c",),
    ),
    "tomllib": Case(
        "open('f.toml','w').write('b={v}')",
        "f.toml",
        ("import tomllib\nx=tomllib.load(open('f.toml','rb'))",),
    ),
    "mmap": Case(
        "open('f.bin','w').write('{v}2')",
        "f.bin",
        (
            "import mmap\nwith open('f.bin','rb') as s, mmap.mmap(s.fileno(),0,access=mmap.ACCESS_READ) as m: x=m[:]",
        ),
    ),
    "fileinput": Case(
        "open('f.txt','w').write('{v}2')", "f.txt", ("import fileinput\nx=list(fileinput.input(['f.txt']))",)
    ),
    "linecache": Case(
        "open('f.txt','w').write('{v}2')",
        "f.txt",
        ("import linecache\nlinecache.clearcache()\nx=linecache.getline('f.txt',1)",),
    ),
    "codecs": Case(
        "open('f.txt','w').write('{v}2')", "f.txt", ("import codecs\nx=codecs.open('f.txt').read()",)
    ),
    "xml": Case(
        "open('f.xml','w').write('<a>{v}</a>')",
        "f.xml",
        ("import xml.etree.ElementTree as E\nx=E.parse('f.xml').getroot().text",),
    ),
    "urllib file": Case(
        "open('f.txt','w').write('{v}2')",
        "f.txt",
        ("import urllib.request,os\nx=urllib.request.urlopen('file://'+os.path.abspath('f.txt')).read()",),
    ),
    "scipy loadmat": Case(
        "import scipy.io;scipy.io.savemat('f.mat',{{'a':{v}}})",
        "f.mat",
        ("import scipy.io\nx=scipy.io.loadmat('f.mat')['a']",),
    ),
    "scipy npz": Case(
        "import scipy.sparse as s;s.save_npz('f.npz',s.eye(2)*{v})",
        "f.npz",
        ("import scipy.sparse as s\nx=s.load_npz('f.npz')",),
    ),
    "sklearn load_files": Case(
        "import os;os.makedirs('dd/c',exist_ok=True);open('dd/c/f.txt','w').write('{v}2')",
        "dd/c/f.txt",
        ("from sklearn.datasets import load_files\nx=load_files('dd').data",),
    ),
    "sklearn svmlight": Case(
        "open('f.svm','w').write('1 1:{v}\\n')",
        "f.svm",
        ("from sklearn.datasets import load_svmlight_file\nx=load_svmlight_file('f.svm')[0].toarray()",),
    ),
    "stat size": Case(
        "open('f.txt','w').write('{v}'*{v})", "f.txt", ("import os\nx=os.path.getsize('f.txt')",)
    ),
    "stat mtime": Case(
        "open('f.txt','w').write('{v}'*{v})",
        "f.txt",
        ("from pathlib import Path\nx=Path('f.txt').stat().st_size",),
    ),
    "symlink": Case(
        "open('g.txt','w').write('{v}2')\nimport os\nif not os.path.exists('f.txt'): os.symlink('g.txt','f.txt')",
        "g.txt",
        ("x=open('f.txt').read()",),
    ),
    "dotenv": Case(
        "open('.env','w').write('A={v}')",
        ".env",
        ("x=dict(l.split('=') for l in open('.env').read().split())",),
    ),
    "thread pool read": Case(
        "open('f.txt','w').write('{v}2')",
        "f.txt",
        (
            "from concurrent.futures import ThreadPoolExecutor as T\nwith T(2) as p: x=list(p.map(lambda f: open(f).read(),['f.txt']))",
        ),
    ),
    "thread pool pl": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_parquet('f1.parquet')",
        "f1.parquet",
        (
            "import polars as pl\nfrom concurrent.futures import ThreadPoolExecutor as T\nwith T(2) as p: x=list(p.map(pl.read_parquet,['f'+'1.parquet']))",
        ),
    ),
    "process pool": Case(
        "open('f.txt','w').write('{v}2')",
        "f.txt",
        (
            "from joblib import Parallel, delayed\nfrom pathlib import Path\nx=Parallel(n_jobs=1)([delayed(Path.read_text)(Path('f'+'.txt'))])",
        ),
    ),
    "input list of paths": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_parquet('f1.parquet')",
        "f1.parquet",
        ("!import polars as pl\npaths=['f1.parquet']", "x=pl.concat(map(pl.read_parquet,paths))"),
    ),
    "paths in dict": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_parquet('f1.parquet')",
        "f1.parquet",
        (
            "!import polars as pl\ncfg={'data':{'train':'f1.parquet'}}",
            "x=pl.read_parquet(cfg['data']['train'])",
        ),
    ),
    "paths in object": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_parquet('f1.parquet')",
        "f1.parquet",
        (
            "!import polars as pl\nfrom types import SimpleNamespace as N\ncfg=N(path='f1.parquet')",
            "x=pl.read_parquet(cfg.path)",
        ),
    ),
    "paths in class attr": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_parquet('f1.parquet')",
        "f1.parquet",
        ("!import polars as pl\nclass Cfg:\n  path='f1.parquet'", "x=pl.read_parquet(Cfg.path)"),
    ),
    "paths in dataclass": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_parquet('f1.parquet')",
        "f1.parquet",
        (
            "!import polars as pl\nfrom dataclasses import dataclass\n@dataclass\nclass Cfg:\n  path:str='f1.parquet'\ncfg=Cfg()",
            "x=pl.read_parquet(cfg.path)",
        ),
    ),
    "paths in frame": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_parquet('f1.parquet')",
        "f1.parquet",
        (
            "!import polars as pl, pandas as pd\nidx=pd.DataFrame({'p':['f1.parquet']})",
            "x=pl.read_parquet(idx.p[0])",
        ),
    ),
    "path from default arg": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_parquet('f1.parquet')",
        "f1.parquet",
        ("!import polars as pl\ndef load(p='f1.parquet'): return pl.read_parquet(p)", "x=load()"),
    ),
    "path from closure": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_parquet('f1.parquet')",
        "f1.parquet",
        (
            "!import polars as pl\ndef mk(p):\n  return lambda: pl.read_parquet(p)\nload=mk('f1.parquet')",
            "x=load()",
        ),
    ),
    "path from partial": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_parquet('f1.parquet')",
        "f1.parquet",
        (
            "!import polars as pl\nfrom functools import partial\nload=partial(pl.read_parquet,'f1.parquet')",
            "x=load()",
        ),
    ),
    "path from env": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_parquet('f1.parquet')",
        "f1.parquet",
        (
            "!import os\nos.environ['DATAF']='f1.parquet'",
            "import polars as pl,os\nx=pl.read_parquet(os.environ['DATAF'])",
        ),
    ),
    "path from json file": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_parquet('f1.parquet')\nopen('cfg.json','w').write('\"f1.parquet\"')",
        "f1.parquet",
        ("import polars as pl,json\nx=pl.read_parquet(json.load(open('cfg.json')))",),
    ),
    "path upper()": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_parquet('f1.parquet')",
        "f1.parquet",
        ("import polars as pl\nx=pl.read_parquet('F1.PARQUET'.lower())",),
    ),
    "path via format": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_parquet('f1.parquet')",
        "f1.parquet",
        ("import polars as pl\nx=pl.read_parquet('{}1.{}'.format('f','parquet'))",),
    ),
    "path via percent": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_parquet('f1.parquet')",
        "f1.parquet",
        ("import polars as pl\nx=pl.read_parquet('f%d.parquet' % 1)",),
    ),
    "path no suffix pl": Case(
        "import polars as pl; d=pl.DataFrame({{'a':[{v},2],'b':[3,4]}})\nd.write_parquet('data')",
        "data",
        ("import polars as pl\nx=pl.read_parquet('data')",),
    ),
}
UNSEEN = {
    "h5py unseen",
    "h5py in a helper",
    "path from env",
    "path from json file",
    "path upper()",
    "path via format",
    "paths in object",
    "paths in frame",
}
"""Native readers that are told by values what to read: nobody can see which file that is."""
ASKED = {
    "duckdb",
    "duckdb reader",
    "pd.read_sql",
    "pl.SQL",
    "sqlite3",
    "sqlite3 wal",
    "sqlite3 uri ro",
    "sqlite attach",
    "urllib file",
}
"""What visibly asks a database or the network is as of, whatever the file says."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernel's folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(case: Case) -> tuple[Notebook, str]:
    """A notebook whose last cell has read the file."""
    case.write(1)
    notebook = Notebook(store=kept())
    cells = [notebook.add(text.removeprefix("!"), plain=text.startswith("!")) for text in case.readers]
    assert [action.errors for action in notebook.run_all()] == [{}] * len(cells)
    return notebook, cells[-1]


def touch_back(path: str, stat: os.stat_result) -> None:
    """Give a file the times that it had, as an adversary does."""
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


class TestReaders:
    """Whatever reads a file depends on it."""

    @pytest.mark.parametrize("name", CASES)
    def test_what_was_read_is_fresh_unless_nobody_can_tell(self, here: Path, name: str) -> None:
        """Readers that no one can follow are as of, and say so."""
        notebook, cell = read(CASES[name])
        assert notebook.verdict(cell).value == ("as of" if name in UNSEEN | ASKED else "fresh")
        if name in UNSEEN:
            assert "reads a file that nobody saw" in causes(notebook, cell)[0][1]

    @pytest.mark.parametrize("name", CASES)
    def test_an_edit_that_keeps_the_time_of_the_file_is_seen(self, here: Path, name: str) -> None:
        """The reader is stale; where nobody can tell it is as of, never fresh."""
        case = CASES[name]
        notebook, cell = read(case)
        before = os.stat(case.path)
        case.write(9 if "stat" not in name else 3)
        touch_back(case.path, before)
        assert notebook.verdict(cell).value in (("stale", "as of") if name in UNSEEN | ASKED else ("stale",))

    @pytest.mark.parametrize("name", [name for name in CASES if name not in UNSEEN | ASKED])
    def test_a_file_that_is_gone_and_one_that_replaces_it(self, here: Path, name: str) -> None:
        """Both make the reader stale; the old content back makes it fresh."""
        case = CASES[name]
        notebook, cell = read(case)
        shutil.move(case.path, "aside")
        assert notebook.verdict(cell).value == "stale"
        shutil.move("aside", case.path)
        assert notebook.verdict(cell).value == "fresh"
        shutil.copy(case.path, "other")
        with open("other", "ab") as stream:
            stream.write(b"\n")
        os.replace("other", case.path)
        assert notebook.verdict(cell).value == "stale"


WRITERS = {
    "h5py": (H5, "f.h5", "import h5py\nwith h5py.File('f.h5') as _s: x = _s['x'][:].tolist()"),
    "h5py keyword": (
        "import h5py\nwith h5py.File('f.h5', mode='w') as _s: _s['x'] = [{v}, 7]",
        "f.h5",
        "import h5py\nwith h5py.File('f.h5', 'r') as _s: x = _s['x'][:].tolist()",
    ),
    "open": ("with open('f','w') as s: _n=s.write('{v}')", "f", "with open('f') as s: x=s.read()"),
    "pathlib": (
        "from pathlib import Path\n_n=Path('f.txt').write_text('{v}')",
        "f.txt",
        "x=open('f.txt').read()",
    ),
    "to_csv": (
        "import pandas as pd\npd.DataFrame({{'a':[{v}]}}).to_csv('f.csv')",
        "f.csv",
        "import pandas as pd\nx=pd.read_csv('f.csv')",
    ),
    "to_parquet": (
        "import pandas as pd\npd.DataFrame({{'a':[{v}]}}).to_parquet('f.parquet')",
        "f.parquet",
        "import pandas as pd\nx=pd.read_parquet('f.parquet')",
    ),
    "to_feather": (
        "import pandas as pd\npd.DataFrame({{'a':[{v}]}}).to_feather('f.feather')",
        "f.feather",
        "import pandas as pd\nx=pd.read_feather('f.feather')",
    ),
    "to_json": (
        "import pandas as pd\npd.DataFrame({{'a':[{v}]}}).to_json('f.json')",
        "f.json",
        "import pandas as pd\nx=pd.read_json('f.json')",
    ),
    "to_pickle": (
        "import pandas as pd\npd.DataFrame({{'a':[{v}]}}).to_pickle('f.pkl')",
        "f.pkl",
        "import pandas as pd\nx=pd.read_pickle('f.pkl')",
    ),
    "write_parquet": (
        "import polars as pl\npl.DataFrame({{'a':[{v}]}}).write_parquet('f.parquet')",
        "f.parquet",
        "import polars as pl\nx=pl.read_parquet('f.parquet')",
    ),
    "sink_parquet": (
        "import polars as pl\npl.LazyFrame({{'a':[{v}]}}).sink_parquet('f.parquet')",
        "f.parquet",
        "import polars as pl\nx=pl.read_parquet('f.parquet')",
    ),
    "write_csv": (
        "import polars as pl\npl.DataFrame({{'a':[{v}]}}).write_csv('f.csv')",
        "f.csv",
        "import polars as pl\nx=pl.read_csv('f.csv')",
    ),
    "write_ipc": (
        "import polars as pl\npl.DataFrame({{'a':[{v}]}}).write_ipc('f.arrow')",
        "f.arrow",
        "import polars as pl\nx=pl.read_ipc('f.arrow')",
    ),
    "write_ndjson": (
        "import polars as pl\npl.DataFrame({{'a':[{v}]}}).write_ndjson('f.ndjson')",
        "f.ndjson",
        "import polars as pl\nx=pl.read_ndjson('f.ndjson')",
    ),
    "write_table": (
        "import pyarrow as pa, pyarrow.parquet as pq\npq.write_table(pa.table({{'a':[{v}]}}),'f.parquet')",
        "f.parquet",
        "import pyarrow.parquet as pq\nx=pq.read_table('f.parquet')",
    ),
    "write_feather": (
        "import pyarrow as pa, pyarrow.feather as pf\npf.write_feather(pa.table({{'a':[{v}]}}),'f.feather')",
        "f.feather",
        "import pyarrow.feather as pf\nx=pf.read_table('f.feather')",
    ),
    "np.save": (
        "import numpy as np\nnp.save('f.npy',[{v}])",
        "f.npy",
        "import numpy as np\nx=np.load('f.npy')",
    ),
    "np.savez": (
        "import numpy as np\nnp.savez('f.npz',a=[{v}])",
        "f.npz",
        "import numpy as np\nx=np.load('f.npz')['a']",
    ),
    "np.savetxt": (
        "import numpy as np\nnp.savetxt('f.txt',[{v}])",
        "f.txt",
        "import numpy as np\nx=np.loadtxt('f.txt')",
    ),
    "tofile": (
        "import numpy as np\nnp.array([{v}]).tofile('f.bin')",
        "f.bin",
        "import numpy as np\nx=np.fromfile('f.bin',int)",
    ),
    "joblib": (
        "import joblib\n_n=joblib.dump([{v}],'f.joblib')",
        "f.joblib",
        "import joblib\nx=joblib.load('f.joblib')",
    ),
    "pickle": (
        "import pickle\nwith open('f.pkl','wb') as s: pickle.dump({v},s)",
        "f.pkl",
        "import pickle\nwith open('f.pkl','rb') as s: x=pickle.load(s)",
    ),
    "json": (
        "import json\nwith open('f.json','w') as s: json.dump({v},s)",
        "f.json",
        "import json\nwith open('f.json') as s: x=json.load(s)",
    ),
    "gzip": (
        "import gzip\nwith gzip.open('f.gz','wt') as s: _n=s.write('{v}')",
        "f.gz",
        "import gzip\nwith gzip.open('f.gz','rt') as s: x=s.read()",
    ),
    "zipfile": (
        "import zipfile\nwith zipfile.ZipFile('f.zip','w') as z: z.writestr(zipfile.ZipInfo('a'),'{v}')\ndel z",
        "f.zip",
        "import zipfile\nwith zipfile.ZipFile('f.zip') as z: x=z.read('a')\ndel z",
    ),
    "os.replace": (
        "import os\nwith open('g','w') as s: _n=s.write('{v}')\nos.replace('g','f.txt')",
        "f.txt",
        "with open('f.txt') as s: x=s.read()",
    ),
    "computed name": (
        "import pandas as pd\nk=1\npd.DataFrame({{'a':[{v}]}}).to_parquet(f'f{{k}}.parquet')",
        "f1.parquet",
        "import pandas as pd\nx=pd.read_parquet('f1.parquet')",
    ),
}


class TestWriters:
    """A file that one task writes and another one reads."""

    @pytest.mark.parametrize("name", WRITERS)
    def test_another_content_is_passed_on(self, here: Path, name: str) -> None:
        """The reader is stale when the writer has written something else, and follows it."""
        writer, _, reader = WRITERS[name]
        notebook, (first, second) = opened(writer.format(v=1), reader, notebook=Notebook(store=kept()))
        assert verdicts(notebook) == ["fresh", "fresh"]
        change(notebook, first, writer.format(v=2))
        assert notebook.verdict(second).value == "stale"
        assert notebook.flow().executed == [second]
        assert verdicts(notebook) == ["fresh", "fresh"]
        assert "2" in str(notebook.names["x"])

    @pytest.mark.parametrize("name", WRITERS)
    @pytest.mark.parametrize("how", ["removed", "changed"])
    def test_a_written_file_that_is_not_as_written_is_written_again(
        self, here: Path, name: str, how: str
    ) -> None:
        """Its writer is stale and the reader with it, whatever the file's times say."""
        writer, path, reader = WRITERS[name]
        notebook, (first, second) = opened(writer.format(v=1), reader, notebook=Notebook(store=kept()))
        content, stat = Path(path).read_bytes(), os.stat(path)
        os.remove(path)
        if how == "changed":
            Path(path).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            touch_back(path, stat)
        assert [notebook.verdict(cell).value for cell in (first, second)] == ["stale", "stale"]
        assert causes(notebook, first)[0][0] == "output file"
        assert first in notebook.flow().executed
        assert verdicts(notebook) == ["fresh", "fresh"]

    def test_a_file_that_is_added_to(self, here: Path) -> None:
        """It is read and written: the result is as of what was in it."""
        exec(H5.format(v=1), {})
        notebook, (cell,) = opened("import h5py\nwith h5py.File('f.h5', 'a') as _s: _s['y'] = [1]")
        assert notebook.verdict(cell).value == "as of"
        assert ("outside", f"reads {here / 'f.h5'}, which it writes itself") in causes(notebook, cell)

    def test_files_whose_names_are_computed(self, here: Path) -> None:
        """What the text of a path may mean is no question of what is there, where nobody lists it before."""
        (here / "out").mkdir()
        put = "for _k in 'ab':\n    with open(f'out/{_k}.txt', 'w') as _s: _s.write(_k)"
        notebook, _ = opened(put)
        assert verdicts(notebook) == ["fresh"]

    def test_a_folder_that_is_gone_again(self, here: Path) -> None:
        """Whoever makes a temporary folder, and removes it, depends on nothing in it."""
        source = (
            "import pathlib, tempfile\nwith tempfile.TemporaryDirectory(dir='.') as _d:\n"
            "    _p = pathlib.Path(_d) / 'sub'\n    _p.mkdir()\n    _n = (_p / 'f.txt').write_text('a')\n"
            "    x = [each.read_text() for each in _p.iterdir()]"
        )
        notebook, _ = opened(source)
        assert (verdicts(notebook), notebook.flow().executed) == (["fresh"], [])

    def test_what_duckdb_writes(self, here: Path) -> None:
        """It asks a database, so that it is as of; its file is passed on."""
        writer = "import duckdb\nduckdb.sql('select {v} as k').write_parquet('f.parquet')"
        reader = "import pandas as pd\nx = pd.read_parquet('f.parquet').k.tolist()"
        notebook, (first, second) = opened(writer.format(v=1), reader)
        assert verdicts(notebook) == ["as of", "as of"]
        change(notebook, first, writer.format(v=2))
        assert notebook.verdict(second).value == "stale"
        notebook.flow()
        assert notebook.names["x"] == [2]

    @pytest.mark.parametrize("path", ["f.txt", "f"])
    def test_two_writers_of_one_path(self, here: Path, path: str) -> None:
        """A reader between them has the first one's; where it cannot be told in time it is not called fresh."""
        put = f"with open({path!r},'w') as s: _n=s.write('{{}}')"
        get = f"with open({path!r}) as s: {{}}=s.read()"
        notebook, cells = opened(put.format(1), get.format("a"), put.format(2), get.format("b"))
        assert (notebook.names["a"], notebook.names["b"]) == ("1", "2")
        change(notebook, cells[1], get.format("a") + "\na+='!'")
        assert notebook.names["a"] == "1!" or notebook.verdict(cells[1]).value != "fresh"
        notebook.flow()
        assert notebook.names["a"] == "1!"
        assert Path(path).read_text() == "2"

    def test_what_a_program_writes_is_no_secret(self, here: Path) -> None:
        """The file is its output; once it was there before, nobody can tell whether it was read."""
        run = "import subprocess\n_n=subprocess.run('echo {} > f.txt',shell=True).returncode"
        notebook, (cell,) = opened(run.format(1))
        assert notebook.verdict(cell).value == "fresh"
        change(notebook, cell, run.format(2))
        assert notebook.verdict(cell).value == "as of"


class TestUnderTheBody:
    """Files that change while a task runs, and large ones."""

    def test_a_file_that_changes_during_the_run_voids_it(self, here: Path) -> None:
        """Nobody can tell which content the body saw; the cause names the file."""
        Path("f.txt").write_text("1")
        meddle = "import os\nwith open('f.txt') as s: x=s.read()\nos.system('echo 2 > f.txt')"
        notebook, (cell,) = opened(meddle)
        assert notebook.verdict(cell).value != "fresh"
        assert "f.txt" in str(notebook.judgement(cell).causes)

    def test_one_byte_in_a_large_file(self, here: Path) -> None:
        """With the size and the time that it had."""
        Path("large.bin").write_bytes(bytes(64 << 20))
        notebook, (cell,) = opened("with open('large.bin','rb') as s: x=len(s.read())")
        stat = os.stat("large.bin")
        with open("large.bin", "r+b") as stream:
            stream.seek(40 << 20)
            stream.write(b"\1")
        touch_back("large.bin", stat)
        assert notebook.verdict(cell).value == "stale"

    @pytest.mark.parametrize("made", ["sub/new.csv", "new.csv"])
    def test_a_new_file_below_a_pattern(self, here: Path, made: str) -> None:
        """Patterns over any depth see it wherever it appears."""
        Path("data/sub").mkdir(parents=True)
        Path("data/a.csv").write_text("1")
        get = "from pathlib import Path\nx=sorted(p.read_text() for p in Path('data').glob('**/*.csv'))"
        notebook, (cell,) = opened(get)
        Path("data", made).write_text("2")
        assert notebook.verdict(cell).value == "stale"


LOOKS = [
    "import os\nx=sorted(os.listdir('out'))",
    "from glob import glob\nx=sorted(glob('out/*.txt'))",
    "from glob import glob\nx=sorted(glob('out/**/*.txt', recursive=True))",
    "from pathlib import Path\nx=sorted(p.name for p in Path('out').iterdir())",
    "from pathlib import Path\nx=len(list(Path('.').rglob('*.txt')))",
    "import os\nx=[len(files) for _,_,files in os.walk('out')]",
    "import os\nx=[os.path.exists(f'out/{n}.txt') for n in 'abc']",
]
"""What looks at which files there are."""


class TestFoldersThatTasksFill:
    """Who looks at which files there are hangs on who writes them."""

    @pytest.fixture
    def cells(self, here: Path) -> tuple[Notebook, list[str]]:
        """Names, a task that writes a file for each, and a reader that is to be edited."""
        Path("out").mkdir()
        return opened(
            "names='ab'", "for n in names: open(f'out/{n}.txt','w').write(n)", "x=0", "y=str(x)", plain=(0,)
        )

    @pytest.mark.parametrize("look", LOOKS)
    def test_before_the_writer_has_run(self, cells: tuple[Notebook, list[str]], look: str) -> None:
        """It is not fresh while that has yet to write something; its own cell has that done first."""
        notebook, (names, writer, reader, below) = cells
        change(notebook, reader, look)
        assert notebook.flow().executed == [below]
        change(notebook, names, "names='abc'")
        assert [notebook.verdict(cell).value for cell in (writer, reader, below)] == ["stale"] * 3
        assert ("upstream", writer) in [
            (cause.category, notebook.book.named(cause.origin).id)
            for cause in notebook.judgement(reader).causes
        ]
        assert notebook.run(reader).executed == [writer, reader]
        assert notebook.verdict(reader).value == "fresh"

    def test_an_equal_listing(self, cells: tuple[Notebook, list[str]]) -> None:
        """Other contents are nothing to who only looks at names."""
        notebook, (_, writer, reader, below) = cells
        change(notebook, reader, LOOKS[0])
        notebook.flow()
        change(notebook, writer, "for n in names: open(f'out/{n}.txt','w').write(n * 2)")
        assert notebook.verdict(reader).value == notebook.verdict(below).value == "fresh"
        assert notebook.flow().executed == []

    def test_a_writer_below(self, cells: tuple[Notebook, list[str]]) -> None:
        """Nobody above hangs on it before it has run."""
        notebook, (names, writer, reader, _) = cells
        change(notebook, reader, LOOKS[0])
        notebook.move(writer, 3)
        change(notebook, names, "names='abc'")
        assert [notebook.verdict(cell).value for cell in (writer, reader)] == ["stale", "fresh"]
