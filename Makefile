# Breakglass: each target works from nothing, on Debian 12 with Python 3.11 and make, and again and again.
#
#   make PYTHON=python3.12 …   another Python         make test ARGS='-k story'   words for pytest (or for the demo)
#   make bench ONLY=ssh,audit  some benchmarks only

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: setup demo test check bench test-nightly lock picture clean help

PYTHON ?= python3
UV ?= .venv/bin/uv
ARGS ?=
ONLY ?=
# Tests that talk to servers wait more than they work: two processes fill two cores.
WORKERS ?= 2
PYTEST := .venv/bin/python -m pytest -n $(WORKERS) --dist worksteal

# What runs outside Python, by its Debian name.
DEMO_PACKAGES := openssh-client bubblewrap sqlite3
CHECK_PACKAGES := openssh-client bubblewrap
TEST_PACKAGES := openssh-client openssh-server cron bubblewrap sudo sqlite3 procps iproute2 gcc libc6-dev postgresql mariadb-server slapd ldap-utils samba samba-ad-provision samba-dsdb-modules samba-vfs-modules python3-samba redis-server faketime chromium rsyslog rsyslog-gnutls python3-aiosmtpd zbar-tools age golang-go golang-golang-x-mod-dev openssl softhsm2 opensc systemd strace

# Nothing is fetched but what the lock files name by hash, and no package's own code runs to install it.
PIP := .venv/bin/python -m pip --disable-pip-version-check --quiet install
LOCKED := $(PIP) --require-hashes --only-binary=:all:

# The stamps live in .venv and go with it.
RUNTIME := .venv/.stamp-runtime
DEV := .venv/.stamp-dev
FRONTEND := .venv/.stamp-frontend
JUDGES := .venv/.stamp-judges

setup: $(DEV) $(FRONTEND)  ## make .venv with everything locked, Breakglass itself in it (editable), and the pages' scripts

demo: $(RUNTIME)  ## run the whole story on this machine, loopback only
	@$(MAKE) --no-print-directory $(FRONTEND) || echo "warning: the pages of this demo go without scripts" >&2
	@tools/packages --if-possible $(DEMO_PACKAGES)
	@.venv/bin/breakglass demo $(ARGS)

check: $(DEV) $(FRONTEND)  ## lint, format, types, import rules, fast tests: under 90 seconds
	@tools/packages $(CHECK_PACKAGES)
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy src tests $(wildcard bench)
	.venv/bin/lint-imports
	$(PYTEST) -m "not server and not slow and not nightly" $(ARGS)

test: $(DEV) $(FRONTEND) $(JUDGES)  ## every test but the nightly ones, on real servers
	@tools/packages $(TEST_PACKAGES)
	$(PYTEST) -m "not nightly" $(ARGS)

test-nightly: $(DEV) $(FRONTEND) $(JUDGES)  ## the tests that run for long
	@tools/packages $(TEST_PACKAGES)
	HYPOTHESIS_PROFILE=nightly $(PYTEST) -m nightly $(ARGS)

bench: $(DEV) $(FRONTEND)  ## ratios against OpenSSH and others, side by side in one run; writes bench.json
	@tools/packages $(TEST_PACKAGES)
	ONLY='$(ONLY)' .venv/bin/python -m bench $(ARGS)

lock: $(DEV)  ## compile the lock files from pyproject.toml (ARGS=--upgrade takes newer versions)
	UV=$(UV) tools/lock $(ARGS)

picture: $(DEV)  ## make docs/pictures/story.svg anew, from a real run
	@$(PIP) pyte
	.venv/bin/python tools/picture.py

clean:  ## remove caches and what was built; .venv stays
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	rm -rf frontend/node_modules src/breakglass/web/static/built $(FRONTEND)
	find src tests tools -name __pycache__ -prune -exec rm -rf {} +

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(RUNTIME): requirements.lock requirements-build.lock pyproject.toml tools/venv
	@tools/venv $(PYTHON)
	$(LOCKED) -r requirements.lock -r requirements-build.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): $(RUNTIME) requirements-dev.lock
	$(LOCKED) -r requirements-dev.lock
	@touch $@

# Other people's verifiers of our log. They ask for a newer Python than ours, but are pure: unpacked, never installed.
$(JUDGES): $(RUNTIME) requirements-judges.lock
	@rm -rf .venv/judges && mkdir -p .venv/judges
	@.venv/bin/python -m pip --disable-pip-version-check --quiet download --require-hashes --no-deps --only-binary=:all: \
	    --python-version 3.12 --dest .venv/judges -r requirements-judges.lock
	@for wheel in .venv/judges/*.whl; do .venv/bin/python -m zipfile -e $$wheel .venv/judges; done
	@touch $@

$(FRONTEND): $(RUNTIME) tools/frontend $(wildcard frontend/*.json frontend/*.mjs frontend/.npmrc frontend/src/*) $(wildcard frontend/src/*/*)
	@tools/frontend
	@touch $@
