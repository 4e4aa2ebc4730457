# Everything below sets itself up in .venv; Python 3.11 or newer, git and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: test check bench law clean

test: check
	$(BIN)/python -m pytest -q $(if $(CI),--randomly-seed=1)

check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: $(VENV)/ready
	$(BIN)/python -m tests.benchmarks

law: $(VENV)/ready
	$(BIN)/python -m tests.law.nightly --games 1250

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

clean:
	rm -rf $(VENV)
