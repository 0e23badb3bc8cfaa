"""CodePipeline: executions that run, approvals, states, and checks of the structure and the role.

Source: https://docs.aws.amazon.com/codepipeline/latest/APIReference/Welcome.html
"""

from datetime import UTC, datetime
from functools import wraps
from typing import Any

from localaws.call import current_call
from localaws.delivery.deliveries import Deliveries, stop
from localaws.delivery.events import SESSION
from localaws.delivery.record import FAILED, IN_PROGRESS, SUCCEEDED, ActionRun, Execution
from localaws.delivery.role import CODEPIPELINE
from localaws.errors import AwsError
from localaws.moto_methods import original
from localaws.page_tokens import start_of, token_at
from localaws.principals import Principals
from localaws.services.context import ServiceContext

# The largest page: https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_ListPipelineExecutions.html
PAGE = 100


def install(context: ServiceContext) -> None:
    """Changes moto's CodePipeline."""
    from moto.codepipeline.models import CodePipelineBackend
    from moto.codepipeline.responses import CodePipelineResponse as Response

    # `check` below reads the role's trust policy. moto knows only statements with one service each.
    CodePipelineBackend.iam_backend = _Trusted
    deliveries = context.delivery.deliveries
    _structure(Response, deliveries, context.principals)
    _executions(Response, deliveries)
    _approvals(Response, deliveries)


class _Trusted:
    """The roles that moto looks up: each trusts CodePipeline."""

    assume_role_policy_document = '{"Statement": [{"Principal": {"Service": "codepipeline.amazonaws.com"}}]}'

    @classmethod
    def get_role_by_arn(cls, _arn: str) -> type["_Trusted"]:
        """A role."""
        return cls


def _structure(response: Any, deliveries: Deliveries, principals: Principals) -> None:
    from moto.core.responses import ActionResult

    create = original(response.create_pipeline)
    update = original(response.update_pipeline)
    delete = original(response.delete_pipeline)

    def check(self: Any) -> str:
        pipeline = self._get_param("pipeline")
        arn = f"arn:aws:codepipeline:{self.region}:{self.current_account}:{pipeline['name']}"
        principals.check_trust(pipeline["roleArn"], CODEPIPELINE, arn)
        check_structure(pipeline)
        return arn

    @wraps(create)
    def create_pipeline(self: Any) -> Any:
        arn = check(self)
        answer = create(self)
        # A new pipeline runs at once: https://docs.aws.amazon.com/codepipeline/latest/userguide/pipelines-create.html
        found = self.codepipeline_backend.pipelines[self._get_param("pipeline")["name"]]
        deliveries.start(found.pipeline, arn, "CreatePipeline", current_call.get().principal)
        return answer

    @wraps(update)
    def update_pipeline(self: Any) -> Any:
        check(self)
        return update(self)

    @wraps(delete)
    def delete_pipeline(self: Any) -> Any:
        deliveries.forget(f"arn:aws:codepipeline:{self.region}:{self.current_account}:{self._get_param('name')}")
        return delete(self)

    def get_pipeline(self: Any) -> Any:
        pipeline, metadata = self.codepipeline_backend.get_pipeline(self._get_param("name"))
        found = self.codepipeline_backend.pipelines[pipeline["name"]]
        # Numbers, as AWS sends them: the SDK for Go refuses moto's text.
        times = {"created": _seconds(found._created), "updated": _seconds(found._updated)}
        return ActionResult({"pipeline": pipeline, "metadata": {**metadata, **times}})

    response.create_pipeline = create_pipeline
    response.update_pipeline = update_pipeline
    response.delete_pipeline = delete_pipeline
    response.get_pipeline = get_pipeline


