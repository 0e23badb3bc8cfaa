#!/usr/bin/env bash
# Fails when a file that git tracks holds what looks like a secret, and names the file. tools/secrets.baseline lists what
# is known to be none. Untracked files are the user's own and are not read. Called by scripts/lint.sh and pre-commit.
set -euo pipefail
cd "$(dirname "$0")/.."

checks=$(scripts/checks.sh secrets)
files=()
while IFS= read -r -d '' file; do
  [[ ! -f $file ]] || files+=("$file")
done < <(git ls-files -z --cached)

# A copy, because the hook updates line numbers in it (exit status 3).
baseline=$(mktemp)
trap 'rm -f "$baseline"' EXIT
cp tools/secrets.baseline "$baseline"
status=0
output=$("$checks/detect-secrets-hook" --baseline "$baseline" "${files[@]}" 2>&1) || status=$?
((status == 0 || status == 3)) && exit
places=$(sed -n 's/^Location: *//p' <<<"$output" | sort -u | paste -sd ' ')
[[ -n $places ]] || { printf '%s\n' "$output" >&2 && exit 1; }
echo "secrets: this looks like a secret: $places. Remove it. If it is none, add it to the baseline:" \
  "${checks#"$PWD"/}/detect-secrets scan --baseline tools/secrets.baseline" >&2
exit 1
