"""SageMaker's operations on pipelines and their executions. moto keeps the pipelines; it runs none.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StartPipelineExecution.html and the pages of the
other operations.
"""

import json
from datetime import UTC, datetime
from typing import Any

from moto.sagemaker.models import sagemaker_backends

from localaws.endpoints.records import refusal
from localaws.endpoints.role import HOSTING
from localaws.errors import AwsError
from localaws.iam.trust import sagemaker_source
from localaws.jobs.jobs import Jobs
from localaws.jobs.listing import matching, page
from localaws.pipelines import versions
from localaws.pipelines.definition import Definition
from localaws.pipelines.executions import Executions
from localaws.pipelines.record import RUNNING, Execution
from localaws.pipelines.selection import reused
from localaws.principals import Principals, random_id
from localaws.services.context import Caller, Operations

# The default of ParallelismConfiguration.
PARALLEL = 50
# Where moto's pipeline keeps the ClientRequestToken of its creation.
_CREATED_BY = "localaws_request"


def all_operations(
    executions: Executions, jobs: Jobs, principals: Principals, account: str
) -> tuple[Operations, Operations, Operations]:
    """The operations on pipelines, on their versions, and on the tokens of callback steps."""
    return (
        PipelineOperations(executions, jobs, principals, account).operations(),
        versions.PipelineVersions(executions, account).operations(),
        executions.callbacks.operations(),
    )


