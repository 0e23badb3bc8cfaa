#!/usr/bin/env bash
# Every check. Called by `make test`, which CI calls. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
# What make hands down to a make inside it: tests call make themselves, and ARGS is for pytest alone.
unset MAKEFLAGS MAKELEVEL MFLAGS ARGS ENV LOCAL
# As in the Makefile.
unset PYTHONDONTWRITEBYTECODE

# Lint runs beside the first tests: it leaves a core idle at times. What it says comes when it is known, and counts at the
# end. Its programs are installed before, since tests use them too.
scripts/checks.sh >/dev/null
scripts/lint.sh --without-plans &
lint=$! status=0
# Three workers, since many tests wait for a server, share one localaws and one deployed environment; a fourth would
# only share two cores with them. Each file's tests stay together, as do their fixtures; tests/conftest.py puts the
# longest files first.
.venv/bin/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder "$@" tests || status=$?
wait "$lint" || status=1
exit "$status"
