#!/usr/bin/env bash
# Fails when a file that git tracks holds what looks like a secret, and names the file. tools/secrets.baseline lists what
# is known to be none. Untracked files are the user's own and are not read. Called by scripts/lint.sh and pre-commit.
set -euo pipefail
cd "$(dirname "$0")/.."

checks=$(scripts/checks.sh secrets)
tracked=() files=()
while IFS= read -r -d '' file; do
  if [[ $file == *$'\n'* ]]; then
    [[ ! -f $file ]] || files+=("$file")
  elif [[ -f $file ]]; then
    tracked+=("$file")
  fi
done < <(git ls-files -z --cached)

# Reading all files takes twenty seconds. So git's folder lists what was found clean: the name and the content of each
# file, and the hash of everything else that findings depend on. Names with a line break are read every time.
rules=$(cat scripts/secrets.sh tools/secrets.baseline tools/secrets.lock | git hash-object --stdin)
clean=$(git rev-parse --git-path secrets-clean)
[[ -f $clean ]] || : >"$clean"
seen=()
while IFS= read -r content; do
  seen+=("$rules $content ${tracked[${#seen[@]}]}")
done < <(git hash-object --no-filters -- "${tracked[@]}")
((${#seen[@]} == ${#tracked[@]})) || { echo "secrets: git cannot read all tracked files." >&2 && exit 1; }
while IFS= read -r line; do
  files+=("${line#* * }")
done < <(printf '%s\n' "${seen[@]}" | grep -vxFf "$clean")
((${#files[@]})) || exit 0

# A copy, because the hook updates line numbers in it (exit status 3).
baseline=$(mktemp)
trap 'rm -f "$baseline"' EXIT
cp tools/secrets.baseline "$baseline"
status=0
output=$("$checks/detect-secrets-hook" --baseline "$baseline" "${files[@]}" 2>&1) || status=$?
if ((status == 0 || status == 3)); then
  printf '%s\n' "${seen[@]}" >"$baseline"
  mv -f "$baseline" "$clean"
  exit
fi
places=$(sed -n 's/^Location: *//p' <<<"$output" | sort -u | paste -sd ' ')
[[ -n $places ]] || { printf '%s\n' "$output" >&2 && exit 1; }
echo "secrets: this looks like a secret: $places. Remove it. If it is none, add it to the baseline:" \
  "${checks#"$PWD"/}/detect-secrets scan --baseline tools/secrets.baseline" >&2
exit 1
