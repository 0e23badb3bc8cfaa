"""Structures of pipelines that CodePipeline refuses, each beside one that it accepts."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from localaws.errors import AwsError
from localaws.services.codepipeline import check_structure


def action(category: str, name: str, *, reads: str = "", makes: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "actionTypeId": {"category": category}}
    for member, artifact in (("inputArtifacts", reads), ("outputArtifacts", makes)):
        if artifact:
            found[member] = [{"name": artifact}]
    return found


PIPELINE: dict[str, Any] = {
    "artifactStore": {"type": "S3", "location": "b"},
    "stages": [
        {"name": "Source", "actions": [action("Source", "S", makes="code")]},
        {"name": "Build", "actions": [action("Build", "B", reads="code", makes="built")]},
    ],
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda given: given.update(artifactStores={"us-east-1": {}}), "either artifactStore or artifactStores"),
        (lambda given: given.pop("artifactStore"), "either artifactStore or artifactStores"),
        (lambda given: given["stages"][1].update(name="Source"), "Two stages have the same name"),
        (lambda given: given["stages"][1]["actions"].append(action("Test", "B")), "two actions of the same name"),
        (lambda given: given["stages"][1]["actions"].append(action("Test", "T", makes="code")), "Two output artifacts"),
        (lambda given: given["stages"][1]["actions"].append(action("Test", "T", reads="none")), "is not declared"),
        (lambda given: given["stages"].reverse(), "may have only source actions"),
        (lambda given: given["stages"][1]["actions"].append(action("Source", "T")), "only the first stage may have"),
    ],
)
def test_refuses(change: Callable[[dict[str, Any]], Any], message: str) -> None:
    given = copy.deepcopy(PIPELINE)
    check_structure(given)
    change(given)
    with pytest.raises(AwsError, match=message):
        check_structure(given)
