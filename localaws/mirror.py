"""A copy of the Terraform tree whose roots use localaws. The real roots are never changed."""

import shutil
from pathlib import Path

from localaws.home import claim
from localaws.settings import REPOSITORY, Settings

OVERRIDE = """\
# Merged over the root by Terraform: https://developer.hashicorp.com/terraform/language/files/override
terraform {
  backend "local" {}
}

provider "aws" {
  # Replaces the accounts of terraform.tfvars, which has precedence over environment variables.
  allowed_account_ids = ["@ACCOUNT@"]

  # Host-style bucket names need DNS, which a loopback address does not have.
  s3_use_path_style = true
}
"""


# Terraform would still read these files after their removal from the source.
READ = (".tf", ".tfvars", ".tfvars.json")
# Names of files that exist only in the mirror: the override, and the versions file of `make upgrade`.
OWN = "localaws"


def mirror(settings: Settings, environment: str, source: Path = REPOSITORY) -> Path:
    """Copies changed files, removes files that the root no longer has, and returns the root's folder in the mirror.

    Terraform's state and `.terraform` in the mirror stay.

    Raises:
        ValueError: there is no such environment.
        HomeError: localaws's home holds files that no localaws wrote, or cannot be written.
    """
    if environment not in {root.name for root in (source / "mlflow/terraform").iterdir() if root.is_dir()}:
        raise ValueError(f"There is no environment named {environment}: choose one of mlflow/terraform/.")
    claim(settings)
    target = settings.terraform
    # Terraform uploads the tools of the nightly backup and of monitoring from these sources.
    for part in (Path("terraform/module"), Path("mlflow/terraform") / environment, Path("src"), Path("scripts")):
        _copy(source / part, target / part)
    root = target / "mlflow/terraform" / environment
    _write(root / "localaws_override.tf", OVERRIDE.replace("@ACCOUNT@", settings.account))
    return root


def _copy(source: Path, target: Path) -> None:
    wanted = {
        file.relative_to(source)
        for file in source.rglob("*")
        if file.is_file()
        and (file.suffix in (".tf", ".tfvars", ".json", ".hcl", ".tpl", ".j2", ".sh", ".py", ".lock"))
        and not {".terraform", "tests", "examples"} & set(file.relative_to(source).parts)
    }
    for file in wanted:
        copied = target / file
        if not copied.exists() or copied.read_bytes() != (source / file).read_bytes():
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / file, copied)
    for old in target.rglob("*"):
        relative = old.relative_to(target)
        stale = old.name.endswith(READ) and OWN not in old.name and relative not in wanted
        if stale and ".terraform" not in relative.parts:
            old.unlink()


def _write(file: Path, text: str) -> None:
    if not file.exists() or file.read_text() != text:
        file.write_text(text)
