"""What each audit event means for the trail of the body that caused it."""

from __future__ import annotations

import os
import shlex
from importlib.util import source_from_cache
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import unquote, urlsplit

from nbflow.analysis.environment import WHOLE
from nbflow.analysis.reach import Home, place_of
from nbflow.store import variables
from nbflow.store.asked import EVENT, question_of
from nbflow.store.importing import IMPORTERS, being_imported
from nbflow.store.paths import absolute, folder_locator, working_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

    from nbflow.store.trail import Trail

WRITING_FLAGS: Final = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC

Arguments = tuple[object, ...]


def follow(trail: Trail, event: str, arguments: Arguments, caller: FrameType) -> None:
    """Take one audit event into a trail; never raises for what a body may do.

    Args:
        trail: What was seen of the body so far.
        event: The event's name, one of `FOLLOWED`.
        arguments: Its arguments.
        caller: The Python frame that caused it.
    """
    try:
        FOLLOWED[event](trail, arguments, caller)
    except Exception as error:  # noqa: BLE001 - an error here would become the body's error
        trail.outside[f"{event} could not be observed ({type(error).__name__})"] = None


def path_of(raw: object) -> str | None:
    """The absolute path that an event's argument names; `None` for an unnamed descriptor."""
    if isinstance(raw, int):
        return None
    if raw is None:
        return working_folder() or "."
    return absolute(os.fsdecode(cast("str | bytes | os.PathLike[str]", raw)))