def _executions(response: Any, deliveries: Deliveries) -> None:
    from moto.core.responses import ActionResult

    def start_pipeline_execution(self: Any) -> Any:
        pipeline, arn = _pipeline(self, "name")
        principal = current_call.get().principal
        by_rule = principal.rpartition("/")[2].startswith(SESSION)
        trigger = "CloudWatchEvent" if by_rule else "StartPipelineExecution"
        return ActionResult({"pipelineExecutionId": deliveries.start(pipeline, arn, trigger, principal).id})

    def get_pipeline_execution(self: Any) -> Any:
        return ActionResult({"pipelineExecution": _execution(self, deliveries).describe()})

    def list_pipeline_executions(self: Any) -> Any:
        _, arn = _pipeline(self, "pipelineName")
        return ActionResult(_page(self, "pipelineExecutionSummaries", [one.summarize() for one in deliveries.of(arn)]))

    def list_action_executions(self: Any) -> Any:
        _, arn = _pipeline(self, "pipelineName")
        wanted = (self._get_param("filter") or {}).get("pipelineExecutionId")
        found = [one for one in deliveries.of(arn) if wanted in (None, one.id)]
        if wanted and not found:
            raise AwsError("PipelineExecutionNotFoundException", f"There is no execution {wanted}")
        details = [detail for one in found for detail in one.action_details()]
        return ActionResult(_page(self, "actionExecutionDetails", details))

    def stop_pipeline_execution(self: Any) -> Any:
        execution = _execution(self, deliveries)
        if execution.status != IN_PROGRESS:
            raise AwsError(
                "PipelineExecutionNotStoppableException",
                f"The execution {execution.id} cannot be stopped: its status is {execution.status}",
            )
        stop(execution, self._get_param("reason") or "", abandon=bool(self._get_param("abandon")))
        return ActionResult({"pipelineExecutionId": execution.id})

    for operation in (
        start_pipeline_execution,
        get_pipeline_execution,
        list_pipeline_executions,
        list_action_executions,
        stop_pipeline_execution,
    ):
        setattr(response, operation.__name__, operation)


def _approvals(response: Any, deliveries: Deliveries) -> None:
    from moto.core.responses import ActionResult

    def get_pipeline_state(self: Any) -> Any:
        pipeline, arn = _pipeline(self, "name")
        found = self.codepipeline_backend.pipelines[pipeline["name"]]
        executions = deliveries.of(arn)
        return ActionResult(
            {
                "pipelineName": pipeline["name"],
                "pipelineVersion": pipeline["version"],
                "stageStates": [_stage_state(stage, executions) for stage in pipeline["stages"]],
                "created": _seconds(found._created),
                "updated": _seconds(found._updated),
            }
        )

    def put_approval_result(self: Any) -> Any:
        pipeline, arn = _pipeline(self, "pipelineName")
        stage, action = self._get_param("stageName"), self._get_param("actionName")
        _check_action(pipeline, stage, action)
        run = _approval(deliveries.of(arn), stage, action, self._get_param("token"))
        result = self._get_param("result")
        run.updated_by = current_call.get().principal
        approved = result["status"] == "Approved"
        run.end(SUCCEEDED if approved else FAILED, summary=result["summary"])
        run.answered.set()
        return ActionResult({"approvedAt": run.updated})

    response.get_pipeline_state = get_pipeline_state
    response.put_approval_result = put_approval_result


def check_structure(pipeline: dict[str, Any]) -> None:
    """Refuses a structure that AWS refuses and moto accepts.

    Source: https://docs.aws.amazon.com/codepipeline/latest/userguide/reference-pipeline-structure.html,
    https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_PipelineDeclaration.html (artifactStore) and
    API_OutputArtifact ("Output artifact names must be unique within a pipeline").

    Raises:
        AwsError: InvalidStructureException.
    """
    if bool(pipeline.get("artifactStore")) == bool(pipeline.get("artifactStores")):
        raise AwsError("InvalidStructureException", "A pipeline has either artifactStore or artifactStores")
    _check_names(pipeline["stages"], "Two stages have the same name")
    actions = [action for stage in pipeline["stages"] for action in stage["actions"]]
    made = [artifact for action in actions for artifact in action.get("outputArtifacts") or []]
    _check_names(made, "Two output artifacts have the same name")
    outputs: set[str] = set()
    for index, stage in enumerate(pipeline["stages"]):
        _check_names(stage["actions"], f"Stage {stage['name']} has two actions of the same name")
        for action in sorted(stage["actions"], key=lambda one: int(one.get("runOrder", 1))):
            is_source = action["actionTypeId"]["category"] == "Source"
            if is_source != (index == 0):
                where = "only the first stage may have" if is_source else "the first stage may have only"
                raise AwsError("InvalidStructureException", f"Action {action['name']}: {where} source actions")
            for artifact in action.get("inputArtifacts") or []:
                if artifact["name"] not in outputs:
                    raise AwsError(
                        "InvalidStructureException",
                        f"Input Artifact Bundle {artifact['name']} in action {action['name']} is not declared as "
                        "Output Artifact Bundle in any of the preceding actions",
                    )
            outputs |= {artifact["name"] for artifact in action.get("outputArtifacts") or []}


