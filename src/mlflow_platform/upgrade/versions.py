"""The tracking servers that an environment has, and those that it should have, in the file that Terraform reads.

AWS cannot upgrade a tracking server in place. So each version has its own server. The outputs follow the active
one, and the others are retained.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow_common.arns import ServerArn
from mlflow_common.errors import InputError, PlatformError
from mlflow_platform.mlflow_versions import supported_versions

# Terraform reads *.auto.tfvars.json after terraform.tfvars, in the order of their names, and the last value wins. So on
# localaws the mirror's own file takes precedence over the copy of the root's file, which describes AWS.
FILE = "versions.auto.tfvars.json"
LOCAL_FILE = "versions.localaws.auto.tfvars.json"


@dataclass(frozen=True)
class Servers:
    """The tracking servers as they are deployed: ARNs by MLflow version.

    Args:
        whole: false after an interrupted apply: Terraform then has resources and no outputs, and the active version is
            the one that was to become active.
        stem: how Terraform begins the names of new servers; empty if it is not known. A server that was not created by
            Terraform has another name.
    """

    active: str
    arns: Mapping[str, str]
    whole: bool = True
    stem: str = ""

    @property
    def retained(self) -> list[str]:
        """The versions beside the active one, oldest first."""
        return sorted(set(self.arns) - {self.active}, key=_number)

    def name(self, version: str) -> str:
        """The name that the server of a version has or would have. Those that Terraform gives differ in their ends."""
        arn = self.arns.get(version)
        if arn is not None:
            return ServerArn.parse(arn).name
        stem = self.stem or self.name(self.active).removesuffix("-" + self.active.replace(".", "-"))
        return f"{stem}-{version.replace('.', '-')}"


@dataclass(frozen=True)
class Desired:
    """The tracking servers that an environment should have."""

    active: str
    retained: frozenset[str]

    @classmethod
    def read(cls, file: Path) -> Desired | None:
        """The content of the file; None if there is no file."""
        try:
            found = json.loads(file.read_text())
            return cls(found["mlflow_version"], frozenset(found["retained_mlflow_versions"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def versions(self) -> list[str]:
        """All versions, oldest first."""
        return sorted({self.active, *self.retained}, key=_number)

    def write(self, file: Path) -> None:
        """Write the file, so that Terraform plans these servers. A kill leaves the old file or the new one.

        Raises:
            PlatformError: the file cannot be written.
        """
        content = {"mlflow_version": self.active, "retained_mlflow_versions": sorted(self.retained, key=_number)}
        part = file.with_name(f"{file.name}.part")
        try:
            part.write_text(json.dumps(content, indent=2) + "\n")
            part.replace(file)
        except OSError as error:
            raise PlatformError(f"{file} cannot be written ({error.strerror})") from None


def check(version: str, say: str) -> None:
    """Check that AWS offers this version.

    Args:
        say: how a person gives it, such as TO=3.0.

    Raises:
        InputError: AWS does not offer it.
    """
    offered = supported_versions()
    if version not in offered:
        problem = f"AWS offers no MLflow version {version!r}" if version else "the MLflow version is missing"
        raise InputError(f"{problem}: give {say}, with one of {', '.join(offered)}")


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
