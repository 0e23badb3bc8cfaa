#!/usr/bin/env bash
# Runs Terraform on an environment's root, or with LOCAL=1 on a copy of it for localaws.
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/provider_mirror.sh
source "$repo/scripts/lib/provider_mirror.sh"

usage() {
  cat <<'TEXT'
usage: scripts/terraform.sh ENV VERB [terraform's own options]
       scripts/terraform.sh mirror

ENV   an environment: a folder of mlflow/terraform, such as staging or prod
VERB  init     prepare the folder (does nothing when nothing changed)
      plan     show what would change and its monthly cost, and save the plan as ENV.tfplan
      apply    plan, show the plan, ask, and apply exactly that plan
      apply-saved FILE   show the plan that `plan` saved in FILE, ask, and apply exactly that plan
      destroy  the same for deleting everything, with a count of what would be lost
      output   print the outputs (-json, -raw NAME)

mirror prints the folder that the AWS provider is installed from, or nothing when it comes from Terraform's registry.

LOCAL=1              work on localaws, with a separate state and without questions
AUTO_APPROVE=1       do not ask
CONFIRM=NAME,NAME    names of the tracking servers, buckets and keys that apply and destroy may delete
TF_PROVIDER_MIRROR   a folder to install the AWS provider from

Exit status: 0 done, 1 the work failed, 2 wrong usage, 3 a precondition is not met.
TEXT
}

fail() {
  local status=$1
  shift
  printf 'error: %s\n' "$*" >&2
  exit "$status"
}

check_environment() {
  [[ $env =~ ^[A-Za-z0-9-]+$ && -f $repo/mlflow/terraform/$env/main.tf ]] && return
  local known=("$repo"/mlflow/terraform/*/main.tf)
  known=("${known[@]%/main.tf}")
  known=("${known[@]##*/}")
  fail 2 "\"$env\" is not an environment: use one of ${known[*]}"
}

check_switches() {
  [[ -z ${LOCAL:-} || $LOCAL == 1 ]] || fail 2 "LOCAL takes 1 for localaws or nothing for AWS, not \"$LOCAL\""
  [[ -z ${AUTO_APPROVE:-} || $AUTO_APPROVE == 1 ]] || fail 2 "AUTO_APPROVE takes 1 or nothing, not \"$AUTO_APPROVE\""
  # Another workspace has another, empty state: Terraform would plan to create everything again.
  [[ ${TF_WORKSPACE:-default} == default ]] ||
    fail 2 "TF_WORKSPACE is \"$TF_WORKSPACE\", but an environment is a folder, not a workspace: unset TF_WORKSPACE"
}

# The plan is saved where the review and the apply expect it.
check_options() {
  local option
  for option; do
    [[ $option != -out && $option != --out && $option != -out=* && $option != --out=* ]] ||
      fail 2 "$option cannot be used here: \`plan\` saves the plan as mlflow/terraform/$env/$env.tfplan, which you can copy"
  done
}

check_terraform() {
  local version
  command -v terraform >/dev/null ||
    fail 3 "Terraform is not installed: install version 1.11 or later, see https://developer.hashicorp.com/terraform/install"
  version=$(terraform version 2>/dev/null | sed -n '1s/^Terraform v//p')
  [[ $version =~ ^([0-9]+)\.([0-9]+) ]] || fail 3 "\`terraform version\` does not answer: reinstall Terraform 1.11 or later"
  ((BASH_REMATCH[1] > 1 || (BASH_REMATCH[1] == 1 && BASH_REMATCH[2] >= 11))) ||
    fail 3 "Terraform $version is too old: install version 1.11 or later, see https://developer.hashicorp.com/terraform/install"
}

check_mirror() {
  [[ -z ${TF_PROVIDER_MIRROR:-} ]] || has_locked_provider "$TF_PROVIDER_MIRROR" ||
    fail 3 "TF_PROVIDER_MIRROR=$TF_PROVIDER_MIRROR does not hold the AWS provider:" \
      "it should have a folder registry.terraform.io/hashicorp/aws/$(locked_provider_version)"
}

# GitHub's runner executes lines such as "  ::add-mask::x", and Terraform prints names and tags that others chose. One stream, so
# that no line overtakes the marker.
# https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#stopping-and-starting-workflow-commands
stop_commands() {
  [[ ${GITHUB_ACTIONS:-} == true ]] || return 0
  exec 2>&1
  marker=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  printf '::stop-commands::%s\n' "$marker"
}

clean_up() {
  rm -rf "$work"
  [[ -z ${marker:-} ]] || printf '::%s::\n' "$marker"
}

# Loads the variables that localaws wrote when it started, and checks that it answers.
use_localaws() {
  local home=${LOCALAWS_HOME:-$repo/.localaws} not_running="localaws is not running: start it with \`make local-up\`"
  local line key value answer=
  [[ -f $home/env ]] || fail 3 "$not_running"
  unset TF_DATA_DIR # The copy of the root has its own, and the user's belongs to a state on AWS.
  # Not with IFS='=', which would drop a final "=" from a value, such as a session token.
  while IFS= read -r line; do
    key=${line%%=*} value=${line#*=}
    # An empty value means unset: with an empty AWS_PROFILE the AWS CLI would look for a profile of that name.
    if [[ -n $value ]]; then export "$key=$value"; elif [[ -n $key ]]; then unset "$key"; fi
  done <"$home/env"
  [[ ${AWS_ENDPOINT_URL:-} =~ ^http://([^:/]+):([0-9]+) ]] || fail 3 "$not_running"
  { exec 3<>"/dev/tcp/${BASH_REMATCH[1]}/${BASH_REMATCH[2]}"; } 2>/dev/null || fail 3 "$not_running"
  printf 'GET /_localaws/health HTTP/1.0\r\nHost: localhost\r\nX-Localaws: 1\r\n\r\n' >&3
  read -r -t 10 answer <&3 || true
  exec 3>&-
  [[ $answer == *' 200 '* ]] || fail 3 "$not_running"
  root=$(cd "$repo" && .venv/bin/python -m localaws mirror "$env") || exit $?
  restore_state "$root/terraform.tfstate"
}

# Terraform truncates a local state before it writes it (statemgr/filesystem.go). A kill in between leaves only the backup
# from before the apply. What was created since is orphaned; docs/guides/runbook.md says how to recover it.
restore_state() {
  local state=$1
  [[ -f $state && -s $state.backup && $(tail -c 2 "$state") != *'}'* ]] || return 0
  cp "$state.backup" "$state"
  printf 'The state of %s is incomplete because an apply was killed. The state from before that apply is used.\n' "$env" >&2
}

# Runs Terraform in the root. After an error that is a precondition of ours, adds one line that says what to do.
run_terraform() {
  local status=0
  terraform -chdir="$root" "$@" 2>"$work/errors" || status=$?
  cat "$work/errors" >&2
  if ((status == 0 || status == 2)); then
    return "$status"
  elif grep -q 'AWS account ID not allowed' "$work/errors"; then
    fail 3 "these credentials belong to another AWS account than $env's: log in to that account, or correct allowed_account_ids in ${root#"$repo"/}/terraform.tfvars"
  elif grep -qE 'No valid credential sources|ExpiredToken|InvalidClientTokenId|SSO session.*expired' "$work/errors"; then
    fail 3 "AWS does not accept these credentials: log in (for example with \`aws sso login\`) and check AWS_PROFILE"
  fi
  exit 1
}

# A checksum of everything that init depends on. While it is unchanged and the provider is there, init has nothing to do.
fingerprint() {
  find "$root" "$root/../../../terraform/module" \( -name .terraform -prune \) -o \
    \( -name '*.tf' -o -name '*.hcl' \) -type f -print | LC_ALL=C sort | tr '\n' '\0' | xargs -0 cat |
    cat - "${TF_CLI_CONFIG_FILE:-/dev/null}" | cksum
}

init() {
  local options=(-input=false -lockfile=readonly "$@") data=${TF_DATA_DIR:-.terraform} stamp now
  [[ $data == /* ]] || data=$root/$data
  [[ ! -f $data/environment || $(<"$data/environment") == default ]] ||
    fail 3 "Terraform's workspace in $root is \"$(<"$data/environment")\", but an environment is a folder, not a workspace:" \
      "run \`terraform -chdir='$root' workspace select default\`"
  stamp=$data/initialised
  now=$(fingerprint)
  if (($# == 0)) && [[ -f $stamp && $(<"$stamp") == "$now" ]] &&
    compgen -G "$data/providers/registry.terraform.io/hashicorp/aws/*/*/terraform-provider-aws*" >/dev/null; then
    return
  fi
  if [[ ${LOCAL:-} != 1 ]]; then
    [[ -f $root/backend.hcl ]] || fail 3 "$env has no backend.hcl, which names the bucket of its state:" \
      "run \`make bootstrap\` to create a bucket, or" \
      "copy mlflow/terraform/$env/backend.hcl.example to backend.hcl beside it and name your bucket"
    options+=(-backend-config=backend.hcl)
  fi
  if ! terraform -chdir="$root" init "${color[@]}" "${options[@]}" >"$work/init" 2>&1; then
    if grep -qE 'Failed to (query available provider packages|install provider)|Inconsistent dependency lock' "$work/init"; then
      mkdir -p "$repo/.cache"
      cp "$work/init" "$repo/.cache/terraform-init.log"
      fail 3 "Terraform cannot get the AWS provider $(locked_provider_version): connect to the internet for the first run," \
        "or set TF_PROVIDER_MIRROR to a folder that holds the provider (Terraform's output: .cache/terraform-init.log)"
    fi
    cat "$work/init" >&2
    exit 1
  fi
  printf '%s\n' "$now" >"$stamp"
}

# Saves the plan. Status 2: it changes something. Status 0: it does not. The last of two equal options counts, so that
# options of the user cannot change what the status means.
plan() {
  rm -f "$saved"
  run_terraform plan "$@" "${color[@]}" -input=false -detailed-exitcode -out="$saved"
}

# Shows what the saved plan changes and costs. Exits with 3 when it would delete something that CONFIRM does not name.
guard() {
  local options=(--root "$root" --env "$env" "$@")
  [[ ${LOCAL:-} != 1 ]] || options+=(--local)
  "$repo/.venv/bin/python" "$repo/scripts/plan_guard.py" "$saved" "${options[@]}" || exit $?
}

check_approval() {
  [[ ${LOCAL:-} == 1 || ${AUTO_APPROVE:-} == 1 || -t 0 ]] ||
    fail 2 "the plan needs an approval, and there is no terminal to ask on: run \`make plan ENV=$env\` to see it, and approve it with AUTO_APPROVE=1"
}

ask() {
  local answer
  [[ ${LOCAL:-} == 1 || ${AUTO_APPROVE:-} == 1 ]] && return
  read -r -p "$1 Type yes to continue: " answer || true
  [[ $answer == yes ]] || fail 1 "not approved: nothing was changed"
}

apply_saved_plan() {
  run_terraform apply "${color[@]}" -input=false "$saved"
}

# apply and destroy save the plan in a file of their own, so that exactly the plan that was approved is applied.
apply() {
  local status=0
  check_approval
  init
  saved=$work/approved.tfplan
  plan "$@" || status=$?
  # Also if nothing changes: Terraform ignores a misspelt attribute. `-help` saves no plan.
  [[ ! -f $saved ]] || guard
  if ((status == 2)); then
    ask "Apply this plan to $env?"
    apply_saved_plan
  fi
}

# Another process made the plan and had it approved, as in CI. Terraform refuses it if the state has changed since then.
apply_saved() {
  [[ $# == 1 && -f ${1:-} ]] || fail 2 "apply-saved takes the file of a plan that \`scripts/terraform.sh $env plan\` saved"
  check_approval
  saved=$(realpath "$1")
  init
  guard
  ask "Apply this plan to $env?"
  apply_saved_plan
}

destroy() {
  local status=0
  check_approval
  init
  saved=$work/approved.tfplan
  plan -destroy "$@" || status=$?
  if ((status == 2)); then
    guard --destroy
    ask "Destroy all of $env?"
    apply_saved_plan
  fi
}

output() {
  init
  run_terraform output "${color[@]}" "$@" >"$work/output"
  if grep -q 'No outputs found' "$work/output" || [[ $(<"$work/output") == '{}' ]]; then
    fail 3 "$env is not deployed yet: run \`make apply ENV=$env${LOCAL:+ LOCAL=$LOCAL}\`"
  fi
  cat "$work/output"
}

main() {
  case ${1:-} in
    -h | --help) usage && return ;;
    mirror)
      check_terraform
      check_mirror
      provider_mirror || true
      return
      ;;
  esac
  (($# >= 2)) || { usage >&2 && exit 2; }
  env=$1 verb=$2
  shift 2
  check_environment
  check_switches
  check_options "$@"
  check_terraform
  check_mirror
  case $verb in init | plan | apply | apply-saved | destroy | output) ;; *) fail 2 "\"$verb\" is not a verb: use init, plan, apply, apply-saved, destroy or output" ;; esac

  # No version check over the network, and no hints for people who run terraform themselves.
  export CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1
  # Terraform mostly allocates the provider's schema: later garbage collection saves a quarter of its time.
  export GOGC=${GOGC:-400}
  use_provider_mirror
  root=$repo/mlflow/terraform/$env
  [[ ${LOCAL:-} != 1 ]] || use_localaws
  work=$(mktemp -d)
  trap clean_up EXIT
  [[ $verb == init || $verb == output ]] || stop_commands
  saved=$root/$env.tfplan
  color=()
  [[ -t 1 ]] || color=(-no-color)

  case $verb in
    init) init "$@" ;;
    plan) init && { plan "$@" || (($? == 2)); } && { [[ ! -f $saved ]] || guard --only-show; } ;; # -help saves none
    apply) apply "$@" ;;
    apply-saved) apply_saved "$@" ;;
    destroy) destroy "$@" ;;
    output) output "$@" ;;
  esac
}

main "$@"
