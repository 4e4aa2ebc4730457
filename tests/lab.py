"""JupyterLab or Notebook 7 in a headless Chromium, as a user has them: a server, a page, a notebook in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

import nbflow
from tests.headless import notebook_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

PATIENCE = 90_000
PICTURES = Path(nbflow.__file__).parents[1] / "build" / "views"
"""Where pictures are kept for those who look at them."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OFFLINE = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
PLACES = {"jupyterlab": "lab/tree/{}?reset", "notebook": "notebooks/{}"}
GATE = """\
def make_gate():
    import concurrent.futures, posix, threading, time

    def wait(held="held"):
        while posix.access(held, posix.F_OK):
            time.sleep(0.01)

    pool = concurrent.futures.ThreadPoolExecutor(1)
    pool.submit(wait).result()
    threading.main_thread().hold = lambda: pool.submit(wait).result()

make_gate()
del make_gate
"""
"""Begins a notebook whose bodies wait for the test: nbflow is not loaded yet, and `posix` tells nobody."""

HOLD = "import threading\nthreading.main_thread().hold()"
"""What a body does that is to be seen while it runs."""

OPEN = "async path => { await window.jupyterapp.commands.execute('docmanager:open', {path}); }"
CLOSE = """async () => {
  window.finished = {};
  for (const panel of [...window.jupyterapp.shell.widgets('main')]) {
    await panel.sessionContext?.shutdown();
    panel.dispose();
  }
}"""
"""Closes all notebooks, with their kernels, and asks nobody whether to save."""

IS_READY = """() => {
  const panel = window.jupyterapp?.shell.currentWidget;
  const session = panel?.sessionContext?.session;
  return Boolean(panel?.sessionContext?.isReady && session?.kernel?.connectionStatus === 'connected');
}"""
PERFORM = """([command, index, done]) => {
  const app = window.jupyterapp;
  if (index !== null) app.shell.currentWidget.content.activeCellIndex = index;
  window.finished = window.finished ?? {};
  app.commands.execute(command).then(() => { window.finished[done] = true; });
}"""
EDIT = """([index, source]) => {
  window.jupyterapp.shell.currentWidget.content.widgets[index].model.sharedModel.setSource(source);
}"""


