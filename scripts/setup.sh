#!/usr/bin/env bash
# Makes what every verb needs: .venv, the MLflow 3.0 server's environment, Terraform's provider. Called by `make setup`.
set -euo pipefail
cd "$(dirname "$0")/.."
# The standard output is the verb's own, and often a program's: eval "$(make -s local-env)".
exec >&2

fail() {
  echo "error: $1" >&2
  exit 3
}

supported() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  local candidate
  for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
    if supported "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  fail "Python 3.11 or later is needed, python3 is $(python3 --version 2>&1 | tail -n 1): install it or say PYTHON=/path/to/python3.11."
}

# The hashes of uv stand in the lock like every other package's.
lock_of_uv() { awk '/^[a-z]/ {wanted = /^uv==/} wanted' requirements.lock; }

python=$(find_python)
# Fails in one line where Terraform is missing or too old; prints the mirror, or nothing where the registry serves.
mirror=$(scripts/terraform.sh mirror)

if [ -x .venv/bin/python ] && ! supported .venv/bin/python; then
  rm -rf .venv
fi
if [ ! -x .venv/bin/uv ]; then
  echo "Making .venv with $("$python" --version)."
  "$python" -m venv --clear .venv || fail "$python cannot make virtual environments: install its venv module (on Debian python3-venv)."
  .venv/bin/python -m pip install --quiet --require-hashes -r <(lock_of_uv) ||
    fail "uv could not be installed from the Python package index: check the network or pip's index settings."
fi
.venv/bin/uv pip sync --quiet --require-hashes requirements.lock ||
  fail "the packages of requirements.lock could not be installed: check the network or uv's index settings (UV_DEFAULT_INDEX)."
.venv/bin/uv pip install --quiet --no-deps --no-build-isolation --editable .
# Compiles what nearly everything here loads: once, and not in each of the processes that would be the first together.
.venv/bin/python -c 'import matplotlib.pyplot, mlflow, moto.server, sklearn.ensemble' &
compiling=$!
.venv/bin/python -m localaws prepare 3.0
wait "$compiling"
echo "Terraform provider: ${mirror:-from the registry}."
