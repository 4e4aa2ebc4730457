"""The book: bodies, places, orphans, and order as a value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.engine.book import Book, Step, Wiring, definition_body, read_body
from nbflow.engine.wiring import wired_body
from nbflow.exceptions import CellSyntaxError, UnknownTaskError
from nbflow.types import Hold, Licence, Standing, Trace


def step(name: str, source: str = "x = 1", *, plain: bool = False) -> Step:
    """A step that has not run."""
    return Step(name, name, read_body(source), Licence.USER if plain else Licence.FLOW, plain)


def book_of(*names: str) -> Book:
    """A book of steps in this order."""
    book = Book()
    for name in names:
        book.append(step(name))
    return book


class TestBodies:
    """What a source says."""

    def test_equal_sources_share_a_body(self) -> None:
        """So that they are analysed once."""
        assert read_body("a = 1") is read_body("a = 1")

    @pytest.mark.parametrize("other", ["a=1", "a = 1  # one", "\n\na = (1)", "a = 1;"])
    def test_layout_is_no_part_of_the_key(self, other: str) -> None:
        """Comments, blanks and redundant marks do not count."""
        assert read_body(other).static_key == read_body("a = 1").static_key

    @pytest.mark.parametrize("other", ["a = 2", "b = 1", "a = 1.0", "a = True", "a = '1'", "a = 1; a"])
    def test_code_is(self, other: str) -> None:
        """Everything that Python would do otherwise counts."""
        assert read_body(other).static_key != read_body("a = 1").static_key

    def test_definitions_call_nothing(self) -> None:
        """A cell of imports and functions does not read what the functions will."""
        assert "late" not in read_body("import os\ndef f(): return late").reads
        assert "late" in read_body("def f(): return late\nx = 1").reads
        assert "late" in read_body("@deco\ndef f(): return late").reads

    @pytest.mark.parametrize(
        ("source", "writes"),
        [
            ("open('x')", False),
            ("open('x', 'r')", False),
            ("open('x', 'w')", True),
            ("open('x', mode='a')", True),
            ("open('x', mode)", True),
            ("df.to_csv('x')", True),
            ("np.save('x', a)", True),
            ("shutil.copy('a', 'b')", True),
            ("pd.read_csv('x')", False),
        ],
    )
    def test_calls_that_look_like_writers(self, source: str, writes: bool) -> None:
        """By the mode of `open`, else by the function's name."""
        assert read_body(source).writes_files is writes

    def test_what_sets_a_random_state(self) -> None:
        """By its name."""
        seeding = ("random.seed(1)", "np.random.seed(1)", "random.setstate(s)", "np.random.set_state(s)")
        assert [read_body(source).reseeds for source in seeding] == [True] * 4
        assert not read_body("random.random()").reseeds

    def test_callees(self) -> None:
        """The roots of all calls; one of something that has no name is an empty one."""
        assert read_body("f(g.h(1))\nk[0](2)\n(lambda: 1)()").callees == {"f", "g", "k", ""}

    def test_a_source_that_is_not_python(self) -> None:
        """Names the line."""
        with pytest.raises(CellSyntaxError, match="line 2"):
            read_body("a = 1\nb = = 2")

    def test_a_definition_alone(self) -> None:
        """What makes one class, without the computation around it."""
        body = definition_body(read_body("x = slow()\nclass A: pass\nclass B: pass"), "A")
        assert body.analysis.writes == {"A"}
        assert "slow" not in body.reads


class TestPlaces:
    """Order is a value that the caller changes."""

    def test_a_step_by_place_and_name(self) -> None:
        """Identifiers and names are two things."""
        book = book_of("a", "b")
        book.rename("b", "second")
        assert book.at(1) is book.named("second")
        assert (book.place("a"), book.place("b")) == (0, 1)

    def test_the_first_of_two_steps_of_one_name(self) -> None:
        """In flow order."""
        book = book_of("a", "b")
        book.rename("b", "a")
        assert book.named("a").id == "a"

    def test_an_unknown_name_lists_the_tasks(self) -> None:
        """Plain cells are none."""
        book = book_of("a")
        book.append(step("setup", plain=True))
        with pytest.raises(UnknownTaskError, match=r"there is no task 'x'; tasks: a$"):
            book.named("x")

    def test_a_removed_step_is_kept_without_a_place(self) -> None:
        """It is gone from the order, not from the book, and cannot be named."""
        book = book_of("a", "b")
        book.remove("a")
        assert (book.order, book.place("a"), len(book)) == (("b",), None, 1)
        assert book.steps["a"].standing is Standing.GONE
        assert book.unplaced() == {"a"}
        with pytest.raises(UnknownTaskError):
            book.named("a")

    def test_the_steps_of_task_functions(self) -> None:
        """Those without a place as well, but none that was forgotten."""
        book = book_of("a")
        body = wired_body(Wiring("f"), read_body("x = 1"))
        made = [Step(f"a@{name}", name, body) for name in ("f", "g", "h")]
        for place, each in enumerate(made):
            book.insert(each, place)
        book.remove("a@f")
        book.remove("a@g")
        del book.steps["a@g"]
        assert book.wired() == [made[0], made[2]]

    def test_arranging_needs_every_step_once(self) -> None:
        """Nothing is dropped or doubled by the way."""
        book = book_of("a", "b")
        for order in (("a",), ("a", "a"), ("a", "b", "c")):
            with pytest.raises(ValueError, match="each step once"):
                book.arrange(order)
        assert book.order == ("a", "b")

    def test_a_hold_decides_what_readers_see(self) -> None:
        """While there is one."""
        one = step("a")
        own, held = Trace("own", "k", (), ()), Trace("held", "k", (), ())
        one.trace = own
        assert one.bound_trace is own
        one.hold = Hold(held, "pin")
        assert one.bound_trace is held

    @given(st.data())
    def test_places_are_positions(self, data: st.DataObject) -> None:
        """After any moves; each one raises the revision."""
        names = ["a", "b", "c", "d"]
        book, model = book_of(*names), list(names)
        for _ in range(data.draw(st.integers(0, 6))):
            before = book.revision
            name, place = data.draw(st.sampled_from(model)), data.draw(st.integers(0, 3))
            book.move(name, place)
            model.remove(name)
            model.insert(place, name)
            assert book.revision > before
            assert book.order == tuple(model) == tuple(one.id for one in book)
            assert [book.place(one) for one in model] == list(range(4))
