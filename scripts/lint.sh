#!/usr/bin/env bash
# The static checks: of Python, shell, workflows, secrets, Terraform, and of the plans and their policies.
# `--without-plans` leaves out the last, which scripts/test.sh runs with the other tests. Called by `make lint` and by CI.
set -euo pipefail
cd "$(dirname "$0")/.."
repo=$PWD
# shellcheck source=scripts/lib/provider_mirror.sh
source scripts/lib/provider_mirror.sh

fail() {
  printf 'lint: %s\n' "$*" >&2
  exit 1
}

# A copy that holds what Terraform writes, so that the folders themselves stay clean. The provider is taken in once, by
# the root whose lock file names it, and every other folder is validated with the one that is there then.
validate_terraform() {
  local copy=.cache/lint provider
  mkdir -p "$copy"
  (cd "$copy" && rm -rf terraform mlflow)
  cp -R terraform mlflow "$copy"
  find "$copy" -name .terraform -prune -exec rm -rf {} +
  use_provider_mirror
  # As tests/conftest.py has it: a third less processor time.
  export CHECKPOINT_DISABLE=1 GOGC=400 GOMAXPROCS=1
  TF_DATA_DIR=$repo/$copy/staging terraform -chdir="$copy/mlflow/terraform/staging" \
    init -backend=false -input=false -lockfile=readonly -no-color >"$copy/init.log" 2>&1 ||
    fail "terraform init of staging: $(grep -m 1 Error "$copy/init.log" || echo "see $copy/init.log")"
  provider=$(find "$repo/$copy/staging/providers/" -follow -maxdepth 7 -name 'terraform-provider-aws*' | head -n 1)
  printf 'provider_installation {\n  dev_overrides { "hashicorp/aws" = "%s" }\n  direct {}\n}\n' "${provider%/*}" >"$copy/dev.rc"
  export TF_CLI_CONFIG_FILE=$repo/$copy/dev.rc
  find "$copy/terraform" "$copy/mlflow" -name '*.tf' -exec dirname {} + | sort -u |
    xargs -P 2 -I {} scripts/lib/validate.sh {} || fail "terraform validate, see above"
}

# Only a secret that is not in the baseline counts, and not that a known one has moved to another line.
find_secrets() {
  local baseline said status=0 files=() file
  while IFS= read -r -d '' file; do files+=("$file"); done < <(
    git ls-files -z -c -o --exclude-standard -- ':!*.lock' ':!*.lock.hcl' ':!*package-lock.json' ':!tools/secrets.baseline'
  )
  baseline=$(mktemp)
  cp tools/secrets.baseline "$baseline"
  said=$("$checks/detect-secrets-hook" --baseline "$baseline" "${files[@]}" 2>&1) || status=$?
  rm -f "$baseline"
  ((status == 0 || status == 3)) && return
  printf '%s\n' "$said" >&2
  fail "something looks like a secret: take it out, or, if it is none, add it to the baseline" \
    "(\`$checks/detect-secrets scan --baseline tools/secrets.baseline\`)"
}

check_python() {
  .venv/bin/ruff check --quiet .
  .venv/bin/ruff format --quiet --check . || fail "run 'make fmt'."
  .venv/bin/mypy
}

check_terraform() {
  terraform fmt -check -recursive terraform mlflow tests/plan/roots >/dev/null || fail "run 'make fmt'."
  validate_terraform
  .venv/bin/python scripts/docs.py --check
}

check_the_rest() {
  local said
  git ls-files -z -c -o --exclude-standard '*.sh' .ci/run | xargs -0 .venv/bin/shellcheck
  said=$("$checks/zizmor" --offline --quiet .github/workflows 2>&1) || fail "$said"
  find_secrets
}

# A shell may preset it to a file that is not there, of which every terraform would warn.
[[ -f ${TF_CLI_CONFIG_FILE:-} ]] || unset TF_CLI_CONFIG_FILE

checks=$(scripts/checks.sh)
outputs=$(mktemp -d)
trap 'rm -rf "$outputs"' EXIT
# Beside each other, since each leaves a core idle at times; what they say is shown in turn.
begun=(check_python check_terraform check_the_rest) processes=() passed=1
for check in "${begun[@]}"; do
  "$check" >"$outputs/$check" 2>&1 &
  processes+=($!)
done
for index in "${!begun[@]}"; do
  wait "${processes[index]}" || passed=0
  cat "$outputs/${begun[index]}"
done
((passed)) || exit 1
if [[ ${1:-} != --without-plans ]]; then
  .venv/bin/pytest --quiet --numprocesses 2 --dist loadfile tests/static
fi
echo "lint: nothing to mend."
