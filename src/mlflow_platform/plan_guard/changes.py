"""A saved Terraform plan in the form of `terraform show -json`: what changes, and what will exist afterwards.

Source of the format: https://developer.hashicorp.com/terraform/internals/json-format
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

from mlflow_common.errors import InputError, PlatformError
from mlflow_platform.outputs import Terraform, terraform_error
from mlflow_platform.plan_guard import app_stacks

SERVER = "aws_sagemaker_mlflow_tracking_server"
BUCKET = "aws_s3_bucket"
KEY = "aws_kms_key"
DOMAIN = "aws_sagemaker_domain"
OBJECT = "aws_s3_object"
# The attributes that name a resource, the first one present counts.
_NAMES = (
    *("tracking_server_name", "bucket", "bucket_name", "repository_name", "domain_name"),
    *("name", "service_name", "description", "id"),
)


class Action(Enum):
    """What Terraform does with a resource."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    FORGET = "forget"
    NOTHING = ""


@dataclass(frozen=True)
class Change:
    """One resource's change. `before` is empty for a new resource, `after` for a deleted one."""

    address: str
    type: str
    action: Action
    reason: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    unknown: Mapping[str, Any] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    forced_by: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The resource's name, or its address if nothing else is known."""
        values = self.before or self.after
        return next((str(values[key]) for key in _NAMES if values.get(key)), self.address)

    @property
    def loses_it(self) -> bool:
        """Whether the existing resource will be deleted."""
        return self.action in {Action.DELETE, Action.REPLACE}

    @property
    def is_app(self) -> bool:
        """Whether it is an MLflow App, or a CloudFormation stack with one."""
        return app_stacks.holds_app(self.type, self.before or self.after)

    @property
    def replaces_app(self) -> bool:
        """Whether it updates a stack so that its App is replaced or removed."""
        return (
            self.is_app and self.action is Action.UPDATE and app_stacks.replaces(self.before, self.after, self.unknown)
        )

    @property
    def attributes(self) -> list[str]:
        """The names of the attributes that an update or replacement changes.

        Attributes that a replacement merely gets a new value for, such as its ARN, are left out.
        """
        if self.action is Action.UPDATE:
            names = self.after.keys() | {name for name, unknown in self.unknown.items() if unknown is True}
        elif self.action is Action.REPLACE:
            names = self.after.keys() | set(self.forced_by)
        else:
            return []
        return sorted(
            name for name in names if self.unknown.get(name) is True or self.before.get(name) != self.after.get(name)
        )


@dataclass(frozen=True)
class TerraformPlan:
    """A whole Terraform plan."""

    changes: tuple[Change, ...]
    planned: tuple[Mapping[str, Any], ...]
    prior: tuple[Mapping[str, Any], ...]
    variables: Mapping[str, Any]

    @classmethod
    def parse(cls, text: str | bytes) -> TerraformPlan:
        """Parse the output of `terraform show -json`. Windows PowerShell stores it as UTF-16 or with a byte order mark.

        Raises:
            InputError: it is not a plan.
        """
        try:
            given = json.loads(text.removeprefix("\ufeff") if isinstance(text, str) else text)
            values = given["planned_values"]
            # Terraform saves what it has planned until an error, so losses may be missing.
            if given.get("errored"):
                raise InputError("Terraform failed while it made this plan, so it is incomplete. Plan again.")
            return cls(
                changes=tuple(_change(it) for it in given.get("resource_changes", []) if it["mode"] == "managed"),
                planned=tuple(_resources(values.get("root_module", {}))),
                prior=tuple(_resources(given.get("prior_state", {}).get("values", {}).get("root_module", {}))),
                variables={name: value.get("value") for name, value in given.get("variables", {}).items()},
            )
        except (ValueError, LookupError, AttributeError, TypeError, RecursionError):
            raise InputError(
                "this is not a Terraform plan. Give a saved plan, or the output of `terraform show -json` in a .json "
                "file."
            ) from None

    @property
    def changing(self) -> list[Change]:
        """The changes that are not no-ops."""
        return [change for change in self.changes if change.action is not Action.NOTHING]

    @cached_property
    def region(self) -> str | None:
        """The provider's region: as the plan's data source says, or else the variable `region`."""
        for resource in self.prior:
            if resource["type"] == "aws_region" and resource["mode"] == "data":
                values = resource["values"]
                return str(values.get("region") or values["id"])  # Provider 5 has no `region`, and 6 deprecates `id`.
        given = self.variables.get("region")
        return str(given) if given else None

    def name_of(self, change: Change) -> str:
        """The name of a resource. A key is named by its alias if it has one, and a stack by its MLflow App."""
        if change.is_app:
            return app_stacks.name_of(change.before or change.after) or change.name
        if change.type == KEY:
            key = change.before.get("key_id")
            for resource in self.prior:
                if resource["type"] == "aws_kms_alias" and key and resource["values"].get("target_key_id") == key:
                    return str(resource["values"]["name"]).removeprefix("alias/")
            return str(key or change.name)
        return change.name


def read(file: Path, root: Path, terraform: Terraform, stdin: TextIO) -> TerraformPlan:
    """Read a saved plan of the root in that folder, a file with a plan's JSON, or such JSON from `stdin` (`-`).

    Raises:
        InputError: there is no such file, or it is not a plan.
        PlatformError: Terraform cannot read it.
    """
    if str(file) == "-":
        try:
            return TerraformPlan.parse(stdin.read())
        except UnicodeDecodeError as error:
            raise InputError(
                f"standard input cannot be read ({error}). Give the output of `terraform show -json`."
            ) from None
    if not file.is_file():
        raise InputError(f"there is no plan {file}. Save one with `make plan`.")
    if file.suffix == ".json":
        try:
            text = file.read_bytes()
        except OSError as error:
            raise InputError(f"{file} cannot be read ({error}). Give a saved plan.") from None
        return TerraformPlan.parse(text)
    done = terraform([f"-chdir={root}", "show", "-json", "-no-color", str(file.resolve())])
    if done.returncode != 0:
        raise PlatformError(f"Terraform cannot read {file.name} ({terraform_error(done.stderr)}).")
    return TerraformPlan.parse(done.stdout)


def _change(given: Mapping[str, Any]) -> Change:
    change = given["change"]
    sensitive = {
        name
        for side in ("before_sensitive", "after_sensitive")
        if isinstance(change.get(side), dict)
        for name, hidden in change[side].items()
        if hidden is True
    }
    return Change(
        address=given["address"] + (f" (deposed {given['deposed']})" if given.get("deposed") else ""),
        type=str(given["type"]),
        action=_action(change["actions"]),
        reason=given.get("action_reason", ""),
        before=dict(change.get("before") or {}),
        after=dict(change.get("after") or {}),
        unknown=change.get("after_unknown") if isinstance(change.get("after_unknown"), dict) else {},
        hidden=frozenset(sensitive),
        forced_by=tuple(str(path[0]) for path in change.get("replace_paths", []) if path),
    )


def _action(actions: list[str]) -> Action:
    if len(actions) > 1:
        return Action.REPLACE
    return Action(actions[0]) if actions[0] in {"create", "update", "delete", "forget"} else Action.NOTHING


def _resources(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for resource in module.get("resources", []):
        # If nothing is known before the apply, there are no values at all.
        values = resource.get("values", {})
        if not isinstance(values, Mapping):
            raise TypeError("the values of a resource are not an object")
        yield {**resource, "mode": str(resource["mode"]), "type": str(resource["type"]), "values": values}
    for child in module.get("child_modules", []):
        yield from _resources(child)
