"""Runs one step: creates its job, model or package with the pipeline's role, and waits for the job."""

import json
import secrets
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from localaws.endpoints.model_data import split_s3_url
from localaws.endpoints.role import RoleClients
from localaws.jobs import tuning
from localaws.jobs.jobs import Jobs
from localaws.jobs.record import PROCESSING, TRAINING, TRANSFORM, TUNING
from localaws.pipelines import outside
from localaws.pipelines.callbacks import Callbacks
from localaws.pipelines.conditions import holds
from localaws.pipelines.definition import Step
from localaws.pipelines.errors import StepError, StoppedError
from localaws.pipelines.expressions import ExpressionError, Values, as_text, resolve
from localaws.pipelines.policies import may_retry
from localaws.pipelines.record import StepRun

JOBS = {"Processing": PROCESSING, "Training": TRAINING, "Transform": TRANSFORM, "Tuning": TUNING}
_POLL_SECONDS = 0.05
# Name of a job: pipelines-EXECUTION-STEP-RANDOM, at most 63 characters.
_NAME = 63
_TUNING_NAME = 32
_METADATA = {"HyperParameterTuningJob": "TuningJob"}
# Exception types of retry policies: https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html
THROTTLED = ("ThrottlingException", "Throttling", "TooManyRequestsException")


