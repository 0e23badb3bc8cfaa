"""The SageMaker pipeline: prepare, tune, train, evaluate; then register the model, or fail with the reason.

`definition` returns the JSON document that SageMaker reads, built without SageMaker's SDK: unchanged input gives an
unchanged document, which step caching needs. Each step's `Arguments` is the request of its job's API without the name
of the job.

Schema: https://aws-sagemaker-mlops.github.io/sagemaker-model-building-pipeline-definition-JSON-schema/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]
ParameterType = Literal["String", "Integer", "Float", "Boolean"]

VERSION = "2020-12-01"
_PROCESSING = "/opt/ml/processing"
_CODE = f"{_PROCESSING}/input/code"
REPORT, _REPORT_FILE = "Report", "evaluation.json"
# Steps of a pipeline, by the entry point that each runs.
STEPS: Mapping[str, str] = {"prepare": "Prepare", "tune": "Tune", "train": "Train", "evaluate": "Evaluate"}
# The parameters of each entry point that the pipeline fills in.
FILLED_IN: Mapping[str, Sequence[str]] = {
    "prepare": ("data", "target", "output"),
    "tune": ("prepared", "output"),
    "train": ("prepared", "tuned", "model"),
    "evaluate": ("prepared", "model", "output"),
}
# Environment variables of every job.
CONSTANTS: Mapping[str, str] = {
    # MLflow's default of seven retries takes four minutes to fail; this takes about a minute.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "5",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
# Retries of failures that are not the user's. Types: https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html
_RETRIES: Sequence[Json] = (
    {
        "ExceptionType": ["Step.SERVICE_FAULT", "Step.THROTTLING"],
        "IntervalSeconds": 5,
        "BackoffRate": 2.0,
        "MaxAttempts": 5,
    },
    {
        "ExceptionType": ["SageMaker.JOB_INTERNAL_ERROR", "SageMaker.CAPACITY_ERROR", "SageMaker.RESOURCE_LIMIT"],
        "IntervalSeconds": 60,
        "BackoffRate": 2.0,
        "MaxAttempts": 3,
    },
)


@dataclass(frozen=True)
class Parameter:
    """A parameter of the pipeline. Without a default value, each execution must give one."""

    name: str
    type: ParameterType
    default: str | int | float | bool | None = None

    def render(self) -> Json:
        """The parameter as SageMaker reads it."""
        default = {} if self.default is None else {"DefaultValue": self.default}
        return {"Name": self.name, "Type": self.type, **default}


PARAMETERS: Sequence[Parameter] = (
    Parameter("ImageUri", "String"),
    Parameter("DataUri", "String"),
    Parameter("TargetColumn", "String", ""),
    Parameter("TrackingUri", "String"),
    Parameter("Experiment", "String", "pipeline"),
    Parameter("ModelName", "String"),
    Parameter("ModelAlias", "String", "candidate"),
    Parameter("Threshold", "Float"),
    Parameter("PrepareInstanceType", "String", "ml.m5.large"),
    Parameter("TuneInstanceType", "String", "ml.m5.large"),
    Parameter("TrainInstanceType", "String", "ml.m5.large"),
    Parameter("EvaluateInstanceType", "String", "ml.m5.large"),
    Parameter("MaxStepSeconds", "Integer", 3600),
)


@dataclass(frozen=True)
class Blueprint:
    """What a definition is made from.

    Attributes:
        role: the ARN of the role of all jobs.
        code: the S3 folder with job.py and the project.
        outputs: the S3 folder below which the outputs of executions are.
        entry_points: those of the project, with the names of their parameters.
        metric: the metric that decides, and whether larger is better.
        values: for an entry point, values of its parameters.
        tags: the tags of all jobs.
    """

    role: str
    code: str
    outputs: str
    entry_points: Mapping[str, Sequence[str]]
    metric: str = "accuracy"
    maximize: bool = True
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def definition(blueprint: Blueprint) -> Json:
    """The pipeline's definition. It has no step for `tune` if the project has no such entry point."""
    tunes = "tune" in blueprint.entry_points
    steps = [
        _prepare(blueprint),
        *([_tune(blueprint)] if tunes else []),
        _train(blueprint, tunes),
        _evaluate(blueprint),
    ]
    return {
        "Version": VERSION,
        "Metadata": {},
        "Parameters": [one.render() for one in PARAMETERS],
        "Steps": [*steps, _decide(blueprint)],
    }


def get(path: str) -> Json:
    """A reference to a parameter, or to a property of a step or of the execution."""
    return {"Get": path}


def join(*values: Any, on: str = "") -> Json:
    """The values as one text."""
    return {"Std:Join": {"On": on, "Values": list(values)}}


def _prepared() -> Json:
    return get("Steps.Prepare.ProcessingOutputConfig.Outputs['prepared'].S3Output.S3Uri")


def _prepare(blueprint: Blueprint) -> Json:
    given: Json = {"data": f"{_PROCESSING}/input/data"}
    if "target" in blueprint.entry_points["prepare"]:
        given["target"] = get("Parameters.TargetColumn")
    inputs = {"data": get("Parameters.DataUri")}
    return _processing(blueprint, "prepare", inputs, "prepared", given)


def _tune(blueprint: Blueprint) -> Json:
    return _processing(blueprint, "tune", {"prepared": _prepared()}, "tuned", {})


def _evaluate(blueprint: Blueprint) -> Json:
    inputs = {"model": get("Steps.Train.ModelArtifacts.S3ModelArtifacts"), "prepared": _prepared()}
    step = _processing(blueprint, "evaluate", inputs, "report", {})
    return step | {"PropertyFiles": [{"PropertyFileName": REPORT, "OutputName": "report", "FilePath": _REPORT_FILE}]}


