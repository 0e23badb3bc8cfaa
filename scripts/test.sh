#!/usr/bin/env bash
# Every check, the quick ones first. Called by `make test`, which CI calls. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/lint.sh
# Two workers share one localaws and one deployed environment; each file's tests stay together, as do their fixtures.
.venv/bin/pytest --numprocesses 2 --dist loadfile "$@" tests
