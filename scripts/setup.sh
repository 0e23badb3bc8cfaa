#!/usr/bin/env bash
# Creates what every command needs: .venv, the MLflow 3.0 server's environment, Terraform's provider. Called by `make setup`.
set -euo pipefail
cd "$(dirname "$0")/.."
# Standard output belongs to the command that needed the set-up, and is often read by a program: eval "$(make -s local-env)".
exec >&2
# uv must use the Python that it is given, not download one.
export UV_PYTHON_DOWNLOADS=never
# uv opens many files at once (macOS allows 256 by default): raise the limit, else let uv do less at a time.
if [[ $(ulimit -n) != unlimited ]] && (($(ulimit -n) < 1024)); then
  ulimit -Sn 1024 2>/dev/null || ulimit -Sn "$(ulimit -Hn)" 2>/dev/null || true
  (($(ulimit -n) >= 1024)) || export UV_CONCURRENT_DOWNLOADS=4 UV_CONCURRENT_INSTALLS=2 UV_CONCURRENT_BUILDS=1
fi

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
  fail "Python 3.11 or later is needed, python3 is $(python3 --version 2>&1 | tail -n 1): install it or set PYTHON=/path/to/python3.11."
}

# uv's own hashes, from the lock of all packages.
lock_of_uv() { awk '/^[a-z]/ {wanted = /^uv==/} wanted' requirements.lock; }

python=$(find_python)
# Fails in one line when Terraform is missing or too old. Prints the mirror, or nothing when the registry is used.
mirror=$(scripts/terraform.sh mirror)

if [ -x .venv/bin/python ] && ! supported .venv/bin/python; then
  rm -rf .venv
fi
if [ ! -x .venv/bin/uv ]; then
  echo "Creating .venv with $("$python" --version)."
  "$python" -m venv --clear .venv || fail "$python cannot make virtual environments: install its venv module (on Debian python3-venv)."
  .venv/bin/python -m pip install --quiet --require-hashes -r <(lock_of_uv) ||
    fail "uv could not be installed from the Python package index: check the network or pip's index settings."
fi
.venv/bin/uv pip sync --quiet --require-hashes requirements.lock ||
  fail "the packages of requirements.lock could not be installed: check the network or uv's index settings (UV_DEFAULT_INDEX)."
.venv/bin/uv pip install --quiet --no-deps --no-build-isolation --editable .
# Compiles once what nearly every process loads, instead of in several processes at the same time.
.venv/bin/python -c 'import matplotlib.pyplot, mlflow, moto.server, sklearn.ensemble' &
compiling=$!
.venv/bin/python -m localaws prepare 3.0
wait "$compiling"
echo "Terraform provider: ${mirror:-from the registry}."
