# shellcheck shell=bash
# shellcheck disable=SC2154  # $repo, the repository's folder, is set by the script that sources this file.
# Finds where Terraform gets the AWS provider from.
#
# Terraform looks into the usual plug-in folders, but not into a mirror elsewhere, and a shell may preset
# TF_CLI_CONFIG_FILE to a file that does not exist. These functions find a mirror, if there is one, and configure it.

# The version that the environments' lock files name.
locked_provider_version() {
  sed -n '/hashicorp\/aws"/,/^}/s/^ *version *= *"\(.*\)"/\1/p' "$repo/mlflow/terraform/staging/.terraform.lock.hcl"
}

has_locked_provider() {
  local folder=$1/registry.terraform.io/hashicorp/aws version
  version=$(locked_provider_version)
  [[ -d $folder/$version ]] || compgen -G "$folder/terraform-provider-aws_${version}_*.zip" >/dev/null
}

# Prints the folder of a mirror that holds the locked AWS provider. Status 1: there is none.
provider_mirror() {
  local folder
  for folder in ${TF_PROVIDER_MIRROR:+"$TF_PROVIDER_MIRROR"} \
    ${HOME:+"$HOME/.terraform.d/plugins" "$HOME/.local/share/terraform/plugins"} \
    /usr/local/share/terraform/plugins /usr/share/terraform/plugins /opt/*; do
    if has_locked_provider "$folder"; then
      printf '%s\n' "$folder"
      return 0
    fi
  done
  return 1
}

# Points TF_CLI_CONFIG_FILE to a configuration that uses the mirror. A user's own configuration in that variable stays in
# force unless TF_PROVIDER_MIRROR names a mirror. Without a mirror, the registry is used.
use_provider_mirror() {
  local mirror config=$repo/.cache/terraform.rc
  if [[ -f ${TF_CLI_CONFIG_FILE:-} && $TF_CLI_CONFIG_FILE != "$config" && -z ${TF_PROVIDER_MIRROR:-} ]]; then
    return
  fi
  unset TF_CLI_CONFIG_FILE
  if ! mirror=$(provider_mirror); then
    rm -f "$config"
    return
  fi
  mkdir -p "${config%/*}"
  cat >"$config.$$" <<RC
provider_installation {
  filesystem_mirror {
    path    = "$mirror"
    include = ["registry.terraform.io/hashicorp/aws"]
  }
  direct {
    exclude = ["registry.terraform.io/hashicorp/aws"]
  }
}
RC
  mv "$config.$$" "$config"
  export TF_CLI_CONFIG_FILE=$config
}
