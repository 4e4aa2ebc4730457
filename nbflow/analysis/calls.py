"""What a call does: to names, to values, and outside."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from nbflow.analysis.aliases import PART, hold, keys_in, last_part, owners, sources
from nbflow.analysis.clock import asked_by_call, note_clock
from nbflow.analysis.effects import (
    TIMING,
    effect_of,
    effects_on_files,
    is_native,
    is_remote,
    parts_of,
    writes_natively,
)
from nbflow.analysis.environment import note_environment, note_whole_environment
from nbflow.analysis.expressions import load_attribute, visit_defaults, visit_rounds
from nbflow.analysis.facts import (
    JOINS,
    NO_PATHS,
    dotted,
    note_join,
    note_place,
    note_shown,
)
from nbflow.analysis.flow import HERE, Frame, visits
from nbflow.analysis.formulas import note_formula
from nbflow.analysis.functions import anonymous, enter, escape, find_functions, known_functions
from nbflow.analysis.magics import parsed, visit_magic
from nbflow.analysis.names import MAIN
from nbflow.analysis.purity import (
    CONSUMERS,
    CONTAINER_METHODS,
    EAGER,
    HIGHER,
    MODULE_FUNCTIONS,
    MODULES,
    MUTATING_FUNCTIONS,
    MUTATING_METHODS,
    ONLY_CALL,
    PURE_FUNCTIONS,
    PURE_METHODS,
    STORING_METHODS,
)
from nbflow.analysis.queries import note_query
from nbflow.analysis.readers import may_be_native
from nbflow.analysis.result import Import
from nbflow.analysis.scopes import ScopeKind
from nbflow.analysis.summaries import Function, Owner, Pending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


@visits(ast.Call)
def visit_call(frame: Frame, node: ast.Call) -> None:
    """The callee is evaluated first, then the arguments; then the call happens."""
    if visit_magic(frame, node):
        return
    note_environment(frame, node)
    functions = _visit_callee(frame, node.func)
    name = last_part(node.func)
    given = _given(frame, node)
    _visit_arguments(frame, node, name, given)
    if isinstance(node.func, ast.Name) and name in _SPECIAL:
        _SPECIAL[name](frame, node)
    if _reaches_main(frame, node):
        frame.see_main()
    _note_outside(frame, node, name)
    note_formula(frame, node, name)
    if functions:
        _call_functions(frame, node, functions, given)
    else:
        _call_unknown(frame, node, name, given)


def _visit_callee(frame: Frame, function: ast.expr) -> Sequence[Function]:
    """Evaluate what is called; list the functions of the cell that it may be."""
    if isinstance(function, ast.Name):
        note_shown(frame.cell, function.id)
        return known_functions(frame, frame.load(function.id))
    if isinstance(function, ast.Attribute):
        load_attribute(frame, function)
        return ()
    if isinstance(function, ast.Lambda):
        visit_defaults(frame, function.args)
        return [anonymous(frame.cell, function, frame.scope)]
    frame.visit(function)
    return ()


def _given(frame: Frame, node: ast.Call) -> set[str]:
    """List the keys that a call can reach: its receiver and what is passed."""
    parts: list[ast.AST] = [*node.args, *node.keywords]
    keys = {key for part in parts for key in _passed(frame, part)}
    if isinstance(node.func, ast.Attribute):
        keys |= keys_in(frame, [node.func.value])
    return keys


def _passed(frame: Frame, node: ast.AST) -> set[str]:
    """List the keys passed by an argument; the functions of the cell are no data."""
    value = node.value if isinstance(node, ast.keyword | ast.Starred) else node
    if isinstance(value, ast.Name) and frame.scope.key(value.id) in frame.cell.functions:
        return set()
    return keys_in(frame, [value])


_LAZY_BUILTINS: Final = frozenset(("map", "filter"))


# -- arguments ------------------------------------------------------------------------------------


def _visit_arguments(frame: Frame, node: ast.Call, name: str, given: set[str]) -> None:
    for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
        if isinstance(argument, ast.Name) and name not in ONLY_CALL:
            frame.show(argument.id)
        if isinstance(argument, ast.Constant):
            if name not in NO_PATHS or dotted(node.func) == "os.replace":
                frame.visit(argument)
        elif isinstance(argument, ast.Lambda | ast.Name):
            eager = name in EAGER and not (name in _LAZY_BUILTINS and isinstance(node.func, ast.Name))
            _visit_passed(frame, argument, given, now=eager)
        elif isinstance(argument, ast.GeneratorExp) and name in CONSUMERS:
            visit_rounds(frame, argument)
        else:
            frame.visit(argument)


def _visit_passed(frame: Frame, node: ast.Lambda | ast.Name, given: set[str], *, now: bool) -> None:
    """Hand a function of the cell to what is called, or pass a plain name."""
    if isinstance(node, ast.Lambda):
        visit_defaults(frame, node.args)
        functions: Sequence[Function] = [anonymous(frame.cell, node, frame.scope)]
    else:
        functions = known_functions(frame, frame.load(node.id))
        note_whole_environment(frame, node)
        note_clock(frame, node)
    for function in functions:
        escape(frame, function, given, now=now)


# -- known functions ------------------------------------------------------------------------------


def _call_functions(frame: Frame, node: ast.Call, functions: Sequence[Function], given: set[str]) -> None:
    key = frame.scope.key(node.func.id) if isinstance(node.func, ast.Name) else ""
    alone = len(functions) == 1 and (not key or "." in key or frame.state.get(key) == HERE)
    watched = any(function.decorated for function in functions)
    for function in functions:
        enter(frame, function, given, certain=alone and not watched)
    if not alone or watched:
        _note_call(frame, node, given)


# -- unknown functions ----------------------------------------------------------------------------


def _call_unknown(frame: Frame, node: ast.Call, name: str, given: set[str]) -> None:
    _note_keywords(frame, node)
    _note_callbacks(frame, node, name, given)
    changes = _changed(frame, node, name)
    if changes is not None:
        frame.mutate(changes)
    # A mutator whose owner nobody knows, as in `get().append(1)`, is for others to judge.
    if _is_pure(frame, node, name) or (changes and _tells_all(node, name)):
        return
    _note_call(frame, node, given)


def _note_keywords(frame: Frame, node: ast.Call) -> None:
    """`inplace=True` changes the receiver, `out=x` changes x."""
    for keyword in node.keywords:
        value = keyword.value
        if keyword.arg == "inplace" and not (isinstance(value, ast.Constant) and not value.value):
            receiver = node.func.value if isinstance(node.func, ast.Attribute) else node
            frame.mutate(owners(frame, receiver))
        elif keyword.arg == "out":
            frame.mutate(Owner(key, relation is PART) for key, relation in sources(frame, value))


def _note_callbacks(frame: Frame, node: ast.Call, name: str, given: set[str]) -> None:
    """A function given to `apply` or as `key=` is called with what is there."""
    callbacks = [keyword.value for keyword in node.keywords if keyword.arg in ("key", "func", "function")]
    if name in HIGHER and node.args:
        callbacks.append(node.args[0])
    for callback in callbacks:
        if isinstance(callback, ast.Name | ast.Attribute) and not _is_known(frame, callback):
            _note_call(frame, ast.Call(callback, [], []), given)


def _is_known(frame: Frame, callback: ast.Name | ast.Attribute) -> bool:
    if isinstance(callback, ast.Attribute):
        return callback.attr in PURE_METHODS
    return callback.id in PURE_FUNCTIONS or bool(known_functions(frame, frame.scope.key(callback.id)))


def _changed(frame: Frame, node: ast.Call, name: str) -> Iterable[Owner] | None:
    """List whom a known mutator changes; None where the call is none."""
    function = node.func
    root = dotted(function).partition(".")[0]
    if node.args and (name in MUTATING_FUNCTIONS or name in MODULE_FUNCTIONS.get(root, ())):
        return [*owners(frame, node.args[0]), *_generator(frame, function)]
    if name not in MUTATING_METHODS or not isinstance(function, ast.Attribute):
        return None
    if _is_module(frame, function.value):
        return None
    if name in STORING_METHODS:
        hold(frame, function.value, node.args)
    return owners(frame, function.value)


def _generator(frame: Frame, function: ast.expr) -> Iterable[Owner]:
    """`rng.shuffle(x)` changes the state of rng, too."""
    if isinstance(function, ast.Attribute) and not _is_module(frame, function.value):
        return owners(frame, function.value)
    return ()


def _is_module(frame: Frame, node: ast.expr) -> bool:
    root = dotted(node).partition(".")[0]
    return root in MODULES or root in frame.cell.origins


def _is_pure(frame: Frame, node: ast.Call, name: str) -> bool:
    function = node.func
    if _names_a_module(node, name):
        return True
    if isinstance(function, ast.Name):
        key = frame.scope.key(name)
        return name in PURE_FUNCTIONS and "." not in key and key not in frame.stored - frame.defined.keys()
    if not isinstance(function, ast.Attribute):
        return False
    return name in PURE_METHODS or isinstance(function.value, ast.Constant | ast.JoinedStr)


def _tells_all(node: ast.Call, name: str) -> bool:
    """Say whether a known mutator changes nothing else than what it is known for."""
    return name in CONTAINER_METHODS or name in MUTATING_FUNCTIONS or isinstance(node.func, ast.Name)


def _note_call(frame: Frame, node: ast.Call, given: set[str]) -> None:
    root: ast.AST = node.func
    while isinstance(root, ast.Attribute | ast.Subscript | ast.Await | ast.Call):
        root = root.func if isinstance(root, ast.Call) else root.value
    callee = frame.scope.key(root.id) if isinstance(root, ast.Name) else ""
    frame.calls[Pending(callee, dotted(node.func), frozenset(given))] = None


# -- outside --------------------------------------------------------------------------------------


def _note_outside(frame: Frame, node: ast.Call, name: str) -> None:
    if name in JOINS:
        note_join(frame.cell, node)
    note_query(frame, node)
    path = dotted(node.func)
    known = "" if _names_a_module(node, name) else effect_of(path, frame.cell.origins)
    effect = known or asked_by_call(frame, node, path)
    on_files = effects_on_files(path, frame.cell.origins, _mode_of(node))
    if is_native(effect) or writes_natively(effect):
        effect, on_files = "", [effect]
    if on_files and not _is_opened_by_python(node):
        note_place(frame.cell, node)
        _note_call(frame, node, set())  # whoever calls it from elsewhere has to know, too
        frame.effects.update(on_files)
    elif may_be_native(name):
        _note_call(frame, node, set())  # what its root stands for may be another cell's to tell
    remote = any(_is_remote(argument) for argument in node.args) and not on_files
    if effect or remote:
        frame.effects.add(effect or f"network: {path}")
    if name in TIMING:
        frame.cell.notes[f"measures time with {path}"] = None
    if name == "import_module" and node.args:
        _import_by_name(frame, node)


def _mode_of(node: ast.Call) -> str | None:
    """How a call says that it opens a file; empty where it does not say, None where nobody can tell."""
    modes = [*node.args[1:2], *(word.value for word in node.keywords if word.arg == "mode")]
    if not modes:
        return ""
    return modes[0].value if isinstance(modes[0], ast.Constant) and isinstance(modes[0].value, str) else None


def _is_opened_by_python(node: ast.Call) -> bool:
    """Whether what a call reads is what another one inside it opens, which is seen."""
    first = node.args[0] if node.args else None
    return isinstance(first, ast.Call) and last_part(first.func) in _OPENERS


_OPENERS: Final = ("open", "BytesIO", "StringIO")


def _is_remote(node: ast.expr) -> bool:
    while isinstance(node, ast.JoinedStr | ast.BinOp):
        node = node.left if isinstance(node, ast.BinOp) else next(iter(node.values), ast.Constant(None))
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and is_remote(node.value)


# -- functions that see names ---------------------------------------------------------------------


def _execute(frame: Frame, node: ast.Call) -> None:
    frame.cell.incomplete(f"{last_part(node.func)} runs code that the text does not tell")
    source = node.args[0] if node.args else None
    if len(node.args) > 1 or not (isinstance(source, ast.Constant) and isinstance(source.value, str)):
        return
    statements = parsed(source.value.strip())
    if statements is None:
        return
    find_functions(frame.cell, statements, frame.scope)
    with frame.uncertain():
        frame.optionally(statements)


def _see_names(frame: Frame, node: ast.Call) -> None:
    local = node.func.id != "globals" if isinstance(node.func, ast.Name) else False
    if not node.args and not (local and frame.scope.kind is ScopeKind.FUNCTION):
        frame.cell.incomplete(f"{last_part(node.func)}() reaches every name")


def _see_own(frame: Frame, node: ast.Call) -> None:
    """What `vars` gives of a value is that value's; without one it sees names."""
    _see_names(frame, node)
    if not node.args or isinstance(node.args[0], ast.Starred):
        frame.effects.add("names: vars")


