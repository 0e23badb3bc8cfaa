"""An environment's outputs as Terraform publishes them in SSM Parameter Store, for whoever may not read its state."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

# Takes a path such as /mlflow/staging and a region; gives values by the name below that path.
Reader = Callable[[str, str], Mapping[str, str]]

_SETTING = re.compile(r'^(project_name|environment)\s*=\s*"([^"]+)"', re.MULTILINE)


def path(root: Path) -> str | None:
    """Where the parameters of a Terraform root stand; None where its terraform.tfvars does not name it."""
    file = root / "terraform.tfvars"
    settings = dict(_SETTING.findall(file.read_text())) if file.is_file() else {}
    if settings.keys() != {"project_name", "environment"}:
        return None
    return f"/{settings['project_name']}/{settings['environment']}"


def read(folder: str, region: str) -> Mapping[str, str]:
    """The values below a path, with the credentials of this process; empty where there are none.

    Raises:
        botocore's errors: there are no credentials, or they may not read there.
    """
    import boto3

    pages = boto3.Session(region_name=region).client("ssm").get_paginator("get_parameters_by_path")
    return {
        parameter["Name"].removeprefix(f"{folder}/"): parameter["Value"]
        for page in pages.paginate(Path=folder)
        for parameter in page["Parameters"]
    }
