# Needs python3 (3.11 or newer), git and make; uv and everything else comes into .venv.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help new test check bench lock named

PYTHON ?= python3
UV = $(or $(shell command -v uv),.venv/bin/uv)
# What only makes services needs a third of what tests need, and less of a wait.
READY := .venv/.ready
RUNS := .venv/.runs

# A caller's Python must not leak into ours, nor our arguments into a service's make.
unexport PYTHONHOME PYTHONPATH VIRTUAL_ENV args dest name only

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

new: named $(RUNS) ## Make a service: name=orders [dest=out/orders] [args='-d team=…']
	@.venv/bin/roadbed new '$(name)' '$(or $(dest),out/$(name))' $(args)

named:
	@test -n '$(name)' || { echo 'A service needs a name: make new name=orders' >&2; exit 2; }

# In a folder of its own: root's usual one is closed to PostgreSQL's user by every pytest that starts.
test: $(READY) ## Run this repository's tests; args='-k name' picks some
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
		.venv/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --basetemp "$$folder/roadbed" $(args)

check: $(READY) ## Formatter, linter, types, import contracts, dependencies
	@.venv/bin/ruff format --check
	@.venv/bin/ruff check
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo
	@.venv/bin/deptry src

bench: $(READY) ## Measure against rivals, side by side; only=new picks one
	@.venv/bin/python -m bench $(only)

lock: $(READY) ## Pin requirements.in, with hashes, to what is newest
	@.venv/bin/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 \
		--no-header --no-emit-index-url pyproject.toml requirements.in --output-file requirements.txt
	@echo hatchling | .venv/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
		--no-header --no-emit-index-url --constraint requirements.txt pyproject.toml - --output-file requirements-run.txt
	@cd tests/generated/fuzz && ../../../.venv/bin/uv pip compile --quiet --upgrade --universal --generate-hashes \
		--python-version 3.11 --no-header --no-emit-index-url requirements.in --output-file requirements.txt

$(READY): INSTALL := sync requirements.txt
$(RUNS): INSTALL := install --requirement requirements-run.txt
$(READY) $(RUNS): requirements.txt requirements-run.txt pyproject.toml hatch_build.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'Roadbed needs Python 3.11 or newer: install it, or name it: make PYTHON=python3.12 …' >&2; exit 2; }
	@git --version >/dev/null || { echo 'Roadbed needs git: install it.' >&2; exit 2; }
	@.venv/bin/python -c '' 2>/dev/null || rm -rf .venv
	@command -v uv >/dev/null || test -x .venv/bin/uv || { \
		$(PYTHON) -m venv .venv || { rm -rf .venv; \
			echo 'This Python makes no virtual environments: install its venv (Debian: apt install python3-venv).' >&2; exit 2; }; \
		sed -n '/^uv==/,/[^\\]$$/p' requirements.txt > .venv/uv.txt; \
		.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt; }
	@test -x .venv/bin/python || $(UV) venv --quiet --python '$(PYTHON)' .venv
	@$(UV) pip $(INSTALL) --quiet --python .venv/bin/python --require-hashes
	@$(UV) pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
	@touch $(RUNS) $@
