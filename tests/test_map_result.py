"""What a name holds that a body has bound once for each element."""

from __future__ import annotations

import copyreg
import pickle

import pytest

from nbflow import digest
from nbflow.engine.map_result import MapResult, Unread


class TestReading:
    """By position and by element."""

    def test_items_keep_the_order_of_the_elements(self) -> None:
        """It is read as a list is."""
        result = MapResult([30, 10, 20], [3, 1, 2])
        assert (list(result), len(result), result[-1], result[:2]) == ([30, 10, 20], 3, 20, [30, 10])

    def test_an_element_finds_its_item(self) -> None:
        """A number is a position for the brackets and an element for `of`."""
        assert MapResult([5, 6], ["a", "b"])["b"] == 6
        assert MapResult([5, 6], [1, 0]).of(1) == 5

    @pytest.mark.parametrize("elements", [[[1], [2]], [1, 1]])
    def test_elements_that_tell_nothing_apart_are_refused(self, elements: list[object]) -> None:
        """Neither what cannot be hashed nor what stands there twice finds an item."""
        with pytest.raises(TypeError, match="position"):
            MapResult([5, 6], elements).of(elements[0])

    def test_what_is_not_there(self) -> None:
        """It is said what there is, and how else it may have been meant."""
        result = MapResult([5, 6], [7, "a"])
        with pytest.raises(IndexError, match=r"no item 7: this has items 0 to 1; \.of\(7\) is the value"):
            result[7]
        with pytest.raises(IndexError, match=r"no item -3: this has items 0 to 1$"):
            result[-3]
        with pytest.raises(IndexError, match="no items"):
            MapResult([], [])[0]
        with pytest.raises(KeyError, match="the body was not run for 'b'"):
            result["b"]

    def test_a_failed_item_raises_its_error(self) -> None:
        """The others can be read, and it can be shown."""
        result = MapResult([5, Unread(ValueError("no"))], [1, 2])
        assert result[0] == 5
        with pytest.raises(ValueError, match="no"):
            list(result)
        assert repr(result) == "MapResult([5, <ValueError('no')>])"


class Odd(Exception):
    """One that cannot be copied, as it wants other arguments than it passes on."""

    def __init__(self, place: int, why: str) -> None:
        super().__init__(why)


class TestErrors:
    """What a reader of a failed item gets is his own."""

    def test_reading_does_not_change_the_value(self) -> None:
        """Its digest is the same, and no reader is told of another."""
        result = MapResult([Unread(ValueError("no"))], [1])
        before, lengths = digest(result), set[int]()
        for _ in range(3):
            with pytest.raises(ValueError, match="no") as raised:
                result[0]
            lengths.add(len(raised.traceback))
        assert digest(result) == before
        assert len(lengths) == 1

    def test_copies_that_share_their_attributes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As libraries have it that send exceptions with their tracebacks."""

        def shared(error: ValueError) -> object:
            return sharing, (error.__dict__,)

        def sharing(attributes: dict[str, object]) -> ValueError:
            made = ValueError("no")
            made.__dict__ = attributes
            return made

        monkeypatch.setitem(copyreg.dispatch_table, ValueError, shared)
        result = MapResult([Unread(ValueError("no"))], [1])
        before = digest(result)
        with pytest.raises(ValueError, match="no"):
            result[0]
        assert digest(result) == before

    def test_it_is_as_the_item_raised_it(self) -> None:
        """With what it carries and where it came from."""
        error = ValueError("no", 3)
        error.__cause__ = KeyError("k")
        with pytest.raises(ValueError, match="no") as raised:
            MapResult([Unread(error)], [1]).of(1)
        assert raised.value.args == ("no", 3)
        assert raised.value.__cause__ is error.__cause__

    def test_one_that_cannot_be_copied(self) -> None:
        """Is raised itself."""
        error = Odd(1, "no")
        with pytest.raises(Odd) as raised:
            MapResult([Unread(error)], [1])[0]
        assert raised.value is error


class TestContent:
    """It is a value as others are."""

    def test_equal_items_and_elements_are_equal(self) -> None:
        """Also by digest, and after it was stored."""
        one, other = MapResult([[5]], ["a"]), MapResult([[5]], ["b"])
        assert pickle.loads(pickle.dumps(one)) == one
        assert one != other
        assert digest(pickle.loads(pickle.dumps(one))) == digest(one) != digest(other)