def _check_names(parts: list[dict[str, Any]], problem: str) -> None:
    if len({part["name"] for part in parts}) < len(parts):
        raise AwsError("InvalidStructureException", problem)


def _pipeline(self: Any, parameter: str) -> tuple[dict[str, Any], str]:
    pipeline, metadata = self.codepipeline_backend.get_pipeline(self._get_param(parameter))
    return pipeline, metadata["pipelineArn"]


def _execution(self: Any, deliveries: Deliveries) -> Execution:
    _, arn = _pipeline(self, "pipelineName")
    wanted = self._get_param("pipelineExecutionId")
    found = [one for one in deliveries.of(arn) if one.id == wanted]
    if not found:
        raise AwsError("PipelineExecutionNotFoundException", f"There is no execution {wanted}")
    return found[0]


def _check_action(pipeline: dict[str, Any], stage: str, action: str) -> None:
    stages = {one["name"]: one for one in pipeline["stages"]}
    if stage not in stages:
        raise AwsError("StageNotFoundException", f"The pipeline {pipeline['name']} has no stage {stage}")
    if action not in [one["name"] for one in stages[stage]["actions"]]:
        raise AwsError("ActionNotFoundException", f"The stage {stage} has no action {action}")


def _approval(executions: list[Execution], stage: str, action: str, token: str) -> ActionRun:
    for execution in executions:
        for run in execution.runs:
            if run.token == token and (run.stage, run.declaration["name"]) == (stage, action):
                if run.status != IN_PROGRESS:
                    raise AwsError("ApprovalAlreadyCompletedException", f"The approval {action} is already complete")
                return run
    raise AwsError("InvalidApprovalTokenException", f"The token is not that of a pending approval of {action}")


def _stage_state(stage: dict[str, Any], executions: list[Execution]) -> dict[str, Any]:
    state: dict[str, Any] = {
        "stageName": stage["name"],
        "inboundTransitionState": {"enabled": True},
        "actionStates": [_action_state(stage["name"], action, executions) for action in stage["actions"]],
    }
    latest = next((one for one in executions if one.stages.get(stage["name"])), None)
    if latest:
        state["latestExecution"] = {"pipelineExecutionId": latest.id, "status": latest.stages[stage["name"]]}
    return state


def _action_state(stage: str, action: dict[str, Any], executions: list[Execution]) -> dict[str, Any]:
    runs = [
        run
        for execution in executions
        for run in reversed(execution.runs)
        if (run.stage, run.declaration["name"]) == (stage, action["name"])
    ]
    latest = {"latestExecution": runs[0].state()} if runs else {}
    return {"actionName": action["name"], **latest}


def _page(self: Any, member: str, found: list[Any]) -> dict[str, Any]:
    """A page of a list.

    Raises:
        AwsError: InvalidNextTokenException.
    """
    first, size = start_of(self._get_param("nextToken")), int(self._get_param("maxResults") or PAGE)
    following = {"nextToken": token_at(first + size)} if first + size < len(found) else {}
    return {member: found[first : first + size], **following}


def _seconds(time: datetime) -> float:
    return time.replace(tzinfo=UTC).timestamp()  # moto keeps naive UTC.
