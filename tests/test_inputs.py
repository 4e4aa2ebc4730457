"""Arguments of calls: what is to come in them, and how it comes to its place."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.running.inputs import allow_failure, flatten, gather, quote, unmapped


class Coming:
    """Stands for a result to come."""

    def __repr__(self) -> str:
        return "coming"


def _is_coming(value: object) -> bool:
    return isinstance(value, Coming)


trees = st.recursive(
    st.integers() | st.builds(Coming),
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=12,
)


def _replaced(tree: Any, by: int) -> Any:
    """The same tree with a number for all that is to come; a plain model of `fill`."""
    kind = cast("Any", type(tree))
    if kind is dict:
        return {key: _replaced(each, by) for key, each in tree.items()}
    if kind in (list, tuple):
        return cast("Any", kind)(_replaced(each, by) for each in tree)
    return by if kind is Coming else tree


class TestGather:
    """What is found."""

    @given(trees)
    def test_every_result_comes_to_its_place(self, tree: object) -> None:
        """However deep it lies."""
        inputs = gather({"x": tree}, _is_coming)
        assert inputs.fill(dict.fromkeys(inputs.edges, 7)) == {"x": _replaced(tree, 7)}

    def test_what_has_nothing_to_come_is_passed_itself(self) -> None:
        """It is not copied: bodies may change it, as in plain calls."""
        given_list = [1, [2], {"a": (3,)}]
        assert gather({"x": given_list}, _is_coming).fill({})["x"] is given_list

    def test_what_contains_itself(self) -> None:
        """Is passed as it is; what is beside that in it is found."""
        round_list: list[object] = [1]
        round_list.append(round_list)
        assert gather({"x": round_list}, _is_coming).fill({})["x"] is round_list
        round_list.append(one := Coming())
        assert [edge.upstream_task for edge in gather({"x": round_list}, _is_coming).edges] == [one]

    def test_beside_a_result_to_come_an_argument_may_contain_itself(self) -> None:
        """It is passed as it is."""
        one, round_list, round_dict = Coming(), list[object](), dict[str, object]()
        round_list.append([round_list])
        round_dict["self"] = round_dict
        inputs = gather({"x": round_list, "y": [one], "z": round_dict}, _is_coming)
        filled = inputs.fill({inputs.edges[0]: 7})
        assert filled["y"] == [7]
        assert filled["x"] is round_list
        assert filled["z"] is round_dict

    def test_one_result_in_two_arguments_makes_two_edges(self) -> None:
        """Each has the key of its argument."""
        one = Coming()
        edges = gather({"x": one, "y": [one, one]}, _is_coming).edges
        assert [(edge.upstream_task, edge.key) for edge in edges] == [(one, "x"), (one, "y")]

    def test_order_without_data(self) -> None:
        """Nothing of it is passed."""
        one = Coming()
        inputs = gather({"x": 1}, _is_coming, order=[one])
        assert [edge.key for edge in inputs.edges] == [None]
        assert inputs.fill({inputs.edges[0]: 5}) == {"x": 1}

    @pytest.mark.parametrize("more", [{}, {"y": Coming()}])
    def test_a_quoted_value_is_passed_as_it_is(self, more: dict[str, object]) -> None:
        """Also beside results to come."""
        one = Coming()
        inputs = gather({"x": quote([one]), **more}, _is_coming)
        assert inputs.fill(dict.fromkeys(inputs.edges, 7))["x"] == [one]
        assert [edge.key for edge in inputs.edges] == list(more)

    def test_failures_are_allowed_where_that_is_said(self) -> None:
        """And only there."""
        one, other = Coming(), Coming()
        inputs = gather({"x": allow_failure([one]), "y": other}, _is_coming)
        assert {edge.upstream_task for edge in inputs.allowed} == {one}
        assert inputs.fill(dict.fromkeys(inputs.edges, 7)) == {"x": [7], "y": 7}

    def test_marks_of_a_map_stay(self) -> None:
        """They are for whoever splits the arguments."""
        one = Coming()
        inputs = gather({"x": unmapped(one), "y": flatten([one])}, _is_coming)
        filled = inputs.fill({edge: [1] for edge in inputs.edges})
        assert filled["x"] == unmapped([1])
        assert filled["y"].elements() == [1]
