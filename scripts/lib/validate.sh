#!/usr/bin/env bash
# Validates one folder of Terraform, with the provider that TF_CLI_CONFIG_FILE overrides. Called by scripts/lint.sh.
set -euo pipefail
folder=$1 log=$(mktemp)
trap 'rm -f "$log"' EXIT

if grep -qs '^module ' "$folder"/*.tf; then
  terraform -chdir="$folder" get -no-color >"$log" 2>&1 || { cat "$log" >&2 && exit 1; }
fi
terraform -chdir="$folder" validate -no-color >"$log" 2>&1 ||
  { printf 'lint: terraform validate %s:\n' "$folder" && sed -n '/^Error:/,$p' "$log" && exit 1; } >&2
