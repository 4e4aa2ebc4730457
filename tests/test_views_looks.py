"""How verdicts and states look."""

from __future__ import annotations

from itertools import combinations

import pytest

from nbflow.states import TYPES, StateType
from nbflow.types import Verdict
from nbflow.views.cards import TaskCard
from nbflow.views.looks import ACTIONS, HUES, REGISTERED, STATES, VERDICTS, look_of, mixed


class TestLooks:
    """A state can be told without colours."""

    def test_every_state_and_verdict_has_a_look(self) -> None:
        """A new one must not be forgotten here."""
        assert set(STATES) == set(TYPES)
        assert set(VERDICTS) == set(Verdict)

    def test_words_of_verdicts_are_the_four(self) -> None:
        """Views use these words and no others."""
        assert [look.word for look in VERDICTS.values()] == [verdict.value for verdict in VERDICTS]

    def test_verdicts_differ_in_icon_and_colour(self) -> None:
        """No two of them are told apart by the word alone."""
        pairs = combinations(VERDICTS.values(), 2)
        assert all(one.icon != other.icon and one.hue != other.hue for one, other in pairs)

    def test_failures_are_octagons(self) -> None:
        """And nothing else is."""
        octagons = {name for name, look in STATES.items() if look.shape == "octagon"}
        assert octagons == {
            name for name, kind in TYPES.items() if kind in (StateType.FAILED, StateType.CRASHED)
        }

    def test_every_colour_has_a_rule(self) -> None:
        """Views colour by a class that is made from this list."""
        looks = [*STATES.values(), *VERDICTS.values(), *ACTIONS.values()]
        assert {look.hue for look in looks} <= set(HUES)

    @pytest.mark.parametrize("hue", HUES)
    @pytest.mark.parametrize(("ink", "paper"), [("#1b1f24", "#ffffff"), ("#ffffff", "#111111")])
    def test_words_can_be_read(self, hue: str, ink: str, paper: str) -> None:
        """Mixed with the text colour, each reaches the contrast that guidelines ask of text."""
        assert contrast(mixed(hue, 0.76, ink), paper) >= 4.5


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, as web guidelines define it."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """Relative luminance of a colour."""
    parts = [part / 255 for part in bytes.fromhex(colour[1:])]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


class TestWhichLook:
    """State or verdict, whichever is the news."""

    @pytest.mark.parametrize(
        ("verdict", "state", "word"),
        [
            (Verdict.STALE, "Running", "running"),
            (Verdict.FRESH, "Running", "running"),
            (Verdict.STALE, "Failed", "failed"),
            (Verdict.FRESH, "Failed", "fresh"),
            (Verdict.WAITS, "Crashed", "waits"),
            (Verdict.AS_OF, "Cancelled", "as of"),
            (Verdict.STALE, "Skipped", "skipped"),
            (Verdict.FRESH, "Skipped", "skipped"),
            (Verdict.STALE, "", "stale"),
            (Verdict.FRESH, "Cached", "fresh"),
            (None, "Completed", "completed"),
            (None, "", "not run"),
            (Verdict.STALE, "Napping", "stale"),
        ],
    )
    def test_of_a_task(self, verdict: Verdict | None, state: str, word: str) -> None:
        """An open run comes first; a bad end only where no good result stands."""
        assert look_of(TaskCard("x", verdict, state)).word == word

    def test_of_a_task_that_nobody_has_asked_for(self) -> None:
        """It is neither up to date nor not: it is only defined."""
        assert look_of(TaskCard("x", None, is_registered=True)) is REGISTERED