def _folder_of(raw: object) -> str:
    """The absolute path of a listed folder, which may be given by its descriptor."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        return os.readlink(f"/proc/self/fd/{raw}")
    return path_of(raw) or ""


def _module_of(frame: FrameType | None) -> str:
    name = frame.f_globals.get("__name__", "") if frame is not None else ""
    return name if isinstance(name, str) else ""


def _imports(caller: FrameType) -> bool:
    """Whether the import system looks for modules, or for the metadata of packages."""
    return _module_of(caller) in IMPORTERS


def _is_set_by_import(trail: Trail, caller: FrameType) -> bool:
    """Whether an installed package sets a variable while it is being imported, as many do."""
    frame: FrameType | None = caller
    while frame is not None and _module_of(frame) == "os":
        frame = frame.f_back
    if frame is None or not trail.contents.ignores(frame.f_code.co_filename):
        return False
    while frame is not None and _module_of(frame) not in IMPORTERS:
        frame = frame.f_back
    return frame is not None


def _quotes_source(caller: FrameType) -> bool:
    """Whether a traceback or a warning looks up a line of source: no input of the body."""
    return _module_of(caller) == "tokenize" and _module_of(caller.f_back) == "linecache"


def _opened(trail: Trail, arguments: Arguments, caller: FrameType) -> None:
    path = path_of(arguments[0])
    if path is None:
        return
    if path.endswith((".py", ".pyw", ".pyc")):
        if _imports(caller):
            _imported(trail, source_from_cache(path) if path.endswith(".pyc") else path)
            return
        if _quotes_source(caller):
            return
    mode, flags = arguments[1], cast("int", arguments[2] or 0)
    text = mode if isinstance(mode, str) else ""
    if flags & WRITING_FLAGS or set(text) & set("wax+"):
        empties = "w" in text or flags & os.O_TRUNC
        trail.write(path, grows=not empties)
    else:
        trail.read(path)
        for module, names in being_imported(trail.contents, caller):
            trail.read_by_module(module, names, path)


def _imported(trail: Trail, path: str) -> None:
    if not trail.contents.ignores(path):
        trail.imported.add(path)


def _loaded_extension(trail: Trail, arguments: Arguments, _: FrameType) -> None:
    if isinstance(arguments[1], str):
        _imported(trail, absolute(arguments[1]))


def _listed(trail: Trail, arguments: Arguments, caller: FrameType) -> None:
    if not _imports(caller) and not _matches_pattern(caller):
        trail.look_in(folder_locator(_folder_of(arguments[0])))


def _matches_pattern(caller: FrameType) -> bool:
    """Whether a folder is listed to match a pattern, which has an event of its own."""
    if _module_of(caller) == "glob":
        return True
    frame: FrameType | None = caller
    while frame is not None and _module_of(frame).partition(".")[0] == "pathlib":
        if frame.f_code.co_name in ("glob", "rglob"):
            return True
        frame = frame.f_back
    return False


def _asked_for(trail: Trail, arguments: Arguments, caller: FrameType) -> None:
    name, raw, folder = arguments
    if isinstance(raw, (str, bytes, os.PathLike)) and folder is None:
        question = question_of(str(name), caller, trail.contents)
        if question:
            trail.ask(question, path_of(cast("object", raw)) or "")


def _variable_asked_for(trail: Trail, arguments: Arguments, caller: FrameType) -> None:
    """A variable; or all of them, which who copies them does not ask for one by one."""
    name = _text(arguments[0]) if arguments else WHOLE
    if name in trail.variables or WHOLE in trail.variables:
        return
    asker = variables.asker_in(caller, trail.contents)
    # What a module asks for while it is imported is noted for the module, see `importing.py`.
    if asker is not None and not any(being_imported(trail.contents, asker)):
        trail.ask_variable(name)


def _globbed(trail: Trail, arguments: Arguments, _: FrameType) -> None:
    pattern, recursive, root, folder = arguments
    text = os.fsdecode(cast("str | bytes", pattern))
    if folder is not None:
        root = _folder_of(folder)
    if not recursive:
        text = text.replace("**", "*")
    trail.look_in(absolute(os.path.join(path_of(root) or "", text)))


def _path_globbed(trail: Trail, arguments: Arguments, _: FrameType) -> None:
    trail.look_in(absolute(os.path.join(str(arguments[0]), str(arguments[1]))))


def _path_globbed_below(trail: Trail, arguments: Arguments, _: FrameType) -> None:
    trail.look_in(absolute(os.path.join(str(arguments[0]), "**", str(arguments[1]))))


def _moved(trail: Trail, arguments: Arguments, _: FrameType) -> None:
    source, target = path_of(arguments[0]), path_of(arguments[1])
    if source is None or target is None:
        return
    if os.path.isdir(source):
        _moved_folder(trail, source, target)
        return
    if source not in trail.writes:
        trail.read(source)
    trail.write(source)
    trail.write(target)


def _moved_folder(trail: Trail, source: str, target: str) -> None:
    """A folder that was filled under another name is published: its files are written there."""
    trail.change_folder(source, "moved")
    trail.folders[target] = None
    for path in [path for path in trail.writes if path.startswith(os.path.join(source, ""))]:
        trail.write(target + path[len(source) :])


def _made_link(trail: Trail, arguments: Arguments, _: FrameType) -> None:
    target = path_of(arguments[1])
    if target is not None:
        trail.write(target)


def _removed(trail: Trail, arguments: Arguments, _: FrameType) -> None:
    trail.write(_path_below(*arguments) or "")


def _path_below(name: object, folder: object) -> str | None:
    """The absolute path that is named within an open folder; -1: the working folder."""
    if folder != -1:
        name = os.path.join(_folder_of(folder), os.fsdecode(cast("str | bytes", name)))
    return path_of(name)


def _removed_folder(trail: Trail, arguments: Arguments, _: FrameType) -> None:
    path = _path_below(*arguments)
    if path is not None:
        trail.change_folder(path, "removed")


def _truncated(trail: Trail, arguments: Arguments, _: FrameType) -> None:
    path = path_of(arguments[0])
    if path is not None:
        trail.write(path, grows=True)


def _made_folder(trail: Trail, arguments: Arguments, _: FrameType) -> None:
    path = path_of(arguments[0])
    if path is not None and not os.path.isdir(path):
        trail.change_folder(path, "made")


def _touched(trail: Trail, arguments: Arguments, _: FrameType) -> None:
    path = path_of(arguments[0])
    if path is not None and path not in trail.writes and not trail.contents.ignores(path):
        trail.noise[f"file touched: {path}"] = None


def _removed_tree(trail: Trail, arguments: Arguments, _: FrameType) -> None:
    path = path_of(arguments[0])
    if path is not None:
        trail.change_folder(path, "removed")


def _started(trail: Trail, arguments: Arguments, _: FrameType) -> None:
    executable, words, folder = arguments[:3]
    trail.start_program(_program(executable or words), _words(words), folder)


def _ran_shell(trail: Trail, arguments: Arguments, _: FrameType) -> None:
    trail.start_program(_program(arguments[0]), _words(arguments[0]))


def _spawned(trail: Trail, arguments: Arguments, _: FrameType) -> None:
    program = next((each for each in arguments if isinstance(each, (str, bytes))), "")
    words = [word for each in arguments for word in _listed_words(each)]
    trail.start_program(_program(program), words)


def _forked(trail: Trail, _arguments: Arguments, _: FrameType) -> None:
    trail.noise["subprocess: fork"] = None


def _forked_terminal(trail: Trail, arguments: Arguments, caller: FrameType) -> None:
    """As `!` of IPython does to run a program."""
    _forked(trail, arguments, caller)
    trail.look_around(working_folder())


def _words(command: object) -> list[object]:
    """The words of a command line, those of a shell's `-c` text one by one."""
    if isinstance(command, (list, tuple)):
        return _listed_words(cast("object", command))
    return [command] if isinstance(command, os.PathLike) else _shell_words(command)


