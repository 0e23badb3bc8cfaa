"""Which tracking servers an environment has, and which it is to have: the file that Terraform reads them from.

AWS cannot upgrade a tracking server in place. So a version is a server of its own, one of them is the active one that
the outputs follow, and the others are retained beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow_common.errors import InputError, PlatformError
from mlflow_platform.mlflow_versions import supported_versions

# Terraform reads *.auto.tfvars.json after terraform.tfvars and in the order of their names, and the last one wins. So
# on localaws the mirror's own file outranks the copy of the root's, which is what AWS has.
FILE = "versions.auto.tfvars.json"
LOCAL_FILE = "versions.localaws.auto.tfvars.json"


@dataclass(frozen=True)
class Servers:
    """The tracking servers as they are deployed: ARNs by MLflow version.

    Args:
        whole: false after an apply that was broken off: Terraform then has resources and no outputs, and the active
            version is the one that was wanted.
    """

    active: str
    arns: Mapping[str, str]
    whole: bool = True

    @property
    def retained(self) -> list[str]:
        """The versions beside the active one, oldest first."""
        return sorted(set(self.arns) - {self.active}, key=_number)

    def name(self, version: str) -> str:
        """The name that the server of a version has or would have: they differ in their end alone."""
        arn = self.arns.get(version)
        if arn is not None:
            return arn.rpartition("/")[2]
        stem = self.name(self.active).removesuffix("-" + self.active.replace(".", "-"))
        return f"{stem}-{version.replace('.', '-')}"


@dataclass(frozen=True)
class Wanted:
    """The tracking servers as they are to be."""

    active: str
    retained: frozenset[str]

    @classmethod
    def read(cls, file: Path) -> Wanted | None:
        """What the file says; None where there is none."""
        try:
            found = json.loads(file.read_text())
            return cls(found["mlflow_version"], frozenset(found["retained_mlflow_versions"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def versions(self) -> list[str]:
        """All of them, oldest first."""
        return sorted({self.active, *self.retained}, key=_number)

    def write(self, file: Path) -> None:
        """Make this what Terraform plans. A kill leaves the old file or the new one.

        Raises:
            PlatformError: it cannot be written.
        """
        content = {"mlflow_version": self.active, "retained_mlflow_versions": sorted(self.retained, key=_number)}
        part = file.with_name(f"{file.name}.part")
        try:
            part.write_text(json.dumps(content, indent=2) + "\n")
            part.replace(file)
        except OSError as error:
            raise PlatformError(f"{file} cannot be written ({error.strerror})") from None


def check(version: str, say: str) -> None:
    """See that this is a version that AWS offers.

    Args:
        say: how a person names it, such as TO=3.0.

    Raises:
        InputError: it is not.
    """
    offered = supported_versions()
    if version not in offered:
        named = f"{version!r} is no version that AWS offers" if version else "no MLflow version is named"
        raise InputError(f"{named}: say {say}, with one of {', '.join(offered)}")


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
