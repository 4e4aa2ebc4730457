"""What is visibly read or written outside, by the dotted name of what is called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nbflow.analysis.readers import opened_natively, reads_natively, writes_natively_by
from nbflow.analysis.seeding import seeding_effect

if TYPE_CHECKING:
    from collections.abc import Mapping

_ALIASES: Final[Mapping[str, str]] = {
    "pd": "pandas",
    "np": "numpy",
    "pl": "polars",
    "pa": "pyarrow",
    "pq": "pyarrow.parquet",
    "sp": "subprocess",
    "ne": "numexpr",
    "nc": "netCDF4",
    "gpd": "geopandas",
    "xr": "xarray",
    "xgb": "xgboost",
}

_MODULES: Final[Mapping[str, str]] = {
    "requests": "network",
    "httpx": "network",
    "aiohttp": "network",
    "urllib3": "network",
    "socket": "network",
    "ftplib": "network",
    "paramiko": "network",
    "boto3": "network",
    "websocket": "network",
    "websockets": "network",
    "kaggle": "network",
    "yfinance": "network",
    "openai": "network",
    "smtplib": "mail",
    "imaplib": "mail",
    "poplib": "mail",
    "subprocess": "subprocess",
    "pexpect": "subprocess",
    "sqlite3": "database",
    "psycopg2": "database",
    "psycopg": "database",
    "pymysql": "database",
    "pyodbc": "database",
    "cx_Oracle": "database",
    "pymongo": "database",
    "redis": "database",
    "duckdb": "database",
}
"""Modules all of whose calls go outside."""

_QUIET: Final = frozenset(("exceptions", "Error", "DatabaseError", "codes", "PIPE", "Row", "ConnectionError"))

_CALLS: Final[Mapping[str, str]] = {
    "os.system": "subprocess",
    "os.popen": "subprocess",
    "os.startfile": "subprocess",
    "os.kill": "subprocess",
    "os.remove": "files",
    "os.unlink": "files",
    "os.rename": "files",
    "os.replace": "files",
    "os.rmdir": "files",
    "os.removedirs": "files",
    "shutil.rmtree": "files",
    "shutil.move": "files",
    "shutil.copy": "files",
    "shutil.copyfile": "files",
    "shutil.copytree": "files",
    "time.time": "clock",
    "time.time_ns": "clock",
    "time.localtime": "clock",
    "time.gmtime": "clock",
    "time.ctime": "clock",
    "datetime.now": "clock",
    "datetime.utcnow": "clock",
    "datetime.today": "clock",
    "date.today": "clock",
    "Timestamp.now": "clock",
    "Timestamp.today": "clock",
    "Timestamp.utcnow": "clock",
    "arrow.now": "clock",
    "arrow.utcnow": "clock",
    "pendulum.now": "clock",
    "pendulum.today": "clock",
    "timezone.now": "clock",
    "uuid.uuid1": "clock",
    "uuid.uuid4": "chance",
    "os.urandom": "chance",
    "secrets.token_hex": "chance",
    "secrets.token_bytes": "chance",
    "secrets.choice": "chance",
    "polars.sql": "database",
    "getpass.getpass": "input",
    "os.chdir": "process",
    "os.putenv": "process",
    "importlib.import_module": "names",
    "util.find_spec": "names",
}
"""Calls by their last two parts."""

CLOCKS: Final = frozenset(call.rpartition(".")[2] for call, kind in _CALLS.items() if kind == "clock")
"""What functions that tell the time are called, without where they are."""


_BARE: Final[Mapping[str, str]] = {"input": "input", "__import__": "names", "import_module": "names"}
"""Calls by the whole of their text."""

_ENDINGS: Final[Mapping[str, str]] = {
    "urlopen": "network",
    "urlretrieve": "network",
    "load_dataset": "network",
    "fetch_openml": "network",
    "post": "network",
    "upload_file": "network",
    "upload_fileobj": "network",
    "put_object": "network",
    "delete_object": "network",
    "delete_objects": "network",
    "copy_object": "network",
    "to_sql": "database",
    "to_gbq": "database",
    "read_sql": "database",
    "read_sql_query": "database",
    "read_sql_table": "database",
    "read_gbq": "database",
    "read_database": "database",
    "write_database": "database",
    "create_engine": "database",
    "executemany": "database",
    "executescript": "database",
    "sendmail": "mail",
    "send_message": "mail",
}
"""Calls by their last part."""

_SEEN: Final = frozenset([("xarray", "load_dataset")])
"""Calls, by their first and last part, that open files where Python sees it, unlike others of that name."""

TIMING: Final = frozenset(("perf_counter", "perf_counter_ns", "monotonic", "process_time", "thread_time"))
"""Clocks that measure durations: worth a note, no reason to distrust a result."""

_CHANGING: Final = frozenset(
    [
        "post",
        "put",
        "patch",
        "delete",
        "request",
        "sendmail",
        "send_message",
        "to_sql",
        "to_gbq",
        "write_database",
        "executemany",
        "executescript",
        "system",
        "popen",
        "run",
        "call",
        "check_call",
        "check_output",
        "Popen",
        "upload_file",
        "upload_fileobj",
        "put_object",
        "delete_object",
        "delete_objects",
        "copy_object",
        "remove",
        "unlink",
        "rename",
        "replace",
        "rmdir",
        "removedirs",
        "rmtree",
        "move",
        "copy",
        "copyfile",
        "copytree",
        "kill",
        "startfile",
        "SMTP",
        "SMTP_SSL",
        "insert_one",
        "insert_many",
        "update_one",
        "delete_one",
        "chdir",
        "putenv",
        "send",
        "sendall",
        "getoutput",
        "getstatusoutput",
        "run_cell_magic",
    ]
)

_REMOTE: Final = ("http://", "https://", "ftp://", "s3://", "gs://", "gcs://", "az://", "abfs://", "hdfs://")


def effect_of(path: str, origins: Mapping[str, str] | None = None) -> str:
    """Name what a call does outside.

    Args:
        path: The dotted text of what is called.
        origins: What names at the root stand for, where imports tell (`rq` for `requests`).

    Returns:
        The category (`network`, `database`, `clock`, `chance`, `subprocess`, `mail`, `files`, `input`,
        `names`, `process`, or `native` and `written` for readers and writers of files that nobody sees
        opened) with the call; empty where none is known.

    Example:
        >>> effect_of("rq.post", {"rq": "requests"}), effect_of("df.head")
        ('network: rq.post', '')
    """
    parts = parts_of(path, origins)
    if path in _BARE:
        return f"{_BARE[path]}: {path}"
    if (parts[0], parts[-1]) in _SEEN:
        return ""
    category = _CALLS.get(".".join(parts[-2:])) or (_ENDINGS.get(parts[-1]) if len(parts) > 1 else None)
    if category is None and parts[-1] not in _QUIET and len(parts) > 1:
        category = _MODULES.get(parts[0]) or ("network" if parts[:2] == ["urllib", "request"] else None)
    if category is None and reads_natively(parts):
        category = "native"
    if category is None and writes_natively_by(parts):
        category = "written"
    return f"{category}: {path}" if category else seeding_effect(parts, path)


def effects_on_files(path: str, origins: Mapping[str, str] | None = None, mode: str | None = "") -> list[str]:
    """Name what a call does to files, unseen by Python, besides what `effect_of` says.

    Args:
        path: The dotted text of what is called.
        origins: What names at the root stand for, where imports tell.
        mode: How it opens a file; empty: not said; None: nobody can tell.

    Example:
        >>> effects_on_files("h5py.File"), effects_on_files("h5py.File", mode="w")
        (['native: h5py.File'], ['written: h5py.File'])
        >>> effects_on_files("h5py.File", mode="a")
        ['native: h5py.File', 'written: h5py.File']
        >>> effects_on_files("duckdb.sql.write_parquet"), effects_on_files("df.to_csv")
        (['written: duckdb.sql.write_parquet'], [])
    """
    reads, writes = opened_natively(parts_of(path, origins), mode)
    return [f"native: {path}"] * reads + [f"written: {path}"] * writes


def parts_of(path: str, origins: Mapping[str, str] | None) -> list[str]:
    """The parts of a dotted text, with what its root stands for.

    Args:
        path: The dotted text.
        origins: What names at the root stand for, where imports tell.

    Example:
        >>> parts_of("pd.eval", None), parts_of("n.evaluate", {"n": "numexpr"})
        (['pandas', 'eval'], ['numexpr', 'evaluate'])
    """
    root, dot, rest = path.partition(".")
    return ((origins or {}).get(root, _ALIASES.get(root, root)) + dot + rest).split(".")


def is_native(effect: str) -> bool:
    """Say whether an effect is the call of a reader that opens files in a way that Python does not see.

    Example:
        >>> is_native(effect_of("pl.scan_csv")), is_native(effect_of("pd.read_csv"))
        (True, False)
        >>> is_native(effect_of("load_file", {"load_file": "safetensors.torch.load_file"}))
        True
    """
    return effect.startswith("native: ")


def writes_natively(effect: str) -> bool:
    """Say whether an effect is the call of a writer that opens files in a way that Python does not see.

    Example:
        >>> writes_natively(effect_of("df.to_parquet")), writes_natively(effect_of("df.to_pickle"))
        (True, False)
        >>> writes_natively(effect_of("torch.save")), writes_natively(effect_of("model.save"))
        (True, False)
    """
    return effect.startswith("written: ")


def asks_database(effect: str) -> bool:
    """Say whether an effect is a call that reads a database, or changes it.

    Example:
        >>> asks_database(effect_of("duckdb.connect")), asks_database(effect_of("df.head"))
        (True, False)
    """
    return effect.startswith("database: ")


def is_remote(text: str) -> bool:
    """Say whether a text is the address of something on another machine.

    Example:
        >>> is_remote("https://data.example/a.csv"), is_remote("data/a.csv")
        (True, False)
    """
    return text.startswith(_REMOTE)


def writes_outside(effect: str) -> bool:
    """Say whether an effect changes something on another machine, in a database or by another program.

    Files that a body writes are its outputs, and what it does to its own process ends with that. Shell
    lines count unless all that they run is known to look only.

    Example:
        >>> [writes_outside(text) for text in ("network: s.post", "files: os.remove", "network: s.get")]
        [True, False, False]
        >>> writes_outside("subprocess: !ls -l | head"), writes_outside("subprocess: !ls > listing")
        (False, True)
    """
    category, _, path = effect.partition(": ")
    if category == "subprocess" and path.startswith(("!", "%")):
        return not _only_looks(path.lstrip("!%"))
    return category in _ELSEWHERE and changes_outside(effect)


def starts_program(effect: str) -> bool:
    """Say whether an effect is that a program runs, which may write files and nothing else.

    Example:
        >>> starts_program("subprocess: !seq 3 > out"), starts_program("network: requests.post")
        (True, False)
        >>> starts_program(effect_of("os.system")), starts_program(effect_of("os.kill"))
        (True, False)
    """
    category, _, path = effect.partition(": ")
    return category == "subprocess" and path != "os.kill"


_ELSEWHERE: Final = ("network", "database", "mail", "subprocess")

_LOOKS: Final = frozenset(
    [
        "ls",
        "pwd",
        "cat",
        "head",
        "tail",
        "wc",
        "echo",
        "du",
        "df",
        "date",
        "which",
        "whoami",
        "uname",
        "hostname",
        "nvidia-smi",
        "free",
        "nproc",
        "lscpu",
        "grep",
        "uniq",
        "cut",
        "tree",
        "stat",
    ]
)
"""Programs that change nothing, whatever their arguments."""

_BETWEEN: Final = re.compile(r"\|\||&&|[|;&]")


def _only_looks(line: str) -> bool:
    commands = [words[0] for part in _BETWEEN.split(line) if (words := part.split())]
    return ">" not in line and "`" not in line and "$(" not in line and _LOOKS.issuperset(commands)


def changes_outside(effect: str) -> bool:
    """Say whether an effect changes something outside, instead of only reading it.

    Example:
        >>> changes_outside("network: requests.post"), changes_outside("network: requests.get")
        (True, False)
    """
    category, _, path = effect.partition(": ")
    return category in ("mail", "files", "process") or path.rpartition(".")[2] in _CHANGING
