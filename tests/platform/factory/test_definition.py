"""The pipeline's definition: the documented JSON, whose steps are valid requests of their jobs' APIs."""

import json
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator

from localaws.pipelines.definition import Definition
from localaws.pipelines.expressions import Values, resolve
from mlflow_platform.environment import REPOSITORY
from mlflow_platform.factory.project import Project
from training.pipeline import PARAMETERS, Blueprint, definition

ROLE = "arn:aws:iam::123456789012:role/pipeline"


def blueprint(**more: Any) -> Blueprint:
    project = Project.read(REPOSITORY / "training")
    points = {name: list(one.parameters) for name, one in project.entry_points.items()}
    given = {"role": ROLE, "code": "s3://bucket/code/1", "outputs": "s3://bucket/out", "entry_points": points}
    return Blueprint(**{**given, **more})


def steps(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """All steps, those of the branches too."""
    branches = [step for key in ("IfSteps", "ElseSteps") for step in found["Steps"][-1]["Arguments"][key]]
    return {step["Name"]: step for step in [*found["Steps"], *branches]}


def test_the_same_input_gives_the_same_document() -> None:
    assert json.dumps(definition(blueprint())) == json.dumps(definition(blueprint()))


def test_a_pipeline_runs_the_steps_in_order_and_registers_or_fails() -> None:
    read = Definition.parse(json.dumps(definition(blueprint())))
    assert read.steps["Prepare"].needs == set()
    assert read.steps["Tune"].needs == {"Prepare"}
    assert read.steps["Train"].needs == {"Prepare", "Tune"}
    assert read.steps["Evaluate"].needs == {"Prepare", "Train"}
    assert read.steps["Register"].gates == (("Decide", True),)
    assert read.steps["Reject"].gates == (("Decide", False),)


def test_a_project_without_tuning_has_no_step_for_it() -> None:
    points = {name: one for name, one in blueprint().entry_points.items() if name != "tune"}
    found = steps(definition(blueprint(entry_points=points)))
    assert "Tune" not in found
    assert [one["ChannelName"] for one in found["Train"]["Arguments"]["InputDataConfig"]] == ["code", "prepared"]


@pytest.mark.parametrize("name", ["Prepare", "Tune", "Train", "Evaluate", "Register"])
def test_each_step_is_a_valid_request_of_its_jobs_api(name: str, boto_session: boto3.session.Session) -> None:
    step = steps(definition(blueprint(tags={"project": "mlflow"}, values={"train": {"family": "forest"}})))[name]
    values = Values(
        {one.name: {"String": "ml.m5.large", "Integer": 60, "Float": 0.5}[one.type] for one in PARAMETERS},
        {"PipelineExecutionId": "abcdefghijkl"},
        {
            **{one: output(one) for one in ("Prepare", "Tune")},
            "Train": {"ModelArtifacts": {"S3ModelArtifacts": "s3://m"}, "TrainingJobName": "job"},
        },
        lambda *_: {},
        lambda _: {},
    )
    request = resolve(step["Arguments"], values) | {f"{step['Type']}JobName": "job"}
    model = boto_session.client("sagemaker").meta.service_model.operation_model(f"Create{step['Type']}Job")
    assert not ParamValidator().validate(request, model.input_shape).has_errors()


def output(step: str) -> dict[str, Any]:
    name = {"Prepare": "prepared", "Tune": "tuned"}[step]
    return {"ProcessingOutputConfig": {"Outputs": [{"OutputName": name, "S3Output": {"S3Uri": f"s3://b/{name}"}}]}}


def test_a_metric_to_minimize_is_compared_the_other_way() -> None:
    decide = definition(blueprint(metric="rmse", maximize=False))["Steps"][-1]["Arguments"]
    assert decide["Conditions"][0]["Type"] == "LessThanOrEqualTo"
    assert decide["Conditions"][0]["LeftValue"]["Std:JsonGet"]["Path"] == "metrics.rmse.value"
    words = decide["ElseSteps"][0]["Arguments"]["ErrorMessage"]["Std:Join"]["Values"]
    assert (words[0], words[2]) == ("rmse is", "which is above the threshold")


def test_only_registration_is_never_taken_from_the_cache() -> None:
    found = steps(definition(blueprint()))
    assert {name for name, step in found.items() if "CacheConfig" in step} == {"Prepare", "Tune", "Train", "Evaluate"}
