#!/usr/bin/env bash
# The static checks: Python, shell, workflows, secrets, Terraform, and the plans with their policies. `--without-plans`
# skips the plans, which scripts/test.sh checks with the other tests. Called by `make lint`, `make check` and CI.
set -euo pipefail
cd "$(dirname "$0")/.."
repo=$PWD
# shellcheck source=scripts/lib/provider_mirror.sh
source scripts/lib/provider_mirror.sh

fail() {
  printf 'lint: %s\n' "$*" >&2
  exit 1
}

# Prints a root that calls every folder as a module: one validation, which loads the provider's schema once.
root_of_all() {
  local folder
  printf 'variable "any" {}\n'
  while IFS= read -r folder; do
    printf 'module "%s" {\n  source = "./%s"\n' "${folder//\//-}" "$folder"
    sed -n 's/^variable "\(.*\)" {$/  \1 = var.any/p' "$folder"/*.tf
    printf '}\n'
  done < <(find "$@" -name .terraform -prune -o -name '*.tf' -printf '%h\n' | sort -u)
}

# Works in a copy, so that Terraform writes nothing into the folders. The tests' roots are beside the modules that they
# call, as in the tests.
validate_terraform() {
  local copy=.cache/lint roots=(tests/platform/plan_guard/root) now
  # As in tests/conftest.py: a third less processor time.
  export CHECKPOINT_DISABLE=1 GOGC=1600 GOMEMLIMIT=2GiB GOMAXPROCS=1
  # It takes twenty seconds of processor time, so it is skipped while nothing that it reads has changed since it passed.
  now=$(inputs_of_validation "${roots[@]}")
  [[ $now != "$(cat "$copy/passed" 2>/dev/null)" ]] || return 0
  mkdir -p "$copy"
  (cd "$copy" && rm -rf terraform mlflow "${roots[@]##*/}")
  cp -R terraform mlflow "${roots[@]}" "$copy"
  find "$copy/terraform" "$copy/mlflow" -name .terraform -prune -exec rm -rf {} +
  cp mlflow/terraform/staging/.terraform.lock.hcl "$copy"
  (cd "$copy" && root_of_all terraform mlflow "${roots[@]##*/}") >"$copy/main.tf"
  use_provider_mirror
  terraform -chdir="$copy" init -input=false -lockfile=readonly -no-color >"$copy/init.log" 2>&1 ||
    fail "terraform init: $(sed -n '/^Error:/,$p' "$copy/init.log")"
  terraform -chdir="$copy" validate -no-color >"$copy/validate.log" 2>&1 ||
    fail "terraform validate: $(sed -n '/^Error:/,$p' "$copy/validate.log")"
  printf '%s\n' "$now" >"$copy/passed"
}

# A checksum of every file below the folders, of this script and of Terraform's version.
inputs_of_validation() {
  {
    terraform version
    find terraform mlflow "$@" scripts/lint.sh -name .terraform -prune -o -type f ! -name '*.tfstate*' ! -name '*.md' -print0 |
      LC_ALL=C sort -z | xargs -0 cksum
  } | cksum
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
  local output
  git ls-files -z '*.sh' .ci/run | xargs -0 .venv/bin/shellcheck
  output=$("$checks/zizmor" --offline --quiet .github/workflows 2>&1) || fail "$output"
  scripts/secrets.sh
  .venv/bin/python scripts/site.py >/dev/null
}

# In a new checkout, every worker of pytest would otherwise compile all tests by itself, at the same time.
compile_tests() {
  local output
  [[ -d tests/__pycache__ ]] || output=$(.venv/bin/pytest --collect-only --quiet tests) || fail "$output"
}

# A shell may preset it to a file that does not exist; every terraform command would then warn.
[[ -f ${TF_CLI_CONFIG_FILE:-} ]] || unset TF_CLI_CONFIG_FILE

checks=$(scripts/checks.sh)
outputs=$(mktemp -d)
trap 'rm -rf "$outputs"' EXIT
# In parallel, because each leaves a core idle at times; their outputs are shown one after the other.
started=(check_python check_terraform check_the_rest compile_tests) processes=() passed=1
for check in "${started[@]}"; do
  "$check" >"$outputs/$check" 2>&1 &
  processes+=($!)
done
for index in "${!started[@]}"; do
  wait "${processes[index]}" || passed=0
  cat "$outputs/${started[index]}"
done
((passed)) || exit 1
if [[ ${1:-} != --without-plans ]]; then
  .venv/bin/pytest --quiet --numprocesses 2 --dist loadfile tests/terraform/static
fi
echo "lint: no findings."
