"""A copy of the Terraform tree whose roots use localaws. The real roots are never changed."""

import shutil
from pathlib import Path

from localaws.settings import REPOSITORY, Settings

OVERRIDE = """\
# Merged over the root by Terraform: https://developer.hashicorp.com/terraform/language/files/override
terraform {
  backend "local" {}
}

provider "aws" {
  # Whatever account terraform.tfvars names, which no variable of the environment outranks.
  allowed_account_ids = ["@ACCOUNT@"]

  # Host-style bucket names need DNS, which a loopback address does not have.
  s3_use_path_style = true
}
"""


# Files that Terraform would still read after they were removed from the source.
READ = (".tf", ".tfvars", ".tfvars.json")
# What the mirror has and the root has not says so in its name: the override, and `make upgrade`'s file of versions.
OWN = "localaws"


def mirror(settings: Settings, environment: str, source: Path = REPOSITORY) -> Path:
    """Copies what has changed, removes what the root has lost, and returns the mirror's folder of it.

    What Terraform made there, its state and its `.terraform`, stays.

    Raises:
        FileNotFoundError: there is no such environment.
    """
    if not (source / "mlflow/terraform" / environment).is_dir():
        raise FileNotFoundError(environment)
    target = settings.terraform
    # The sources too: the nightly backup's tool is uploaded from there.
    for part in (Path("terraform/module"), Path("mlflow/terraform") / environment, Path("src")):
        _copy(source / part, target / part)
    root = target / "mlflow/terraform" / environment
    _write(root / "localaws_override.tf", OVERRIDE.replace("@ACCOUNT@", settings.account))
    return root


def _copy(source: Path, target: Path) -> None:
    wanted = {
        file.relative_to(source)
        for file in source.rglob("*")
        if file.is_file()
        and (file.suffix in (".tf", ".tfvars", ".json", ".hcl", ".tpl", ".sh", ".py", ".lock"))
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