class StepRunner:
    """Runs the steps of one execution."""

    def __init__(
        self, execution: str, clients: RoleClients, jobs: Jobs, callbacks: Callbacks, stop: threading.Event
    ) -> None:
        """`execution` is its ARN; `clients` are the pipeline role's."""
        self._execution = execution
        self._clients = clients
        self._jobs = jobs
        self._callbacks = callbacks
        self._stop = stop

    def job_name(self, step: Step) -> str:
        """A new name for a step's job or model."""
        return _name(self._execution.rsplit("/", 1)[-1], step.name, _TUNING_NAME if step.type == "Tuning" else _NAME)

    def run(self, step: Step, values: Values, run: StepRun, arguments: dict[str, Any], name: str) -> None:
        """Run a step once.

        Args:
            arguments: the step's arguments, resolved (for a condition: as in the definition).
            name: of its job or model.

        Raises:
            StepError: it failed.
            StoppedError: the execution is being stopped.
        """
        try:
            if step.type in JOBS:
                self._job(step, run, arguments, name)
            elif step.type == "Condition":
                outcome = all(holds(one, values) for one in arguments.get("Conditions") or [])
                run.properties = {"Outcome": outcome}
                run.shown["Metadata"] = {"Condition": {"Outcome": str(outcome)}}
            elif step.type == "Fail":
                message = as_text(arguments.get("ErrorMessage", ""))
                run.shown["Metadata"] = {"Fail": {"ErrorMessage": message}}
                raise StepError(message)
            elif step.type == "Callback":
                given = (step.given, run, arguments, self._clients)
                outside.wait(*given, self._callbacks, self._execution, self._stop)
            elif step.type == "Lambda":
                outside.invoke(step.given, run, arguments, self._clients)
            elif step.type == "Model":
                self._model(run, arguments, name)
            else:
                self._package(run, arguments)
        except ClientError as error:
            code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
            raise StepError(f"ClientError: {error.response['Error']['Message']}", _kind(code, status)) from None
        except BotoCoreError as error:  # The arguments do not fit the API's shapes.
            raise StepError(f"ClientError: {error}") from None
        except (ExpressionError, KeyError) as error:
            raise StepError(f"ClientError: {error}") from None

    def property_file(self, steps: Mapping[str, Step], properties: Mapping[str, Any], step: str, name: str) -> Any:
        """The content of a step's property file.

        Raises:
            ExpressionError: it is not declared, or cannot be read.
        """
        declared = {one["PropertyFileName"]: one for one in steps[step].given.get("PropertyFiles") or []}
        if name not in declared:
            raise ExpressionError(f"Step {step} declares no property file {name}")
        outputs = (properties[step].get("ProcessingOutputConfig") or {}).get("Outputs") or []
        wanted = declared[name]["OutputName"]
        uri = next((one["S3Output"]["S3Uri"] for one in outputs if one["OutputName"] == wanted), None)
        if uri is None:
            raise ExpressionError(f"Step {step} has no output {wanted}, which property file {name} names")
        return self.json_file(f"{uri.rstrip('/')}/{declared[name]['FilePath']}")

    def json_file(self, uri: str) -> Any:
        """The content of an object.

        Raises:
            ExpressionError: it cannot be read.
        """
        try:
            bucket, key = split_s3_url(uri)
            return json.loads(self._clients.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        except (ClientError, BotoCoreError, ValueError) as error:
            raise ExpressionError(f"Cannot read property file {uri}: {error}") from None

    def _job(self, step: Step, run: StepRun, arguments: dict[str, Any], name: str) -> None:
        kind = JOBS[step.type]
        given = {**arguments, f"{kind.noun}Name": name}
        response = self._call(f"Create{kind.noun}", given)
        run.shown["Metadata"] = {_METADATA.get(kind.noun, kind.noun): {"Arn": response[f"{kind.noun}Arn"]}}
        job = self._jobs.by_arn(response[f"{kind.noun}Arn"])
        if job is None:
            raise StepError("InternalServerError: the job does not exist")
        while not job.done.wait(_POLL_SECONDS):
            if self._stop.is_set() and job.status == "InProgress":
                self._call(f"Stop{kind.noun}", {f"{kind.noun}Name": name})
        found = job.describe()
        status, reason = job.status, found.get("FailureReason", "")
        if status == "Completed":
            run.properties = found
            if kind is TUNING:
                # Pipelines have the training jobs best first:
                # https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html
                config = job.given["HyperParameterTuningJobConfig"]
                summaries = tuning.best_first(tuning.children(job, self._jobs), config)
                run.properties = {**tuning.describe(job, self._jobs), "TrainingJobSummaries": summaries}
        elif self._stop.is_set():
            raise StoppedError
        elif status == "Stopped":
            raise StepError(reason or f"ClientError: The {kind.resource.replace('-', ' ')} {name} was stopped.")
        else:
            # "Jobs running inside the tuning step conduct retries internally and will not retry the
            # SageMaker.JOB_INTERNAL_ERROR exception type": pipelines-retry-policy.html
            internal = reason.startswith("InternalServerError") and kind is not TUNING
            raise StepError(reason, "SageMaker.JOB_INTERNAL_ERROR" if internal else "")

    def _model(self, run: StepRun, arguments: dict[str, Any], name: str) -> None:
        name = arguments.get("ModelName") or name
        response = self._call("CreateModel", {**arguments, "ModelName": name})
        run.shown["Metadata"] = {"Model": {"Arn": response["ModelArn"]}}
        run.properties = {**arguments, "ModelName": name, "ModelArn": response["ModelArn"]}

    def _package(self, run: StepRun, arguments: dict[str, Any]) -> None:
        group = arguments.get("ModelPackageGroupName")
        if group:
            # AWS creates the group if it does not exist:
            # https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html
            try:
                self._call("DescribeModelPackageGroup", {"ModelPackageGroupName": group})
            except ClientError:
                self._create_group(group)
        arn = self._call("CreateModelPackage", arguments)["ModelPackageArn"]
        run.shown["Metadata"] = {"RegisterModel": {"Arn": arn}}
        run.properties = {**arguments, "ModelPackageArn": arn}

    def _create_group(self, group: str) -> None:
        try:
            self._call("CreateModelPackageGroup", {"ModelPackageGroupName": group})
        except ClientError as error:
            # Another step has created it meanwhile.
            if "already exists" not in str(error):
                raise

    def _call(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        client = self._clients.sagemaker
        shape = client.meta.service_model.operation_model(operation).input_shape
        response: dict[str, Any] = getattr(client, xform_name(operation))(**coerce(shape, given))
        return response


def arguments_of(step: Step, values: Values) -> dict[str, Any]:
    """A step's arguments with the references resolved. A condition resolves its own later.

    Raises:
        StepError: a reference has no value.
    """
    if step.type == "Condition":
        return dict(step.given["Arguments"])
    try:
        found: dict[str, Any] = resolve(step.given["Arguments"], values)
    except (ExpressionError, KeyError) as error:
        raise StepError(f"ClientError: {error}") from None
    return found


def coerce(shape: Any, value: Any) -> Any:
    """A value with its numbers and texts in the types of the API's shape. A parameter can be an Integer in a text."""
    if shape.type_name == "structure" and isinstance(value, dict):
        members = shape.members
        return {name: coerce(members[name], one) if name in members else one for name, one in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [coerce(shape.member, one) for one in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {name: coerce(shape.value, one) for name, one in value.items()}
    if shape.type_name == "string" and isinstance(value, int | float | datetime):
        return as_text(value)
    if shape.type_name in ("integer", "long") and isinstance(value, str) and value.isdigit():
        return int(value)
    return value


def new_run(step: Step, attempt: int) -> StepRun:
    """A step that starts now."""
    shown: dict[str, Any] = {
        "StepName": step.name,
        "StartTime": datetime.now(UTC),
        "StepStatus": "Executing",
        "AttemptCount": attempt,
    }
    for member, name in (("StepDisplayName", "DisplayName"), ("StepDescription", "Description")):
        if step.given.get(name):
            shown[member] = step.given[name]
    return StepRun(shown)


def pause(step: Step, kind: str, attempt: int, minutes: float, speed: float, stop: threading.Event) -> bool:
    """Wait as a retry policy says before the next attempt. Returns False if no policy allows one.

    Args:
        minutes: the time since the step began.
    """
    for policy in step.given.get("RetryPolicies") or []:
        if kind and kind in policy["ExceptionType"] and may_retry(policy, attempt, minutes):
            seconds = policy.get("IntervalSeconds", 1) * policy.get("BackoffRate", 2.0) ** (attempt - 1) / speed
            return not stop.wait(seconds)
    return False


def _name(execution: str, step: str, most: int = _NAME) -> str:
    if most < _NAME:
        return f"{execution}-{step.replace('_', '-')[: most - len(execution) - 8]}-{secrets.token_hex(3)}"
    random = secrets.token_hex(5)
    short = step.replace("_", "-").strip("-")
    name = f"pipelines-{execution}-{short[: most - len(execution) - len(random) - 12]}-{random}"
    return name.replace("--", "-")


def _kind(code: str, status: int) -> str:
    if code in THROTTLED:
        return "Step.THROTTLING"
    if code == "ResourceLimitExceeded":
        return "SageMaker.RESOURCE_LIMIT"
    return "Step.SERVICE_FAULT" if status >= 500 else ""
