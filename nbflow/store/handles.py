"""Encoders of handles: objects that stand for something elsewhere count by what they point at.

A task function is one, too: it stands for its function, and for the value that a session keeps for it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from nbflow.secrets import HIDING, KNOWN, Secret
from nbflow.store.codes import kind_token, refer
from nbflow.store.encoders import by_content
from nbflow.store.signing import hidden_digest
from nbflow.store.walks import Encoder, NoDigest, Walk, builtin, encodes, text

if TYPE_CHECKING:
    from collections.abc import Callable

_MISSING: Final = object()
_TASK: Final = "nbflow.tasks.Task"
_FUNCTION_FLOW: Final = "nbflow.flows.function.FunctionFlow"
_FLOWS: Final = (_FUNCTION_FLOW, "nbflow.flows.graph.Flow")


def _handle(content: Callable[[Any], object]) -> Encoder:
    """An encoder without memory: many objects hold one logger, and no change is seen through it."""

    def encode(walk: Walk, value: Any) -> bytes:
        made = content(value)
        walk.kept.append(made)
        return walk.group(b"h", kind_token(walk, type(value)), walk.aside(made))

    return encode


def _settings(*names: str) -> Encoder:
    def content(value: Any) -> object:
        return {name: _bare(getattr(value, name, None)) for name in names}

    return _handle(content)


def _bare(value: Any) -> object:
    """Headers, cookies and queries as the pairs that they are."""
    if not hasattr(value, "items"):
        return value
    return sorted((str(key), str(part)) for key, part in value.items())


def _engine(value: Any) -> object:
    url: Any = getattr(value, "sync_engine", value).url
    query: object = sorted((str(key), str(part)) for key, part in dict(url.query or {}).items())
    return [str(url.drivername), url.username, url.host, url.port, url.database, query]


def _widget(value: Any) -> object:
    """A control by its value, a box by its controls, anything else by its kind alone."""
    for name in ("value", "children"):
        content: object = getattr(value, name, _MISSING)
        if content is not _MISSING:
            return content
    return None


def _torch_generator(value: Any) -> object:
    return [str(value.device), bytes(value.get_state().cpu().numpy())]


_LOGGER: Final = _handle(lambda logger: logger.name)

builtin(logging.Logger, _LOGGER)
builtin(logging.RootLogger, _LOGGER)
encodes("logging.Logger")(_LOGGER)
encodes("sqlalchemy.engine.base.Engine", "sqlalchemy.ext.asyncio.engine.AsyncEngine")(_handle(_engine))
encodes("requests.sessions.Session")(
    _settings(
        "headers", "auth", "proxies", "params", "verify", "cert", "max_redirects", "trust_env", "cookies"
    )
)
encodes("httpx.Client", "httpx.AsyncClient", "httpx._client.BaseClient")(
    _settings("base_url", "headers", "auth", "timeout", "params", "cookies", "follow_redirects", "trust_env")
)
encodes("aiohttp.client.ClientSession")(_settings("_base_url", "headers", "auth", "timeout", "trust_env"))


@encodes("ipywidgets.widgets.widget.Widget")
def _control(walk: Walk, value: object) -> bytes:
    return by_content(walk, value, _widget)


def _hidden(value: Any) -> object:
    """What a secret counts by: its content, which nobody can tell without the user's key."""
    content = value.get() if isinstance(value, Secret) else value.get_secret_value()
    KNOWN.meet(content)
    return hidden_digest(repr(content))


encodes(*HIDING)(_handle(_hidden))


@encodes("torch._C.Generator")
def _generator(walk: Walk, value: object) -> bytes:
    return by_content(walk, value, _torch_generator)


@encodes(_TASK)
def _task(walk: Walk, value: Any) -> bytes:
    """A task function by its function, and by what `nbflow.context` shows to that of the task.

    Retries and the like are no part of what it gives.
    """
    walk.calls = True
    walk.reads |= {value.key}
    shown = text(value.name), *map(text, sorted(value.options.tags))
    return walk.group(b"h", kind_token(walk, type(value)), refer(walk, value.fn), *shown)


@encodes(_FUNCTION_FLOW)
def _flow(walk: Walk, value: Any) -> bytes:
    """A flow by its function, by its name, and by what decides which arguments that gets."""
    walk.calls = True
    checked = walk.aside(bool(value.settings.validate_parameters))
    return walk.group(b"h", kind_token(walk, type(value)), refer(walk, value.fn), checked, text(value.name))


def is_task(value: object) -> bool:
    """Whether a value is a task function."""
    return _full_name(value) == _TASK


def is_flow(value: object) -> bool:
    """Whether a value is a flow of its own: a graph of tasks, or a function that calls some."""
    return _full_name(value) in _FLOWS


def is_function(value: object) -> bool:
    """Whether a value is a function of the user's as a task or a flow: its definition makes it."""
    return _full_name(value) in (_TASK, _FUNCTION_FLOW)


def _full_name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


@encodes("threading.Thread", "concurrent.futures._base.Executor", "subprocess.Popen", "socket.socket")
def _running(walk: Walk, value: object) -> bytes:
    raise NoDigest(f"a {type(value).__qualname__} is something that runs, not a content")