def _list_names(frame: Frame, node: ast.Call) -> None:
    if not node.args:
        frame.effects.add("names: dir")


def _reaches_main(frame: Frame, node: ast.Call) -> bool:
    """Whether a call looks for names of the main module, or is told its name."""
    if any(isinstance(given, ast.Constant) and given.value == MAIN for given in node.args):
        return True
    return ".".join(parts_of(dotted(node.func), frame.cell.origins)) in _LOOK_INTO_MAIN


_LOOK_INTO_MAIN: Final = frozenset(
    [
        "doctest.testmod",
        "unittest.main",
        "timeit.timeit",
        "timeit.repeat",
        "timeit.Timer",
        "cProfile.run",
        "profile.run",
    ]
)


def _set_attribute(frame: Frame, node: ast.Call) -> None:
    if node.args and _is_module(frame, node.args[0]):
        frame.cell.incomplete(f"{last_part(node.func)} changes the module {dotted(node.args[0])}")
    if len(node.args) > 2:
        hold(frame, node.args[0], node.args[2:])


def _names_a_module(node: ast.Call, name: str) -> bool:
    """Say whether a call imports a module whose name stands there."""
    first = node.args[0] if node.args else None
    is_text = isinstance(first, ast.Constant) and isinstance(first.value, str)
    return name in ("import_module", "__import__") and is_text


def _import_by_name(frame: Frame, node: ast.Call) -> None:
    match node.args[:1]:
        case [ast.Constant(value=str(module))]:
            frame.cell.imports.append(Import(module, 0, None, frame.deferred))
        case _:
            frame.cell.incomplete("imports a module whose name the text does not tell")


_SPECIAL: Final[Mapping[str, Callable[[Frame, ast.Call], None]]] = {
    "exec": _execute,
    "eval": _execute,
    "globals": _see_names,
    "locals": _see_names,
    "vars": _see_own,
    "dir": _list_names,
    "setattr": _set_attribute,
    "delattr": _set_attribute,
    "__import__": _import_by_name,
}
