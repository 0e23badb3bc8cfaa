"""The permissions that Terraform's calls need, taken from localaws's call log and recorded in `terraform_calls.json`.

The recording has all options of prod. Its names and ids are placeholders.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.policy.judging import Ask
from tests.policy.scenarios import ACCOUNT, REGION

RECORDING = Path(__file__).parent / "terraform_calls.json"
# The condition keys that the policies of CI use in addition to those of every call.
KEPT = ("iam:PassedToService", "iam:PermissionsBoundary", "iam:PolicyARN", "kms:ViaService")
TAGS = re.compile(r"aws:(Request|Resource)Tag/(project|environment)")

Permission = tuple[str, str, tuple[tuple[str, str], ...]]


def permissions(calls: Iterable[Mapping[str, Any]], environment: str) -> set[Permission]:
    """What calls of an environment needed, with placeholders for its names."""
    return {
        (
            need["action"],
            _general(need["resource"], environment),
            tuple(
                (key, _general(value, environment))
                for key, value in sorted(need["context"].items())
                if isinstance(value, str) and (key in KEPT or TAGS.fullmatch(key))
            ),
        )
        for call in calls
        for need in call["iam"]
    }


@cache
def recorded() -> dict[str, list[Ask]]:
    """The recorded requests by verb: `plan`, `apply`, `change`, `destroy`."""
    found = json.loads(RECORDING.read_text())
    return {
        verb: [Ask(action, resource, dict(context)) for action, resource, context in asks]
        for verb, asks in found.items()
    }


def _general(text: str, environment: str) -> str:
    for value, name in (
        (f"mlflow-{environment}", "{name}"),
        (f"/mlflow/{environment}/", "/{project}/{environment}/"),
        (ACCOUNT, "{account}"),
        (REGION, "{region}"),
    ):
        text = text.replace(value, name)
    text = "{environment}" if text == environment else text
    text = re.sub(r":key/[0-9a-f-]{36}$", ":key/{id}", text)
    text = re.sub(r"(mlflow-artifacts-)[\w-]+", r"\1{suffix}", text)
    return re.sub(r"(:parameter/\{project\}/\{environment\}/).+", r"\1{parameter}", text)