def _listed_words(command: object) -> list[object]:
    if not isinstance(command, (list, tuple)):
        return []
    members = cast("list[object]", command)
    return [word for member in members for word in (member, *_shell_words(member))]


def _shell_words(word: object) -> list[object]:
    if not isinstance(word, (str, bytes)):
        return []
    text = os.fsdecode(word)
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:
        return list(text.split())


def _program(command: object) -> str:
    """The name of a program; its arguments may hold secrets and are not shown."""
    first = next(iter(_words(command)), "?")
    return os.path.basename(_text(first).partition(" ")[0])


def _connected(trail: Trail, arguments: Arguments, caller: FrameType) -> None:
    if not _looks_after_processes(caller):
        _reached(trail, _address(arguments[-1]))


def _looks_after_processes(caller: FrameType) -> bool:
    """Whether `multiprocessing` starts a process, or counts who has a value of a server: neither reads."""
    frame: FrameType | None = caller
    while frame is not None and _module_of(frame) == "multiprocessing.connection":
        frame = frame.f_back
    counts = frame is not None and frame.f_code.co_name in ("_incref", "_decref")
    return _module_of(frame) == "multiprocessing.forkserver" or (
        counts and _module_of(frame) == "multiprocessing.managers"
    )


def _resolved(trail: Trail, arguments: Arguments, _: FrameType) -> None:
    _reached(trail, _address(arguments[:2]))


def _requested(trail: Trail, arguments: Arguments, _: FrameType) -> None:
    parts = urlsplit(str(arguments[0]))
    if parts.scheme not in ("file", "data"):
        # Neither user, password nor query: they may be secrets.
        _reached(trail, f"{parts.scheme}://{parts.hostname or ''}{parts.path}")


def _reached(trail: Trail, address: str) -> None:
    trail.noise[f"network: {address}"] = None
    trail.outside[f"reads the network: {address}"] = None


def _address(address: object) -> str:
    if isinstance(address, tuple):
        host, port = (*cast("tuple[object, ...]", address), None, None)[:2]
        return _text(host) if port in (None, 0) else f"{_text(host)}:{_text(port)}"
    return _text(address)


def _text(raw: object) -> str:
    return os.fsdecode(raw) if isinstance(raw, bytes) else str(raw)


