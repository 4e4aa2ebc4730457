"""A real IPython kernel, driven as JupyterLab drives it: cells with identifiers, a saved file, restarts."""

from __future__ import annotations

import ast
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from shutil import rmtree
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from jupyter_client.manager import KernelManager

import nbflow

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 60.0
PROBE = Path(__file__).with_name("kernel_probe.py")


@dataclass
class Shown:
    """What one cell gave.

    Args:
        texts: Streams and plain texts of displays and results, in order.
        stdout: What was printed.
        bundles: The displays and results.
        results: The texts of the values of last expressions.
        updates: Display id to the last bundle that updated it.
        error: Name and text of the error, or an empty text.
        traceback: The error's lines.
        last: What came last, a stream by its name.
    """

    texts: list[str] = field(default_factory=list)
    stdout: str = ""
    bundles: list[dict[str, Any]] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    updates: dict[str, dict[str, Any]] = field(default_factory=dict)
    error: str = ""
    traceback: str = ""
    last: str = ""

    @property
    def text(self) -> str:
        """All texts together."""
        return "\n".join(self.texts)


class Kernel:
    """A kernel and the notebook file that it belongs to.

    Args:
        folder: Where the notebook lies; the kernel's working folder.
        saves: Whether the notebook file is written before each cell runs, as autosave does.
        sends_ids: Whether cells are sent with their identifier.
    """

    def __init__(
        self, folder: Path, *, saves: bool = True, sends_ids: bool = True, asks: bool = False
    ) -> None:
        self.folder = self.home = folder
        self.path = folder / "nb.ipynb"
        self.cells: dict[str, str] = {}
        self.sent: dict[str, str] = {}
        self.saves = saves
        self.sends_ids = sends_ids
        self.asks = asks
        self.handle = "{}"
        self._start()

    def _start(self) -> None:
        self.save()
        env = {
            **os.environ,
            "JPY_SESSION_NAME": str(self.path) if self.saves else "",
            "IPYTHONDIR": str(self.home / "ipython"),
            "NBFLOW_STATE": str(self.home / "state"),
            "PYTHONPATH": str(Path(nbflow.__file__).parents[1]),
        }
        # By sockets in the file system: a port that is found free may be taken before the kernel binds it.
        self.sockets = mkdtemp()
        self.manager = KernelManager(kernel_name="python3", transport="ipc", ip=f"{self.sockets}/k")
        self.manager.start_kernel(cwd=str(self.folder), env=env)
        self.client = self.manager.client()
        self.client.start_channels()
        try:
            self.client.wait_for_ready(timeout=PATIENCE)
            self._watch()
        except BaseException:
            self.close()
            raise

    def _watch(self) -> None:
        """Put the probe into the kernel, where nbflow does not look."""
        make = "__import__('types').ModuleType('nbflow_probe')"
        add = f"__import__('sys').modules.setdefault('nbflow_probe', {make}).__dict__"
        self.ask(f"exec({PROBE.read_text()!r}, {add})")
        self.probe("listen()")

    def close(self) -> None:
        """End the kernel."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        rmtree(self.sockets, ignore_errors=True)

    def restart(self, *, kill: bool = False) -> None:
        """Restart the kernel; the file and the store stay."""
        if kill:
            self.manager.signal_kernel(9)
        self.close()
        self._start()

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # --- the notebook ----------------------------------------------------------------------------

    def save(self) -> None:
        """Write the notebook file."""
        cells = [
            {
                "cell_type": "code",
                "id": id,
                "source": source,
                "metadata": {},
                "outputs": [],
                "execution_count": None,
            }
            for id, source in self.cells.items()
        ]
        content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        self.path.write_text(json.dumps(content))

    def set(self, **cells: str) -> None:
        """Change the text of cells, or put new ones at the end."""
        self.cells.update(cells)

    def begin(self, **cells: str) -> None:
        """Take these cells and run all; none may fail."""
        self.set(**cells)
        errors = [shown.error for shown in self.run_all()]
        assert errors == [""] * len(self.cells)

    def insert(self, id: str, source: str, *, before: str) -> None:
        """Put a new cell before another."""
        new: dict[str, str] = {}
        for known, text in self.cells.items():
            if known == before:
                new[id] = source
            new[known] = text
        self.cells = new

    def delete(self, id: str) -> None:
        """Delete a cell."""
        del self.cells[id]

    # --- running -------------------------------------------------------------------------------

    def run(self, id: str, source: str | None = None) -> Shown:
        """Run a cell, changed first where a source is given."""
        if source is not None:
            self.cells[id] = source
        if self.saves:
            self.save()
        return self.execute(self.cells[id], id)

    def run_all(self) -> list[Shown]:
        """Run every cell in order, up to the first error."""
        shown: list[Shown] = []
        for id in list(self.cells):
            shown.append(self.run(id))
            if shown[-1].error:
                break
        return shown

    def send(self, code: str, id: str = "") -> str:
        """Send code without waiting for its end; return the message's identifier."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": self.asks,
            "stop_on_error": True,
        }
        metadata = {"cellId": self.handle.format(id)} if id and self.sends_ids else {}
        message = self.client.session.msg("execute_request", content, metadata=metadata)
        self.sent[id] = code
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def execute(self, code: str, id: str = "") -> Shown:
        """Run code and wait for its end."""
        return self.collect(self.send(code, id))

    def collect(self, request: str, heard: Callable[[Shown], object] | None = None) -> Shown:
        """Everything that a request gave, up to its end.

        Args:
            request: The message's identifier.
            heard: Called with what was shown so far, after each message.
        """
        shown, deadline = Shown(), time.monotonic() + PATIENCE
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=max(deadline - time.monotonic(), 0.01))
            except Empty:
                raise TimeoutError(f"the kernel gave no end: {shown.text}") from None
            if message["parent_header"].get("msg_id") == request and self._took(message, shown):
                break
            if heard is not None:
                heard(shown)
        reply = self._reply(request)
        if reply["status"] == "error" and not shown.error:
            # A wrong word is told in a line of text and no message of its own.
            shown.error = f"{reply['ename']}: {reply['evalue']}"
        return shown

    def _reply(self, request: str) -> dict[str, Any]:
        while True:
            message = self.client.get_shell_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") == request:
                return message["content"]

    def _took(self, message: dict[str, Any], shown: Shown) -> bool:
        kind, content = message["msg_type"], message["content"]
        if kind == "stream":
            # A slow machine sends one print in two messages, which a frontend joins.
            if shown.last == content["name"]:
                shown.texts[-1] += content["text"]
            else:
                shown.texts.append(content["text"])
            shown.stdout += content["text"] if content["name"] == "stdout" else ""
        elif kind == "update_display_data":
            shown.updates[content["transient"]["display_id"]] = content["data"]
        elif kind in ("display_data", "execute_result"):
            shown.bundles.append(content["data"])
            shown.texts.append(content["data"].get("text/plain", ""))
            shown.results += [content["data"]["text/plain"]] if kind == "execute_result" else []
        elif kind == "error":
            shown.error = f"{content['ename']}: {content['evalue']}"
            shown.traceback = "\n".join(content["traceback"])
        shown.last = content["name"] if kind == "stream" else kind
        return kind == "status" and content["execution_state"] == "idle"

    def ask(self, expression: str) -> Any:
        """The value of an expression over the notebook's names, out of the notebook's sight.

        Raises:
            AssertionError: If it raised something.
        """
        request = self.client.execute(
            "", silent=True, store_history=False, user_expressions={"asked": expression}, allow_stdin=False
        )
        answer = self._reply(request)["user_expressions"]["asked"]
        if answer["status"] != "ok":
            raise AssertionError("\n".join(answer["traceback"]))
        return ast.literal_eval(answer["data"]["text/plain"])

    def probe(self, call: str) -> Any:
        """What a function of `kernel_probe.py` says."""
        return self.ask(f"__import__('nbflow_probe').{call}")

    def value(self, expression: str) -> str:
        """The repr of an expression, evaluated beside the notebook."""
        return str(self.ask(f"repr(({expression}))"))
