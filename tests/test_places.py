"""Places for bodies: in line, lent, and left."""

from __future__ import annotations

import threading

from nbflow.task_runners.places import Place, Places, holding, place_given_up

LONG = 60.0


class TestLine:
    """Who finds no place waits."""

    def test_who_waits_longest_is_first(self) -> None:
        """One after the other."""
        places, begun = Places(2), list[int]()
        taken = [places.take(lambda n=n: begun.append(n)) for n in range(4)]
        assert begun == [0, 1]
        taken[1].leave()
        taken[0].leave()
        assert begun == [0, 1, 2, 3]

    def test_who_leaves_the_line_is_passed_over(self) -> None:
        """And leaving twice frees one place only."""
        places, begun = Places(1), list[int]()
        taken = [places.take(lambda n=n: begun.append(n)) for n in range(4)]
        taken[1].leave()
        taken[0].leave()
        taken[0].leave()
        assert begun == [0, 2]

    def test_a_place_for_who_has_left_already(self) -> None:
        """Is free for the next one."""
        places, begun = Places(1), list[int]()
        gone = Place(places, lambda: begun.append(0))
        gone.leave()
        places.queue(gone)
        places.take(lambda: begun.append(1))
        assert begun == [1]


class TestLent:
    """A body that waits lets others have its place."""

    def test_it_comes_back(self) -> None:
        """Before those who have not begun yet."""
        places, begun = Places(1), list[str]()
        mine = places.take(lambda: begun.append("mine"))
        with holding(mine):
            with place_given_up():
                other = places.take(lambda: begun.append("other"))
                places.take(lambda: begun.append("later"))
                threading.Timer(0.01, other.leave).start()
            assert begun == ["mine", "other"]
        mine.leave()
        assert begun == ["mine", "other", "later"]

    def test_outside_of_a_body(self) -> None:
        """There is none to lend."""
        with place_given_up():
            pass

    def test_a_body_that_waits_for_two_things_at_a_time(self) -> None:
        """Has it back when it waits for nothing any more."""
        places, begun = Places(1), list[str]()
        mine = places.take(lambda: begun.append("mine"))
        mine.lend()
        mine.lend()
        other = places.take(lambda: begun.append("other"))
        mine.take_back()
        assert begun == ["mine", "other"]
        other.leave()
        mine.take_back()
        places.take(lambda: begun.append("later"))
        assert begun == ["mine", "other"]

    def test_a_body_that_was_abandoned_meanwhile(self) -> None:
        """Goes on without one, in line or not."""
        places = Places(1)
        mine, back = places.take(int), threading.Event()
        mine.lend()
        other = places.take(int)

        def take_back() -> None:
            mine.take_back()
            back.set()

        thread = threading.Thread(target=take_back)
        thread.start()
        mine.leave()
        assert back.wait(LONG)
        thread.join()
        begun: list[int] = []
        other.leave()
        places.take(lambda: begun.append(1))
        assert begun == [1]
