"""Keys of calls: by policy, by function, by validator."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from nbflow import task
from nbflow.cache_policies import DEFAULT, FLOW_PARAMETERS, INPUTS, NO_CACHE, RUN_ID
from nbflow.engine.cache_validators import all_inputs, duration_only, never_use, partial_inputs_only
from nbflow.engine.signals import FAIL
from nbflow.exceptions import CacheError
from nbflow.options import take_options
from nbflow.running.keys import CallKey, KeyContext, Rules, key_of_call, rules_of
from nbflow.running.runs import Run
from nbflow.tasks import task_input_hash


def total(x: int = 1, y: int = 2) -> int:
    """A sum."""
    return x + y


def key(rules: Rules, parameters: dict[str, Any] | None = None, **arguments: Any) -> CallKey | None:
    """The key of a call of `total`."""
    return key_of_call(Run("r1", "total", task(total)), rules, arguments, parameters or {})


def keys(rules: Rules, **arguments: Any) -> tuple[str, ...]:
    """The texts of a key."""
    made = key(rules, **arguments)
    assert made is not None
    return made.keys


class TestRules:
    """How options are meant."""

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({}, None),
            ({"cache_policy": DEFAULT}, Rules(DEFAULT)),
            ({"cache_policy": DEFAULT, "ignore": ["x"]}, Rules(DEFAULT - "x")),
            ({"cache_policy": NO_CACHE}, None),
            ({"cache_policy": NO_CACHE, "cache_for": 60}, None),
            ({"cache_policy": DEFAULT, "persist_result": False}, None),
            ({"persist_result": True}, Rules(DEFAULT + RUN_ID)),
            ({"cache_expiration": 60}, Rules(DEFAULT, lasts=60.0)),
            ({"cache_policy": INPUTS, "cache_expiration": 60, "cache_for": 30}, Rules(INPUTS, lasts=30.0)),
            ({"cache_for": 60}, Rules(validator=duration_only, lasts=60.0)),
            ({"cache_for": 0}, Rules(validator=duration_only, lasts=0.0)),
            ({"cache_validator": all_inputs}, Rules(validator=all_inputs)),
            ({"cache_for": 60, "cache_validator": never_use}, None),
            ({"cache_policy": INPUTS, "cache_validator": all_inputs}, Rules(INPUTS, None, all_inputs)),
            ({"cache_key_fn": total, "cache_policy": INPUTS}, Rules(key_function=total)),
            ({"refresh_cache": True}, None),
            ({"cache_key": "K"}, None),
        ],
    )
    def test_what_is_asked_for(self, options: dict[str, Any], expected: Rules | None) -> None:
        """One policy, one function, or one validator; and how long."""
        assert rules_of(take_options(options)) == expected

    def test_a_flow_that_persists(self) -> None:
        """Asks for its tasks, unless they say otherwise."""
        assert rules_of(take_options({}), True) == Rules(DEFAULT + RUN_ID)
        assert rules_of(take_options({"persist_result": False}), True) is None
        assert rules_of(take_options({"cache_policy": DEFAULT}), False) is None


class TestByPolicy:
    """What a policy names."""

    def test_defaults_are_arguments(self) -> None:
        """Whether given or not."""
        assert keys(Rules(DEFAULT)) == keys(Rules(DEFAULT), y=2) != keys(Rules(DEFAULT), y=3)

    def test_what_is_not_compared_is_told(self) -> None:
        """Arguments left out, all of them, or the code."""
        told = [key(Rules(policy)) for policy in (DEFAULT, DEFAULT - "x", INPUTS, RUN_ID)]
        assert [made.unequal for made in told if made is not None] == [
            "",
            "x not compared",
            "code not compared",
            "inputs, code not compared",
        ]

    def test_nothing_to_compare(self) -> None:
        """Is no key."""
        assert key(Rules(FLOW_PARAMETERS)) is None
        assert key(Rules(INPUTS - "x" - "y")) is None

    def test_an_unknown_input(self) -> None:
        """Is an error, unless it does not count."""
        with pytest.raises(CacheError, match="input 'x' of 'total' is a lock"):
            key(Rules(DEFAULT), x=threading.Lock())
        assert key(Rules(DEFAULT - "x"), x=threading.Lock()) is not None

    def test_secrets(self, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Count by a digest that needs the user's own key."""

        def call(token: str) -> None: ...

        run, digests = Run("r1", "call", task(call)), []
        for user in ("one", "other"):
            monkeypatch.setenv("NBFLOW_STATE", str(tmp_path / user))
            for _ in range(2):
                made = key_of_call(run, Rules(DEFAULT), {"token": "a"}, {})
                assert made is not None
                digests.append(made.inputs.digests["token"])
        assert digests[0] == digests[1] != digests[2] == digests[3]


class TestByFunction:
    """A key of one's own."""

    @pytest.mark.parametrize("wrong", [42, b"k", ["k"]])
    def test_what_is_no_text(self, wrong: object) -> None:
        """Fails the run."""
        with pytest.raises(FAIL, match="it must return a text, or None"):
            key(Rules(key_function=lambda context, given: wrong))

    def test_the_text_is_all(self) -> None:
        """Arguments and code do not count."""
        rules = Rules(key_function=lambda context, given: "k")
        assert keys(rules, x=1) == keys(rules, x=2)


class TestInputHash:
    """Prefect 2's key function."""

    def test_task_code_and_inputs_count(self) -> None:
        """And further keyword arguments as others do."""

        def load(year: int, **more: Any) -> None: ...

        def hash_of(of: Any, given: dict[str, Any]) -> str | None:
            run = Run("r1", "load", of)
            return task_input_hash(KeyContext(of, run, given), given)

        given = {"year": 1, "origin": "JFK"}
        of = task(load)
        assert hash_of(of, given) == hash_of(of, dict(given))
        others = [hash_of(of, {**given, "origin": "EWR"}), hash_of(task(load, name="other"), given)]
        assert len({hash_of(of, given), *others}) == 3


class TestByValidator:
    """Keys of the same inputs, and of all results of the code."""

    def test_what_is_compared_is_in_all_keys(self) -> None:
        """What is not, only in the first."""
        for validator, same in ((duration_only, 1), (partial_inputs_only(["x"]), 1), (all_inputs, 0)):
            rules = Rules(validator=validator)
            one, other = keys(rules, y=3), keys(rules, y=4)
            assert (one[0] != other[0], len(set(one) & set(other))) == (True, same)

    def test_whether_others_share_it(self) -> None:
        """Not where all inputs are compared, or there are none."""
        assert key(Rules(validator=duration_only)).is_shared  # type: ignore[union-attr]
        assert not key(Rules(validator=all_inputs)).is_shared  # type: ignore[union-attr]

    def test_an_unknown_input(self) -> None:
        """Is an error only where it is compared."""
        made = key(Rules(validator=duration_only), x=threading.Lock())
        assert made is not None
        assert (len(made.keys), made.is_shared) == (1, True)
        with pytest.raises(CacheError, match="input 'x'"):
            key(Rules(validator=all_inputs), x=threading.Lock())
