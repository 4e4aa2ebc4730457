"""The options of a task: as a header writes them, and what is said of a wrong one."""

from __future__ import annotations

import pytest

from nbflow.exceptions import OptionError
from nbflow.options import flags, help_text, options, read_options, take_options
from nbflow.types import Effect


class TestWrongHeaders:
    """Are refused in a line that says what is wrong and what would be right."""

    @pytest.mark.parametrize(
        ("header", "said"),
        [
            ("a --retriez 3", "unknown option '--retriez'; did you mean '--retries'?"),
            ("a -x", "unknown option '-x'; %%task? lists all that there are"),
            ("a --retries two", "--retries: 'two' is not a count; write a whole number from 0 on"),
            ("a --retries", "--retries needs a value: --retries N"),
            ("a --timeout soon", "--timeout: 'soon' is no duration; write seconds, or 30s, 10m, 2h, 7d"),
            ("a --effect sometimes", "--effect: unknown effect 'sometimes'; use one of always, once"),
            ("a --no-cache=yes", "--no-cache takes no value"),
            ("a --refresh=yes", "--refresh takes no value"),
            ("a --map x", "--map: 'x' names no elements; write x=xs, or x=xs,y=ys"),
            ("a --persist maybe", "--persist: 'maybe' is no answer; write auto, yes or no"),
            ("a --ignore 3", "--ignore: '3' is no name; write names of variables: a,b"),
            ("a --description 'x", "the header cannot be read: No closing quotation"),
            ("3a", "'3a' is not a name for a task; use letters, digits and _"),
            (
                "a --description load all",
                "'all' belongs to no option, and the task is called 'a' already; "
                "a value with spaces stands in quotes",
            ),
            (
                "a --trigger some_failed(at_least=x)",
                "--trigger: trigger 'some_failed(at_least=x)' makes no sense; "
                "write some_failed(at_least=2) or some_failed(at_most=0.5)",
            ),
            (
                "a --manual --trigger all_failed",
                "`manual` is a trigger, by which only a person lets it run; give one trigger",
            ),
        ],
    )
    def test_a_wrong_header(self, header: str, said: str) -> None:
        """The line is all that is said."""
        with pytest.raises(OptionError) as caught:
            read_options(header)
        assert str(caught.value) == said


class TestEffect:
    """`--effect`, whose word may be left out."""

    @pytest.mark.parametrize(
        "header", ["send --effect", "--effect send", "send --effect once", "--effect once send"]
    )
    def test_once_is_what_it_means_alone(self, header: str) -> None:
        """A word behind it that is none of its own is the name, where there is none yet."""
        options = read_options(header)
        assert (options.name, options.effect) == ("send", Effect.ONCE)

    def test_another_option_may_follow(self) -> None:
        """It is not taken for the word."""
        assert read_options("send --effect --retries 2").retries == 2


class TestOneSource:
    """Header, help and keyword arguments have the same options."""

    def test_the_help_lists_every_option(self) -> None:
        """A line each."""
        written = [line.split()[0] for line in help_text().splitlines()]
        assert sorted(written) == list(flags())

    @pytest.mark.parametrize("name", [option.name for option in options()])
    def test_each_option_of_a_header_is_one_of_task(self, name: str) -> None:
        """By the name of its field; None is its default."""
        assert take_options({name: None}) == take_options({})
