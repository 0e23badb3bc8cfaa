"""What Terraform deployed, as its state says: the attributes of the managed resources."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow_common.errors import PreconditionError
from mlflow_platform.outputs import Terraform, terraform_error

_LOCKED = re.compile(r'provider "[^"]*/hashicorp/aws" \{\s*version\s*=\s*"([^"]+)"')
_NO_STATE = "`terraform state pull` did not print a state of version 4."


@dataclass(frozen=True)
class Resource:
    """A managed resource. `address` is its address in Terraform; `values` are its attributes."""

    address: str
    type: str
    values: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        """An attribute's value; None if there is no such attribute."""
        return self.values.get(name)


@dataclass(frozen=True)
class TerraformState:
    """The managed resources of a state, and the Terraform version that wrote it."""

    terraform_version: str = ""
    resources: tuple[Resource, ...] = field(default_factory=tuple)

    def of_type(self, kind: str) -> list[Resource]:
        """The resources of a type, such as `aws_s3_bucket`."""
        return [resource for resource in self.resources if resource.type == kind]


def read_state(folder: Path, terraform: Terraform) -> TerraformState:
    """Read the state of a Terraform root that is initialised.

    Raises:
        PreconditionError: Terraform cannot read it, or nothing was applied.
    """
    found = pull_state(folder, terraform)
    if found is None:
        raise PreconditionError(_NO_STATE)
    return found


def pull_state(folder: Path, terraform: Terraform) -> TerraformState | None:
    """Read the state of a Terraform root that is initialised; None if nothing was applied.

    Raises:
        PreconditionError: Terraform cannot read it.
    """
    done = terraform([f"-chdir={folder}", "state", "pull"])
    if done.returncode != 0:
        raise PreconditionError(f"Terraform cannot read its state ({terraform_error(done.stderr)}).")
    if not done.stdout.strip():
        return None
    try:
        return parse_state(done.stdout)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise PreconditionError(_NO_STATE) from None


def locked_provider(folder: Path) -> str | None:
    """The version of the AWS provider in a root's lock file; None if there is none."""
    file = folder / ".terraform.lock.hcl"
    found = _LOCKED.search(file.read_text(encoding="utf-8")) if file.is_file() else None
    return found[1] if found else None


def parse_state(text: str) -> TerraformState:
    """Parse a state file (format version 4).

    Raises:
        ValueError, KeyError, TypeError: it is not one.
    """
    content = json.loads(text)
    found = []
    for resource in content["resources"]:
        if resource["mode"] != "managed":
            continue
        name = f"{resource['type']}.{resource['name']}"
        prefix = f"{resource['module']}." if resource.get("module") else ""
        for instance in resource["instances"]:
            key = f"[{json.dumps(instance['index_key'])}]" if "index_key" in instance else ""
            found.append(Resource(f"{prefix}{name}{key}", resource["type"], instance["attributes"]))
    return TerraformState(content["terraform_version"], tuple(found))