def _decide(blueprint: Blueprint) -> Json:
    path = f"metrics.{blueprint.metric}.value"
    value = {"Std:JsonGet": {"PropertyFile": get(f"Steps.Evaluate.PropertyFiles.{REPORT}"), "Path": path}}
    threshold = get("Parameters.Threshold")
    kind, words = ("GreaterThanOrEqualTo", "below") if blueprint.maximize else ("LessThanOrEqualTo", "above")
    reason = join(f"{blueprint.metric} is", value, f"which is {words} the threshold", threshold, on=" ")
    return {
        "Name": "Decide",
        "Type": "Condition",
        "Arguments": {
            "Conditions": [{"Type": kind, "LeftValue": value, "RightValue": threshold}],
            "IfSteps": [_register(blueprint)],
            "ElseSteps": [{"Name": "Reject", "Type": "Fail", "Arguments": {"ErrorMessage": reason}}],
        },
    }


def _register(blueprint: Blueprint) -> Json:
    given = {
        "model-name": get("Parameters.ModelName"),
        "training-job": get("Steps.Train.TrainingJobName"),
        "alias": get("Parameters.ModelAlias"),
    }
    # Never from the cache: a second execution registers a second version.
    return _job_step(blueprint, "register", "Register", {}, given, "EvaluateInstanceType")


def _processing(
    blueprint: Blueprint, entry: str, inputs: Mapping[str, Json], output: str, given: Mapping[str, Any]
) -> Json:
    """A processing step that runs an entry point. Its parameter `output` is the folder that becomes `output`."""
    folder = f"{_PROCESSING}/output/{output}"
    arguments = {**given, "output": folder, **blueprint.values.get(entry, {})}
    step = _job_step(blueprint, entry, STEPS[entry], inputs, arguments, f"{STEPS[entry]}InstanceType")
    target = join(blueprint.outputs, get("Execution.PipelineExecutionId"), output, on="/")
    step["Arguments"]["ProcessingOutputConfig"] = {
        "Outputs": [
            {
                "OutputName": output,
                "AppManaged": False,
                "S3Output": {"S3Uri": target, "LocalPath": folder, "S3UploadMode": "EndOfJob"},
            }
        ]
    }
    return step | {"CacheConfig": {"Enabled": True, "ExpireAfter": "P30D"}}


def _job_step(
    blueprint: Blueprint,
    entry: str,
    name: str,
    inputs: Mapping[str, Json],
    given: Mapping[str, Any],
    instance: str,
) -> Json:
    words: list[Any] = [entry]
    for key, value in given.items():
        words += [f"--{key}", value]
    sources: dict[str, Any] = {"code": blueprint.code, **inputs}
    return {
        "Name": name,
        "Type": "Processing",
        "Arguments": {
            "RoleArn": blueprint.role,
            "AppSpecification": {
                "ImageUri": get("Parameters.ImageUri"),
                "ContainerEntrypoint": ["python3", f"{_CODE}/job.py"],
                "ContainerArguments": words,
            },
            "Environment": _environment(),
            "ProcessingInputs": [_input(key, source) for key, source in sources.items()],
            "ProcessingResources": {"ClusterConfig": _cluster(instance)},
            "StoppingCondition": {"MaxRuntimeInSeconds": get("Parameters.MaxStepSeconds")},
            "Tags": _tags(blueprint),
        },
        "RetryPolicies": list(_RETRIES),
    }


def _train(blueprint: Blueprint, tunes: bool) -> Json:
    channels: dict[str, Any] = {"code": blueprint.code, "prepared": _prepared()}
    if tunes:
        channels["tuned"] = get("Steps.Tune.ProcessingOutputConfig.Outputs['tuned'].S3Output.S3Uri")
    return {
        "Name": STEPS["train"],
        "Type": "Training",
        "Arguments": {
            "RoleArn": blueprint.role,
            "AlgorithmSpecification": {
                "TrainingImage": get("Parameters.ImageUri"),
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/job.py"],
                "ContainerArguments": ["train"],
            },
            "Environment": _environment(),
            "HyperParameters": dict(blueprint.values.get("train", {})),
            "InputDataConfig": [_channel(name, source) for name, source in channels.items()],
            "OutputDataConfig": {"S3OutputPath": f"{blueprint.outputs}/models"},
            "ResourceConfig": _cluster("TrainInstanceType"),
            "StoppingCondition": {"MaxRuntimeInSeconds": get("Parameters.MaxStepSeconds")},
            "Tags": _tags(blueprint),
        },
        "CacheConfig": {"Enabled": True, "ExpireAfter": "P30D"},
        "RetryPolicies": list(_RETRIES),
    }


def _environment() -> Json:
    return {
        "MLFLOW_TRACKING_URI": get("Parameters.TrackingUri"),
        "MLFLOW_REGISTRY_URI": get("Parameters.TrackingUri"),
        "MLFLOW_EXPERIMENT_NAME": get("Parameters.Experiment"),
        **CONSTANTS,
    }


def _cluster(parameter: str) -> Json:
    return {"InstanceCount": 1, "InstanceType": get(f"Parameters.{parameter}"), "VolumeSizeInGB": 30}


def _input(name: str, source: Any) -> Json:
    path = _CODE if name == "code" else f"{_PROCESSING}/input/{name}"
    return {
        "InputName": name,
        "AppManaged": False,
        "S3Input": {
            "S3Uri": source,
            "LocalPath": path,
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
            "S3DataDistributionType": "FullyReplicated",
        },
    }


def _channel(name: str, source: Any) -> Json:
    where = {"S3DataType": "S3Prefix", "S3Uri": source, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": where}}


def _tags(blueprint: Blueprint) -> list[Json]:
    return [{"Key": key, "Value": value} for key, value in sorted(blueprint.tags.items())]
