#!/usr/bin/env bash
# Plans an environment in CI and leaves what the later steps need in a folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'TEXT'
usage: scripts/ci_plan.sh ENV FOLDER
       scripts/ci_plan.sh --backend-only ENV

Plans ENV and writes into FOLDER:
  ENV.tfplan   the saved plan, for `scripts/terraform.sh ENV apply-saved FOLDER/ENV.tfplan`
  plan.txt     the same as text
  review.json  what the plan guard says: changes, warnings, cost, refusal

--backend-only writes only ENV's backend.hcl.

STATE_BUCKET     the bucket of the state, if ENV has no backend.hcl
AWS_REGION       its region
STATE_KEY        the key of the state (default mlflow/ENV/terraform.tfstate)
STATE_KMS_KEY    ARN of the key that encrypts the state, if it has one
GITHUB_OUTPUT    gets changes=true or changes=false

Exit status: 0 done, 1 the work failed, 2 wrong usage, 3 a precondition is not met.
TEXT
}

fail() {
  printf 'error: %s\n' "$2" >&2
  exit "$1"
}

write_backend() {
  local file=$root/backend.hcl
  [[ ! -f $file && -n ${STATE_BUCKET:-} ]] || return 0
  [[ $STATE_BUCKET =~ ^[a-z0-9][a-z0-9.-]+$ ]] || fail 2 "STATE_BUCKET is the name of a bucket, not \"$STATE_BUCKET\""
  [[ ${AWS_REGION:-} =~ ^[a-z0-9-]+$ ]] || fail 2 "AWS_REGION is missing: set it to the region of the bucket $STATE_BUCKET"
  [[ ${STATE_KEY:=mlflow/$env/terraform.tfstate} =~ ^[A-Za-z0-9._/-]+\.tfstate$ ]] ||
    fail 2 "STATE_KEY is a key that ends in .tfstate, not \"$STATE_KEY\""
  [[ ${STATE_KMS_KEY:-} =~ ^(arn:[a-z0-9:/-]+)?$ ]] || fail 2 "STATE_KMS_KEY is the ARN of a key, not \"$STATE_KMS_KEY\""
  {
    printf 'bucket       = "%s"\nkey          = "%s"\nregion       = "%s"\n' "$STATE_BUCKET" "$STATE_KEY" "$AWS_REGION"
    printf 'encrypt      = true\nuse_lockfile = true\n'
    [[ -z ${STATE_KMS_KEY:-} ]] || printf 'kms_key_id   = "%s"\n' "$STATE_KMS_KEY"
  } >"$file"
}

case ${1:-} in
  -h | --help) usage && exit ;;
esac
(($# == 2)) || { usage >&2 && exit 2; }
env=$1 folder=$2
[[ $1 != --backend-only ]] || env=$2 folder=
root=mlflow/terraform/$env
[[ $env =~ ^[A-Za-z0-9-]+$ && -f $root/main.tf ]] || fail 2 "\"$env\" is not an environment: a folder of mlflow/terraform"

write_backend
[[ -n $folder ]] || exit 0
mkdir -p "$folder"
export TF_CLI_ARGS_plan=-lock-timeout=10m # another job may hold the lock
scripts/terraform.sh "$env" plan
cp "$root/$env.tfplan" "$folder/$env.tfplan"
terraform -chdir="$root" show -no-color "$env.tfplan" >"$folder/plan.txt"
.venv/bin/python scripts/plan_guard.py "$root/$env.tfplan" --root "$root" --env "$env" --json --only-show >"$folder/review.json"
if [[ -n ${GITHUB_OUTPUT:-} ]]; then
  # A plan that changes only outputs changes no resource, but is applied too.
  changes=true
  ! grep -q '^No changes\.' "$folder/plan.txt" || changes=false
  printf 'changes=%s\n' "$changes" >>"$GITHUB_OUTPUT"
fi
