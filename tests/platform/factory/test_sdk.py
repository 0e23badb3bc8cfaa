"""The pipeline's definition is what SageMaker's SDK renders for the same pipeline.

The SDK takes 190 MB and half a minute, so `sdk/rendered.json` keeps what it rendered. CONTRIBUTING.md says how to
render it again.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlflow_platform.environment import REPOSITORY
from mlflow_platform.factory.project import Project
from training.pipeline import Blueprint, definition

FOLDER = Path(__file__).parent / "sdk"
# What differs, with the reason. `*` stands for a name or a number.
SAME = {
    # The SDK writes the API's default.
    "only SDK: */S3Input/S3CompressionType",
    # We have none, and send an empty object.
    "only ours: Steps/Train/Arguments/HyperParameters",
    # Not set means that SageMaker decides.
    "only SDK: Steps/Train/Arguments/ProfilerConfig",
    # null in the SDK means that the pipeline is not part of SageMaker Experiments, which is the default of the API.
    "only SDK: PipelineExperimentConfig",
}


def ours() -> dict[str, Any]:
    project = Project.read(REPOSITORY / "training")
    return definition(
        Blueprint(
            role="arn:aws:iam::123456789012:role/pipeline",
            code="s3://bucket/code/1",
            outputs="s3://bucket/out",
            entry_points={name: list(one.parameters) for name, one in project.entry_points.items()},
            tags={"project": "mlflow", "environment": "staging"},
        )
    )


def differences(own: Any, sdk: Any, path: str = "") -> Iterator[str]:
    """Where two documents differ. Steps are compared by their names, and lists of exceptions as sets."""
    if isinstance(own, dict) and isinstance(sdk, dict):
        for key in sorted({*own, *sdk}):
            place = f"{path}/{key}".lstrip("/")
            if key not in own or key not in sdk:
                yield f"only {'SDK' if key not in own else 'ours'}: {place}"
            else:
                yield from differences(own[key], sdk[key], place)
    elif isinstance(own, list) and isinstance(sdk, list) and path.endswith("ExceptionType"):
        yield from differences("".join(sorted(own)), "".join(sorted(sdk)), path)
    elif isinstance(own, list) and isinstance(sdk, list) and len(own) == len(sdk):
        for number, (one, other) in enumerate(zip(own, sdk, strict=True)):
            name = one.get("Name", number) if isinstance(one, dict) else number
            yield from differences(one, other, f"{path}/{name}")
    elif own != sdk:
        yield f"{path}: {own!r} is {sdk!r} in the SDK"


def test_the_definition_is_what_the_sdk_renders() -> None:
    found = set(differences(ours(), json.loads((FOLDER / "rendered.json").read_text())["definition"]))
    known = re.compile("|".join(re.escape(one).replace(r"\*", ".*") for one in sorted(SAME)))
    assert sorted(one for one in found if not known.fullmatch(one)) == []
    # No difference is listed that does not exist any more.
    for one in sorted(SAME):
        assert any(re.fullmatch(re.escape(one).replace(r"\*", ".*"), other) for other in found), one


def test_the_sdks_version_is_the_locked_one() -> None:
    locked = re.search(r"^sagemaker==(\S+)", (FOLDER / "requirements.lock").read_text(), re.MULTILINE)
    assert locked
    assert json.loads((FOLDER / "rendered.json").read_text())["sdk"] == locked[1]
