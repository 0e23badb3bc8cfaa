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

# A root that calls every folder as a module: what its own validation would say, for the price of one provider's schema.
root_of_all() {
  local folder
  printf 'variable "any" {}\n'
  while IFS= read -r folder; do
    printf 'module "%s" {\n  source = "./%s"\n' "${folder//\//-}" "$folder"
    sed -n 's/^variable "\(.*\)" {$/  \1 = var.any/p' "$folder"/*.tf
    printf '}\n'
  done < <(find "$@" -name .terraform -prune -o -name '*.tf' -printf '%h\n' | sort -u)
}

# In a copy that holds what Terraform writes, so that the folders themselves stay clean. The tests' roots lie in it as the
# tests lay them, beside the modules that they call.
validate_terraform() {
  local copy=.cache/lint roots=(tests/platform/plan_guard/root)
  mkdir -p "$copy"
  (cd "$copy" && rm -rf terraform mlflow "${roots[@]##*/}")
  cp -R terraform mlflow "${roots[@]}" "$copy"
  find "$copy/terraform" "$copy/mlflow" -name .terraform -prune -exec rm -rf {} +
  cp mlflow/terraform/staging/.terraform.lock.hcl "$copy"
  (cd "$copy" && root_of_all terraform mlflow "${roots[@]##*/}") >"$copy/main.tf"
  use_provider_mirror
  # As tests/conftest.py has it: a third less processor time.
  export CHECKPOINT_DISABLE=1 GOGC=400 GOMAXPROCS=1
  terraform -chdir="$copy" init -input=false -lockfile=readonly -no-color >"$copy/init.log" 2>&1 ||
    fail "terraform init: $(sed -n '/^Error:/,$p' "$copy/init.log")"
  terraform -chdir="$copy" validate -no-color >"$copy/validate.log" 2>&1 ||
    fail "terraform validate: $(sed -n '/^Error:/,$p' "$copy/validate.log")"
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
  terraform fmt -check -recursive terraform mlflow tests >/dev/null || fail "run 'make fmt'."
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
  .venv/bin/pytest --quiet --numprocesses 2 --dist loadfile tests/terraform/static
fi
echo "lint: nothing to mend."
