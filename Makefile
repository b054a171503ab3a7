# make demo: a small cluster to look at    make test: the tests
# make check: every gate, changes nothing  make fix: format and repair what ruff can
# make bench: the measurements             make docs:  the pages as a site, in build/site
# make clean: remove what the tools made   make faults: half an hour of faults on real nodes
# make power: a thousand power cuts

VENV := .venv
PYTHON := $(VENV)/bin/python
RUNS := $(VENV)/.runs
INSTALLED := $(VENV)/.installed
PIP_INSTALL := $(PYTHON) -m pip install -qq --disable-pip-version-check

# The pieces that have to be covered to the last branch, and the tests that do it; a missing
# file is no gap in the gate, because the coverage then falls.
COVERED_BY := $(wildcard tests/core tests/simulation tests/storage tests/test_agreement.py \
	tests/test_state_machine.py)

.PHONY: demo test check fix bench docs faults power clean

demo: $(RUNS)
	@$(PYTHON) -m demo_site

# Three workers for two cores, for half of a test is waiting; it must stay below six minutes. What takes longer, or
# needs a server or a browser, is run by .ci/run.
test: $(INSTALLED)
	$(PYTHON) -m pytest -n 3 -m "not long"

# pytest comes last: its closing line, after the coverage report, is the verdict.
check: $(INSTALLED)
	@echo "== ruff format: layout"
	@$(PYTHON) -m ruff format --check .
	@echo "== ruff check: lint"
	@$(PYTHON) -m ruff check .
	@echo "== mypy: types"
	@$(PYTHON) -m mypy
	@echo "== lint-imports: floors"
	@$(VENV)/bin/lint-imports --no-logo
	@echo "== makemigrations: models and migrations agree"
	@$(PYTHON) manage.py makemigrations --settings tests.settings \
		--check --dry-run raft_config
	@echo "== messages: every text is in every catalogue"
	@$(PYTHON) -m tools.messages --check
	@echo "== pages: what is made from the code is as the code says"
	@$(PYTHON) -m tools.pages --check
	@echo "== mkdocs: the pages, and their links"
	@$(PYTHON) -m mkdocs build --quiet --site-dir $(VENV)/site
	@echo "== pytest: function length; branch coverage of core, state_machine and storage"
	@$(PYTHON) -m pytest -n 2 --cov=raft_config tests/test_gates.py $(COVERED_BY)

fix: $(INSTALLED)
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .
	$(PYTHON) -m tools.messages
	$(PYTHON) -m tools.pages

bench: $(INSTALLED)
	@test -d benchmarks || { echo "make bench: there is no benchmarks package yet." >&2; exit 1; }
	$(PYTHON) -m benchmarks

docs: $(INSTALLED)
	$(PYTHON) -m mkdocs build --quiet
	@echo "Open build/site/index.html"

# MINUTES=5 for less, OUT=runs.jsonl to keep what came of each run.
faults: $(INSTALLED)
	$(PYTHON) -m tests.faults --minutes $(or $(MINUTES),30) $(and $(OUT),--out $(OUT))

# Twelve hundred power cuts on SQLite, four hundred of them on a failing disk, and 120 on PostgreSQL.
power: $(INSTALLED)
	$(PYTHON) -m tests.power --runs 8 --cuts 100
	$(PYTHON) -m tests.power --runs 4 --cuts 100 --failing 0.3
	if ls -d /usr/lib/postgresql/*/bin >/dev/null 2>&1; then \
		$(PYTHON) -m tests.power --database postgres --runs 4 --cuts 30; fi

clean:
	rm -rf $(VENV) build dist htmlcov .coverage .coverage.* .hypothesis \
		.import_linter_cache .mypy_cache .nox .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Both run again only when a list changed, so the second "make" needs no network. A python that
# cannot make a venv (a shim without a version, Debian without python3-venv) is passed over.
$(RUNS): requirements.txt
	@$(PYTHON) -c "" 2>/dev/null || for python in python3.11 python3.12 python3.13 python3.10 python3; do \
		$$python -c "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))" 2>/dev/null \
			&& $$python -m venv --clear $(VENV) && break; \
	done; \
	$(PYTHON) -c "" 2>/dev/null || { \
		echo "Install Python 3.10 or newer with its venv module (Debian: python3-venv)." >&2; exit 1; }
	@echo "Installing what the demo runs with into $(VENV), once ..."
	@$(PIP_INSTALL) -r requirements.txt
	@touch $@

$(INSTALLED): $(RUNS) requirements-dev.txt
	@echo "Installing the tools into $(VENV), once; this can take some minutes ..."
	@$(PIP_INSTALL) -r requirements-dev.txt
	@touch $@
