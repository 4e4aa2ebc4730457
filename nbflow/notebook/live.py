"""Live views: of a session, shown by `%flow`, and of explicit flows; told what changes, and what buttons do.

A view is a subscriber of the journal and looks at its flow between two cells: runs neither wait for it nor
know of it, and a fault of it ends the view alone.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from nbflow.exceptions import NbflowError
from nbflow.notebook.inquiry import Inquiry
from nbflow.notebook.link import WIDGET_VIEW
from nbflow.store.digests import key_digest
from nbflow.views import Shown
from nbflow.views.feed import Feed
from nbflow.views.scene import picture_of
from nbflow.views.widget import LiveView, is_installed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nbflow.engine.drive import Entered
    from nbflow.flows.base import BaseFlow
    from nbflow.notebook.session import Session
    from nbflow.views import FlowCard
    from nbflow.views.feed import Event
    from nbflow.views.scene import Picture

_SOON: Final = 0.03
_LATER: Final = 0.25
"""Seconds after which somebody who was put off because a cell runs asks again."""

_SHARE: Final = 1 / 30
_LONGEST: Final = 3.0
"""While cells run one after the other, looks take this share of the time, but none is put off any longer."""

_BACKLOG: Final = 500
"""How many states may wait to be told: they hold values, and must not heap up where a page is stuck."""

_STILL: Final = 1.0
"""Seconds after the last change until the static view is brought up to date."""

_AT_ONCE: Final[Mapping[str, str]] = {"stop": "_stop", "pause": "_pause", "go on": "_go_on"}
"""What is done while a cell runs, and whichever thread hears of it."""


@dataclass(frozen=True, slots=True, repr=False)
class LiveShown(Shown):
    """A flow that shows itself live; as text, or in a host without pages, it is a picture of the moment."""

    display: Callable[[], object] = lambda: None

    def _ipython_display_(self) -> None:
        self.display()

    def __nbflow_digest__(self) -> str:
        """A name that holds it is judged by what it shows, and not by the kernel behind that."""
        return self.text


class Pause(Protocol):
    """Holds back what is about to start; each may be done in any thread."""

    @property
    def is_asked(self) -> bool:
        """Whether what comes next will wait, or something does."""
        ...

    def ask(self) -> None:
        """Let nothing new start."""
        ...

    def go_on(self) -> None:
        """Let what waits start, and all after it."""
        ...

    def rest(self) -> bool:
        """No cell runs: whether something is held back all the same."""
        ...

    def note(self, entered: Entered, /) -> None:
        """A run entered a state."""
        ...


class Subject(Protocol):
    """A flow, as its live view needs it."""

    @property
    def mark(self) -> tuple[str, ...]:
        """What tells it from other flows, in each kernel."""
        ...

    @property
    def does(self) -> Sequence[str]:
        """What buttons can do with it."""
        ...

    @property
    def tab(self) -> str:
        """What its page shows first."""
        ...

    def knows_now(self, asked: Mapping[str, Any]) -> bool:
        """Whether a question can be answered at once, whatever runs and in any thread."""
        ...

    def pausing(self, tell: Callable[[str], object]) -> Pause:
        """What holds back runs of it; `tell` is called with the name of what waits, and with nothing then."""
        ...

    def card(self) -> FlowCard:
        """The flow as it stands; asked between two cells."""
        ...

    def still(self, card: FlowCard, key: str) -> Shown:
        """Its static view, under the mark by which a page finds it; without one, nobody will look for it."""
        ...

    def last_events(self) -> Sequence[Event]:
        """What its last runs went through, oldest first."""
        ...

    def begins(self, entered: Entered) -> FlowCard | None:
        """The flow as this state leaves it behind: a new run of it has begun; None where none has."""
        ...

    def joins(self, entered: Entered, card: FlowCard) -> FlowCard | None:
        """The flow with the run's task, of which nothing was shown yet; None where it has no place in it."""
        ...

    def ends(self, entered: Entered) -> bool:
        """Whether this state ends a run after which the flow has to be looked at."""
        ...

    def sees(self, entered: Entered) -> bool:
        """What has to be looked at while the state is entered, in the thread that enters it; next to free."""
        ...

    def event(self, entered: Entered, seen: bool) -> Event | None:
        """What its page is told of a state, given what `sees` saw; None where it is of another flow."""
        ...

    def answer(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer a question of the page, between two cells."""
        ...

    def answer_in_part(self, asked: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Answer while a cell runs, in any thread; None where nothing can be said."""
        ...

    def act(self, asked: Mapping[str, Any]) -> str:
        """Do what a button stands for, and say what came of it."""
        ...

    def stop(self) -> None:
        """Stop what runs, from any thread."""
        ...


class LiveViews:
    """The live views of a session: that of its own flow, and one for each explicit flow that was shown.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._own = LiveFlow(session, Inquiry(session))
        self._others: dict[str, LiveFlow] = {}

    def __nbflow_digest__(self) -> str:
        """A name that holds the session is not judged by the pages that show it."""
        return self._own.key

    @property
    def is_possible(self) -> bool:
        """Whether somebody would see a page, and what it takes is installed."""
        return self._session.around.link.is_open and is_installed()

    def show(self) -> Shown:
        """The session's flow: live where that is possible, else a picture of it."""
        self._session.remember()
        return self._own.show(is_live=self.is_possible)

    def show_flow(self, flow: BaseFlow) -> Shown:
        """An explicit flow: live where that is possible, else a picture of it."""
        # What only explicit flows need is imported with the first of them.
        subject = importlib.import_module("nbflow.notebook.explicit").subject_of(self._session, flow)
        made = LiveFlow(self._session, subject)
        return self._others.setdefault(made.key, made).show(is_live=self.is_possible)

    def display(self, flow: object) -> bool:
        """Show an explicit flow live, if a cell of the user's asks for it where that is possible.

        Returns:
            Whether it was shown.
        """
        if self._session.running is not None or not (self._session.around.link.is_here and self.is_possible):
            return False
        try:
            shown = self.show_flow(cast("BaseFlow", flow))
        except Exception:  # noqa: BLE001 - what cannot be shown live says so as it stands
            return False
        cast("LiveShown", shown).display()
        return True

    def follow(self) -> None:
        """Something changed: look at the session's flow when no cell runs."""
        self._own.follow()

    def close(self) -> None:
        """The kernel ends, or nbflow is taken out of it."""
        for view in (self._own, *self._others.values()):
            view.close()


class LiveFlow:
    """The live view of a flow, made when it is first shown.

    Args:
        session: The session of the notebook.
        subject: The flow.
    """

    def __init__(self, session: Session, subject: Subject) -> None:
        self._session = session
        self._link = session.around.link
        self._subject = subject
        self._view: LiveView | None = None
        self._asked: deque[Mapping[str, Any]] = deque()
        self._card: FlowCard | None = None
        self._saved: FlowCard | None = None
        self._placed: set[str] = set()
        self._is_due = self._is_still_due = self._is_acting = False
        self._looked_at = self._cost = 0.0
        self._unsubscribe: Callable[[], object] = lambda: None
        self._pausing = subject.pausing(self._tell_paused)
        self._noted: deque[tuple[Entered, bool]] = deque()
        self._gathering = threading.Lock()

    @property
    def key(self) -> str:
        """The mark of the flow's views; the same in each kernel."""
        around = self._session.around
        return key_digest("view", around.home, around.notebook, *self._subject.mark)[:12]

    def show(self, *, is_live: bool) -> Shown:
        """The flow: live, or a picture of it."""
        card = self._subject.card()
        shown = self._subject.still(card, self.key if is_live else "")
        if not is_live:
            return shown
        return LiveShown(shown.html, shown.text, shown.svg, lambda: self._display(card))

    def follow(self) -> None:
        """Something changed: look at the flow when no cell runs."""
        if self._view is not None and not self._is_due:
            self._is_due = True
            rest = min(self._cost / _SHARE, _LONGEST) - (time.monotonic() - self._looked_at)
            self._link.soon(self._look, max(_SOON, rest))

    def close(self) -> None:
        """The kernel ends, or nbflow is taken out of it."""
        self._unsubscribe()
        if self._view is not None:
            with suppress(Exception):
                self._view.close()
            self._view = None

    # --- showing -------------------------------------------------------------------------------

    def _display(self, card: FlowCard) -> None:
        """Put the static view on the screen, and a page in its place."""
        try:
            view = self._open(card)
        except Exception as fault:  # noqa: BLE001 - without a page there is the static view
            self._session.around.screen.say(f"the flow is not live here ({type(fault).__name__}: {fault})")
            view = None
        self._saved = card
        self._publish(card, view)

    def _publish(self, card: FlowCard, view: LiveView | None, *, updates: bool = False) -> None:
        bundle: dict[str, Any] = dict(self._subject.still(card, self.key).bundle())
        if view is not None and self._link.shows_widgets_apart:
            bundle[WIDGET_VIEW] = view.widget_bundle()
        self._session.around.screen.publish(bundle, id=f"nbflow-flow-{self.key}", updates=updates)

    def _open(self, card: FlowCard) -> LiveView:
        if self._view is not None and not self._view.is_closed:
            self._take(card)
            return self._view
        feed = Feed(time.monotonic)
        for event in self._subject.last_events():
            feed.note(event)
        feed.show(self._pictured(card))
        told = {"does": list(self._subject.does), "tab": self._subject.tab}
        feed.tell(**told, running=False, pauses=False, paused="")
        self._view = LiveView(self.key, feed, self._hear, self._gather)
        feed.waits = self._link.hear_while_busy(self._view.comm)
        feed.tell(hears=feed.waits)
        self._unsubscribe()
        # The page is told of a run before it is made to wait.
        journal = self._session.trunk.runs.journal
        ends = [journal.subscribe(self._note), journal.subscribe(self._pausing.note)]
        self._unsubscribe = lambda: [end() for end in ends]
        return self._view

    def _note(self, entered: Entered) -> None:
        """A run entered a state: the page is told soon, by a thread of its own."""
        view = self._view
        if view is None or view.is_closed:
            self._unsubscribe()
            return
        self._noted.append((entered, self._subject.sees(entered)))
        if len(self._noted) < _BACKLOG:
            view.wake()
        else:
            self._gather()

    def _gather(self) -> None:
        """Tell the feed what was noted, in the order in which it happened."""
        with self._gathering:
            while self._noted:
                self._feed(*self._noted.popleft())

    def _feed(self, entered: Entered, seen: bool) -> None:
        view = self._view
        if view is None:
            return
        left = self._subject.begins(entered)
        if left is not None:
            view.feed.begin(self._pictured(left))
        card = self._card
        if seen and card is not None and entered.spec.flow_run and entered.spec.name not in self._placed:
            joined = self._subject.joins(entered, card)
            if joined is not None:
                view.feed.join(self._pictured(joined))
        event = self._subject.event(entered, seen)
        if event is not None:
            view.feed.note(event)
            if self._subject.ends(entered):
                self.follow()

    # --- looking at the flow -------------------------------------------------------------------

    @property
    def _is_idle(self) -> bool:
        session = self._session
        return not (session.plain.is_running or session.running is not None or self._is_acting)

    def _look(self) -> None:
        """Tell the page how the flow stands now."""
        if not self._is_idle:
            self._link.soon(self._look, _LATER)
            return
        self._is_due, began = False, time.monotonic()
        # The last task may have run before one could be held back.
        self._tell(pauses=self._pausing.rest())
        if self._view is None or self._view.is_closed:
            return
        try:
            self._take(self._subject.card())
        except Exception as fault:  # noqa: BLE001 - the view ends, nothing else does
            self._session.around.screen.say(f"the view of the flow ended: {type(fault).__name__}: {fault}")
            self.close()
        self._looked_at = time.monotonic()
        self._cost = self._looked_at - began

    def _take(self, card: FlowCard) -> None:
        assert self._view is not None
        self._gather()
        self._view.feed.show(self._pictured(card))
        self._view.wake()
        if not self._is_still_due:
            self._is_still_due = self._link.soon(self._save_picture, _STILL)

    def _pictured(self, card: FlowCard) -> Picture:
        """A flow as the page draws it, everything where it was if nothing has been added."""
        self._card, self._placed = card, {task.name for task in card.tasks}
        return picture_of(card, at=self._view.feed.picture if self._view is not None else None)

    def _save_picture(self) -> None:
        """Bring the static view up to date, which is what a saved notebook keeps."""
        self._is_still_due = self._is_due and self._link.soon(self._save_picture, _STILL)
        if self._is_still_due:
            return
        card, saved = self._card, self._saved
        if card is None or saved is None or replace(card, now=saved.now) == saved:
            return
        self._saved = card
        with suppress(Exception):
            self._publish(card, self._view, updates=True)

    # --- being asked ---------------------------------------------------------------------------

    def _hear(self, content: Mapping[str, Any]) -> None:
        """The page says something, perhaps while a cell runs and in another thread."""
        if content.get("do") in _AT_ONCE:
            self._reply(content, text=getattr(self, _AT_ONCE[content["do"]])())
        elif "do" not in content and self._subject.knows_now(content):
            self._answer(content)
        elif self._link.is_here and self._is_idle:
            self._serve(content)
        else:
            if not self._is_idle:
                self._answer_in_part(content)
            self._asked.append(content)
            self._link.soon(self._serve_waiting)

    def _stop(self) -> str:
        if not self._is_working:
            return "nothing is running"
        self._subject.stop()
        return "stopping"

    def _pause(self) -> str:
        if not self._is_working:
            return "nothing is running"
        self._pausing.ask()
        self._tell(pauses=True)
        return "pausing before the next task"

    def _go_on(self) -> str:
        self._pausing.go_on()
        self._tell(pauses=False)
        return "going on"

    @property
    def _is_working(self) -> bool:
        self._gather()
        return self._view is not None and self._view.feed.is_working

    def _tell_paused(self, name: str) -> None:
        """Say which task waits until somebody lets it start; nothing where none does any more."""
        self._tell(paused=name, pauses=bool(name))

    def _tell(self, **parts: Any) -> None:
        if self._view is not None:
            self._view.feed.tell(**parts)
            self._view.wake()

    def _serve_waiting(self) -> None:
        if not self._is_idle:
            self._link.soon(self._serve_waiting, _LATER)
        elif self._asked:
            self._serve(self._asked.popleft())
            self._link.soon(self._serve_waiting)

    def _serve(self, content: Mapping[str, Any]) -> None:
        if "do" in content:
            self._act(content)
        else:
            self._answer(content)

    def _answer_in_part(self, content: Mapping[str, Any]) -> None:
        """Say that a cell runs, and what can be said meanwhile."""
        part = None
        with suppress(Exception):
            part = self._subject.answer_in_part(content)
        self._reply(content, waits=True, answer=part)

    def _answer(self, content: Mapping[str, Any]) -> None:
        try:
            self._reply(content, answer=self._subject.answer(content))
        except Exception as error:  # noqa: BLE001 - the page says it
            self._reply(content, error=_words(error))

    def _act(self, content: Mapping[str, Any]) -> None:
        """Do what a button stands for, as its line of `%flow` does."""
        self._is_acting = True
        try:
            with self._link.interruptible():
                said = self._subject.act(content)
            self._reply(content, text=said)
        except KeyboardInterrupt:
            self._reply(content, error="stopped")
        except Exception as error:  # noqa: BLE001 - the page says it
            self._reply(content, error=_words(error))
        finally:
            self._is_acting = False
            self.follow()

    def _reply(self, content: Mapping[str, Any], **parts: Any) -> None:
        if self._view is not None:
            self._view.reply(content.get("id"), **parts)


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, NbflowError) else f"{type(error).__name__}: {error}"
