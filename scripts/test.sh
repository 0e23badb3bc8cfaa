#!/usr/bin/env bash
# Every check, the quick ones first. Called by `make test`, which CI calls, and with --all by `make test-all`. Arguments go
# to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
# Variables that `make` exports: tests call make themselves.
unset MAKEFLAGS MAKELEVEL MFLAGS ARGS ENV LOCAL MODEL ALIAS
# As in the Makefile.
unset PYTHONDONTWRITEBYTECODE

scripts/lint.sh --without-plans
# Many tests wait for a server, so four workers keep two cores busy; they share one localaws and one deployed
# environment. The tests of a file stay together, as do their fixtures; tests/conftest.py puts the longest files first.
.venv/bin/pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder "$@" tests
