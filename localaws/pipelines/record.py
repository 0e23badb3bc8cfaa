"""One execution of a pipeline and its steps, as the API shows them."""

import hashlib
import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from localaws.pipelines.definition import Definition

RUNNING = ("Executing", "Stopping")
# The reason of an execution of which a step failed: https://github.com/aws/sagemaker-python-sdk/issues/3083
STEP_FAILED = "Step failure: One or multiple steps failed."


@dataclass
class StepRun:
    """A step of an execution that has started.

    Attributes:
        shown: the members of PipelineExecutionStep.
        properties: what later steps can refer to.
        key: identifies equal arguments, for caching; "" if the step is not cached.
    """

    shown: dict[str, Any]
    properties: dict[str, Any] = field(default_factory=dict)
    key: str = ""

    @property
    def status(self) -> str:
        """Executing, Stopped, Failed or Succeeded."""
        status: str = self.shown["StepStatus"]
        return status

    def end(self, status: str, reason: str = "") -> None:
        """The step ended."""
        self.shown |= {"StepStatus": status, "EndTime": datetime.now(UTC)}
        if reason:
            self.shown["FailureReason"] = reason[:1024]


@dataclass(eq=False)
class Execution:
    """An execution.

    Attributes:
        values: the parameters' values.
        given: the parameters as the request names them.
        parallelism: the greatest number of steps that run at once.
        token: the ClientRequestToken.
        retried: the ClientRequestToken of the last retry.
    """

    arn: str
    pipeline: str
    role: str
    text: str
    values: dict[str, Any]
    given: list[dict[str, str]]
    parallelism: int
    token: str
    details: dict[str, Any]
    steps: dict[str, StepRun] = field(default_factory=dict)
    stop_requested: threading.Event = field(default_factory=threading.Event)
    retried: str = ""

    @property
    def id(self) -> str:
        """The last part of the ARN."""
        return self.arn.rsplit("/", 1)[-1]

    @property
    def status(self) -> str:
        """Executing, Stopping, Stopped, Failed or Succeeded."""
        status: str = self.details["PipelineExecutionStatus"]
        return status

    def definition(self) -> Definition:
        """The definition with which it started."""
        return Definition.parse(self.text)

    def set(self, status: str, reason: str = "") -> None:
        """Enter a status."""
        self.details.pop("FailureReason", None)
        self.details |= {"PipelineExecutionStatus": status, "LastModifiedTime": datetime.now(UTC)}
        if reason:
            self.details["FailureReason"] = reason

    def variables(self) -> dict[str, Any]:
        """What `Execution.X` refers to."""
        return {
            "PipelineExecutionId": self.id,
            "PipelineExecutionArn": self.arn,
            "PipelineName": self.pipeline.rsplit("/", 1)[-1],
            "PipelineArn": self.pipeline,
            "StartDateTime": self.details["CreationTime"],
            "CurrentDateTime": datetime.now(UTC),
        }


# The attributes that decide whether a step's result is reused; others, such as the outputs' URIs, do not.
# https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-default-keys.html
_CACHE_KEYS: dict[str, tuple[str, ...]] = {
    "Processing": ("AppSpecification", "Environment", "ProcessingInputs"),
    "Training": (
        "AlgorithmSpecification",
        "CheckpointConfig",
        "DebugHookConfig",
        "DebugRuleConfigurations",
        "Environment",
        "HyperParameters",
        "InputDataConfig",
    ),
    "Tuning": ("HyperParameterTuningJobConfig", "TrainingJobDefinition", "TrainingJobDefinitions"),
    "Transform": ("DataProcessing", "Environment", "ModelName", "TransformInput"),
}
_TUNING_KEYS = ("AlgorithmSpecification", "HyperParameterRanges", "InputDataConfig", "StaticHyperParameters")


def cache_key(kind: str, arguments: dict[str, Any]) -> str:
    """Identifies a step's type and the resolved arguments that AWS compares."""
    compared = {name: arguments[name] for name in _CACHE_KEYS[kind] if name in arguments}
    if isinstance(compared.get("TrainingJobDefinition"), dict):
        given = compared["TrainingJobDefinition"]
        compared["TrainingJobDefinition"] = {name: given[name] for name in _TUNING_KEYS if name in given}
    text = json.dumps([kind, compared], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
