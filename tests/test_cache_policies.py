"""Cache policies: their algebra, their keys, and how they are written."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.cache_policies import (
    DEFAULT,
    FLOW_PARAMETERS,
    INPUTS,
    NO_CACHE,
    POLICIES,
    RUN_ID,
    TASK_SOURCE,
    CachePolicy,
    KeyParts,
    parse_policy,
)
from nbflow.exceptions import OptionError

PARTS = KeyParts(task="t1", source="s1", inputs={"x": "1", "y": "2"}, parameters={"year": "3"}, run="r1")

policies = st.builds(
    lambda parts, names: sum(parts, NO_CACHE) - names,
    st.lists(st.sampled_from(list(POLICIES.values()))),
    st.sets(st.sampled_from("xyz")),
)


class TestAlgebra:
    """`+` and `-` behave as on sets."""

    @given(policies, policies, policies)
    def test_addition(self, one: CachePolicy, two: CachePolicy, three: CachePolicy) -> None:
        """Order and grouping do not matter, and NO_CACHE changes nothing."""
        assert one + two == two + one
        assert (one + two) + three == one + (two + three)
        assert one + one == one == one + NO_CACHE == NO_CACHE + one

    @given(policies)
    def test_none_is_dropped(self, policy: CachePolicy) -> None:
        """As in Prefect 3."""
        assert policy + None == None + policy == policy

    def test_default(self) -> None:
        """Equal inputs and equal code."""
        assert DEFAULT == INPUTS + TASK_SOURCE
        assert not NO_CACHE
        assert DEFAULT

    @pytest.mark.parametrize("nonsense", [3, object()])
    def test_only_names_can_be_left_out(self, nonsense: object) -> None:
        """Anything else is a mistake in the user's code."""
        with pytest.raises(TypeError):
            DEFAULT - nonsense  # pyright: ignore
        with pytest.raises(TypeError):
            DEFAULT + nonsense  # pyright: ignore

    @given(policies)
    def test_the_representation_can_be_read_back(self, policy: CachePolicy) -> None:
        """What a user sees is what he can write."""
        assert parse_policy(repr(policy)) == policy


class TestKey:
    """What must be equal."""

    @pytest.mark.parametrize(
        ("policy", "key"),
        [
            (NO_CACHE, None),
            (INPUTS, (("task", "t1"), ("inputs.x", "1"), ("inputs.y", "2"))),
            (TASK_SOURCE, (("source", "s1"),)),
            (RUN_ID, (("task", "t1"), ("run", "r1"))),
            (FLOW_PARAMETERS, (("task", "t1"), ("parameters.year", "3"))),
            (DEFAULT, (("inputs.x", "1"), ("inputs.y", "2"), ("source", "s1"))),
            (INPUTS - "x", (("task", "t1"), ("inputs.y", "2"))),
            (DEFAULT - ["x", "y"], (("source", "s1"),)),
            (TASK_SOURCE - "x", (("source", "s1"),)),
        ],
    )
    def test_parts(self, policy: CachePolicy, key: tuple[tuple[str, str], ...] | None) -> None:
        """In a fixed order; the task's identity where no code is named."""
        assert policy.key(PARTS) == key

    @given(policies, policies)
    def test_the_order_of_writing_does_not_matter(self, one: CachePolicy, two: CachePolicy) -> None:
        """Neither that of the policy nor that of the inputs."""
        turned = replace(PARTS, inputs={"y": "2", "x": "1"})
        assert (one + two).key(PARTS) == (two + one).key(turned)

    @given(policies)
    def test_two_tasks_never_share_by_accident(self, policy: CachePolicy) -> None:
        """Another task with other code has another key."""
        key = policy.key(PARTS)
        assert key is None or key != policy.key(replace(PARTS, task="t2", source="s2"))

    @pytest.mark.parametrize(
        ("policy", "parts"),
        [
            (INPUTS, replace(PARTS, inputs={"x": ""})),
            (INPUTS, replace(PARTS, inputs={})),
            (DEFAULT, replace(PARTS, source="")),
            (INPUTS + RUN_ID, replace(PARTS, run="")),
            (FLOW_PARAMETERS, replace(PARTS, parameters={})),
        ],
    )
    def test_what_is_not_known_is_never_equal(self, policy: CachePolicy, parts: KeyParts) -> None:
        """Without a digest, a flow run or anything to compare there is no key."""
        assert policy.key(parts) is None

    def test_a_task_without_inputs_has_its_code(self) -> None:
        """DEFAULT caches it."""
        assert DEFAULT.key(replace(PARTS, inputs={})) == (("source", "s1"),)

    @given(policies, st.sampled_from("xy"))
    def test_an_argument_counts_unless_left_out(self, policy: CachePolicy, name: str) -> None:
        """A change of it changes the key exactly where the policy looks at it."""
        changed = replace(PARTS, inputs={**PARTS.inputs, name: "9"})
        looks = "INPUTS" in policy.parts and name not in policy.without
        assert (policy.key(changed) != policy.key(PARTS)) == (looks and policy.key(PARTS) is not None)


class TestParse:
    """How policies are written in a task header."""

    @pytest.mark.parametrize(("name", "policy"), POLICIES.items())
    def test_names(self, name: str, policy: CachePolicy) -> None:
        """Each policy by its name."""
        assert parse_policy(f" {name} ") == policy

    def test_expressions(self) -> None:
        """Sums, and arguments that are left out."""
        assert parse_policy("INPUTS + TASK_SOURCE - 'x' - \"y\"") == DEFAULT - ["x", "y"]

    def test_an_unknown_name(self) -> None:
        """The nearest one is offered."""
        with pytest.raises(OptionError, match="'INPUT'; did you mean 'INPUTS'"):
            parse_policy("INPUT + RUN_ID")

    @pytest.mark.parametrize(
        "text", ["", "INPUTS -", "'x'", "INPUTS - 3", "INPUTS * RUN_ID", "INPUTS + 'x'", "-INPUTS"]
    )
    def test_anything_else(self, text: str) -> None:
        """The message shows how it is written."""
        with pytest.raises(OptionError, match="is no cache policy; write for example"):
            parse_policy(text)
