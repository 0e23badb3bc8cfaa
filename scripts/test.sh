#!/usr/bin/env bash
# Every check, the quick ones first. Called by `make test`, which CI calls. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
# What make hands down to a make inside it: tests call make themselves, and ARGS is for pytest alone.
unset MAKEFLAGS MAKELEVEL MFLAGS ARGS ENV LOCAL
# As in the Makefile.
unset PYTHONDONTWRITEBYTECODE

scripts/lint.sh --without-plans
# Three workers, since many tests wait for a server, share one localaws and one deployed environment; a fourth would
# only share two cores with them. Each file's tests stay together, as do their fixtures; tests/conftest.py puts the
# longest files first.
.venv/bin/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder "$@" tests
