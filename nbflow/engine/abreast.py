"""Runs that go on at the same time, each on a namespace of its own, while one thread decides and records.

Bodies run elsewhere; whatever else belongs to a run happens in the thread that drives the work, in the
context variables of that run, so that what one watches is not seen by another.
"""

from __future__ import annotations

from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nbflow.engine.effects import Ended, Outcome
from nbflow.engine.requests import Alone, Execution, Rest, Together, Turn, Waiting
from nbflow.engine.stateful import Kept
from nbflow.engine.timers import TIMERS
from nbflow.engine.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator
    from contextvars import Context

    from nbflow.engine.book import Step
    from nbflow.engine.enact import Executing, Finished
    from nbflow.engine.requests import Request, Working
    from nbflow.engine.turns import Ticket

MOST: Final = 64
"""How many runs go on at a time: many, since bodies elsewhere mostly wait."""


@dataclass(slots=True, eq=False)
class Going:
    """A run that goes on.

    Args:
        step: Its step.
        work: What remains to be done.
        end: Called with how it finished; says whether its step is up to date by it.
        context: The context variables of the run; None once it goes on by itself.
        asked: What it waits for.
        answer: The answer to come; None where it waits until it is alone.
        beside: The steps that ran at the same time.
        whole: What it is a part of; None where it is a run for itself.
        works: What is to be done as parts of it and has not begun; None where nothing is.
        parts: How many parts of it go on.
        stop: What kept parts of it from beginning.
        ticket: The turn of its body, until that has ended.
    """

    step: Step
    work: Working[Any]
    end: Callable[[Any], bool]
    context: Context | None = field(default_factory=copy_context)
    asked: Request | None = None
    answer: Future[Any] | None = None
    beside: set[str] = field(default_factory=set[str])
    whole: Going | None = None
    works: Iterator[Working[None]] | None = None
    parts: int = 0
    stop: BaseException | None = None
    ticket: Ticket | None = None

    @property
    def is_made_of_parts(self) -> bool:
        """Whether it only waits for its parts."""
        return isinstance(self.asked, Together)

    def next_part(self) -> Going | None:
        """What can begin as one more part of it; None where nothing is left."""
        if self.works is None or self.context is None:
            return None
        work = self.context.run(next, self.works, None)
        if work is None:
            self.works = None
            return None
        self.parts += 1
        return Going(self.step, work, _nobody, self.context.copy(), whole=self)

    def end_parts(self) -> None:
        """It goes on if all parts have ended."""
        answer = self.answer if self.works is None and not self.parts else None
        if answer is not None and not answer.done():
            answer.set_result(self.stop)

    def move(self, how: Callable[[Any], Request], what: object) -> Request:
        """Go on until the next request, by sending or throwing in what it waited for."""
        self.asked = how(what) if self.context is None else self.context.run(how, what)
        return self.asked


