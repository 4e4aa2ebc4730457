"""What packages require, as their records say."""

from nbflow.store.requirements import distributions_behind


class TestDistributions:
    """Whose code may run where a module is called."""

    def test_what_it_requires_is_behind_it(self) -> None:
        """Also through others; the distribution may be called otherwise than the module."""
        assert {"matplotlib", "numpy", "cycler"} <= distributions_behind("matplotlib")
        assert {"scikit-learn", "numpy"} <= distributions_behind("sklearn")

    def test_extras_are_not(self) -> None:
        """Pandas draws with matplotlib where that is there, and does not require it."""
        assert "matplotlib" not in distributions_behind("pandas")

    def test_nothing_is_behind_others(self) -> None:
        """Python's own modules, and those that nobody has installed."""
        assert distributions_behind("json") == distributions_behind("no_such_module") == frozenset()
