#!/usr/bin/env bash
# The static checks. Called by `make lint` and, through scripts/test.sh, by CI.
set -euo pipefail
cd "$(dirname "$0")/.."

.venv/bin/ruff check --quiet .
.venv/bin/ruff format --quiet --check . || { echo "lint: run 'make fmt'." >&2 && exit 1; }
.venv/bin/mypy
git ls-files -z -c -o --exclude-standard '*.sh' .ci/run | xargs -0 .venv/bin/shellcheck
terraform fmt -check -recursive terraform mlflow >/dev/null || { echo "lint: run 'make fmt'." >&2 && exit 1; }
.venv/bin/python scripts/docs.py --check
echo "lint: nothing to mend."
