# Everything sets itself up: a virtual environment in .venv from python3 (3.11 or newer, with venv).
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
MAN    := build/man
# Tests wait for daemons much of the time, so that two processors have work for four processes. The tests of one file
# stay in one process: those of tests/system/test_system_nspawn.py share a machine that takes long to boot. Files come in
# the order of tests/conftest.py: xdist's own, by the number of tests, would leave the longest ones for the end.
AT_ONCE := -n 4 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench soak man clean peers

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' Makefile

demo: $(VENV)/.runtime  ## dial the sample campaigns over the simulator, in well under a minute
	@$(BIN)/dialerd demo

test: $(VENV)/.dev peers  ## run the tests; as root this installs Debian packages, tests/debian-packages.txt
	@$(BIN)/python -m pytest -q -m "not soak" $(AT_ONCE)

check: $(VENV)/.dev  ## lint, format, types, house rules
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/python -m pytest -q tests/house

format: $(VENV)/.dev  ## put the code into form
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

bench: $(VENV)/.dev  ## measure calls per second and rows per second
	@$(BIN)/python -m bench

soak: $(VENV)/.dev peers  ## run the long tests
	@$(BIN)/python -m pytest -q -m soak

man: $(VENV)/.dev  ## write man pages into build/man
	@mkdir -p $(MAN)
	@$(BIN)/python -c 'from click_man.core import write_man_pages as write; from dialerd import __version__; \
		from dialerd.cli.main import cli as dialerctl; from dialerd.daemon.main import cli as dialerd; \
		write("dialerd", dialerd, version=__version__, target_dir="$(MAN)"); \
		write("dialerctl", dialerctl, version=__version__, target_dir="$(MAN)")'

clean:  ## take away what make has made
	@rm -rf $(VENV) build demo-state .pytest_cache .mypy_cache .ruff_cache .hypothesis .cache bench/.cache

# The stamps carry the date of the last installation; it is repeated when pyproject.toml is newer.
$(VENV)/.runtime: pyproject.toml | $(VENV)/bin/pip
	@echo "installing dialerd into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/pip
	@echo "installing dialerd and its development tools into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(VENV)/.runtime $@

# what tests run beside the daemon; looked at each time, since somebody else than root may have run the tests before
peers:
	@tests/install-debian-packages
	@tests/install-prism

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "dialerd needs Python 3.11 or newer; name one with make PYTHON=python3.x" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "python3 lacks venv; on Debian: apt install python3-venv" >&2; exit 1; }