class Abreast:
    """The runs that go on at the same time.

    Args:
        seeded: The global generators whose states stand for versions, so that they have to stay.
        errors: Gives what steps have raised; Stop is noted there for one that it ends between two attempts.
        room: Says of a step who has places for its body, and how many.
    """

    def __init__(
        self,
        seeded: Callable[[], Iterable[str]],
        errors: Callable[[], dict[str, BaseException]],
        room: Callable[[Step], tuple[Hashable, int]],
    ) -> None:
        self._room, self.turns = room, Turns()
        self._seeded = seeded
        self._states = Kept()
        self._going: dict[str, Going] = {}
        self._parts: list[Going] = []
        self._errors = errors
        self._ended: dict[str, bool] = {}
        self._waits_for: dict[str, str] = {}
        self.beside: dict[str, set[str]] = {}
        """Of each step that ended here, those that ran at the same time."""

    def __len__(self) -> int:
        return len(self._going)

    def __contains__(self, step: str) -> bool:
        return step in self._going

    def __iter__(self) -> Iterator[Step]:
        return iter([going.step for going in self._going.values()])

    @property
    def is_full(self) -> bool:
        """Whether nothing more may be started now."""
        asks = any(isinstance(each.asked, Alone) for each in self._going.values())
        return asks or not self._has_room

    @property
    def begun(self) -> list[Step]:
        """The steps whose bodies run now."""
        return list(dict.fromkeys(each.step for each in self._all if isinstance(each.asked, Execution)))

    @property
    def is_at_rest(self) -> bool:
        """Whether all that goes on waits for turns, which are held back."""
        return self.turns.is_held and all(isinstance(each.asked, Turn | Together) for each in self._all)

    @property
    def _has_room(self) -> bool:
        return sum(not each.is_made_of_parts for each in self._all) < MOST

    @property
    def _all(self) -> list[Going]:
        """All that goes on, parts before what they are parts of."""
        return [*self._parts, *self._going.values()]

    def each(
        self,
        steps: Iterable[Step],
        bring: Callable[[Step], Working[bool | None]],
        is_over: Callable[[], bool],
    ) -> Working[set[str]]:
        """Bring steps up to date in order; what has to wait for runs that go on is tried again after them.

        Args:
            steps: The steps.
            bring: Brings one up to date and says whether it is; None: it has to wait.
            is_over: Whether nothing more is to be started.

        Returns:
            The identifiers of those that are up to date by it.
        """
        left, done = list(steps), set[str]()
        self._ended.clear()
        while left and not is_over():
            waiting: list[Step] = []
            for step in left:
                result = None
                if step.id in self._ended:
                    result = self._ended[step.id]
                elif not is_over() and not self._has_to_wait(step):
                    result = yield from bring(step)
                if result is None:
                    waiting.append(step)
                elif result:
                    done.add(step.id)
            left = waiting
            if left:
                yield from self.wait()
        yield from self.settle()
        return done

    def twin(self, step: Step) -> Step | None:
        """One of equal code that goes on: a step may have its result instead of a run of its own."""
        return next((going.step for going in self._going.values() if _are_equal(going.step, step)), None)

    def let_wait(self, step: Step, other: str) -> None:
        """Note for whom a step has to wait; for one that waits itself, where that one does."""
        self._waits_for[step.id] = self._waits_for.get(other, other)

    def _has_to_wait(self, step: Step) -> bool:
        if not self._going:
            return False
        return self.is_full or step.id in self._going or self._waits_for.get(step.id, "") in self

    def start(self, step: Step, work: Executing, end: Callable[[Finished], bool]) -> Working[None]:
        """Let a run begin beside the others."""
        if not self._going:
            self._states.note()
        going = Going(step, work, end, beside=set(self._going))
        for other in self._going.values():
            other.beside.add(step.id)
        self._going[step.id] = going
        yield from self._move(going, work.send, None)

    def wait(self) -> Working[None]:
        """Wait until some of them can go on, and let these."""
        yield from self._begin_parts()
        answers = [going.answer for going in self._all if going.answer is not None]
        if not answers:
            yield from self._go_on_alone()
            return
        try:
            yield Waiting(tuple(answers))
        except KeyboardInterrupt as stop:
            yield from self._stop(stop.with_traceback(None))  # where it was waited is nobody's matter
            return
        # Listed first, because whoever ends is taken out of them meanwhile.
        for going in [each for each in self._all if each.answer is not None and each.answer.done()]:
            yield from self._move(going, going.work.send, _answer_of(going))

    def _begin_parts(self) -> Working[None]:
        """Let parts begin as long as there is room."""
        for whole in [each for each in self._going.values() if each.works is not None]:
            while self._has_room and (part := whole.next_part()) is not None:
                self._parts.append(part)
                yield from self._move(part, part.work.send, None)
            whole.end_parts()

    def settle(self) -> Working[None]:
        """Wait until all have ended."""
        while self._going:
            yield from self.wait()

    def _go_on_alone(self) -> Working[None]:
        """Those that have to be alone go on, one after the other, as if nobody had run beside them."""
        self._states.put_back(self._seeded())
        for going in list(self._going.values()):
            going.context = None
            yield from self._move(going, going.work.send, None)

    def _move(self, going: Going, how: Callable[[Any], Request], what: object) -> Working[None]:
        """Let one go on until it has to wait for something, or ends."""
        going.answer = None
        if isinstance(going.asked, Execution):
            self._leave(going)
        try:
            request = going.move(how, what)
            while not (isinstance(request, Alone) and going.context is not None):
                onward = yield from self._asked(going, request)
                if onward is None:
                    return
                request = going.move(*onward)
        except StopIteration as end:
            self._forget(going)
            if going.whole is None:
                self._ended[going.step.id] = going.end(end.value)
        except BaseException as error:
            self._forget(going)
            if not isinstance(error, KeyboardInterrupt):
                raise
            self._errors()[going.step.id] = error

    def _answer_to(self, going: Going, request: Request) -> Future[Any] | None:
        """What is to come for a request that is answered here; None where whoever drives all answers it."""
        if isinstance(request, Rest):
            return TIMERS.at(request.until)
        if isinstance(request, Together):
            going.works = request.works
            return Future()
        if isinstance(request, Turn):
            self._leave(going)
            going.ticket = self.turns.ask(*self._room(going.step))
            return going.ticket.come
        return None

    def _asked(
        self, going: Going, request: Request
    ) -> Working[tuple[Callable[[Any], Request], object] | None]:
        """How a run goes on, and with what, now that it is answered; None: the answer is to come."""
        answer: object = self._answer_to(going, request)
        if answer is None:
            try:
                answer = yield request
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever asked
                return going.work.throw, error
        if not isinstance(answer, Future):
            return going.work.send, answer
        if isinstance(request, Turn) and answer.done():
            return going.work.send, None
        going.answer = answer
        return None

    def _stop(self, stop: KeyboardInterrupt) -> Working[None]:
        """End all: what has finished counts, what runs is given up."""
        for whole in self._going.values():
            if whole.works is not None:
                whole.works, whole.stop = None, stop
        for going in self._all:
            if going.is_made_of_parts:
                going.end_parts()
            is_done = going.answer is not None and going.answer.done()
            if is_done and not isinstance(going.asked, Turn):
                yield from self._move(going, going.work.send, _answer_of(going))
                continue
            if going.answer is not None:
                going.answer.cancel()
            if isinstance(going.asked, Execution):
                given_up = Outcome(going.asked.call.attempt, Ended.RAISED, stop)
                yield from self._move(going, going.work.send, given_up)
            else:
                yield from self._move(going, going.work.throw, stop)

    def _leave(self, going: Going) -> None:
        """Let another body have its turn."""
        if going.ticket is not None:
            ticket, going.ticket = going.ticket, None
            self.turns.leave(ticket)

    def _forget(self, going: Going) -> None:
        self._leave(going)
        if going.whole is not None:
            self._parts.remove(going)
            going.whole.parts -= 1
            going.whole.end_parts()
            return
        del self._going[going.step.id]
        if not self._going:
            self._states.put_back(self._seeded())
        self.beside[going.step.id] = going.beside


def _nobody(_: object) -> bool:
    """Who asked for a part learns of its end by itself."""
    return True


def _answer_of(going: Going) -> object:
    return going.answer.result() if going.answer is not None else None


def _are_equal(step: Step, other: Step) -> bool:
    return step.ran is not None and other.ran is not None and step.ran.static_key == other.ran.static_key
