"""An environment's outputs in SSM Parameter Store, where users without access to Terraform's state can read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from mlflow_platform import tfvars

# Takes a path such as /mlflow/staging and a region; returns the values by their names below that path.
Reader = Callable[[str, str], Mapping[str, str]]


def path(root: Path) -> str | None:
    """The path of a Terraform root's parameters; None if its terraform.tfvars does not name project and environment.

    Raises:
        InputError: terraform.tfvars cannot be parsed.
    """
    settings = tfvars.read(root)
    project, environment = settings.get("project_name"), settings.get("environment")
    return f"/{project}/{environment}" if project and environment else None


def read(folder: str, region: str) -> Mapping[str, str]:
    """Read the values below a path, with the credentials of this process; empty if there are none.

    Raises:
        botocore's errors: there are no credentials, or they may not read the parameters.
    """
    import boto3

    pages = boto3.Session(region_name=region).client("ssm").get_paginator("get_parameters_by_path")
    return {
        parameter["Name"].removeprefix(f"{folder}/"): parameter["Value"]
        for page in pages.paginate(Path=folder)
        for parameter in page["Parameters"]
    }
