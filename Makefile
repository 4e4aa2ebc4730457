# Everything below sets itself up in .venv; Python 3.11 or newer, git and make are enough.
# The tests drive a Chromium as well: they take the system's, or install it where apt may be used.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NOTEBOOK := notebooks/flights.ipynb
BROWSERS := chromium chromium-browser google-chrome
ROOT := $(filter 0,$(shell id -u))
# Kernels and browsers let a test wait half of the time.
WORKERS := $(shell $(PYTHON) -c "import os; print(1 + (os.cpu_count() or 1))")

# Two threads of OpenMP on two busy cores make the trees of the tutorial several times slower than one.
demo test bench: export OMP_NUM_THREADS = 1

.PHONY: demo lab test behaviour check bench law browser install-browser clean

demo: $(VENV)/ready-demo
	@rm -rf build/demo && mkdir -p build/demo && cp $(NOTEBOOK) build/demo
	@echo; echo "1. The first time, everything runs. (The tutorial itself sets LATE to 30 and back: its tasks come three times.)"
	$(BIN)/nbflow run build/demo/flights.ipynb
	@echo; echo "2. Again, in a new kernel: nothing has changed, so nothing runs"
	$(BIN)/nbflow run build/demo/flights.ipynb
	@echo; echo "3. After one edit, LATE = 15 to LATE = 20: only what reads it runs, and what follows from that"
	@sed 's/LATE = 15/LATE = 20/' $(NOTEBOOK) > build/demo/flights.ipynb
	$(BIN)/nbflow run build/demo/flights.ipynb

lab: $(VENV)/ready-demo,lab
	@mkdir -p build/lab && cp -n $(NOTEBOOK) build/lab || true
	$(BIN)/jupyter lab --ip=127.0.0.1 $(if $(ROOT),--allow-root) build/lab/flights.ipynb

test: browser $(VENV)/ready-test
	@$(BIN)/python -m compileall -q nbflow # else each kernel compiles it anew where bytecode is not kept
	@$(MAKE) --no-print-directory --jobs=2 check behaviour

behaviour:
	$(BIN)/python -m pytest -q -n $(WORKERS) --maxprocesses 4 --dist loadfile $(if $(CI),--randomly-seed=1)

check: $(VENV)/ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: $(VENV)/ready-test
	$(BIN)/python -m tests.benchmarks

law: $(VENV)/ready-test
	$(BIN)/python -m tests.law.nightly --games 1250
	$(BIN)/python -m tests.law.workbooks --games 400

browser:
	@for each in $(BROWSERS); do command -v $$each >/dev/null && exit; done; $(MAKE) --no-print-directory install-browser

install-browser:
ifneq ($(and $(ROOT),$(shell command -v apt-get)),)
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium fonts-dejavu-core
else
	@echo "The tests drive a Chromium. Please install one: sudo apt-get install chromium"; exit 1
endif

$(VENV)/ready-%: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$*]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "nbflow needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) build