class PipelineOperations:
    """Checks definitions, and runs executions."""

    def __init__(self, executions: Executions, jobs: Jobs, principals: Principals, account: str) -> None:
        self._executions = executions
        self._jobs = jobs
        self._principals = principals
        self._account = account

    def operations(self) -> Operations:
        """The operations for SageMaker's dispatcher."""
        return Operations(
            handlers={
                "CreatePipeline": self.create,
                "StartPipelineExecution": self.start,
                "DescribePipelineExecution": self.describe,
                "DescribePipelineDefinitionForExecution": self.definition,
                "DescribePipeline": self.describe_pipeline,
                "ListPipelines": self.list_pipelines,
                "ListPipelineExecutions": self.list,
                "ListPipelineExecutionSteps": self.steps,
                "ListPipelineParametersForExecution": self.parameters,
                "StopPipelineExecution": self.stop,
                "RetryPipelineExecution": self.retry,
            },
            checks={
                "UpdatePipeline": self.check_update,
                "DeletePipeline": self.check_deletion,
            },
            extensions={"UpdatePipeline": self.updated},
        )

    def create(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """CreatePipeline: the name is free, the role can be assumed, and the definition can run: it is version 1.

        "An idempotent operation completes no more than one time" for one ClientRequestToken: API_CreatePipeline.
        """
        name, token = given["PipelineName"], given["ClientRequestToken"]
        existing = self._pipelines(caller).get(name)
        if existing and vars(existing).get(_CREATED_BY) == token:
            return {"PipelineArn": existing.arn}
        aliases = given.get("PipelineVersionAliases") or []
        versions.check_aliases(None, aliases, aliases)
        if existing:
            message = f"Pipeline names must be unique within an AWS account and region. {existing.arn} already exists."
            raise refusal(message)
        if ("PipelineDefinition" in given) == ("PipelineDefinitionS3Location" in given):
            raise refusal("You must specify either PipelineDefinition or PipelineDefinitionS3Location.")
        pipeline = sagemaker_backends[self._account][caller.region].create_pipeline(
            pipeline_name=name,
            pipeline_display_name=given.get("PipelineDisplayName"),
            pipeline_definition=self._check(caller, given),
            pipeline_definition_s3_location=None,
            pipeline_description=given.get("PipelineDescription"),
            role_arn=given["RoleArn"],
            tags=given.get("Tags"),
            parallelism_configuration=given.get("ParallelismConfiguration"),
        )
        vars(pipeline)[_CREATED_BY] = token
        versions.add(pipeline, aliases)
        return {"PipelineArn": pipeline.arn}

    def check_update(self, caller: Caller, given: dict[str, Any]) -> None:
        """UpdatePipeline: the pipeline exists, and the new definition can run."""
        pipeline = versions.find(self._account, caller, given["PipelineName"])
        versions.of(pipeline)  # Keeps the present definition: moto replaces it.
        aliases = given.get("PipelineVersionAliases") or []
        versions.check_aliases(pipeline, aliases, aliases)
        text = self._check(caller, given)
        if aliases and text in (None, pipeline.pipeline_definition):
            # "You can specify aliases only when the update changes the pipeline definition": botocore's model.
            raise refusal("PipelineVersionAliases can only be specified if the pipeline definition changes.")

    def updated(self, caller: Caller, given: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
        """UpdatePipeline: a new definition is a new version. moto keeps the time of the creation."""
        pipeline = versions.find(self._account, caller, given["PipelineName"])
        pipeline.last_modified_time = datetime.now(UTC).replace(tzinfo=None)  # moto keeps naive times.
        return {**response, "PipelineVersionId": versions.add(pipeline, given.get("PipelineVersionAliases") or [])}

    def describe_pipeline(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """DescribePipeline takes a name or an ARN; moto takes a name."""
        pipeline = versions.find(self._account, caller, given["PipelineName"])
        version = versions.resolve(pipeline, given)
        backend = sagemaker_backends[self._account][caller.region]
        found = backend.describe_pipeline(pipeline.pipeline_name) | versions.described(version)
        return {name: value for name, value in found.items() if value is not None}

    def check_deletion(self, caller: Caller, given: dict[str, Any]) -> None:
        """DeletePipeline: the pipeline exists, and no execution runs."""
        pipeline = versions.find(self._account, caller, given["PipelineName"])
        if any(one.status in RUNNING for one in self._executions.of(pipeline.arn)):
            raise AwsError("ConflictException", f"Pipeline {pipeline.arn} has running executions.")
        self._executions.forget(pipeline.arn)

    def start(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """StartPipelineExecution. Idempotent for one ClientRequestToken."""
        pipeline = versions.find(self._account, caller, given["PipelineName"])
        token = given["ClientRequestToken"]
        for one in self._executions.of(pipeline.arn):
            if one.token == token:
                return {"PipelineExecutionArn": one.arn}
        _check_start(given)
        version = versions.resolve(pipeline, given)
        text = version["PipelineDefinition"]
        parameters = given.get("PipelineParameters") or []
        definition = Definition.parse(text)
        values = definition.values(parameters)
        selection = given.get("SelectiveExecutionConfig")
        role = pipeline.role_arn
        now = datetime.now(UTC)
        identifier = random_id()
        limits = given.get("ParallelismConfiguration") or pipeline.parallelism_configuration or {}
        details = {
            "PipelineExecutionDisplayName": given.get("PipelineExecutionDisplayName") or f"execution-{identifier}",
            "PipelineExecutionDescription": given.get("PipelineExecutionDescription"),
            "PipelineExecutionStatus": "Executing",
            "ParallelismConfiguration": limits or None,
            "SelectiveExecutionConfig": selection,
            "PipelineVersionId": version["PipelineVersionId"],
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        execution = Execution(
            arn=f"{pipeline.arn}/execution/{identifier}",
            pipeline=pipeline.arn,
            role=role,
            text=text,
            values=values,
            given=parameters,
            parallelism=limits.get("MaxParallelExecutionSteps", PARALLEL),
            token=token,
            details={name: value for name, value in details.items() if value is not None},
            steps=reused(selection, definition, pipeline.arn, self._executions.find) if selection else {},
        )
        self._executions.start(execution, self._jobs.clients(role, caller.region))
        vars(pipeline).update(last_execution_time=now.replace(tzinfo=None))  # moto keeps naive times.
        return {"PipelineExecutionArn": execution.arn}

    def describe(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """DescribePipelineExecution."""
        execution = self._executions.find(given["PipelineExecutionArn"])
        return {
            "PipelineArn": execution.pipeline,
            "PipelineExecutionArn": execution.arn,
            **execution.details,
            **versions.aliases(_version_of(versions.find(self._account, caller, execution.pipeline), execution)),
        }

    def definition(self, _caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """DescribePipelineDefinitionForExecution."""
        execution = self._executions.find(given["PipelineExecutionArn"])
        return {"PipelineDefinition": execution.text, "CreationTime": execution.details["CreationTime"]}

    def list(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """ListPipelineExecutions."""
        pipeline = versions.find(self._account, caller, given["PipelineName"])
        listed = {one.arn: one for one in self._executions.of(pipeline.arn)}
        if given.get("PipelineVersionAlias"):
            version = versions.resolve(pipeline, given)
            listed = {arn: one for arn, one in listed.items() if _version_of(pipeline, one) is version}
        keys = [{"PipelineExecutionArn": arn, **one.details} for arn, one in listed.items()]
        found = matching(keys, given, "PipelineExecution")
        items, token = page([listed[one["PipelineExecutionArn"]] for one in found], given)
        summaries = [
            {
                "PipelineExecutionArn": one.arn,
                "StartTime": one.details["CreationTime"],
                **{name: one.details[name] for name in _SUMMARY if name in one.details},
                **_reason(one),
                **versions.aliases(_version_of(pipeline, one)),
            }
            for one in items
        ]
        return {"PipelineExecutionSummaries": summaries, **_next(token)}

    def list_pipelines(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """ListPipelines. moto filters one page only, and takes PipelineNamePrefix for any part of the name."""
        prefix, managed = given.get("PipelineNamePrefix") or "", given.get("ManagedBy") == "AWS"
        found = [
            _summary(one)
            for name, one in list(self._pipelines(caller).items())
            if name.startswith(prefix) and not managed
        ]
        items, token = page(matching(found, given, "Pipeline"), given)
        return {"PipelineSummaries": items, **_next(token)}

    def steps(self, _caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """ListPipelineExecutionSteps: the steps that have started, newest first."""
        if not given.get("PipelineExecutionArn"):
            raise refusal("PipelineExecutionArn must be specified.")
        runs = [dict(one.shown) for one in list(self._executions.find(given["PipelineExecutionArn"]).steps.values())]
        runs.sort(key=lambda one: one["StartTime"], reverse=given.get("SortOrder", "Descending") == "Descending")
        items, token = page(runs, given)
        return {"PipelineExecutionSteps": items, **_next(token)}

    def parameters(self, _caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """ListPipelineParametersForExecution: the parameters of the request and their defaults."""
        execution = self._executions.find(given["PipelineExecutionArn"])
        found = [{"Name": name, "Value": _text(value)} for name, value in execution.values.items()]
        items, token = page(found, given)
        return {"PipelineParameters": items, **_next(token)}

    def stop(self, _caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """StopPipelineExecution: stops the running steps' jobs."""
        execution = self._executions.find(given["PipelineExecutionArn"])
        if execution.status not in RUNNING:
            raise AwsError(
                "ConflictException",
                f"Pipeline execution with ARN {execution.arn} is in status {execution.status} and cannot be stopped.",
            )
        execution.set("Stopping")
        execution.stop_requested.set()
        return {"PipelineExecutionArn": execution.arn}

    def retry(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """RetryPipelineExecution: runs the steps again that have not succeeded."""
        execution = self._executions.find(given["PipelineExecutionArn"])
        if given["ClientRequestToken"] == execution.retried:
            return {"PipelineExecutionArn": execution.arn}  # "An idempotent operation completes no more than once."
        if execution.status not in ("Failed", "Stopped"):
            raise AwsError(
                "ConflictException",
                f"Pipeline execution with ARN {execution.arn} is in status {execution.status} and cannot be retried.",
            )
        if any(one.shown.get("Metadata", {}).get("Fail") for one in list(execution.steps.values())):
            # "You cannot retry a pipeline execution ending with a FailStep":
            # https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html#step-type-fail
            message = f"Pipeline execution with ARN {execution.arn} ended with a Fail step and cannot be retried."
            raise AwsError("ConflictException", message)
        clients = self._jobs.clients(execution.role, caller.region)
        for name, run in list(execution.steps.items()):
            if run.status != "Succeeded":
                del execution.steps[name]
        limits = given.get("ParallelismConfiguration")
        if limits:  # "overrides the parallelism configuration of the parent pipeline": API_RetryPipelineExecution
            execution.parallelism = limits["MaxParallelExecutionSteps"]
            execution.details["ParallelismConfiguration"] = limits
        execution.retried = given["ClientRequestToken"]
        execution.stop_requested.clear()
        execution.set("Executing")
        self._executions.start(execution, clients)
        return {"PipelineExecutionArn": execution.arn}

    def _check(self, caller: Caller, given: dict[str, Any]) -> str | None:
        """Check the role and the definition of a request. Returns the definition, if the request has one."""
        if given.get("RoleArn"):
            source = sagemaker_source(caller.region, self._account)
            self._principals.check_trust(given["RoleArn"], HOSTING, source)
        text: str | None = given.get("PipelineDefinition")
        if not text and given.get("PipelineDefinitionS3Location"):
            text = _stored(self._account, given["PipelineDefinitionS3Location"])
        if text:
            Definition.parse(text)
        return text

    def _pipelines(self, caller: Caller) -> dict[str, Any]:
        found: dict[str, Any] = sagemaker_backends[self._account][caller.region].pipelines
        return found


def _check_start(given: dict[str, Any]) -> None:
    """Refuse what AWS refuses, and what localaws does not run."""
    if given.get("RoleArn"):
        # "You can't specify it for a pipeline that you create, because its executions use the pipeline's role":
        # RoleArn of StartPipelineExecution, in botocore's model.
        raise refusal("RoleArn can only be specified for a pipeline that AWS manages. Set the role of the pipeline.")
    if given.get("MlflowExperimentName"):
        raise NotImplementedError("MlflowExperimentName of an execution")


def _version_of(pipeline: Any, execution: Execution) -> dict[str, Any]:
    """The version that an execution ran. An execution that an earlier localaws saved names none."""
    return versions.resolve(pipeline, {"PipelineVersionId": execution.details.get("PipelineVersionId", 1)})


def _summary(pipeline: Any) -> dict[str, Any]:
    """The PipelineSummary of moto's record."""
    shown = {
        "PipelineArn": pipeline.arn,
        "PipelineName": pipeline.pipeline_name,
        "PipelineDisplayName": pipeline.pipeline_display_name,
        "PipelineDescription": pipeline.pipeline_description,
        "RoleArn": pipeline.role_arn,
        "CreationTime": pipeline.creation_time,
        "LastModifiedTime": pipeline.last_modified_time,
        "LastExecutionTime": pipeline.last_execution_time,
    }
    return {name: value for name, value in shown.items() if value is not None}


_SUMMARY = ("PipelineExecutionStatus", "PipelineExecutionDescription", "PipelineExecutionDisplayName")


def _reason(execution: Execution) -> dict[str, str]:
    reason = execution.details.get("FailureReason")
    return {"PipelineExecutionFailureReason": reason} if reason else {}


def _next(token: str | None) -> dict[str, str]:
    return {"NextToken": token} if token else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _stored(account: str, where: dict[str, str]) -> str:
    from moto.s3.models import s3_backends

    found = s3_backends[account]["aws"].get_object(where["Bucket"], where["ObjectKey"])
    if found is None:
        raise refusal(f"Could not find the pipeline definition s3://{where['Bucket']}/{where['ObjectKey']}.")
    text: bytes = found.value
    return text.decode(errors="replace")