def _opened_database(trail: Trail, arguments: Arguments, _: FrameType) -> None:
    text = _text(arguments[0])
    if text.startswith("file:"):
        parts = urlsplit(text)
        text = "" if "mode=memory" in parts.query else unquote(parts.path)
    if not text or text.startswith(":memory:"):
        return
    path = absolute(text)
    trail.hand(path)
    # In WAL mode recent changes are in this file, and the database's own stat stays as it was.
    trail.hand_journal(f"{path}-wal", path)


def _asked(trail: Trail, _arguments: Arguments, _: FrameType) -> None:
    trail.noise["input"] = None


def _changed_cwd(trail: Trail, _arguments: Arguments, _: FrameType) -> None:
    if trail.folder is None:
        trail.folder = working_folder()


def _changed_environment(trail: Trail, arguments: Arguments, caller: FrameType) -> None:
    if not _is_set_by_import(trail, caller):
        name = _text(arguments[0])
        trail.environment.setdefault(name, os.environ.get(name))


def _acted(text: str) -> Callable[[Trail, Arguments, FrameType], None]:
    def note(trail: Trail, _arguments: Arguments, _: FrameType) -> None:
        trail.noise[text] = None

    return note


FOLDER: Final = "the working folder"
"""What a change of the working folder is called among those of the process."""


def set_by(event: str, arguments: Arguments) -> str:
    """What of the process an event changes for all bodies: a variable or the folder; empty: nothing.

    Example:
        >>> set_by("os.putenv", (b"HOME", b"/")), set_by("os.chdir", ("/",)), set_by("open", ())
        ('HOME', 'the working folder', '')
    """
    if event in ("os.putenv", "os.unsetenv"):
        return _text(arguments[0])
    return FOLDER if event == "os.chdir" else ""


UNPICKLES: Final = "unpickles "
"""How the note begins that code of the user's was found by the name that a pickle has of it."""


def _unpickled(trail: Trail, arguments: Arguments, caller: FrameType) -> None:
    module, name = map(str, arguments[:2])
    if place_of(module).home is Home.LOCAL:
        top = name.partition(".")[0]
        trail.outside[f"{UNPICKLES}{top if module == '__main__' else f'{module}.{top}'}"] = None


FOLLOWED: Final[Mapping[str, Callable[[Trail, Arguments, FrameType], None]]] = {
    "open": _opened,
    "import": _loaded_extension,
    "os.listdir": _listed,
    "os.scandir": _listed,
    EVENT: _asked_for,
    variables.EVENT: _variable_asked_for,
    "glob.glob/2": _globbed,
    "pathlib.Path.glob": _path_globbed,
    "pathlib.Path.rglob": _path_globbed_below,
    "os.rename": _moved,
    "os.link": _made_link,
    "os.symlink": _made_link,
    "os.remove": _removed,
    "os.rmdir": _removed_folder,
    "os.truncate": _truncated,
    "os.mkdir": _made_folder,
    "os.chmod": _touched,
    "os.chown": _touched,
    "os.utime": _touched,
    "shutil.rmtree": _removed_tree,
    "subprocess.Popen": _started,
    "os.system": _ran_shell,
    "os.exec": _spawned,
    "os.posix_spawn": _spawned,
    "os.spawn": _spawned,
    "os.startfile": _spawned,
    "os.fork": _forked,
    "os.forkpty": _forked_terminal,
    "socket.connect": _connected,
    "socket.sendto": _connected,
    "socket.getaddrinfo": _resolved,
    "socket.gethostbyname": _connected,
    "urllib.Request": _requested,
    "sqlite3.connect": _opened_database,
    "builtins.input": _asked,
    "pickle.find_class": _unpickled,
    "os.chdir": _changed_cwd,
    "os.putenv": _changed_environment,
    "os.unsetenv": _changed_environment,
    "os.kill": _acted("signal sent"),
    "webbrowser.open": _acted("browser opened"),
}
"""The audit events that are followed."""
