#!/usr/bin/env bash
# The quick loop: static checks without plans, and the unit tests. Starts no server. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE

scripts/lint.sh --without-plans
.venv/bin/pytest --quiet --numprocesses 2 --dist loadfile -m "not system" "$@" tests
