"""One execution of a pipeline and its actions, in the shapes of CodePipeline's API.

Source: https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_PipelineExecution.html and
API_ActionExecutionDetail.html.
"""

import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

IN_PROGRESS, SUCCEEDED, FAILED = "InProgress", "Succeeded", "Failed"
STOPPING, STOPPED, SUPERSEDED, ABANDONED = "Stopping", "Stopped", "Superseded", "Abandoned"


@dataclass
class ActionRun:
    """One run of an action.

    Attributes:
        token: of a pending approval, for PutApprovalResult.
        configuration: with the values of the variables.
    """

    stage: str
    declaration: dict[str, Any]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = IN_PROGRESS
    started: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    summary: str = ""
    error: str = ""
    external_id: str = ""
    updated_by: str = ""
    token: str = ""
    configuration: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    answered: threading.Event = field(default_factory=threading.Event)

    def end(self, status: str, *, summary: str = "", error: str = "") -> None:
        """Record the result."""
        self.summary, self.error = summary or self.summary, error
        self.updated = time.time()
        self.status = status

    def state(self) -> dict[str, Any]:
        """The action's `latestExecution` in GetPipelineState."""
        found: dict[str, Any] = {
            "actionExecutionId": self.id,
            "status": self.status,
            "lastStatusChange": self.updated,
        }
        more = {
            "summary": self.summary,
            "externalExecutionId": self.external_id,
            "lastUpdatedBy": self.updated_by,
            "token": self.token if self.status == IN_PROGRESS else "",
        }
        found |= {name: value for name, value in more.items() if value}
        if self.error:
            found["errorDetails"] = {"code": "JobFailed", "message": self.error}
        return found


@dataclass
class Execution:
    """One execution of a pipeline.

    Attributes:
        pipeline: the pipeline's structure when the execution started.
        trigger: `triggerType` and `triggerDetail`.
        artifacts: by name, bucket and key.
        stop: set when the execution should end; `abandon` also ends running actions.
    """

    pipeline: dict[str, Any]
    trigger: dict[str, str]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = IN_PROGRESS
    summary: str = ""
    started: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    runs: list[ActionRun] = field(default_factory=list)
    stages: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, tuple[str, str]] = field(default_factory=dict)
    revisions: list[dict[str, Any]] = field(default_factory=list)
    variables: dict[str, dict[str, str]] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)
    abandon: threading.Event = field(default_factory=threading.Event)

    def end(self, status: str, summary: str = "") -> None:
        """Record the result."""
        self.summary, self.updated = summary, time.time()
        self.status = status

    def describe(self) -> dict[str, Any]:
        """GetPipelineExecution's `pipelineExecution`."""
        return {
            "pipelineName": self.pipeline["name"],
            "pipelineVersion": self.pipeline["version"],
            "pipelineExecutionId": self.id,
            "status": self.status,
            "statusSummary": self.summary,
            "artifactRevisions": self.revisions,
            "trigger": self.trigger,
            "executionMode": self.pipeline.get("executionMode", "SUPERSEDED"),
            "executionType": "STANDARD",
        }

    def summarize(self) -> dict[str, Any]:
        """One of ListPipelineExecutions' summaries."""
        return {
            "pipelineExecutionId": self.id,
            "status": self.status,
            "statusSummary": self.summary,
            "startTime": self.started,
            "lastUpdateTime": self.updated,
            "sourceRevisions": [
                {"actionName": one["name"], "revisionId": one["revisionId"], "revisionSummary": one["revisionSummary"]}
                for one in self.revisions
            ],
            "trigger": self.trigger,
            "executionMode": self.pipeline.get("executionMode", "SUPERSEDED"),
            "executionType": "STANDARD",
        }

    def action_details(self) -> list[dict[str, Any]]:
        """ListActionExecutions' details, newest first."""
        return [self._detail(run) for run in reversed(self.runs)]

    def _detail(self, run: ActionRun) -> dict[str, Any]:
        declared = run.declaration
        result: dict[str, Any] = {"externalExecutionId": run.external_id, "externalExecutionSummary": run.summary}
        if run.error:
            result["errorDetails"] = {"code": "JobFailed", "message": run.error}
        return {
            "pipelineExecutionId": self.id,
            "actionExecutionId": run.id,
            "pipelineVersion": self.pipeline["version"],
            "stageName": run.stage,
            "actionName": declared["name"],
            "startTime": run.started,
            "lastUpdateTime": run.updated,
            "status": run.status,
            "input": {
                "actionTypeId": declared["actionTypeId"],
                "configuration": declared.get("configuration") or {},
                "resolvedConfiguration": run.configuration,
                "inputArtifacts": self._artifacts(declared.get("inputArtifacts")),
            },
            "output": {
                "outputArtifacts": self._artifacts(declared.get("outputArtifacts")),
                "executionResult": result,
                "outputVariables": run.variables,
            },
        }

    def _artifacts(self, declared: list[dict[str, str]] | None) -> list[dict[str, Any]]:
        found = []
        for one in declared or []:
            if one["name"] in self.artifacts:
                bucket, key = self.artifacts[one["name"]]
                found.append({"name": one["name"], "s3location": {"bucket": bucket, "key": key}})
        return found
