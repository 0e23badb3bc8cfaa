#!/usr/bin/env bash
# Prints the changelog's section of a release: scripts/release_notes.sh vVERSION. Fails when the tag, the version in
# pyproject.toml and the changelog disagree. Called by the workflow `release`.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  printf 'error: %s\n' "$*" >&2
  exit "${status:-1}"
}

[[ ${1:-} =~ ^v([0-9]+\.[0-9]+\.[0-9]+)$ ]] || status=2 fail "the tag \"${1:-}\" is not a version: use vMAJOR.MINOR.PATCH"
version=${BASH_REMATCH[1]}
project=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
[[ $project == "$version" ]] || fail "pyproject.toml has version $project, the tag $version: set the version, or move the tag"
# From the heading of this version to the next one.
notes=$(awk -v heading="## $version - " 'index($0, "## ") == 1 {found = index($0, heading) == 1; next} found' CHANGELOG.md)
[[ $notes == *[![:space:]]* ]] || fail "CHANGELOG.md has no section \"## $version - DATE\": rename the section Unreleased"
printf '%s\n' "$notes"