def find_browser() -> str:
    """The system's Chromium.

    Raises:
        FileNotFoundError: If there is none: a browser test never passes by being skipped.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise FileNotFoundError(
            "no Chromium is installed; `make test` installs it where apt may be used, else: "
            "apt-get install chromium"
        )
    return found


@dataclass
class Lab:
    """A running server and a browser.

    Args:
        url: The server's address.
        folder: What it serves.
        browser: The browser.
        app: Which application shows notebooks: `jupyterlab` or `notebook`.
    """

    url: str
    folder: Path
    browser: Browser
    app: str = "jupyterlab"
    _page: Page | None = None

    @contextmanager
    def opened(self, notebook: Path, *, dark: bool = False) -> Iterator[Notebook]:
        """Open a notebook that lies in the folder; in JupyterLab, on the page of the one before.

        To load that page takes longer than most tests.
        """
        path, page = str(notebook.relative_to(self.folder)), self._page or self._new_page()
        self._page = None  # whatever goes wrong from here on is nothing to go on from
        shown = Notebook(page, notebook)
        try:
            with _listening(page, shown):
                self._open(page, path)
                self._set_theme(page, "Dark" if dark else "Light")
                yield shown
            if self.app == "jupyterlab":
                page.evaluate(CLOSE)
                self._page = page
        finally:
            if self._page is not page:
                page.context.close()

    @contextmanager
    def undisturbed(self, name: str, *cells: str) -> Iterator[Notebook]:
        """A notebook in a folder of its own, dark where the name says so; in the end nothing has gone wrong.

        Nothing was wrong in the page, and nobody was asked for anything but the server.
        """
        folder = self.folder / name.translate({ord("["): "-", ord("]"): None})
        folder.mkdir()
        with self.opened(notebook_of(folder / "nb.ipynb", *cells), dark="dark" in name) as opened:
            yield opened
            assert opened.errors == []
            assert opened.requested - {self.url.removeprefix("http://"), ""} == set()

    def _open(self, page: Page, path: str) -> None:
        if page.url == "about:blank":
            page.goto(f"{self.url}/{PLACES[self.app].format(path)}")
        else:
            page.evaluate(OPEN, path)
        page.wait_for_function(IS_READY)

    def _set_theme(self, page: Page, name: str) -> None:
        """The server keeps the theme, so that another test may have left its own."""
        theme = f"JupyterLab {name}"
        change = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
        page.evaluate(change, theme)
        page.wait_for_selector(f"body[data-jp-theme-name='{theme}']", state="attached")

    def _new_page(self) -> Page:
        context = self.browser.new_context(viewport={"width": 1440, "height": 1000})
        context.set_default_timeout(PATIENCE)
        return context.new_page()


@contextmanager
def _listening(page: Page, shown: Notebook) -> Iterator[None]:
    """Note what goes wrong in a page, and whom it asks for something."""
    heard = {
        "console": lambda said: shown.note_error(said.type, said.text),
        "pageerror": lambda error: shown.errors.append(str(error)),
        "request": lambda request: shown.requested.add(urlsplit(request.url).netloc),
    }
    for event, listener in heard.items():
        page.on(event, listener)
    try:
        yield
    finally:
        for event, listener in heard.items():
            page.remove_listener(event, listener)


@dataclass
class Notebook:
    """A notebook that is open in JupyterLab.

    Args:
        page: The page.
        path: Its file.
        errors: What went wrong in the page, as its console has it.
        requested: The hosts that the page asked for something.
    """

    page: Page
    path: Path
    errors: list[str] = field(default_factory=list)
    requested: set[str] = field(default_factory=set)
    _count: int = 0

    def note_error(self, kind: str, text: str) -> None:
        """Note what the console says."""
        if kind == "error":
            self.errors.append(text)

    def perform(self, command: str, index: int | None = None, *, confirms: bool = False) -> None:
        """Do what a command of JupyterLab does, at a cell, and wait for its end."""
        self._count += 1
        self.page.evaluate(PERFORM, [command, index, self._count])
        if confirms:
            self.page.click(".jp-Dialog .jp-mod-accept")
        self.page.wait_for_function(f"() => window.finished[{self._count}]")

    def run_all(self) -> None:
        """Choose *Run All Cells*."""
        self.perform("notebook:run-all-cells")

    def restart_and_run_all(self) -> None:
        """Choose *Restart Kernel and Run All Cells…* and confirm."""
        self.perform("notebook:restart-run-all", confirms=True)

    def run(self, index: int, source: str | None = None) -> None:
        """Run one cell, edited first where a source is given."""
        if source is not None:
            self.page.evaluate(EDIT, [index, source])
        self.perform("notebook:run-cell", index)

    def start(self, index: int, source: str) -> None:
        """Edit a cell and start it, without waiting for its end."""
        self.page.evaluate(EDIT, [index, source])
        self._count += 1
        self.page.evaluate(PERFORM, ["notebook:run-cell", index, self._count])

    def hold(self) -> None:
        """From now on bodies that do `HOLD` wait there."""
        self.path.with_name("held").touch()

    def let_go(self) -> None:
        """Let all bodies go on."""
        self.path.with_name("held").unlink()

    def restart(self) -> None:
        """Choose *Restart Kernel…* and confirm."""
        self.perform("kernelmenu:restart", confirms=True)

    def reload(self) -> None:
        """Load the page anew."""
        self.page.reload()
        self.page.wait_for_function(IS_READY)

    def count_cells(self) -> int:
        """How many cells there are."""
        return int(self.page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets.length"))

    def save(self) -> None:
        """Save the notebook."""
        self.perform("docmanager:save")

    def cell(self, index: int) -> Any:
        """The cell's element; it is scrolled into view, as cells far away are not drawn."""
        self.page.evaluate(
            "index => window.jupyterapp.shell.currentWidget.content.scrollToItem(index)", index
        )
        return self.page.locator(f".jp-Notebook .jp-Cell[data-windowed-list-index='{index}']")

    def badge(self, index: int) -> Any:
        """The badge below a cell."""
        return self.cell(index).locator(".nbf-b")

    def keep(self, shown: Any, name: str, *, within: str = ".nbf-flow") -> None:
        """Keep a picture of an element; what lies within others breaks no rule of accessibility."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        shown.screenshot(path=PICTURES / f"{name}.png", animations="disabled")
        found = Axe().run(self.page, context=within).response["violations"]
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []

    # --- the live view -------------------------------------------------------------------------

    @property
    def view(self) -> Any:
        """The live view of the flow."""
        return self.page.locator(".nbf-flow")

    def task(self, name: str, **attributes: str) -> Any:
        """A task in the graph, with these of its attributes: `look`, `state`."""
        given = "".join(f"[data-{key}='{value}']" for key, value in attributes.items())
        return self.view.locator(f"[data-task='{name}']{given}").first

    def known(self, name: str) -> Any:
        """The panel of details, when it knows all about a task."""
        return self.view.locator(f".side[data-known='{name}']")

    def open_tab(self, tab: str) -> None:
        """Choose a tab of the view, and wait until it shows something."""
        self.view.locator(f"#tab-{tab}").click()
        self.page.wait_for_selector(f".nbf-flow[data-tab={tab}]")
        self.view.locator(".main :is(.node, tbody tr, .lane, .more:not(:empty))").first.wait_for()

    def press(self, what: str) -> None:
        """Press a button of the view, without waiting for what comes of it."""
        self.view.locator(f"[data-do='{what}']").click()

    def do(self, what: str) -> None:
        """Press a button of the view and wait until it is done."""
        self.press(what)
        self.page.wait_for_selector(".nbf-flow[data-act=done]")


@contextmanager
def running_lab(folder: Path, app: str = "jupyterlab") -> Iterator[Lab]:
    """An application on loopback over a folder, with its own settings, and a browser that reaches only it.

    It talks with kernels by sockets in the file system: a port that is free may be taken before it is bound.
    """
    browser_path = find_browser()
    runtime = mkdtemp()  # a socket's path must be short
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", app, "--no-browser", "--allow-root", "--ip=127.0.0.1"),
            *("--port=0", f"--ServerApp.root_dir={folder}", "--KernelManager.transport=ipc"),
            *("--IdentityProvider.token=", "--ServerApp.password=", "--expose-app-in-browser"),
        ],
        env={**_environment(folder / ".jupyter"), "JUPYTER_RUNTIME_DIR": runtime},
        stderr=subprocess.PIPE,
        text=True,
    )
    drain: subprocess.Popen[bytes] | None = None
    try:
        with open(folder / "server.log", "w") as log:
            address = _address_of(server, log)
            drain = subprocess.Popen(["cat"], stdin=server.stderr, stdout=log)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=OFFLINE)
            yield Lab(address, folder, browser, app)
            browser.close()
    finally:
        server.terminate()
        server.wait()
        assert server.stderr is not None
        server.stderr.close()
        if drain is not None:
            drain.wait()
        shutil.rmtree(runtime, ignore_errors=True)  # the last kernels may be about to leave it


def _address_of(server: subprocess.Popen[str], log: Any) -> str:
    """Wait until it runs; the system chose its port."""
    assert server.stderr is not None
    said: list[str] = []
    for line in server.stderr:
        log.write(line)
        said.append(line)
        if address := re.search(r"http://127\.0\.0\.1:\d+", line):
            return address[0]
    raise RuntimeError("the server did not start:\n" + "".join(said))


def _environment(home: Path) -> dict[str, str]:
    settings = home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
    places = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
        "NBFLOW_STATE": "state",
    }
    told = {name: str(home / place) for name, place in places.items()}
    return {**os.environ, **told, "OMP_NUM_THREADS": "1"}
