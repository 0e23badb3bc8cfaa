#!/usr/bin/env bash
# checks.sh [NAME]: prints the folder of the programs in tools/NAME.lock; "checks" (checkov, parliament, zensical, zizmor)
# unless NAME is given. Creates their environment first when that lock has none yet. Called by the linting scripts, by
# scripts/site.py and by tests/terraform/static.
set -euo pipefail
cd "$(dirname "$0")/.."

lock=tools/${1:-checks}.lock
# The path without links: the programs in an environment begin with it, and a copy of the checkout may link to this cache.
mkdir -p .cache/checks
folder=$(cd .cache/checks && pwd -P)/$(cksum <"$lock" | cut -d ' ' -f 1)
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
