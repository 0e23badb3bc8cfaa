#!/usr/bin/env bash
# Prints the folder of the programs in tools/checks.lock (checkov, parliament, zizmor, detect-secrets). Creates their
# environment first when this lock has none yet. Called by scripts/lint.sh and by tests/terraform/static.
set -euo pipefail
cd "$(dirname "$0")/.."

lock=tools/checks.lock
folder=$PWD/.cache/checks/$(cksum <"$lock" | cut -d ' ' -f 1)
if [[ ! -f $folder/.ready ]]; then
  {
    .venv/bin/uv venv --quiet --allow-existing --python .venv/bin/python "$folder" &&
      VIRTUAL_ENV=$folder .venv/bin/uv pip sync --quiet --require-hashes "$lock"
  } >&2 || {
    echo "error: the packages of $lock could not be installed: check the network or uv's index settings (UV_DEFAULT_INDEX)." >&2
    exit 3
  }
  touch "$folder/.ready"
fi
printf '%s\n' "$folder/bin"
