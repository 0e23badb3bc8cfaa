#!/usr/bin/env bash
# Writes the modules in the structure that Terraform's registry expects into a new folder: the platform module at the
# root, the others below modules/. scripts/registry_module.sh FOLDER REPOSITORY_URL vVERSION. Called by the workflow `release`.
set -euo pipefail

fail() {
  printf 'error: %s\n' "$*" >&2
  exit "${status:-1}"
}

[[ $# == 3 ]] || status=2 fail "use scripts/registry_module.sh FOLDER REPOSITORY_URL vVERSION"
folder=$(realpath -m -- "$1") url=$2 tag=$3
cd "$(dirname "$0")/.."
[[ $url =~ ^https://[A-Za-z0-9./_-]+$ ]] || status=2 fail "the address of the repository is \"$url\": use https://HOST/OWNER/REPOSITORY"
[[ $tag =~ ^v[0-9]+\.[0-9]+\.[0-9]+$ ]] || status=2 fail "the tag \"$tag\" is not a version: use vMAJOR.MINOR.PATCH"
[[ ! -e $folder ]] || status=3 fail "$1 exists already: name a folder that does not"

mkdir -p "$folder/modules"
for module in terraform/module/*/; do
  name=$(basename "$module")
  target=$folder/modules/$name
  [[ $name != platform ]] || target=$folder
  # Only what git has: no provider, no state.
  git ls-files -z -- "$module" | while IFS= read -r -d '' file; do
    [[ ! -L $file && -f $file ]] || fail "$file is not a file"
    mkdir -p "$target/$(dirname "${file#"$module"}")"
    cp -- "$file" "$target/${file#"$module"}"
  done
done
cp LICENSE CHANGELOG.md "$folder"
cp docs/guides/upgrade-the-module.md "$folder/UPGRADING.md"

# The platform module's siblings are below it now.
sed -i 's#source = "\.\./\([a-z-]*\)"#source = "./modules/\1"#' "$folder/main.tf"
sed -i 's#](\.\./\([a-z-]*\))#](modules/\1)#g' "$folder/README.md"
# Links that lead out of the modules. The guide and the changelog moved to the root.
sed -i "s#](\([a-z][a-z-]*\.md\)#]($url/blob/$tag/docs/guides/\1#g; s#](\(\.\./\)*CHANGELOG.md#](CHANGELOG.md#g" "$folder/UPGRADING.md"
find "$folder" -name '*.md' -exec sed -i -E "s#\]\((\.\./)*(docs|tests|scripts|serving|training|terraform|mlflow|localaws|bench|examples|src)/#](${url}/blob/${tag}/\2/#g" {} +
# In the README of a module, examples are beside it.
find "$folder" -name README.md -exec sed -i "s#]($url/blob/$tag/examples/#](examples/#g" {} +
find "$folder" -name '*.md' -exec sed -i -E "s#\]\((\.\./)+bootstrap#](${url}/blob/${tag}/terraform/bootstrap#g" {} +
# What users copy from a README must work outside of a checkout.
find "$folder" -name '*.md' -exec sed -i -E "s#source( *)= \"[./]*terraform/module/([a-z-]+)\"#source\1= \"git::${url}//terraform/module/\2?ref=${tag}\"#" {} +
printf '%s\n' "$folder"
