"""What executing a compound statement does: branches, loops, `try`, `with`, `match`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from nbflow.analysis.aliases import PART, last_part, link_element, link_target, sources
from nbflow.analysis.expressions import guarded_name
from nbflow.analysis.flow import OUTSIDE, SKIPPED, UNSEEN, Frame, Loop, State, after_rounds, visits
from nbflow.analysis.purity import CALM_CONTEXTS

if TYPE_CHECKING:
    from collections.abc import Sequence


@visits(ast.If)
def visit_branch(frame: Frame, node: ast.If) -> None:
    """Either block may be left out; a constant test leaves no choice. A chain of `elif` is a loop."""
    ends: list[State | None] = []
    depth = frame.conditional
    orelse: list[ast.stmt] = [node]
    while len(orelse) == 1 and isinstance(orelse[0], ast.If):
        branch = orelse[0]
        frame.visit(branch.test)
        orelse = _visit_first_block(frame, branch, ends)
        frame.conditional += 1
    frame.visit_all(orelse)
    frame.conditional = depth
    frame.merge([*ends, None if frame.dead else frame.state])


def _visit_first_block(frame: Frame, node: ast.If, ends: list[State | None]) -> list[ast.stmt]:
    """Visit the first block, unless its test is a constant that says no; return the other one."""
    constant = bool(node.test.value) if isinstance(node.test, ast.Constant) else None
    if constant is False:
        return node.orelse
    before = frame.snapshot()
    guarded = guarded_name(node.test) - frame.guarded
    frame.guarded |= guarded
    if constant is None:
        with frame.branch():
            frame.visit_all(node.body)
    else:
        frame.visit_all(node.body)
    frame.guarded -= guarded
    ends.append(frame.snapshot())
    frame.restore(None if constant else before)
    return [] if constant else node.orelse


@visits(ast.For, ast.AsyncFor)
def visit_for(frame: Frame, node: ast.For | ast.AsyncFor) -> None:
    """The body may run no round at all."""
    frame.visit(node.iter)
    link_element(frame, node.target, node.iter)
    _visit_rounds(frame, node, [node.target, *node.body])


@visits(ast.While)
def visit_while(frame: Frame, node: ast.While) -> None:
    """A loop whose test is a true constant ends only by `break`."""
    frame.visit(node.test)
    endless = isinstance(node.test, ast.Constant) and bool(node.test.value)
    _visit_rounds(frame, node, node.body, endless=endless)


def _visit_rounds(
    frame: Frame, node: ast.For | ast.AsyncFor | ast.While, body: Sequence[ast.AST], *, endless: bool = False
) -> None:
    entry = frame.snapshot()
    with frame.branch():
        loop = Loop(frame.conditional)
        frame.loops.append(loop)
        frame.visit_all(body)
        frame.loops.pop()
        # Where no round comes to its end, only the rounds that `break` left tell what a round does.
        frame.merge([frame.snapshot(), *loop.continues] if not frame.dead or loop.continues else loop.breaks)
        back = frame.state
        frame.close_loop(loop, back)
        frame.restore(None if endless or entry is None else after_rounds(entry, back))
        frame.visit_all(node.orelse)
    frame.merge([frame.snapshot(), *loop.breaks])


@visits(ast.Break)
def visit_break(frame: Frame, node: ast.Break) -> None:
    """Execution goes on after the loop."""
    if not frame.dead and frame.loops:
        frame.loops[-1].breaks.append(dict(frame.state))
    frame.leave()


@visits(ast.Continue)
def visit_continue(frame: Frame, node: ast.Continue) -> None:
    """Execution goes on with the next round."""
    if not frame.dead and frame.loops:
        frame.loops[-1].continues.append(dict(frame.state))
    frame.leave()


# -- exceptions -----------------------------------------------------------------------------------


def visit_try(frame: Frame, node: ast.Try) -> None:
    """An exception may leave the body at any point, and jumps pass through `finally`."""
    if not node.finalbody:
        _visit_guarded(frame, node)
        return
    anywhere = dict(frame.state)
    frame.catchers.append(anywhere)
    jumps = _jumps(frame)
    marks = [len(jump) for jump in jumps]
    _visit_guarded(frame, node)
    frame.catchers.pop()
    normal = frame.snapshot()
    frame.restore(anywhere)
    with frame.branch():
        frame.visit_all(node.finalbody)
    _pass_through(frame, jumps, marks)
    frame.restore(normal)
    if normal is not None:
        frame.visit_all(node.finalbody)


def _jumps(frame: Frame) -> list[list[State]]:
    """List where jumps out of the present code are collected."""
    return [frame.returns, *(states for loop in frame.loops for states in (loop.breaks, loop.continues))]


def _pass_through(frame: Frame, jumps: list[list[State]], marks: list[int]) -> None:
    """Let the jumps since the marks arrive with what `finally` did on their way."""
    for states, mark in zip(jumps, marks, strict=True):
        if len(states) > mark:
            states[mark:] = [] if frame.dead else [dict(frame.state)]


def _visit_guarded(frame: Frame, node: ast.Try) -> None:
    anywhere = dict(frame.state)
    guarded = _names_asked_for(node) - frame.guarded
    frame.guarded |= guarded
    if node.handlers:
        frame.catchers.append(anywhere)
    frame.conditional += bool(node.handlers)
    frame.visit_all(node.body)
    frame.conditional -= bool(node.handlers)
    if node.handlers:
        frame.catchers.pop()
    frame.guarded -= guarded
    with frame.branch():
        frame.visit_all(node.orelse)
        ends = [frame.snapshot()]
        for handler in node.handlers:
            frame.restore(anywhere)
            _visit_handler(frame, handler)
            ends.append(frame.snapshot())
    frame.merge(ends)


def _names_asked_for(node: ast.Try) -> set[str]:
    """List the names of a body whose absence is expected: `try: x` … `except NameError`."""
    for handler in node.handlers:
        kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        if any(isinstance(kind, ast.Name) and kind.id == "NameError" for kind in kinds):
            return {part.id for line in node.body for part in ast.walk(line) if isinstance(part, ast.Name)}
    return set()


def _visit_handler(frame: Frame, handler: ast.ExceptHandler) -> None:
    """The name of a handler is deleted when the handler ends, whatever it held before."""
    if handler.type is not None:
        frame.visit(handler.type)
    if handler.name is not None:
        frame.store(handler.name)
    frame.visit_all(handler.body)
    if handler.name is not None:
        frame.delete(handler.name)


for _kind in ("Try", "TryStar"):
    visits(getattr(ast, _kind))(visit_try)


# -- context managers -----------------------------------------------------------------------------


@visits(ast.With, ast.AsyncWith)
def visit_with(frame: Frame, node: ast.With | ast.AsyncWith) -> None:
    """A context manager may swallow an exception that leaves the block at any point."""
    calm = all(_is_calm(item.context_expr) for item in node.items)
    anywhere = dict(frame.state)
    frame.catchers.append(anywhere)
    for item in node.items:
        frame.visit(item.context_expr)
        if item.optional_vars is not None:
            _link_context(frame, item.optional_vars, item.context_expr)
            frame.visit(item.optional_vars)
    frame.visit_all(node.body)
    frame.catchers.pop()
    if not calm:
        _swallow(frame, anywhere)


def _is_calm(context: ast.expr) -> bool:
    function = context.func if isinstance(context, ast.Call) else context
    return last_part(function) in CALM_CONTEXTS


def _link_context(frame: Frame, target: ast.expr, context: ast.expr) -> None:
    if isinstance(target, ast.Name):
        frame.link(frame.scope.key(target.id), [(key, PART) for key, _ in sources(frame, context)])
    else:
        link_target(frame, target, context)


def _swallow(frame: Frame, anywhere: State) -> None:
    """Go on from the end of the block or, seldom, from any point in it."""
    frame.dead = False
    for key, held in anywhere.items():
        normal = frame.state.get(key, OUTSIDE)
        if held & UNSEEN and not normal & OUTSIDE:
            frame.state[key] = normal | (held & ~UNSEEN) | SKIPPED
        else:
            frame.state[key] = normal | held


# -- matching -------------------------------------------------------------------------------------


@visits(ast.Match)
def visit_match(frame: Frame, node: ast.Match) -> None:
    """Captures are bound only where their pattern matches, also if the guard then says no."""
    frame.visit(node.subject)
    ends: list[State | None] = []
    with frame.branch():
        for case in node.cases:
            before = frame.snapshot()
            _link_captures(frame, case.pattern, node.subject)
            frame.visit(case.pattern)
            frame.visit_all([case.guard])
            after_guard = frame.snapshot()
            frame.visit_all(case.body)
            ends.append(frame.snapshot())
            frame.merge(_otherwise(case, before, after_guard))
    frame.merge([*ends, frame.snapshot()])


def _otherwise(case: ast.match_case, before: State | None, after_guard: State | None) -> list[State | None]:
    """List the states in which the next case is tried."""
    pattern = case.pattern
    always = isinstance(pattern, ast.MatchAs) and pattern.pattern is None
    if case.guard is None:
        return [] if always else [before]
    return [after_guard] if always else [before, after_guard]


def _link_captures(frame: Frame, pattern: ast.pattern, subject: ast.expr) -> None:
    parts = [(key, PART) for key, _ in sources(frame, subject)]
    for part in ast.walk(pattern) if parts else ():
        name = getattr(part, "rest" if isinstance(part, ast.MatchMapping) else "name", None)
        if isinstance(name, str):
            frame.link(frame.scope.key(name), parts)


@visits(ast.MatchAs, ast.MatchStar, ast.MatchMapping)
def visit_capture(frame: Frame, node: ast.MatchAs | ast.MatchStar | ast.MatchMapping) -> None:
    """Values and classes in a pattern are loaded, then the name is bound; `_` binds nothing."""
    frame.visit_parts(node)
    name = node.rest if isinstance(node, ast.MatchMapping) else node.name
    if name is not None:
        frame.store(name)


@visits(ast.MatchOr)
def visit_alternatives(frame: Frame, node: ast.MatchOr) -> None:
    """All alternatives bind the same names, and one of them matches."""
    frame.visit_all(node.patterns)
