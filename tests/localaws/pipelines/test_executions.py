"""Pipelines run their steps as jobs, follow conditions, cache, stop and retry as SageMaker does."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localaws.jobs.conftest import JobBench, channel, given_input, given_output
from tests.localaws.jobs.test_tuning import tuning_request
from tests.support.waiting import eventually

PREPARE = """
import os, pathlib, sys
root = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
(root / "processing/out/report.json").write_text('{"accuracy": ' + sys.argv[1] + "}")
"""
TRAIN = """
import json, os, pathlib
root = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
depth = json.loads((root / "input/config/hyperparameters.json").read_text())["depth"]
report = (root / "input/data/report/report.json").read_text()
(root / "model/model.json").write_text(depth + report)
"""


def prepare(bench: JobBench, name: str, script: str = PREPARE) -> dict[str, Any]:
    code = bench.put(f"{name}/code/script.py", script)
    return {
        "Name": "Prepare",
        "Type": "Processing",
        "CacheConfig": {"Enabled": True, "ExpireAfter": "P1D"},
        "PropertyFiles": [{"PropertyFileName": "Report", "OutputName": "out", "FilePath": "report.json"}],
        "Arguments": {
            "RoleArn": bench.role,
            "AppSpecification": {
                "ImageUri": "image",
                "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/script.py"],
                "ContainerArguments": [{"Get": "Parameters.Accuracy"}],
            },
            "ProcessingResources": {
                "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
            },
            "ProcessingInputs": [given_input("code", code, "/opt/ml/processing/code")],
            "ProcessingOutputConfig": given_output("out", f"s3://{bench.bucket}/{name}/out", "/opt/ml/processing/out"),
        },
    }


def train(bench: JobBench, name: str) -> dict[str, Any]:
    code = bench.put(f"{name}/train/script.py", TRAIN)
    report = {"Get": "Steps.Prepare.ProcessingOutputConfig.Outputs['out'].S3Output.S3Uri"}
    return {
        "Name": "Train",
        "Type": "Training",
        "Arguments": {
            "RoleArn": bench.role,
            "HyperParameters": {"depth": {"Get": "Parameters.Depth"}},
            "AlgorithmSpecification": {
                "TrainingImage": "image",
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/script.py"],
            },
            "InputDataConfig": [channel("code", code), channel("report", report)],  # type: ignore[arg-type]
            "OutputDataConfig": {"S3OutputPath": f"s3://{bench.bucket}/{name}/models"},
            "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        },
    }


def definition(bench: JobBench, name: str, first: dict[str, Any]) -> str:
    """Prepare, then a condition on the accuracy: train and register, or fail."""
    accuracy = {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.Prepare.PropertyFiles.Report"}, "Path": "accuracy"}}
    register = {
        "Name": "Register",
        "Type": "RegisterModel",
        "Arguments": {
            "ModelPackageGroupName": f"{name}-group",
            "InferenceSpecification": {
                "Containers": [{"Image": "i", "ModelDataUrl": {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}}],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
        },
    }
    message = {"Std:Join": {"On": " ", "Values": ["accuracy", accuracy, "is below 0.8"]}}
    check = {
        "Name": "Check",
        "Type": "Condition",
        "Arguments": {
            "Conditions": [{"Type": "GreaterThanOrEqualTo", "LeftValue": accuracy, "RightValue": 0.8}],
            "IfSteps": [train(bench, name), register],
            "ElseSteps": [{"Name": "Reject", "Type": "Fail", "Arguments": {"ErrorMessage": message}}],
        },
    }
    parameters = [
        {"Name": "Accuracy", "Type": "Float", "DefaultValue": 0.9},
        {"Name": "Depth", "Type": "Integer", "DefaultValue": 3},
    ]
    return json.dumps({"Version": "2020-12-01", "Metadata": {}, "Parameters": parameters, "Steps": [first, check]})


def create(bench: JobBench, name: str, script: str = PREPARE) -> None:
    text = definition(bench, name, prepare(bench, name, script))
    bench.sagemaker.create_pipeline(
        PipelineName=name, RoleArn=bench.role, PipelineDefinition=text, ClientRequestToken=name.ljust(32, "0")
    )


def start(bench: JobBench, name: str, token: str = "", **parameters: str) -> str:
    given = [{"Name": key, "Value": value} for key, value in parameters.items()]
    more = {"ClientRequestToken": token} if token else {}
    arn: str = bench.sagemaker.start_pipeline_execution(PipelineName=name, PipelineParameters=given, **more)[
        "PipelineExecutionArn"
    ]
    return arn


def wait(bench: JobBench, arn: str) -> dict[str, Any]:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        found: dict[str, Any] = bench.sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        if found["PipelineExecutionStatus"] not in ("Executing", "Stopping"):
            return found
        time.sleep(0.1)
    raise TimeoutError(found)


def wait_until_started(bench: JobBench, arn: str, step: str) -> None:
    assert eventually(lambda: "ProcessingJob" in steps(bench, arn).get(step, {}).get("Metadata", {}), 180, 0.1)


def steps(bench: JobBench, arn: str) -> dict[str, dict[str, Any]]:
    found = bench.sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn)["PipelineExecutionSteps"]
    return {one["StepName"]: one for one in found}


def test_runs_trains_registers_and_reuses_results(bench: JobBench) -> None:
    create(bench, "factory")
    arn = start(bench, "factory", "a" * 32, Depth="5")
    assert start(bench, "factory", "a" * 32) == arn
    found = wait(bench, arn)
    ran = steps(bench, arn)
    assert found["PipelineExecutionStatus"] == "Succeeded", ran
    assert {name: one["StepStatus"] for name, one in ran.items()} == dict.fromkeys(
        ("Prepare", "Check", "Train", "Register"), "Succeeded"
    )
    assert ran["Check"]["Metadata"]["Condition"]["Outcome"] == "True"
    package = bench.sagemaker.describe_model_package(
        ModelPackageName=ran["Register"]["Metadata"]["RegisterModel"]["Arn"]
    )
    job = bench.sagemaker.describe_training_job(
        TrainingJobName=ran["Train"]["Metadata"]["TrainingJob"]["Arn"].rsplit("/", 1)[-1]
    )
    assert job["HyperParameters"] == {"depth": "5"}
    data = package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
    assert data == job["ModelArtifacts"]["S3ModelArtifacts"]

    again = start(bench, "factory")
    assert wait(bench, again)["PipelineExecutionStatus"] == "Succeeded"
    cached = steps(bench, again)
    assert cached["Prepare"]["CacheHitResult"] == {"SourcePipelineExecutionArn": arn}
    assert "CacheHitResult" not in cached["Train"]
    listed = bench.sagemaker.list_pipeline_executions(PipelineName="factory")["PipelineExecutionSummaries"]
    assert [one["PipelineExecutionArn"] for one in listed] == [again, arn]
    list_executions = bench.sagemaker.list_pipeline_executions
    # botocore sends whole seconds.
    for filters in ({"CreatedBefore": listed[1]["StartTime"]}, {"CreatedAfter": datetime.now(UTC) + timedelta(1)}):
        assert list_executions(PipelineName="factory", **filters)["PipelineExecutionSummaries"] == []
    sorted_by_arn = list_executions(PipelineName="factory", SortBy="PipelineExecutionArn", SortOrder="Ascending")
    assert [one["PipelineExecutionArn"] for one in sorted_by_arn["PipelineExecutionSummaries"]] == sorted([arn, again])

    config = {"SourcePipelineExecutionArn": arn, "SelectedSteps": [{"StepName": "Register"}]}
    selective = bench.sagemaker.start_pipeline_execution(PipelineName="factory", SelectiveExecutionConfig=config)
    assert wait(bench, selective["PipelineExecutionArn"])["PipelineExecutionStatus"] == "Succeeded"
    registered = steps(bench, selective["PipelineExecutionArn"])["Register"]["Metadata"]["RegisterModel"]["Arn"]
    assert registered != package["ModelPackageArn"]
    second = bench.sagemaker.describe_model_package(ModelPackageName=registered)["InferenceSpecification"]
    assert second["Containers"][0]["ModelDataUrl"] == data, "The model is that of the source execution."


def test_an_unmet_condition_fails_the_execution_with_its_reason(bench: JobBench) -> None:
    create(bench, "strict")
    arn = start(bench, "strict", Accuracy="0.5")
    found = wait(bench, arn)
    assert found["PipelineExecutionStatus"] == "Failed"
    assert found["FailureReason"] == "Step failure: One or multiple steps failed."
    ran = steps(bench, arn)
    assert set(ran) == {"Prepare", "Check", "Reject"}
    assert ran["Reject"]["FailureReason"] == "accuracy 0.5 is below 0.8"
    retry = {"PipelineExecutionArn": found["PipelineExecutionArn"], "ClientRequestToken": "r" * 32}
    with pytest.raises(ClientError, match="ended with a Fail step"):
        bench.sagemaker.retry_pipeline_execution(**retry)


def test_a_failed_execution_can_be_retried_and_a_running_one_stopped(bench: JobBench) -> None:
    create(bench, "broken", "import sys; sys.exit(1)")
    arn = start(bench, "broken")
    assert wait(bench, arn)["PipelineExecutionStatus"] == "Failed"
    ran = steps(bench, arn)
    assert set(ran) == {"Prepare"}
    assert ran["Prepare"]["FailureReason"].startswith("AlgorithmError")
    bench.put("broken/code/script.py", "import time; time.sleep(300)")
    retry = {"PipelineExecutionArn": arn, "ClientRequestToken": "r" * 32}
    for _ in range(2):  # The second call has the same token.
        bench.sagemaker.retry_pipeline_execution(**retry, ParallelismConfiguration={"MaxParallelExecutionSteps": 3})
    found = bench.sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
    assert found["ParallelismConfiguration"] == {"MaxParallelExecutionSteps": 3}
    assert "RoleArn" not in found, "AWS returns it only for pipelines that it manages."
    wait_until_started(bench, arn, "Prepare")
    bench.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    assert wait(bench, arn)["PipelineExecutionStatus"] == "Stopped"
    assert steps(bench, arn)["Prepare"]["StepStatus"] == "Stopped"
    with pytest.raises(ClientError, match="cannot be stopped"):
        bench.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)


def test_rejects_bad_requests(bench: JobBench) -> None:
    with pytest.raises(ClientError, match="Unable to parse pipeline definition"):
        bench.sagemaker.create_pipeline(
            PipelineName="bad", RoleArn=bench.role, PipelineDefinition="{}", ClientRequestToken="b" * 32
        )
    with pytest.raises(ClientError, match="does not exist"):
        start(bench, "bad")
    text = json.dumps({"Version": "2020-12-01", "Steps": [{"Name": "a", "Type": "Fail", "Arguments": {}}]})
    request = {"PipelineName": "refusing", "RoleArn": bench.role, "PipelineDefinition": text}
    for _ in range(2):  # The second call has the same token, as after a lost answer.
        bench.sagemaker.create_pipeline(**request, ClientRequestToken="c" * 32)
    with pytest.raises(ClientError, match="must be unique"):
        bench.sagemaker.create_pipeline(**request, ClientRequestToken="d" * 32)
    for more, message in (
        ({"RoleArn": bench.role}, "ValidationException.*RoleArn can only be specified for a pipeline that AWS manages"),
        ({"PipelineVersionAlias": "live"}, "ResourceNotFound.*no version with the alias live"),
        ({"PipelineVersionId": 2}, "ResourceNotFound.*no version with the id 2"),
        ({"PipelineVersionAlias": "live", "PipelineVersionId": 1}, "You can't specify both"),
    ):
        with pytest.raises(ClientError, match=message):
            bench.sagemaker.start_pipeline_execution(PipelineName="refusing", **more)
    for same in ({}, {"PipelineDefinition": text}):
        with pytest.raises(ClientError, match="only be specified if the pipeline definition changes"):
            bench.sagemaker.update_pipeline(PipelineName="refusing", PipelineVersionAliases=["live"], **same)


def test_a_tuning_step_lists_its_training_jobs_best_first(bench: JobBench) -> None:
    given = tuning_request(bench, "tune-step")
    del given["HyperParameterTuningJobName"]
    best = {"Get": "Steps.Tune.TrainingJobSummaries[0].TunedHyperParameters.depth"}
    text = json.dumps(
        {
            "Version": "2020-12-01",
            "Steps": [
                {"Name": "Tune", "Type": "Tuning", "Arguments": given},
                {"Name": "Tell", "Type": "Fail", "Arguments": {"ErrorMessage": best}},
            ],
        }
    )
    bench.sagemaker.create_pipeline(
        PipelineName="tune-step", RoleArn=bench.role, PipelineDefinition=text, ClientRequestToken="t" * 32
    )
    arn = start(bench, "tune-step")
    wait(bench, arn)
    ran = steps(bench, arn)
    assert ran["Tune"]["StepStatus"] == "Succeeded", ran
    assert ran["Tune"]["Metadata"]["TuningJob"]["Arn"]
    assert ran["Tell"]["FailureReason"] == "1"
